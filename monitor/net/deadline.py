"""A limit on the total time of an exchange.

A socket's timeout starts again with every byte, so a server that sends one byte a second, in its headers or
its body, could hold a poll for hours. When the time is over, a timer shuts down the open connection, and the
reader sees its end.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self


class Deadline:
    """A time limit in seconds from the entry of the context; pass `trace` to httpx as the request extension
    of that name.
    """

    def __init__(self, total: float, clock: Callable[[], float]) -> None:
        self.total = total
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._over = False
        self._timer = threading.Timer(total, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    @property
    def elapsed(self) -> float:
        return self._clock() - self._start

    @property
    def remaining(self) -> float:
        return 0.0 if self._over else self.total - self.elapsed

    @property
    def passed(self) -> bool:
        return self.remaining <= 0

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Note each new connection (httpx's ``trace`` extension); TLS replaces the socket, so the last one
        counts.
        """
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self._over:
                    self._shut()

    def _cut(self) -> None:
        with self._lock:
            self._over = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # closed already
                # not SSLSocket.shutdown, which would drop the TLS state while the reader uses it
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
