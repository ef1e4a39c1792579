"""The changes that trial and error makes: those of the paper, each a spec that can be trained."""

import pytest

from backbeat import zoo
from backbeat.tuning.moves import changes, fingerprint, scaled, start
from backbeat.zoo.build import build
from backbeat.zoo.shapes import MAX_WEIGHTS, UnfitError, check_fit, count_weights
from backbeat.zoo.spec import Dense, Flatten, parse
from made_features import small_spec


def after(family, *words, scale=1.0):
    """The spec that changes in these words lead to, from the start with ReLU."""
    spec = start(family, scale)[0].spec
    for wanted in words:
        found = {change.words: change.spec for change in changes(spec, scale)}
        assert wanted in found, f"{wanted}: none of {list(found)}"
        spec = found[wanted]
    return spec


def words(spec, scale=1.0):
    return [change.words for change in changes(spec, scale)]


def test_the_simple_models_are_the_papers():
    relu, sigmoid = start("mlp")
    assert relu.words == "dense 512, relu, 50 epochs"
    assert relu.spec.layers == (Flatten(), Dense(units=512, activation="relu"))
    assert sigmoid.spec.layers == (Flatten(), Dense(units=512, activation="sigmoid"))
    one, other = (change.spec for change in start("cnn"))
    assert [(layer.kind, getattr(layer, "kernel", "")) for layer in one.layers] == [
        ("conv", 3),
        ("flatten", ""),
    ]
    assert [one.layers[0].activation, other.layers[0].activation] == ["relu", "sigmoid"]
    for spec in (relu.spec, one):
        assert (spec.epochs, spec.batch_size, spec.learning_rate) == (50, 32, 0.001)


def test_the_papers_best_models_can_be_come_to():
    mlp = after(
        "mlp", "+ dense 256", "+ dense 128", "+ dense 64", "+ another dense 512",
        "+ another dense 256", "100 epochs", "200 epochs",
    )  # fmt: skip
    cnn = after(
        "cnn", "+ pooling", "+ normalisation, dropout 30 %, dense 64", "+ sequence 3x3",
        "+ sequence 2x2", "dropout from 40 % to 20 %", "+ dense 128", "100 epochs",
    )  # fmt: skip
    for spec, name in ((mlp, "mlp_27"), (cnn, "cnn_03.8")):
        printed = zoo.find(name)
        assert spec.layers == printed.layers
        assert (spec.epochs, spec.optimizer) == (printed.epochs, printed.optimizer)
        assert fingerprint(spec) == fingerprint(printed)


def test_a_layer_is_added_before_epochs_are_changed():
    assert words(after("mlp")) == [
        "+ dense 256", "+ another dense 512", "100 epochs", "30 epochs", "60 epochs", "40 epochs",
        "+ dense 256; 100 epochs", "+ dense 256; 30 epochs",
    ]  # fmt: skip
    assert words(after("cnn"))[:5] == [
        "+ pooling", "+ normalisation, dropout 30 %, dense 64", "+ sequence 3x3", "+ sequence 2x2",
        "+ dense 64",
    ]  # fmt: skip


def test_all_hidden_layers_keep_the_better_activation():
    spec = start("mlp")[1].spec
    for change in changes(spec):
        assert {layer.activation for layer in change.spec.layers[1:]} == {"sigmoid"}
    convolutions = start("cnn")[1].spec
    longer = next(c.spec for c in changes(convolutions) if c.words == "+ sequence 3x3")
    assert [layer.activation for layer in longer.layers[:2]] == ["sigmoid", "sigmoid"]


@pytest.mark.parametrize("family", ["mlp", "cnn"])
@pytest.mark.parametrize("scale", [1.0, 0.05, 0.001])
def test_no_change_is_made_twice_and_each_is_a_spec(family, scale):
    waiting = [change.spec for change in start(family, scale)]
    for _ in range(3):
        found = [(spec, list(changes(spec, scale))) for spec in waiting[:40]]
        for spec, made in found:
            keys = [fingerprint(spec), *(fingerprint(change.spec) for change in made)]
            assert len(set(keys)) == len(keys)
            for change in made:
                assert parse(change.spec.model_dump(), "made") == change.spec
                assert change.spec.family == family
        waiting = [change.spec for _, made in found for change in made]


def test_epochs_can_be_scaled_down_to_a_look():
    assert [scaled(epochs, 0.05) for epochs in (10, 50, 200)] == [1, 2, 10]
    assert after("mlp", scale=0.05).epochs == 2
    assert "4 epochs" in words(after("mlp", scale=0.05), 0.05)
    # Where all numbers of epochs fall together there is nothing left to change of them.
    assert words(after("mlp", scale=0.001), 0.001) == ["+ dense 256", "+ another dense 512"]


def test_the_fingerprint_is_of_what_decides_a_training():
    spec = small_spec()
    assert fingerprint(spec) == fingerprint(small_spec(name="other"))
    assert fingerprint(spec) != fingerprint(small_spec(epochs=6))
    assert fingerprint(spec) != fingerprint(small_spec(optimizer="rmsprop"))


@pytest.mark.parametrize("shape", [(125, 13), (37, 13)])
def test_weights_are_counted_as_keras_counts_them(shape):
    specs = [zoo.find("mlp_27"), zoo.find("cnn_base_01"), zoo.find("cnn_03.8"), small_spec()]
    for spec in specs:
        assert count_weights(spec, shape, 10) == build(spec, shape, 10).count_params(), spec.name


def test_what_keras_cannot_build_is_known_beforehand():
    spec = zoo.find("cnn_03.8")
    longer = spec.model_copy(update={"layers": spec.layers[:4] * 4 + spec.layers[-3:]})
    late = spec.model_copy(update={"layers": (*spec.layers[-3:], *spec.layers[:4])})
    unflat = spec.model_copy(update={"layers": spec.layers[:4]})
    for wrong, message in (
        (longer, "does not fit the"),
        (late, "after a flatten"),
        (unflat, "lack"),
    ):
        with pytest.raises(UnfitError, match=message):
            count_weights(wrong, (125, 13), 10)
        with pytest.raises(Exception):  # noqa: B017 - Keras's own, or backbeat's
            build(wrong, (125, 13), 10)


def test_networks_that_fill_the_memory_are_not_tried():
    wide = small_spec(layers=[{"kind": "flatten"}, {"kind": "dense", "units": 512}])
    check_fit(wide, (125, 13), 10)
    with pytest.raises(UnfitError, match=f"more than the {MAX_WEIGHTS:,}"):
        check_fit(wide, (387, 128 * 4), 10)
