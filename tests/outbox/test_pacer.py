"""Which messages of a lane with a limited rate go now, wait for their turns, or come again later."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from monitor.outbox.pacing import PacedMessages, Pacer
from monitor.outbox.prepare import PreparedMessage
from monitor.storage.deliveries.rates import Turns
from tests.outbox.test_settle import CLAIMED

NOW = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
SECOND = timedelta(seconds=1)
LIMIT: Any = object()


class Envelope:
    def __init__(self, delivery: int) -> None:
        self.delivery = delivery


def message(number: int) -> PreparedMessage:
    return PreparedMessage(
        deliveries=(replace(CLAIMED, id=number),),
        rendered=None,
        envelope=Envelope(number),  # type: ignore[arg-type]
    )


class Lane:
    """A pacer whose turns are given: so many offsets in seconds, then later ones every ten."""

    def __init__(self, *offsets: int) -> None:
        self.now, self.given, self.reserved = NOW, list[int](), list[tuple[str, int, Any]]()
        self.turns = tuple(NOW + each * SECOND for each in offsets)
        self.pacer = Pacer(self.reserve, lambda: self.now, self.sleep, self.give)

    def reserve(self, lane: str, now: datetime, count: int, limit: Any) -> Turns:
        self.reserved.append((lane, count, limit))
        return Turns(self.turns, NOW + 100 * SECOND, 10 * SECOND)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds * SECOND

    def give(self, prepared: PreparedMessage) -> None:
        self.given.append(prepared.envelope.delivery)

    def admit(self, *numbers: int, lane: str = "slow", limit: Any = LIMIT) -> PacedMessages:
        return asyncio.run(self.pacer.admit([(message(number), lane, limit) for number in numbers]))


def ids(messages: list[PreparedMessage]) -> list[int]:
    return [each.envelope.delivery for each in messages]


def test_a_lane_without_a_limit_asks_for_no_turn() -> None:
    lane = Lane()
    assert ids(lane.admit(1, 2, limit=None).go) == [1, 2]
    assert lane.reserved == []
    assert not lane.pacer.holds


def test_a_lane_that_has_complained_asks_for_turns() -> None:
    lane = Lane(0)
    lane.pacer.count_accepted("slow")
    assert ids(lane.admit(1, limit=None).go) == [1]
    assert lane.reserved == [("slow", 1, None)]
    assert ids(lane.admit(2, lane="other", limit=None).go) == [2]
    assert len(lane.reserved) == 1


def test_turns_are_now_soon_or_later() -> None:
    lane = Lane(-1, 0, 1, 2)
    paced = lane.admit(1, 2, 3, 4, 5, 6)
    assert ids(paced.go) == [1, 2]
    assert [(each.envelope.delivery, at) for each, at in paced.later] == [
        (5, NOW + 100 * SECOND),
        (6, NOW + 110 * SECOND),
    ]
    assert lane.reserved == [("slow", 6, LIMIT)]
    assert lane.pacer.holds


def test_messages_come_back_in_the_order_of_their_turns_and_then_go_without_another() -> None:
    lane = Lane(3, 2)

    async def wait() -> None:
        await lane.pacer.admit([(message(number), "slow", LIMIT) for number in (1, 2)])
        task = asyncio.create_task(lane.pacer.run())
        while len(lane.given) < 2:
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(wait())
    assert lane.given == [2, 1]
    assert lane.now == NOW + 3 * SECOND
    assert not lane.pacer.holds
    assert ids(lane.admit(1).go) == [1]
    assert len(lane.reserved) == 1
    lane.turns = (lane.now + SECOND,)
    assert lane.admit(1) == PacedMessages([], [])
    assert len(lane.reserved) == 2


def test_what_is_recalled_while_it_waits_is_not_given_twice_and_ends_nobodys_wait() -> None:
    """And a turn that has not come after the wait, as when the clock is set back, is waited for again."""
    lane = Lane(3)

    async def wait() -> None:
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 1:
                lane.pacer.recall("slow")
            elif len(slept) == 2:
                lane.now -= SECOND
            else:
                lane.now += seconds * SECOND

        lane.pacer._sleep = sleep
        task = asyncio.create_task(lane.pacer.run())
        for number in (1, 2):
            await lane.pacer.admit([(message(number), "slow", LIMIT)])
            while len(lane.given) < number:
                await asyncio.sleep(0)
            assert not task.done()
        assert slept == [3.0, 3.0, 4.0]
        task.cancel()

    asyncio.run(wait())
    assert lane.given == [1, 2]


def test_a_changed_rate_recalls_what_waits_for_that_lane_only() -> None:
    lane = Lane(1, 2)
    lane.admit(1, 2)
    lane.admit(3, lane="other")
    lane.pacer.recall("slow")
    assert lane.given == [1, 2]
    assert lane.pacer.holds
    lane.pacer.recall("other")
    assert lane.given == [1, 2, 3]
    assert not lane.pacer.holds


def test_the_rate_is_what_was_accepted_within_a_second() -> None:
    lane = Lane()
    for offset in (0.0, 0.5, 1.0, 1.5):
        lane.now = NOW + offset * SECOND
        lane.pacer.note_accepted("slow")
    assert lane.pacer.count_accepted("slow") == 3.0
    assert lane.pacer.count_accepted("other") == 0.0
    assert lane.pacer.limited == {"slow", "other"}
