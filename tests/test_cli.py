"""The command line: quick to start, one line for a user's mistake, answers in every format."""

import json
import re
import subprocess
import sys
import zipfile

import pytest
import typer

from backbeat import zoo
from backbeat.cli import app
from backbeat.cli.help import EXAMPLES, GROUPS
from backbeat.collections import jam
from backbeat.collections.collection import read_collection
from backbeat.features.prepare import prepare
from bundles import make_bundle
from made_features import made_npz, small_spec
from sounds import music, write
from test_report import Page

VERBS = {"check", "classify", "demo", "evaluate", "import-features", "models", "prepare", "show"}


def verbs(command=None, names=()):
    """The names of all verbs, those of groups below their group's."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        return [names]
    return [names] + [
        found
        for name in command.commands
        for found in verbs(command.commands[name], (*names, name))
    ]


# --- Starting


def loaded_after(arguments, modules):
    """Which of the modules are loaded in a process of its own that has run the command line."""
    code = f"""
import sys
from backbeat.cli import main
sys.argv[0] = "backbeat"
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
finally:
    print(sorted(set(sys.modules) & set({modules!r})), file=sys.stderr)
"""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout, done.stderr.splitlines()[-1]


HEAVY = (
    "tensorflow",
    "keras",
    "librosa",
    "matplotlib",
    "sklearn",
    "tf2onnx",
    "jinja2",
    "gradio",
    "fastapi",
)


LIGHT = ("numpy", "scipy", "zarr", "pydantic", "onnxruntime", "av", "soundfile", "rich.table")


def test_help_starts_light():
    shown, loaded = loaded_after(["--help"], (*HEAVY, *LIGHT))
    assert loaded == "[]"
    assert all(verb in shown for verb in VERBS)


def test_classifying_loads_no_training(bundle, songs):
    answered, loaded = loaded_after(["classify", songs / "a.wav", "--model", bundle], HEAVY)
    assert loaded == "[]"
    assert answered.endswith("a.wav\n")


@pytest.mark.parametrize("names", verbs(), ids=" ".join)
def test_every_verb_has_help(cli, names):
    status, out, err = cli(*names, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"Usage: backbeat {' '.join(names)}".rstrip() + " ")
    assert not re.search(r"<[a-z]|list\[", out)  # plain words
    if names and names != ("data",):
        assert f"Example:\n  backbeat {' '.join(names)} " in out
    else:
        assert "..." not in out.replace("[ARGS]...", "")  # whole sentences, on any terminal


def test_every_verb_is_listed_once_by_its_task(cli):
    commands = typer.main.get_command(app).commands
    assert sorted(verb for group in GROUPS.values() for verb in group) == sorted(commands)
    out = cli("--help")[1]
    assert [line.rstrip(":") for line in out.splitlines() if line.rstrip(":") in GROUPS] == [
        *GROUPS
    ]
    assert set(EXAMPLES) == {" ".join(names) for names in verbs() if names} - {"data"}


@pytest.mark.slow
def test_the_examples_of_the_help_run_one_after_another(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made_npz(tmp_path / "theirs.npz")
    for verb, example in EXAMPLES.items():
        # Of the network, without end, and of minutes with a test of its own.
        if verb not in ("data gtzan", "serve", "demo"):
            status, _, err = cli(*example.split())
            assert status == 0, (example, err)


def test_every_option_is_explained():
    for names in verbs():
        command = typer.main.get_command(app)
        for name in names:
            command = command.commands[name]
        assert command.help, names
        assert all(getattr(one, "help", "") for one in command.params), names


def test_completion_is_light_and_knows_verbs_and_options(cli, monkeypatch):
    monkeypatch.setattr("shellingham.detect_shell", lambda *_: ("bash", "/bin/bash"))
    status, script, _ = cli("--show-completion")
    assert status == 0
    assert "=complete_bash" in script  # a test's own name stands before it
    monkeypatch.setenv("_BACKBEAT_COMPLETE", "complete_bash")
    for words, found in (("backbeat sus", "suspects"), ("backbeat classify --clu", "--cluster")):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
        shown, loaded = loaded_after([], (*HEAVY, *LIGHT))
        assert shown == f"{found}\n"
        assert loaded in ("[]", "['pydantic']")  # which Typer itself may load


def test_version(cli):
    status, out, _ = cli("--version")
    assert status == 0
    assert out.startswith("backbeat ")


# --- Mistakes


def unfinished(folder):
    """A feature store whose making was stopped."""
    write(folder / "songs" / "rock" / "a.wav", music(30.0, 4_000), 4_000)

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(read_collection(folder / "songs"), folder / "features", on_progress=stop)
    return folder / "features"


def newer(folder):
    """A bundle as a later backbeat would write it."""
    path = make_bundle(folder / "newer.backbeat")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["bundle.json"] = json.dumps({**json.loads(parts["bundle.json"]), "version": 99}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def text(folder):
    path = folder / "text.backbeat"
    path.write_text("this is no bundle\n" * 100)
    return path


def cut_bundle(folder):
    path = make_bundle(folder / "cut.backbeat")
    path.write_bytes(path.read_bytes()[:-200])
    return path


def table(folder):
    path = folder / "table.csv"
    path.write_text("file,label\na.wav,rock\n")
    return path


def no_archive(folder):
    path = folder / "features.npz"
    path.write_bytes(b"not an archive")
    return path


def nothing_usable(folder):
    (folder / "songs" / "rock").mkdir(parents=True)
    (folder / "songs" / "rock" / "empty.mp3").touch()
    return folder / "songs"


def split_name(folder):
    path = folder / "a\nb\x1b[31m.backbeat"
    path.write_text("this is no bundle")
    return path


TRAIN = ("--split", "tracks", "-o", "{folder}/run")
MISTAKES = {
    "check, missing folder": (("check", "{folder}/gone"), "gone: no such folder or table"),
    "check, table": (("check", table), "no column 'path'"),
    "prepare, missing": (("prepare", "{folder}/gone", "-o", "{folder}/f"), "no such folder"),
    "prepare, onto others": (("prepare", "{songs}", "-o", "{songs}"), "outside genre folders"),
    "prepare, onto files": (
        ("prepare", nothing_usable, "--yes", "-o", "{songs}"),
        "not a feature store",
    ),
    "prepare, nothing": (
        ("prepare", nothing_usable, "--yes", "-o", "{folder}/f"),
        "no track is usable",
    ),
    "models, near name": (("models", "cnn_base_1"), "no such model; did you mean cnn_base_01?"),
    "models, far name": (("models", "zzz"), "zzz: no such model; `backbeat models` lists them"),
    "train, near name": (
        ("train", "{folder}/gone", "--model", "mlp_bas", *TRAIN),
        "mlp_bas: no such model; did you mean mlp_base?",
    ),
    "train, missing": (
        ("train", "{folder}/gone", "--model", "mlp_base", *TRAIN),
        "gone: no such feature store; make one with `backbeat prepare`",
    ),
    "train, unfinished": (
        ("train", unfinished, "--model", "mlp_base", *TRAIN),
        "features: these features are unfinished; run the same `backbeat prepare` again",
    ),
    "train, no epochs": (
        ("train", "{folder}", "--model", "mlp_base", "--epochs", "0", *TRAIN),
        "--epochs 0: must be from 1 to 1,000,000",
    ),
    "train, epochs without end": (
        ("train", "{folder}", "--model", "mlp_base", "--epochs", "1" + 30 * "0", *TRAIN),
        "must be from 1 to 1,000,000",
    ),
    "evaluate, no run": (("evaluate", "{folder}"), "not a run; `backbeat train` makes one"),
    "evaluate, nothing": (("evaluate",), "name a run, or a bundle with --model"),
    "evaluate, both": (("evaluate", "{folder}", "--model", "gtzan"), "name a run, or a bundle"),
    "evaluate, on nothing": (
        ("evaluate", "--model", "gtzan"),
        "name the features to evaluate it on",
    ),
    "train, transfer of nothing": (
        ("train", "{folder}/gone", "--model", "transfer", *TRAIN),
        "gone: no such feature store; make one with `backbeat prepare`",
    ),
    "classify, missing": (
        ("classify", "{songs}", "--model", "{folder}/gone.backbeat"),
        "gone.backbeat: No such file or directory; name a bundle with --model",
    ),
    "classify, no run": (("classify", "{songs}", "--model", "{folder}"), "name a bundle"),
    "classify, newer": (
        ("classify", "{songs}", "--model", newer),
        "newer.backbeat: bundle format 99 is newer than this backbeat reads (3); update backbeat",
    ),
    "classify, text": (
        ("classify", "{songs}", "--model", text),
        "text.backbeat: not a bundle, or damaged (File is not a zip file)",
    ),
    "classify, cut": (("classify", "{songs}", "--model", cut_bundle), "not a bundle, or damaged"),
    "classify, name": (
        ("classify", "{songs}", "--model", split_name),
        r"a\x0ab\x1b[31m.backbeat: ",
    ),
    "classify, onto folder": (
        ("classify", "{songs}", "--model", make_bundle, "-o", "{songs}"),
        "is a folder",
    ),
    "classify, onto no folder": (
        ("classify", "{songs}", "--model", make_bundle, "-o", "{songs}/a.wav/x.csv"),
        "a.wav",
    ),
    "import-features, npz": (
        ("import-features", no_archive, "-o", "{folder}/f", "--frontend", "logmel"),
        "features.npz",
    ),
    "import-features, missing": (
        ("import-features", "{folder}/gone.npz", "-o", "{folder}/f", "--frontend", "logmel"),
        "gone.npz",
    ),
    "show, missing": (("show", "{folder}/gone.wav", "-o", "{folder}"), "gone.wav: no such file"),
    "show, text": (("show", text, "-o", "{folder}/pictures"), "not audio that can be played"),
    "data gtzan, missing": (
        ("data", "gtzan", "-o", "{folder}/g", "--from", "{folder}/x.zip"),
        "x.zip",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(cli, tmp_path, songs, mistake):
    arguments, what = MISTAKES[mistake]
    given = [
        argument.format(folder=tmp_path, songs=songs)
        if isinstance(argument, str)
        else argument(tmp_path / "bundle" if argument is make_bundle else tmp_path)
        for argument in arguments
    ]
    status, out, err = cli(*given)
    assert (status, out) == (1, "")
    if "--yes" in given:  # the genres come first
        assert err.startswith("1 song in 1 genre: rock 1\n")
        err = err.partition("\n")[2]
    assert err.startswith("backbeat: ")
    assert err.count("\n") == 1, err
    assert what in err
    assert err.endswith("\n")
    assert "Traceback" not in err


def test_too_little_memory_is_one_line(cli, bundle, songs, monkeypatch):
    def no_memory(*_arguments, **_options):
        raise MemoryError

    monkeypatch.setattr("backbeat.classify.search", no_memory)
    status, _, err = cli("classify", songs, "--model", bundle)
    assert (status, err.count("\n")) == (1, 1)
    assert err.startswith("backbeat: not enough memory; ")


@pytest.mark.parametrize("option", ["--workers", "--seed", "--folds"])
def test_numbers_without_end_are_refused(cli, option):
    huge = "1" + 30 * "0"
    status, _, err = cli("train", "features", "--model", "mlp_base", *TRAIN, option, huge)
    assert status == 2
    assert f"Invalid value for '{option}'" in err
    assert "less than or equal to" in err


def test_models(cli):
    status, out, err = cli("models")
    assert (status, err) == (0, "")
    assert "cnn_base_01" in out
    status, out, _ = cli("models", "cnn_base_01")
    assert (status, out.splitlines()[0]) == (0, "name: cnn_base_01")
    assert out.splitlines()[-1] == "# for slices of 125 x 13 and 10 genres: 45,514 weights"
    _, out, _ = cli("models", "cnn_base_01", "--frames", 60)
    assert out.splitlines()[-1].startswith("# for slices of 60 x 13 and 10 genres: ")


def test_models_as_json_are_counted_for_what_each_takes(cli):
    status, out, _ = cli("models", "--json")
    described = {model["name"]: model for model in json.loads(out)}
    assert status == 0
    assert set(described) == set(zoo.specs())
    assert all(model["weights"] > 0 and model["unfit"] is None for model in described.values())
    assert described["mlp_base"]["input_shape"] == [125, 13]
    assert described["res_10s"]["input_shape"] == [129, 128]
    assert described["res_3s"]["input_shape"] == [37, 128]
    assert json.loads(cli("models", "res_3s", "--json")[1]) == described["res_3s"]


def test_a_model_that_does_not_fit_has_no_weights_and_a_reason(cli):
    status, out, _ = cli("models", "--json", "--frames", 9)
    described = {model["name"]: model for model in json.loads(out)}
    reason = "res_10s: layer 8 (residual) pools 2 x 2 of the 1 x 8 that is left of the input"
    assert status == 0
    assert described["res_10s"]["weights"] is None
    assert described["res_10s"]["unfit"] == reason
    assert described["mlp_base"]["weights"] > 0
    status, out, _ = cli("models", "--frames", 9)
    assert status == 0
    assert f"  none for {reason}\n" in out


def test_train_ends_in_its_report_and_the_next_command(cli, store, tmp_path):
    spec, out = tmp_path / "small.yaml", tmp_path / "a run"
    spec.write_text(small_spec(epochs=1).to_yaml())
    train = ("train", store.path, "--model", spec, "--split", "artists", "-o", out)
    status, shown, err = cli(*train)
    assert status == 0, err
    assert re.match(r"small: \d+\.\d % of \d+ songs correct.*, artists kept apart\n\n", shown)
    assert shown.splitlines()[-2:] == [
        f"Report: {out}/report.html",
        f"Next: backbeat classify SONGS --model '{out}'",
    ]


@pytest.mark.slow
def test_reproduce_on_three_splits_of_a_jam(cli, tmp_path):
    songs, features, out = (tmp_path / name for name in ("songs", "features", "paper"))
    jam.generate(songs, per_genre=6, seed=1)
    assert cli("prepare", songs, "-o", features)[0] == 0
    few = ("--only", "mlp_13", "--epochs-scale", "0.02", "-w", 1)
    reproduce = ("reproduce", "sears2021", features, *few)
    status, shown, err = cli(*reproduce, "-o", out / "one")
    assert status == 0, err
    lines = shown.splitlines()
    assert re.match(r"\d+\.\d % of slices by mlp_13, LEAKING: .*; the paper's: 47\.0 %", lines[0])
    assert lines[1:] == [
        "1 of 1 model trained",
        f"Report: {out}/one/report.html",
        f"Next, with artists kept apart too: backbeat reproduce sears2021 {features} --split all "
        "--only mlp_13 --epochs-scale 0.02 -o OTHER",
    ]
    status, shown, err = cli(*reproduce, "--split", "all", "-o", out / "all")
    assert status == 0, err
    lines = shown.splitlines()
    kept = [line.split(", ", 1)[1].split(":")[0].split(";")[0] for line in lines[:3]]
    # Six songs a genre are by six artists, so that whole songs keep them apart too: as measured.
    assert kept == ["LEAKING", "artists kept apart", "artists kept apart"]
    assert lines[3:] == ["3 of 3 models trained", f"Report: {out}/all/report.html"]
    page = Page((out / "all" / "report.html").read_text("utf-8"))
    share = r"\d+\.\d % \(\d+\.\d to \d+\.\d\)"
    assert re.search(f"mlp_13 47\\.0 %( {share}){{3}}", page.text)
    assert "of jam, which backbeat composes: synthetic songs" in page.text
    assert "Scaled down: 1 of the paper's 59 models, trained for 2 % of its epochs" in page.text
    for link in page.attributes("a"):
        assert "mlp_01" not in Page((out / "all" / link["href"]).read_text("utf-8")).text


def test_check_as_json(cli, tmp_path):
    write(tmp_path / "songs" / "rock" / "a.wav", music(30.0, 4_000, seed=1), 4_000)
    status, out, err = cli("check", tmp_path / "songs", "--yes", "--json", "-w", 1)
    assert (status, err) == (0, "1 song in 1 genre: rock 1\n")
    report = json.loads(out)
    assert (report["kind"], report["usable"]) == ("folder", 1)


def test_prepare_says_what_it_did(cli, tmp_path):
    write(tmp_path / "songs" / "rock" / "a.wav", music(30.0, 4_000, seed=1), 4_000)
    write(tmp_path / "songs" / "rock" / "b.wav", music(30.0, 4_000, seed=1), 4_000)
    arguments = ("prepare", tmp_path / "songs", "-o", tmp_path / "features", "-y", "-w", 1)
    for _ in range(2):  # the second time there is nothing to do
        assert cli(*arguments) == (
            0,
            "2 songs in 1 genre: rock 2.\n"
            f"Next: backbeat train {tmp_path}/features --model cnn_03.8 --split artists -o RUN\n",
            "2 songs in 1 genre: rock 2\nkept: rock/b.wav: same samples as rock/a.wav\n",
        )
    status, _, err = cli(*arguments, "--drop-duplicates")
    assert status == 1
    assert "holds features of another choice about duplicates" in err
    status, _, err = cli(*arguments, "--windows", "2")
    assert (status, err.count("\n")) == (1, 2)
