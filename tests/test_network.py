"""Networks of somebody else: opened and run in processes that are watched, within bounds."""

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from backbeat import api
from backbeat.bundle import network
from backbeat.bundle import shipped as models
from backbeat.bundle.archive import read_bundle, write_bundle
from backbeat.bundle.shipped import is_shipped
from backbeat.errors import BackbeatError
from backbeat.web import Limits
from backbeat.web.service import Service
from bundles import make_description, make_network
from made_features import GENRES
from sounds import music, write

HUGE = 2000  # a product of two such matrices takes a tenth of a second or more, and 16 MB
LONG = 5_000

make = helper.make_node


def with_work(size, products, before=(), numbers=None):
    """A network that also multiplies matrices, and adds 0 of them to its logits."""
    model = onnx.load_from_string(make_network((125, 13), len(GENRES)))
    graph = model.graph
    graph.node.remove(graph.node[-1])
    graph.node[-1].output[0] = "own logits"
    value = helper.make_tensor("value", onnx.TensorProto.FLOAT, [1], [1e-6])
    nodes = [*before, make("ConstantOfShape", ["shape"], ["0"], value=value)]
    nodes += [make("MatMul", [str(n), "0"], [str(n + 1)]) for n in range(products)]
    nodes += [
        make("ReduceMax", [str(products)], ["last"], keepdims=0),
        make("Min", ["last", "zero"], ["nothing"]),
        make("Add", ["own logits", "nothing"], ["logits"]),
        make("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph.node.extend(nodes)
    numbers = {"zero": np.float32(0), **(numbers or {"shape": np.array([size, size])})}
    graph.initializer.extend(numpy_helper.from_array(np.array(v), k) for k, v in numbers.items())
    return model.SerializeToString()


def by_the_batch():
    """A network whose matrices have a size only when it runs: all of it, for any batch."""
    before = [
        make("Shape", ["slices"], ["sizes"]),
        make("Gather", ["sizes", "first"], ["batch"]),
        make("Min", ["batch", "one"], ["1"]),
        make("Mul", ["1", "size"], ["shape"]),
    ]
    before[2].output[0] = before[3].input[0] = "at least one"
    numbers = {"first": [0], "one": [1], "size": [HUGE, HUGE]}
    return with_work(HUGE, LONG, before, numbers)


def by_the_song():
    """A network that is quick for zeros, by which it is tried, and endless for all else."""
    before = [
        make("ReduceMax", ["slices"], ["peak"], keepdims=0),
        make("Mul", ["peak", "size"], ["wanted"]),
        make("Clip", ["wanted", "least", "most"], ["clipped"]),
        make("Cast", ["clipped"], ["shape"], to=onnx.TensorProto.INT64),
    ]
    most = np.float32(HUGE)
    numbers = {"size": np.full(2, 1e6, np.float32), "least": np.float32(1), "most": most}
    return with_work(HUGE, 300, before, numbers)


ENDLESS = {"when opened": partial(with_work, HUGE, LONG), "when run": by_the_batch}


def bundle_of(path, content, **described):
    write_bundle(path, make_description(genres=GENRES, **described), content)
    return path


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """A bundle whose network takes half an hour to open; not to be changed."""
    path = tmp_path_factory.mktemp("endless") / "endless.backbeat"
    return bundle_of(path, ENDLESS["when opened"]())


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    return write(tmp_path_factory.mktemp("song") / "song.wav", music(6.0))


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(network, "SECONDS", 1.0)
    monkeypatch.setattr("backbeat.bundle.archive.SECONDS", 1.0)


WORDS = "the network cannot be run: took longer than 1 s"


@pytest.mark.parametrize("when", ENDLESS)
def test_a_network_without_end_is_refused(when, tmp_path, hurried):
    path = bundle_of(tmp_path / "endless.backbeat", ENDLESS[when]())
    with pytest.raises(BackbeatError, match=WORDS) as caught:
        read_bundle(path).open()
    assert str(caught.value) == f"{path}: {WORDS}"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there memory is bounded")
def test_a_network_that_needs_a_terabyte_is_refused(tmp_path):
    path = bundle_of(tmp_path / "huge.backbeat", with_work(500_000, 1))
    with pytest.raises(BackbeatError) as caught:
        read_bundle(path).open()
    assert str(caught.value) == (
        f"{path}: the network cannot be run: it needs more than 2 GB of memory"
    )


def test_one_that_is_endless_for_songs_alone_is_ended_too(tmp_path, monkeypatch):
    opened = read_bundle(bundle_of(tmp_path / "sly.backbeat", by_the_song())).open()
    quiet = np.zeros((3, 125, 13), np.float32)
    before = opened(quiet)
    with monkeypatch.context() as hurried:
        hurried.setattr(network, "SECONDS", 1.0)
        with pytest.raises(BackbeatError, match=rf"sly\.backbeat: {WORDS}"):
            opened(quiet + 1)
    assert np.array_equal(opened(quiet), before)  # by a new process


@pytest.mark.parametrize(
    "verb",
    [
        ["classify", "SONG"],
        ["tag", "SONG", "--dry-run"],
        ["playlists", "SONG", "-o", "OUT"],
        ["similar", "SONG", "--in", "SONG"],
        ["evaluate", "--on", "STORE"],
    ],
    ids=lambda verb: verb[0],
)
def test_each_verb_refuses_a_network_without_end(
    verb, cli, hurried, endless, song, tmp_path, request
):
    if verb[0] == "tag":
        pytest.importorskip("mutagen")
    places = {"SONG": song, "OUT": tmp_path / "out"}
    if "STORE" in verb:
        store = request.getfixturevalue("store")
        places["STORE"] = store.path
        content = ENDLESS["when opened"]()
        endless = bundle_of(tmp_path / "other.backbeat", content, frontend=store.frontend)
    status, out, err = cli(*(places.get(word, word) for word in verb), "--model", endless)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1] == f"backbeat: {endless}: {WORDS}"


def test_the_page_and_scripts_refuse_it_too(hurried, endless):
    for load in (api.load_classifier, partial(Service.of_model, limits=Limits())):
        with pytest.raises(BackbeatError, match=WORDS):
            load(endless)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_waiting_and_the_network(number, status, endless, song, tmp_path):
    command = [sys.executable, "-m", "backbeat", "classify", str(song), "--model", str(endless)]
    environment = os.environ | {"BACKBEAT_INDEX": str(tmp_path / "index")}
    running = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    until(lambda: len(members(running.pid)) == 2)  # the watched process is there
    time.sleep(0.5)
    running.send_signal(number)
    begun = time.monotonic()
    _, err = running.communicate(timeout=30)
    assert time.monotonic() - begun < 15  # at once, but on a machine that is busy
    assert (running.returncode, err) == (status, "backbeat: stopped\n")
    until(lambda: members(running.pid) == [])


def members(session):
    """Processes of a session that are not over."""
    listed = subprocess.run(["ps", "-eo", "pid,sess,stat"], capture_output=True, text=True).stdout
    rows = (line.split() for line in listed.splitlines()[1:])
    return [pid for pid, sess, state in rows if sess == str(session) and state[0] != "Z"]


def until(there, seconds=30):
    last = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < last
        time.sleep(0.05)


@pytest.mark.parametrize("name", ["gtzan", "gtzan-fast"])
def test_what_comes_with_backbeat_needs_no_trial(name, monkeypatch, tmp_path):
    path = models.find_bundle(name)
    assert is_shipped(path)
    monkeypatch.setattr(network, "Worker", None)
    read_bundle(path).open()
    copy = shutil.copy(path, tmp_path / path.name)
    with pytest.raises(Exception, match="NoneType"):
        read_bundle(copy).open()


def test_only_what_lies_in_the_package_is_taken_for_shipped(tmp_path):
    path = models.find_bundle("gtzan")
    assert is_shipped(path)
    assert not is_shipped(tmp_path / path.name)
    assert not is_shipped(path.parent / ".." / tmp_path.name / path.name)
    (tmp_path / "link.backbeat").symlink_to(path)
    assert not is_shipped(tmp_path / "link.backbeat")


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (make("Cast", ["means"], ["embedding"], to=7), "no row of numbers"),
        (make("Identity", ["bias"], ["embedding"]), "no row of numbers"),
        (make("Tile", ["means", "times"], ["embedding"]), "no row of numbers"),
    ],
)
def test_outputs_that_are_no_rows_of_numbers(node, words, tmp_path):
    model = onnx.load_from_string(make_network((125, 13), len(GENRES)))
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([1, 100_000]), "times"))
    graph.node[1].CopyFrom(node)
    del graph.output[2]
    graph.output.append(helper.make_empty_tensor_value_info("embedding"))
    path = bundle_of(tmp_path / "odd.backbeat", model.SerializeToString())
    with pytest.raises(BackbeatError, match=words):
        read_bundle(path).open()
