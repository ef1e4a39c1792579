"""Request bodies within limits: how much, how fast, and how much at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backbeat.files.text import significant
from backbeat.web.limits import Limits
from backbeat.web.uploads import Uploads

RETRY = {"Retry-After": "5"}

_FORM_BYTES = 65_536  # what a form adds to the bytes of its file
_OTHER_BYTES = 2**20  # of requests without files
_MAX_REQUESTS = 64  # with files at once, each with a connection and an open file
_MIN_RATE = 16_384  # bytes a second
_SEND_SECONDS = 60.0  # for a client to take a piece of the response
_DRAIN_SECONDS = 2.0


class Intake:
    """ASGI middleware that takes request bodies within limits."""

    def __init__(self, app: ASGIApp, limits: Limits, uploads: Uploads) -> None:
        self.app = app
        self.limits = limits
        self.uploads = uploads
        self._requests = 0
        self._bytes = 0  # of all current requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as long as it is within the limits."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._limit(scope["path"].removeprefix(scope.get("root_path", "")))
        body = _Body(receive, send, self.limits.grace_seconds, Headers(scope=scope))
        taken = 0

        async def within() -> Message:
            nonlocal taken
            message = await body.receive()
            size = len(message.get("body", b""))
            taken += size
            self._bytes += size
            if taken > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(limit))
            if self._bytes > self.limits.stored_bytes:
                raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, _FULL, RETRY)
            return message

        try:
            async with self._counted(body.promised, limit):
                await self.app(scope, within, body.send)
        except _RefusedError as refused:
            answer = JSONResponse({"error": refused.detail}, refused.status_code, refused.headers)
            await answer(scope, body.receive, body.send)
        finally:
            self._bytes -= taken

    def _limit(self, path: str) -> int:
        if path == "/api/classify":
            return self.limits.bytes + _FORM_BYTES
        if path == "/gradio_api/upload":
            return self.limits.request_bytes + _FORM_BYTES
        return _OTHER_BYTES

    @contextlib.asynccontextmanager
    async def _counted(self, promised: int, limit: int) -> AsyncIterator[None]:
        """Count a request while it runs, if there is room for it."""
        if promised > limit:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(limit))
        if limit == _OTHER_BYTES:
            yield
            return
        if self._requests >= _MAX_REQUESTS:
            what = "busy: too many are sending files; try again soon"
            raise _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, what, RETRY)
        self._requests += 1
        try:
            room = await asyncio.to_thread(self.uploads.room, self.limits.stored_bytes)
            if promised > room - self._bytes:
                raise _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, _FULL, RETRY)
            yield
        finally:
            self._requests -= 1


class _RefusedError(HTTPException):
    """A request that is refused before it is read."""


class _Body:
    """The body of a request, which must come in time, and the response to it."""

    def __init__(self, receive: Receive, send: Send, grace: float, headers: Headers) -> None:
        self._receive, self._send = receive, send
        length = headers.get("content-length", "")
        self.promised = int(length) if length.isdecimal() else 0
        self._whole = not self.promised and "transfer-encoding" not in headers
        self._waits = "expect" in headers  # waits for permission to send
        self._deadline = asyncio.get_running_loop().time() + grace

    async def receive(self) -> Message:
        """Receive the next piece; the more has come, the longer the rest may take."""
        if self._whole:  # then the next message is that the client left
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            what = "too slow: nothing more came in time; send it again"
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, what) from None
        self._deadline += len(message.get("body", b"")) / _MIN_RATE
        self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send a piece of the response; an early one ends the connection, too."""
        early = not self._whole
        if early and message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Connection"] = "close"
        ends = message["type"] == "http.response.body" and not message.get("more_body", False)
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._send({**message, "more_body": True} if early and ends else message)
        except TimeoutError:
            raise ClientDisconnect from None
        if early and ends:
            await self._drain()
            await self._send({"type": "http.response.body", "body": b""})

    async def _drain(self) -> None:
        """Read what still comes: if closed at once, many clients would not read the response."""
        if self._waits:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._whole:
                    self._whole = not (await self._receive()).get("more_body", False)


_FULL = "busy: too much is waiting to be answered; try again later"


def _too_large(limit: int) -> str:
    megabytes = significant(max(limit - _FORM_BYTES, 0) / 2**20)
    return f"too large; at most {megabytes} MB are accepted here"
