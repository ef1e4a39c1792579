"""Valid files of each kind but audio, and how backbeat reads them."""

import contextlib
import hashlib
import io
import json
import sqlite3
import tarfile
import tempfile
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np

from backbeat import transfer
from backbeat.bundle import archive as bundle
from backbeat.classify import Answer, Moment
from backbeat.collections.gtzan.fetching import fetch
from backbeat.errors import BackbeatError
from backbeat.evaluation import Predictions, evaluate, read_predictions, write_predictions
from backbeat.features.importing import import_features
from backbeat.features.store import open_features
from backbeat.files.claims import claim
from backbeat.library.index import open_index
from backbeat.library.stamps import Stamp
from backbeat.library.tags import log as log_module
from backbeat.library.tags.log import Entry, LogWriter, read_log
from backbeat.library.tags.rewriting import State
from backbeat.library.tags.writing import undo
from backbeat.reproduce.results import read_results
from backbeat.runs import reading as runs
from backbeat.splits import make_split, read_parts
from backbeat.splits.files import file_parts
from backbeat.splits.split import write_split
from backbeat.training import checkpoint, crossvalidation, jobs
from backbeat.training.history import Epoch, write_history
from backbeat.tuning.log import Judgement
from backbeat.zoo import find
from fuzzing import mutations, sounds
from fuzzing.sounds import music, write

from made_features import GENRES, made_npz, made_store  # isort: skip
from bundles import make_bundle, make_description, make_network  # isort: skip

_SONG = Answer(
    path=Path("song.wav"),
    seconds=30.0,
    ranking=(("rock", 0.7), ("jazz", 0.3)),
    verdict="sure",
    strangeness=0.5,
    agreement=1.0,
    timeline=(Moment(0.0, 3.0, "rock", 0.7),),
    tags=(("guitar", 0.5),),
    embedding=np.arange(8, dtype=np.float32),
)
_SETTINGS = '{"bundle": "0", "tags": false, "windows": 4}'


# --- Features


def npz(folder: Path) -> None:
    """Write small features, in the float and the 8-bit form."""
    names, y = np.array(["blues/a", "rock/b"]), np.array([0, 1])
    random = np.random.default_rng(0)
    common = {"names": names, "y": y, "genres": np.array(["blues", "rock"])}
    np.savez(folder / "mfcc.npz", X=random.standard_normal((2, 125, 13)), **common)
    maps = random.integers(0, 255, (2, 128, 387), np.uint8)
    np.savez_compressed(folder / "maps.npz", X=maps, artists=np.array(["", "one"]), **common)


def read_npz(path: Path) -> None:
    """Bring features from elsewhere into a store, in either form."""
    refused = None
    for frontend in ("mfcc", "logmel"):
        try:
            import_features(path, path.parent / f"store-{frontend}", frontend=frontend)
        except BackbeatError as error:
            refused = error
        else:
            return
    if refused:
        raise refused


def store(folder: Path) -> None:
    """Write a small feature store."""
    random = np.random.default_rng(0)
    source = made_npz(folder / "made.npz", X=random.standard_normal((30, 1, 125, 13)))
    import_features(source, folder / "store", frontend="mfcc")
    source.unlink()


def read_store(path: Path) -> None:
    """Load all slices of the store that a file is of."""
    place = next(folder for folder in path.parents if folder.name == "store")
    open_features(place).examples("mfcc")


def checkpoints(folder: Path) -> None:
    """Write the checkpoint of a small network."""
    checkpoint.save(folder / "seed.npz", [np.zeros((3, 4)), np.int64(1)], (_epoch(1), _epoch(2)))


def read_checkpoint(path: Path) -> None:
    """Bring a network to a checkpoint's state."""
    variables = [SimpleNamespace(shape=(3, 4)), SimpleNamespace(shape=())]
    for variable in variables:
        variable.assign = np.array
    network = SimpleNamespace(variables=variables, optimizer=SimpleNamespace(variables=[]))
    checkpoint.restore(network, path)


def embeddings(folder: Path) -> None:
    """Write kept embeddings."""
    np.savez(folder / "seed.npz", key=np.array("0" * 64), features=np.zeros((4, 200), np.float32))


