"""What a split leaks, measured: which of its test songs share something with training.

The one measure of it: ``split.json``, `train`, `compare`, `tune`, reports, cards and `audit` show
what it gives.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_type_hints

import numpy as np
import numpy.typing as npt

from backbeat.features.store import Examples
from backbeat.files.text import number
from backbeat.splits.groups import known_artist
from backbeat.splits.protocols import TEST, TRAIN, VALID

KINDS = ("song", "artist", "album", "exact copy")
_SHARES = ("in_training", "in_validation", "shared")
Groups = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Leak:
    """What test songs share with training in one respect."""

    kind: str  # one of `KINDS`, or "near duplicate"
    songs: int  # test songs, over all folds
    # Those of which this is known: whose artist, album or digest is. Where rows may be segments of
    # songs (`Examples.songs_known`), the song is known of those alone of which slices are shared.
    known: int
    # Those that share it with a song of the part
    in_training: int
    in_validation: int
    shared: int  # those that share it with either part
    # Songs of the other parts of which it is not known, in the fold with the most
    unknown_elsewhere: int

    @property
    def unknown(self) -> int:
        """Test songs of which it is not known."""
        return self.songs - self.known


Leaks = tuple[Leak, ...]


def measure_leaks(
    examples: Examples,
    parts: Sequence[npt.NDArray[np.int8]],
    *,
    tested: int = TEST,
    near: Groups | None = None,
) -> Leaks:
    """Measure what a split, or all folds of a cross-validation, leak.

    Parameters
    ----------
    examples : Examples
    parts : sequence of ndarray of int8, shape (n,)
        A split each: 0 train, 1 valid, 2 test, -1 left out; a row an example.
    tested : {2, 1}
        Which part is measured on: test, or (for a search) validation.
    near : ndarray of int64, shape (tracks,), optional
        Group of near duplicates of each track. Without it they are not measured.

    Returns
    -------
    tuple of Leak
        One a kind.
    """
    groups = {
        "song": np.arange(len(examples.names)),
        "artist": _numbered([known_artist(artist) for artist in examples.artists]),
        "album": _numbered(_albums(examples)),
        "exact copy": _numbered(examples.digests),
    }
    if near is not None:
        groups["near duplicate"] = near
    return joined_leaks(
        [
            tuple(_leak(kind, group, examples, part, tested) for kind, group in groups.items())
            for part in parts
        ]
    )


def _leak(
    kind: str, group: Groups, examples: Examples, part: npt.NDArray[np.int8], tested: int
) -> Leak:
    track = examples.track
    songs = np.unique(track[part == tested])
    others = [np.unique(track[part == number]) for number in (TRAIN, VALID) if number != tested]
    found = [_shares(kind, group, songs, there) for there in others]
    elsewhere = np.unique(np.concatenate(others))
    shared = np.any(found, axis=0)
    if kind == "song" and not examples.songs_known:
        known, unknown_elsewhere = shared, ~np.isin(elsewhere, songs)
    else:
        known, unknown_elsewhere = group[songs] >= 0, group[elsewhere] < 0
    return Leak(
        kind=kind,
        songs=len(songs),
        known=int(known.sum()),
        in_training=int(found[0].sum()),
        in_validation=int(found[1].sum()) if len(found) > 1 else 0,
        shared=int(shared.sum()),
        unknown_elsewhere=int(unknown_elsewhere.sum()),
    )


def _shares(kind: str, group: Groups, songs: Groups, there: Groups) -> npt.NDArray[np.bool_]:
    """Return whether something of each song's group (-1: not known) is there."""
    members = group[there]
    counts = np.bincount(members[members >= 0], minlength=int(group.max(initial=0)) + 1)
    found = counts[group[songs]]
    if kind in ("exact copy", "near duplicate"):
        # Another track, not the song itself, which has its own kind.
        found = found - np.isin(songs, there)
    return np.asarray((group[songs] >= 0) & (found > 0))


def joined_leaks(parts: Sequence[Leaks]) -> Leaks:
    """Add up what several folds leak."""
    return tuple(
        Leak(
            kind=own[0].kind,
            songs=sum(leak.songs for leak in own),
            known=sum(leak.known for leak in own),
            in_training=sum(leak.in_training for leak in own),
            in_validation=sum(leak.in_validation for leak in own),
            shared=sum(leak.shared for leak in own),
            unknown_elsewhere=max(leak.unknown_elsewhere for leak in own),
        )
        for own in zip(*parts, strict=True)
    )


