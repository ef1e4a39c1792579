"""Connections of visitors: closed where nothing is asked, and no more than the process can hold."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_MOST = 512
_SPARE = 0.5  # of the files that the process may open: the other half is for songs and models


def most_connections() -> int:
    """Give how many connections may be open at once, well below the files that may be."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return _MOST
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if files < 0 else min(_MOST, int(_SPARE * files))


def connection_class(seconds: float, most: int) -> type[asyncio.Protocol]:
    """Make the class of connections.

    Parameters
    ----------
    seconds : float
        How long the head of a request may take.
    most : int
        How many may be open at once.
    """

    class Connection(H11Protocol):
        """uvicorn's connection, with an end for clients that connect and ask for nothing."""

        _clock: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > most:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "busy: try again soon")
            else:
                self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._rest()
            super().connection_lost(exc)

        def _watch(self) -> None:
            """Let the clock run as long as a request is to come, whatever trickles in."""
            waiting = self.cycle is None or self.cycle.response_complete
            if not waiting or self.transport.is_closing():
                self._rest()
            elif self._clock is None:
                what = "too slow: no request came in time"
                late: Callable[..., Any] = self._refuse
                self._clock = self.loop.call_later(seconds, late, HTTPStatus.REQUEST_TIMEOUT, what)

        def _rest(self) -> None:
            if self._clock is not None:
                self._clock.cancel()
                self._clock = None

        def _refuse(self, status: HTTPStatus, what: str) -> None:
            body = json.dumps({"error": what})
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"
            )
            self.transport.write((head + body).encode("ascii"))
            self.transport.close()

    return Connection