def read_embeddings(path: Path) -> None:
    """Read kept embeddings; damaged ones are made again."""
    transfer.embedding._read(path, "0" * 64)


# --- Models, runs, splits


def spec(folder: Path) -> None:
    """Write the specs of three models."""
    for name in ("cnn_base_01", "mlp_base", "res_10s"):
        (folder / f"{name}.yaml").write_text(find(name).to_yaml())


def bundles(folder: Path) -> None:
    """Write a bundle around a tiny network."""
    make_bundle(folder / "seed.backbeat", genres=GENRES)


def of_bundle(random: Random, seeds: Any) -> bytes:
    """Damage a bundle; a damaged network mostly gets the checksum that belongs to it."""
    content = _BUNDLE(random, seeds)
    if random.random() < 0.2:
        return content
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        described = json.loads(parts["bundle.json"])
        described["network_sha256"] = hashlib.sha256(parts["network.onnx"]).hexdigest()
    except Exception:  # noqa: BLE001 - damaged as a zip or as JSON: it goes as it is
        return content
    parts["bundle.json"] = json.dumps(described).encode()
    return mutations.packed(parts)


_BUNDLE = mutations.of_zip(bundle_json=mutations.of_json)


def read_bundle(path: Path) -> None:
    """Load a bundle and run its network."""
    bundle.read_bundle(path).open()


def _epoch(number: int) -> Epoch:
    return Epoch(number, 1.5, 0.25, 1.25, 0.5, 2.0)


def _predictions() -> Predictions:
    random = np.random.default_rng(0)
    tracks = np.array([f"rock/song {number // 2}" for number in range(8)])
    probabilities = random.dirichlet(np.ones(3), 8)
    truth = np.array([0, 0, 1, 1, 2, 2, 0, 0])
    return Predictions(tracks, np.arange(8) % 2, truth, probabilities, GENRES)


def run(folder: Path) -> None:
    """Write a finished run as training leaves it, without training."""
    made_store(folder)
    features = open_features(folder / "features")
    examples = features.examples("mfcc")
    split = make_split(examples, "artists", seed=0)
    place = folder / "runs" / "cnn_base_01-seed0"
    place.mkdir(parents=True)
    spec = find("cnn_base_01")
    environment = {
        "backbeat": "0",
        "epochs_scale": 1.0,
        "frontend": features.frontend.model_dump(),
        "max_error": None,
        "packages": {"numpy": "2"},
        "platform": "Linux",
        "processors": 2,
        "seed": 0,
        "spec": spec.model_dump(mode="json"),
        "split": split.hash,
    }
    (place / "environment.json").write_text(json.dumps(environment))
    (place / "spec.yaml").write_text(spec.to_yaml())
    (place / "metrics.json").write_text(evaluate(_predictions()).to_json())
    write_split(place / "split.json", split)
    write_history(place / "history.csv", (_epoch(1), _epoch(2)))
    write_predictions(place / "predictions.csv", _predictions())
    described = make_description(genres=GENRES)
    facts = described.split.model_copy(update={"hash": split.hash})
    described = described.model_copy(update={"split": facts})
    bundle.write_bundle(place / "model.backbeat", described, make_network((125, 13), len(GENRES)))
    judged = {"accuracy": 0.5, "loss": 1.0, "seconds": 1.0, "epochs": 2, "pruned": False}
    (place / "result.json").write_text(json.dumps(judged))
    (folder / "failures.json").write_text(json.dumps({"cnn_03.8-seed0": "too large"}))


def read_run(path: Path) -> None:
    """Read all of a run, as `evaluate`, `compare` and `suspects` do."""
    (finished,) = runs.read_runs(path.parent)
    repr(finished.leaks)
    finished.songs()
    runs.facts_of((finished,))


def read_reproduction(path: Path) -> None:
    """Read the results of a reproduction."""
    read_results(next(folder for folder in path.parents if (folder / "runs").is_dir()))


def read_split(path: Path) -> None:
    """Read a ``split.json``, also as a split that is to be used again."""
    read_parts(path)
    features = open_features(path.parents[2] / "features")
    file_parts(path, features.examples("mfcc"))


