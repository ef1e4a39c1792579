"""The verb tag: write genres into music files, and take that back."""

import csv
import dataclasses
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backbeat.cli.answering import AnswerOptions, answering, open_known
from backbeat.cli.console import (
    count_failures,
    failures_json,
    list_failures,
    list_notes,
    progress,
    say,
    say_json,
    say_sentence,
    terminal_width,
    warn,
)
from backbeat.cli.options import (
    Again,
    Cluster,
    IndexPath,
    Json,
    Model,
    Windows,
    Workers,
    refuse,
)
from backbeat.errors import BackbeatError, printable
from backbeat.files.tables import Column, lay_out
from backbeat.files.text import number, probability

if TYPE_CHECKING:
    from backbeat.classify import Failure
    from backbeat.library.index import Index
    from backbeat.library.tags.log import LogWriter
    from backbeat.library.tags.plan import Change, Decision, LeftAlone, Options

_COLUMNS = (
    Column("genre now", shorten="end", width=14, right=False),
    Column("becomes", shorten="end", width=16, right=False),
    Column("sure", width=5, right=True),
    Column("file", shorten="middle", width=60, right=False),
)


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
    damaged: Annotated[
        bool,
        typer.Option("--damaged", help="Also songs of which less than nine tenths can be read."),
    ] = False,
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
        typer.Option(help="Where old tags are logged (default: a new file, named at the end)."),
    ] = None,
    undo: Annotated[
        Path | None, typer.Option("--undo", metavar="LOG", help="Put the old tags back.")
    ] = None,
    as_json: Json = False,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Write genres into the tags of songs, in a way that can be undone.

    Shows what it would do, and asks. Songs that the model is unsure of, or that are damaged, stay
    as they are; so do the sound and all other tags of the others. Files that cannot be tagged are
    listed at the end (exit status 1); those that are too short or silent are skipped (exit status
    0). Each change is logged, and `--undo LOG` takes all of them back.
    """
    from backbeat.library.tags.formats import require

    require()
    if undo is not None:
        if paths:
            raise BackbeatError("--undo needs its log only; leave the paths out")
        refuse(context, "with --undo", *context.params.keys() - {"undo", "index", "as_json"})
        with open_known(index) as known:
            _undo(undo, known, as_json)
    if not paths:
        raise BackbeatError("name files or folders to tag, or --undo LOG")
    if only_empty and overwrite:
        raise BackbeatError("--only-empty and --overwrite say the opposite; leave one out")
    if as_json and not (yes or dry_run):
        raise BackbeatError("--json: cannot ask; add --yes to write, or --dry-run to look")
    if dry_run:
        refuse(context, "with --dry-run", "yes", "keep_times", "log")
    else:
        refuse(context, "without --dry-run", "out")
    from backbeat.classify import search
    from backbeat.library.tags.log import LogWriter, new_log
    from backbeat.library.tags.plan import Options

    options = Options(min_confidence, overwrite, multi, damaged)
    writer = LogWriter(log or new_log(), dataclasses.asdict(options))
    found = search(paths)
    songs = list(found.songs)
    tally = _Tally(as_json)
    tally.failures += found.links
    answer_options = AnswerOptions(model, windows, again, workers, cluster)
    with open_known(index) as known:
        decisions = _decisions(songs, answer_options, known, options)
        if dry_run:
            _write_plan(decisions, out, tally)
        elif yes:
            # Each song is written as soon as it is answered, so a stop costs no more than one.
            _write(tally.changes(decisions), writer, tally, known, keep_times)
        else:
            changes = list(tally.changes(decisions))
            if changes and _agreed(len(changes), tally):
                _write(changes, writer, tally, known, keep_times)
    if as_json:
        say_json(tally.to_json(dry_run, None if dry_run else writer.path, found.others))
    failed = tally.summarise("would be tagged" if dry_run else "tagged", found.others)
    if not songs:
        warn("no audio files there")
    raise typer.Exit(int(failed or tally.unasked or not songs))


class _Tally:
    """What became of the songs so far."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.changed: list[dict[str, Any]] = []  # of --json
        self.tagged = 0
        self.left: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.noted: list[Change | LeftAlone] = []  # which could not be read whole
        self.unasked = False
        self.shown = False  # whether there is a header above the changes

    def changes(self, decisions: "Iterable[Decision]") -> "Iterator[Change]":
        """Show the changes among decisions and yield them; count the others."""
        from backbeat.classify import Failure
        from backbeat.library.tags.plan import LeftAlone

        for decision in decisions:
            if isinstance(decision, Failure):
                self.failures.append(decision)
                continue
            if decision.note:
                self.noted.append(decision)
            if isinstance(decision, LeftAlone):
                self.left[decision.reason] += 1
            else:
                self._show(decision)
                yield decision

    def _show(self, change: "Change") -> None:
        if self.as_json:
            self.changed.append(
                {
                    "path": str(change.path),
                    "old": change.present.genres,
                    "new": change.genres,
                    "confidence": round(change.confidence, 6),
                }
            )
            return
        layout = lay_out(_COLUMNS, (), terminal_width())
        if not self.shown:
            say(layout.header())
        self.shown = True
        row = (
            *(", ".join(change.present.genres) or "(none)", ", ".join(change.genres)),
            *(probability(change.confidence), str(change.path)),
        )
        say(layout.line([printable(cell) for cell in row]))

    def to_json(
        self, dry_run: bool, log: Path | None, others: "Mapping[str, int]"
    ) -> dict[str, Any]:
        """Give the changes and the sums as values that JSON knows."""
        return {
            "dry_run": dry_run,
            "tagged": self.tagged,
            "changes": self.changed,
            "left_alone": dict(self.left),
            "notes": [{"path": str(noted.path), "note": noted.note} for noted in self.noted],
            "failures": failures_json(self.failures),
            "other_files": dict(others),
            "log": str(log) if log and self.tagged else None,
        }

    def summarise(self, tagged: str, others: "Mapping[str, int]") -> bool:
        """Print the sums, and each failure; return whether any failed."""
        reasons = ", ".join(
            f"{number(count)} {reason}" for reason, count in self.left.most_common()
        )
        left = f"{number(self.left.total())} left alone" + (f" ({reasons})" if reasons else "")
        sums = f"{number(self.tagged)} {tagged}, {left}, {count_failures(self.failures)}"
        say_sentence(sums, sys.stderr)
        list_notes(self.noted)
        return list_failures(self.failures, others)


