"""Bundles: one file that holds all that classifying needs.

A bundle is a zip of three parts:

- ``network.onnx``: the network, from (batch, frames, bands) to ``probabilities`` and ``logits``
  (batch, genres), after and before the softmax, and ``embedding`` (batch, n), the input of the
  last layer;
- ``bundle.json``: format version, labels, front-end and its parameters, normalisation, calibration
  (with the threshold of "unsure" and the out-of-genre score), the split's hash and the metrics, all
  checked field by field when it is loaded;
- ``CARD.md``: what the model is, what it was measured to do, and what it is not.

Loading runs no code from the file.
"""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from backbeat import __version__
from backbeat.bundle.card import card
from backbeat.bundle.description import VERSION, Description, MeasuredFacts, SplitFacts
from backbeat.bundle.network import NO_MEMORY, SECONDS, Network, Stranger, open_network
from backbeat.bundle.shipped import is_shipped
from backbeat.errors import BackbeatError, one_line
from backbeat.evaluation import Metrics
from backbeat.evaluation.calibration import Calibration
from backbeat.files import atomic
from backbeat.files.documents import parse_json
from backbeat.frontend import FrontEnd
from backbeat.frontend import input_shape as shape_for
from backbeat.parallel.bounds import guarded
from backbeat.splits import Split
from backbeat.zoo import Spec

# Each part, with its largest size in bytes: far above any here, and far below filling a memory.
_PARTS = {"network.onnx": 512 * 2**20, "bundle.json": 64 * 2**20, "CARD.md": 2**20}
# Weights are noisy numbers, which hardly pack; zeros pack to a thousandth.
_MAX_RATIO, _ALWAYS_ALLOWED = 50, 32 * 2**20

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle."""

    path: Path
    description: Description
    network: bytes
    card: str

    @property
    def hash(self) -> str:
        """Hash of the network and all that travels with it."""
        content = self.network + self.description.model_dump_json().encode()
        return hashlib.sha256(content).hexdigest()[:16]

    def open(self) -> "Network":
        """Open the network, and make sure that it takes and gives what the description says.

        One that does not come with backbeat runs in a process that is watched: `network.Stranger`.
        Raises a BackbeatError if it cannot be run, does not fit, or takes too much time or memory.
        """
        described = self.description
        _, frames, bands = shape_for(described.frontend, described.input)
        try:
            with guarded(self.path, SECONDS):
                if is_shipped(self.path):
                    network = open_network(self.network)
                else:
                    network = Network(Stranger(self.path, self.network).run)
                given = network.outputs(np.zeros((2, frames, bands), np.float32))
        except BackbeatError as error:
            message = str(error).removeprefix(f"{self.path}: ")
            raise BackbeatError(f"{self.path}: {message}") from error
        except Exception as error:
            if isinstance(error, MemoryError) or any(n in str(error) for n in NO_MEMORY):
                raise BackbeatError(
                    f"{self.path}: not enough memory to run its network; raise the limit "
                    "(ulimit -v)"
                ) from error
            raise BackbeatError(
                f"{self.path}: its network does not take {frames} frames x {bands} bands "
                f"({one_line(error)})"
            ) from error
        wanted = (2, len(described.genres))
        if given.probabilities.shape != wanted or given.logits.shape != wanted:
            raise BackbeatError(
                f"{self.path}: its network does not answer with {len(described.genres)} genres"
            )
        return network


def short_digest(digest: str) -> str:
    """Give the part of a track's digest that a bundle keeps: 64 bits of it, and its kind."""
    kind, colon, value = digest.rpartition(":")
    return f"{kind}{colon}{value[:16]}"


