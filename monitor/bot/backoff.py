"""Bot health and back-off: whether updates arrive, what prevents it, and how long to wait before the next
attempt.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine
from telegram.error import Conflict, TelegramError

from monitor.bot.context import Timing
from monitor.channels.telegram.transport import meaning_of
from monitor.errors import StoreError, Transient
from monitor.storage import database_facts, heartbeats
from monitor.storage import engine as db

log = logging.getLogger(__name__)


class BotHealth:
    """Logs each change of health once, and stores it for `monitor status`. ``owner`` names this process."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime], owner: str, timing: Timing) -> None:
        self._engine, self._clock, self._owner, self._timing = engine, clock, owner, timing
        self.has_rival = False
        """Whether another process has used the same token, at the last failure or since."""
        self._trouble: str | None = None
        self._working = False
        self._beat_at: datetime | None = None
        self._pause = timing.pause

    async def report_working(self, what: str) -> None:
        """Record that updates arrive, and write a heartbeat if the last one is old enough."""
        if not self._working:
            log.info(what)
            self._trouble, self._working, self._pause = None, True, self._timing.pause
            self.has_rival = False
            await self._note("")
        now = self._clock()
        if self._beat_at is None or now - self._beat_at >= timedelta(seconds=self._timing.beat):
            await asyncio.to_thread(self._beat, now)
            self._beat_at = now

    async def report_problem(self, reason: str) -> None:
        """Record why updates do not arrive.

        The same reason is logged once, so that it does not flood the log.
        """
        self._working = False
        if reason != self._trouble:
            log.warning("the bot waits: %s", reason)
            self._trouble = reason
            await self._note(reason)

    async def note_failure(self, error: TelegramError) -> float:
        """Record a failed request; returns the seconds to wait."""
        meaning = meaning_of(error, "")
        pause, self.has_rival = self.pause(), isinstance(error, Conflict)
        if isinstance(meaning, Transient) and meaning.retry_after is not None:
            await self.report_problem("Telegram asks to wait before the next question")
            return max(pause, meaning.retry_after.total_seconds())
        ambiguous = isinstance(meaning, Transient) and meaning.ambiguous
        await self.report_problem("Telegram gives no answer" if ambiguous else str(meaning))
        return pause

    def pause(self) -> float:
        """Return the seconds to wait after a failure, and double them for the next one in a row."""
        pause, self._pause = self._pause, min(2 * self._pause, self._timing.longest_pause)
        return pause

    def _beat(self, now: datetime) -> None:
        with db.transaction(self._engine) as conn:
            heartbeats.write_beat(conn, "bot", self._owner, now)

    async def _note(self, trouble: str) -> None:
        def keep() -> None:
            with suppress(StoreError), db.transaction(self._engine) as conn:
                database_facts.put(conn, database_facts.BOT_TROUBLE, trouble)

        await asyncio.to_thread(keep)
