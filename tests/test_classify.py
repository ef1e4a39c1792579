"""Songs are answered as the network in Keras would, window by window, and no file stops another."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from backbeat import audio, frontend
from backbeat.classify import Answer, Failure, classify_all, find_songs, load, search
from backbeat.errors import BackbeatError
from backbeat.evaluation import vote
from backbeat.evaluation.calibration import (
    Calibration,
    OutOfGenre,
    Unsure,
    with_temperature,
)
from backbeat.frontend import LogMel, Mfcc
from bundles import make_bundle
from clusters import until
from faults import faulty_environment, processes_of

RATE = 22_050
SLICE = 63_945


def noise(seconds, seed=0, level=0.1):
    random = np.random.default_rng(seed)
    return (random.standard_normal(round(seconds * RATE)) * level).clip(-1, 1).astype(np.float32)


def song(path, samples, rate=RATE, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


@pytest.fixture(scope="module")
def three_minutes(tmp_path_factory):
    """A song of six parts that differ in loudness and colour."""
    parts = [np.convolve(noise(30, n), np.ones(1 + 3 * n) / (1 + n), "same") for n in range(6)]
    return song(tmp_path_factory.mktemp("song") / "three.wav", np.concatenate(parts))


def test_answers_are_those_of_keras(run, three_minutes):
    from backbeat.zoo.build import load_keras

    classifier = load(run)
    front = classifier.bundle.description.frontend
    assert front.slices == 4
    answer = classifier.classify(three_minutes)
    samples = audio.read(three_minutes, sample_rate=RATE)
    whole = len(samples) // SLICE
    every = frontend.mfcc(samples, Mfcc(seconds=2.9 * whole, slices=whole))
    calibration = classifier.bundle.description.calibration
    network = load_keras().saving.load_model(run / "model.keras")
    given = network.predict(every, verbose=0)
    wanted = with_temperature(given, calibration.slice_temperature)
    assert whole == len(answer.timeline) == 62
    results = np.array([moment.probability for moment in answer.timeline])
    assert np.abs(results - wanted.max(axis=1)).max() < 1e-4
    genres = classifier.genres
    assert [moment.genre for moment in answer.timeline] == [
        genres[n] for n in wanted.argmax(axis=1)
    ]
    voted = with_temperature(vote(given), calibration.temperature)
    assert dict(answer.ranking) == pytest.approx(dict(zip(genres, voted, strict=True)), abs=1e-4)


@pytest.mark.parametrize(
    ("front", "kind"), [(Mfcc(), "mfcc"), (LogMel(), "mfcc"), (LogMel(), "logmel")]
)
def test_windows_agreement_and_timeline(tmp_path, three_minutes, front, kind):
    bundle = make_bundle(
        tmp_path / "b", genres=("blues", "jazz", "rock"), frontend=front, input=kind, seed=3
    )
    classifier = load(bundle)
    samples = audio.read(three_minutes, sample_rate=RATE)
    size = front.window_samples
    rows = []
    for start in range(0, len(samples), size):
        window = samples[start : start + size]
        if len(window) >= front.min_answer_samples:
            x = frontend.as_input(front.extract(window), front, kind)
            rows.append(classifier.network(x))
    rows = np.concatenate(rows)
    assert (
        len(rows)
        == {("mfcc", "mfcc"): 62, ("logmel", "mfcc"): 60, ("logmel", "logmel"): 6}[front.name, kind]
    )
    answer = classifier.classify(three_minutes)
    assert answer.seconds == 180.0
    voted = vote(rows)
    assert [genre for genre, _ in answer.ranking] == [
        classifier.genres[n] for n in np.argsort(-voted)
    ]
    assert [p for _, p in answer.ranking] == pytest.approx(sorted(voted, reverse=True), abs=1e-9)
    assert (answer.genre, answer.probability) == answer.ranking[0]
    assert sum(p for _, p in answer.ranking) == pytest.approx(1)
    assert answer.agreement == np.mean(rows.argmax(axis=1) == voted.argmax())
    assert 0 < answer.agreement <= 1
    # The timeline has no gap and no overlap, and ends with the song, or less than a slice before.
    assert len(answer.timeline) == len(rows)
    assert answer.timeline[0].start == 0
    for before, after in zip(answer.timeline, answer.timeline[1:], strict=False):
        assert after.start == pytest.approx(before.end, abs=0.002)
    step = 2.9 if front.name == "mfcc" else 3.0 if kind == "mfcc" else 30.0
    assert answer.timeline[0].end == pytest.approx(step)
    assert 180 - step < answer.timeline[-1].end <= 180.001


def test_silent_slices_are_passed_over(tmp_path):
    classifier = load(make_bundle(tmp_path / "b"))
    samples = noise(29)
    quiet = samples.copy()
    quiet[2 * SLICE : 5 * SLICE] = 0
    whole = classifier.classify(song(tmp_path / "whole.wav", samples)).timeline
    results = classifier.classify(song(tmp_path / "quiet.wav", quiet)).timeline
    assert [moment.start for moment in results] == [0.0, 2.9, 14.5, 17.4, 20.3, 23.2, 26.1]
    assert results == tuple(whole[n] for n in (0, 1, 5, 6, 7, 8, 9))


def test_other_rates_and_channels_change_little(tmp_path):
    classifier = load(make_bundle(tmp_path / "b"))
    time = np.arange(30 * 44_100) / 44_100
    samples = 0.3 * np.sin(2 * np.pi * (100 * time + 60 * time**2))
    one = classifier.classify(song(tmp_path / "a.wav", samples, 44_100, "FLOAT"))
    stereo = np.stack([samples * 1.5, samples * 0.5], axis=1)
    other = classifier.classify(song(tmp_path / "b.wav", stereo, 44_100, "FLOAT"))
    half = classifier.classify(song(tmp_path / "c.wav", samples[::2], 22_050, "FLOAT"))
    assert dict(other.ranking) == pytest.approx(dict(one.ranking), abs=1e-5)
    assert dict(half.ranking) == pytest.approx(dict(one.ranking), abs=0.01)


def test_samples_are_classified_as_their_file_is(tmp_path):
    stereo = np.stack([noise(24.0), noise(24.0, seed=1)])
    path = tmp_path / "song.wav"
    soundfile.write(path, stereo.T, 44_100, subtype="FLOAT")
    for windows in (None, 1):
        classifier = load(make_bundle(tmp_path / "model.backbeat"), windows=windows)
        answer = classifier.classify(path)
        assert replace(answer, path=Path("samples")) == classifier.classify(stereo, 44_100)
    assert classifier.classify(stereo[0].astype(np.float64), 44_100).seconds == 12.0


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.zeros(9, np.int16), RATE, "must be an array of floating-point numbers"),
        ([0.0], RATE, "must be an array of floating-point numbers"),
        (np.zeros((4, 100)).T[..., None], RATE, "must be (n,) or (channels, n)"),
        (np.zeros((70_000, 2)), RATE, "must be (n,) or (channels, n)"),
        (np.zeros(0), RATE, "too short"),
        (np.full(9 * RATE, np.nan), RATE, "samples that are not numbers"),
        (np.zeros(9 * RATE), RATE, "silent"),
        (np.zeros(9), 7, "7 samples a second"),
        (np.zeros(9), None, "sample_rate: goes with samples"),
        (Path("a.wav"), RATE, "sample_rate: goes with samples"),
    ],
)
def test_samples_that_are_no_song_are_refused(bundle, samples, rate, words):
    with pytest.raises(BackbeatError) as refused:
        load(bundle).classify(samples, rate)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("windows", [None, 1])
def test_a_song_with_one_channel_inverted_is_answered_as_the_other(tmp_path, windows):
    classifier = replace(load(make_bundle(tmp_path / "b")), windows=windows)
    samples = noise(70)
    plain = classifier.classify(song(tmp_path / "a.wav", samples))
    both = song(tmp_path / "b.wav", np.stack([samples, -samples], axis=1))
    inverted = classifier.classify(both)
    assert inverted.ranking == plain.ranking
    assert inverted.timeline == plain.timeline


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (noise(2.8), "too short: this model needs 2.9 s"),
        (np.zeros(30 * RATE, np.float32), "silent: no sound above -80 dBFS"),
        (noise(30, level=1e-6), "silent: no sound above -80 dBFS"),
        (np.where(np.arange(30 * RATE) == 7 * RATE, np.nan, 0.1), "samples that are not numbers"),
        (np.where(np.arange(70 * RATE) == 65 * RATE, np.inf, 0.1), "samples that are not numbers"),
        (np.zeros(0, np.float32), "too short"),
    ],
)
def test_what_cannot_be_answered_is_told(tmp_path, samples, words):
    classifier = load(make_bundle(tmp_path / "b"))
    path = song(tmp_path / "song.wav", np.asarray(samples, np.float32), subtype="FLOAT")
    with pytest.raises(BackbeatError, match=words) as caught:
        classifier.classify(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("front", [Mfcc(), LogMel()])
def test_a_song_of_one_slice_is_answered(tmp_path, front):
    classifier = load(make_bundle(tmp_path / "b", frontend=front))
    answer = classifier.classify(song(tmp_path / "song.wav", noise(3.0)))
    assert answer.seconds == 3.0
    assert len(answer.timeline) == (1 if front.name == "mfcc" else 10)
    assert answer.timeline[-1].end <= 3.0


def test_bad_files_are_listed_and_stop_nothing(tmp_path):
    classifier = load(make_bundle(tmp_path / "b"))
    good = [song(tmp_path / f"{n}.wav", noise(6, n)) for n in range(3)]
    text = tmp_path / "text.mp3"
    text.write_text("no song")
    paths = [good[0], text, tmp_path / "missing.wav", good[1], tmp_path, good[2]]
    alone = [classifier.classify(path) for path in good]
    for threads in (1, 4):
        results = list(classify_all(classifier, iter(paths), workers=threads))
        assert [one.path for one in results] == paths
        assert [results[n] for n in (0, 3, 5)] == alone
        for n in (1, 2, 4):
            assert isinstance(results[n], Failure)
            assert results[n].reason
            assert "\n" not in results[n].reason
            assert str(paths[n]) not in results[n].reason  # it is shown beside the path


def test_a_surprise_in_a_decoder_is_a_failure(tmp_path, monkeypatch):
    def surprise(_path):
        raise ZeroDivisionError("in line 5\nof the decoder")

    classifier = load(make_bundle(tmp_path / "b"))
    monkeypatch.setattr(audio, "open_source", surprise)
    results = classifier.answer(tmp_path / "song.wav")
    assert isinstance(results, Failure)
    assert results.reason == "could not be decoded (ZeroDivisionError: in line 5 of the decoder)"


def test_paths_are_drawn_as_they_are_needed(tmp_path):
    classifier = load(make_bundle(tmp_path / "b"))
    path = song(tmp_path / "song.wav", noise(3))
    drawn = []

    def paths():
        for number in range(100):
            drawn.append(number)
            yield path

    answers = classify_all(classifier, paths(), workers=2)
    assert isinstance(next(answers), Answer)
    assert len(drawn) <= 5
    answers.close()
    assert len(drawn) <= 5


def test_a_bundle_whose_network_does_not_fit_is_not_loaded(tmp_path):
    from backbeat.bundle.archive import write_bundle
    from bundles import make_description, make_network

    write_bundle(tmp_path / "b", make_description(), make_network((125, 13), 5))
    with pytest.raises(BackbeatError, match="does not answer with 2 genres"):
        load(tmp_path / "b")


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_songs_are_found_in_order_below_folders(tmp_path):
    root = tmp_path / "music"
    wanted = [
        touch(root / name)
        for name in ("2.mp3", "10.wav", "B/a.OGG", "B/c/d.flac", "a.Mp3", "c.spx")
    ]
    for name in (".hidden.wav", ".git/x.wav", "B/.x/y.mp3", "cover.jpg", "notes.txt", "wav", "B/x"):
        touch(root / name)
    assert list(find_songs([root])) == wanted
    assert search([root]).others == {".jpg": 1, ".txt": 1, "": 2}
    # A file is taken as it is named: hidden, without suffix, missing, twice.
    named = [root / ".hidden.wav", root / "notes.txt", tmp_path / "missing", wanted[0], wanted[0]]
    assert list(find_songs(iter(named))) == named
    assert list(find_songs([root / "B", wanted[1]])) == [wanted[2], wanted[3], wanted[1]]
    assert list(find_songs([])) == []


@pytest.mark.skipif(os.name != "posix", reason="links are made by everyone on POSIX only")
def test_links_in_a_circle_end(tmp_path):
    root = tmp_path / "music"
    one = touch(root / "a" / "one.wav")
    (root / "a" / "up").symlink_to(root)
    (root / "b").symlink_to(root / "a")
    (root / "broken.wav").symlink_to(root / "nowhere.wav")
    found = list(find_songs([root]))
    # Neither round and round nor through the link b once more; a broken link is missing.
    assert found == [one, root / "broken.wav"]


@pytest.mark.skipif(os.name != "posix", reason="links are made by everyone on POSIX only")
def test_folders_that_all_link_to_each_other_are_looked_through_once(tmp_path):
    folders = [tmp_path / "music" / f"{number:02d}" for number in range(12)]
    songs = {touch(folder / f"{folder.name}.wav").name for folder in folders}
    for folder in folders:
        for other in folders:
            (folder / f"to-{other.name}").symlink_to(other)
    found = list(find_songs([tmp_path / "music"]))
    assert len(found) == len(folders)
    assert {path.name for path in found} == songs


@pytest.mark.skipif(os.name != "posix", reason="links are made by everyone on POSIX only")
def test_links_to_one_song_are_found_once(tmp_path):
    root = tmp_path / "music"
    one, far = touch(root / "z" / "one.wav"), touch(tmp_path / "far.wav")
    (root / "a").mkdir()
    for name, target in (
        ("a/link.wav", one),
        ("b.wav", far),
        ("c.wav", far),
        ("d.wav", root / "b.wav"),
    ):
        (root / name).symlink_to(target)
    os.link(one, root / "hard.wav")  # a file as good as the other
    found = search([root])
    assert found.songs == (root / "b.wav", root / "hard.wav", one)
    assert [(link.path.name, link.reason, link.status) for link in found.links] == [
        ("link.wav", f"leads to {root}/hard.wav", "link"),
        ("c.wav", f"leads to {root}/b.wav", "link"),
        ("d.wav", f"leads to {root}/b.wav", "link"),
    ]
    # A link that is named alone is a song; beside its song it is none.
    assert search([root / "a/link.wav"]).songs == (root / "a/link.wav",)
    assert search([root / "a/link.wav", one]).songs == (one,)
    assert search([root / "b.wav"] * 2).songs == (root / "b.wav",) * 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read all folders")
def test_a_closed_folder_is_told_of(tmp_path):
    closed = tmp_path / "music" / "closed"
    closed.mkdir(parents=True)
    closed.chmod(0)
    try:
        assert list(find_songs([tmp_path / "music"])) == [closed]
    finally:
        closed.chmod(0o755)


def test_the_length_of_a_song_does_not_matter_to_its_windows(tmp_path, three_minutes):
    # A song's first minute is answered the same whatever follows.
    classifier = load(make_bundle(tmp_path / "b"))
    samples = audio.read(three_minutes, sample_rate=RATE)
    short = classifier.classify(song(tmp_path / "short.wav", samples[: 58 * RATE]))
    long = classifier.classify(three_minutes)
    assert short.timeline == long.timeline[:20]
    assert replace(long, timeline=()).seconds == 180.0


def known_songs(quantiles):
    """One known song at (1, 2)."""
    return OutOfGenre(
        mean=(0.0, 0.0), deviation=(1.0, 1.0), known=((1.0, 2.0),), quantiles=quantiles
    )


@pytest.mark.parametrize(
    ("threshold", "quantiles", "verdict"),
    [
        (0.0, None, "sure"),
        (1.0, None, "unsure"),
        (0.0, (0.0, 1e-9), "out of genre"),
        (1.0, (0.0, 1e-9), "out of genre"),
        (0.0, (500.0, 1000.0), "sure"),
        (1.0, (500.0, 1000.0), "unsure"),
    ],
)
def test_an_answer_is_withheld_below_the_threshold_and_of_strange_music(
    tmp_path, three_minutes, threshold, quantiles, verdict
):
    calibration = Calibration(
        temperature=2.0,
        songs=50,
        unsure=Unsure(threshold=threshold, max_error=0.2, coverage=0.5, error=0.1),
        out_of_genre=quantiles and known_songs(quantiles),
    )
    plain = load(make_bundle(tmp_path / "plain")).classify(three_minutes)
    assert (plain.verdict, plain.label, plain.strangeness) == ("not calibrated", plain.genre, None)
    answer = load(make_bundle(tmp_path / "b", calibration=calibration)).classify(three_minutes)
    assert answer.verdict == verdict
    assert answer.label == (answer.genre if verdict == "sure" else verdict)
    assert answer.strangeness == (quantiles and (1.0 if quantiles[0] == 0 else 0.0))
    # Softened, the order of the genres unchanged.
    assert [genre for genre, _ in answer.ranking] == [genre for genre, _ in plain.ranking]
    odds = [ranking[0][1] / ranking[1][1] for ranking in (plain.ranking, answer.ranking)]
    assert odds[1] == pytest.approx(odds[0] ** 0.5)


def test_strangeness_is_of_the_mean_of_the_slices(tmp_path):
    samples = noise(29)
    path = song(tmp_path / "a.wav", samples)
    known = known_songs((0.0, 50.0))
    classifier = load(
        make_bundle(tmp_path / "b", calibration=Calibration(songs=5, out_of_genre=known))
    )
    front = classifier.bundle.description.frontend
    logits = classifier.network.outputs(front.extract(audio.read(path, sample_rate=RATE))).logits
    wanted = np.linalg.norm(logits.mean(axis=0) - [1.0, 2.0]) / 50
    assert classifier.classify(path).strangeness == pytest.approx(wanted, abs=1e-4)


@pytest.mark.skipif(os.name != "posix", reason="links are POSIX's")
def test_a_link_that_leads_to_itself_stops_nothing(tmp_path):
    from backbeat.collections.collection import read_collection

    (tmp_path / "pop").mkdir()
    song(tmp_path / "pop" / "a.wav", noise(3))
    for name in ("pop/loop", "loop", "pop/loop.wav"):
        (tmp_path / name).symlink_to(tmp_path / name)
    found = [path.name for path in find_songs([tmp_path])]
    assert found == ["a.wav", "loop.wav"]
    assert [track.name for track in read_collection(tmp_path).tracks][:1] == ["pop/a.wav"]


CRASHED, HUNG = "its process crashed (SIGSEGV)", "took longer than 2 s"


def strange_songs(folder, count):
    """Songs of which the first crashes the decoder, and the second hangs it."""
    names = ["00-crash.wav", "01-hang.wav", *(f"{n:02d}.wav" for n in range(2, count))]
    return [song(folder / name, noise(3.0, n)) for n, name in enumerate(names)]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_what_crashes_or_hangs_costs_no_other_song(tmp_path):
    songs = strange_songs(tmp_path / "songs", 20)
    bundle = make_bundle(tmp_path / "model.backbeat")
    command = [sys.executable, "-m", "backbeat", "classify", *map(str, [songs[0].parent])]
    command += ["--model", str(bundle), "--format", "jsonl", "--workers", "2", "--index"]
    plain = subprocess.run([*command, str(tmp_path / "a")], capture_output=True, text=True)
    faults = tmp_path / "faults"
    results = subprocess.run(
        [*command, str(tmp_path / "b")],
        capture_output=True,
        text=True,
        env=os.environ | faulty_environment(faults),
    )
    assert (plain.returncode, results.returncode) == (0, 1)
    assert results.stderr.splitlines()[-3:] == [
        "18 answered, 2 failed",
        f"failed: {songs[0]}: {CRASHED}",
        f"failed: {songs[1]}: {HUNG}",
    ]
    # The others are answered as ever, to the byte and in order.
    assert results.stdout.splitlines()[2:] == plain.stdout.splitlines()[2:]
    assert [json.loads(line)["path"] for line in results.stdout.splitlines()] == list(
        map(str, songs)
    )
    assert processes_of(faults) == []


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there a process is copied")
@pytest.mark.parametrize(("name", "why"), [("crash.wav", CRASHED), ("hang.wav", HUNG)])
def test_a_lone_song_that_crashes_or_hangs_is_told_in_a_line(tmp_path, name, why):
    path = song(tmp_path / name, noise(3.0))
    bundle = make_bundle(tmp_path / "model.backbeat")
    faults = tmp_path / "faults"
    results = subprocess.run(
        [sys.executable, "-m", "backbeat", "classify", str(path), "--model", str(bundle)],
        capture_output=True,
        text=True,
        env=os.environ | faulty_environment(faults),
    )
    assert (results.returncode, results.stdout) == (1, "")
    assert results.stderr == f"0 answered, 1 failed\nfailed: {path}: {why}\n"
    assert processes_of(faults) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_workers_that_hang_end_with_the_command_that_is_killed(tmp_path):
    songs = tmp_path / "songs"
    for name in ("a.wav", "hang-1.wav", "hang-2.wav", "z.wav"):
        song(songs / name, noise(3.0))
    faults = tmp_path / "faults"
    running = subprocess.Popen(
        [sys.executable, "-m", "backbeat", "classify", str(songs), "--workers", "2",
         "--model", str(make_bundle(tmp_path / "model.backbeat"))],
        stdout=subprocess.PIPE,
        env=os.environ | faulty_environment(faults, seconds=600) | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    running.stdout.readline()  # the header
    assert b"a.wav" in running.stdout.readline()
    time.sleep(0.5)  # both are at songs that do not end
    running.kill()
    running.communicate(timeout=30)
    until(lambda: processes_of(faults) == [])
