"""The log for TensorBoard: each epoch, also after a stop."""

import signal

import pytest

from backbeat.errors import BackbeatError
from backbeat.training.fitting import StoppedError
from backbeat.training.history import Epoch, read_history
from backbeat.training.tensorboard import logging_to, refuse_log_of_another
from made_features import made_run, small_spec


def epochs(last):
    return tuple(Epoch(n, 1 / n, 0.1 * n, 2 / n, 0.05 * n, 1.0) for n in range(1, last + 1))


def log(folder, *lasts):
    with logging_to(folder) as write:
        for last in lasts:
            write(epochs(last))


def scalars(folder):
    """Every (tag, step, value, plugin) in the order of the files."""
    import tensorflow as tf

    return [
        (
            value.tag,
            event.step,
            float(tf.make_ndarray(value.tensor)),
            value.metadata.plugin_data.plugin_name,
        )
        for file in sorted(folder.glob("events.*"))
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    ]


def steps(folder):
    return [step for tag, step, *_ in scalars(folder) if tag == "loss"]


def test_every_score_of_every_epoch_is_a_scalar(tmp_path):
    log(tmp_path, 1, 2, 3)
    assert scalars(tmp_path) == [
        (tag, epoch.epoch, pytest.approx(getattr(epoch, tag)), "scalars")
        for epoch in epochs(3)
        for tag in ("loss", "accuracy", "val_loss", "val_accuracy")
    ]


def test_the_log_of_another_run_is_left_alone(tmp_path):
    log(tmp_path, 1)
    with pytest.raises(BackbeatError, match="holds the log of another run"):
        refuse_log_of_another(tmp_path)
    refuse_log_of_another(tmp_path / "new")


def test_no_folder_is_no_log():
    with logging_to(None) as write:
        assert write is None


@pytest.mark.slow
@pytest.mark.usefixtures("step_by_step")
def test_a_resumed_run_logs_its_history_again_and_goes_on(store, tmp_path):
    def stop(progress):
        if (progress.epoch, progress.batch) == (3, 1):
            signal.raise_signal(signal.SIGINT)

    spec, logs = small_spec(epochs=4), tmp_path / "logs"
    with pytest.raises(StoppedError):
        made_run(store, tmp_path / "run", spec=spec, on_progress=stop, tensorboard=logs)
    assert steps(logs / "run") == [1, 2]
    made_run(store, tmp_path / "run", spec=spec, resume=True, tensorboard=logs)
    assert steps(logs / "run") == [1, 2, 1, 2, 3, 4]
    history = read_history(tmp_path / "run" / "history.csv")
    for tag, step, value, _ in scalars(logs / "run"):
        assert value == pytest.approx(getattr(history[step - 1], tag), rel=1e-5)
    with pytest.raises(BackbeatError, match="another --tensorboard"):
        made_run(store, tmp_path / "other" / "run", spec=spec, tensorboard=logs)
    assert not (tmp_path / "other" / "run" / "environment.json").exists()


@pytest.mark.slow
def test_each_fold_has_a_log_of_its_own(store, cli, tmp_path):
    small = tmp_path / "small.yaml"
    small.write_text(small_spec(epochs=1).to_yaml())
    status, _, err = cli(
        "train", store.path, "--model", small, "--split", "artists", "--folds", 2, "-w", 1,
        "-o", tmp_path / "run", "--tensorboard", tmp_path / "logs",
    )  # fmt: skip
    assert status == 0, err
    assert [steps(tmp_path / "logs" / "run" / f"fold-{n}") for n in (1, 2)] == [[1], [1]]


def test_the_command_line_logs(store, cli, tmp_path):
    small = tmp_path / "small.yaml"
    small.write_text(small_spec(epochs=1).to_yaml())
    status, _, err = cli(
        "train", store.path, "--model", small, "--split", "artists", "-o", tmp_path / "run",
        "--tensorboard", tmp_path / "logs",
    )  # fmt: skip
    assert status == 0, err
    assert steps(tmp_path / "logs" / "run") == [1]
