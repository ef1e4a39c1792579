"""The speed of backbeat against the paper's base, in one run.

    python benchmarks/speed.py [--rounds 2] [--all] [--only ROW,ROW] [--json speed.json]

Each row is measured in its own processes, the base and backbeat in turn, round by round; the table
has the medians and their ratio. The songs are of the built-in collection, or random numbers, so no
data set is needed. `--all` takes all 59 models and 100,000 tracks where the quick run takes six and
20,000.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil

from backbeat.files.text import number

SONGS_A_GENRE = 6
HALF_MINUTES_OF_AN_HOUR = 120
SLICES = (999, 10, 125, 13)
"""Of the random slices that the models train on: the size of the paper's GTZAN."""
MODELS = ("mlp_12", "mlp_22", "cnn_base_01", "cnn_01.2", "cnn_02.7", "cnn_03.4")
"""Two MLPs and four CNNs, of few and of many layers, for the quick run."""
BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""An installed package has its bytecode; a check-out that may not write any is another case."""
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    work: str
    before: str
    """Measured of the base, with its unit."""
    after: str
    """Measured of backbeat, with its unit."""
    ratio: float
    aim: str


@dataclass(frozen=True)
class Bench:
    """Where the songs are, and how much is done."""

    songs: Path
    rounds: int
    everything: bool

    def tree(self, name: str, tracks: int) -> Path:
        """Give a folder of links to the songs, so many that it has about `tracks`."""
        songs = sorted((self.songs / "few").glob("*/*.wav"))
        for song in songs:
            genre = self.songs / name / song.parent.name
            genre.mkdir(parents=True, exist_ok=True)
            for copy in range(tracks // len(songs)):
                link = genre / f"{song.stem}-{copy:05d}.wav"
                if not link.exists():
                    os.link(song, link)
        return self.songs / name

    def song(self) -> Path:
        """Give one song."""
        return next((self.songs / "few").glob("*/*.wav"))


def main() -> None:
    """Measure, print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description="How fast backbeat is.")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--all", action="store_true", help="all 59 models, 100,000 tracks")
    parser.add_argument("--only", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    os.environ.pop(BYTECODE, None)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), chosen.rounds, chosen.all)
        command = [sys.executable, "-m", "backbeat", "data", "jam", "-o", str(bench.songs / "few")]
        run([*command, "--per-genre", str(SONGS_A_GENRE)])
        print("| work | before | backbeat | ratio | aim |\n| --- | --- | --- | --- | --- |")
        for name in chosen.only.split(","):
            for row in ROWS[name](bench):
                rows.append(row)
                ratio = number(row.ratio, 2)
                shown = f"| {row.work} | {row.before} | {row.after} | {ratio} | {row.aim} |"
                print(shown, flush=True)
    machine = {
        "processors": len(os.sched_getaffinity(0)),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "rounds": chosen.rounds,
    }
    print(machine)
    if chosen.json:
        content = {"machine": machine, "rows": [asdict(row) for row in rows]}
        chosen.json.write_text(json.dumps(content, indent=1) + "\n")


# --- The rows


def features(bench: Bench) -> list[Row]:
    """Audio files to features ready for training."""
    many = bench.tree("many", 600)
    times = alternating(
        {
            "base": lambda: task("features-base", many, bench.songs / "base.json"),
            "mfcc": lambda: task("prepare", many, "mfcc", "1"),
            "logmel": lambda: task("prepare", many, "logmel", "1"),
        },
        bench.rounds,
        warm_up=False,
    )
    return [
        compared("600 WAV files to MFCCs, one core", times["base"], times["mfcc"], "6"),
        compared("600 WAV files to log-mel maps, one core", times["base"], times["logmel"], "12"),
    ]


def two_processes(bench: Bench) -> list[Row]:
    """The same with two processes, beside one."""
    most = bench.tree("most", 1200)
    times = alternating(
        {
            "one": lambda: task("prepare", most, "mfcc", "1"),
            "two": lambda: task("prepare", most, "mfcc", "2", cores=2),
        },
        max(5, bench.rounds),
    )
    work = "1,200 WAV files to MFCCs, two processes beside one"
    return [compared(work, times["one"], times["two"], "1.8")]


def models(bench: Bench) -> list[Row]:
    """Models of the paper, each for a tenth of its epochs."""
    made = bench.songs / "made-up.npz"
    random = np.random.default_rng(0)
    x = 30 * random.standard_normal(SLICES, np.float32)
    genres = np.array([f"genre{number}" for number in range(10)])
    y = np.arange(SLICES[0]) % 10
    names = np.array([f"{genres[label]}/{row:03d}" for row, label in enumerate(y)])
    np.savez(made, X=x, y=y, names=names, genres=genres)
    store = bench.songs / "made-up"
    backbeat("import-features", made, "--frontend", "mfcc", "-o", store)
    only = "*" if bench.everything else ",".join(MODELS)
    numbers = iter(range(1000))

    def ours() -> float:
        return task("models", store, bench.songs / f"runs-{next(numbers)}", only, cores=2)

    times = alternating(
        {
            "base": lambda: task("models-base", made, bench.songs / "base", only, cores=2),
            "ours": ours,
        },
        1 if bench.everything else min(2, bench.rounds),
        warm_up=False,
    )
    count = "all of the paper's models" if bench.everything else f"{len(MODELS)} models"
    work = f"{count}, a tenth of their epochs, two cores"
    return [compared(work, times["base"], times["ours"], "2")]


def cold(bench: Bench) -> list[Row]:
    """One song from the shell, nothing loaded before."""
    model = bench.songs / "base.keras"
    task("model-base", model, cores=2)
    song = bench.song()
    times = alternating(
        {
            "base": lambda: timed(lambda: task("classify-base", model, song, cores=2)),
            "ours": lambda: timed(lambda: backbeat("classify", song, "--again")),
        },
        max(5, bench.rounds),
    )
    return [compared("one song, cold", times["base"], times["ours"], "6, under 1.0 s")]


