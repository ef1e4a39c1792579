"""A recipe's learning rate, and its batches, which depend on epoch and seed alone."""

import numpy as np
import pytest

from backbeat.training.fitting import batches_of, one_cycle, schedule_callbacks, steps_at_once
from backbeat.zoo import find
from backbeat.zoo.build import build, compile_network, load_keras
from backbeat.zoo.spec import parse

SPEC = parse(
    {
        "name": "mine",
        "family": "cnn",
        "input": "logmel_3s",
        "layers": [
            {"kind": "conv", "filters": 3, "padding": "same", "band_stride": 2},
            {"kind": "residual", "filters": 4},
            {"kind": "statistics"},
        ],
        "optimizer": "adamw",
        "learning_rate": 0.01,
        "batch_size": 4,
        "epochs": 4,
        "recipe": {
            "schedule": "one_cycle",
            "weight_decay": 0.05,
            "label_smoothing": 0.1,
            "augmentation": {"crop": 20, "mixup": 0.3},
        },
    },
    "mine.yaml",
)


def examples(n=10):
    x = np.random.default_rng(0).standard_normal((n, 37, 16)).astype(np.float32)
    return x, np.eye(3, dtype=np.float32)[np.arange(n) % 3], np.arange(n)[::-1]


def test_the_rate_rises_for_a_quarter_and_falls_to_nearly_nothing():
    rates = [one_cycle(done) for done in np.linspace(0, 1, 101)]
    assert rates[25] == max(rates) == 1
    assert (np.diff(rates[1:26]) > 0).all()
    assert (np.diff(rates[25:-2]) < 0).all()
    assert 0 < rates[-1] <= 0.001
    assert 0 < rates[0] <= 0.001


def test_batches_are_augmented_and_depend_on_the_seed_alone():
    x, y, order = examples()
    given = batches_of(x, y, order, SPEC, [0, 3])["x"]
    assert len(given) == 3
    late = given[2]  # not asked for in order
    again = batches_of(x, y, order, SPEC, [0, 3])["x"]
    assert [again[number][0].shape for number in range(3)] == [(4, 20, 16)] * 2 + [(2, 20, 16)]
    assert np.array_equal(again[2][0], late[0])
    other = batches_of(x, y, order, SPEC, [0, 4])["x"]
    assert not np.allclose(other[2][0], late[0])


def test_a_spec_without_a_recipe_takes_slices_as_they_are():
    x, y, order = examples()
    spec = find("cnn_03.8").model_copy(update={"batch_size": 4})
    batches = list(batches_of(x, y, order, spec, [0, 0])["x"].as_numpy_iterator())
    assert [len(batch) for batch, _ in batches] == [4, 4, 2]
    assert np.array_equal(np.concatenate([batch for batch, _ in batches]), x[order])
    assert np.array_equal(np.concatenate([targets for _, targets in batches]), y[order])
    assert schedule_callbacks(None, find("cnn_03.8"), 0, 10) == []


@pytest.mark.slow
def test_many_steps_at_once_come_to_the_same_as_one_after_another():
    x = np.random.default_rng(0).standard_normal((150, 37, 13)).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[np.arange(150) % 3]
    spec = find("cnn_03.8").model_copy(update={"batch_size": 4})  # 38 steps, the last of two slices
    assert steps_at_once(spec) == 32
    states = []
    for steps, given in (
        (1, {"x": x[::-1], "y": y[::-1], "batch_size": 4}),
        (32, batches_of(x, y, np.arange(150)[::-1].copy(), spec, [0, 0])),
    ):
        keras = load_keras()
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        network = build(spec, (37, 13), 3)
        compile_network(network, spec)
        network.steps_per_execution = steps
        logs = network.fit(**given, shuffle=False, verbose=0).history
        states.append([*map(np.asarray, network.variables), logs["loss"], logs["accuracy"]])
    for one, other in zip(*states, strict=True):
        assert np.array_equal(one, other)


def test_what_changes_from_step_to_step_is_done_step_by_step():
    assert steps_at_once(SPEC) == 1


def test_the_learning_rate_follows_the_schedule_over_all_epochs():
    x, y, order = examples()
    network = build(SPEC, (37, 16), 3)
    compile_network(network, SPEC)
    network.run_eagerly = True
    rates = []
    for epoch in range(4):
        callbacks = schedule_callbacks(network, SPEC, epoch, len(x))
        network.fit(**batches_of(x, y, order, SPEC, [0, epoch]), verbose=0, callbacks=callbacks)
        rates.append(float(network.optimizer.learning_rate))
    steps = [2, 5, 8, 11]
    assert rates == pytest.approx([0.01 * one_cycle(step / 12) for step in steps], rel=1e-5)


def test_weights_decay_but_not_biases_or_scales():
    network = build(SPEC, (37, 16), 3)
    compile_network(network, SPEC)
    optimizer = network.optimizer
    assert optimizer.weight_decay == 0.05
    optimizer.build(network.trainable_variables)
    decayed = {
        variable.path.split("/")[-1]
        for variable in network.trainable_variables
        if optimizer._use_weight_decay(variable)
    }
    assert decayed == {"kernel"}


def test_the_loss_is_smoothed():
    network = build(SPEC, (37, 16), 3)
    compile_network(network, SPEC)
    sure, truth = np.array([[1.0, 0, 0]]), np.array([[1.0, 0, 0]])
    smoothed = float(network.loss(truth, sure))
    compile_network(network, SPEC.model_copy(update={"recipe": None}))
    assert smoothed > 0.5 > float(network.loss(truth, sure))
