"""Batches of songs: answered as without them, and what a worker does not see is reported."""

from pathlib import Path

import pytest

from backbeat.classify import Failure, classify_all, load
from backbeat.collections.collection import read_collection
from backbeat.errors import BackbeatError
from backbeat.features.prepare import prepare
from backbeat.parallel.executors import InlineExecutor
from bundles import make_bundle
from clusters import Elsewhere
from sounds import write


def test_answers_are_those_of_one_song_after_another(songs, bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(songs)  # as they were named: relative
    paths = [Path("a.wav"), Path("b/b.flac"), tmp_path / "missing.wav", Path("a.wav")] * 2
    classifier = load(bundle)
    results = list(classify_all(classifier, iter(paths), executor=InlineExecutor()))
    assert results == list(classify_all(classifier, paths, workers=1))
    assert [answer.path for answer in results] == paths
    assert list(classify_all(classifier, [], executor=InlineExecutor())) == []


def test_songs_that_a_worker_does_not_see_are_not_called_unreadable(tmp_path, bundle):
    song = write(tmp_path / "music" / "rock" / "a.wav")
    executor = Elsewhere(song)
    with pytest.raises(BackbeatError, match=r"a\.wav: .* does not see it, though it was there"):
        prepare(read_collection(tmp_path / "music"), tmp_path / "out", executor=executor)
    classifier = load(bundle)
    with pytest.raises(BackbeatError, match=r"a\.wav: a worker does not see it"):
        list(classify_all(classifier, [song], executor=executor))
    # One that is nowhere is a failure as ever.
    missing = tmp_path / "missing.wav"
    (results,) = classify_all(classifier, [missing], executor=InlineExecutor())
    assert isinstance(results, Failure)


def test_another_bundle_on_a_worker_is_refused(tmp_path, bundle):
    path = make_bundle(tmp_path / "model.backbeat", seed=1)
    classifier = load(path)
    make_bundle(path, seed=2)
    with pytest.raises(BackbeatError, match="a worker has another bundle"):
        list(classify_all(classifier, [tmp_path / "a.wav"], executor=InlineExecutor()))
