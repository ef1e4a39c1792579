"""All of it on a port, until it is told to stop."""

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
from backbeat.web.api import make_api, tell_invalid
from backbeat.web.connections import connection_class, most_connections
from backbeat.web.forms import bound_forms_of_page
from backbeat.web.guard import Guard
from backbeat.web.intake import Intake
from backbeat.web.limits import Limits
from backbeat.web.service import Service
from backbeat.web.uploads import Uploads, open_uploads

LOCAL = ("127.0.0.1", "::1", "localhost")
"""Hosts to listen on that no other machine can reach."""

_SWEEP_SECONDS = 60.0
_GRACE_SECONDS = 3  # for what is being answered when the server is told to stop


def make_app(
    service: Service,
    uploads: Uploads,
    *,
    root_path: str = "",
    names: Collection[str] | None = None,
) -> ASGIApp:
    """Make the whole application: API and page behind the guard.

    Parameters
    ----------
    service : Service
    uploads : Uploads
    root_path : str
        Below which path a proxy shows it.
    names : collection of str, optional
        See `Guard`.
    """
    # Gradio reads where to put uploads, and whether to keep what visitors did, from here.
    os.environ["GRADIO_TEMP_DIR"] = str(uploads.folder)
    os.environ["GRADIO_RUN_HISTORY"] = "False"
    import gradio

    from backbeat.web import page

    bound_forms_of_page(service.limits.files)
    app = make_api(service, uploads)
    app.router.lifespan_context = _sweeping(uploads, _oldest(service.limits))
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
            tell_invalid(route.app)  # Gradio's own
    # Else each damaged form is a line on standard error.
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

    Parameters
    ----------
    host, port : str and int
        Where to listen; port 0 takes a free one.
    model : str
        A shipped bundle's name, or a path.
    limits : Limits
    root_path : str
        Below which path a proxy shows it.
    names : collection of str
        By which it is asked, beside ``localhost`` and addresses in numbers. If there are none,
        a `host` that others can reach answers to any.
    on_ready : callable
        Told the page's address when it can be opened.

    Raises
    ------
    BackbeatError
        If the port is taken, or the model is none.
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
            http=connection_class(limits.grace_seconds, most_connections()),
            ws="none",
            log_level="error",
            server_header=False,
            root_path=root_path,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        server = _Server(config, lambda: on_ready(_address(listener)))
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Tells when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_ready()


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Take a port for as long as the block runs.

    Raises
    ------
    BackbeatError
        If it is taken or may not be taken.
    """
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
    """End the block without a word on Ctrl-C and SIGTERM, so that what it opened is closed."""

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


def _oldest(limits: Limits) -> float:
    """Give after how many seconds an upload that nobody works on is one that nobody waits for."""
    return max(600.0, 4 * limits.seconds)


def _sweeping(uploads: Uploads, oldest: float) -> Callable[[FastAPI], Any]:
    """Give a lifespan that removes what visitors left unanswered."""

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
