"""Every option of every verb has an effect, or is refused in one line.

`EFFECTS` names them all, so that one which is added to a verb and not here fails. Trainings and
servers are not run: what their functions are given is compared. `ignored_arguments` are taken out
of it: those that the function does not use for such a split, as tests of the splits show.
"""

import contextlib
import dataclasses
import hashlib
import importlib
import json
import os
import pkgutil
import re
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import pytest
import typer

import backbeat
from backbeat import splits, zoo
from backbeat.cli import app
from backbeat.collections import gtzan
from backbeat.errors import BackbeatError
from backbeat.features.importing import import_features
from backbeat.features.prepare import Summary
from backbeat.features.store import (
    Examples,
    Features,
    array_in,
    create_store,
    open_features,
    write_table,
)
from backbeat.frontend import Musicnn
from backbeat.library.suspects import Findings, Suspect
from backbeat.parallel.executors import InlineExecutor
from backbeat.training.jobs import load_examples
from backbeat.tuning.log import Log
from bundles import make_bundle
from made_features import GENRES, made_npz
from sounds import music, write
from tagged import add_tags, cover

HERE = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Case:
    """An option as given, on top of a verb's own arguments and `base`."""

    given: tuple
    base: tuple = ()


def case(*given, base=()):
    return Case(given, tuple(base))


# What each verb is given. {folder} is empty and new each time.
VERBS = {
    "check": ("{collection}", "--yes"),
    "prepare": ("{collection}", "--yes", "-o", "{folder}/f"),
    "import-features": ("{npz}", "-o", "{folder}/f", "--frontend", "mfcc"),
    "models": (),
    "train": ("{store}", "--model", "mlp_base", "--split", "artists", "-o", "{folder}/run"),
    "evaluate": ("{run}",),
    "audit": ("{store}", "--split", "artists", "--no-near"),
    "stress": ("{bundle}", "--on", "{collection}", "--only", "hum"),
    "compare": ("{run}",),
    "suspects": ("{store}",),
    "reproduce": ("sears2021", "{store}", "-o", "{folder}/r"),
    "tune": ("{store}", "-o", "{folder}/t", "--family", "mlp"),
    "classify": ("{songs}", "--model", "{bundle}"),
    "tag": ("{songs}", "--model", "{bundle}", "--min-confidence", "0"),
    "playlists": ("{songs}", "-o", "{folder}/p", "--model", "{bundle}"),
    "similar": ("{songs}/a.wav", "--in", "{songs}", "--model", "{bundle}"),
    "show": ("{songs}/a.wav", "-o", "{folder}/s"),
    "serve": (),
    "demo": (),
    "data jam": ("-o", "{folder}/jam"),
    "data gtzan": ("-o", "{folder}/gtzan"),
}

_WRITE = ("--yes", "--log", "{folder}/log.jsonl")
_WITH_MODEL = ("--model", "mlp_base", "-o", "{folder}/w")
_CLUSTER = case("--cluster", "local:1")
_ANSWERING = {
    "--model": case("--model", "{other_bundle}"),
    "--windows": case("--windows", "1"),
    "--index": case("--index", "{folder}/index"),
    "--again": case("--again"),
    "--json": case("--json"),
    "--workers": case("-w", "1"),
    "--cluster": _CLUSTER,
}

_LAYOUTS = "test_layouts.py::test_"
_READING = {
    "--columns": f"{_LAYOUTS}columns_by_the_command_line",
    "--songs": f"{_LAYOUTS}columns_by_the_command_line",
    "--genre-from": f"{_LAYOUTS}columns_by_the_command_line",
    "--yes": f"{_LAYOUTS}a_doubt_stops_before_anything_is_made",
}

