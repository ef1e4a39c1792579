"""Splits made elsewhere are read by name, and what is wrong with them is said with the line."""

import csv
import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backbeat.errors import BackbeatError
from backbeat.splits import is_leaking, make_split, write_split
from test_splits import made_examples

NAMES = [
    "blues/b0.wav",
    "blues/b1.wav",
    "blues/b2.wav",
    "rock/r0.wav",
    "rock/r1.wav",
    "rock/b2.wav",
]


def examples(**changes):
    genres = [name.partition("/")[0] for name in NAMES]
    return made_examples(genres, names=NAMES, slices=2, **changes)


def write(path, *rows, header="path,part"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return f"file:{path}"


def test_names_are_found_however_they_are_written(tmp_path):
    protocol = write(
        tmp_path / "s.csv",
        "blues/b0.wav,train",
        "./BLUES/B1.wav,Training",
        r"C:\music\rock\r0.wav,train",
        "r1.mp3,test",
        "/data/blues/b2.flac,val",
    )
    split = make_split(examples(), protocol)
    assert split.names == {
        "train": ["blues/b0.wav", "blues/b1.wav", "rock/r0.wav"],
        "valid": ["blues/b2.wav"],
        "test": ["rock/r1.wav"],
    }
    assert split.part[-1] == -1  # rock/b2.wav is not named
    assert split.protocol == protocol
    assert not is_leaking(split.leaks)


def test_names_are_found_in_the_other_unicode_form(tmp_path):
    made = made_examples(["pop", "pop", "rock", "rock"], names=["é.wav", "e\u0302.wav", "x", "y"])
    rows = ("e\u0301.wav,train", "\u00ea.wav,test", "x,train", "y,test")
    split = make_split(made, write(tmp_path / "s.csv", *rows), valid_share=0.0)
    assert split.names["train"] == ["x", "é.wav"]
    assert split.names["test"] == ["e\u0302.wav", "y"]


def test_gtzans_names_are_known_in_any_spelling(tmp_path):
    made = made_examples(
        ["blues", "blues", "hiphop", "hiphop"],
        names=["blues.00000", "blues.00001", "hiphop.00000", "hiphop.00001"],
    )
    protocol = write(
        tmp_path / "s.csv",
        "genres/blues/blues.00000.au,train",
        "hip-hop_00000.wav,train",
        "./blues_00001.wav,test",
        "hiphop.00001.flac,test",
    )
    split = make_split(made, protocol, valid_share=0)
    assert split.names["test"] == ["blues.00001", "hiphop.00001"]


def shared(split):
    return {leak.kind: leak.shared for leak in split.leaks if leak.shared}


def test_what_a_split_leaks_is_seen(tmp_path):
    rows = [f"{name},{'test' if '1' in name else 'train'}" for name in NAMES]
    protocol = write(tmp_path / "s.csv", *rows)
    same = dict.fromkeys(["b0", "b1"], "ann")
    artists = [same.get(name[-6:-4], "") for name in NAMES]
    assert shared(make_split(examples(artists=artists), protocol)) == {"artist": 1}
    digests = [same.get(name[-6:-4], "") for name in NAMES]
    assert shared(make_split(examples(digests=digests), protocol)) == {"exact copy": 1}
    assert shared(make_split(examples(), protocol)) == {}
    assert shared(make_split(examples(artists=list(NAMES)), protocol)) == {}  # each its own


def test_slices_can_be_divided(tmp_path):
    rows = [f"{name},train,0" for name in NAMES] + [f"{name},test,1" for name in NAMES]
    protocol = write(tmp_path / "s.csv", *rows, header="path,part,slice")
    split = make_split(examples(), protocol)
    assert shared(split) == {"song": 6}
    assert split.divides_tracks
    assert split.names["test"] == sorted(f"{name}#1" for name in NAMES)
    assert split.names["valid"] == []
    assert len(make_split(examples(), protocol, valid_share=0.5).names["valid"]) == 3


def test_a_validation_part_is_drawn_where_there_is_none(tmp_path):
    names = [f"{genre}/{n}.wav" for genre in ("blues", "rock") for n in range(40)]
    artists = [f"artist {row // 4}" for row in range(80)]
    made = made_examples([n.partition("/")[0] for n in names], artists, names=names)
    rows = [f"{name},{'test' if row % 40 >= 32 else 'train'}" for row, name in enumerate(names)]
    protocol = write(tmp_path / "s.csv", *rows)
    split = make_split(made, protocol, seed=1, valid_share=0.25)
    assert len(split.names["valid"]) == 16
    of = dict(zip(names, artists, strict=True))
    assert not {of[n] for n in split.names["valid"]} & {of[n] for n in split.names["train"]}
    assert len(split.names["test"]) == 16
    assert make_split(made, protocol, valid_share=0).names["valid"] == []


@pytest.mark.parametrize("protocol", ["slices", "tracks", "artists"])
def test_a_runs_own_split_goes_and_comes_back(tmp_path, protocol):
    genres = [genre for genre in ("blues", "rock") for _ in range(30)]
    made = made_examples(genres, slices=3)
    first = make_split(made, protocol, seed=7, valid_share=0.2)
    write_split(tmp_path / "split.json", first)
    again = make_split(made, f"file:{tmp_path / 'split.json'}")
    assert np.array_equal(again.part, first.part)
    assert again.hash == first.hash


@pytest.mark.parametrize(
    ("rows", "header", "match"),
    [
        (["blues/b0.wav,train"], "name,part", "line 1: needs a first line with the columns path"),
        (["blues/b0.wav,trian"], "path,part", "line 2: the part 'trian' must be train, valid or"),
        (["blues/b0.wav"], "path,part", "line 2: 1 cells, but the first line has 2"),
        ([], "path,part", "names no tracks"),
        (["x.wav,train", "y.wav,test"], "path,part", "names no track of these features, .*b0.wav"),
        (
            ["blues/b0.wav,train", "b0.wav,test"],
            "path,part",
            "line 3: b0.wav is in two parts; name its slices",
        ),
        (["blues/b0.wav,train,x"], "path,part,slice", "line 2: the slice 'x' must be a whole"),
        (["blues/b0.wav,train", "q.wav,test"], "path,part", "test part holds no track .* 1 of its"),
        (["blues/b0.wav,test"], "path,part", "its train part holds no track of these features$"),
        (
            ["blues/b0.wav,train", "rock/r0.wav,test"],
            "path,part",
            "the train part has no rock",
        ),
        (['"blues/b0.wav,train'], "path,part", "line 2: "),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, rows, header, match):
    protocol = write(tmp_path / "s.csv", *rows, header=header)
    with pytest.raises(BackbeatError, match=match) as caught:
        make_split(examples(), protocol)
    assert "s.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_foreign_file_is_reported(tmp_path):
    with pytest.raises(BackbeatError, match=r"none\.csv: cannot be read as a split \(No such file"):
        make_split(examples(), f"file:{tmp_path / 'none.csv'}")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(BackbeatError, match=r"x\.json: not a split"):
        make_split(examples(), f"file:{tmp_path / 'x.json'}")
    content = make_split(examples(), "slices").to_json()
    del content["hash"]
    content |= {"parts": {"train": ["song"], "valid": [], "test": []}}
    (tmp_path / "x.json").write_text(json.dumps(content))
    for name in ("song", "song#", "#1", "song#x", "song#-1"):
        content["parts"]["train"] = [name]
        (tmp_path / "x.json").write_text(json.dumps(content))
        with pytest.raises(BackbeatError, match=f"'{name}' names no slice"):
            make_split(examples(), f"file:{tmp_path / 'x.json'}")


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_split_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "s.csv"
    path.write_bytes(b"path,part\n" + content)
    with pytest.raises(BackbeatError) as caught:
        make_split(examples(), f"file:{path}")
    assert "\n" not in str(caught.value)


@settings(max_examples=60)
@example(["./", "0", "1", "00"])  # a name that is nothing but a prefix
@given(st.lists(st.text(min_size=1, max_size=12).filter(str.strip), min_size=4, max_size=9))
def test_any_names_are_found_again(tmp_path_factory, names):
    from hypothesis import assume

    names = list(dict.fromkeys(names))
    assume(len({name.casefold().replace("\\", "/").removeprefix("./") for name in names}) >= 4)
    assume(
        len({name.casefold().replace("\\", "/").removeprefix("./") for name in names}) == len(names)
    )
    assume(
        not any("\ud800" <= letter <= "\udfff" or letter in "\r\n\0" for n in names for letter in n)
    )
    made = made_examples(["blues", "rock"] * 2 + ["rock"] * (len(names) - 4), names=names)
    path = tmp_path_factory.mktemp("names") / "s.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "part"])
        writer.writerows([name, "train" if row < 2 else "test"] for row, name in enumerate(names))
    split = make_split(made, f"file:{path}", valid_share=0)
    assert split.names["train"] == sorted(names[:2])
    assert split.names["test"] == sorted(names[2:])
