"""What all tests share: a finished run and its features, a bundle, the command line."""

import os
import signal
import sys

import hypothesis
import pytest

# Before anything imports TensorFlow: tests are small, and give the same numbers everywhere.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A script that starts the tests in the background has them ignore Ctrl-C, and all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, not whether the code is correct.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    """Keep the index of answers, and all else that is cached, away from the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def step_by_step(monkeypatch):
    """Have trainings report each batch, and stop after it."""
    from backbeat.training import fitting

    monkeypatch.setattr(fitting, "_STEPS_AT_ONCE", 1)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A finished feature store of 30 made-up songs; not to be changed."""
    from made_features import made_store

    return made_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def run(store, tmp_path_factory):
    """A finished run on `store`; not to be changed."""
    from made_features import made_run

    return made_run(store, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """A bundle of a tiny network for three genres; not to be changed."""
    from bundles import make_bundle

    path = tmp_path_factory.mktemp("bundle") / "model.backbeat"
    return make_bundle(path, genres=("blues", "jazz", "rock"))


@pytest.fixture(scope="session")
def songs(tmp_path_factory):
    """A folder of two songs of six seconds, a.wav and b/b.flac; not to be changed."""
    from sounds import music, write

    folder = tmp_path_factory.mktemp("songs")
    write(folder / "a.wav", music(6.0, seed=1))
    write(folder / "b" / "b.flac", music(6.0, seed=2))
    return folder


@pytest.fixture
def cli(monkeypatch, capsys):
    """Run the command line in this process; gives exit status, standard output and error."""
    from backbeat.cli import main

    monkeypatch.delenv("BACKBEAT_MODEL", raising=False)
    # A busy machine would print a line of progress, where nothing is expected.
    monkeypatch.setattr("backbeat.cli.console._SECONDS_BETWEEN_LINES", 3600.0)

    def cli(*arguments):
        monkeypatch.setattr(sys, "argv", ["backbeat", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return cli


@pytest.fixture(scope="session")
def leaking(store, tmp_path_factory):
    """A run of one epoch by the paper's protocol, which leaks; not to be changed."""
    from made_features import made_run, small_spec

    out = tmp_path_factory.mktemp("leaking") / "run"
    return made_run(store, out, spec=small_spec(epochs=1), protocol="slices")