# Of each option what is given, or the test that shows its effect.
EFFECTS = {
    "check": {
        "--seconds": case("--seconds", "40"),
        "--frontend": case("--frontend", "logmel", base=("--seconds", "31")),
        "--several": "test_collection.py::test_cells_with_several_genres",
        **_READING,
        "--json": case("--json"),
        "--workers": case("-w", "2"),
        "--cluster": _CLUSTER,
    },
    "prepare": {
        "--out": case("-o", "{folder}/other"),
        "--frontend": case("--frontend", "logmel"),
        "--seconds": case("--seconds", "20"),
        "--windows": case("--windows", "2", base=("--frontend", "logmel")),
        "--several": "test_collection.py::test_cells_with_several_genres",
        **_READING,
        "--drop-duplicates": case("--drop-duplicates"),
        "--mend": case("--mend"),
        "--json": case("--json"),
        "--workers": case("-w", "1"),
        "--cluster": _CLUSTER,
    },
    "import-features": {
        "--out": case("-o", "{folder}/other"),
        "--frontend": "test_importing.py::test_maps_come_in_exactly",
        "--made": "test_vectors.py::test_how_mfccs_were_made_travels_to_the_bundle",
        "--segments-per-song": "test_songs.py::test_rows_are_joined_when_asked",
        "--song-from": "test_songs.py::test_rows_are_joined_when_asked",
        "--rows-are-songs": "test_songs.py::test_rows_without_names_are_no_known_songs",
        "--json": case("--json"),
    },
    "models": {"--json": case("--json"), "--frames": case("--frames", "60")},
    "train": {
        "--model": case("--model", "cnn_base_01"),
        "--out": case("-o", "{folder}/other"),
        "--split": case("--split", "tracks"),
        "--folds": case("--folds", "2"),
        "--test-share": case("--test-share", "0.4"),
        "--valid-share": case("--valid-share", "0.3"),
        "--max-error": case("--max-error", "0.3"),
        "--seed": case("--seed", "5"),
        "--epochs": case("--epochs", "3"),
        "--resume": case("--resume"),
        "--tensorboard": case("--tensorboard", "{folder}/logs"),
        "--json": case("--json"),
        "--threads": case("--threads", "2"),
        "--workers": case("-w", "1", base=("--folds", "2")),
        "--cluster": case("--cluster", "local:1", base=("--folds", "2")),
    },
    "evaluate": {
        "--model": "test_transfer.py::test_a_run_is_a_run",
        "--on": "test_locks.py::test_who_only_reads_is_not_refused",
        "--near-duplicates": (
            "test_audit.py::test_a_run_is_not_scored_on_its_own_songs_under_other_names"
        ),
        "--clean": "test_headlines.py::test_a_leaking_run_shows_the_clean_one_that_is_named",
        "--json": case("--json"),
    },
    "audit": {
        "--split": case("--split", "slices"),
        "--folds": case("--folds", "2"),
        "--test-share": case("--test-share", "0.4"),
        "--valid-share": case("--valid-share", "0.4"),
        "--seed": case("--seed", "5"),
        "--near": case("--near"),
        "--model": case("--model", "cnn_base_01", base=_WITH_MODEL),
        "--epochs": case("--epochs", "3", base=_WITH_MODEL),
        "--out": case("-o", "{folder}/other", base=_WITH_MODEL),
        "--json": case("--json"),
        "--workers": case("-w", "1", base=_WITH_MODEL),
        "--cluster": case("--cluster", "local:1", base=_WITH_MODEL),
    },
    "stress": {
        "--on": "test_stress.py::test_songs_are_changed_one_by_one",
        "--only": case("--only", "hiss*"),
        "--json": case("--json"),
        "--workers": case("-w", "1"),
    },
    "compare": {
        "--out": "test_contenders.py::test_the_verb",
        "--json": "test_contenders.py::test_the_verb",
    },
    "suspects": {
        "--out": case("-o", "{folder}/s.csv"),
        "--top": case("--top", "1"),
        "--by": case("--by", "artists"),
        "--folds": case("--folds", "3"),
        "--seed": case("--seed", "5"),
        "--json": case("--json"),
    },
    "reproduce": {
        "--out": case("-o", "{folder}/other"),
        "--only": case("--only", "mlp_1*"),
        "--split": case("--split", "tracks"),
        "--epochs-scale": case("--epochs-scale", "0.1"),
        "--seeds": case("--seeds", "2"),
        "--songs": case("--songs", "{gtzan}"),
        "--json": case("--json"),
        "--workers": case("-w", "1"),
        "--cluster": _CLUSTER,
    },
    "tune": {
        "--out": case("-o", "{folder}/other"),
        "--family": case("--family", "cnn"),
        "--strategy": case("--strategy", "tpe"),
        "--budget": case("--budget", "2"),
        "--split": case("--split", "tracks"),
        "--test-share": case("--test-share", "0.4"),
        "--valid-share": case("--valid-share", "0.4"),
        "--epochs-scale": case("--epochs-scale", "0.1"),
        "--seed": case("--seed", "5"),
        "--threads": case("--threads", "2"),
        "--json": case("--json"),
    },
    "classify": {
        **_ANSWERING,
        "--top": case("--top", "1"),
        "--format": case("--format", "csv"),
        "--bom": case("--bom", base=("--format", "csv")),
        "--out": case("-o", "{folder}/a.txt"),
        "--timeline": case("--timeline"),
        "--tags": case("--tags"),
        "--forget-gone": case("--forget-gone"),
    },
    "tag": {
        **_ANSWERING,
        "--json": case("--json", base=_WRITE),
        "--min-confidence": case("--min-confidence", "1"),
        # The default, in words: what it forbids is --overwrite.
        "--only-empty": "test_tags_cli.py::test_mistakes_are_told_in_a_line",
        "--overwrite": case("--overwrite"),
        "--multi": case("--multi"),
        "--damaged": case("--damaged"),
        "--dry-run": case("--dry-run"),
        "--out": case("-o", "{folder}/plan.csv", base=("--dry-run",)),
        "--yes": case("--yes"),
        "--keep-times": case("--keep-times", base=_WRITE),
        "--log": case("--log", "{folder}/other.jsonl", base=_WRITE),
        "--undo": "test_tags_cli.py::test_yes_writes_and_undo_takes_it_back",
    },
    "playlists": {
        **_ANSWERING,
        "--out": case("-o", "{folder}/other"),
        "--min-confidence": case("--min-confidence", "1"),
    },
    "similar": {
        **_ANSWERING,
        "--in": case("--in", "{collection}"),
        "--top": case("--top", "1"),
        "--other-artists": "test_library_cli.py::test_songs_of_the_same_artist_can_be_left_out",
        "--out": case("-o", "{folder}/like.m3u8"),
    },
    "show": {
        "--out": case("-o", "{folder}/other"),
        "--seconds": case("--seconds", "2"),
        "--json": case("--json"),
    },
    "serve": {
        "--host": case("--host", "0.0.0.0"),
        "--port": case("--port", "0"),
        "--model": case("--model", "gtzan-fast"),
        "--megabytes": case("--megabytes", "1"),
        "--minutes": case("--minutes", "1"),
        "--seconds": case("--seconds", "1"),
        "--workers": case("-w", "1"),
        "--waiting": case("--waiting", "1"),
        "--files": case("--files", "1"),
        "--root-path": case("--root-path", "/music"),
        "--name": case("--name", "music.example"),
    },
    "demo": {"--out": case("-o", "{folder}/other"), "--workers": case("-w", "1")},
    "data jam": {
        "--out": case("-o", "{folder}/other"),
        "--per-genre": case("--per-genre", "2"),
        "--seed": case("--seed", "5"),
        "--with-faults": case("--with-faults"),
        "--json": case("--json"),
        "--workers": case("-w", "1"),
    },
    "data gtzan": {
        "--out": case("-o", "{folder}/other"),
        "--from": case("--from", "{gtzan}"),
        "--json": case("--json"),
        "--workers": case("-w", "1"),
    },
}