def describe(
    *,
    spec: Spec,
    frontend: FrontEnd,
    genres: tuple[str, ...],
    split: Split,
    metrics: Metrics,
    tracks: int,
    calibration: Calibration,
    caution: str = "",
) -> Description:
    """Gather what a run knows into the description of its bundle.

    The metrics are of the test part; `tracks` counts the whole collection, all parts together;
    `caution` is what has to be said before the model classifies audio.
    """
    trained_on = sorted(split.trained_on)
    digests = {short_digest(split.digests[name]) for name in trained_on if name in split.digests}
    return Description(
        made_by=f"backbeat {__version__}",
        model=spec.name,
        genres=genres,
        frontend=frontend,
        input=spec.input,
        normalisation="window" if spec.input.startswith("logmel") else "none",
        calibration=calibration,
        split=SplitFacts(
            protocol=split.protocol, seed=split.seed, hash=split.hash, leak=split.leak
        ),
        measured=MeasuredFacts(
            slice_accuracy=metrics.slice_accuracy,
            track_accuracy=metrics.track_accuracy,
            slices=metrics.n_slices,
            tracks=metrics.n_tracks,
            recall={
                genre: None if scores.recall is None else round(scores.recall, 6)
                for genre, scores in zip(genres, metrics.tracks, strict=True)
            },
        ),
        trained_on_tracks=tracks,
        spec=spec.model_dump(mode="json"),
        network_sha256="",
        trained_on=tuple(trained_on),
        digests=tuple(sorted(digests)),
        caution=caution,
    )


def write_bundle(path: Path, description: Description, network: bytes) -> None:
    """Write a bundle, atomically and with the same bytes for the same content."""
    described = description.model_copy(
        update={"network_sha256": hashlib.sha256(network).hexdigest()}
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (
            ("bundle.json", (described.model_dump_json() + "\n").encode()),
            ("CARD.md", card(described).encode()),
            ("network.onnx", network),
        ):
            # A fixed date, so that equal content makes equal files.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    atomic.write_bytes(path, content.getvalue())


def read_bundle(path: Path) -> Bundle:
    """Read and check a ``.backbeat`` file, or the ``model.backbeat`` of a run directory.

    Raises a BackbeatError if it is missing, no bundle, damaged, or of another format version.
    """
    if path.is_dir():
        path = path / "model.backbeat"
    try:
        if path.stat().st_size > 2 * sum(_PARTS.values()):
            raise ValueError("it is too large")
        with zipfile.ZipFile(path) as archive:
            parts = {name: _read_part(archive, name, limit) for name, limit in _PARTS.items()}
        card_text = parts["CARD.md"].decode("utf-8")
    except (FileNotFoundError, PermissionError) as error:
        raise BackbeatError(
            f"{path}: {error.strerror}; name a bundle with --model, such as gtzan"
        ) from error
    except Exception as error:  # zipfile and zlib raise errors of many kinds on damage
        raise BackbeatError(f"{path}: not a bundle, or damaged ({one_line(error)})") from error
    description = _read_description(path, parts["bundle.json"])
    if hashlib.sha256(parts["network.onnx"]).hexdigest() != description.network_sha256:
        raise BackbeatError(f"{path}: damaged: its network is not the one that it describes")
    return Bundle(path, description, parts["network.onnx"], card_text)


def _read_part(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    member = archive.getinfo(name)
    if member.file_size > min(limit, max(_ALWAYS_ALLOWED, _MAX_RATIO * member.compress_size)):
        raise ValueError(f"{name} is too large")
    return archive.read(name)


def _read_description(path: Path, content: bytes) -> Description:
    try:
        loaded = parse_json(content)
        if not isinstance(loaded, dict) or loaded.get("format") != "backbeat-bundle":
            raise BackbeatError(f"{path}: not a bundle")
        version = loaded.get("version")
        if isinstance(version, int) and version != VERSION:
            age, remedy = (
                ("newer", "update backbeat") if version > VERSION else ("older", "train again")
            )
            raise BackbeatError(
                f"{path}: bundle format {version} is {age} than this backbeat reads ({VERSION}); "
                f"{remedy}"
            )
        return Description.model_validate(loaded)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(step) for step in problem["loc"])
        raise BackbeatError(f"{path}: damaged bundle: {place}: {problem['msg']}") from error
    except ValueError as error:
        raise BackbeatError(f"{path}: damaged bundle ({one_line(error)})") from error
