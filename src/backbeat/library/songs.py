"""All songs of a library answered: those that the index knows from there, the others now."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from backbeat.classify.many import Answer, Classifier, Failure
from backbeat.errors import BackbeatError
from backbeat.library.index import Index, settings_of, stamp_of

_log = logging.getLogger(__name__)

Classify = Callable[[Iterable[Path]], Iterator[Answer | Failure]]


def answer_all(
    classifier: Classifier,
    songs: Sequence[Path],
    index: Index,
    classify: Classify,
    *,
    again: bool = False,
) -> Iterator[Answer | Failure]:
    """Answer songs in order, and keep what is new in the index.

    Parameters
    ----------
    classifier : Classifier
        Whose answers they are.
    songs : sequence of Path
    index : Index
    classify : callable
        Answers those that are not known, in order: `classify.classify_all` or
        `batches.classify_batches` with all but the songs filled in.
    again : bool
        Answer those that are known as well.

    Yields
    ------
    Answer or Failure
        One for each song. What failed is not kept: it may have been the drive that failed. Where
        the index has no room any more, answers are given all the same, and a warning.
    """
    settings = settings_of(classifier)
    # Before anything is decoded, so that a file which changes meanwhile is done again next time.
    stamps = [stamp_of(song) for song in songs]
    known = [
        not again and stamp is not None and index.knows(song, stamp, settings)
        for song, stamp in zip(songs, stamps, strict=True)
    ]
    keeping = True
    fresh = classify(song for song, there in zip(songs, known, strict=True) if not there)
    for song, stamp, there in zip(songs, stamps, known, strict=True):
        if there and stamp is not None and (found := index.find(song, stamp, settings)):
            yield found
            continue
        # What was known may be so no longer: another command can have written over it.
        result = next(classify([song]) if there else fresh)
        if isinstance(result, Answer) and stamp is not None and keeping:
            try:
                index.keep(result, stamp, settings)
            except BackbeatError as error:  # a full disk: the answers are worth more than the index
                _log.warning("%s; answers are not kept from here on", error)
                keeping = False
        yield result