# Options that would have no effect: the arguments, the option, and what takes its effect away.
_TRANSFER = ("--model", "transfer")
_UNDO = ("tag", "--undo", "{folder}/log.jsonl")
_FORMAT = ("classify", *VERBS["classify"], "--format", "csv", "--timeline")
REFUSED = [
    (("train", *VERBS["train"], "-w", "2"), "--workers", "without --folds"),
    (("train", *VERBS["train"], *_CLUSTER.given), "--cluster", "without --folds"),
    (("train", *VERBS["train"], *_TRANSFER, "--epochs", "2"), "--epochs", "with --model transfer"),
    (
        ("train", *VERBS["train"], *_TRANSFER, "--threads", "2"),
        "--threads",
        "with --model transfer",
    ),
    (
        ("train", *VERBS["train"], *_TRANSFER, "--folds", "2", "--tensorboard", "x"),
        *("--tensorboard", "with --model transfer"),
    ),
    (
        ("train", *VERBS["train"], "--folds", "2", "--test-share", "0.2"),
        *("--test-share", "with --folds"),
    ),
    (
        ("train", *VERBS["train"], "--split", "slices", "--max-error", "0.1"),
        *("--max-error", "without a validation part of whole songs"),
    ),
    (("audit", *VERBS["audit"], "--epochs", "3"), "--epochs", "without --model"),
    (("audit", *VERBS["audit"], "-w", "3"), "--workers", "without --model"),
    (("audit", *VERBS["audit"], *_CLUSTER.given), "--cluster", "without --model"),
    (("audit", *VERBS["audit"], *_WITH_MODEL, "--folds", "2"), "--folds", "with --model"),
    (
        ("audit", *VERBS["audit"], *_WITH_MODEL, *_TRANSFER, "--epochs", "2"),
        *("--epochs", "with --model transfer"),
    ),
    (
        ("evaluate", *VERBS["evaluate"], "--near-duplicates", "{store}"),
        *("--near-duplicates", "without --on"),
    ),
    (
        ("evaluate", *VERBS["evaluate"], "--on", "{store}", "--clean", "{run}"),
        *("--clean", "with --on"),
    ),
    ((*_FORMAT, "--top", "2"), "--top", "with --format csv --timeline"),
    ((*_FORMAT, "--tags"), "--tags", "with --format csv --timeline"),
    (("classify", *VERBS["classify"], "--bom"), "--bom", "without --format csv"),
    (("tag", *VERBS["tag"], "-o", "plan.csv"), "--out", "without --dry-run"),
    *(
        (("tag", *VERBS["tag"], "--dry-run", *option), option[0], "with --dry-run")
        for option in (("--yes",), ("--keep-times",), ("--log", "x"))
    ),
    *(
        ((*_UNDO, *option), option[0], "with --undo")
        for option in (
            *(("--min-confidence", "0.5"), ("--only-empty",), ("--overwrite",), ("--multi",)),
            ("--damaged",),
            *(("--dry-run",), ("--out", "x"), ("--yes",), ("--keep-times",), ("--again",)),
            *(("--model", "gtzan-fast"), ("--windows", "2"), ("--log", "x"), ("--workers", "2")),
        )
    ),
]


