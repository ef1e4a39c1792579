"""Connections: closed if no request comes, and no more than the process can hold."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_MAX_CONNECTIONS = 512
_SHARE = 0.5  # of the files that the process may open: the other half is for songs and models


def max_connections() -> int:
    """Give how many connections may be open at once, well below the limit of open files."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return _MAX_CONNECTIONS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX_CONNECTIONS if files < 0 else min(_MAX_CONNECTIONS, int(_SHARE * files))


def connection_class(seconds: float, limit: int) -> type[asyncio.Protocol]:
    """Make the class of connections: at most `limit`; a request's head takes at most `seconds`."""

    class Connection(H11Protocol):
        """uvicorn's connection, closed if no request comes in time."""

        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limit:
                self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "busy: try again soon")
            else:
                self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_timer()
            super().connection_lost(exc)

        def _watch(self) -> None:
            """Run the timer until a whole request has come, whatever part of it arrives."""
            waiting = self.cycle is None or self.cycle.response_complete
            if not waiting or self.transport.is_closing():
                self._stop_timer()
            elif self._timer is None:
                what = "too slow: no request came in time"
                late: Callable[..., Any] = self._refuse
                self._timer = self.loop.call_later(seconds, late, HTTPStatus.REQUEST_TIMEOUT, what)

        def _stop_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _refuse(self, status: HTTPStatus, what: str) -> None:
            body = json.dumps({"error": what})
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"
            )
            self.transport.write((head + body).encode("ascii"))
            self.transport.close()

    return Connection
