"""Making splits: one function for one split, one for all folds of a cross-validation."""

from pathlib import Path

import numpy as np

from backbeat.collections import gtzan
from backbeat.errors import BackbeatError
from backbeat.features.store import Examples
from backbeat.files.text import number
from backbeat.splits.drawing import draw_groups, draw_slices
from backbeat.splits.files import file_parts
from backbeat.splits.groups import track_groups
from backbeat.splits.protocols import (
    DRAWN,
    FILE,
    LEFT_OUT,
    PARTS,
    PUBLISHED_FOLDS,
    TEST,
    TRAIN,
    VALID,
    check_protocol,
)
from backbeat.splits.split import Parts, Split, shared_tracks, split_of

_VALID_SHARE = 0.15


def make_split(
    examples: Examples,
    protocol: str,
    *,
    seed: int = 0,
    test_share: float = 0.3,
    valid_share: float | None = None,
) -> Split:
    """Make one split.

    Parameters
    ----------
    examples : Examples
    protocol : str
        "slices", "tracks", "artists", "gtzan-filtered", "gtzan-folds:N" or "file:PATH".
    seed : int
    test_share : float
        Share of the slices (or tracks) to test on; 0.3 in the paper.
    valid_share : float, optional
        Share of what is left to choose models by: by default 0 where slices are divided, as in the
        paper, and 0.15 for the others. What is published keeps its own parts, whatever the shares
        and seed; a validation part is drawn where it has none.

    Raises
    ------
    BackbeatError
        If a share is out of range, or a part comes out empty or without a genre.
    """
    check_protocol(protocol)
    _check_shares(test_share, valid_share)
    name, _, fold = protocol.partition(":")
    if name == "gtzan-folds":
        if not fold:
            raise BackbeatError(
                "--split gtzan-folds: is a cross-validation of three folds, which `backbeat train` "
                "takes; name one here, such as gtzan-folds:1"
            )
        return _published_fold(examples, protocol, int(fold), seed, valid_share)
    if name == "file":
        return _from_file(examples, protocol, seed, valid_share)
    if name == "gtzan-filtered":
        part = _filtered_parts(examples)[examples.track]
        valid = _valid_share(valid_share, False)
        return _checked(examples, split_of(examples, part, protocol, seed, test_share, valid))
    rng = np.random.default_rng(seed)
    valid = _valid_share(valid_share, protocol == "slices")
    shares = np.array([(1 - test_share) * (1 - valid), (1 - test_share) * valid, test_share])
    if protocol == "slices":
        # The test part is drawn first.
        drawn = draw_slices(len(examples.y), shares[[TEST, VALID, TRAIN]], rng)
        part = np.array([TEST, VALID, TRAIN], np.int8)[drawn]
    else:
        groups = track_groups(examples, protocol)
        drawn = draw_groups(examples.track_genres, groups, shares, rng)[examples.track]
        part = drawn.astype(np.int8)
    divides = protocol == "slices"
    return _checked(
        examples, split_of(examples, part, protocol, seed, test_share, valid, by_slices=divides)
    )


def require_test(split: Split, done: str) -> None:
    """Refuse a split whose test part is empty; `done` is what was to be done, such as "audited"."""
    if not split.names["test"]:
        raise BackbeatError(
            f"--split {split.protocol}: its test part is empty, as these features hold none of its "
            f"test songs: nothing was {done}"
        )


def thinned(examples: Examples, split: Split, slices: int, seed: int) -> Split:
    """Leave out slices of a training part at random, so that `slices` remain."""
    rows = split.rows("train")
    out = np.random.default_rng(seed).permutation(len(rows))[slices:]
    if not len(out):
        return split
    part = split.part.copy()
    part[rows[out]] = LEFT_OUT
    shares = (split.seed, split.test_share, split.valid_share)
    return _checked(
        examples,
        split_of(
            *(examples, part, split.protocol, *shares),
            by_slices=True,
            fold=split.fold,
            folds=split.folds,
        ),
    )


