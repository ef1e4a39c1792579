"""Collections as people have them: public layouts, tables of every program, odd spellings."""

import csv
import io
import json
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from backbeat.collections.collection import read_collection
from backbeat.collections.doubts import doubt_of
from backbeat.collections.tables import parse_columns
from backbeat.errors import BackbeatError
from backbeat.features.store import open_features
from backbeat.splits import make_split
from sounds import music, write

GENRES = ("blues", "classical", "country")
MANY = [(genre, number) for genre in GENRES for number in range(6)]


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def counts(collection):
    return dict(Counter(track.genre for track in collection.tracks))


def six(*genres):
    return dict.fromkeys(genres, 6)


# --- Folders: the files, the folder to give, its genres, what is noted, the doubt

NUMBERS = "the genres are numbers"
ALONE = "there is one genre alone"
FOLDERS = {
    "nested": (
        [f"{genre}/Artist {i % 3}/Album {i % 2}/{i:02} - Song.wav" for genre, i in MANY],
        *("", six(*GENRES), (), None),
    ),
    "kaggle": (
        [f"Data/genres_original/{genre}/{genre}.{i:05}.wav" for genre, i in MANY]
        + [f"Data/images_original/{genre}/{genre}{i:05}.png" for genre, i in MANY]
        + ["Data/features_30_sec.csv"],
        *("", six(*GENRES), (), None),
    ),
    "ballroom": (
        [f"BallroomData/{genre}/Media-{i}.wav" for genre, i in MANY]
        + ["BallroomData/allBallroomFiles", "BallroomData/nada/notes.txt"],
        *("BallroomData", six(*GENRES), ("1 folder without audio: nada",), None),
    ),
    "ballroom's parent": (
        [f"BallroomData/{genre}/Media-{i}.wav" for genre, i in MANY],
        *("", {"BallroomData": 18}, (), ALONE),
    ),
    "fma": (
        ["000/000002.wav", "000/000005.wav", "001/001020.wav"],
        *("", {"000": 2, "001": 1}, (), NUMBERS),
    ),
    "ismir04": (
        [f"audio/training/{genre}/artist_{i % 3}/album_1/{i:02}-tune.wav" for genre, i in MANY],
        *("audio", six(*GENRES), ("training: parts of a split, not genres",), None),
    ),
    "train and test": (
        [f"{'Train' if i < 4 else 'testing'}/{genre}/{i}.wav" for genre, i in MANY]
        + ["Train/nada/notes.txt", "Train/.git/x", "__MACOSX/Train/._0.wav"],
        *("", six(*GENRES)),
        (
            "2 folders without audio: __MACOSX, Train/nada",
            "Train, testing: parts of a split, not genres",
        ),
        None,
    ),
    "train and test without genres": (
        [f"{'train' if i < 4 else 'test'}/{genre}_{i}.wav" for genre, i in MANY],
        *("", {"test": 6, "train": 12}, (), "test, train: named as the parts of a split"),
    ),
    "mac and nas": (
        [f"{genre}/{i}.wav" for genre, i in MANY]
        + ["__MACOSX/blues/._0.wav", "@eaDir/x.jpg", "blues/.DS_Store", "blues/Thumbs.db"],
        *("", six(*GENRES), ("2 folders without audio: @eaDir, __MACOSX",), None),
    ),
    "labels that are none": (
        ["nan/a.wav", "None/b.wav", "blues/c.wav", "rock/d.wav"],
        *("", {"blues": 1, "rock": 1}, ("2 of 4 songs left out, without a genre",), None),
    ),
    "a genre a song": (
        [f"genre {i}/{i}.wav" for i in range(21)],
        *("", {f"genre {i}": 1 for i in range(21)}, (), "21 genres are many for 21 songs"),
    ),
    "one": ([f"rock/{i}.wav" for i in range(6)], "", {"rock": 6}, (), ALONE),
    "one each": ([f"g{i}/0.wav" for i in range(6)], "", {f"g{i}": 1 for i in range(6)}, (), None),
    "two hundred": (
        [f"genre {i}/{j}.wav" for i in range(200) for j in range(2)],
        *("", {f"genre {i}": 2 for i in range(200)}, (), None),
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders(tmp_path, name):
    files, folder, genres, notes, doubt = FOLDERS[name]
    touch(tmp_path, *files)
    collection = read_collection(tmp_path / folder)
    assert (counts(collection), collection.notes) == (genres, notes)
    why = doubt_of(collection)
    assert (why and why[0]) == doubt


def test_the_doubt_names_the_folder_of_the_genres(tmp_path):
    touch(tmp_path, "audio/training/jazz/a.wav", "audio/training/rock/x/b.wav", "list.csv")
    remedy = f"give {tmp_path}/audio/training if its sub-folders are the genres"
    assert doubt_of(read_collection(tmp_path)) == (ALONE, remedy)


def test_no_folder_with_audio(tmp_path):
    touch(tmp_path, "pop/readme.txt", "rock/._a.wav")
    with pytest.raises(BackbeatError, match="no audio in the sub-folders; put each genre's songs"):
        read_collection(tmp_path)
    touch(tmp_path, "NaN/a.wav")
    with pytest.raises(BackbeatError, match="no song has a genre in its folder's name; give a CSV"):
        read_collection(tmp_path)


def test_genres_in_the_names_of_files(tmp_path):
    flat = [f"{genre}.{i:05}.wav" for genre, i in MANY]
    touch(tmp_path / "flat", *flat)
    with pytest.raises(BackbeatError, match=r"\(the first is blues\.00000\.wav\).*--genre-from na"):
        read_collection(tmp_path / "flat")
    collection = read_collection(tmp_path / "flat", genre_from="name")
    assert (collection.kind, counts(collection)) == ("gtzan", six(*GENRES))
    assert [track.name for track in collection.tracks] == flat
    assert collection.tracks[0].artist == "John Lee Hooker"

    names = ["hip_hop_1.wav", "Jazz - So What 2.mp3", "a/pop_x.wav", "song.wav", "01 tune.wav"]
    touch(tmp_path / "mixed", *names)
    collection = read_collection(tmp_path / "mixed", genre_from="name")
    assert {track.name: track.genre for track in collection.tracks} == {
        **{"hip_hop_1.wav": "hip_hop", "Jazz - So What 2.mp3": "Jazz", "a/pop_x.wav": "pop"}
    }
    assert collection.notes == ("2 of 5 songs left out, without a genre",)

    touch(tmp_path / "divided", "train/jazz_1.wav", "test/jazz_2.wav")
    collection = read_collection(tmp_path / "divided", genre_from="name")
    assert [(track.genre, track.part) for track in collection.tracks] == [
        *(("jazz", "test"), ("jazz", "train"))
    ]
    touch(tmp_path / "none", "a.wav")
    with pytest.raises(BackbeatError, match="no song has a genre in its file's name, such as"):
        read_collection(tmp_path / "none", genre_from="name")


# --- Tables


ROWS = [
    (f"musik/Künstler, {i % 3}/Stück {i} {genre}.wav", genre, f"Künstler, {i % 3}")
    for genre, i in MANY
]
RIGHT = sorted((path, genre, artist) for path, genre, artist in ROWS)
HEADER = ("path", "genre", "artist")
WINDOWS = "C:\\Users\\me\\"


def text_of(rows, delimiter=",", end="\r\n", header=HEADER):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([header, *rows])
    return text.getvalue()


def spelt(change):
    return [(change(path), genre, artist) for path, genre, artist in ROWS]


def backslashes(path):
    return path.replace("/", "\\")


BACKSLASH = text_of(spelt(backslashes), ";")
TABLES = {
    "comma": text_of(ROWS).encode(),
    "semicolon, mark": text_of(ROWS, ";").encode("utf-8-sig"),
    "semicolon, Windows-1252": text_of(ROWS, ";").encode("cp1252"),
    "Unicode text": text_of(ROWS, "\t").encode("utf-16"),
    "tab": text_of(ROWS, "\t").encode(),
    "sep=": b"\xef\xbb\xbfsep=;\r\n" + text_of(ROWS, ";").encode(),
    "ends as on old Macs": text_of(ROWS, end="\r").encode(),
    "capitals": text_of(ROWS, header=("Path", "Genre", "Artist")).encode(),
    "an index": text_of([(i, *row) for i, row in enumerate(ROWS)], header=("", *HEADER)).encode(),
    "backslashes": BACKSLASH.encode(),
    "a drive": text_of(spelt(lambda path: WINDOWS + backslashes(path)), ";").encode(),
    "another machine": text_of(spelt(lambda path: f"/home/me/{path}")).encode(),
    "decomposed": text_of(spelt(lambda path: unicodedata.normalize("NFD", path))).encode(),
    "letter case": text_of(spelt(str.upper)).encode(),
    "no suffix": text_of(spelt(lambda path: path[:-4])).encode(),
}
OTHERWISE = ("backslashes", "a drive", "another machine", "decomposed", "letter case", "no suffix")


@pytest.fixture(scope="module")
def excel(tmp_path_factory):
    root = tmp_path_factory.mktemp("excel")
    touch(root, *(path for path, _, _ in ROWS))
    return root


def found(collection):
    return sorted((track.name, track.genre, track.artist) for track in collection.tracks)


@pytest.mark.parametrize("name", TABLES)
def test_tables(excel, name):
    path = excel / "table.csv"
    path.write_bytes(TABLES[name])
    collection = read_collection(path)
    assert found(collection) == RIGHT
    assert all(track.path.is_file() for track in collection.tracks)
    if name in OTHERWISE:
        (note,) = collection.notes
        assert note.startswith(f"18 paths found under another spelling, such as {ROWS[0][0]} for ")
        assert note.endswith("for the other Unicode form") == (name == "decomposed")
    elif name == "semicolon, Windows-1252":
        assert collection.notes == (f"{path}: not in UTF-8; read as Windows-1252",)
    else:
        assert collection.notes == ()


def test_decomposed_names_on_the_disk(tmp_path):
    touch(tmp_path, *(unicodedata.normalize("NFD", path) for path, _, _ in ROWS))
    (tmp_path / "songs.csv").write_text(text_of(ROWS))
    collection = read_collection(tmp_path / "songs.csv")
    assert len(collection.tracks) == 18
    assert all(track.path.is_file() for track in collection.tracks)


def test_a_spelling_that_could_mean_two_files_means_none(tmp_path):
    touch(tmp_path, "a/Song.wav", "a/SONG.wav", "a/b.wav", "a/b.mp3", "x/c.wav", "d.wav")
    (tmp_path / "songs.csv").write_text("path,genre\na/song.wav,x\na/b,y\nD.WAV,z\n")
    there = {t.name: t.path.exists() for t in read_collection(tmp_path / "songs.csv").tracks}
    assert there == {"a/b": False, "a/song.wav": False, "d.wav": True}
    # All lose the same beginning, or it might be another song of the same name.
    (tmp_path / "songs.csv").write_text("path,genre\nC:\\m\\x\\c.wav,x\nC:\\other\\m\\d.wav,y\n")
    there = {t.name: t.path.exists() for t in read_collection(tmp_path / "songs.csv").tracks}
    assert there == {"C:\\other\\m\\d.wav": False, "x/c.wav": True}
    (tmp_path / "songs.csv").write_text("path,genre\na\\b.wav,x\na/b.wav,y\n")
    with pytest.raises(BackbeatError, match=r"line 3: a/b\.wav is on line 2 already"):
        read_collection(tmp_path / "songs.csv")


LABELS = {
    "": ("", "NaN", "nan", " None ", "NULL", "n/a", "<NA>", ";"),
    "Nant": ("Nant", "Nant;NaN", "nan|Nant"),
}


def test_labels_that_are_no_genre(tmp_path):
    cells = [(genre, cell) for genre, cells in LABELS.items() for cell in cells]
    names = [f"{number}.wav" for number in range(len(cells))]
    touch(tmp_path, *names)
    lines = "".join(f"{name},{cell}\n" for name, (_, cell) in zip(names, cells, strict=True))
    (tmp_path / "songs.csv").write_text(f"path,genre\n{lines}")
    collection = read_collection(tmp_path / "songs.csv")
    assert [track.name for track in collection.tracks] == ["8.wav", "9.wav", "10.wav"]
    assert counts(collection) == {"Nant": 3}
    assert collection.several == 0
    assert collection.notes == ("8 of 11 rows left out, without a genre",)
    (tmp_path / "songs.csv").write_text("path,genre\n0.wav,NaN\n")
    with pytest.raises(BackbeatError, match=r"songs\.csv: no row has a genre"):
        read_collection(tmp_path / "songs.csv")


def test_numbers_in_a_table_are_doubted(tmp_path):
    touch(tmp_path, "a.wav", "b.wav")
    (tmp_path / "songs.csv").write_text("path,genre\na.wav,0\nb.wav,1\n")
    remedy = "name the column of the genres by --columns genre=NAME"
    assert doubt_of(read_collection(tmp_path / "songs.csv")) == (NUMBERS, remedy)


# --- Columns


def read(path, columns, **options):
    return read_collection(path, columns=parse_columns(columns), **options)


def test_columns_by_name(tmp_path):
    touch(tmp_path, "a.wav", "b.wav")
    path = tmp_path / "metadata.csv"
    path.write_text("File_Name,label,path,by\na.wav,pop,x,A\nb.wav,rock,y,B\n")
    with pytest.raises(BackbeatError, match=r"no column 'genre' among file_name, label, path, by"):
        read_collection(path)
    collection = read(path, "path=file_name, genre=Label ,artist=by")
    assert found(collection) == [("a.wav", "pop", "A"), ("b.wav", "rock", "B")]
    with pytest.raises(BackbeatError, match="no column 'singer' among"):
        read(path, "path=file_name,genre=label,artist=singer")
    assert parse_columns("path=a, b,genre=c=d") == {"path": "a, b", "genre": "c=d"}
    for wrong in ("", "path", "genre=", "pfad=a", "path=a,,genre="):
        with pytest.raises(BackbeatError, match="write path=COLUMN,genre=COLUMN"):
            parse_columns(wrong)


def test_a_table_without_names_of_columns(tmp_path):
    """ISMIR04's tracklist."""
    names = [f"audio/training/{genre}/artist_{i % 3}/{i:02}-tune.wav" for genre, i in MANY]
    touch(tmp_path, *names)
    rows = [
        f'"{genre}","artist_{i % 3}","album_1","tune","{i}","{name}"\n'
        for (genre, i), name in zip(MANY, names, strict=True)
    ]
    path = tmp_path / "tracklist.csv"
    path.write_text("".join(rows))
    collection = read(path, "path=6,genre=1,artist=2,title=4")
    assert counts(collection) == six(*GENRES)
    assert {track.artist for track in collection.tracks} == {"artist_0", "artist_1", "artist_2"}
    assert {track.title for track in collection.tracks} == {"tune"}
    path.write_text('"class","artist","album","track","number","path"\n' + "".join(rows))
    with pytest.raises(BackbeatError, match="line 1: no such file: path; if this line names the"):
        read(path, "path=6,genre=1")
    assert counts(read(path, "genre=class")) == six(*GENRES)


def test_tags_without_a_fixed_number(tmp_path):
    """MTG-Jamendo's table."""
    lines = ["TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"]
    for number, (genre, i) in enumerate(MANY):
        name = f"{number:02}/{1000 + number}.wav"
        touch(tmp_path / "audio", name)
        tags = [f"genre---{genre}", *["genre---pop"] * (i % 2), "instrument---piano"]
        cells = (f"track_{number}", f"artist_{i}", "album_1", name, "30.0", *tags)
        lines.append("\t".join(cells))
    path = tmp_path / "autotagging.tsv"
    path.write_text("\n".join(lines))
    columns = "path=PATH,genre=TAGS,artist=ARTIST_ID"
    with pytest.raises(BackbeatError, match=r"no such file.*or to that of --songs"):
        read(path, columns)
    collection = read(path, columns, songs=tmp_path / "audio")
    assert counts(collection) == six(*GENRES)
    assert collection.several == 9
    assert len({track.artist for track in collection.tracks}) == 6
    assert len(read(path, columns, songs=tmp_path / "audio", several="skip").tracks) == 9


FMA = """\
,album,artist,set,set,track,track
,title,name,subset,split,genre_top,title
track_id,,,,,,
2,Album,Artist 0,small,training,Hip-Hop,"Title
of two lines"
5,Album,Artist 0,small,validation,Rock,x
140,Album,Artist 1,small,test,Hip-Hop,y
141,Album,Artist 1,small,test,,z
"""


def test_three_lines_of_names_and_songs_by_number(tmp_path):
    """The table of the Free Music Archive's collection."""
    touch(tmp_path / "fma_small", *(f"000/{number:06}.mp3" for number in (2, 5, 140, 141)))
    path = tmp_path / "tracks.csv"
    path.write_text(FMA)
    columns = "path=track_id,genre=track.genre_top,artist=artist.name,part=set.split"
    collection = read(path, columns, songs=tmp_path / "fma_small")
    assert [(t.name, t.genre, t.artist, t.part) for t in collection.tracks] == [
        ("000/000002.mp3", "Hip-Hop", "Artist 0", "train"),
        ("000/000005.mp3", "Rock", "Artist 0", "valid"),
        ("000/000140.mp3", "Hip-Hop", "Artist 1", "test"),
    ]
    assert collection.notes == (
        "4 paths found under another spelling, such as 000/000002.mp3 for 2",
        "1 of 4 rows left out, without a genre",
    )
    with pytest.raises(BackbeatError, match=r"line 5: the part Album must be train, valid or test"):
        read(path, columns.replace("set.split", "album.title"), songs=tmp_path / "fma_small")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("archive.zip", b"PK\3\4\0\0", "an archive; unpack it and give its folder"),
        ("songs.tar.gz", b"\x1f\x8b\x08", "an archive; unpack it and give its folder"),
        ("songs.xlsx", b"PK\3\4\0\0", "a workbook; save its sheet as CSV in UTF-8"),
        ("songs.xls", b"\xd0\xcf\x11\xe0", "a workbook; save its sheet as CSV in UTF-8"),
        ("theirs.npz", b"PK\3\4\0\0", "arrays; use backbeat import-features"),
        ("train.parquet", b"PAR1" + bytes(200) + b"PAR1", "a Parquet file; write its songs to"),
        ("song.mp3", b"ID3", "a song, not a collection; give the folder of the genres'"),
    ],
)
def test_what_is_no_table(tmp_path, cli, name, content, words):
    (tmp_path / name).write_bytes(content)
    status, out, err = cli("prepare", tmp_path / name, "-o", tmp_path / "new" / "features")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"backbeat: {tmp_path / name}: {words}")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_options_of_tables_and_folders(tmp_path):
    touch(tmp_path, "rock/a.wav")
    for option in ({"columns": {"path": "a"}}, {"songs": tmp_path}, {"several": "first"}):
        with pytest.raises(BackbeatError, match=rf"--{next(iter(option))} is for tables; in a fol"):
            read_collection(tmp_path, **option)
    (tmp_path / "songs.csv").write_text("path,genre\nrock/a.wav,rock\n")
    with pytest.raises(BackbeatError, match="--genre-from name is for folders"):
        read_collection(tmp_path / "songs.csv", genre_from="name")


