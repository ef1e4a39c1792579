"""The outermost layer of the server: which requests are allowed, and the headers of responses."""

import ipaddress
import logging
import traceback
from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backbeat.errors import one_line

# A browser loads from this server and sends to it only, whatever a package of the page might want.
# Gradio makes functions of text and styles of elements, hence the "unsafe" words.
_CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
# An upload is sent back as bytes, and may do nothing in the browser, whatever it is.
_UPLOAD_POLICY = "default-src 'none'; sandbox"

# The addresses of the page and the API. Gradio has some fifty others (to edit its code, to fetch
# from other servers, to watch visitors), which nobody needs here and which change with releases:
# they are not found.
_PATHS = frozenset(
    (
        "/",
        "/config",
        "/docs",
        "/favicon.ico",
        "/gradio_api/app_id",
        "/gradio_api/cancel",
        "/gradio_api/queue/data",
        "/gradio_api/queue/join",
        "/gradio_api/startup-events",
        "/gradio_api/upload",
        "/gradio_api/upload_progress",
        "/manifest.json",
        "/openapi.json",
        "/robots.txt",
        "/theme.css",
    )
)
_UPLOADED = "/gradio_api/file="
_PREFIXES = ("/api/", "/assets/", "/static/", "/gradio_api/heartbeat/", _UPLOADED)
_LINKABLE = ("/", "/docs")  # where a link on another site may lead

_LOCAL = "localhost"
_MAX_LOGGED = 80  # characters of an address in the log
_LOG = logging.getLogger("uvicorn.error")


class Guard:
    """ASGI middleware that refuses what is not allowed and adds headers to responses.

    `names` are those that the server may be asked by, beside ``localhost`` and numeric addresses;
    None for any. A site that lets its own name lead to this machine (DNS rebinding) asks by that.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] | None = None) -> None:
        self.app = app
        self.names = None if names is None else frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"

        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                if path.startswith(_UPLOADED):
                    headers["Content-Security-Policy"] = _UPLOAD_POLICY
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["method"], path)
        if refusal is not None:
            status, what = refusal
            await JSONResponse({"error": what}, status)(scope, receive, with_headers)
            return
        try:
            await self.app(scope, receive, with_headers)
        except ClientDisconnect:
            return  # nobody is left to answer, and there is nothing to log
        except Exception as error:  # noqa: BLE001 - a bug here or in Gradio must not end the server
            # One line: a visitor who finds the bug can trigger it a thousand times.
            where = traceback.extract_tb(error.__traceback__)[-1]
            line = f"{path[:_MAX_LOGGED]!a}: {type(error).__name__}: {one_line(error)}"
            _LOG.error("%s (%s, line %s)", line, where.filename, where.lineno)
            if not started:
                what = "internal error; the server's log has the details"
                answer = JSONResponse({"error": what}, HTTPStatus.INTERNAL_SERVER_ERROR)
                await answer(scope, receive, with_headers)

    def _refusal(self, headers: Headers, method: str, path: str) -> tuple[HTTPStatus, str] | None:
        """Say why a request is refused; None if it is allowed."""
        asked = _host(headers.get("host", _LOCAL))  # every browser sends one
        if not self._known(asked):
            remedy = "start it with --name if that is its name"
            return HTTPStatus.MISDIRECTED_REQUEST, f"this server is not {asked!a}; {remedy}"
        if not (_of_this_site(headers) or (method == "GET" and _followed(headers, path))):
            what = "pages of other sites may not use this server"
            return HTTPStatus.FORBIDDEN, what
        if path not in _PATHS and not path.startswith(_PREFIXES):
            return HTTPStatus.NOT_FOUND, "not found"
        return None

    def _known(self, host: str) -> bool:
        if self.names is None or host in self.names:
            return True
        return host == _LOCAL or host.endswith(f".{_LOCAL}") or _is_address(host)


def _host(written: str) -> str:
    """Give the name of ``name:port``; empty if it is invalid."""
    try:
        return (urlsplit(f"//{written}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _of_this_site(headers: Headers) -> bool:
    """Whether a request comes from this server's own page, or from a program.

    A browser sends which site makes it ask, and no page can change that. Programs send nothing.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _followed(headers: Headers, path: str) -> bool:
    """Whether somebody followed a link to a page."""
    return headers.get("sec-fetch-mode") == "navigate" and path in _LINKABLE
