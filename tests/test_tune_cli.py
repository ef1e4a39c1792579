"""`backbeat tune`: what it leaves, that it goes on, and that a mistake is one line."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backbeat.errors import BackbeatError
from backbeat.splits import read_parts
from backbeat.training import fitting
from backbeat.training import train as training
from backbeat.training.history import read_history
from backbeat.tuning import tune
from backbeat.zoo.spec import read_spec

LOOK = ("--epochs-scale", "0.02")


def tree(out):
    """The log of a search without its times, which no two searches share."""
    content = json.loads((out / "tree.json").read_text())
    for trial in content["trials"]:
        del trial["seconds"]
    return content


def trials(out):
    """What was measured of each spec, times aside."""
    return {
        place.name: [
            (epoch.epoch, epoch.loss, epoch.val_accuracy)
            for epoch in read_history(place / "history.csv")
        ]
        for place in (out / "trials").iterdir()
    }


@pytest.fixture(scope="module")
def searched(store, tmp_path_factory):
    """A finished search by trial and error; not to be changed."""
    out = tmp_path_factory.mktemp("searched") / "out"
    tune(store, out, family="mlp", budget=4, epochs_scale=0.02)
    return out


def arguments(store, out, *more):
    return ("tune", store.path, "-o", out, "--family", "mlp", "--budget", "4", *LOOK, *more)


def test_a_search_leaves_its_log_and_the_best_spec(searched):
    names = {path.name for path in searched.iterdir()}
    assert names == {
        "best.yaml", "split.json", "tree.json", "tree.md", "tree.png", "trials", "tuning.json",
    }  # fmt: skip
    content = tree(searched)
    assert len(content["trials"]) == len(list((searched / "trials").iterdir())) == 4
    best = read_spec(searched / "best.yaml")
    listed = next(t for t in content["trials"] if t["number"] == content["best"])
    assert best.model_dump(mode="json", exclude_none=True) == listed["spec"] | {"name": best.name}
    assert (searched / "tree.png").read_bytes().startswith(b"\x89PNG")
    page = (searched / "tree.md").read_text()
    assert "mlp by trial-and-error; split artists" in page
    assert "The test part was not touched" in page
    parts = read_parts(searched / "split.json")["parts"]
    assert parts["valid"]
    assert parts["test"]


def test_the_same_command_trains_nothing_again(store, searched, cli, monkeypatch):
    before = {path: path.read_bytes() for path in searched.rglob("*") if path.is_file()}
    monkeypatch.setattr(fitting, "fit", None)
    status, out, err = cli(*arguments(store, searched))
    assert (status, err) == (0, "")
    assert {path: path.read_bytes() for path in searched.rglob("*") if path.is_file()} == before
    assert "1. dense 512, relu, 1 epoch" in out
    assert "Ended: " in out


def test_the_best_is_to_be_trained_on_the_split_whose_test_part_was_left_untouched(
    store, searched, cli, tmp_path, monkeypatch
):
    def caught(_features, spec, split, *_more, **_options):
        assert split.to_json() == read_parts(searched / "split.json")
        assert spec == read_spec(searched / "best.yaml")
        raise BackbeatError("caught")

    monkeypatch.setattr(training, "train", caught)
    _, out, _ = cli(*arguments(store, searched))
    command = shlex.split(re.search(r"^ +backbeat (train .*)$", out, re.MULTILINE)[1])
    _, _, err = cli(*(tmp_path / "run" if word == "RUN" else word for word in command))
    assert err.endswith("backbeat: caught\n")


@pytest.mark.slow
def test_a_stopped_search_goes_on_as_if_it_had_not(store, searched, cli, tmp_path, monkeypatch):
    own, count = fitting.fit, 0

    def fit(*given):
        nonlocal count
        count += 1
        if count == 3:
            signal.raise_signal(signal.SIGINT)
        return own(*given)

    monkeypatch.setattr(fitting, "fit", fit)
    status, _, err = cli(*arguments(store, tmp_path / "out"))
    assert status in (1, 130)
    assert err.startswith("backbeat: ")
    assert "stopped" in err
    assert err.count("\n") == 1
    assert len(tree(tmp_path / "out")["trials"]) == 2
    status, _, _ = cli(*arguments(store, tmp_path / "out"))
    assert status == 0
    assert count == 5  # the one that was stopped twice, and no other
    assert tree(tmp_path / "out") == tree(searched)
    assert trials(tmp_path / "out") == trials(searched)
    assert (tmp_path / "out" / "tree.md").read_text() == (searched / "tree.md").read_text()
    assert (tmp_path / "out" / "best.yaml").read_text() == (searched / "best.yaml").read_text()


# Stands still in the second training, so that the signal comes at just that moment.
KILLED = """
import sys
from pathlib import Path
from backbeat.features.store import open_features
from backbeat.tuning import tune
def stand_still(now):
    if now.training and len(now.log.trials) == 1 and now.training.epoch == 1:
        print("here", flush=True)
        sys.stdin.readline()
