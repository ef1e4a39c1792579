"""The published splits of GTZAN, looked up for the tracks at hand."""

import numpy as np

from backbeat.collections import gtzan
from backbeat.errors import BackbeatError
from backbeat.features.store import Examples
from backbeat.splits.groups import track_groups
from backbeat.splits.protocols import LEFT_OUT, PARTS, TEST, TRAIN
from backbeat.splits.split import Parts


def filtered_parts(examples: Examples) -> Parts:
    """Give each track's part in GTZAN's fault-filtered lists, shape (tracks,)."""
    lists = gtzan.filtered_parts()
    ids = _ids(examples, "gtzan-filtered")
    return np.array(
        [PARTS.index(lists[track]) if track in lists else LEFT_OUT for track in ids], np.int8
    )


def fold_parts(examples: Examples, fold: int) -> Parts:
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
