"""Real schedulers and workers on this machine: kills and late workers change no result."""

import contextlib
import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import backbeat.parallel.cluster as cluster_module
from backbeat.classify import Answer, Failure, classify_all, load
from backbeat.collections.collection import read_collection
from backbeat.errors import BackbeatError
from backbeat.features.prepare import prepare
from backbeat.parallel.cluster import ClusterExecutor, open_cluster
from backbeat.parallel.executors import InlineExecutor, map_tasks, open_executor
from backbeat.reproduce.runner import run_all
from clusters import ENVIRONMENT, LATE, OLDER, Cluster, until
from faults import faulty_environment
from made_features import small_spec
from sounds import write

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's"),
]

RATE = 22_050
GENRES = "13 songs in 3 genres: rock 5, blues 4, jazz 4"


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "cluster").mkdir()
    with contextlib.closing(Cluster(tmp_path / "cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def at_work(tmp_path_factory):
    """A cluster of a worker of two threads, for the tests that do not kill it."""
    with contextlib.closing(Cluster(tmp_path_factory.mktemp("cluster"))) as cluster:
        cluster.worker("", "--nthreads", "2")
        yield cluster


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Twelve songs in three genres, one of them no song at all; not to be changed."""
    root = tmp_path_factory.mktemp("music")
    for number in range(12):
        random = np.random.default_rng(number)
        samples = (random.standard_normal((int(29.2 * RATE), 1)) * 0.1).astype(np.float32)
        write(root / ("blues", "jazz", "rock")[number % 3] / f"{number:02d}.wav", samples)
    (root / "rock" / "text.wav").write_text("no song")
    return root


@pytest.fixture(scope="module")
def unbroken(music, tmp_path_factory):
    """Their store, made in one go by one process; not to be changed."""
    out = tmp_path_factory.mktemp("unbroken") / "features"
    prepare(read_collection(music), out)
    return out


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def done(out):
    """Count the tracks of a store under way that are done."""
    return len(list((out / "progress" / "c").glob("*")))


def client(music, out, cluster, address=None):
    """Start `backbeat prepare` on a cluster, as the head of a group of processes."""
    command = [sys.executable, "-m", "backbeat", "prepare", music, "-o", out]
    process = subprocess.Popen(
        [*command, "--cluster", address or cluster.file],
        env=cluster.slowed(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    cluster.processes.append(process)
    return process


def ended_well(process):
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    genres, left_out = err.splitlines()
    assert genres == GENRES
    assert left_out.startswith("left out: rock/text.wav: not audio")


def test_a_store_is_the_same_as_without_a_cluster(music, unbroken, at_work, tmp_path):
    out = tmp_path / "features"
    ended_well(client(music, out, at_work))
    assert tree(out) == tree(unbroken)
    results = []
    with open_executor(cluster=str(at_work.file)) as executor:
        prepare(read_collection(music), tmp_path / "again", executor=executor,
                on_progress=lambda *progress: results.append(progress))  # fmt: skip
        assert executor.ahead == 32
    assert results == [(number, 13) for number in range(14)]
    assert tree(tmp_path / "again") == tree(unbroken)


def test_a_cluster_of_this_machine(music, unbroken, tmp_path, cli):
    status, _, err = cli("prepare", music, "-o", tmp_path / "features", "--cluster", "local:2")
    assert status == 0, err
    assert tree(tmp_path / "features") == tree(unbroken)


def test_a_worker_that_is_killed_in_the_middle(music, unbroken, cluster, tmp_path):
    doomed, _ = cluster.worker(slow=True), cluster.worker(slow=True)
    out = tmp_path / "features"
    running = client(music, out, cluster)
    until(lambda: done(out) >= 3)
    doomed.kill()
    assert running.poll() is None
    assert done(out) < 10
    ended_well(running)
    assert tree(out) == tree(unbroken)


def test_workers_that_join_late(music, unbroken, cluster, tmp_path):
    out = tmp_path / "features"
    running = client(music, out, cluster)
    until(out.exists)
    time.sleep(0.5)
    assert done(out) == 0
    first = cluster.worker(slow=True)
    until(lambda: done(out) >= 2)
    cluster.worker(slow=True)
    first.kill()  # and the late one goes on alone
    ended_well(running)
    assert tree(out) == tree(unbroken)


def test_a_client_that_is_killed_and_started_again(music, unbroken, cluster, tmp_path):
    cluster.worker(slow=True)
    cluster.worker(slow=True)
    out = tmp_path / "features"
    for least in (2, 5):
        running = client(music, out, cluster)
        until(lambda least=least: done(out) >= least)
        running.kill()
        running.communicate(timeout=30)
    before = done(out)
    time.sleep(2.0)
    assert done(out) <= before + 2 < 12  # a worker's song may end, but none is begun
    ended_well(client(music, out, cluster))
    assert tree(out) == tree(unbroken)


@pytest.mark.parametrize("local", [False, True])
def test_a_stopped_client_leaves_what_can_be_resumed(music, unbroken, cluster, tmp_path, local):
    if not local:
        cluster.worker(slow=True)
    out = tmp_path / "features"
    running = client(music, out, cluster, "local:1" if local else cluster.file)
    until(lambda: done(out) >= 2)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal's Ctrl-C: to the client and all its own
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (130, f"{GENRES}\nbackbeat: stopped\n")
    assert done(out) < 12
    ended_well(client(music, out, cluster, "local:1" if local else cluster.file))
    assert tree(out) == tree(unbroken)


def test_a_lost_scheduler_is_told_in_one_line(music, cluster, tmp_path):
    cluster.worker(slow=True)
    out = tmp_path / "features"
    running = client(music, out, cluster)
    until(lambda: done(out) >= 1)
    cluster.scheduler.kill()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 1
    assert err.count("\n") == 2  # with the line of genres
    assert "the connection to the scheduler was lost; run the same command again" in err


def test_answers_are_the_same_as_without_a_cluster(music, bundle, at_work, tmp_path, cli):
    songs = [music / "jazz", music / "rock", tmp_path / "missing.wav", music / "blues"]
    written = []
    for options in ((), ("--cluster", at_work.file)):
        out = tmp_path / f"answers{len(options)}.csv"
        given = cli("classify", *songs, "--model", bundle, "--format", "csv", "-o", out, *options)
        written.append((given, out.read_text()))
    assert written[0] == written[1]
    (status, _, err), content = written[1]
    assert (status, err.splitlines()[0]) == (1, "12 answered, 2 failed")
    rows = list(csv.DictReader(content.splitlines()))
    assert len(rows) == 14
    assert [row["path"] for row in rows if row["error"]] == [
        str(music / "rock" / "text.wav"),
        str(tmp_path / "missing.wav"),
    ]


def test_the_bundle_that_comes_with_backbeat_is_found_by_name(music, at_work, monkeypatch):

    classifier = load("gtzan")
    monkeypatch.chdir(music)  # songs as they were named: below a folder that workers are not in
    songs = [Path("blues") / "00.wav", Path("jazz") / "01.wav"]
    with open_cluster(str(at_work.file)) as executor:
        assert list(classify_all(classifier, songs, executor=executor)) == list(
            classify_all(classifier, songs, workers=1)
        )


def test_models_are_the_same_as_without_a_cluster(store, at_work, tmp_path):
    specs = (small_spec(name="a"), small_spec(name="b", epochs=2))
    assert run_all(store, tmp_path / "here", specs, executor=InlineExecutor()) == {}
    with open_cluster(str(at_work.file), [store.path, tmp_path / "there"]) as executor:
        assert run_all(store, tmp_path / "there", specs, executor=executor) == {}
    for name in ("a-seed0", "b-seed0"):
        for file in ("predictions.csv", "metrics.json", "split.json", "validation.csv"):
            here, there = (tmp_path / place / "runs" / name / file for place in ("here", "there"))
            assert here.exists() == there.exists()
            assert not here.exists() or here.read_text() == there.read_text(), file


TRAIN = """
import sys
from pathlib import Path
from backbeat.parallel.cluster import open_cluster
from backbeat.features.store import open_features
from backbeat.reproduce.runner import run_all
sys.path.insert(0, sys.argv[1])
from clusters import ENVIRONMENT, LATE, OLDER, Cluster, until
from made_features import small_spec
with open_cluster(sys.argv[4]) as executor:
    run_all(open_features(Path(sys.argv[2])), Path(sys.argv[3]), [small_spec(epochs=30)],
            executor=executor)
"""


def test_a_training_ends_with_its_client_and_goes_on(store, at_work, tmp_path):
    (tmp_path / "train.py").write_text(TRAIN)
    place = [Path(__file__).parent, store.path, tmp_path / "killed", at_work.file]
    command = [sys.executable, tmp_path / "train.py", *place]
    run = tmp_path / "killed" / "runs" / "small-seed0"
    running = subprocess.Popen(list(map(str, command)), env=ENVIRONMENT)
    until((run / "environment.json").exists)
    time.sleep(1.0)
    running.kill()
    running.wait(timeout=30)
    until((run / "history.csv").exists)  # the worker keeps the last whole epoch, and stops
    epochs = len((run / "history.csv").read_text().splitlines()) - 1
    assert epochs < 30
    assert not (run / "model.backbeat").exists()
    subprocess.run(list(map(str, command)), env=ENVIRONMENT, check=True, timeout=120)
    whole = [small_spec(epochs=30)]
    assert run_all(store, tmp_path / "whole", whole, executor=InlineExecutor()) == {}
    again = (run / "predictions.csv").read_text()
    assert again == (tmp_path / "whole" / "runs" / run.name / "predictions.csv").read_text()


def square(number):
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number * number


def end_itself(_):
    os.kill(os.getpid(), signal.SIGKILL)


def end_worker(_):
    os.kill(os.getppid(), signal.SIGKILL)


def test_a_song_that_crashes_its_decoder_is_listed_by_a_cluster_too(
    music, bundle, tmp_path, monkeypatch
):
    for name, value in faulty_environment(tmp_path / "faults").items():
        monkeypatch.setenv(name, value)
    root = tmp_path / "music"
    (root / "jazz").mkdir(parents=True)
    songs = [
        Path(shutil.copy(music / "jazz" / f"{number:02d}.wav", root / "jazz" / name))
        for number, name in ((1, "a.wav"), (4, "b-crash.wav"), (7, "c.wav"))
    ]
    with open_cluster("local:1") as executor:
        summary = prepare(read_collection(root), tmp_path / "out", executor=executor)
        answers = list(classify_all(load(bundle), songs, executor=executor))
    why = "its process crashed (SIGSEGV)"
    assert (summary.kept, summary.findings) == (2, (("jazz/b-crash.wav", why),))
    assert answers[1] == Failure(songs[1], why)
    assert [answer.path for answer in answers] == songs
    assert all(isinstance(answers[n], Answer) for n in (0, 2))


def test_work_and_its_errors_come_back(at_work):
    with open_cluster(str(at_work.file)) as executor:
        results = list(map_tasks(executor, square, range(50), ordered=True))
        assert results == [n * n for n in range(50)]
        assert set(map_tasks(executor, square, range(50), ahead=3)) == {n * n for n in range(50)}
        with pytest.raises(ValueError, match="-3 is negative"):
            list(map_tasks(executor, square, [1, -3]))


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (end_itself, "the same piece of work ended 3 processes"),
        (end_worker, "the same piece of work ended 4 workers"),
    ],
)
def test_work_that_ends_all_who_do_it_is_told(work, words, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    with (
        pytest.raises(BackbeatError, match=words) as caught,
        open_cluster("local:1") as executor,  # whose nanny starts a new worker
    ):
        list(map_tasks(executor, work, [1]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("preload", "words"),
    [
        (OLDER.format(version="0.0.1"), "has backbeat 0.0.1 on Python .*, not backbeat"),
        (OLDER.format(version=None), r"has backbeat \(none\) on Python .*; install that there too"),
        (LATE, "has backbeat 0.0.1 on Python 3.11, not backbeat .* as the client"),
    ],
)
def test_a_worker_with_another_backbeat_is_told(cluster, preload, words):
    cluster.worker(preload)
    until(lambda: "Starting established" in (cluster.folder / "worker1.log").read_text())
    with (
        pytest.raises(BackbeatError, match=words) as caught,
        open_cluster(str(cluster.file)) as executor,
    ):
        list(map_tasks(executor, square, [1]))
    assert "\n" not in str(caught.value)


def test_a_folder_that_a_worker_does_not_see_is_told(at_work, tmp_path):
    (tmp_path / "empty").mkdir()  # where nothing is mounted
    for path in (tmp_path / "nowhere", tmp_path / "empty"):
        with (
            pytest.raises(BackbeatError, match="does not see it") as caught,
            open_cluster(str(at_work.file), [path]) as executor,
        ):
            list(map_tasks(executor, square, [1]))
        assert str(path) in str(caught.value)


def test_a_worker_that_is_frozen_is_replaced(monkeypatch):
    assert cluster_module._SECONDS_TO_ANSWER == 30
    monkeypatch.setattr(cluster_module, "_SECONDS_TO_ANSWER", 2)  # Dask waits for at least 5 s
    with open_executor(cluster="local:2") as executor:
        frozen, _ = executor._client.run(os.getpid).values()
        os.kill(frozen, signal.SIGSTOP)
        begun = [executor.submit(abs, -number) for number in range(8)]
        assert [future.result(timeout=40) for future in begun] == list(range(8))
        assert frozen not in executor._client.run(os.getpid).values()


def test_more_is_under_way_where_there_are_more_workers():
    class Client:
        workers = 3

        def get_executor(self, **_options):
            return None

        def nthreads(self):
            return dict.fromkeys(range(self.workers), 1)

    few, many = Client(), Client()
    many.workers = 500
    assert ClusterExecutor(few).ahead == 32
    assert ClusterExecutor(many).ahead == 1000


@pytest.mark.parametrize(
    "address",
    [
        *("", "cluster", "local:", "local:0", "local:-1", "local:two", "tcp://host", "host:"),
        *("http://host:8786", "tcp://host:8786/x", "a b:1"),
    ],
)
def test_what_is_no_address_is_told(address, music, tmp_path, cli):
    status, _, err = cli("prepare", music, "-o", tmp_path / "out", "--cluster", address)
    assert (status, err.count("\n")) == (1, 2)  # with the line of genres
    assert f"--cluster {address}: not an address" in err
    assert not (tmp_path / "out").exists()


def test_a_cluster_that_is_not_there_is_told(music, tmp_path, cli, monkeypatch):
    assert cluster_module._SECONDS_TO_CONNECT <= 15
    monkeypatch.setattr(cluster_module, "_SECONDS_TO_CONNECT", 1)
    place = (music, "-o", tmp_path / "out", "--cluster")
    status, _, err = cli("prepare", *place, "tcp://127.0.0.1:1")
    assert (status, err.count("\n")) == (1, 2)  # with the line of genres
    assert "no scheduler answers there within 1 s" in err
    status, _, err = cli("prepare", *place, "no/such.json")
    assert status == 1
    assert "no/such.json: no such file" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("prepare", "s3://bucket/songs", "-o", "out"),
        ("prepare", "songs", "--out=gs://bucket/out", "--cluster", "tcp://host:8786"),
        ("classify", "https://host/song.mp3"),
    ],
)
def test_a_url_is_refused_and_no_folder_of_its_name_made(arguments, tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = cli(*arguments)
    assert (status, err.count("\n")) == (1, 1)
    assert "is a URL, and only files and folders can be read and written" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["prepare", "classify"])
def test_options_of_this_machine_do_not_go_with_a_cluster(verb, music, tmp_path, cli):
    place = ("-o", tmp_path / "out", "--workers", "2", "--cluster", "local:2")
    status, _, err = cli(verb, music, *place)
    assert status == 1
    assert "--workers is for this machine; leave it out with --cluster" in err


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(BackbeatError, match=r"needs distributed: pip install 'backbeat\[cluster\]'"),
        open_executor(cluster="local:2"),
    ):
        pass


def test_nothing_of_a_cluster_is_loaded_without_one():
    code = (
        "import sys, backbeat.cli, backbeat.parallel.executors; print('distributed' in sys.modules)"
    )
    results = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert results.stdout == "False\n"
