"""Specs are checked key by key, and every model of the zoo builds, learns, saves and exports."""

import re
import subprocess
import sys

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from backbeat import zoo
from backbeat.bundle.network import export_onnx, open_network
from backbeat.errors import BackbeatError
from backbeat.training.fitting import enough_memory
from backbeat.zoo import find, read_spec, specs
from backbeat.zoo.build import build, compile_network, load_keras
from backbeat.zoo.spec import Spec, parse

MODELS = list(specs())


def content(**changes):
    whole = {
        "name": "mine",
        "family": "cnn",
        "layers": [
            {"kind": "conv", "filters": 4},
            {"kind": "pool"},
            {"kind": "flatten"},
            {"kind": "dense", "units": 8},
        ],
    } | changes
    return {key: value for key, value in whole.items() if value is not None}


def test_a_spec_has_the_papers_defaults():
    spec = parse(content(), "mine.yaml")
    assert (spec.input, spec.optimizer, spec.learning_rate) == ("mfcc", "adam", 0.001)
    assert (spec.batch_size, spec.epochs, spec.paper) == (32, 50, None)
    convolution, pool = spec.layers[:2]
    assert (convolution.filters, convolution.kernel, convolution.activation) == (4, 3, "relu")
    assert (pool.size, pool.stride) == (2, 2)


@pytest.mark.parametrize("name", MODELS)
def test_a_spec_goes_to_yaml_and_back(name, tmp_path):
    spec = find(name)
    path = tmp_path / "spec.yaml"
    path.write_text(spec.to_yaml())
    assert read_spec(path) == spec
    assert find(str(path)) == spec


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (content(familiy="cnn"), "familiy: unknown key; did you mean family?"),
        (content(epoch=5), "epoch: unknown key; did you mean epochs?"),
        (content(qwertz=5), "qwertz: unknown key; known are batch_size, epochs,"),
        (content(name=None), "name: Field required"),
        (content(layers=None), "layers: Field required"),
        (content(layers=[]), "layers: "),
        (content(layers=[{"kind": "dense", "unit": 5}]), "unit: unknown key; did you mean units?"),
        (
            content(layers=[{"kind": "conv", "kernal": 3}]),
            "kernal: unknown key; did you mean kernel",
        ),
        (content(layers=[{"kind": "lstm", "units": 5}]), "layers.0: "),
        (content(layers=[{"units": 5}]), "layers.0: "),
        (content(layers=["dense"]), "layers.0: "),
        (content(layers=[{"kind": "dense", "units": 0}]), "layers.0.dense.units: "),
        (content(layers=[{"kind": "dropout", "rate": 1.0}]), "layers.0.dropout.rate: "),
        (content(layers=[{"kind": "dropout"}]), "layers.0.dropout.rate: Field required"),
        (content(layers=[{"kind": "dense", "units": 3, "activation": "loud"}]), "activation"),
        (content(family="rnn"), "family: "),
        (content(input="cqt"), "input: "),
        (content(optimizer="newton"), "optimizer: "),
        (content(learning_rate=0), "learning_rate: "),
        (content(learning_rate=float("inf")), "learning_rate: "),
        (content(epochs=0), "epochs: "),
        (content(epochs="many"), "epochs: "),
        (content(batch_size=-1), "batch_size: "),
        (content(batch_size=10**30), "batch_size: Input should be less than or equal to 1000000"),
        (content(layers=[{"kind": "dense", "units": 4 * 10**9}]), "layers.0.dense.units: "),
        (content(layers=[{"kind": "flatten"}] * 5_000), "layers: "),
        (content(name="../evil"), "name: "),
        (content(name=""), "name: "),
        (content(paper={"table": [1]}), "paper.table: unknown key; did you mean tables?"),
        (content(recipe={"decay": 1}), "recipe.decay: unknown key; known are augmentation,"),
        (content(recipe={"weight_decay": 0.1}), "recipe.weight_decay needs optimizer: adamw"),
        (
            content(family="transfer"),
            "family transfer takes no layers of a file; use --model transfer",
        ),
        (content(recipe={"schedule": "sawtooth"}), "recipe.schedule: "),
        (content(recipe={"augmentation": {"mask": 1}}), "mask: unknown key; did you mean masks?"),
        (content(recipe={"augmentation": {"masks": 1}}), "needs an input of log-mel maps"),
        (
            content(input="logmel", recipe={"augmentation": {"crop": 9}}),
            "recipe.augmentation.crop needs a layer of kind: statistics",
        ),
        ([content()], "a spec is a mapping"),
        (None, "a spec is a mapping"),
        ("cnn", "a spec is a mapping"),
    ],
)
def test_wrong_specs_are_refused_with_the_place_and_a_remedy(wrong, words):
    with pytest.raises(BackbeatError, match=re.escape(words)) as caught:
        parse(wrong, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert "\n" not in str(caught.value)


def test_several_faults_are_reported_together():
    with pytest.raises(BackbeatError) as caught:
        parse(content(familiy="x", epochs=0, optimizer="newton"), "mine.yaml")
    assert all(word in str(caught.value) for word in ("familiy", "epochs", "optimizer"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"name: [", "not YAML"),
        (b"\xff\xfe", "cannot be read"),
        (b"!!python/object/apply:os.system ['true']", "not YAML"),
        (b"", "a spec is a mapping"),
        (b"a" * 1_000_001, "too large"),
        (b"[" * 20_000, "not YAML"),
        # Each line ten times the one above: a billion words, if they were all written out.
        (
            b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + b"".join(
                b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 10))
                for c in range(ord("b"), ord("k"))
            ),
            "aliases .* are not read",
        ),
    ],
)
def test_what_is_no_spec_file_is_refused(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_bytes(text)
    with pytest.raises(BackbeatError, match=words) as caught:
        read_spec(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2_000


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(BackbeatError, match=r"mine\.yaml: cannot be read"):
        find(str(tmp_path / "mine.yaml"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "family", "layers", "kind", "paper", "units"])
                | st.text(max_size=5),
                inner,
                max_size=5,
            )
        ),
        max_leaves=15,
    )
)
@settings(max_examples=150)
def test_any_content_is_a_spec_or_refused(anything):
    try:
        assert isinstance(parse(anything, "mine.yaml"), Spec)
    except BackbeatError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("name", "near"),
    [("cnn_03_8", "cnn_03.8"), ("mlp_bas", "mlp_base"), ("CNN_BASE_01", "backbeat models")],
)
def test_the_nearest_model_is_named_for_an_unknown_one(name, near):
    with pytest.raises(BackbeatError, match=re.escape(f"{name}: no such model")) as caught:
        find(name)
    assert near in str(caught.value)


