"""A checkpoint brings back a network's whole state; a damaged one is refused, not half used."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbeat.errors import BackbeatError
from backbeat.training import checkpoint
from backbeat.training.history import Epoch

HISTORY = (
    Epoch(1, 1 / 3, 0.125, 2.25, 0.5, 1.5),
    Epoch(2, 1 / 7, 0.25, 1.75, 0.75, 0.001),
)


class Variable:
    """What `checkpoint` needs of a Keras variable."""

    def __init__(self, value):
        self.value = np.array(value)
        self.shape = self.value.shape

    def __array__(self, dtype=None, copy=None):
        return self.value

    def assign(self, value):
        self.value = value


def made_network(fill):
    variables = [Variable(np.full((3, 4), fill, np.float32)), Variable(np.float32(fill))]
    optimizer = SimpleNamespace(variables=[Variable(np.int64(fill)), Variable(np.full(5, fill))])
    return SimpleNamespace(variables=variables, optimizer=optimizer)


def state_of(network):
    return [variable.value.copy() for variable in network.variables + network.optimizer.variables]


def test_a_state_goes_and_comes_back(tmp_path):
    path = tmp_path / checkpoint.NAME
    checkpoint.save(path, checkpoint.snapshot(made_network(7)), HISTORY)
    network = made_network(0)
    assert checkpoint.restore(network, path) == HISTORY  # to the last bit, unlike in the CSV
    for found, wanted in zip(state_of(network), state_of(made_network(7)), strict=True):
        assert found.dtype == wanted.dtype
        assert np.array_equal(found, wanted)
    assert [one.name for one in tmp_path.iterdir()] == [checkpoint.NAME]


def test_a_snapshot_is_a_copy():
    network = made_network(1)
    kept = checkpoint.snapshot(network)
    network.variables[0].value += 5
    assert (kept[0] == 1).all()


def test_before_the_first_epoch_there_is_no_history(tmp_path):
    path = tmp_path / checkpoint.NAME
    checkpoint.save(path, checkpoint.snapshot(made_network(7)), ())
    assert checkpoint.restore(made_network(0), path) == ()


def test_without_a_checkpoint_nothing_is_changed(tmp_path):
    network = made_network(3)
    assert checkpoint.restore(network, tmp_path / checkpoint.NAME) == ()
    assert all((value == 3).all() for value in state_of(network))


def assert_refused(path, what="damaged checkpoint"):
    network = made_network(0)
    with pytest.raises(BackbeatError, match=what) as caught:
        checkpoint.restore(network, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all((value == 0).all() for value in state_of(network))


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_refused_or_does_no_harm(tmp_path, data):
    path = tmp_path / checkpoint.NAME
    checkpoint.save(path, checkpoint.snapshot(made_network(7)), HISTORY)
    content = path.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(content[:place])
    else:
        flipped = content[place] ^ data.draw(st.integers(1, 255))
        path.write_bytes(content[:place] + bytes([flipped]) + content[place + 1 :])
    network = made_network(0)
    try:
        history = checkpoint.restore(network, path)
    except BackbeatError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
        assert all((value == 0).all() for value in state_of(network))
    else:
        # A byte of the zip's own that says nothing, such as a date.
        assert history == HISTORY
        assert all((value == 7).all() for value in state_of(network))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"noise" * 50])
def test_what_is_no_npz_is_refused(tmp_path, content):
    path = tmp_path / checkpoint.NAME
    path.write_bytes(content)
    assert_refused(path)


def test_a_single_array_is_refused(tmp_path):
    path = tmp_path / checkpoint.NAME
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    assert_refused(path)


def test_pickles_are_refused(tmp_path):
    path = tmp_path / checkpoint.NAME
    np.savez(path, history=np.array([{}], dtype=object), variable_0000=np.zeros(3))
    assert_refused(path)


def test_missing_parts_are_refused(tmp_path):
    path = tmp_path / checkpoint.NAME
    np.savez(path, variable_0000=np.zeros(3))
    assert_refused(path)
    np.savez(path, history=np.zeros((1, 6)), variable_0001=np.zeros(3))
    assert_refused(path)
    np.savez(path, history=np.zeros((1, 4)))
    assert_refused(path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    path = tmp_path / checkpoint.NAME
    checkpoint.save(path, [np.zeros((3, 3))], HISTORY)
    assert_refused(path, "another network")
