"""What visitors send, within limits: how much, how fast, and how much of it at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backbeat.web.limits import Limits
from backbeat.web.uploads import Uploads

RETRY = {"Retry-After": "5"}

_FORM = 65_536  # what a form adds to the bytes of its file
_WORDS = 2**20  # of requests that hold no files
_AT_ONCE = 64  # requests with files under way, each with a connection and an open file
_SLOWEST = 16_384  # bytes a second
_READING_SECONDS = 60.0  # for a visitor who takes nothing of an answer
_DRAIN_SECONDS = 2.0


class Intake:
    """An ASGI application before another: takes the bodies of requests within limits.

    Parameters
    ----------
    app : ASGI application
    limits : Limits
    uploads : Uploads
        Where files lie until they are answered.
    """

    def __init__(self, app: ASGIApp, limits: Limits, uploads: Uploads) -> None:
        self.app = app
        self.limits = limits
        self.uploads = uploads
        self._requests = 0
        self._bytes = 0  # of all requests under way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as long as what it sends is within the limits."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self._most(scope["path"].removeprefix(scope.get("root_path", "")))
        body = _Body(receive, send, self.limits.grace_seconds, Headers(scope=scope))
        taken = 0

        async def within() -> Message:
            nonlocal taken
            message = await body.receive()
            size = len(message.get("body", b""))
            taken += size
            self._bytes += size
            if taken > most:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(most))
            if self._bytes > self.limits.stored_bytes:
                raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, _FULL, RETRY)
            return message

        try:
            async with self._taken(body.promised, most):
                await self.app(scope, within, body.send)
        except _RefusedError as refused:
            answer = JSONResponse({"error": refused.detail}, refused.status_code, refused.headers)
            await answer(scope, body.receive, body.send)
        finally:
            self._bytes -= taken

    def _most(self, place: str) -> int:
        if place == "/api/classify":
            return self.limits.bytes + _FORM
        if place == "/gradio_api/upload":
            return self.limits.request_bytes + _FORM
        return _WORDS

    @contextlib.asynccontextmanager
    async def _taken(self, promised: int, most: int) -> AsyncIterator[None]:
        """Count a request as long as it is under way, if there is room for it."""
        if promised > most:
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(most))
        if most == _WORDS:
            yield
            return
        if self._requests >= _AT_ONCE:
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
    """A request that is refused before anything of it is read."""


class _Body:
    """The body of a request that keeps to its time, and the answer to it."""

    def __init__(self, receive: Receive, send: Send, grace: float, headers: Headers) -> None:
        self._receive, self._send = receive, send
        length = headers.get("content-length", "")
        self.promised = int(length) if length.isdecimal() else 0
        self._whole = not self.promised and "transfer-encoding" not in headers
        self._waits = "expect" in headers  # sends nothing until it is told to
        self._deadline = asyncio.get_running_loop().time() + grace

    async def receive(self) -> Message:
        """Give the next piece; the more has come, the longer the rest may take."""
        if self._whole:  # whoever asks then wants to know when the visitor leaves
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            what = "too slow: nothing more came in time; send it again"
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, what) from None
        self._deadline += len(message.get("body", b"")) / _SLOWEST
        self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send a piece of the answer, which ends the connection if it ends the request early."""
        early = not self._whole
        if early and message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Connection"] = "close"
        ends = message["type"] == "http.response.body" and not message.get("more_body", False)
        try:
            async with asyncio.timeout(_READING_SECONDS):
                await self._send({**message, "more_body": True} if early and ends else message)
        except TimeoutError:
            raise ClientDisconnect from None  # as good as gone
        if early and ends:
            await self._drain()
            await self._send({"type": "http.response.body", "body": b""})

    async def _drain(self) -> None:
        """Let go by what is on its way: closed at once, many clients would not read the answer."""
        if self._waits:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._whole:
                    self._whole = not (await self._receive()).get("more_body", False)


_FULL = "busy: too much is waiting to be answered; try again later"


def _too_large(most: int) -> str:
    return f"too large; at most {max(most - _FORM, 0) / 2**20:g} MB are taken here"
