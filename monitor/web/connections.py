"""Limits of visitors' connections: the time for each part of a request, and the number of connections."""

from __future__ import annotations

import asyncio
import resource
from enum import Enum

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 512


class Phase(Enum):
    """What a connection waits for; the value is the limit in seconds."""

    HEADERS = 10.0
    BODY = 30.0  # bodies are forms of a few KiB
    ANSWER = 120.0  # includes a client that reads the response slowly


def most_connections() -> int:
    """How many connections may be open at once.

    At most half of the file descriptors that this process may open: the rest is for polls, mail and the
    database.
    """
    return min(MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


def accept_queue() -> int:
    """How many connections the system may hold until they are accepted.

    asyncio accepts all of them at once, so together with `most_connections` they must leave file descriptors
    free.
    """
    return min(128, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 8)


class LimitedConnection(H11Protocol):
    """An HTTP connection that is closed if a phase takes too long, or if a newer one needs its place.

    With too many connections, the one that has waited longest for a request is closed. So a thousand
    half-open requests neither use up the file descriptors nor block other visitors.
    """

    _phase: Phase | None = None
    _phase_since = 0.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._enter_phase(Phase.HEADERS)
        if len(self.connections) > most_connections():
            self._close_oldest()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._follow_request()

    def on_response_complete(self) -> None:
        self._enter_phase(None)
        super().on_response_complete()
        self._follow_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._enter_phase(None)
        super().connection_lost(exc)

    def _follow_request(self) -> None:
        """Enter the phase that the request has reached; none while the server's own keep-alive timer runs."""
        phase: Phase | None
        if self.transport.is_closing():
            phase = None
        elif self.cycle is not None and not self.cycle.response_complete:
            phase = Phase.BODY if self.cycle.more_body else Phase.ANSWER
        else:
            phase = None if self.timeout_keep_alive_task is not None else Phase.HEADERS
        if phase is not self._phase:
            self._enter_phase(phase)

    def _enter_phase(self, phase: Phase | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._phase, self._phase_since = phase, self.loop.time()
        self._timer = self.loop.call_later(phase.value, self.transport.abort) if phase else None

    def _close_oldest(self) -> None:
        waiting = [
            connection
            for connection in self.connections
            if isinstance(connection, LimitedConnection)
            and connection._phase in (Phase.HEADERS, None)
            and not connection.transport.is_closing()
        ]
        if waiting:
            min(waiting, key=lambda connection: connection._phase_since).transport.abort()
