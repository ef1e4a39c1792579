"""The verb for writing genres into music files, and for taking that back."""

import csv
import dataclasses
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.answering import (
    Again,
    IndexPath,
    Model,
    Wanted,
    Windows,
    answering,
    known_answers,
)
from backbeat.cli.console import count_failures, progress, say, tell_failures, warn
from backbeat.cli.options import refuse
from backbeat.errors import BackbeatError, printable

if TYPE_CHECKING:
    from backbeat.classify.many import Failure
    from backbeat.library.index import Index
    from backbeat.library.tags.log import LogWriter
    from backbeat.library.tags.plan import Change, Decision, Options


def tag(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Audio files, or folders of them.")
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Leave songs alone whose genre is less probable.")
    ] = 0.6,
    only_empty: Annotated[
        bool, typer.Option("--only-empty", help="Only songs without a genre (so by default).")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also songs that have a genre.")
    ] = False,
    multi: Annotated[
        bool, typer.Option("--multi", help="Several genres where more than one is likely.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="With --dry-run: write it as CSV, too.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    keep_times: Annotated[
        bool, typer.Option("--keep-times", help="Keep the files' times of last change.")
    ] = False,
    model: Model = "gtzan",
    windows: Windows = None,
    index: IndexPath = None,
    again: Again = False,
    log: Annotated[
        Path | None,
        typer.Option(help="Where old tags are logged (default: a new file, told at the end)."),
    ] = None,
    undo: Annotated[
        Path | None, typer.Option("--undo", metavar="LOG", help="Put the old tags back.")
    ] = None,
) -> None:
    """Write genres into the tags of songs, in a way that can be undone.

    Shows what it would do, and asks. Songs that the model is unsure of stay as they are; of the
    others the sound and all other tags. Files that cannot be tagged are listed at the end, with
    exit status 1. Each change is logged, and `--undo LOG` takes all of them back.
    """
    from backbeat.library.tags.formats import require

    require()
    if undo is not None:
        if paths:
            raise BackbeatError("--undo goes by its log alone; leave the paths out")
        refuse(context, "with --undo", *context.params.keys() - {"undo", "index"})
        with known_answers(index) as known:
            _undo(undo, known)
    if not paths:
        raise BackbeatError("name files or folders to tag, or --undo LOG")
    if only_empty and overwrite:
        raise BackbeatError("--only-empty and --overwrite say the opposite; leave one out")
    if dry_run:
        refuse(context, "with --dry-run", "yes", "keep_times", "log")
    else:
        refuse(context, "without --dry-run", "out")
    from backbeat.classify.many import search
    from backbeat.library.tags.log import LogWriter, new_log
    from backbeat.library.tags.plan import Options

    options = Options(min_confidence, overwrite, multi)
    writer = LogWriter(log or new_log(), dataclasses.asdict(options))
    found = search(paths)
    songs = list(found.songs)
    tally = _Tally()
    tally.failures += found.links
    with known_answers(index) as known:
        decisions = _decisions(songs, Wanted(model, windows, again), known, options)
        if dry_run:
            _write_plan(decisions, out, tally)
        elif yes:
            # Each song is written as soon as it is heard, so that a stop costs no more than one.
            _write(tally.changes(decisions), writer, tally, known, keep_times)
        else:
            changes = list(tally.changes(decisions))
            if changes and _agreed(len(changes), tally):
                _write(changes, writer, tally, known, keep_times)
    failed = tally.tell("would be tagged" if dry_run else "tagged", found.others)
    if not songs:
        warn("no audio files there")
    raise typer.Exit(int(failed or tally.unasked or not songs))


class _Tally:
    """What became of the songs so far."""

    def __init__(self) -> None:
        self.tagged = 0
        self.left: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.unasked = False

    def changes(self, decisions: "Iterable[Decision]") -> "Iterator[Change]":
        """Show the changes among decisions and give them on; count the others."""
        from backbeat.classify.many import Failure
        from backbeat.library.tags.plan import LeftAlone

        for decision in decisions:
            if isinstance(decision, Failure):
                self.failures.append(decision)
            elif isinstance(decision, LeftAlone):
                self.left[decision.reason] += 1
            else:
                old = ", ".join(decision.present.genres) or "(none)"
                new = ", ".join(decision.genres)
                name = printable(decision.path)
                say(f"{printable(old)} -> {new}  {decision.confidence:.0%}  {name}")
                yield decision

    def tell(self, tagged: str, others: "Mapping[str, int]") -> bool:
        """Print the sums, and each failure; say whether any failed."""
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.left.most_common())
        left = f"{self.left.total():,} left alone" + (f" ({reasons})" if reasons else "")
        warn(f"{self.tagged:,} {tagged}, {left}, {count_failures(self.failures)}")
        return tell_failures(self.failures, others)


