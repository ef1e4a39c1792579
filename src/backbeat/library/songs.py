"""All songs of a library classified: known answers come from the index."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from backbeat.classify import Answer, Classifier, Failure
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
    """Classify songs in order, and keep new answers in the index; `again` also those it knows.

    `classify` is `classify_all` with all but the songs filled in. Failures
    are not kept: the drive may have failed. Where the index is full, answers are still given, with
    a warning.
    """
    settings = settings_of(classifier)
    # Before decoding, so that a file that changes meanwhile is classified again next time.
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
        # Another command may have overwritten what was known.
        result = next(classify([song]) if there else fresh)
        if isinstance(result, Answer) and stamp is not None and keeping:
            try:
                index.keep(result, stamp, settings)
            except BackbeatError as error:  # a full disk must not cost the answers
                _log.warning("%s; answers are not kept from here on", error)
                keeping = False
        yield result