tune(open_features(Path(sys.argv[1])), Path(sys.argv[2]), family="mlp", strategy="tpe", budget=2,
     epochs_scale=0.02, on_progress=stand_still)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_killed_study_goes_on_as_if_it_had_not_been(store, cli, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, store.path, tmp_path / "cut"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    whole = tmp_path / "whole"
    status, out, _ = cli(*arguments(store, whole, "--strategy", "tpe", "--budget", "2"))
    assert status == 0
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    cut = tmp_path / "cut"
    assert len(tree(cut)["trials"]) == 1
    status, again, _ = cli(*arguments(store, cut, "--strategy", "tpe", "--budget", "2"))
    assert status == 0
    assert again.replace(str(cut), str(whole)) == out
    assert tree(cut) == tree(whole)
    assert trials(cut) == trials(whole)
    assert (cut / "best.yaml").read_text() == (whole / "best.yaml").read_text()


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (("--family", "cnn"), "family"),
        (("--strategy", "tpe"), "strategy"),
        (("--epochs-scale", "0.5"), "epochs_scale"),
        (("--seed", "1"), "seed"),
        (("--split", "slices"), "split"),
        (("--valid-share", "0.4"), "split"),
    ],
)
def test_a_search_is_not_resumed_other_settings(store, searched, cli, more, what):
    status, out, err = cli(*arguments(store, searched, *more))
    assert (status, out) == (1, "")
    earlier = json.loads((searched / "tuning.json").read_text())[what]
    assert err == (
        f"backbeat: {searched}: was begun with another {what} ({earlier}); "
        "choose another -o or the same settings\n"
    )


def test_a_folder_with_other_things_is_left_alone(store, cli, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    for out, words in (
        (tmp_path, "not empty and not a search"),
        (tmp_path / "letter.txt", "a file"),
    ):
        status, _, err = cli(*arguments(store, out))
        assert status == 1
        assert words in err
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "tuning.json").write_text("[")
    status, _, err = cli(*arguments(store, tmp_path / "search"))
    assert status == 1
    assert "damaged" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--epochs-scale", "0"), "--epochs-scale 0.0: must lie"),
        (("--valid-share", "0"), "--valid-share 0.0: must lie"),
        (("--valid-share", "0.001"), "validation part is empty"),
    ],
)
def test_a_wrong_option_is_reported_in_one_line(store, cli, tmp_path, more, words):
    status, _, err = cli(*arguments(store, tmp_path / "out", *more))
    assert status == 1
    assert words in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_leaking_split_says_so(store, tmp_path, cli):
    out = tmp_path / "out"
    status, shown, _ = cli(*arguments(store, out, "--split", "slices", "--budget", "1"))
    assert status == 0
    assert "LEAKING" in shown
    assert "LEAKING" in (out / "tree.md").read_text()


def test_without_optuna_it_says_what_to_install(store, cli, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    status, _, err = cli(*arguments(store, tmp_path / "out", "--strategy", "tpe"))
    assert status == 1
    assert err == "backbeat: --strategy tpe needs optuna: pip install 'backbeat[train]'\n"


def test_the_files_name_no_other_place(searched):
    for name in ("tree.json", "tree.md", "best.yaml"):
        assert str(Path(searched).parent) not in (searched / name).read_text()
