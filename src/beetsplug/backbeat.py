"""Genres for beets, by the sound of the songs: ``plugins: backbeat`` and ``beet backbeat QUERY``.

The folder has no ``__init__.py``: ``beetsplug`` is a namespace that beets shares with its plugins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from beets import ui
from beets.plugins import BeetsPlugin

from backbeat.classify import Failure, classify_all, load
from backbeat.classify.windows import DEFAULT_WINDOWS
from backbeat.collections.genres import merge_spellings
from backbeat.errors import BackbeatError, printable
from backbeat.library.tags.plan import Change, Decision, Options, Present, kept, plan

if TYPE_CHECKING:
    import optparse

    from beets.importer import ImportSession, ImportTask
    from beets.library import Album, Item, Library

    from backbeat.classify import Classifier


class BackbeatPlugin(BeetsPlugin):
    """Gives items their predicted genre, and albums the genre that most of their items have.

    Items whose genre the model is unsure of stay as they are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.config.add(
            {
                "auto": True,
                "damaged": False,
                "force": False,
                "min_confidence": Options.min_confidence,
                "model": "gtzan",
                "multi": False,
                "pretend": False,
            }
        )
        if self.config["auto"].get(bool):
            self.import_stages = [self.imported]

    @cached_property
    def classifier(self) -> Classifier:
        """The model, loaded once, when the first song needs it."""
        return load(self.config["model"].as_str(), windows=DEFAULT_WINDOWS)

    @property
    def options(self) -> Options:
        """The options of the configuration and the command line."""
        return Options(
            min_confidence=self.config["min_confidence"].as_number(),
            overwrite=self.config["force"].get(bool),
            multi=self.config["multi"].get(bool),
            damaged=self.config["damaged"].get(bool),
        )

    def commands(self) -> list[ui.Subcommand]:
        """Give the command ``beet backbeat``."""
        command = ui.Subcommand("backbeat", help="set genres by the sound of the songs")
        for short, long, name, value, words in (
            ("-p", "--pretend", "pretend", True, "show changes, make none"),
            ("-f", "--force", "force", True, "replace existing genres, too"),
            ("-F", "--no-force", "force", False, "keep existing genres"),
            ("-m", "--multi", "multi", True, "several genres where more than one is likely"),
            ("-M", "--no-multi", "multi", False, "one genre only"),
        ):
            command.parser.add_option(
                short, long, dest=name, action="store_const", const=value, help=words
            )
        command.func = self.command
        return [command]

    def command(self, lib: Library, opts: optparse.Values, args: list[str]) -> None:
        """Give the items of a query their genres."""
        self.config.set_args(vars(opts))
        self._tag(list(lib.items(args)), write=ui.should_write())

    def imported(self, _session: ImportSession, task: ImportTask) -> None:
        """Give the items of an import their genres; beets itself writes them into the files."""
        self._tag(task.imported_items(), write=False)

    def _tag(self, items: Sequence[Item], *, write: bool) -> None:
        changed = []
        for item, decision in self._decided(items):
            if not isinstance(decision, Failure) and decision.note:
                self._log.warning("{}: {}", printable(decision.path), decision.note)
            if isinstance(decision, Change):
                item.genres = list(decision.genres)
                changed.append(item)
                self._show(item)
                if not self.config["pretend"]:
                    item.try_sync(write=write, move=False)
            elif isinstance(decision, Failure):
                self._log.warning("{}: {}", printable(decision.path), decision.reason)
            else:
                self._log.info("{}: left alone: {}", printable(decision.path), decision.reason)
        for album in _albums(changed):
            self._tag_album(album, changed)

    def _decided(self, items: Sequence[Item]) -> Iterable[tuple[Item, Decision]]:
        """Classify the items whose genre may change, and decide on each."""
        options = self.options
        wanted: list[Item] = []
        present: dict[Path, Present] = {}
        for item in items:
            own = Present("beets", tuple(item.genres), tuple(item.genres))
            if kept(own, options):
                self._log.debug("{}: has a genre", item.filepath)
            else:
                wanted.append(item)
                present[item.filepath] = own
        if not wanted:
            return
        try:
            answers = classify_all(self.classifier, [item.filepath for item in wanted])
            yield from zip(wanted, plan(answers, present, options), strict=True)
        except BackbeatError as error:
            # It has moved to beets.exceptions, but both old and new versions have it here.
            raise ui.UserError(f"backbeat: {error}") from error  # type: ignore[attr-defined]

    def _tag_album(self, album: Album, changed: Sequence[Item]) -> None:
        """Give an album the genre that most of its items have, including those just changed."""
        if album.genres and not self.config["force"].get(bool):
            return
        fresh = {item.id: item.genres for item in changed}
        genres = [genre for item in album.items() for genre in fresh.get(item.id, item.genres)]
        shown = merge_spellings(genres)
        album.genres = [Counter(shown[genre] for genre in genres).most_common(1)[0][0]]
        self._show(album)
        if not self.config["pretend"]:
            album.store(inherit=False)  # each item has a genre of its own

    def _show(self, changed: Item | Album) -> None:
        ui.show_model_changes(changed, fields=["genres"])


def _albums(items: Iterable[Item]) -> list[Album]:
    """Give the albums of items, each once."""
    found = (item.get_album() for item in items)
    return list({album.id: album for album in found if album is not None}.values())