# --- What the verbs are given


def gtzan_names():
    """Songs of each part of both published splits: two of each genre, part and fold."""
    parts, folds = gtzan.filtered_parts(), gtzan.folds()
    there = {}
    for track in sorted(parts):
        genre = track.partition(".")[0]
        if genre in GENRES and track in folds:
            there.setdefault((genre, parts[track], folds[track]), []).append(track)
    return sorted(track for tracks in there.values() for track in tracks[:3])


@pytest.fixture(scope="module")
def places(tmp_path_factory, run):
    """Folders and files that the verbs read; none of them is changed."""
    folder = tmp_path_factory.mktemp("options")
    write(folder / "collection" / "rock" / "a.wav", music(29.5, 4_000, seed=1), 4_000)
    for number, name in enumerate(("a.wav", "b.flac", "c.flac")):
        write(folder / "songs" / name, music(6.0, seed=number))
    add_tags(folder / "songs" / "c.flac", cover(8), ("Polka",))
    (folder / "gtzan").mkdir()
    names = gtzan_names()
    x = np.random.default_rng(0).standard_normal((len(names), 4, 125, 13)).astype(np.float32)
    genres = np.array([GENRES.index(name.partition(".")[0]) for name in names])
    made_npz(folder / "m.npz", X=x, names=np.array(names), y=genres, artists=None)
    store = import_features(folder / "m.npz", folder / "store", frontend="mfcc", songs="rows")
    examples = store.examples("mfcc")
    for name, valid in (("with_valid", "valid"), ("without_valid", "train")):
        parts = [("train", "test", valid)[row % 3] for row in range(len(names))]
        rows = [f"{name},{part}" for name, part in zip(names, parts, strict=True)]
        (folder / f"{name}.csv").write_text("\n".join(["path,part", *rows]) + "\n")
    splits.write_split(folder / "slices.json", splits.make_split(examples, "slices"))
    return {
        "collection": folder / "collection",
        "songs": folder / "songs",
        "npz": made_npz(folder / "other.npz"),
        "store": folder / "store",
        "run": run,
        "gtzan": folder / "gtzan",
        "bundle": make_bundle(folder / "one.backbeat"),
        "other_bundle": make_bundle(folder / "two.backbeat", genres=("jazz", "polka"), seed=5),
        "splits": folder,
    }


