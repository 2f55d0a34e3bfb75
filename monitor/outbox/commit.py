"""Group commit: the outcomes of a few milliseconds are written in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

from monitor.errors import StoreError
from monitor.outbox.outcomes import Outcome

log = logging.getLogger(__name__)

GROUP = 50
"""The most outcomes that are committed together."""
GROUP_WAIT = timedelta(milliseconds=20)
"""How long the first outcome of a group waits for others while messages are being sent."""
_TRIES = (timedelta(seconds=0.5), timedelta(seconds=2), timedelta(seconds=5))
"""Pauses between attempts to commit. Unsettled messages are sent again, so it is better to wait for a locked
database.
"""


class GroupCommit:
    """Commits outcomes with ``write``, a plain function that runs in a thread, one group at a time.

    ``settled`` is called with each group: after the commit with None, or with the error that prevented it.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Outcome]], None],
        settled: Callable[[Sequence[Outcome], Exception | None], None],
    ) -> None:
        self._write, self._settled = write, settled
        self._pending: deque[Outcome] = deque()
        self._any = asyncio.Event()
        self._flush = asyncio.Event()

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Queue these outcomes for the next group."""
        self._pending.extend(outcomes)
        if self._pending:
            self._any.set()
        if len(self._pending) >= GROUP:
            self._flush.set()

    def flush(self) -> None:
        """Commit the queued outcomes at once: no message is being sent that could join the group."""
        self._flush.set()

    async def run(self) -> None:
        """Commit groups until canceled."""
        while True:
            await self._any.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(GROUP_WAIT.total_seconds()):
                    await self._flush.wait()
            group = [self._pending.popleft() for _ in range(min(GROUP, len(self._pending)))]
            if not self._pending:
                self._any.clear()
            if len(self._pending) < GROUP:
                self._flush.clear()
            try:
                await self._write_group(group)
            except Exception as error:
                self._settled(group, error)
            else:
                self._settled(group, None)

    async def _write_group(self, outcomes: Sequence[Outcome]) -> None:
        for wait in _TRIES:
            try:
                return await asyncio.to_thread(self._write, outcomes)
            except StoreError as error:
                log.warning("%d deliveries could not be settled yet: %s", len(outcomes), error)
                await asyncio.sleep(wait.total_seconds())
        return await asyncio.to_thread(self._write, outcomes)
