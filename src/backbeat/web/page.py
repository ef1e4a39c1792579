"""The page: songs dropped or recorded, their answers, and a description of the model."""

import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before Gradio is imported
import gradio as gr

from backbeat import __version__
from backbeat.audio import AUDIO_SUFFIXES, AudioError
from backbeat.classify import Answer, Failure
from backbeat.errors import BackbeatError
from backbeat.files.folders import natural
from backbeat.web import pictures, view
from backbeat.web.service import RefusedError, Service, own_name, shown_name
from backbeat.web.uploads import Arrivals, Uploads

# Keeps the song in the browser before it is classified, for the player afterwards.
_KEEP = "async (song, ...others) => { await backbeat.keep(song); return [song, ...others]; }"
_SHOW = "() => backbeat.show()"


def theme() -> gr.themes.Base:
    """Give the theme of Gradio's own parts, in the system's fonts."""
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(
        # More contrast than Gradio's own: each at least 4.5 to 1.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        color_accent="#00568a",
        border_color_primary="*neutral_300",
        border_color_primary_dark="*neutral_500",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
    )


def style() -> str:
    """Give the style of this package's own parts."""
    return _static("page.css")


def head() -> str:
    """Give the head of the page: its icon and its script."""
    return view.render("head.html") + f"<script>{_static('page.js')}</script>"


def make_page(service: Service, uploads: Uploads) -> Any:
    """Make the page, a `gradio.Blocks`."""
    limits = service.limits

    def answer_song(path: str | None, tags: bool) -> tuple[str, None]:
        if path is None:
            return "", None
        song = Path(path)
        try:
            with uploads.held([song]) as (own,):
                answer = service.answer(own, song.name, tags=tags)
                drawn = service.work(pictures.draw, own, song.name)
                return view.answer_html(answer, drawn), None
        except BackbeatError as error:
            return view.refusal_html(str(error)), None

    def answer_folder(paths: list[str] | None) -> Iterator[tuple[str, None]]:
        """Classify the audio files of a folder, as `backbeat classify` does."""
        sent = [Path(path) for path in paths or ()]
        songs = [song for song in sent if song.suffix.lower() in AUDIO_SUFFIXES]
        for other in set(sent) - set(songs):
            uploads.forget(other)
        yield from answer_many(sorted(map(str, songs), key=lambda song: natural(Path(song).name)))

    def answer_many(paths: list[str] | None) -> Iterator[tuple[str, None]]:
        try:
            yield from answers_to([Path(path) for path in paths or ()])
        except BackbeatError as error:
            yield view.refusal_html(str(error)), None

    def answers_to(songs: list[Path]) -> Iterator[tuple[str, None]]:
        with uploads.held(songs) as own:
            if not songs:
                yield view.refusal_html("no audio files found"), None
                return
            if len(songs) > limits.files:
                yield view.refusal_html(f"{len(songs)} files; at most {limits.files} at once"), None
                return
            results: list[Answer | Failure] = []
            for path, song in zip(own, songs, strict=True):
                yield view.table_html(results, of=len(songs)), None
                results.append(_answered(service, path, song.name))
            yield view.table_html(results, of=len(songs)), None

    with gr.Blocks(title="backbeat", analytics_enabled=False) as page:
        _html(view.render("header.html", genres=service.classifier.genres))
        with gr.Tab("A song"):
            with gr.Row(elem_id="ways"):
                song = _sent_only(
                    gr.File(label="A song", file_count="single", elem_id="song", height=150),
                    uploads,
                )
                record = _sent_only(
                    gr.Audio(
                        label="Or record it",
                        sources=["microphone"],
                        type="filepath",
                        elem_id="record",
                        buttons=[],
                    ),
                    uploads,
                )
            _html(view.render("limits.html", limits=limits))
            tags = gr.Checkbox(
                label="Tags too: other genres, instruments, moods (takes longer)",
                elem_id="tags",
                container=False,
            )
            answer = _html(elem_id="answer")
        with gr.Tab("Many songs"):
            many = _sent_only(
                gr.File(label="Songs", file_count="multiple", elem_id="songs", height=150),
                uploads,
            )
            folder = _sent_only(
                gr.UploadButton(
                    "Or choose a folder", file_count="directory", elem_id="folder", scale=0
                ),
                uploads,
            )
            _html(view.render("limits.html", limits=limits, many=True))
            table = _html(elem_id="table")
        with gr.Tab("The model"):
            gr.Markdown(service.classifier.bundle.card, elem_id="card")
        _html(view.render("footer.html", version=__version__))

        turn: dict[str, Any] = {
            "concurrency_limit": limits.at_once + limits.waiting,
            "concurrency_id": "songs",
            "api_visibility": "private",
        }
        for event, source in ((song.upload, song), (record.stop_recording, record)):
            event(answer_song, [source, tags], [answer, source], js=_KEEP, **turn).then(
                None, js=_SHOW
            )
        many.upload(answer_many, many, [table, many], **turn)
        folder.upload(answer_folder, folder, [table, folder], **turn)
    page.upload_file_set = Arrivals(uploads)
    page.has_launched = True  # or Gradio does not check that a path is an upload
    page.queue(max_size=limits.at_once + limits.waiting, api_open=False)
    return page


def _html(value: str = "", **options: Any) -> gr.HTML:
    """Make a part of the page with this package's own style."""
    return gr.HTML(value, apply_default_css=False, js_on_load=None, **options)


def _sent_only(component: Any, uploads: Uploads) -> Any:
    """Make a component take uploads only.

    Gradio would fetch a file from any address, and, as the page is mounted and not launched, any
    file of this machine whose path a visitor names. A derived class would not do: Gradio writes a
    stub file beside each.
    """
    take = component.async_move_resource_to_block_cache

    async def take_sent(place: Any) -> Any:
        if not uploads.holds(Path(place)):
            raise gr.Error("send the file itself, not its address", print_exception=False)
        return await take(place)

    component.async_move_resource_to_block_cache = take_sent
    return component


def _answered(service: Service, song: Path, name: str) -> Answer | Failure:
    try:
        return service.answer(song, name)
    except RefusedError as error:
        reason = str(error).removeprefix(f"{shown_name(name)}: ")
        whole = isinstance(error.__cause__, AudioError) and error.__cause__.whole
        return Failure(Path(own_name(name)), reason, "skipped" if whole else "failed")


def _static(name: str) -> str:
    return (resources.files("backbeat.web") / "static" / name).read_text("utf-8")
