"""The worker's loops that turn published changes into messages and send them.

They are independent: sign-ups, fan-out, digests and notices, the operator's decisions, and every channel. One
that hangs delays no other. They communicate through the database, and wake each other so that nothing waits
for the next round.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Self

from sqlalchemy import Engine

from monitor import app
from monitor.app import Components
from monitor.channels import Channel
from monitor.outbox import fan_out
from monitor.schedule import Repeater, SendingLoop
from monitor.storage.engine import Commits, reading, sqlite_path
from monitor.storage.notifications import Notifications
from monitor.storage.people import signups

LOOK_EVERY = timedelta(seconds=1)
"""The interval at which the worker looks for sign-ups from the site: a confirmation is sent within 2 s."""
DECISIONS_EVERY = timedelta(seconds=3)
"""The interval at which the worker looks for decisions that the operator made by a link."""
ASK_EVERY = timedelta(seconds=30)
"""The interval at which the worker queries PostgreSQL for sign-ups even without a notification."""
FAN_OUT_EVERY = timedelta(seconds=5)
"""A change published by this process is fanned out at once, one by another process after this at the
latest.
"""
PERIODIC_EVERY = timedelta(seconds=15)
"""The interval at which the worker looks for digests and notices that are due."""


class OutgoingLoops:
    """The loops from a published change or a sign-up to the sent message."""

    def __init__(self, components: Components, watch: SignupWatch) -> None:
        self._components, self._watch = components, watch
        self.signups = Repeater("sign-ups", self._queue_signups, LOOK_EVERY)
        self.fan_out = Repeater("fan-out", self._fan_out, FAN_OUT_EVERY)
        self.periodic = Repeater("digests and notices", self._queue_periodic, PERIODIC_EVERY)
        self.decisions = Repeater("decisions of the operator", self._carry_out_decisions, DECISIONS_EVERY)
        self.channels = tuple(
            self._create_sending(name, channel) for name, channel in components.channels.items()
        )

    @property
    def all(self) -> tuple[Repeater | SendingLoop, ...]:
        return (self.signups, self.fan_out, self.periodic, self.decisions, *self.channels)

    def wake(self) -> None:
        """Look for sign-ups and for messages to send now. May be called from any thread."""
        self.signups.wake()
        self._wake_channels()

    def _wake_channels(self) -> None:
        for channel in self.channels:
            channel.wake()

    def _create_sending(self, name: str, channel: Channel) -> SendingLoop:
        async def send(stop: asyncio.Event) -> None:
            await app.drain_channels(self._components, {name: channel}, stop=stop, counts_due=False)

        return SendingLoop(f"sending by {name}", send)

    def _queue_signups(self) -> None:
        if self._watch.is_any_pending() and app.queue_signups(self._components, self._components.clock()):
            self._wake_channels()

    def _fan_out(self) -> None:
        components = self._components
        if fan_out(components.engine, locate=components.locate, now=components.clock()):
            self._wake_channels()

    def _carry_out_decisions(self) -> None:
        if self._components.desk.carry_out():
            self.fan_out.wake()

    def _queue_periodic(self) -> None:
        if app.queue_periodic(self._components, self._components.clock()):
            self._wake_channels()


class SignupWatch:
    """Looks for sign-ups that the site, perhaps in another process, has stored; a context manager.

    While nothing was written, a check costs one pragma on SQLite and no statement on PostgreSQL. On
    PostgreSQL it still queries every `ASK_EVERY`, because a connection may be dead without an error.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._clock = engine, clock
        sqlite = engine.dialect.name == "sqlite"
        self._commits = Commits(engine) if sqlite_path(engine) is not None else None
        self._notifications = None if sqlite else Notifications(engine)
        self._seen: int | None = None
        self._ask_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._commits is not None:
            self._commits.close()
        if self._notifications is not None:
            self._notifications.close()

    def is_any_pending(self) -> bool:
        """Check once whether a sign-up waits. Raises StoreError."""
        number = self._commits.number() if self._commits is not None else None
        if number is not None and number == self._seen:
            return False
        if self._notifications is not None and not self._notifications.has_new() and self._is_early():
            return False
        with reading(self._engine) as conn:
            pending = signups.has_pending(conn)
        if not pending:
            self._seen = number  # a waiting one is checked again, whatever the result of processing it
            self._ask_at = self._clock() + ASK_EVERY.total_seconds()
        else:
            self._ask_at = 0.0
        return pending

    def _is_early(self) -> bool:
        return self._clock() < self._ask_at
