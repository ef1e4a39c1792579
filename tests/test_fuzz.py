"""What comes from outside is read or refused in one line that names the file, whatever is in it.

A small part of `tools/fuzz.py`, whose table of targets this is; and the finds of its long runs.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbeat.bundle.archive import read_bundle
from backbeat.collections.collection import read_collection
from backbeat.errors import BackbeatError, one_line, printable
from backbeat.evaluation import read_predictions
from backbeat.features.importing import import_features
from backbeat.files import documents
from backbeat.library.tags.log import VERSION, _sum, read_log
from backbeat.splits import read_parts
from backbeat.training.history import read_history
from backbeat.tuning.judge import read_judgement
from backbeat.zoo.spec import read_spec

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from fuzzing import mutations
from fuzzing.cases import FINE, Bench, Printed
from fuzzing.targets import targets

CASES = {"audio": 6, "tags": 5}
SLOW = ("http-body", "study")  # what they import takes seconds; their own tests send odd things
# Silence, and noise behind a right header: no encoder of these formats is at hand.
REFUSED = ("audio/opus-silent", "audio/ape", "audio/mpc")
QUICKLY = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads Linux's memory counts"
)


@pytest.mark.parametrize("name", [name for name in targets() if name not in SLOW])
def test_damaged(name, tmp_path):
    target = targets()[name]
    bench = Bench(target, tmp_path / "seeds", tmp_path / "work")
    if name not in REFUSED:
        bench.read(bench.seeds[0])
    with Printed(tmp_path / "printed").taken() as printed:
        outcomes = [
            bench.run(seed=0, number=number, printed=printed)
            for number in range(CASES.get(name.partition("/")[0], 10))
        ]
    assert [one for one in outcomes if one.kind not in FINE] == []


def test_cases_come_again():
    seeds = [bytes(range(256)) * 9, b"OggS" + bytes(300)]
    import random

    for mutate in (mutations.of_bytes, mutations.of_ogg):
        first, second = (
            [mutate(random.Random(f"0/{number}"), seeds) for number in range(50)] for _ in range(2)
        )
        assert first == second
        assert len({*first} - {*seeds}) > 40


# --- Anything at all

READERS = {
    "table.csv": read_collection,
    "history.csv": read_history,
    "predictions.csv": read_predictions,
    "spec.yaml": read_spec,
    "split.json": read_parts,
    "result.json": read_judgement,
    "model.backbeat": read_bundle,
    "log.jsonl": read_log,
}


@pytest.mark.parametrize("name", READERS)
@QUICKLY
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=10,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_anything_at_all(name, tmp_path, content):
    path = tmp_path / name
    path.write_bytes(content)
    try:
        READERS[name](path)
    except BackbeatError as error:
        message = str(error)
        assert str(path) in message
        assert message.isprintable()
        assert len(message) < 600 + len(str(path))


# --- What was found

DEEP = b"[" * 20_000


@pytest.mark.parametrize("name", READERS)
def test_nested_without_end(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(DEEP if name != "log.jsonl" else DEEP + b"\n")
    with pytest.raises(BackbeatError, match=name):
        READERS[name](path)


def test_json_nested_without_end():
    with pytest.raises(ValueError, match="nested too deeply"):
        documents.parse_json(DEEP)


def test_a_document_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "MAX_JSON_BYTES", 1 << 20)
    path = tmp_path / "split.json"
    path.write_bytes(b" " * (1 << 20) + b"1")
    with pytest.raises(BackbeatError, match=r"split\.json: .*larger than 1 MB"):
        read_parts(path)
    assert len(documents.read_bytes(path, (1 << 20) + 1)) == (1 << 20) + 1
    table = tmp_path / "table.csv"
    with table.open("wb") as file:
        file.truncate(documents.MAX_BYTES + 1)
    with pytest.raises(BackbeatError, match=r"table\.csv.*larger than 256 MB"):
        read_collection(table)


BILLION = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}]\n"
    for before, name in zip("abcdefghijklm", "bcdefghijklmn", strict=True)
)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (BILLION, "aliases .* are not read"),
        ("a: &a {b: 1}\nc: {<<: [*a, *a]}", "aliases .* are not read"),
        ("name: 2001-99-99", "month must be in"),
        (f"epochs: {'9' * 5_000}", "integer string conversion"),
        ("[" * 5_000, "not YAML"),
        ("- " * 3_000, "not YAML"),
        ("a: b\n" * 25_000, "too large for a model spec"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("name: \0", "not YAML"),
        (f"? {'x' * 90_000}\n: 1", "Field required"),
    ],
)
def test_specs(tmp_path, content, why):
    path = tmp_path / "spec.yaml"
    path.write_text(content)
    with pytest.raises(BackbeatError, match=why) as caught:
        read_spec(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2_000


def npz(path, **members):
    """Write an npz file of these arrays, or of bytes that are none."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            if isinstance(content, np.ndarray):
                file = io.BytesIO()
                np.save(file, content)
                content = file.getvalue()
            archive.writestr(name if isinstance(content, bytes) else f"{name}.npy", content)
    return path


