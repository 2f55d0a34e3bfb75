"""A bot at work in a loop of its own, against a Bot API over HTTP, with time that passes only when something
waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.bot import Bot, BotContext, Timing
from monitor.domain import SourceInfo
from monitor.keys import KeyFile
from monitor.places import load
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.lists.tables import SourceRow
from tests.conftest import own
from tests.peers.botapi import BotApi, Notice, Post

RING, ICE = "Ring's Active Agency Map", "ICE 287(g) agreements"
WATCHED = {
    name: SourceInfo(name=name, titles={"en": title}, every=timedelta(hours=1))
    for name, title in (("ring", RING), ("ice-287g", ICE))
}
TIMING = Timing(poll=20, standby=0.05, pause=0.02, longest_pause=0.05, answer=60.0, look=0.01)
PATIENCE = 600.0  # s, a bound for what hangs, on any machine


class Seconds:
    """A clock that a sleep moves on at once, and that shows how long was slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class World:
    """The bot between a database and `BotApi`. `ask` is a person who waits for the answer."""

    def __init__(self, engine: Engine, keys: KeyFile, folder: Path, now: datetime, **context: Any) -> None:
        self.engine, self.keys, self.now = engine, keys, now
        self.seconds = Seconds()
        given: dict[str, Any] = {"watched": WATCHED, "gazetteer": load()} | context
        self.context = BotContext(engine=engine, keys=keys, folder=folder, clock=lambda: self.now, **given)
        self.api = BotApi()

    def bot(self, **more: Any) -> Bot:
        options: dict[str, Any] = {"timing": TIMING, "seconds": self.seconds, "sleep": self.seconds.sleep}
        return Bot(self.api.token, self.context, base_url=self.api.base_url, **options | more)

    @contextmanager
    def running(self, bot: Bot | None = None) -> Iterator[Bot]:
        """The bot serves for the block, and has come to its end after it."""
        bot = bot or self.bot()
        loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        ready = threading.Event()

        async def main() -> None:
            stop = asyncio.Event()
            loops.append((asyncio.get_running_loop(), stop))
            ready.set()
            async with asyncio.timeout(PATIENCE):
                await bot.serve(stop)

        failures: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(main())
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert ready.wait(PATIENCE)
        loop, stop = loops[0]
        try:
            yield bot
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(PATIENCE)
        assert not thread.is_alive()
        assert failures == []

    def ask(self, text: str, **who: Any) -> Post:
        """Write to the bot and wait for its answer."""
        return self._answered(lambda: self.api.says(text, **who))

    def press(self, data: str, **who: Any) -> Post:
        """Press a button and wait for what the message becomes."""
        return self._answered(lambda: self.api.presses(data, **who))

    def refused(self, data: str, **who: Any) -> Notice:
        """Press a button and wait for the notice."""
        before = len(self.api.notices)
        self.api.presses(data, **who)
        self.api.wait(lambda: len(self.api.notices) > before)
        return self.api.notices[before]

    def done(self) -> None:
        """Wait until everything that was written is handled and confirmed."""
        self.api.wait(lambda: not self.api.pending)

    def _answered(self, act: Callable[[], None]) -> Post:
        before = len(self.api.posts)
        act()
        self.api.wait(lambda: len(self.api.posts) > before)
        return self.api.posts[before]

    def follows(self, chat: int | str = 7) -> set[tuple[str, str, str | None]]:
        """What a chat follows by the database: source, place, state of a ZIP."""
        with db.reading(self.engine) as conn:
            one = people.find(conn, "telegram", self.keys.lookup("telegram", str(chat)))
            return (
                {(each.source, each.place, each.within) for each in people.load_follows(conn, one.id)}
                if one
                else set()
            )

    def suppress(self, reason: str, chat: int = 7) -> None:
        with db.transaction(self.engine) as conn:
            people.suppress(conn, "telegram", self.keys.lookup("telegram", str(chat)), reason, self.now)

    def suppression(self, chat: int = 7) -> str | None:
        with db.reading(self.engine) as conn:
            return people.load_reason(conn, "telegram", self.keys.lookup("telegram", str(chat)))

    def configured(self, chat: str, place: str = "IL") -> None:
        """The operator's channels are exactly this chat."""
        subscribers.follow_channels(
            self.engine, self.keys, own({place: chat}), ["ring"], self.now, channel="telegram"
        )

    def read_well(self, source: str, at: datetime) -> None:
        """A source whose last good check was then."""
        with db.transaction(self.engine) as conn:
            conn.execute(
                sa.insert(SourceRow).values(
                    name=source, number=1, fingerprint="", columns=[], folders=[], last_good_at=at
                )
            )