SPLITS = (
    *("slices", "tracks", "artists", "gtzan-filtered", "gtzan-folds", "gtzan-folds:1"),
    *(
        "file:{splits}/with_valid.csv",
        "file:{splits}/without_valid.csv",
        "file:{splits}/slices.json",
    ),
)


# --- What the functions behind the verbs are given, in place of hours of training


def plain(value):
    """An argument as a text that is the same for the same meaning."""
    if isinstance(value, splits.Split):
        return f"split {value.hash} fold {value.fold}"
    if isinstance(value, Features):
        return str(value.path)
    if isinstance(value, dict):
        return str({key: plain(item) for key, item in value.items()})
    if isinstance(value, list | tuple) and not isinstance(value, str):
        return str([plain(item) for item in value])
    if callable(value) or isinstance(value, Examples | Executor | Iterator):
        return type(value).__name__
    return str(value) if isinstance(value, Path) else re.sub(r" at 0x\w+", "", repr(value))


@pytest.fixture
def calls(monkeypatch, places):
    """What was called, with what."""
    # First all modules: one that is imported later would keep what is put in place of a function.
    for module in pkgutil.walk_packages(backbeat.__path__, "backbeat."):
        # Gradio takes seconds, and the page is not served here.
        if not module.name.endswith(("__main__", "web.page")):
            importlib.import_module(module.name)
    made = []

    def note(target, result=None, through=False, clean=lambda arguments: arguments):
        module, _, name = target.rpartition(".")
        real = getattr(__import__(module, fromlist=[name]), name)

        def noted(*args, **kwargs):
            made.append((name, plain(clean({**kwargs, "": args}))))
            return real(*args, **kwargs) if through else result

        monkeypatch.setattr(target, noted)

    def trained(arguments):
        """Leave out what a training does not use: see the module."""
        split = next(given for given in arguments[""] if isinstance(given, splits.Split))
        if zoo.TRANSFER in arguments[""]:
            arguments.pop("seed")  # a head is fitted without chance
        if split.divides_tracks or not len(split.rows("valid")):
            arguments.pop("max_error")
        return arguments

    def cross_validated(arguments):
        features, spec, protocol, _ = arguments[""]
        seed = arguments["seed"] if spec.family != "transfer" else None
        drawing = {key: arguments.pop(key) for key in ("folds", "seed", "valid_share")}
        drawn = splits.make_folds(features.examples("mfcc"), protocol, **drawing)
        if drawn[0].divides_tracks or not len(drawn[0].rows("valid")):
            arguments.pop("max_error")
        return arguments | {"seed": seed, "drawn": drawn}

    @contextlib.contextmanager
    def executor(*args, **kwargs) -> Iterator[Executor]:
        made.append(("open_executor", plain(args), plain(kwargs)))
        yield InlineExecutor()

    for where in ("backbeat.parallel.executors", "backbeat.classify.batches"):
        monkeypatch.setattr(f"{where}.open_executor", executor)
    # MFCCs stand in for the features of a head.
    monkeypatch.setattr("backbeat.zoo._problem", lambda spec, frontend: "")
    note("backbeat.training.train.train", clean=trained)
    note("backbeat.training.crossvalidation.cross_validate", {}, clean=cross_validated)
    monkeypatch.setattr(
        "backbeat.training.jobs.embed", lambda features, **_: features.examples("mfcc")
    )
    monkeypatch.setattr(
        "backbeat.training.jobs.outline_of_embedding", lambda features: features.outline("mfcc")
    )
    note("backbeat.features.prepare.prepare", Summary(1, 1, (), (), {"rock": 1}))
    note("backbeat.cli.train.score_run")  # of what was not trained
    note("backbeat.runs.scoring.write_evaluation", Path("report.html"))
    note("backbeat.splits.audit.audit_splits", through=True)
    note("backbeat.runs.effect.measure_leak_effect")
    monkeypatch.setattr("backbeat.cli.audit._print_effect", lambda effect: None)
    suspect = Suspect("a", "rock", "jazz", 0.1, 0.9, 0.1, "sounds like jazz")
    found = Findings((suspect, dataclasses.replace(suspect, name="b")), 9, 0.5, {})
    note("backbeat.library.suspects.find_suspects", found)
    note("backbeat.reproduce.runner.run_all", {})
    note("backbeat.reproduce.drawing.find_songs", {})
    note("backbeat.reproduce.page.write", ())
    monkeypatch.setattr("backbeat.reproduce.page.result_line", lambda folder: "")
    note("backbeat.tuning.tune", Log(heading=("tuned",)))
    note("backbeat.classify.load", through=True)
    note("backbeat.library.songs.answer_all", through=True)
    note("backbeat.library.neighbours.nearest", through=True)
    # Of the songs' tags it is given inodes and times too, which are never the same.
    note("backbeat.library.tags.plan.plan", through=True, clean=lambda arguments: arguments[""][-1])
    note("backbeat.figures.show.show", ())
    note("backbeat.web.server.serve")
    note("backbeat.cli.demo.run_demo")
    note("backbeat.collections.jam.generate", ())
    note("backbeat.collections.gtzan.fetching.fetch", places["gtzan"])
    note("backbeat.cli.data.check")
    return made


