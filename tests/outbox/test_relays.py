"""Relays that take little at a time: what is counted is what they store, and what was tried."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from datetime import timedelta

import pytest

from monitor.channels.email.connections import MORE_AFTER, ConnectionLimit
from monitor.channels.email.transport import Email
from monitor.storage import schema
from tests.outbox.world import HAMMOND, World
from tests.peers.smtp import SmtpPeer


@pytest.fixture
def world(sqlite_world: World) -> World:
    """None of this depends on the kind of database."""
    return sqlite_world


def mail_to(peer: SmtpPeer, world: World, connections: int = 4) -> Email:
    return Email(
        host="127.0.0.1",
        port=peer.port,
        sender="Map Monitor <alerts@watch.example>",
        clock=world.clock,
        security="none",
        connections=connections,
        timeout=10,
    )


def owed(world: World, people: int, domains: int = 10) -> None:
    for number in range(people):
        world.person(f"p{number}@d{number % domains}.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()


def test_a_relay_of_one_connection_gets_everything_in_one_drain(world: World) -> None:
    owed(world, 200)
    with SmtpPeer(most=1) as peer:
        drained = world.send(mail_to(peer, world))
    assert (drained.sent, drained.due) == (200, 0)
    assert len({mail.recipient for mail in peer.mails}) == len(peer.mails) == 200
    assert peer.refused_connections <= 3 + 200 // MORE_AFTER
    assert world.rows(schema.LaneRow) == []


def test_a_relay_that_is_away_is_not_one_of_few_connections(world: World) -> None:
    owed(world, 20)
    with SmtpPeer(most=0) as peer:
        channel = mail_to(peer, world)
        assert world.send(channel).sent == 0
        assert [row.name for row in world.rows(schema.LaneRow)] == ["*"]
        assert peer.refused_connections <= 4
        peer.most = None
        world.later(minutes=1)
        assert world.send(channel).sent == 20
        assert peer.refused_connections <= 4


def test_more_connections_are_tried_when_all_goes_well() -> None:
    async def learn() -> list[int]:
        limit = ConnectionLimit(4)
        async with limit:
            with limit.working():
                async with limit:
                    assert await limit.lower(0)
        seen = [limit.allowed]
        for _ in range(MORE_AFTER * (1 + 2 + 3) + 500):
            limit.count_accepted()
            if limit.allowed != seen[-1]:
                seen.append(limit.allowed)
        return seen

    assert asyncio.run(learn()) == [1, 2, 3, 4]


def test_a_turn_that_is_cancelled_is_not_lost() -> None:
    async def cancel() -> int:
        limit = ConnectionLimit(1)
        running = 0

        async def use() -> None:
            nonlocal running
            async with limit:
                running += 1
                assert running == 1
                await asyncio.sleep(0)
                running -= 1

        tasks = [asyncio.create_task(use()) for _ in range(20)]
        await asyncio.sleep(0)
        for task in tasks[1::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return sum(not task.cancelled() for task in tasks)

    assert asyncio.run(asyncio.wait_for(cancel(), 10)) == 10


def test_greylisting_of_five_minutes_delays_everybody_by_little(world: World) -> None:
    owed(world, 200)
    first: dict[str, object] = {}

    def judge(phase: str, recipient: str) -> str | None:
        if phase != "RCPT":
            return None
        seen = first.setdefault(recipient, world.now)
        young = world.now - seen < timedelta(minutes=5)  # type: ignore[operator]
        return "451 4.7.1 Greylisting in action, please come back later" if young else None

    start = world.now
    with SmtpPeer(judge=judge) as peer:
        channel = mail_to(peer, world)
        while len(peer.mails) < 200 and world.now - start < timedelta(hours=3):
            world.send(channel)
            world.later(seconds=30)
    assert len({mail.recipient for mail in peer.mails}) == len(peer.mails) == 200
    assert world.now - start <= timedelta(minutes=12)
    assert world.rows(schema.LaneRow) == []


_ = (Counter, defaultdict, deque)