def ignored(
    examples: Examples,
    protocol: str,
    folds: int | None = None,
    valid_share: float | None = None,
) -> tuple[str, ...]:
    """Name the arguments of `make_split` or `make_folds` that do not change the split.

    These are "test_share", "valid_share" and "seed". The file of a split is read for it.
    """
    if protocol in DRAWN:
        return () if folds is None else ("test_share",)
    has_validation, divides = protocol == "gtzan-filtered", False
    if protocol.startswith(FILE):
        part, _ = file_parts(_file_of(protocol), examples)
        has_validation = bool((part == VALID).any())
        given = split_of(examples, part, protocol, 0, 0, 0)
        divides = given.divides_tracks
    if has_validation:
        return ("test_share", "valid_share", "seed")
    return ("test_share",) if _valid_share(valid_share, divides) else ("test_share", "seed")


def make_folds(
    examples: Examples,
    protocol: str,
    folds: int | None = None,
    *,
    seed: int = 0,
    valid_share: float | None = None,
) -> tuple[Split, ...]:
    """Make the folds of a cross-validation: splits whose test parts are everything, each once.

    Parameters
    ----------
    examples : Examples
    protocol : {"slices", "tracks", "artists", "gtzan-folds"}
    folds : int, optional
        How many; the published folds are three.
    seed : int
    valid_share : float, optional
        Share of each training part to choose models by, as for `make_split`.

    Returns
    -------
    tuple of Split

    Raises
    ------
    BackbeatError
        If the protocol cannot be so divided, or a part comes out without a genre.
    """
    check_protocol(protocol)
    _check_shares(0.5, valid_share)
    if protocol == "gtzan-folds":
        if folds is not None:
            raise BackbeatError("--split gtzan-folds: has its own three folds; leave --folds out")
        numbers = range(1, PUBLISHED_FOLDS + 1)
        return tuple(
            _published_fold(examples, protocol, fold, seed, valid_share) for fold in numbers
        )
    if protocol not in DRAWN:
        raise BackbeatError(f"--folds: not with --split {protocol}, which is one split")
    if folds is None or folds < 2:
        raise BackbeatError("--folds: a cross-validation needs at least 2")
    rng = np.random.default_rng(seed)
    shares = np.full(folds, 1 / folds)
    divides = protocol == "slices"
    if divides:
        fold_of_row = draw_slices(len(examples.y), shares, rng)
    else:
        groups = track_groups(examples, protocol)
        fold_of_row = draw_groups(examples.track_genres, groups, shares, rng)[examples.track]
    valid = _valid_share(valid_share, divides)
    made = []
    for fold in range(folds):
        part = np.where(fold_of_row == fold, TEST, TRAIN).astype(np.int8)
        own = np.random.default_rng([seed, fold])
        part = _with_validation(examples, part, valid, own, protocol)
        split = split_of(
            *(examples, part, protocol, seed, 1 / folds, valid),
            by_slices=divides,
            fold=fold + 1,
            folds=folds,
        )
        made.append(_checked(examples, split))
    return tuple(made)


def _published_fold(
    examples: Examples, protocol: str, fold: int, seed: int, valid_share: float | None
) -> Split:
    valid, folds = _valid_share(valid_share, False), PUBLISHED_FOLDS
    part = _fold_parts(examples, fold)[examples.track]
    rng = np.random.default_rng([seed, fold])
    part = _with_validation(examples, part, valid, rng, "gtzan-folds")
    return _checked(
        examples,
        split_of(examples, part, protocol, seed, 1 / folds, valid, fold=fold, folds=folds),
    )


def _from_file(examples: Examples, protocol: str, seed: int, valid_share: float | None) -> Split:
    path = _file_of(protocol)
    part, unmatched = file_parts(path, examples)
    for which, name in ((TRAIN, "train"), (TEST, "test")):
        if not (part == which).any():
            found = (
                f"; {number(unmatched)} of its rows name none of these features"
                if unmatched
                else ""
            )
            raise BackbeatError(f"{path}: its {name} part holds no track of these features{found}")
    if not (part == VALID).any():
        divides = bool(shared_tracks(examples, part, TRAIN, TEST).size)
        valid = _valid_share(valid_share, divides)
        protocol_of_valid = "slices" if divides else "artists"
        rng = np.random.default_rng(seed)
        part = _with_validation(examples, part, valid, rng, protocol_of_valid)
    counts = np.bincount(part[part >= 0], minlength=3)
    test_share = float(counts[TEST] / counts.sum())
    valid_share = float(counts[VALID] / max(1, counts[TRAIN] + counts[VALID]))
    return _checked(examples, split_of(examples, part, protocol, seed, test_share, valid_share))


