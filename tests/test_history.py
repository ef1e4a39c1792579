"""``history.csv`` goes and comes back, and damage is reported."""

import pytest

from backbeat.errors import BackbeatError
from backbeat.training.history import COLUMNS, Epoch, read_history, write_history

HISTORY = (
    Epoch(1, 2.5, 0.125, 2.25, 0.5, 1.5),
    Epoch(2, 1.5, 0.25, 1.75, 0.75, 0.001),
)


def test_a_history_goes_and_comes_back(tmp_path):
    path = tmp_path / "history.csv"
    write_history(path, HISTORY)
    assert read_history(path) == HISTORY
    assert path.read_text() == (
        "epoch,loss,accuracy,val_loss,val_accuracy,seconds\n"
        "1,2.5,0.125,2.25,0.5,1.5\n"
        "2,1.5,0.25,1.75,0.75,0.001\n"
    )


def test_no_epoch_is_a_history_too(tmp_path):
    write_history(tmp_path / "history.csv", ())
    assert read_history(tmp_path / "history.csv") == ()


@pytest.mark.parametrize(
    "text",
    [
        ",".join(COLUMNS) + "\n1,2.5,0.125,2.25,0.5\n",
        ",".join(COLUMNS) + "\none,2.5,0.125,2.25,0.5,1.5\n",
        "epoch,loss\n1,2\n",
        "\ufffd\n\n\n1",
    ],
)
def test_a_damaged_history_is_refused(tmp_path, text):
    path = tmp_path / "history.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(BackbeatError, match=r"history\.csv: cannot be read"):
        read_history(path)


def test_what_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(BackbeatError, match=r"history\.csv: cannot be read"):
        read_history(tmp_path / "history.csv")
    (tmp_path / "history.csv").write_bytes(b"epoch\n\xff\xfe\n")
    with pytest.raises(BackbeatError, match=r"history\.csv: cannot be read"):
        read_history(tmp_path / "history.csv")