# --- By the command line


@pytest.fixture(scope="module")
def divided(tmp_path_factory):
    root = tmp_path_factory.mktemp("divided")
    for number, (part, genre) in enumerate(
        (part, genre) for part in ("train", "validation", "test") for genre in ("jazz", "rock")
    ):
        write(root / part / genre / "1.wav", music(30.0, 4_000, seed=number), 4_000)
    return root


def test_a_collection_that_comes_with_a_split(divided, tmp_path, cli):
    out = tmp_path / "features"
    command = ("prepare", divided, "-o", out, "-w", 1)
    for _ in range(2):  # the second time there is nothing to do
        status, printed, err = cli(*command)
        assert status == 0
        assert err.splitlines() == [
            "6 songs in 2 genres: jazz 3, rock 3",
            "test, train, validation: parts of a split, not genres",
        ]
        assert f"--split file:{out}/split.csv -o RUN\n" in printed
    assert json.loads(cli(*command, "--json")[1])["split"] == f"{out}/split.csv"
    examples = open_features(out).examples("mfcc")
    split = make_split(examples, f"file:{out}/split.csv")
    for part in ("train", "valid", "test"):
        names = {examples.names[track] for track in examples.track[split.rows(part)]}
        folder = "validation" if part == "valid" else part
        assert names == {f"{folder}/jazz/1.wav", f"{folder}/rock/1.wav"}