@pytest.fixture
def outcome(cli, places, tmp_path, calls, monkeypatch):
    """Run a verb in a new folder; gives all that came of it, but for the folder's name."""
    count = 0

    def outcome(*arguments):
        nonlocal count
        count += 1
        folder = tmp_path / str(count)
        songs = folder / "songs"
        shutil.copytree(places["songs"], songs)
        before = time.time() - 1_000
        for song in songs.iterdir():
            os.utime(song, (before - 1_000,) * 2)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
        monkeypatch.chdir(folder)
        calls.clear()
        named = {**places, "folder": folder, "songs": songs}
        status, out, err = cli(*(str(argument).format(**named) for argument in arguments))
        files = {}
        for path in folder.rglob("*"):
            place = path.relative_to(folder)
            if path.is_file() and place.parts[0] not in ("cache", "state"):
                content = b"" if path.suffix == ".jsonl" else path.read_bytes()
                old = path.stat().st_mtime < before
                files[str(place)] = hashlib.sha256(content).hexdigest(), old
        made = repr(calls).replace(str(folder), "")
        return status, out.replace(str(folder), ""), err.replace(str(folder), ""), files, made

    return outcome


# --- Tests


def options():
    """Every option of every verb, by its longest name."""

    def walk(group, before=""):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from walk(command, f"{before}{name} ")
            else:
                yield f"{before}{name}", command

    return {
        verb: {
            max(parameter.opts, key=len)
            for parameter in command.params
            if parameter.opts[0].startswith("-")
        }
        for verb, command in walk(typer.main.get_command(app))
    }


