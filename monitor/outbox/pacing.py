"""Turns for messages to lanes with a rate limit: they are reserved in the database, which all senders share,
and short waits happen here.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from monitor.domain import LaneLimit
from monitor.outbox.prepare import PreparedMessage
from monitor.storage.deliveries.rates import Turns

_SECOND = timedelta(seconds=1)
Reserve = Callable[[str, datetime, int, LaneLimit | None], Turns]
"""Reserves turns in the database: lane, now, how many, the channel's own limit."""


@dataclass(frozen=True, slots=True)
class PacedMessages:
    """Messages that may be sent now, and those that must request a turn again later, with the time."""

    go: list[PreparedMessage]
    later: list[tuple[PreparedMessage, datetime]]


class Pacer:
    """Messages of one sender that wait for their turn. All methods run in the event loop; ``reserve`` runs in
    a thread.

    ``sleep`` waits for seconds, ``give`` is called with a message whose turn has come.
    """

    def __init__(
        self,
        reserve: Reserve,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        give: Callable[[PreparedMessage], None],
    ) -> None:
        self.limited: set[str] = set()
        self._reserve, self._clock, self._sleep, self._give = reserve, clock, sleep, give
        self._held: list[tuple[datetime, int, str, PreparedMessage]] = []
        self._number = count()
        self._granted: set[int] = set()
        self._any = asyncio.Event()
        self._accepted: defaultdict[str, deque[datetime]] = defaultdict(lambda: deque(maxlen=100))

    @property
    def holds(self) -> bool:
        """Whether messages are waiting for their turns."""
        return bool(self._held)

    async def admit(self, messages: Iterable[tuple[PreparedMessage, str, LaneLimit | None]]) -> PacedMessages:
        """Admit messages, each given with its lane and the channel's own limit, or hold them until their
        turn.
        """
        admitted = PacedMessages([], [])
        asking: dict[str, list[PreparedMessage]] = {}
        limits: dict[str, LaneLimit | None] = {}
        for prepared, lane, limit in messages:
            if limit is None and lane not in self.limited:
                admitted.go.append(prepared)
            elif prepared.envelope.delivery in self._granted:
                self._granted.discard(prepared.envelope.delivery)
                admitted.go.append(prepared)
            else:
                asking.setdefault(lane, []).append(prepared)
                limits[lane] = limit
        for lane, prepared_here in asking.items():
            now = self._clock()
            turns = await asyncio.to_thread(self._reserve, lane, now, len(prepared_here), limits[lane])
            for number, prepared in enumerate(prepared_here):
                if number >= len(turns.at):
                    behind = number - len(turns.at)
                    admitted.later.append((prepared, turns.later + behind * turns.interval))
                elif turns.at[number] <= now:
                    admitted.go.append(prepared)
                else:
                    heapq.heappush(self._held, (turns.at[number], next(self._number), lane, prepared))
                    self._any.set()
        return admitted

    async def run(self) -> None:
        """Release messages when their turns come, until canceled."""
        while True:
            await self._any.wait()
            while self._held:
                wait = self._held[0][0] - self._clock()
                if wait > timedelta():
                    await self._sleep(wait.total_seconds())
                if self._held and self._held[0][0] <= self._clock():
                    _, _, _, prepared = heapq.heappop(self._held)
                    self._granted.add(prepared.envelope.delivery)
                    self._give(prepared)
            self._any.clear()

    def note_accepted(self, lane: str) -> None:
        """Record an accepted message to this lane."""
        self._accepted[lane].append(self._clock())

    def count_accepted(self, lane: str) -> float:
        """Compute how many messages a second the lane recently accepted; called when it asks for fewer."""
        self.limited.add(lane)
        now = self._clock()
        return float(sum(1 for at in self._accepted[lane] if now - at <= _SECOND))

    def recall(self, lane: str) -> None:
        """Make messages that wait for a turn of a lane request a new one: the lane's rate has changed."""
        recalled = [entry for entry in self._held if entry[2] == lane]
        self._held = [entry for entry in self._held if entry[2] != lane]
        heapq.heapify(self._held)
        for *_, prepared in recalled:
            self._give(prepared)
