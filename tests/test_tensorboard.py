"""The log for TensorBoard: each epoch once, also after a stop."""

import signal

import pytest

from backbeat.errors import BackbeatError
from backbeat.training.history import Epoch, read_history
from backbeat.training.tensorboard import TAGS, last_step, logging_to, read_scalars
from backbeat.training.train import StoppedError
from made_features import made_run, small_spec


def epochs(last):
    return tuple(Epoch(n, 1 / n, 0.1 * n, 2 / n, 0.05 * n, 1.0) for n in range(1, last + 1))


def log(folder, *lasts, **options):
    with logging_to(folder, **options) as write:
        for last in lasts:
            write(epochs(last))


def events(folder):
    """Every step of a tag in the order of the files: one that stands twice shows twice."""
    import tensorflow as tf

    return [
        event.step
        for file in sorted(folder.glob("events.*"))
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
        if value.tag == "loss"
    ]


def test_what_is_written_can_be_read_back(tmp_path):
    log(tmp_path / "run", 1, 2, 3)
    scalars = read_scalars(tmp_path / "run")
    assert set(scalars) == set(TAGS) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for tag in TAGS:
        assert scalars[tag] == {e.epoch: pytest.approx(getattr(e, tag)) for e in epochs(3)}


def test_tensorboard_takes_them_for_scalars(tmp_path):
    import tensorflow as tf

    log(tmp_path, 1)
    file = next(tmp_path.glob("events.*"))
    kinds = {
        value.metadata.plugin_data.plugin_name
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }
    assert kinds == {"scalars"}


def test_going_on_writes_only_what_is_missing(tmp_path):
    log(tmp_path, 1, 2, 3)
    # From a checkpoint before the last epoch that was logged.
    log(tmp_path, 2, 3, 4, go_on=True)
    assert events(tmp_path) == [1, 2, 3, 4]
    log(tmp_path, 6, go_on=True)
    assert events(tmp_path) == [1, 2, 3, 4, 5, 6]
    assert last_step(tmp_path) == 6


def test_a_record_that_was_cut_is_written_again(tmp_path):
    log(tmp_path, 1, 2, 3)
    file = next(tmp_path.glob("events.*"))
    file.write_bytes(file.read_bytes()[:-7])
    assert last_step(tmp_path) == 2
    log(tmp_path, 3, go_on=True)
    assert read_scalars(tmp_path)["val_accuracy"][3] == pytest.approx(0.15)


def test_the_log_of_another_run_is_left_alone(tmp_path):
    log(tmp_path, 1)
    with pytest.raises(BackbeatError, match="holds the log of another run"):
        log(tmp_path, 1)
    assert events(tmp_path) == [1]


def test_no_folder_is_no_log():
    with logging_to(None) as write:
        assert write is None


@pytest.mark.usefixtures("step_by_step")
def test_a_stopped_run_logs_each_epoch_once(store, tmp_path):
    def stop(progress):
        if (progress.epoch, progress.batch) == (3, 1):
            signal.raise_signal(signal.SIGINT)

    spec, logs = small_spec(epochs=4), tmp_path / "logs"
    with pytest.raises(StoppedError):
        made_run(store, tmp_path / "run", spec=spec, on_progress=stop, tensorboard=logs)
    assert events(logs / "run") == [1, 2]
    made_run(store, tmp_path / "run", spec=spec, resume=True, tensorboard=logs)
    assert events(logs / "run") == [1, 2, 3, 4]
    scalars = read_scalars(logs / "run")
    for epoch in read_history(tmp_path / "run" / "history.csv"):
        for tag in TAGS:
            assert scalars[tag][epoch.epoch] == pytest.approx(getattr(epoch, tag), rel=1e-5)
    with pytest.raises(BackbeatError, match="another --tensorboard"):
        made_run(store, tmp_path / "other" / "run", spec=spec, tensorboard=logs)
    assert not (tmp_path / "other" / "run" / "environment.json").exists()


def test_each_fold_has_a_log_of_its_own(store, cli, tmp_path):
    small = tmp_path / "small.yaml"
    small.write_text(small_spec(epochs=1).to_yaml())
    status, _, err = cli(
        "train", store.path, "--model", small, "--split", "artists", "--folds", 2, "-w", 1,
        "-o", tmp_path / "run", "--tensorboard", tmp_path / "logs",
    )  # fmt: skip
    assert status == 0, err
    assert [events(tmp_path / "logs" / "run" / f"fold-{n}") for n in (1, 2)] == [[1], [1]]


def test_the_command_line_logs(store, cli, tmp_path):
    small = tmp_path / "small.yaml"
    small.write_text(small_spec(epochs=1).to_yaml())
    status, _, err = cli(
        "train", store.path, "--model", small, "--split", "artists", "-o", tmp_path / "run",
        "--tensorboard", tmp_path / "logs",
    )  # fmt: skip
    assert status == 0, err
    assert events(tmp_path / "logs" / "run") == [1]