@pytest.mark.parametrize("verb", ["check", "prepare"])
def test_a_doubt_stops_before_anything_is_made(tmp_path, cli, verb):
    for number, name in enumerate(("000/000002.wav", "001/001003.wav")):
        write(tmp_path / "songs" / name, music(30.0, 4_000, seed=number), 4_000)
    more = ("-o", tmp_path / "new/f") if verb == "prepare" else ()
    command = (verb, tmp_path / "songs", *more, "-w", 1)
    status, out, err = cli(*command)
    assert (status, out) == (1, "")
    first, question = err.splitlines()
    assert first == "2 songs in 2 genres: 000 1, 001 1"
    assert question == (
        f"backbeat: {tmp_path}/songs: {NUMBERS}; give a table (--columns), or --genre-from name if "
        "files are named by genre; if these are the genres, add --yes"
    )
    assert not (tmp_path / "new").exists()
    assert cli(*command, "--yes")[0] == 0


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_doubt_is_a_question_in_a_terminal(tmp_path, cli, monkeypatch, answer):
    write(tmp_path / "songs/rock/a.wav", music(3.5))

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
    status, out, err = cli("check", tmp_path / "songs", "-w", 1)
    assert status == int(answer == "n")
    assert ("rock" in out) == (answer == "y")
    assert f"{ALONE}; if these are no genres, give a table" in err
    assert "Are these the genres? [y/N]:" in err


