"""Settling in groups: outcomes of a few milliseconds are committed together, and whoever brought one waits for that commit."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from monitor.errors import StoreError
from monitor.outbox.settle import Outcome

log = logging.getLogger(__name__)

GROUP = 50
"""How many outcomes are committed together at most."""
GROUP_WAIT = timedelta(milliseconds=20)
"""How long the first outcome of a group waits for others while messages are under way."""
_TRIES = (timedelta(seconds=0.5), timedelta(seconds=2), timedelta(seconds=5))
"""Waits between tries to commit. What is not settled is sent again, so a locked database is worth some patience."""


class Groups:
    """Commits outcomes by ``write``, a plain function that runs in a thread, one group at a time."""

    def __init__(self, write: Callable[[Sequence[Outcome]], None]) -> None:
        self._write = write
        self._waiting: deque[tuple[Sequence[Outcome], asyncio.Future[None]]] = deque()
        self._some = asyncio.Event()
        self._hurry = asyncio.Event()

    async def settled(self, outcomes: Sequence[Outcome]) -> None:
        """Return when these are committed; raises the StoreError when they cannot be."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((outcomes, future))
        self._some.set()
        if len(self._waiting) >= GROUP:
            self._hurry.set()
        await future

    def hurry(self) -> None:
        """Nothing more is under way: what is here need not wait for company."""
        self._hurry.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(GROUP_WAIT.total_seconds()):
                    await self._hurry.wait()
            group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
            if not self._waiting:
                self._some.clear()
            if len(self._waiting) < GROUP:
                self._hurry.clear()
            try:
                await self._commit([outcome for outcomes, _ in group for outcome in outcomes])
            except Exception as error:
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
            else:
                for _, future in group:
                    if not future.done():
                        future.set_result(None)

    async def _commit(self, outcomes: Sequence[Outcome]) -> None:
        for wait in _TRIES:
            try:
                return await asyncio.to_thread(self._write, outcomes)
            except StoreError as error:
                log.warning("%d deliveries could not be settled yet: %s", len(outcomes), error)
                await asyncio.sleep(wait.total_seconds())
        return await asyncio.to_thread(self._write, outcomes)
