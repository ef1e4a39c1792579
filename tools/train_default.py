"""Make the bundles that come with backbeat, `gtzan` and `gtzan-fast`, trained on GTZAN.

    python tools/train_default.py FEATURES -o src/backbeat/bundle/shipped --work train-default

`gtzan` is two networks joined: MusiCNN under a head, and `res_10s` of the zoo, trained from scratch
(see `backbeat.transfer.joining`); `gtzan-fast` is the second alone. FEATURES is a store of log-mel
maps of GTZAN: of the whole collection (``backbeat prepare --frontend logmel``), or of its public
maps (``backbeat import-features --frontend logmel``). Only tracks of the train and valid lists of
the fault-filtered split are used; its 290 test tracks are never used.

The card's figures are measured by three folds that keep artists apart (by the published index):
each song is classified by networks that were not trained on its artist. The shares of the two
networks and the calibration are fitted on the same predictions. The shipped networks are trained on
all songs; `res_10s` on all except ten, one a genre, which are evaluated while it trains. Its four
trainings take an hour or two; finished ones are kept in the work folder, and a killed one resumes.
"""

import argparse
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from backbeat import evaluation, splits, zoo
from backbeat.bundle import archive as bundle
from backbeat.bundle.archive import read_bundle
from backbeat.bundle.network import Outputs, open_network, stack_outputs
from backbeat.collections import gtzan
from backbeat.errors import BackbeatError
from backbeat.evaluation import Predictions, calibration, mean_by_track
from backbeat.evaluation.calibration import MAX_ERROR
from backbeat.evaluation.comparison import share_interval
from backbeat.features.store import Examples, Features, open_features
from backbeat.files import atomic
from backbeat.files.text import number, percent
from backbeat.frontend import as_input
from backbeat.frontend.inputs import PATCHES_A_PIECE, unpacked_shapes
from backbeat.frontend.musicnn.runtime import features_of, shipped_musicnn
from backbeat.runs.reading import songs_of
from backbeat.splits import TEST, TRAIN, Split
from backbeat.training import train as training
from backbeat.transfer import fit_head
from backbeat.transfer.joining import fit_shares, join, joined_outputs

FOLDS = 3
SEED = 0
SCRATCH = "res_10s"

NOTES = """
Do not use it to judge people, to decide what artists are paid, or as the truth about a song.

## Data and licences
Trained on {songs} excerpts of GTZAN (G. Tzanetakis and P. Cook, 2002), whose music has no copyright
clearance; none of it is in this file, and some of its labels are wrong (Sturm, 2013: a perfect
classifier would score about 94.5 %).
The 290 songs of the fault-filtered test list were never looked at.

Accuracy of songs by {folds} folds that keep artists apart ({groups} artists): {accuracy},
95 % interval {low} to {high}.
That is the figure to expect on such music: GTZAN's, of before 2001.
"""
FAST = """
It recognises noise and tones as out of genre, but labels speech as hip hop with high confidence.
The bundle `gtzan` does not.
"""
MUSICNN = """
One of its two networks is MusiCNN (MSD), (c) Music Technology Group, Universitat Pompeu Fabra 2019,
ISC licence, which was trained on the Million Song Dataset; see NOTICE.
"""


