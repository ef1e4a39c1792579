"""Kill the long verbs at random moments, start them again, and compare with an unbroken run.

::

    python tools/kill_verbs.py --work /tmp/kills --json kills.json
    python tools/kill_verbs.py --work /tmp/kills --json kills.json --verb train --moments 5

For each verb and moment, the real command is started on a fresh output and killed by SIGKILL,
SIGTERM or SIGINT in turn, sent to the process alone or to its group (as Ctrl-C in a terminal), one
time in four twice. Then the same command is run to its end, one time in four after another
kill. The moments are drawn evenly (from the seed) over the time from the command's first output to
its end, one in six over the time before (loading, mostly). Compared and checked are:

- the end state against that of an unbroken run: bytes where these do not depend on the clock, else
  arrays, weights and tables (see `killing.states`);
- the names of all files, also hidden ones: nothing may be left over;
- the killed command: exit status, at most two more lines than usual, no traceback;
- its worker processes: all gone within seconds, without effect on the second start.

Results are appended to the JSON-lines file; a moment that is in it is not done again.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from killing.processes import MAX_SECONDS, preload, run, start, wait_for_orphans
from killing.states import State, differences
from killing.verbs import VERBS, Place, Verb, make_inputs

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


@dataclass
class Unbroken:
    """A verb's unbroken run: seconds, lines, status and results."""

    before_first: float
    after_first: float
    lines: tuple[str, ...]
    status: int
    state: State


def unbroken(verb: Verb, place: Place) -> Unbroken:
    """Run a verb without a break, and read its end state."""
    fresh(verb, place)
    process = start(verb.command(place), place.folder)
    begun = time.monotonic()
    first = None
    while process.poll() is None and first is None:
        first = time.monotonic() if verb.first(place) else None
        time.sleep(0.002)
    _, err = process.communicate(timeout=MAX_SECONDS)
    ended = time.monotonic()
    first = first or ended
    lines = tuple(err.decode(errors="replace").splitlines())
    status = process.poll()
    assert status in (0, 1), lines
    return Unbroken(first - begun, ended - first, lines, status, state_of(verb, place))


def fresh(verb: Verb, place: Place) -> None:
    """Empty a place, and prepare the inputs."""
    shutil.rmtree(place.folder, ignore_errors=True)
    place.folder.mkdir(parents=True)
    verb.prepare(place)


def state_of(verb: Verb, place: Place) -> State:
    """Give the files that a verb has left."""
    shutil.rmtree(place.folder / "cache", ignore_errors=True)  # matplotlib's list of fonts
    return verb.state(place)


@dataclass
class Kill:
    """How a command is to be killed."""

    number: int
    group: bool
    twice: float | None
    """Seconds until the second signal, if there is one."""
    early: bool
    share: float
    """Of the time before the first output, where it is early; else of the time after."""