def test_columns_by_the_command_line(tmp_path, cli):
    for number in range(2):
        write(tmp_path / "songs" / f"{number}.wav", music(3.5, seed=number))
    (tmp_path / "lists").mkdir()
    table = tmp_path / "lists" / "songs.csv"
    table.write_text("file,label\n0.wav,jazz\n1.wav,rock\n2.wav,NaN\n")
    status, out, err = cli(
        *("check", table, "--columns", "path=file,genre=label"),
        *("--songs", tmp_path / "songs", "-w", 1),
    )
    assert (status, err.splitlines()) == (
        *(0, ["2 songs in 2 genres: jazz 1, rock 1", "1 of 3 rows left out, without a genre"]),
    )
    assert "2 tracks" in out
    status, out, _ = cli(
        "check", tmp_path / "songs", "--genre-from", "name", "--yes", "--json", "-w", 1
    )
    assert (status, out) == (1, "")  # 0.wav and 1.wav begin with no genre
    Path(tmp_path / "songs/0.wav").rename(tmp_path / "songs/jazz_0.wav")
    Path(tmp_path / "songs/1.wav").rename(tmp_path / "songs/rock_1.wav")
    status, out, _ = cli("check", tmp_path / "songs", "--genre-from", "name", "--json", "-w", 1)
    assert {one["genre"]: one["tracks"] for one in json.loads(out)["genres"]} == {
        **{"jazz": 1, "rock": 1}
    }