def _filtered_parts(examples: Examples) -> Parts:
    """Give each track's part in GTZAN's fault-filtered lists, shape (tracks,)."""
    lists = gtzan.filtered_parts()
    ids = _ids(examples, "gtzan-filtered")
    return np.array(
        [PARTS.index(lists[track]) if track in lists else LEFT_OUT for track in ids], np.int8
    )


def _fold_parts(examples: Examples, fold: int) -> Parts:
    """Give each track's part in one of GTZAN's published folds: test or train, shape (tracks,).

    Tracks in no fold are left out, and so are those of the training part that share an artist or a
    recording with the test part (by the published index of artists, which knows more of them than
    the authors of the folds did).
    """
    of_track = np.array([gtzan.folds().get(track, 0) for track in _ids(examples, "gtzan-folds")])
    part = np.where(of_track == fold, TEST, np.where(of_track == 0, LEFT_OUT, TRAIN))
    groups = track_groups(examples, "gtzan-folds")
    tested = np.unique(groups[part == TEST])
    part[(part == TRAIN) & np.isin(groups, tested)] = LEFT_OUT
    return part.astype(np.int8)


def _ids(examples: Examples, protocol: str) -> list[str]:
    """Give each track's identity in GTZAN; empty for one that no protocol uses."""
    ids = [gtzan.track_id(name) or "" for name in examples.names]
    if not any(ids):
        raise BackbeatError(f"--split {protocol}: these features hold no track of GTZAN")
    return ["" if track in gtzan.EXCLUDED else track for track in ids]


def _file_of(protocol: str) -> Path:
    return Path(protocol.removeprefix(FILE)).expanduser()


def _with_validation(
    examples: Examples, part: Parts, share: float, rng: np.random.Generator, protocol: str
) -> Parts:
    """Turn a share of the training part into a validation part, drawn as the protocol draws."""
    rows = np.flatnonzero(part == TRAIN)
    if not share or not len(rows):
        return part
    shares = np.array([1 - share, share])
    part = part.copy()
    if protocol == "slices":
        part[rows] = draw_slices(len(rows), shares[::-1], rng) ^ 1
        return part
    tracks = np.unique(examples.track[rows])
    groups = track_groups(examples, protocol)[tracks]
    _, groups = np.unique(groups, return_inverse=True)
    of_track = np.full(len(examples.names), TRAIN, np.int8)
    of_track[tracks] = draw_groups(examples.track_genres[tracks], groups, shares, rng)
    part[rows] = of_track[examples.track[rows]]
    return part


def _valid_share(asked: float | None, divides_tracks: bool) -> float:
    if asked is not None:
        return asked
    return 0.0 if divides_tracks else _VALID_SHARE


def _check_shares(test_share: float, valid_share: float | None) -> None:
    if not 0 < test_share < 1 or not 0 <= (valid_share or 0.0) < 1:
        raise BackbeatError("the shares of the test and validation parts must lie between 0 and 1")


def _checked(examples: Examples, split: Split) -> Split:
    """Give the split back, if it can be trained and measured on."""
    if len(np.unique(examples.y)) < 2:
        raise BackbeatError("there is only one genre with usable tracks; a classifier needs two")
    for name in _needed(split):
        there = set(examples.y[split.rows(name)].tolist())
        missing = [genre for index, genre in enumerate(examples.genres) if index not in there]
        if missing:
            fold = f" (fold {split.fold} of {split.folds})" if split.folds else ""
            raise BackbeatError(
                f"--split {split.protocol}{fold}: the {name} part has no {', '.join(missing)}; "
                "add tracks of other artists, or choose another --test-share, --folds or --seed"
            )
    return split


def _needed(split: Split) -> tuple[str, ...]:
    """Name the parts that must hold every genre.

    Of a published split a part may be kept elsewhere; training still refuses to do without it. A
    split made elsewhere may test on what it likes.
    """
    if split.protocol == "gtzan-filtered":
        return ("train", "valid")
    if split.protocol.startswith(FILE):
        return ("train",)
    return ("train", "test")
