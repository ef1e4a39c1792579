"""A plan as rows of a table."""

from collections.abc import Iterable, Iterator

from backbeat.classify.many import Failure
from backbeat.files.cells import harmless
from backbeat.library.tags.plan import Change, Decision

COLUMNS = ("path", "format", "old", "new", "confidence", "decision")


def rows(decisions: Iterable[Decision]) -> Iterator[tuple[str, ...]]:
    """Write decisions as rows, the names of the columns first.

    Parameters
    ----------
    decisions : iterable of Change, LeftAlone or Failure

    Yields
    ------
    tuple of str
        Several genres in one cell are parted by ``; ``.
    """
    yield COLUMNS
    for decision in decisions:
        path = harmless(decision.path)
        if isinstance(decision, Failure):
            yield path, "", "", "", "", harmless(f"{decision.status}: {decision.reason}")
            continue
        present = decision.present
        known = (path, present.format, harmless("; ".join(present.genres)))
        if isinstance(decision, Change):
            new = harmless("; ".join(decision.genres))
            yield *known, new, f"{decision.confidence:.4f}", "write"
        else:
            yield *known, "", "", decision.reason