def test_the_zoo_can_be_listed_without_keras():
    script = (
        "import sys; from backbeat import zoo; assert zoo.specs(); print('keras' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_names_in_the_zoos_files_are_unique():
    from importlib import resources

    named = [
        entry["name"]
        for file in (resources.files("backbeat.zoo") / "models").iterdir()
        if file.name.endswith(".yaml")
        for entry in yaml.safe_load(file.read_text("utf-8"))
    ]
    assert sorted(named) == sorted(set(named)) == sorted(zoo.specs())


def test_epochs_can_be_changed():
    spec = find("mlp_base")
    assert spec.with_epochs(None) is spec
    assert spec.with_epochs(3).epochs == 3
    assert spec.with_epochs(3).layers == spec.layers
    with pytest.raises(BackbeatError, match="--epochs 0"):
        spec.with_epochs(0)


COUNTED = {"Conv2D", "MaxPooling2D", "BatchNormalization", "Dropout", "Dense"}
CHEAP = {"mfcc": (37, 13), "logmel_10s": (129, 128), "logmel_3s": (37, 128)}
# Table 4 counts one layer more than the equal networks beside it.
MISCOUNTED = {"cnn_01.7": 14}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_the_zoo_is_what_the_paper_counts(name):
    spec = find(name)
    frames, bands = (125, 13) if spec.input == "mfcc" else CHEAP[spec.input]
    network = build(spec, (frames, bands), 10)
    cropped = spec.recipe and spec.recipe.augmentation.crop
    assert network.input_shape == (None, None if cropped else frames, bands)
    assert network.count_params() == zoo.count_weights(spec, (frames, bands), 10)
    assert network.output_shape == (None, 10)
    compile_network(network, spec)
    assert type(network.optimizer).__name__.lower() == spec.optimizer
    assert float(network.optimizer.learning_rate) == pytest.approx(spec.learning_rate)
    if spec.paper:
        hidden = [layer for layer in network.layers if type(layer).__name__ in COUNTED]
        wanted = MISCOUNTED.get(name, spec.paper.hidden_layers)
        assert len(hidden) - 1 == wanted  # less the softmax output
    load_keras().utils.clear_session()


# Conformance: what every network of the zoo must do, each once however many models train it.
NETWORKS = list({(spec.input, spec.layers): name for name, spec in specs().items()}.values())
# One of each family and input in all runs, the others in the slow ones.
FEW = {(find(name).family, find(name).input): name for name in NETWORKS}.values()


@pytest.mark.parametrize(
    "name",
    [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS],
)
def test_a_network_of_the_zoo_learns_saves_and_exports(name, tmp_path):
    keras = load_keras()
    spec = find(name)
    frames, bands = CHEAP[spec.input]
    x = np.random.default_rng(0).standard_normal((8, frames, bands)).astype(np.float32)
    keras.utils.set_random_seed(0)
    network = build(spec, (frames, bands), 10)
    compile_network(network, spec)
    network.run_eagerly = True  # for one batch, tracing takes longer than learning

    before = [weights.copy() for weights in network.get_weights()]
    logs = network.fit(x, np.eye(10)[np.arange(8)], batch_size=8, verbose=0).history
    assert np.isfinite(logs["loss"][0])
    changed = [not np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True)]
    assert np.mean(changed) > 0.5

    answers = np.asarray(network(x, training=False))
    assert answers.shape == (8, 10)
    assert np.abs(answers.sum(axis=1) - 1).max() < 1e-5
    network.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(np.asarray(reloaded(x, training=False)), answers)
    exported = open_network(export_onnx(network, x))
    for rows in (x, x[:1], x[:5]):  # any number of slices at once
        assert np.abs(exported(rows) - answers[: len(rows)]).max() < 1e-4
    keras.utils.clear_session()