def test_every_option_is_in_the_table():
    assert {verb: set(known) for verb, known in EFFECTS.items()} == options()
    assert set(VERBS) == set(EFFECTS)


def test_the_tests_that_the_table_names_are_there():
    for known in EFFECTS.values():
        for shown in known.values():
            if isinstance(shown, str):
                file, _, name = shown.partition("::")
                assert f"def {name}(" in (HERE / file).read_text("utf-8"), shown


# What those do with songs is `classify`'s.
SLOW = ("tag", "playlists", "similar")


@pytest.mark.parametrize(
    "verb",
    [pytest.param(verb, marks=pytest.mark.slow) if verb in SLOW else verb for verb in EFFECTS],
)
def test_an_option_has_an_effect(verb, outcome):
    bases = {}
    for option, shown in EFFECTS[verb].items():
        if isinstance(shown, str):
            continue
        command = (*verb.split(), *VERBS[verb], *shown.base)
        if shown.base not in bases:
            bases[shown.base] = outcome(*command)
            assert bases[shown.base] == outcome(*command), "not the same twice"
            # `tag` changes nothing where it cannot ask.
            assert bases[shown.base][0] == (verb == "tag" and not shown.base), bases[shown.base]
        status, out, err, *_ = changed = outcome(*command, *shown.given)
        assert status in (0, bases[shown.base][0]), (option, out, err)
        assert changed != bases[shown.base], f"{verb} {option} has no effect"
        # Neither the evaluation nor the check is run here.
        if option == "--json" and verb not in ("train", "data gtzan"):
            json.loads(out)


@pytest.mark.parametrize(("arguments", "option", "why"), REFUSED)
def test_an_option_without_effect_is_refused(arguments, option, why, outcome):
    status, out, err, files, _ = outcome(*arguments)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"backbeat: {option}: has no effect {why}")
    assert err.endswith("; leave it out\n")
    assert all(name.startswith("songs/") for name in files)


FOR_A_SPLIT = {
    "train": {
        "--test-share": "0.4", "--valid-share": "0.4", "--max-error": "0.3", "--seed": "5",
        "--epochs": "3", "--tensorboard": "logs", "--threads": "2", "--workers": "1",
        "--cluster": "local:1",
    },
    "audit": {"--test-share": "0.4", "--valid-share": "0.4", "--seed": "5"},
    "tune": {"--test-share": "0.4", "--valid-share": "0.4"},
}  # fmt: skip


@pytest.mark.parametrize("folds", [(), ("--folds", "2")], ids=["", "folds"])
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    "command",
    [
        ("train", *VERBS["train"]),
        ("train", *VERBS["train"], *_TRANSFER),
        ("audit", *VERBS["audit"], "--json"),
        ("tune", *VERBS["tune"]),
    ],
    ids=["train", "transfer", "audit", "tune"],
)
def test_with_every_split_an_option_has_an_effect_or_is_refused(command, split, folds, outcome):
    if command[0] == "tune" and folds:
        pytest.skip("tune has no folds")
    command = (*command, "--split", split, *folds)
    status, _, err, *_ = base = outcome(*command)
    if status:  # this split cannot be had so
        assert err.startswith(
            ("backbeat: --folds: not with --split", "backbeat: --split gtzan-folds")
        )
        assert err.count("\n") == 1
        return
    for option, value in FOR_A_SPLIT[command[0]].items():
        status, _, err, *_ = given = outcome(*command, option, value)
        if status:
            assert err.startswith(f"backbeat: {option}: has no effect "), err
            assert err.count("\n") == 1
        else:
            assert given != base, f"{option} has no effect"