_RUN_BEGUN = {"frontend": {"name": "mfcc"}, "spec": {}, "split": "0", "seed": 0, "max_error": None}
_FOLDS_BEGUN = {"format": "backbeat-crossvalidation", "version": 1, "seed": 0, "splits": ["0", "1"]}


def claims(folder: Path) -> None:
    """Write the files that hold the settings of jobs."""
    for name, content in (
        ("run/environment.json", _RUN_BEGUN),
        ("folds/crossvalidation.json", _FOLDS_BEGUN),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))


def read_run_claim(path: Path) -> None:
    """Resume a run by its settings."""
    claim(path.parent, path.name, _RUN_BEGUN, "run")
    jobs._is_finished(SimpleNamespace(run=path.parent, spec=find("cnn_base_01")))  # type: ignore[arg-type]


def read_folds_claim(path: Path) -> None:
    """Resume a cross-validation by its settings."""
    crossvalidation.fold_runs(path.parent)
    claim(path.parent, path.name, _FOLDS_BEGUN, "cross-validation")


def predictions(path: Path) -> None:
    """Read predictions, and score them."""
    evaluate(read_predictions(path))


def study(folder: Path) -> None:
    """Write the study of a search with two trials."""
    from backbeat.tuning import search

    optuna = search._load_optuna()
    made, _ = search._open(optuna, folder / "seed.db", 1.0)
    for value in (0.25, 0.5):
        trial = made.ask()
        trial.suggest_int("units", 8, 64)
        trial.set_user_attr("spec", find("mlp_base").model_dump(mode="json"))
        search._tell(made, trial, Judgement(value, 1.0, 1.0, 2, pruned=False), optuna)


def read_study(path: Path) -> None:
    """Open a search's study and read its trials."""
    from backbeat.tuning import search

    search._open(search._load_optuna(), path, 1.0)


# --- Collections


def table(folder: Path) -> None:
    """Write tables of songs, by commas and by semicolons."""
    rows = [("path", "genre", "artist", "album"), ("case.csv", "rock", "Ä", "one, two")]
    rows += [(f"{row}.wav", "jazz", "", "") for row in range(5)]
    for sign in ",;":
        (folder / f"{ord(sign)}.csv").write_text(
            "".join(sign.join(f'"{cell}"' for cell in row) + "\n" for row in rows), "utf-8"
        )


def split_table(folder: Path) -> None:
    """Write a split made elsewhere beside the features that it divides."""
    made_store(folder)
    names = open_features(folder / "features").examples("mfcc").names
    lines = [f"{name},{part}" for name, part in zip(names, ("train", "test") * 15, strict=True)]
    (folder / "seed.csv").write_text("path,part\n" + "\n".join(lines) + "\n")


def read_split_table(path: Path) -> None:
    """Read a split made elsewhere."""
    file_parts(path, open_features(path.parent / "features").examples("mfcc"))


def archives(folder: Path) -> None:
    """Write GTZAN as archives, with three tiny tracks."""
    tracks = {f"genres/{genre}/{genre}.00000.wav": b"RIFF" * 9 for genre in ("blues", "jazz")}
    (folder / "seed.zip").write_bytes(mutations.packed(tracks))
    for mode, suffix in (("w:gz", "tar.gz"), ("w", "tar")):
        with tarfile.open(folder / f"seed.{suffix}", mode) as archive:  # type: ignore[call-overload]
            for name, content in tracks.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def read_archive(path: Path) -> None:
    """Unpack an archive of GTZAN."""
    fetch(path.parent / "unpacked", source=path)


# --- Library


def index(folder: Path) -> None:
    """Write an index that knows some songs."""
    for rows in (1, 40):
        with open_index(folder / f"seed{rows}.sqlite") as opened:
            for row in range(rows):
                opened.keep(_named(row), _stamp(row), b"samples", _SETTINGS)
        with sqlite3.connect(folder / f"seed{rows}.sqlite") as connection:
            connection.execute("pragma journal_mode = delete")


def _named(row: int) -> Answer:
    return replace(_SONG, path=Path(f"/music/{row}.wav"))


