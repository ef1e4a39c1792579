"""The plugin in a real beets: imports and the command, on a library in a temporary folder."""

import contextlib
import importlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from backbeat.evaluation.calibration import Calibration, Unsure
from backbeat.library.tags import formats
from bundles import make_bundle
from tagged import copy_of, make_songs

NAMES = ("Blues", "Jazz", "Rock")  # of the bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Songs of three seconds in several formats; not to be changed."""
    return make_songs(tmp_path_factory.mktemp("made"), seconds=3.0)


@pytest.fixture
def beets(tmp_path, bundle, made):
    """A configuration of beets, and a folder of songs that is not yet in its library."""
    return Beets(tmp_path, bundle, made)


class Beets:
    """A beets with our plugin, all of it below one folder."""

    def __init__(self, folder, bundle, made):
        self.folder = folder
        self.songs = [copy_of(made[suffix], folder / "new") for suffix in ("mp3", "flac", "m4a")]
        self.settings = {"model": str(bundle), "min_confidence": 0.1}

    def __call__(self, *arguments, write=True, **settings):
        """Run `beet` in a process of its own; gives what it printed."""
        config = {
            "directory": str(self.folder / "music"),
            "library": str(self.folder / "library.db"),
            "plugins": ["backbeat"],
            "import": {"copy": False, "write": write, "autotag": False, "log": None},
            "backbeat": {**self.settings, **settings},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))
        return subprocess.run(
            [sys.executable, "-m", "beets", *map(str, arguments)],
            env={**os.environ, "BEETSDIR": str(self.folder), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    def genres(self):
        """What the library says of each song, by its suffix, and of each album."""
        from beets.library import Library

        library = Library(str(self.folder / "library.db"), str(self.folder / "music"))
        try:
            return {
                Path(os.fsdecode(item.path)).suffix[1:]: item.genres for item in library.items()
            }, [album.genres for album in library.albums()]
        finally:
            library._close()


@pytest.fixture
def unsure(tmp_path):
    """A model that is sure of nothing."""
    calibration = Calibration(
        temperature=1.0,
        songs=50,
        unsure=Unsure(threshold=1.0, max_error=0.2, coverage=0.5, error=0.1),
    )
    return make_bundle(tmp_path / "unsure.backbeat", calibration=calibration)


def contents(songs):
    return [path.read_bytes() for path in songs]


# --- Imports


def test_an_import_gives_genres(beets):
    before = contents(beets.songs)
    done = beets("import", "-q", beets.folder / "new")
    assert done.returncode == 0, done.stderr
    songs, albums = beets.genres()
    assert set(songs) == {"mp3", "flac", "m4a"}
    assert all(len(genres) == 1 and genres[0] in NAMES for genres in songs.values())
    (album,) = albums
    most = Counter(genres[0] for genres in songs.values()).most_common(1)[0][0]
    assert album == [most]
    # beets writes no tags of what is imported as it is, and so nor do we.
    assert contents(beets.songs) == before


def test_without_auto_an_import_stays_as_it_is(beets):
    formats.write(beets.songs[0], ("Polka",))
    done = beets("import", "-q", beets.folder / "new", auto=False, model="nowhere")
    assert done.returncode == 0, done.stderr
    assert beets.genres()[0] == {"mp3": ["Polka"], "flac": [], "m4a": []}


def beets_helpers():
    """Give what beets has for tests of plugins; after beets 2.7's, only its own would be found."""
    importlib.import_module("beetsplug.backbeat")
    from beets.test import helper

    return helper


@contextlib.contextmanager
def running(helper):
    """Use a helper of beets; those of beets 2.7 are no context managers."""
    helper.setup_beets()
    try:
        yield helper
    finally:
        helper.teardown_beets()


def test_a_matched_import_is_written_by_beets(beets, bundle):
    """With metadata of a source, the genre goes into the file with all the rest."""
    helpers = beets_helpers()

    class Imports(helpers.PluginMixin, helpers.ImportHelper):
        plugin = "backbeat"
        preload_plugin = False

    helper, stub = Imports(), helpers.AutotagStub(helpers.AutotagStub.IDENT)
    settings = {"model": str(bundle), "min_confidence": 0.1}
    with running(helper), helper.configure_plugin(settings):
        stub.install()
        try:
            helper.setup_importer(beets.folder / "new", copy=True, write=True).run()
        finally:
            stub.restore()
        items = list(helper.lib.items())
        assert len(items) == 3
        for item in items:
            assert item.title.startswith("Applied")
            assert item.genres
            assert formats.read(item.filepath).genres == tuple(item.genres)
    assert all(formats.read(path).genres == () for path in beets.songs)  # they were copied


# --- beet backbeat


def test_the_command_fills_what_is_empty_and_writes(beets):
    formats.write(beets.songs[0], ("Polka",))
    polka = beets.songs[0].read_bytes()
    assert beets("import", "-q", beets.folder / "new", auto=False).returncode == 0
    done = beets("backbeat")
    assert done.returncode == 0, done.stderr
    songs, albums = beets.genres()
    assert songs["mp3"] == ["Polka"]
    assert beets.songs[0].read_bytes() == polka
    for path in beets.songs[1:]:
        (genre,) = songs[path.suffix[1:]]
        assert genre in NAMES
        assert formats.read(path).genres == (genre,)
        assert genre in done.stdout
    assert len(albums) == 1
    # A second time nothing is classified: not even the model is loaded.
    assert beets("backbeat", model="nowhere").returncode == 0


class Library:
    """A library of an album of three songs, the first with a genre of its own; in this process."""

    def __init__(self, helper, songs):
        from beets.library import Item

        formats.write(songs[0], ("Polka",))
        self.helper, self.songs = helper, songs
        self.album = helper.lib.add_album([Item.from_path(str(path)) for path in songs])
        self.album.genres = []
        self.album.store(inherit=False)
        self.before = contents(songs)

    def run(self, *arguments, write=True, **settings):
        self.helper.config["import"]["write"] = write
        with self.helper.configure_plugin(settings):
            self.helper.run_command("backbeat", *arguments)

    @property
    def genres(self):
        genres = {item.filepath: item.genres for item in self.helper.lib.items()}
        return [genres[path] for path in self.songs]

    @property
    def album_genres(self):
        (album,) = self.helper.lib.albums()
        return album.genres


@pytest.fixture
def library(tmp_path, bundle, made):
    helpers = beets_helpers()

    class Helper(helpers.PluginMixin, helpers.TestHelper):
        plugin = "backbeat"
        preload_plugin = False

    with running(Helper()) as helper:
        yield Library(helper, [copy_of(made[n], tmp_path / "new") for n in ("mp3", "flac", "m4a")])


@pytest.fixture
def settings(bundle):
    return {"model": str(bundle), "min_confidence": 0.1}


def test_a_query_force_and_no_writing(library, settings):
    library.run("--force", "path::mp3$", write=False, **settings)
    mp3, *others = library.genres
    assert mp3[0] in NAMES
    assert others == [[], []]
    assert library.album_genres == mp3
    assert contents(library.songs) == library.before


def test_pretending_shows_and_changes_nothing(library, settings, capsys):
    library.run("--pretend", "-f", **settings)
    assert sum(name in capsys.readouterr().out for name in NAMES) > 0
    assert library.genres == [["Polka"], [], []]
    assert library.album_genres == []
    assert contents(library.songs) == library.before


def test_the_settings_can_be_made_undone_for_once(library, settings):
    library.run("-F", "-M", force=True, multi=True, **settings)
    assert library.genres[0] == ["Polka"]
    assert [len(genres) for genres in library.genres] == [1, 1, 1]


def test_several_genres_are_a_list(library, settings):
    library.run("--multi", **settings)
    assert max(map(len, library.genres)) > 1
    assert [formats.read(path).genres for path in library.songs] == [
        tuple(genres) for genres in library.genres
    ]
    assert len(library.album_genres) == 1


def test_spellings_of_an_albums_genre_count_together(library, settings):
    items = list(library.helper.lib.items())
    for item, genres in zip(items, ([], ["trip hop"], ["Trip-Hop"]), strict=True):
        item.genres = genres
        item.store()
    library.run(write=False, **settings)
    assert library.album_genres == ["trip hop"]


def test_unsure_songs_and_bad_files_are_left_alone(library, unsure, caplog):
    library.songs[1].write_bytes(b"no song any more")
    before = contents(library.songs)
    with caplog.at_level("INFO", "beets"):
        library.run("--force", model=str(unsure))
    assert library.genres == [["Polka"], [], []]
    assert library.album_genres == []
    assert contents(library.songs) == before
    messages = [record.getMessage() for record in caplog.records]
    assert sum("left alone: unsure" in line for line in messages) == 2
    assert sum("flac.flac: not audio" in line for line in messages) == 1


def test_too_little_confidence_leaves_alone(library, settings):
    library.run(**{**settings, "min_confidence": 1.0})
    assert library.genres == [["Polka"], [], []]


def test_an_album_keeps_its_genre_unless_forced(library, settings):
    library.album.genres = ["Ska"]
    library.album.store(inherit=False)
    library.run(**settings)
    assert library.album_genres == ["Ska"]
    assert all(library.genres)
    library.run("-f", **settings)
    assert library.genres[0] in [[name] for name in NAMES]
    assert library.album_genres[0] in NAMES


def test_a_model_that_is_not_there_is_told_in_a_line(library):
    from beets.ui import UserError

    with pytest.raises(UserError, match=r"^backbeat: nowhere: "):
        library.run(model="nowhere")
    assert contents(library.songs) == library.before
