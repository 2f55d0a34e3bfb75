"""How the bot is: whether it hears of updates, what keeps it from that, and how long it waits before it tries again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine
from telegram.error import Conflict, TelegramError

from monitor.bot.context import Timing
from monitor.channels.telegram import meaning_of
from monitor.errors import StoreError, Transient
from monitor.storage import engine as db
from monitor.storage import facts

log = logging.getLogger(__name__)


class Condition:
    """Written into the log once each time it changes, and into the database for `monitor status`. ``owner`` names this process."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime], owner: str, timing: Timing) -> None:
        self._engine, self._clock, self._owner, self._timing = engine, clock, owner, timing
        self.contested = False
        """Whether another process was in the way, at the last failure or since."""
        self._trouble: str | None = None
        self._well = False
        self._beaten: datetime | None = None
        self._pause = timing.pause

    async def well(self, what: str) -> None:
        """It hears: give a sign of life, unless one was given just now."""
        if not self._well:
            log.info(what)
            self._trouble, self._well, self._pause = None, True, self._timing.pause
            self.contested = False
            await self._note("")
        now = self._clock()
        if self._beaten is None or now - self._beaten >= timedelta(seconds=self._timing.beat):
            await asyncio.to_thread(self._beat, now)
            self._beaten = now

    async def complain(self, reason: str) -> None:
        """It does not hear. A reason that stays is said once: a line every minute would hide the rest."""
        self._well = False
        if reason != self._trouble:
            log.warning("the bot waits: %s", reason)
            self._trouble = reason
            await self._note(reason)

    async def failed(self, error: TelegramError) -> float:
        """An answer of the API was a failure, or none came; returns the seconds to wait."""
        meaning = meaning_of(error, "")
        pause, self.contested = self.pause(), isinstance(error, Conflict)
        if isinstance(meaning, Transient) and meaning.retry_after is not None:
            await self.complain("Telegram asks to wait before the next question")
            return max(pause, meaning.retry_after.total_seconds())
        ambiguous = isinstance(meaning, Transient) and meaning.ambiguous
        await self.complain("Telegram gives no answer" if ambiguous else str(meaning))
        return pause

    def pause(self) -> float:
        """Seconds to wait after a failure: twice as long after each in a row."""
        pause, self._pause = self._pause, min(2 * self._pause, self._timing.longest_pause)
        return pause

    def _beat(self, now: datetime) -> None:
        with db.transaction(self._engine) as conn:
            facts.beat(conn, "bot", self._owner, now)

    async def _note(self, trouble: str) -> None:
        def keep() -> None:
            with suppress(StoreError), db.transaction(self._engine) as conn:
                facts.put(conn, facts.BOT_TROUBLE, trouble)

        await asyncio.to_thread(keep)
