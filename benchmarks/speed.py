"""How fast backbeat is, beside the way of the paper's base, in one run.

    python benchmarks/speed.py [--rounds 3] [--json speed.json]

Each row is measured in processes of their own, the two ways in turn, round by round; what is told
is the median and the ratio of the medians. The songs are of the built-in collection, so no data set
is needed. Modules are loaded before the clock starts, but for the row "cold".
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

SONGS_A_GENRE = 6
COPIES = 5  # links to each song: what is made of a file does not depend on the others
MORE = 4  # times as many for two processes, which need a second to start
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    work : str
    base, ours : float
        Seconds, medians over the rounds.
    reach : float
        The ratio that is aimed at.
    """

    work: str
    base: float
    ours: float
    reach: float

    @property
    def ratio(self) -> float:
        """How many times faster."""
        return self.base / self.ours


def main() -> None:
    """Measure, print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description="How fast backbeat is.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), chosen.rounds)
    machine = {
        "processors": len(os.sched_getaffinity(0)),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "rounds": chosen.rounds,
    }
    print("| work | base | backbeat | ratio | reach |\n| --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row.work} | {row.base:.2f} s | {row.ours:.2f} s "
            f"| {row.ratio:.1f} | {row.reach:g} |"
        )
    print(machine)
    if chosen.json:
        content = {"machine": machine, "rows": [asdict(row) for row in rows]}
        chosen.json.write_text(json.dumps(content, indent=1) + "\n")


def measure(folder: Path, rounds: int) -> list[Row]:
    """Make the songs, and measure every row."""
    songs = make_songs(folder)
    few, many = songs / "few", songs / "many"
    count = sum(1 for _ in many.glob("*/*"))
    times = alternating(
        {
            "base": lambda: task("features-base", many, folder / "base.json"),
            "mfcc": lambda: task("prepare", many, "mfcc", "1"),
            "logmel": lambda: task("prepare", many, "logmel", "1"),
        },
        rounds,
    )
    most = songs / "most"
    pair = alternating(
        {
            "one": lambda: task("prepare", most, "mfcc", "1"),
            "two": lambda: task("prepare", most, "mfcc", "2", cores=2),
        },
        rounds,
    )
    song = next(few.glob("*/*"))
    model = folder / "base.keras"
    task("model-base", model, cores=2)
    cold = alternating(
        {
            "base": lambda: whole("classify-base", model, song),
            "ours": lambda: whole("classify", song),
        },
        rounds,
    )
    return [
        Row(f"{count} WAV files to MFCCs, one core", times["base"], times["mfcc"], 6),
        Row(f"{count} WAV files to log-mel maps, one core", times["base"], times["logmel"], 12),
        Row(f"{count * MORE} WAV files to MFCCs, two processes", pair["one"], pair["two"], 1.8),
        Row("one song, cold", cold["base"], cold["ours"], 6),
    ]


def make_songs(folder: Path) -> Path:
    """Render a few songs of each genre, and link to each many times."""
    few = str(folder / "few")
    command = [sys.executable, "-m", "backbeat", "data", "jam", "-o", few]
    subprocess.run(
        [*command, "--per-genre", str(SONGS_A_GENRE)], check=True, stdout=subprocess.DEVNULL
    )
    for name, copies in (("many", COPIES), ("most", COPIES * MORE)):
        for song in (folder / "few").glob("*/*.wav"):
            genre = folder / name / song.parent.name
            genre.mkdir(parents=True, exist_ok=True)
            for copy in range(copies):
                os.link(song, genre / f"{song.stem}-{copy}.wav")
    return folder


def alternating(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Take the ways in turn, after one round that does not count, and give the medians."""
    for way in ways.values():
        way()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(way())
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def task(name: str, *arguments: object, cores: int = 1) -> float:
    """Run a task of `tasks.py` in a process of its own; gives the seconds that it tells."""
    command = [sys.executable, str(Path(__file__).with_name("tasks.py")), name]
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | (ONE_CORE if cores == 1 else {}),
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    return float(done.stdout.splitlines()[-1])


def whole(name: str, *arguments: object) -> float:
    """Time a task as a whole process, loading included."""
    start = time.perf_counter()
    task(name, *arguments, cores=2)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