# --- Shipped models, on what each front-end makes


@pytest.fixture(scope="module")
def stores(places, tmp_path_factory):
    """Stores of the same songs of GTZAN by each front-end."""
    folder, names = tmp_path_factory.mktemp("stores"), gtzan_names()
    random = np.random.default_rng(0)
    labels = np.array([GENRES.index(name.partition(".")[0]) for name in names])
    maps = random.integers(0, 256, (len(names), 128, 387), np.uint8)
    np.savez(folder / "m.npz", X=maps, names=np.array(names), y=labels, genres=np.array(GENRES))
    store = import_features(folder / "m.npz", folder / "logmel", frontend="logmel", songs="rows")
    front = Musicnn()
    values = random.standard_normal((len(names), *front.shape)).astype(np.float32)
    about = {"frontend": front.model_dump(), "genres": list(GENRES), "fingerprint": "f"}
    group = create_store(folder / "musicnn", shape=values.shape, block=8, attributes=about)
    array_in(group, "features")[:] = values
    slices = np.full(len(names), len(values[0]))
    write_table(group, dataclasses.replace(store.table, slices=slices))
    return {"mfcc": places["store"], "logmel": store.path, "musicnn": folder / "musicnn"}


MODELS = (*zoo.specs(), "transfer")
FRONT_ENDS = ("mfcc", "logmel", "musicnn")


def takes(model, frontend):
    """Whether a model can be trained on what a front-end makes."""
    if model == "transfer":
        return frontend != "mfcc"
    return frontend == "logmel" or (frontend == "mfcc" and zoo.find(model).input == "mfcc")


@pytest.mark.parametrize("frontend", FRONT_ENDS)
@pytest.mark.parametrize("model", MODELS)
def test_a_model_fits_a_front_end_or_is_refused(model, frontend, stores):
    store, spec = open_features(stores[frontend]), zoo.find(model)
    if not takes(model, frontend):
        with pytest.raises(BackbeatError) as refused:
            load_examples(store, spec.input)
        assert "\n" not in str(refused.value)
    elif model != "transfer":
        x = load_examples(store, spec.input).x
        assert zoo.count_weights(spec, x.shape[1:], len(GENRES)) > 0


# Every model is trained once; one of each family on every split. That the others fit or are refused
# is looked at above, without training.
WALK = [
    (model, next(frontend for frontend in FRONT_ENDS if takes(model, frontend)), "artists", ())
    for model in MODELS
] + [
    (model, frontend, split, folds)
    for model, frontend in (("mlp_base", "mfcc"), ("mlp_base", "musicnn"), ("transfer", "musicnn"))
    for split in SPLITS
    for folds in ((), ("--folds", "2", "-w", "1"))
]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "frontend", "split", "folds"), WALK)
def test_a_training_ends_or_is_refused(
    model, frontend, split, folds, stores, places, cli, tmp_path
):
    epochs = () if model == "transfer" else ("--epochs", 2)
    split = split.format(**places)
    if folds and split not in splits.DRAWN:
        folds = folds[:2]
    status, out, err = cli(
        *("train", stores[frontend], "--model", model, "--split", split),
        *(*folds, *epochs, "-o", tmp_path / "run"),
    )
    if status:
        assert not takes(model, frontend) or (folds and split not in splits.DRAWN), err
        assert err.splitlines()[-1].startswith("backbeat: ")
        assert "Traceback" not in err
        assert out == ""
    else:
        bundles = list((tmp_path / "run").rglob("model.backbeat"))
        assert len(bundles) == {(): 1}.get(folds, 2) or split == "gtzan-folds"
        if epochs:
            for history in (tmp_path / "run").rglob("history.csv"):
                assert len(history.read_text().splitlines()) == 3
