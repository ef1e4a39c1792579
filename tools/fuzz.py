"""Fuzz everything that reads bytes from outside.

python tools/fuzz.py --cases 20000 --seed 0 --out /tmp/fuzz
python tools/fuzz.py --only 'audio/*' --cases 5000 --out /tmp/fuzz-audio
python tools/fuzz.py --only audio/flac --case 17 --out /tmp/fuzz      # one case again

The same command goes on where it was stopped. OUT/findings holds the bytes and the message of each
finding; the exit status is 1 if there is any. It reads Linux's memory counts.
"""

import argparse
import fnmatch
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")
sys.path.insert(0, str(Path(__file__).parent))

from fuzzing.cases import FINE, Bench, Outcome, damaged, seeds_of  # noqa: E402
from fuzzing.running import Piece, run  # noqa: E402
from fuzzing.targets import Target, targets  # noqa: E402

from backbeat.files import text  # noqa: E402

_PIECE = 50  # cases done by one process, reported together
_MAX_KEPT = 5  # findings of one kind whose bytes are kept


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=20_000, help="over all targets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="for seeds, results and findings")
    parser.add_argument("--only", default="*", help="targets by name, such as 'audio/*'")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--case", type=int, help="try this one case again, in this process")
    parser.add_argument("--list", action="store_true", help="name the targets")
    chosen = parser.parse_args()
    wanted = [t for name, t in targets().items() if fnmatch.fnmatch(name, chosen.only)]
    if chosen.list:
        print("\n".join(f"{target.name} (weight {target.weight})" for target in wanted))
    elif chosen.case is not None:
        for target in wanted:
            again(target, chosen.seed, chosen.case, chosen.out)
    else:
        sys.exit(campaign(wanted, chosen.cases, chosen.seed, chosen.out, chosen.workers))


def again(target: Target, seed: int, number: int, out: Path) -> None:
    """Try one case again, and show its outcome."""
    made = out / "seeds" / target.name.replace("/", "-")
    bench = Bench(target, made, out / "work" / "again")
    (out / f"again{target.suffix}").write_bytes(damaged(target, bench.seeds, seed, number))
    outcome = bench.run(seed, number)
    print(f"{outcome.kind}: {outcome.message}")
    print(f"{text.number(outcome.seconds, 2)} s, {text.number(outcome.megabytes, 1)} MB")


def campaign(wanted: list[Target], cases: int, seed: int, out: Path, workers: int) -> int:
    """Try all cases that were not tried yet; show progress, and sum up."""
    out.mkdir(parents=True, exist_ok=True)
    for target in wanted:
        seeds_of(target, out / "seeds" / target.name.replace("/", "-"))
    log = out / f"outcomes-{seed}.jsonl"
    known = read(log)
    done = {(one.target, one.number) for one in known}
    pieces = [piece for piece in divided(wanted, cases) if not _is_done(piece, done)]
    Random(seed).shuffle(pieces)  # a run that is stopped early has tried some of each
    findings = Counter((one.target, one.kind, one.place) for one in known if one.kind not in FINE)
    total = sum(piece.stop - piece.start for piece in pieces)
    tried, start = 0, time.monotonic()
    with log.open("a", encoding="utf-8") as file:
        for result in run(pieces, seed=seed, folder=out, workers=workers):
            if isinstance(result, Piece):
                file.flush()
                rate = tried / (time.monotonic() - start)
                found = sum(findings.values())
                print(
                    f"{tried} of {total}, {text.number(rate)} a second, {found} findings",
                    flush=True,
                )
                continue
            tried += 1
            print(json.dumps(asdict(result)), file=file)
            if result.kind not in FINE:
                key = (result.target, result.kind, result.place)
                findings[key] += 1
                if findings[key] <= _MAX_KEPT:
                    keep(result, seed, out)
    sum_up(read(log), out)
    return 1 if findings else 0


def divided(wanted: list[Target], cases: int) -> Iterator[Piece]:
    """Share cases out among targets by their weight."""
    weights = sum(target.weight for target in wanted)
    for target in wanted:
        share = -(-cases * target.weight // weights)
        for start in range(0, share, _PIECE):
            yield Piece(target.name, start, min(share, start + _PIECE))


def _is_done(piece: Piece, done: set[tuple[str, int]]) -> bool:
    return all((piece.target, number) in done for number in range(piece.start, piece.stop))


def read(log: Path) -> list[Outcome]:
    """Read the outcomes of a run that was stopped, each case once."""
    outcomes = {}
    if log.exists():
        for line in log.read_text("utf-8").splitlines(keepends=True):
            if line.endswith("\n"):  # otherwise it was being written
                one = Outcome(**json.loads(line))
                outcomes[one.target, one.number] = one
    return list(outcomes.values())


def keep(outcome: Outcome, seed: int, out: Path) -> None:
    """Keep the bytes and the message of a finding."""
    target = targets()[outcome.target]
    folder = out / "findings"
    folder.mkdir(exist_ok=True)
    name = f"{outcome.target.replace('/', '-')}-{seed}-{outcome.number}"
    seeds = seeds_of(target, out / "seeds" / outcome.target.replace("/", "-"))
    (folder / f"{name}{target.suffix}").write_bytes(damaged(target, seeds, seed, outcome.number))
    (folder / f"{name}.txt").write_text(
        f"{outcome.kind} {outcome.place}\n{outcome.message}\n", "utf-8", "backslashreplace"
    )


def sum_up(outcomes: list[Outcome], out: Path) -> None:
    """Print a table of the outcomes."""
    lines = ["| target | cases | read | refused | findings | most s | most MB |"]
    lines += ["| --- " * 7 + "|"]
    names = sorted({one.target for one in outcomes})
    for name in (*names, "all"):
        ours = [one for one in outcomes if name in (one.target, "all")]
        kinds = Counter(one.kind for one in ours)
        found = len(ours) - sum(kinds[kind] for kind in FINE)
        slowest, largest = max(o.seconds for o in ours), max(o.megabytes for o in ours)
        lines.append(
            f"| {name} | {len(ours)} | {kinds['read']} | {kinds['refused']} | {found} | "
            f"{text.number(slowest, 2)} | {text.number(largest, 1)} |"
        )
    found = Counter((o.target, o.kind, o.place) for o in outcomes if o.kind not in FINE)
    lines += ["", *(f"{count} x {' '.join(key)}" for key, count in found.most_common())]
    (out / "summary.md").write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
