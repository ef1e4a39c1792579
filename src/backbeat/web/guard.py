"""What stands before all of the server: the size of requests, and the headers of answers."""

from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backbeat.web.limits import Limits

_FORM = 65_536  # what a form adds to the bytes of its file

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
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """An ASGI application before another: refuses large requests, adds headers to answers."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app = app
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        api = scope["path"].startswith("/api/")
        most = (self.limits.bytes if api else self.limits.request_bytes) + _FORM
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._too_large(most))
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        promised = Headers(scope=scope).get("content-length", "")
        if promised.isdecimal() and int(promised) > most:
            refusal = JSONResponse(
                {"error": self._too_large(most)}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            )
            await refusal(scope, receive, with_headers)
            return
        await self.app(scope, counted, with_headers)

    def _too_large(self, most: int) -> str:
        return f"too large; at most {(most - _FORM) / 2**20:g} MB are taken here"
