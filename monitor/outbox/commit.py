"""Group commit: the outcomes of a few milliseconds are written in one transaction, for which their tasks
wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from monitor.errors import StoreError
from monitor.outbox.outcomes import Outcome

log = logging.getLogger(__name__)

GROUP = 50
"""How many outcomes are committed together at most."""
GROUP_WAIT = timedelta(milliseconds=20)
"""How long the first outcome of a group waits for others while messages are being sent."""
_TRIES = (timedelta(seconds=0.5), timedelta(seconds=2), timedelta(seconds=5))
"""Pauses between attempts to commit. What is not settled is sent again, so a locked database is worth waiting
for.
"""


class GroupCommit:
    """Commits outcomes with ``write``, a plain function that runs in a thread, one group at a time.

    ``keep`` is given the outcomes that could not be written, before anybody learns of it.
    """

    def __init__(
        self, write: Callable[[Sequence[Outcome]], None], keep: Callable[[Sequence[Outcome]], None]
    ) -> None:
        self._write, self._keep = write, keep
        self._pending: deque[tuple[Sequence[Outcome], asyncio.Future[None]]] = deque()
        self._any = asyncio.Event()
        self._flush = asyncio.Event()

    async def commit(self, outcomes: Sequence[Outcome]) -> None:
        """Commit these outcomes together with others. Raises StoreError when they cannot be written."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((outcomes, future))
        self._any.set()
        if len(self._pending) >= GROUP:
            self._flush.set()
        await future

    def flush(self) -> None:
        """Commit what is here at once: no message is being sent that could add to the group."""
        self._flush.set()

    async def run(self) -> None:
        """Commit groups until cancelled."""
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
                await self._write_group([outcome for outcomes, _ in group for outcome in outcomes])
            except Exception as error:
                self._keep([outcome for outcomes, _ in group for outcome in outcomes])
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
            else:
                for _, future in group:
                    if not future.done():
                        future.set_result(None)

    async def _write_group(self, outcomes: Sequence[Outcome]) -> None:
        for wait in _TRIES:
            try:
                return await asyncio.to_thread(self._write, outcomes)
            except StoreError as error:
                log.warning("%d deliveries could not be settled yet: %s", len(outcomes), error)
                await asyncio.sleep(wait.total_seconds())
        return await asyncio.to_thread(self._write, outcomes)
