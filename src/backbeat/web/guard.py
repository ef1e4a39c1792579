"""What stands before all of the server: who may ask, for what, and the headers of answers."""

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

# A browser loads from this server alone and sends to it alone, whatever a package of the page might
# want. Gradio makes functions of text and styles of elements, hence the two "unsafe" words.
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
# What a visitor sent is given back as bytes: whatever it is, it may do nothing in the browser.
_SENT_POLICY = "default-src 'none'; sandbox"

# What the page and the API are made of. Gradio answers some fifty other ways (to edit its code, to
# fetch from other servers, to watch visitors), which nobody needs here and which change with its
# releases: they are not there.
_PLACES = frozenset(
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
_SENT = "/gradio_api/file="
_BELOW = ("/api/", "/assets/", "/static/", "/gradio_api/heartbeat/", _SENT)
_LINKED = ("/", "/docs")  # where a link on another site may lead

_LOCAL = "localhost"
_PLACE = 80  # signs of an address in the log
_LOG = logging.getLogger("uvicorn.error")


class Guard:
    """An ASGI application before another: lets in what asks rightly, adds headers to answers.

    Parameters
    ----------
    app : ASGI application
    names : collection of str, optional
        By which the server may be asked, beside ``localhost`` and addresses in numbers; None for
        any. A site that has its own name lead to this machine (DNS rebinding) asks by that name.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] | None = None) -> None:
        self.app = app
        self.names = None if names is None else frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        place = scope["path"].removeprefix(scope.get("root_path", "")) or "/"

        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                if place.startswith(_SENT):
                    headers["Content-Security-Policy"] = _SENT_POLICY
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["method"], place)
        if refusal is not None:
            status, what = refusal
            await JSONResponse({"error": what}, status)(scope, receive, with_headers)
            return
        try:
            await self.app(scope, receive, with_headers)
        except ClientDisconnect:
            return  # whoever left in the middle is told nothing, and nor is the log
        except Exception as error:  # noqa: BLE001 - a mistake of ours or Gradio's ends no server
            # One line: a visitor who finds it can ask for it a thousand times.
            where = traceback.extract_tb(error.__traceback__)[-1]
            line = f"{place[:_PLACE]!a}: {type(error).__name__}: {one_line(error)}"
            _LOG.error("%s (%s, line %s)", line, where.filename, where.lineno)
            if not started:
                what = "a mistake of the server's; it is in its log"
                answer = JSONResponse({"error": what}, HTTPStatus.INTERNAL_SERVER_ERROR)
                await answer(scope, receive, with_headers)

    def _refusal(self, headers: Headers, method: str, place: str) -> tuple[HTTPStatus, str] | None:
        """Say why a request is not let in; None if it is."""
        asked = _host(headers.get("host", _LOCAL))  # without one no browser asks
        if not self._known(asked):
            remedy = "start it with --name if that is its name"
            return HTTPStatus.MISDIRECTED_REQUEST, f"this server is not {asked!a}; {remedy}"
        if not (_of_this_site(headers) or (method == "GET" and _followed(headers, place))):
            what = "pages of other sites may not use this server"
            return HTTPStatus.FORBIDDEN, what
        if place not in _PLACES and not place.startswith(_BELOW):
            return HTTPStatus.NOT_FOUND, "nothing is here"
        return None

    def _known(self, host: str) -> bool:
        if self.names is None or host in self.names:
            return True
        return host == _LOCAL or host.endswith(f".{_LOCAL}") or _is_address(host)


def _host(written: str) -> str:
    """Give the name of ``name:port``; empty if it is none."""
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
    """Tell whether a request comes from this server's own page, or from a program.

    A browser says which site makes it ask, and no page can make it say otherwise. Programs say
    nothing of that kind.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def _followed(headers: Headers, place: str) -> bool:
    """Tell whether somebody followed a link to a page."""
    return headers.get("sec-fetch-mode") == "navigate" and place in _LINKED