def _stamp(number: int) -> Stamp:
    return Stamp(number, number, number, number)


def read_index(path: Path) -> None:
    """Look songs up in an index, and keep one."""
    with open_index(path) as opened:
        for row in (0, 1, 20):
            known = opened.find(Path(f"/music/{row}.wav"), _stamp(row), _SETTINGS)
            if known:
                _ = known.label, known.genre, known.probability
        opened.keep(_named(100), _stamp(1), b"samples", _SETTINGS)
        opened.changed(Path("/music/0.wav"), _stamp(0), _stamp(5))


def log(folder: Path) -> None:
    """Write the log of two changes, and the file that they were made to."""
    song = folder / "song.wav"
    song.write_bytes(b"new content of a song" * 10)
    digest = hashlib.sha256(song.read_bytes()).hexdigest()
    writer = LogWriter(folder / "seed.jsonl", {"overwrite": True})
    for number in range(2):
        writer.begin(Path(f"@/{song.name}"))
        writer.change(
            Entry(
                path=Path(f"@/{song.name}"),
                format="ID3v2.4",
                old=("Jazz",),
                new=("Rock",),
                before=State(60, "1" * 64, number),
                after=State(210, digest, number),
                patch=((0, 20), b"old", (20, 30)),
            )
        )
    writer.close()


def of_log(random: Random, seeds: Any) -> bytes:
    """Damage a log; a line that is damaged as JSON mostly gets the checksum that belongs to it."""
    lines = mutations.of_json_lines(random, seeds).split(b"\n")
    for row, line in enumerate(lines):
        with contextlib.suppress(Exception):  # no JSON any more: it goes as it is
            content = json.loads(line)
            if content.pop("sum") and random.random() < 0.9:
                lines[row] = json.dumps(content | {"sum": log_module._sum(content)}).encode()
    return b"\n".join(lines)


def read_undo(path: Path) -> None:
    """Undo a log; its songs lie beside it."""
    path.write_bytes(path.read_bytes().replace(b"@/", f"{path.parent}/".encode()))
    for _ in undo(read_log(path)):
        pass


# --- The web


def bodies(folder: Path) -> None:
    """Write bodies of requests: an upload, and two other forms."""
    sound = folder / "sound.wav"
    write(sound, music(3.2, 8_000), 8_000)
    content = sound.read_bytes()
    sound.unlink()
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
    head += b"Content-Type: audio/wav\r\n\r\n"
    (folder / "upload.body").write_bytes(head + content + b"\r\n--edge--\r\n")
    (folder / "form.body").write_bytes(b"file=a.wav&tags=1")
    (folder / "json.body").write_bytes(b'{"data": ["a.wav"], "fn_index": 0}')


@cache
def _client() -> Any:
    """Give a client of the whole server, in this process."""
    from starlette.testclient import TestClient

    from backbeat.web.limits import Limits
    from backbeat.web.server import make_app
    from backbeat.web.service import Service
    from backbeat.web.uploads import Uploads

    service = Service(sounds.classifier(), Limits(megabytes=1, minutes=1, seconds=20))
    return TestClient(make_app(service, Uploads(Path(tempfile.mkdtemp()))))


_PLACES = ("/api/classify",) * 6 + ("/gradio_api/upload", "/gradio_api/queue/join")
_TYPES = (
    *("multipart/form-data; boundary=edge",) * 6,
    *("multipart/form-data", "application/x-www-form-urlencoded", "application/json", ""),
    *("multipart/form-data; boundary=" + "x" * 300, "multipart/form-data; boundary=\xff"),
)


def send_body(path: Path) -> None:
    """Post a body to the API or the page, which must never fail of it."""
    body = path.read_bytes()
    random = Random(body)
    place, kind = random.choice(_PLACES), random.choice(_TYPES)
    reply = _client().post(place, content=body, headers={"content-type": kind.encode("latin-1")})
    if reply.status_code == 500:
        raise ValueError(f"{place} answered 500: {reply.text[:300]}")
    if reply.status_code != 200:
        message = reply.json()["error"] if place.startswith("/api") else "refused"
        raise BackbeatError(f"{path}: {message}")