def test_a_network_that_is_too_deep_for_its_input_is_refused():
    layers = [{"kind": "conv"}, {"kind": "pool"}] * 4 + [{"kind": "flatten"}]
    spec = parse(content(layers=layers), "deep.yaml")
    assert build(spec, (125, 64), 3).output_shape == (None, 3)
    with pytest.raises(
        BackbeatError, match=r"mine: layer 5 \(conv\) does not fit .* 37 x 13"
    ) as caught:
        build(spec, (37, 13), 3)
    assert "\n" not in str(caught.value)


def test_a_residual_that_pools_more_than_is_left_is_refused():
    layers = [{"kind": "residual", "filters": 2, "pool": 9}, {"kind": "statistics"}]
    spec = parse(content(layers=layers), "deep.yaml")
    assert build(spec, (37, 13), 3).output_shape == (None, 3)
    for shape in ((37, 8), (8, 13)):
        with pytest.raises(BackbeatError, match=r"layer 1 \(residual\)"):
            zoo.count_weights(spec, shape, 3)
        with pytest.raises(BackbeatError, match=r"layer 1 \(residual\)"):
            build(spec, shape, 3)


def test_a_network_of_billions_of_weights_is_refused_before_it_is_built():
    spec = parse(content(layers=[{"kind": "flatten"}, {"kind": "dense", "units": 10**6}]), "big")
    message = r"mine: 485,000,003 weights, more than the 300,000,000 that are trained; use"
    with pytest.raises(BackbeatError, match=message):
        build(spec, (37, 13), 3)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is of Linux")
def test_too_little_memory_for_tensorflow_is_one_line():
    script = (
        "import resource; from backbeat.zoo.build import load_keras; "
        "resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30)); load_keras()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "backbeat.errors.BackbeatError: training needs 4.0 GB of memory for TensorFlow, and may "
        "take 2.0; raise the limit (ulimit -v)"
    )


@pytest.mark.parametrize("name", ["ResourceExhaustedError", "MemoryError"])
def test_too_little_memory_for_a_training_is_one_line(name):
    error = MemoryError if name == "MemoryError" else type(name, (Exception,), {})
    message = r"mine: not enough memory to train it; .*batch_size \(32\) smaller"
    with pytest.raises(BackbeatError, match=message), enough_memory(parse(content(), "mine.yaml")):
        raise error("OOM when allocating tensor")


def test_a_network_without_flatten_is_refused():
    spec = parse(content(layers=[{"kind": "conv"}]), "flat.yaml")
    with pytest.raises(BackbeatError, match="lack a flatten"):
        build(spec, (37, 13), 3)


def test_a_network_of_dense_layers_needs_no_image():
    layers = [{"kind": "flatten"}, {"kind": "dense", "units": 5}]
    spec = parse(content(family="mlp", layers=layers), "mlp.yaml")
    network = build(spec, (37, 13), 3)
    assert network.count_params() == 37 * 13 * 5 + 5 + 5 * 3 + 3


def test_a_convolution_in_an_mlp_is_refused_in_one_line():
    spec = parse(content(family="mlp"), "mlp.yaml")
    with pytest.raises(BackbeatError, match=r"layer 1 \(conv\)") as caught:
        build(spec, (37, 13), 3)
    assert "\n" not in str(caught.value)


def test_exporting_says_nothing_of_numpy(recwarn):
    spec = parse(content(family="mlp", layers=[{"kind": "flatten"}]), "mlp.yaml")
    network = build(spec, (4, 3), 2)
    x = np.zeros((1, 4, 3), np.float32)
    network.predict(x, verbose=0)
    export_onnx(network, x)
    assert not [warning for warning in recwarn if "np.object" in str(warning.message)]