def _decisions(
    songs: list[Path], wanted: Wanted, index: "Index | None", options: "Options"
) -> "Iterator[Decision]":
    """Look at the songs' tags, hear those that may be tagged, and decide."""
    from backbeat.library.tags.plan import plan
    from backbeat.library.tags.writing import survey

    present = {}
    with progress("reading tags", "songs") as told:
        for done, seen in enumerate(survey(songs, options), start=1):
            if isinstance(seen, tuple):
                present[seen[0]] = seen[1]
            else:
                yield seen
            told(done, len(songs))
    if not present:
        return
    heard = list(present)
    with (
        answering(heard, wanted, index) as opened,
        progress("classifying", "songs") as told,
    ):
        for done, decision in enumerate(plan(opened.answers, present, options), start=1):
            yield decision
            told(done, len(heard))


def _agreed(count: int, tally: _Tally) -> bool:
    """Ask whether the changes shown are to be made; without a terminal, say that they are not."""
    if sys.stdin.isatty():
        files = "this file" if count == 1 else f"these {count:,} files"
        return typer.confirm(f"Write the genre into {files}?", err=True)
    tally.unasked = True
    warn("nothing was changed: there is no terminal to ask; add --yes to write all of this")
    return False


def _write(
    changes: "Iterable[Change]",
    writer: "LogWriter",
    tally: _Tally,
    index: "Index | None",
    keep_times: bool,
) -> None:
    from backbeat.classify.many import Failure
    from backbeat.library.index import Stamp, stamp_of
    from backbeat.library.tags.log import alone
    from backbeat.library.tags.writing import apply

    before: dict[Path, Stamp | None] = {}

    def stamped() -> "Iterator[Change]":
        for change in changes:
            before[change.path] = stamp_of(change.path)
            yield change

    try:
        with alone():
            for result in apply(stamped(), writer, keep_times=keep_times):
                old, new = before.pop(result.path), stamp_of(result.path)
                if isinstance(result, Failure):
                    tally.failures.append(result)
                    continue
                tally.tagged += 1
                if index and old and new:
                    index.changed(result.path, old, new)  # its sound is as it was
    finally:
        writer.close()
        if writer.path.exists():
            warn(f"to take this back: backbeat tag --undo {shlex.quote(str(writer.path))}")


def _write_plan(decisions: "Iterable[Decision]", out: Path | None, tally: _Tally) -> None:
    """Show the plan; as CSV, too, if a file is named."""
    if out is None:
        tally.tagged = sum(1 for _ in tally.changes(decisions))
        return
    from backbeat.classify.answers import open_output
    from backbeat.library.tags.plan import rows

    everything = list(decisions)
    with open_output(out) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerows(rows(everything))
    tally.tagged = sum(1 for _ in tally.changes(everything))


def _undo(path: Path, index: "Index | None") -> None:
    """Take back what a log tells of, say how that went, and end."""
    from backbeat.classify.many import Failure
    from backbeat.library.index import stamp_of
    from backbeat.library.tags.log import alone, read_log
    from backbeat.library.tags.writing import undo

    log = read_log(path)
    done: Counter[str] = Counter()
    failures = []
    before = {entry.path: stamp_of(entry.path) for entry in log.entries}
    with alone(), progress("undoing", "songs") as told:
        for number, result in enumerate(undo(log), start=1):
            if isinstance(result, Failure):
                failures.append(result)
            else:
                done[result.how] += 1
                old, new = before[result.path], stamp_of(result.path)
                if index and old and new and result.how == "byte for byte":
                    index.changed(result.path, old, new)  # its sound is as it was
                    before[result.path] = new
            told(number, len(log.entries))
    idle = done.pop("nothing to do", 0)
    sums = ", ".join(f"{count:,} {how}" for how, count in done.most_common())
    put_back = f"{done.total():,} put back" + (f" ({sums})" if sums else "")
    was_so = f", {idle:,} as before already" if idle else ""
    warn(f"{put_back}{was_so}, {len(failures):,} not")
    if not log.ended:
        warn(
            f"{path}: has no end: the run was killed, or the log was cut; changes after its last "
            "line, if there were any, are not known"
        )
    raise typer.Exit(int(tell_failures(failures)))
