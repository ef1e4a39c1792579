"""Cut and damaged songs through every verb: what could not be read is said, and `tag` minds it."""

import csv
import io
import json
import re

import pytest

from backbeat.classify import load
from backbeat.web.limits import Limits
from backbeat.web.schemas import ClassifyResponse
from backbeat.web.service import Service
from sounds import FORMATS, LOST_PAGES, MORE_FORMATS, cut, lose_pages, music, write

SUFFIXES = {**FORMATS, **MORE_FORMATS, "ac3": 48_000}
SHARES = (50, 90, 98)
SECONDS = 40.0
IN_PART = r"[\d.]+ of 40(\.0)? s could be read"
NO_LENGTH = {
    **dict.fromkeys(("ogg", "opus"), "truncated: it breaks off within a page"),
    "ac3": "truncated: it breaks off within a frame",
}
TAGGED = {"wav", "aiff", "flac", "mp3", "ogg", "opus", "m4a", "wma"}


def make_songs(folder):
    """Each format whole, cut and with lost pages; gives the pattern of the note of each name."""
    notes = {}
    for suffix, rate in SUFFIXES.items():
        whole = write(folder / f"whole.{suffix}", music(SECONDS, rate), rate)
        notes[whole.name] = ""
        for share in SHARES:
            path = folder / f"cut {share}.{suffix}"
            # Not between two frames of AC-3, where nothing shows.
            path.write_bytes(whole.read_bytes() + bytes(300 * (suffix == "ac3")))
            notes[cut(path, share / 100).name] = NO_LENGTH.get(suffix, IN_PART)
        if suffix == "m4a":  # whose index is at the end, so that a cut one cannot be opened
            notes |= {f"cut {share}.m4a": None for share in SHARES}
    for suffix in ("ogg", "opus"):
        for name, kept in LOST_PAGES.items():
            path = folder / f"{name}.{suffix}"
            path.write_bytes((folder / f"whole.{suffix}").read_bytes())
            notes[lose_pages(path, kept).name] = IN_PART
    return notes


@pytest.mark.slow
def test_a_damaged_song_is_said_to_be_so_by_every_verb(cli, bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "music" / "rock"
    notes = make_songs(folder)

    found = json.loads(cli("check", folder.parent, "--yes", "--json")[1])["findings"]
    truncated = {one["track"] for one in found if one["kind"] == "truncated"}
    assert truncated == {f"rock/{name}" for name, note in notes.items() if note != ""}

    _, out, err = cli("classify", folder, "--model", bundle, "--format", "csv")
    rows = {row["path"].rpartition("/")[2]: row for row in csv.DictReader(io.StringIO(out))}
    assert set(rows) == set(notes)
    for name, note in notes.items():
        row = rows[name]
        assert row["status"] == ("failed" if note is None else "answered"), name
        assert re.fullmatch(note or "", row["note"]), (name, row["note"])
        if note is not None:
            read, asked = float(row["seconds_read"]), float(row["seconds_asked"])
            assert (asked - read > 0.25) == (note == IN_PART), name
            assert (f"note: {folder / name}: {row['note']}" in err) == bool(note)

    with Service(load(bundle), Limits()) as service:
        for name in ("cut 50.wav", "every second.opus", "whole.caf"):
            answer = ClassifyResponse.of(service.answer(folder / name, name))
            assert answer.note == rows[name]["note"]
            assert answer.seconds_read == pytest.approx(float(rows[name]["seconds_read"]), abs=0.01)

    _, out, _ = cli("playlists", folder, "-o", tmp_path / "lists", "--model", bundle, "--json")
    listed = {one["path"].rpartition("/")[2]: one["note"] for one in json.loads(out)["notes"]}
    assert listed == {name: rows[name]["note"] for name, note in notes.items() if note}

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    arguments = ("tag", folder, "--model", bundle, "--yes", "--min-confidence", "0", "--json")
    made = json.loads(cli(*arguments)[1])
    written = {one["path"].rpartition("/")[2] for one in made["changes"]}
    whole_enough = {
        name
        for name, row in rows.items()
        if row["status"] == "answered"
        and name.rpartition(".")[2] in TAGGED
        and float(row["seconds_read"]) >= 0.9 * float(row["seconds_asked"])
    }
    assert written <= whole_enough
    assert {f"whole.{suffix}" for suffix in TAGGED} <= written
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name, content in after.items() if content == before[name]}.isdisjoint(written)
    assert all(after[name] == before[name] for name in set(notes) - written)
    more = json.loads(cli(*arguments, "--damaged")[1])
    assert {one["path"].rpartition("/")[2] for one in more["changes"]} >= {"cut 50.flac"}
    for log in (more["log"], made["log"]):
        assert cli("tag", "--undo", log)[0] == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