def kill(verb: Verb, place: Place, how: Kill, usual: Unbroken) -> dict[str, Any]:
    """Start a verb, kill it, and describe its end; nothing if it had ended before."""
    resumed = verb.first(place)
    process = start(verb.command(place), place.folder)
    begun = time.monotonic()
    if not how.early:
        while process.poll() is None and not verb.first(place):
            time.sleep(0.002)
        begun = time.monotonic()
    length = usual.before_first if how.early else usual.after_first
    if resumed:  # a part is done already
        length = usual.before_first + usual.after_first / 2
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, begun + how.share * length - time.monotonic()))
    if process.poll() is not None:
        process.communicate()
        if not (how.early or resumed):  # it was faster than the unbroken run
            usual.after_first = time.monotonic() - begun
        return {}
    for wait in (0.0, how.twice):
        if wait is None or process.poll() is not None:
            continue
        time.sleep(wait)
        with contextlib.suppress(ProcessLookupError):
            if how.group:
                os.killpg(process.pid, how.number)
            else:
                process.send_signal(how.number)
    sent = time.monotonic()
    try:
        _, err = process.communicate(timeout=MAX_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        _, err = process.communicate()
    took = time.monotonic() - sent
    if how.number == signal.SIGKILL and process.returncode >= 0:
        return {}  # it had ended just before
    orphans = wait_for_orphans(process.pid)
    lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
    usually = collections.Counter(usual.lines)
    extra = list((collections.Counter(lines) - usually).elements())
    return {
        "status": process.returncode,
        "last_lines": extra[-8:],
        "lines": len(extra),
        "orphans": orphans,
        "seconds_to_end": round(took, 2),
        "seconds_after_first": None if how.early else round(how.share * length, 3),
    }


def faults_of(end: dict[str, Any], how: Kill) -> list[str]:
    """List what was wrong when a killed command ended."""
    wrong = []
    allowed = {-how.number, 128 + how.number} if how.number != signal.SIGKILL else {-how.number}
    if end["status"] not in allowed:
        wrong.append(f"status {end['status']} after signal {how.number}")
    if any("Traceback" in line for line in end["last_lines"]) or end["lines"] > 2:
        wrong.append(f"{end['lines']} more lines: {' | '.join(end['last_lines'])}")
    if end["orphans"]:
        wrong.append(f"orphans: {end['orphans']}")
    if end["seconds_to_end"] > 20:
        wrong.append(f"took {end['seconds_to_end']} s to end")
    return wrong


def trial(name: str, moment: int, seed: int, work: Path, reference: Unbroken) -> dict[str, Any]:
    """Do one moment of one verb: kill, run to the end, compare."""
    draw = random.Random(f"{seed} {name} {moment}")
    workers = 2 if moment % 3 == 0 else 1  # of reproduce, whose workers load TensorFlow each
    verb = VERBS[name]
    place = Place(work / "inputs", work / "trials" / f"{name}-{moment}", workers)
    kills, wrong, spent = [], [], 0
    again = draw.random() < 0.25
    fresh(verb, place)
    for number in range(2 if again else 1):
        while True:
            how = Kill(
                number=SIGNALS[(moment + number) % 3],
                group=draw.random() < 0.5,
                twice=draw.uniform(0.0, 0.3) if draw.random() < 0.25 else None,
                early=moment % 6 == 5,
                share=draw.random(),
            )
            end = kill(verb, place, how, reference)
            if end:
                break
            spent += 1  # faster than the unbroken run: try again on a fresh output
            if spent > 20:
                raise SystemExit(f"{name}: ends before it can be killed")
            if not kills:
                fresh(verb, place)
        kills.append(vars(how) | end)
        wrong += faults_of(end, how)
    status, err = run(verb.command(place), place.folder)
    if status != reference.status:
        wrong.append(f"second start: status {status}: {err[-600:]}")
    different = differences(state_of(verb, place), reference.state)
    if not wrong and not different:
        shutil.rmtree(place.folder)
    return {
        "verb": name,
        "moment": moment,
        "seed": seed,
        "kills": kills,
        "ended_before": spent,
        "equal": not different,
        "different": sorted(different)[:20],
        "wrong": wrong,
    }


def main() -> None:
    """Parse, and go through verbs and moments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--verb", action="append", choices=VERBS, help="default: all")
    parser.add_argument("--moments", type=int, default=30, help="of each verb")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True, help="a folder for inputs and trials")
    parser.add_argument("--json", type=Path, required=True, help="where results are appended")
    parser.add_argument(
        "--preload",
        action="store_true",
        help="load TensorFlow once, and kill copies of this process",
    )
    parser.add_argument("--pause-while", type=Path, help="begin no moment while this file is there")
    given = parser.parse_args()
    # A shell lets background processes ignore Ctrl-C; the commands must not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    work = given.work.absolute()
    known = [json.loads(line) for line in read_lines(given.json)]
    done = {(result["verb"], result["moment"], result["seed"]) for result in known}
    make_inputs(work / "inputs")
    if given.preload:
        preload()
    references: dict[str, Unbroken] = {}
    # All verbs in turn, so that a run that is cut short has tested each.
    for moment in range(given.moments):
        for name in given.verb or VERBS:
            if (name, moment, given.seed) in done:
                continue
            while given.pause_while and given.pause_while.exists():
                time.sleep(5)
            if name not in references:
                place = Place(work / "inputs", work / "unbroken" / name)
                references[name] = unbroken(VERBS[name], place)
                check = differences(unbroken(VERBS[name], place).state, references[name].state)
                if check:
                    raise SystemExit(f"{name}: two unbroken runs differ: {check}")
            result = trial(name, moment, given.seed, work, references[name])
            with given.json.open("a") as file:
                print(json.dumps(result), file=file)
            summary = "; ".join([*result["wrong"], *result["different"]]) or "equal"
            print(f"{name} {moment}: {summary}", flush=True)
    summarise([json.loads(line) for line in read_lines(given.json)])


def read_lines(path: Path) -> list[str]:
    """Read the results so far, a line each."""
    return path.read_text().splitlines() if path.exists() else []


def summarise(results: list[dict[str, Any]]) -> None:
    """Print a line a verb."""
    for name in VERBS:
        own = [result for result in results if result["verb"] == name]
        kills = sum(len(result["kills"]) for result in own)
        equal = sum(result["equal"] for result in own)
        clean = sum(not result["wrong"] for result in own)
        print(f"{name}: {len(own)} moments, {kills} kills; {equal} equal, {clean} ended cleanly")


if __name__ == "__main__":
    main()
