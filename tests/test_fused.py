"""The kernels take the steps that Keras's formulas take, and the optimiser is saved as Keras's."""

import numpy as np
import pytest

from backbeat.training.fused import fuse
from backbeat.zoo.build import load_keras


def trained(make, fused, steps=40):
    """Weights and the optimiser's state after some steps of a small network."""
    keras = load_keras()
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    network = keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, "relu"), layers.BatchNormalization(), layers.Dense(3)]
    )
    network.compile(optimizer=make(keras.optimizers), loss="mse")
    if fused:
        fuse(network.optimizer)
    random = np.random.default_rng(1)
    x = random.standard_normal((8 * steps, 6)).astype(np.float32)
    y = random.standard_normal((8 * steps, 3)).astype(np.float32)
    network.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    return network


OPTIMIZERS = {
    "adam": lambda o: o.Adam(learning_rate=0.01),
    "adam, other numbers": lambda o: o.Adam(0.02, beta_1=0.8, beta_2=0.95, epsilon=1e-5),
    "rmsprop": lambda o: o.RMSprop(learning_rate=0.01),
    "rmsprop, other numbers": lambda o: o.RMSprop(0.02, rho=0.8, epsilon=1e-5),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_the_steps_are_keras_own(make, tmp_path):
    plain, fused = trained(make, False), trained(make, True)
    for one, other in zip(plain.variables, fused.variables, strict=True):
        assert np.allclose(one, other, rtol=1e-4, atol=1e-5), one.path
    states = plain.optimizer.variables, fused.optimizer.variables
    assert len(states[0]) == len(states[1])
    for one, other in zip(*states, strict=True):
        assert np.allclose(one, other, rtol=1e-3, atol=1e-6), one.path
    assert "update_step" in vars(fused.optimizer)
    fused.save(tmp_path / "model.keras")
    loaded = load_keras().saving.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is type(plain.optimizer)
    assert loaded.optimizer.get_config() == plain.optimizer.get_config()


@pytest.mark.parametrize(
    "make",
    [
        lambda o: o.AdamW(),
        lambda o: o.Nadam(),
        lambda o: o.SGD(momentum=0.9),
        lambda o: o.Adam(amsgrad=True),
        lambda o: o.RMSprop(momentum=0.9),
        lambda o: o.RMSprop(centered=True),
    ],
)
def test_other_optimisers_are_left_alone(make):
    optimizer = make(load_keras().optimizers)
    fuse(optimizer)
    assert "update_step" not in vars(optimizer)
