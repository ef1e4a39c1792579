"""The protocols by name, and the parts of a split."""

from backbeat.errors import BackbeatError

DRAWN = ("slices", "tracks", "artists")
PROTOCOLS = (*DRAWN, "gtzan-filtered", "gtzan-folds")
PUBLISHED_FOLDS = 3
FILE = "file:"

PARTS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)
LEFT_OUT = -1


def check_protocol(protocol: str) -> None:
    """Refuse what is none of the protocols, a published fold or ``file:PATH``."""
    folds = [f"gtzan-folds:{number}" for number in range(1, PUBLISHED_FOLDS + 1)]
    if protocol not in (*PROTOCOLS, *folds) and not protocol.startswith(FILE):
        raise BackbeatError(
            f"--split {protocol}: unknown; choose one of {', '.join(PROTOCOLS)}, file:PATH"
        )


def is_crossvalidation(protocol: str, folds: int | None) -> bool:
    """Return whether a protocol, with so many folds asked for, means several splits."""
    return folds is not None or protocol == "gtzan-folds"
