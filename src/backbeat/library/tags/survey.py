"""A first look at the files: what each holds, and which need to be heard at all."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from backbeat.classify.many import Failure
from backbeat.library.tags import formats
from backbeat.library.tags.errors import TagError
from backbeat.library.tags.plan import LeftAlone, Options, Present, kept
from backbeat.library.tags.rewriting import refusal

Seen = tuple[Path, Present] | LeftAlone | Failure
"""A file that is to be heard, with the genre that it holds; or one that is done with."""


def survey(paths: Iterable[Path], options: Options) -> Iterator[Seen]:
    """Look at files without hearing them.

    Parameters
    ----------
    paths : iterable of Path
    options : Options

    Yields
    ------
    (Path, Present), LeftAlone or Failure
        One for each file; none for a path that leads to a file for the second time.
    """
    seen: set[Path] = set()
    for path in paths:
        try:
            real = path.resolve(strict=True)
            if real not in seen:
                seen.add(real)
                yield _seen(path, real, options)
        except TagError as error:
            yield Failure(path, error.what)
        except RuntimeError:  # Python's word for links that lead round and round, up to 3.12
            yield Failure(path, "is a link that leads back to itself")
        except OSError as error:
            yield Failure(path, error.strerror or str(error))


def _seen(path: Path, real: Path, options: Options) -> Seen:
    if real.is_dir():
        return Failure(path, "is a folder that cannot be listed")
    present = formats.read(real)
    if kept(present, options):
        return LeftAlone(path, present, "with a genre")
    if why := refusal(real):
        return Failure(path, why)
    return path, present
