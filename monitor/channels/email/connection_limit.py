"""Limits the concurrent connections to a relay, adapting to what it accepts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

MORE_AFTER = 50
"""The accepted mails per allowed connection, without a refused connection, after which one more is
allowed.
"""


class ConnectionLimit:
    """Hands out turns to use a connection, at most ``allowed`` at once.

    A relay that refuses a connection while it serves others gets fewer; one more is tried from time to time
    (additive increase), up to ``most``. It belongs to one event loop.
    """

    def __init__(self, most: int) -> None:
        self.allowed = most
        self._most = most
        self._used = 0
        self._accepted = 0
        self._turns: deque[asyncio.Future[None]] = deque()
        self._connecting = self._working = self._total = 0
        self._changed = asyncio.Event()

    @contextmanager
    def connecting(self) -> Iterator[int]:
        """A context for making a connection or reusing an idle one, until the server has accepted its first
        command or refused it.

        Yields how many mails were accepted before, for `lower`.
        """
        self._connecting += 1
        try:
            yield self._total
        finally:
            self._connecting -= 1
            self._changed.set()

    @contextmanager
    def working(self) -> Iterator[None]:
        """A context for the time in which the server serves a connection."""
        self._working += 1
        self._changed.set()
        try:
            yield
        finally:
            self._working -= 1

    async def __aenter__(self) -> None:
        if self._used < self.allowed and not self._turns:
            self._used += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        try:
            await turn
        except BaseException:
            # the turn was granted at the same time as the cancellation
            if turn.done() and not turn.cancelled():
                self._release()
            else:
                with suppress(ValueError):  # `_wake` has seen that it is canceled
                    self._turns.remove(turn)
            raise

    async def __aexit__(self, *_: object) -> None:
        self._release()

    async def lower(self, total: int, idle: Callable[[], int]) -> bool:
        """After a refused connection, allow only as many as the server still serves. Returns False if it
        serves none.

        ``total`` is the number of mails accepted when the connection was started; ``idle`` counts connections
        that are kept open.

        Connections that are being made are waited for: a server that accepts one connection may refuse the
        others before it has greeted the first, or before it has answered the next mail on it.
        """
        while not self._working and self._connecting:
            self._changed.clear()
            await self._changed.wait()
        served = self._working + idle()
        if not served and self._total == total:
            return False
        self.allowed, self._accepted = min(self.allowed, max(served, 1)), 0
        return True

    def count_accepted(self) -> None:
        """Count an accepted mail; after enough of them, allow one more connection."""
        self._accepted += 1
        self._total += 1
        if self._accepted >= MORE_AFTER * self.allowed and self.allowed < self._most:
            self.allowed, self._accepted = self.allowed + 1, 0
            self._wake()

    def _release(self) -> None:
        self._used -= 1
        self._wake()

    def _wake(self) -> None:
        while self._turns and self._used < self.allowed:
            turn = self._turns.popleft()
            if not turn.done():
                self._used += 1
                turn.set_result(None)