def _decisions(
    songs: list[Path],
    answer_options: AnswerOptions,
    index: "Index | None",
    options: "Options",
) -> "Iterator[Decision]":
    """Read the songs' tags, classify those that may be tagged, and decide."""
    from backbeat.library.tags.plan import plan
    from backbeat.library.tags.writing import survey

    present = {}
    with progress("reading tags", "songs") as show:
        for done, seen in enumerate(survey(songs, options), start=1):
            if isinstance(seen, tuple):
                present[seen[0]] = seen[1]
            else:
                yield seen
            show(done, len(songs))
    if not present:
        return
    with (
        answering(list(present), answer_options, index) as (_, answers),
        progress("classifying", "songs") as show,
    ):
        for done, decision in enumerate(plan(answers, present, options), start=1):
            yield decision
            show(done, len(present))


def _agreed(count: int, tally: _Tally) -> bool:
    """Ask whether the changes shown are to be made; without a terminal, say that they are not."""
    if sys.stdin.isatty():
        files = "this file" if count == 1 else f"these {number(count)} files"
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
    from backbeat.classify import Failure
    from backbeat.library.stamps import Stamp, stamp_of
    from backbeat.library.tags.log import alone
    from backbeat.library.tags.writing import apply

    before: dict[Path, Stamp | None] = {}

    def stamped() -> "Iterator[Change]":
        for change in changes:
            before[change.path] = stamp_of(change.path)
            yield change

    finished = False
    try:
        with alone():
            for result in apply(stamped(), writer, keep_times=keep_times):
                old = before.pop(result.path)
                if isinstance(result, Failure):
                    tally.failures.append(result)
                    continue
                tally.tagged += 1
                if index and old and result.stamp:
                    index.changed(result.path, old, result.stamp)  # its sound is as it was
        finished = True
    finally:
        writer.close()
        # A stop may have come just after a song got its place.
        if tally.tagged or (not finished and writer.path.exists()):
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


def _undo(path: Path, index: "Index | None", as_json: bool) -> None:
    """Take back the changes of a log, report the result, and exit."""
    from backbeat.classify import Failure
    from backbeat.library.stamps import stamp_of
    from backbeat.library.tags.log import alone, read_log
    from backbeat.library.tags.writing import undo

    log = read_log(path)
    done: Counter[str] = Counter()
    failures = []
    before = {entry.path: stamp_of(entry.path) for entry in log.entries}
    with alone(), progress("undoing", "songs") as show:
        for place, result in enumerate(undo(log), start=1):
            if isinstance(result, Failure):
                failures.append(result)
            else:
                done[result.how] += 1
                old = before[result.path]
                if index and old and result.stamp:
                    index.changed(result.path, old, result.stamp)  # its sound is as it was
                    before[result.path] = result.stamp
            show(place, len(log.entries))
    idle = done.pop("nothing to do", 0)
    if as_json:
        say_json(
            {
                "put_back": dict(done),
                "unchanged": idle,
                "failures": failures_json(failures),
                "complete": log.ended,
            }
        )
    sums = ", ".join(f"{number(count)} {how}" for how, count in done.most_common())
    put_back = f"{number(done.total())} put back" + (f" ({sums})" if sums else "")
    was_so = f", {number(idle)} as before already" if idle else ""
    warn(f"{put_back}{was_so}, {number(len(failures))} not")
    if not log.ended:
        warn(
            f"{path}: has no end: the run was killed, or the log was cut; changes after its last "
            "line, if there were any, are not known"
        )
    raise typer.Exit(int(list_failures(failures)))