def is_leaking(leaks: Leaks) -> bool:
    """Return whether any test song shares anything with training or validation."""
    return any(leak.shared for leak in leaks)


def divides_songs(leaks: Leaks) -> bool:
    """Return whether slices of any test song are in training or validation."""
    return any(leak.shared for leak in leaks if leak.kind == "song")


def leak_sentence(leaks: Leaks, tested: str = "test", songs: int | None = None) -> str:
    """Say what was measured: what is shared, what is not, and of how many songs it is not known.

    Such as "Leaks by artist (12 of 40 test songs, unknown for 8). Not shared with training: song,
    exact copy. Unknown for all 40 test songs: album." `tested` names the part measured on; `songs`
    is how many there are where several splits may test one, of which each counts.
    """
    if not leaks or not leaks[0].songs:
        return f"No {tested} songs: a leak cannot be measured."
    rows = "rows" if songs_unknown(leaks) else "songs"
    n = f"{number(leaks[0].songs)} {tested} {rows}"
    if songs is not None and songs < leaks[0].songs:
        n = f"{number(leaks[0].songs)} tests of {number(songs)} {rows}"
    shared = [
        f"{leak.kind} ({number(leak.shared)} of {n}"
        + (f", unknown for {number(leak.unknown)})" if leak.unknown else ")")
        for leak in leaks
        if leak.shared
    ]
    apart = [
        f"{leak.kind}{_gaps(leak, tested, rows)}"
        for leak in leaks
        if leak.known and not leak.shared
    ]
    unknown = [leak.kind for leak in leaks if not leak.known]
    sentences = []
    if rows == "rows":
        sentences.append("It is not known which rows are parts of one song.")
    if shared:
        verb = "LEAKING" if divides_songs(leaks) else "Leaks"
        sentences.append(f"{verb} by {', '.join(shared)}.")
    if apart:
        sentences.append(f"Not shared with training: {', '.join(apart)}.")
    if unknown:
        sentences.append(f"Unknown for all {n}: {', '.join(unknown)}.")
    return " ".join(sentences)


def songs_unknown(leaks: Leaks) -> bool:
    """Return whether test rows may be segments of songs of which others are in training."""
    return any(leak.unknown for leak in leaks if leak.kind == "song")


def _gaps(leak: Leak, tested: str, rows: str) -> str:
    gaps = [
        f"{number(count)} {part}"
        for count, part in ((leak.unknown, tested), (leak.unknown_elsewhere, "training"))
        if count
    ]
    return f" (unknown for {' and '.join(gaps)} {rows})" if gaps else ""


def leaks_to_json(leaks: Leaks) -> list[dict[str, Any]]:
    """Give leaks for a JSON file; what is known of no test song is null, not 0."""
    unknown = dict.fromkeys(_SHARES)
    return [asdict(leak) | ({} if leak.known else unknown) for leak in leaks]


def leaks_from_json(content: Any) -> Leaks:
    """Read leaks back; ValueError if they are damaged."""
    types = get_type_hints(Leak)
    if isinstance(content, list):
        content = [
            {name: _known(name, value, leak) for name, value in leak.items()}
            if isinstance(leak, dict)
            else leak
            for leak in content
        ]
    if not isinstance(content, list) or not all(
        isinstance(leak, dict) and {name: type(value) for name, value in leak.items()} == types
        for leak in content
    ):
        raise ValueError("damaged leaks")
    leaks = tuple(Leak(**leak) for leak in content)
    if tuple(leak.kind for leak in leaks) != KINDS:
        raise ValueError("leaks of other kinds")
    return leaks


def _known(name: str, value: Any, leak: dict[str, Any]) -> Any:
    """Read a count back, of which null is one of no songs."""
    return 0 if value is None and name in _SHARES and leak.get("known") == 0 else value


def _numbered(keys: Sequence[str]) -> Groups:
    """Give each key a number; -1 for an empty one."""
    numbers = {key: number for number, key in enumerate(sorted(set(keys) - {""}))}
    return np.array([numbers.get(key, -1) for key in keys], np.int64)


def _albums(examples: Examples) -> list[str]:
    """Name each track's album with its artist, since many albums are called Greatest Hits."""
    return [
        f"{known_artist(artist)}\0{' '.join(album.casefold().split())}" if album else ""
        for artist, album in zip(examples.artists, examples.albums, strict=True)
    ]