@dataclass(frozen=True)
class Pieces:
    """The development songs, a row for each piece of 10 s."""

    examples: Examples
    """``x``: standardised maps, shape (n, frames, bands)."""
    features: np.ndarray
    """MusiCNN's, averaged over the patches of each piece, shape (n, 1706)."""

    def songs(self, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the mean features and the genre of each song whose track is in the mask `kept`."""
        rows = kept[self.examples.track]
        names = self.examples.track_names(np.flatnonzero(rows))
        return mean_by_track(names, self.features[rows]), self.examples.track_genres[kept]


def main() -> None:
    """Read the command line and make the bundles."""
    parser = argparse.ArgumentParser(description="Make the bundles that come with backbeat.")
    parser.add_argument("features", type=Path, help="a store of GTZAN's log-mel maps")
    parser.add_argument("-o", "--out", type=Path, required=True, help="the folder of the bundles")
    parser.add_argument("--work", type=Path, required=True, help="folder of the trainings")
    chosen = parser.parse_args()
    try:
        make(chosen.features, chosen.out, chosen.work)
    except BackbeatError as error:
        raise SystemExit(f"train_default: {error}") from error


def make(path: Path, out: Path, work: Path) -> None:
    """Train, measure, calibrate and write."""
    features = open_features(path)
    pieces = read_pieces(features, work)
    examples = pieces.examples
    folds = splits.make_folds(examples, "artists", FOLDS, seed=SEED, valid_share=0.0)
    runs = [train_scratch(features, examples, split, work) for split in folds]
    given = [predict(pieces, split, run) for split, run in zip(folds, runs, strict=True)]
    # From the order of folds to that of the songs.
    order = np.argsort(np.concatenate([split.rows("test") for split in folds]))
    by_head, by_scratch = (in_order([pair[which] for pair in given], order) for which in (0, 1))
    shares = fit_shares(
        by_song(examples, by_head), by_song(examples, by_scratch), examples.track_genres
    )
    print(f"\n{shares}")
    head = fit_head(*pieces.songs(np.ones(len(examples.names), bool)), len(examples.genres))
    network = read_bundle(train_scratch(features, examples, all_songs(examples), work)).network
    embedding = head.outputs(pieces.features[:, np.newaxis]).embedding
    write(
        out / "gtzan.backbeat",
        OutOfFold(joined_outputs(by_head, by_scratch, shares), folds, "joined", NOTES + MUSICNN),
        join(head, network, shares),
        features,
        examples,
        fit_out_of_genre(examples, folds[0], embedding, embedding),
    )
    last = open_network(network).in_batches(examples.x).embedding
    first = read_bundle(runs[0]).open().in_batches(examples.x).embedding
    write(
        out / "gtzan-fast.backbeat",
        OutOfFold(by_scratch, folds, "logmel_10s", NOTES + FAST),
        network,
        features,
        examples,
        fit_out_of_genre(examples, folds[0], last, first),
    )


@dataclass(frozen=True)
class OutOfFold:
    """Predictions for all pieces by networks that were not trained on their artists."""

    outputs: Outputs
    """In the order of the pieces."""
    folds: tuple[Split, ...]
    input: str
    """The network's input; see `frontend.as_input`."""
    notes: str
    """For the card."""


def write(
    path: Path,
    predicted: OutOfFold,
    network: bytes,
    features: Features,
    examples: Examples,
    strange: calibration.OutOfGenre,
) -> None:
    """Measure, calibrate and write a bundle."""
    exact = predicted.outputs.probabilities.astype(np.float64)
    predictions = Predictions(
        examples.track_names(np.arange(len(examples.track))),
        examples.slice,
        examples.y,
        exact / exact.sum(axis=1, keepdims=True),
        examples.genres,
    )
    metrics = evaluation.evaluate(predictions)
    artists = dict(zip(examples.names, examples.artists, strict=True))
    songs = songs_of(predictions, 1.0, artists)
    interval = share_interval(songs.correct.astype(float), songs.groups)
    # The out-of-genre score is fitted by `fit_out_of_genre`.
    fitted = calibration.fit(
        predictions,
        predicted.outputs.embedding,
        mean_by_track(predictions.tracks, predicted.outputs.embedding),
        max_error=MAX_ERROR,
    )
    described = bundle.describe(
        spec=zoo.TRANSFER if predicted.input == "joined" else zoo.find(SCRATCH),
        frontend=features.frontend,
        genres=examples.genres,
        split=predicted.folds[0],
        metrics=metrics,
        tracks=len(examples.names),
        calibration=fitted.model_copy(update={"out_of_genre": strange}),
    ).model_copy(
        update={
            "model": path.stem,
            "input": predicted.input,
            "trained_on": tuple(sorted(gtzan.track_id(name) or name for name in examples.names)),
            "digests": tuple(sorted({*map(bundle.short_digest, examples.digests)} - {""})),
            "notes": predicted.notes.format(
                songs=len(examples.names),
                folds=FOLDS,
                accuracy=percent(metrics.track_accuracy),
                low=percent(interval.low),
                high=percent(interval.high),
                groups=interval.groups,
            ),
        }
    )
    bundle.write_bundle(path, described, network)
    size = number(path.stat().st_size / 2**20, 2)
    print(
        f"{path}: {size} MiB; {percent(metrics.track_accuracy)} of "
        f"{metrics.n_tracks} songs, {percent(interval.low)} to {percent(interval.high)}; "
        f"{percent(metrics.slice_accuracy)} of pieces; {fitted.unsure}; {fitted.temperature}"
    )


def fit_out_of_genre(
    examples: Examples, fold: Split, final: np.ndarray, first: np.ndarray
) -> calibration.OutOfGenre:
    """Fit the known songs of the final network, and the distances of new songs.

    Distances are measured with the network of the first fold, to which its test songs are new.
    `final` and `first` are the embeddings of both networks, shape (n, d).
    """
    new = np.isin(np.arange(len(examples.names)), examples.track[fold.rows("test")])
    known, before = (mean_by_track(examples.track, values) for values in (final, first))
    measured = calibration.fit_out_of_genre(before[~new], before[new], space="embedding")
    placed = calibration.fit_out_of_genre(known, known, space="embedding")
    return placed.model_copy(update={"quantiles": measured.quantiles})


def in_order(parts: list[Outputs], order: np.ndarray) -> Outputs:
    """Put the outputs of all folds together, in another order."""
    whole = stack_outputs(parts)
    return Outputs(whole.probabilities[order], whole.logits[order], whole.embedding[order])


def by_song(examples: Examples, outputs: Outputs) -> np.ndarray:
    """Give the mean logits of each song."""
    return mean_by_track(examples.track, outputs.logits)


def read_pieces(features: Features, work: Path) -> Pieces:
    """Load the development songs with MusiCNN's features of their pieces, computed once."""
    examples = development_songs(features.examples("maps"))
    key = hashlib.sha256(np.ascontiguousarray(examples.x).data).hexdigest()
    kept = work / f"musicnn-{key[:16]}.npy"
    if not kept.exists():
        musicnn = shipped_musicnn()
        rows = []
        for number, decibels in enumerate(examples.x):
            show(f"MusiCNN: {number} of {len(examples.x)} songs")
            packed = as_input(decibels[np.newaxis], features.frontend, "joined")
            (piece_frames, bands), patch = unpacked_shapes()
            patches = packed[:, 0, piece_frames * bands :].reshape(-1, *patch)
            each = features_of(musicnn(patches))
            rows.append(each.reshape(-1, PATCHES_A_PIECE, each.shape[1]).mean(axis=1))
        work.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(kept) as temporary, temporary.open("wb") as file:
            np.save(file, np.concatenate(rows))
    pieces = development_songs(features.examples("logmel_10s"))
    return Pieces(pieces, np.load(kept, allow_pickle=False))


def train_scratch(features: Features, examples: Examples, split: Split, work: Path) -> Path:
    """Train the network from scratch on a split, or take the finished run; give its path."""
    name = f"fold-{split.fold}" if split.fold else "all"
    return training.train(
        features,
        zoo.find(SCRATCH),
        split,
        examples,
        work / name,
        seed=SEED,
        resume=True,
        on_progress=lambda p: show(
            f"{name}: epoch {p.epoch} of {p.epochs}, loss {number(p.loss, 3)}"
        ),
    )


def all_songs(examples: Examples) -> Split:
    """Make the last song of each genre the test part, to watch the training."""
    genres = examples.track_genres
    watched = [int(np.flatnonzero(genres == genre)[-1]) for genre in range(len(examples.genres))]
    return splits.split_of(
        examples,
        np.where(np.isin(examples.track, watched), TEST, TRAIN).astype(np.int8),
        protocol="tracks",
        seed=SEED,
        test_share=len(watched) / len(examples.names),
        valid_share=0.0,
    )


def predict(pieces: Pieces, split: Split, run: Path) -> tuple[Outputs, Outputs]:
    """Predict the test pieces of a fold by a head and by a run's network, trained on the others."""
    examples, rows = pieces.examples, split.rows("test")
    trained = np.isin(np.arange(len(examples.names)), examples.track[split.rows("train")])
    head = fit_head(*pieces.songs(trained), len(examples.genres))
    scratch = read_bundle(run).open().in_batches(examples.x[rows])
    return head.outputs(pieces.features[rows][:, np.newaxis]), scratch


def development_songs(examples: Examples) -> Examples:
    """Keep the tracks of the train and valid lists, except those that no protocol uses."""
    lists = gtzan.filtered_parts()
    ids = [gtzan.track_id(name) or "" for name in examples.names]
    kept = np.array(
        [lists.get(t) in ("train", "valid") and t not in gtzan.EXCLUDED for t in ids], bool
    )
    if not kept.any():
        raise BackbeatError("these features hold no track of GTZAN's train and valid lists")
    # In order of names, so that any copy of the collection gives the same folds.
    order = sorted(np.flatnonzero(kept), key=lambda track: ids[track])
    rows = np.concatenate([np.flatnonzero(examples.track == track) for track in order])
    number = {track: place for place, track in enumerate(order)}
    return replace(
        examples,
        x=examples.x[rows],
        y=examples.y[rows],
        track=np.array([number[track] for track in examples.track[rows]]),
        slice=examples.slice[rows],
        names=tuple(examples.names[track] for track in order),
        artists=tuple(examples.artists[track] for track in order),
        albums=tuple(examples.albums[track] for track in order),
        digests=tuple(examples.digests[track] for track in order),
    )


def show(progress: str) -> None:
    """Show progress on one line."""
    print(f"\r{progress:60}", end="", flush=True)


if __name__ == "__main__":
    main()
