"""The page and the API on a port, until Ctrl-C or SIGTERM."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from types import FrameType
from typing import Any, NoReturn

import uvicorn
from fastapi import FastAPI
from starlette.routing import Mount
from starlette.types import ASGIApp

from backbeat.errors import BackbeatError
from backbeat.web.api import explain_invalid, make_api
from backbeat.web.connections import connection_class, max_connections
from backbeat.web.forms import bound_forms_of_page
from backbeat.web.guard import Guard
from backbeat.web.intake import Intake
from backbeat.web.limits import Limits
from backbeat.web.service import Service
from backbeat.web.uploads import Uploads, open_uploads

LOCAL = ("127.0.0.1", "::1", "localhost")
"""Hosts to listen on that no other machine can reach."""

_SWEEP_SECONDS = 60.0
_GRACE_SECONDS = 3  # to finish current requests when the server stops


def make_app(
    service: Service,
    uploads: Uploads,
    *,
    root_path: str = "",
    names: Collection[str] | None = None,
) -> ASGIApp:
    """Make the whole application: API and page behind the guard, see `Guard` for `names`.

    A proxy may show it below `root_path`.
    """
    # Gradio reads these settings from the environment.
    os.environ["GRADIO_TEMP_DIR"] = str(uploads.folder)
    os.environ["GRADIO_RUN_HISTORY"] = "False"
    import gradio

    from backbeat.web import page

    bound_forms_of_page(service.limits.files)
    app = make_api(service, uploads)
    # An upload this old that nobody works on is one that nobody waits for.
    app.router.lifespan_context = _sweeping(uploads, max(600.0, 4 * service.limits.seconds))
    gradio.mount_gradio_app(
        app,
        page.make_page(service, uploads),
        path="/",
        root_path=root_path or None,
        theme=page.theme(),
        css=page.style(),
        head=page.head(),
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        max_file_size=service.limits.bytes,
    )
    for route in app.routes:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            explain_invalid(route.app)  # Gradio's own
    # Otherwise each damaged form is a line on standard error.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    return Guard(Intake(app, service.limits, uploads), names)


def serve(
    *,
    host: str,
    port: int,
    model: str,
    limits: Limits,
    root_path: str = "",
    names: Collection[str] = (),
    on_ready: Callable[[str], None] = print,
) -> None:
    """Serve the page and the API until Ctrl-C or SIGTERM.

    `model` is a shipped bundle's name or a path; port 0 takes a free one. `names` are the server's
    names, beside ``localhost`` and numeric addresses; without any, a `host` that others can reach
    answers to all. `on_ready` gets the page's address when it can be opened.
    """
    with (
        listening(host, port) as listener,
        open_uploads() as uploads,
        _ended_quietly(),
        Service.of_model(model, limits) as service,
    ):
        known = names if names or host in LOCAL else None
        app = make_app(service, uploads, root_path=root_path, names=known)
        config = uvicorn.Config(
            app,
            http=connection_class(limits.grace_seconds, max_connections()),
            ws="none",
            log_level="error",
            server_header=False,
            root_path=root_path,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        server = _Server(config, lambda: on_ready(_address(listener)))
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server, which calls `on_ready` once it accepts connections."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_ready()


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Take a port while the block runs; refuse one that is taken or not allowed."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise BackbeatError(f"--host {host}: {error.strerror}") from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(place)
        except OSError as error:
            remedy = "name another with --port" if port else "name another with --host"
            raise BackbeatError(f"{host}:{port}: {error.strerror}; {remedy}") from error
        yield listener


@contextlib.contextmanager
def _ended_quietly() -> Iterator[None]:
    """End the block quietly on Ctrl-C and SIGTERM, so that what it opened is closed."""

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _sweeping(uploads: Uploads, oldest: float) -> Callable[[FastAPI], Any]:
    """Give a lifespan that removes abandoned uploads older than so many seconds."""

    async def again() -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            await asyncio.to_thread(uploads.sweep, oldest)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(again())
        try:
            yield
        finally:
            task.cancel()

    return lifespan