def folder(bench: Bench) -> list[Row]:
    """A folder of half-minute songs, all loaded before."""
    model = bench.songs / "base.keras"
    task("model-base", model, cores=2)
    many = bench.tree("folder", 500)
    files = sum(1 for _ in many.glob("*/*"))
    times = alternating(
        {
            "base": lambda: task("folder-base", model, many, cores=2),
            "ours": lambda: task("folder", "gtzan-fast", many, cores=2),
        },
        min(2, bench.rounds),
        warm_up=False,
    )
    return [compared(f"{files} songs answered by gtzan-fast", times["base"], times["ours"], "8")]


def hour(bench: Bench) -> list[Row]:
    """An hour of MP3 beside six minutes: time in proportion, memory flat."""
    short, long = bench.songs / "short.mp3", bench.songs / "long.mp3"
    task("mp3", bench.song(), HALF_MINUTES_OF_AN_HOUR // 10, short)
    task("mp3", bench.song(), HALF_MINUTES_OF_AN_HOUR, long)
    options = ("--windows", "all", "--again", "--format", "csv")
    times = alternating(
        {
            "short": lambda: timed(lambda: backbeat("classify", short, *options)),
            "long": lambda: timed(lambda: backbeat("classify", long, *options)),
        },
        bench.rounds,
    )
    peak = peak_of("classify", long, *options)
    per_minute = times["long"] / 60 / (times["short"] / 6)
    return [
        Row(
            "an hour of MP3 beside six minutes, time a minute",
            f"{number(times['short'], 2)} s",
            f"{number(times['long'], 2)} s",
            per_minute,
            "at most 1",
        ),
        Row("its peak memory", "", f"{number(peak)} MB", peak / 300, "at most 1, of 300 MB"),
    ]


def many_tracks(bench: Bench) -> list[Row]:
    """Cost a song and memory of a small and a large collection; going on with a finished one.

    What starting costs (the workers, the store) is that of a collection of one block for each of
    two workers, and no part of the cost a song.
    """
    least, few, most = 60, 1020, 100_200 if bench.everything else 20_040
    seconds, memory = {}, {}
    for tracks in (least, few, most):
        tree, out = bench.tree(f"tree-{tracks}", tracks), bench.songs / f"store-{tracks}"
        command = ("prepare", tree, "--frontend", "logmel", "-o", out)
        runs: list[tuple[float, float]] = []
        for _ in range(1 if tracks == most else 3):
            shutil.rmtree(out, ignore_errors=True)
            start = time.perf_counter()
            peak = peak_of(*command)
            runs.append((time.perf_counter() - start, peak))
        seconds[tracks], memory[tracks] = map(statistics.median, zip(*runs, strict=True))
    again = timed(lambda: backbeat(*command))
    cost = {tracks: (seconds[tracks] - seconds[least]) / (tracks - least) for tracks in (few, most)}
    return [
        Row(
            f"cost a song of {number(most)} tracks beside {number(few)}",
            f"{number(1000 * cost[few], 2)} ms",
            f"{number(1000 * cost[most], 2)} ms",
            cost[most] / cost[few],
            "0.8 to 1.2",
        ),
        Row(
            "memory of all processes, the same",
            f"{number(memory[few])} MB",
            f"{number(memory[most])} MB",
            memory[most] / memory[few],
            "0.8 to 1.2",
        ),
        Row(
            f"going on with the finished store of {number(most)}",
            "",
            f"{number(again, 1)} s",
            again / 10,
            "at most 1, of 10 s",
        ),
    ]


ROWS: dict[str, Callable[[Bench], list[Row]]] = {
    "features": features,
    "two-processes": two_processes,
    "models": models,
    "cold": cold,
    "folder": folder,
    "hour": hour,
    "many-tracks": many_tracks,
}


# --- Measuring


def compared(work: str, before: float, after: float, aim: str) -> Row:
    """Make a row of two times in seconds."""
    return Row(work, f"{number(before, 2)} s", f"{number(after, 2)} s", before / after, aim)


def alternating(
    measures: dict[str, Callable[[], float]], rounds: int, *, warm_up: bool = True
) -> dict[str, float]:
    """Take the measures in turn, after one round that does not count, and give the medians."""
    if warm_up:
        for measure in measures.values():
            measure()
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            taken[name].append(measure())
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def task(name: str, *arguments: object, cores: int = 1) -> float:
    """Run a task of `tasks.py` in its own process; give the seconds that it prints."""
    command = [sys.executable, str(Path(__file__).with_name("tasks.py")), name]
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | (ONE_CORE if cores == 1 else {}),
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    if done.returncode:  # otherwise TensorFlow's messages are dropped
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return float(done.stdout.splitlines()[-1])


def backbeat(*arguments: object) -> None:
    """Run a verb of the command line."""
    run([str(Path(sys.executable).with_name("backbeat")), *map(str, arguments)])


def run(command: Sequence[str]) -> None:
    """Run a command without its output."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def timed(work: Callable[[], object]) -> float:
    """Give the seconds that something takes, including loading."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_of(*arguments: object) -> float:
    """Run a verb; give the most memory that its processes held together, in MB.

    What they share is counted once (proportional set size). Measured ten times a second.
    """
    command = [str(Path(sys.executable).with_name("backbeat")), *map(str, arguments)]
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(held_by, (process, *process.children(recursive=True)))))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with status {process.returncode}")
    return peak / 1e6


def held_by(process: psutil.Process) -> int:
    """Give the bytes that a process holds, its part of what it shares; 0 if it has just ended."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