def fields(**changes):
    """Give the fields of a small npz file of MFCCs."""
    return {
        "X.npy": np.zeros((2, 125, 13), np.float32),
        "names.npy": np.array(["a", "b"]),
        "y.npy": np.array([0, 1]),
        "genres.npy": np.array(["blues", "rock"]),
    } | changes


def header(shape, dtype="<f4"):
    """Give the beginning of an array file that claims a shape."""
    file = io.BytesIO()
    said = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(file, said)
    return file.getvalue()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"y.npy": b"no array"}, "y is no array"),
        ({"X.npy": header((10**12, 125, 13))}, "X is cut or damaged"),
        ({"X.npy": header((2**62, 2**62))}, "X is cut or damaged"),
        ({"names.npy": np.array([0x110000, 0x61], "<u4").view("<U1")}, "names holds invalid text"),
        ({"names.npy": np.array(["a", "a"])}, "'a' occurs twice"),
        ({"X.npy": np.full((2, 125, 13), 1e300)}, "not finite"),
        ({"X.npy": header((2, 125, 13), "|O")}, "X cannot be read"),
        ({"spare": bytes(257 << 20)}, "unpacks to 257 MB"),
    ],
)
def test_npz(tmp_path, changes, why, recwarn):
    path = npz(tmp_path / "made.npz", **fields(**changes))
    with pytest.raises(BackbeatError, match=f"made.npz: .*{why}"):
        import_features(path, tmp_path / "store", frontend="mfcc")
    assert not recwarn.list
    assert not (tmp_path / "store").exists()


def test_npz_members_that_are_no_arrays(tmp_path):
    members = fields()
    path = npz(tmp_path / "made.npz", **{**members, "y.npy": b""}, y=b"no array")
    with pytest.raises(BackbeatError, match=r"made\.npz: .*(no array|cannot be read)"):
        import_features(path, tmp_path / "store", frontend="mfcc")


def test_a_bundle_that_unpacks_to_gigabytes(tmp_path, bundle):
    path = tmp_path / "bomb.backbeat"
    with zipfile.ZipFile(bundle) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name, megabytes in (("CARD.md", 2), ("network.onnx", 33)):
        path.write_bytes(mutations.packed(parts | {name: bytes(megabytes << 20)}))
        assert path.stat().st_size < 100_000
        with pytest.raises(BackbeatError, match=rf"bomb\.backbeat: .*{name} is too large"):
            read_bundle(path)


def test_a_network_that_is_none_is_named(tmp_path, bundle):
    import hashlib

    with zipfile.ZipFile(bundle) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["network.onnx"] = b"none"
    described = json.loads(parts["bundle.json"])
    described["network_sha256"] = hashlib.sha256(b"none").hexdigest()
    parts["bundle.json"] = json.dumps(described).encode()
    path = tmp_path / "none.backbeat"
    path.write_bytes(mutations.packed(parts))
    with pytest.raises(BackbeatError, match=r"none\.backbeat: .*network"):
        read_bundle(path).open()


@pytest.mark.parametrize("path", ["", ".", "/", "relative.mp3", "/a\0b.mp3"])
def test_an_undo_log_of_odd_paths_tells_of_nothing(tmp_path, path):
    log = tmp_path / "log.jsonl"
    lines = (
        {"event": "run", "log": "backbeat tag", "version": VERSION},
        {"event": "begin", "path": path},
    )
    log.write_text("".join(f"{json.dumps(line | {'sum': _sum(line)})}\n" for line in lines))
    assert read_log(log).begun == ()


def test_tables(tmp_path):
    table = tmp_path / "songs.csv"
    for content, why in (
        (b"path,genre\n" + b"a" * 100_000 + b",rock\n", "no such file"),
        (b"path,genre\n" + b"a" * 200_000 + b",rock\n", "field larger than field limit"),
        (b"path,genre\n" + b"a" * 100_000 + b",\n", "no row has a genre"),
        (b"path,genre\n\0,rock\n", "binary data"),
        (b"path,genre\n\x81,rock\n", "not a table in UTF-8"),
    ):
        table.write_bytes(content)
        with pytest.raises(BackbeatError, match=f"songs.csv.*{why}") as caught:
            read_collection(table)
        assert len(str(caught.value)) < 600 + len(str(table))


def test_a_run_whose_environment_is_no_text(tmp_path):
    bench = Bench(targets()["run/environment"], tmp_path / "seeds", tmp_path / "work")
    with pytest.raises(BackbeatError, match=r"environment\.json: damaged") as caught:
        bench.read(b'{"packages": "\xff"' + b"x" * 5_000)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


def test_words_of_errors():
    assert one_line(KeyError("seed")) == "it lacks 'seed'"
    assert one_line(ValueError("a\n b\x1b[31m\ud800")) == "a b\\x1b[31m\\xed\\xa0\\x80"
    assert len(one_line(ValueError("x" * 10**6))) == 200
    assert printable("ok é") == "ok é"
