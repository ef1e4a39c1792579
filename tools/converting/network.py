"""The layers of MusiCNN, in Keras.

Every convolution is followed by a rectifier and then by batch normalisation, in this order.

    patch -> normalise -> timbral: 7 frames x 38 or 67 bands, 204 filters each   \
                       -> temporal: 128, 64 or 32 frames x 1 band, 51 filters each -> 561 a frame
    561 -> mid-end: 3 convolutions over 7 frames, 64 filters; the 2nd and 3rd add what they took
    561 + 3 x 64 = 753 a frame -> maximum and mean over time -> 1,506 -> dense 200 -> 50 tags

A timbral or temporal filter answers once for each place on the frequency axis that it fits, and
only the strongest answer is kept: a sound counts the same at every pitch [1]_.

References
----------
.. [1] J. Pons, O. Nieto, M. Prockup, E. Schmidt, A. Ehmann and X. Serra, "End-to-end learning for
   music audio tagging at scale", ISMIR 2018 (the architecture).
.. [2] J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio
   tagging", late-breaking demo, ISMIR 2019 (its sizes here, and the weights).
"""

from collections.abc import Mapping
from typing import Any

from backbeat.frontend.musicnn.spectra import N_MELS, PATCH_FRAMES
from backbeat.zoo.build import load_keras

# Heights in bands are 0.4 and 0.7 of the 96, widths in frames; names of layers end in these.
TIMBRAL_BANDS = (38, 67)
TEMPORAL_FRAMES = (128, 64, 32)
MID_LAYERS = (1, 2, 3)
FRONT_FILTERS: Mapping[str, int] = {
    **{f"timbral_{bands}": 204 for bands in TIMBRAL_BANDS},
    **{f"temporal_{length}": 51 for length in TEMPORAL_FRAMES},
}
EPSILON = 1e-3  # what batch normalisation adds to a variance
_MID_FILTERS = 64
_CONTEXT = 7  # frames that a timbral or a mid-end filter sees

# The length of the last axis of each output.
WIDTHS = {
    "tags": 50,
    "logits": 50,
    "embedding": 200,
    "mean_pool": 753,
    "max_pool": 753,
    "timbral": 408,
    "temporal": 153,
    "mid_1": 64,
    "mid_2": 64,
    "mid_3": 64,
}


def build(
    *,
    frames: int = PATCH_FRAMES,
    filters: Mapping[str, int] = FRONT_FILTERS,
    constant: bool = False,
) -> Any:
    """Build MusiCNN with random weights; `weights.load` brings the published ones.

    Parameters
    ----------
    frames : int
        Frames of 16 ms in a patch. The weights were trained on 187 (3 s); others work, since time
        is pooled.
    filters : mapping of str to int
        Filters of each front-end layer, where not all are wanted: see `pruning`.
    constant : bool
        Let the front-end also give a feature that is always 1, after its others.

    Returns
    -------
    keras.Model
        From (batch, frames, 96) to a dictionary. One vector a patch: ``tags`` (50, sigmoid) and
        ``logits`` before it; ``embedding`` (200, the normalised penultimate layer); ``mean_pool``
        and ``max_pool`` (753 each, all features over time). One vector a frame: ``timbral`` (408),
        ``temporal`` (153), ``mid_1``, ``mid_2``, ``mid_3`` (64). Batch normalisation is in
        inference mode for good, so the weights that are trained further do not shift under it.
    """
    keras = load_keras()
    layers = keras.layers
    patch = keras.Input((frames, N_MELS), name="patch")
    image = _normalised(layers.Reshape((frames, N_MELS, 1))(patch), "input")

    in_time = layers.ZeroPadding2D((_CONTEXT // 2, 0), name="timbral_padding")(image)
    answers = [
        _strongest(
            layers.Conv2D(
                filters[f"timbral_{bands}"],
                (_CONTEXT, bands),
                activation="relu",
                name=f"timbral_{bands}",
            )(in_time),
            f"timbral_{bands}",
        )
        for bands in TIMBRAL_BANDS
    ]
    timbral = layers.Concatenate(name="timbral")(answers)
    answers = [
        _strongest(
            layers.Conv2D(
                filters[f"temporal_{length}"],
                (length, 1),
                padding="same",
                activation="relu",
                name=f"temporal_{length}",
            )(image),
            f"temporal_{length}",
        )
        for length in TEMPORAL_FRAMES
    ]
    temporal = layers.Concatenate(name="temporal")(answers)

    parts = [timbral, temporal]
    if constant:
        parts.append(keras.ops.ones_like(temporal[..., :1]))
    front = layers.Concatenate(name="front")(parts)
    mids = [_mid(front, 1)]
    for number in MID_LAYERS[1:]:
        residual = layers.Add(name=f"mid_{number}_sum")
        mids.append(residual([_mid(mids[-1], number), mids[-1]]))

    features = layers.Concatenate(name="features")([front, *mids])
    max_pool = layers.GlobalMaxPooling1D(name="max_pool")(features)
    mean_pool = layers.GlobalAveragePooling1D(name="mean_pool")(features)
    pooled = _normalised(layers.Concatenate(name="pooled")([max_pool, mean_pool]), "pooled")
    hidden = layers.Dense(WIDTHS["embedding"], activation="relu", name="penultimate")(pooled)
    embedding = _normalised(hidden, "penultimate")
    logits = layers.Dense(WIDTHS["logits"], name="logits")(embedding)
    outputs = {
        "tags": layers.Activation("sigmoid", name="tags")(logits),
        "logits": logits,
        "embedding": embedding,
        "mean_pool": mean_pool,
        "max_pool": max_pool,
        "timbral": timbral,
        "temporal": temporal,
        **{f"mid_{number}": mid for number, mid in zip(MID_LAYERS, mids, strict=True)},
    }
    return keras.Model(patch, outputs, name="musicnn")


def _normalised(tensor: Any, name: str) -> Any:
    """Add batch normalisation that never leaves inference mode, called `name`_norm."""
    layer = load_keras().layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_norm")
    layer.trainable = False
    return layer(tensor, training=False)


def _strongest(tensor: Any, name: str) -> Any:
    """Normalise (batch, frames, places, filters) and keep the strongest place of each filter."""
    # Normalising first matters: a negative scale turns the order of answers around.
    return load_keras().ops.max(_normalised(tensor, name), axis=2)


def _mid(tensor: Any, number: int) -> Any:
    """Add a mid-end convolution over time, which sees all features of seven frames."""
    layer = load_keras().layers.Conv1D(
        _MID_FILTERS, _CONTEXT, padding="same", activation="relu", name=f"mid_{number}"
    )
    return _normalised(layer(tensor), f"mid_{number}")
