"""How fast a bot posts, by a clock that only moves when somebody sleeps."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.channels.telegram.rate import PostRate


class Time:
    """A clock and a sleep that belong together: the sleeper who is due first wakes first, and time jumps
    there.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._count = 0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._count += 1
        heapq.heappush(self._sleepers, (self.now + seconds, self._count, event))
        await event.wait()

    async def run(self, tasks: list[asyncio.Task[None]]) -> None:
        while not all(task.done() for task in tasks):
            for _ in range(5):
                await asyncio.sleep(0)
            if self._sleepers:
                self.now, _, event = heapq.heappop(self._sleepers)
                event.set()


def turns(chats: list[str]) -> list[tuple[float, str]]:
    """When each chat got its turns, if all ask at once."""
    taken: list[tuple[float, str]] = []

    async def one(pace: PostRate, time: Time, chat: str) -> None:
        await pace.turn(chat)
        taken.append((time.now, chat))

    async def run() -> None:
        time = Time()
        pace = PostRate(time.clock, time.sleep)
        await time.run([asyncio.ensure_future(one(pace, time, chat)) for chat in chats])

    asyncio.run(run())
    return sorted(taken)


def most_within(times: list[float], seconds: float) -> int:
    return max((sum(start <= t < start + seconds - 1e-6 for t in times) for start in times), default=0)


def test_one_chat_gets_one_post_a_second() -> None:
    times = [at for at, _ in turns(["42"] * 5)]
    assert [round(b - a, 6) for a, b in itertools.pairwise(times)] == [1.0] * 4


def test_all_chats_together_get_thirty_posts_a_second() -> None:
    times = [at for at, _ in turns([str(n) for n in range(100)])]
    assert most_within(times, 1.0) == 30
    assert times[-1] - times[0] == 3.0


def test_a_group_or_channel_gets_twenty_posts_a_minute() -> None:
    for chat in ("@channel", "-100123"):
        times = [at for at, _ in turns([chat] * 45)]
        assert most_within(times, 60.0) == 20


def test_a_channel_that_waits_for_its_minute_holds_up_nobody_else() -> None:
    taken = turns(["@channel"] * 40 + ["1", "2"])
    assert max(at for at, chat in taken if chat in {"1", "2"}) < 1002
    assert max(at for at, chat in taken if chat == "@channel") > 1060


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["1", "2", "@a", "-9"]), max_size=60))
def test_the_limits_hold_whatever_is_asked(chats: list[str]) -> None:
    taken = turns(chats)
    assert len(taken) == len(chats)
    assert most_within([at for at, _ in taken], 1.0) <= 30
    for chat in set(chats):
        times = [at for at, who in taken if who == chat]
        assert most_within(times, 1.0) <= 1
        assert chat.isdigit() or most_within(times, 60.0) <= 20
