"""All songs of a library classified: known answers come from the index."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from backbeat.classify import Answer, Classifier, Failure
from backbeat.library.index import Index, settings_of
from backbeat.library.stamps import samples_of, stamp_of

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

    `classify` is `classify_all` with all but the songs filled in. Failures are not kept: the drive
    may have failed. Nor are answers to files that were changed or replaced meanwhile.
    """
    settings = settings_of(classifier)
    stamps = [stamp_of(song) for song in songs]
    known = [
        not again and stamp is not None and index.knows(song, stamp, settings)
        for song, stamp in zip(songs, stamps, strict=True)
    ]
    fresh = classify(song for song, there in zip(songs, known, strict=True) if not there)
    for song, stamp, there in zip(songs, stamps, known, strict=True):
        if there and stamp is not None and (found := index.find(song, stamp, settings)):
            yield found
            continue
        # Another command may have overwritten what was known.
        result = next(classify([song]) if there else fresh)
        if isinstance(result, Answer) and stamp is not None:
            samples = samples_of(song, stamp)
            if samples is not None:
                index.keep(result, stamp, samples, settings)
        yield result
