"""Relays that take little at a time: what is counted is what they store, and what was tried."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime, timedelta

import pytest

from monitor.channels.email.connection_limit import MORE_AFTER, ConnectionLimit
from monitor.channels.email.transport import Email
from monitor.domain import Envelope, Rendered
from monitor.errors import Transient
from monitor.ops.health_facts import load_facts
from monitor.ops.health_report import report_status
from monitor.storage import schema
from monitor.storage.deliveries import rates
from monitor.storage.engine import transaction
from tests.outbox.world import HAMMOND, Recorder, World
from tests.peers.smtp import SmtpPeer


@pytest.fixture
def world(sqlite_world: World) -> World:
    """None of this depends on the kind of database."""
    return sqlite_world


class Measured(Email):
    """The mail channel, on a clock that moves only when nothing is under way."""

    under_way = 0

    async def send(self, message: Rendered, envelope: Envelope) -> None:
        self.under_way += 1
        try:
            await super().send(message, envelope)
        finally:
            self.under_way -= 1


def mail_to(peer: SmtpPeer, world: World, connections: int = 4) -> Measured:
    return Measured(
        host="127.0.0.1",
        port=peer.port,
        sender="Map Monitor <alerts@watch.example>",
        clock=world.clock,
        security="none",
        connections=connections,
        timeout=600,
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
                    assert await limit.lower(0, lambda: 0)
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

    assert asyncio.run(asyncio.wait_for(cancel(), 600)) == 10


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


def test_a_relay_that_stops_answering_is_called_stalled_while_the_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("monitor.outbox.send.LEASE", timedelta(milliseconds=40))  # looked at each 10 ms
    owed(world, 20)

    def problems() -> list[str]:
        state = report_status(load_facts(world.engine, {}, configured=["email"], fenced=None, now=world.now))
        return [problem for problem in state["problems"] if "sending on email stands still" in problem]

    async def stall(envelope: Envelope) -> None:
        if envelope.delivery == 1:
            while len(channel.accepted) < 19:
                await asyncio.sleep(0)
            world.later(minutes=3)
            async with asyncio.timeout(600):
                while not await asyncio.to_thread(problems):
                    await asyncio.sleep(0.01)

    channel = Recorder(concurrency=2, before=stall)
    assert world.send(channel).sent == 20
    assert "the server has stalled" in caplog.text
    world.later(minutes=3)
    assert problems() == []


class Domain:
    """A domain that takes so many mails in any second, and refuses the others for now."""

    def __init__(self, world: World, a_second: int) -> None:
        self._world, self._a_second = world, a_second
        self._taken: deque[datetime] = deque()
        self.refused = 0
        self.tried: list[datetime] = []

    def judge(self, phase: str, recipient: str) -> str | None:
        if phase != "RCPT" or not recipient.endswith("@slow.example"):
            return None
        now = self._world.now
        self.tried.append(now)
        while self._taken and now - self._taken[0] >= timedelta(seconds=1):
            self._taken.popleft()
        if len(self._taken) >= self._a_second:
            self.refused += 1
            return "452 4.7.1 Too many messages from you, slow down"
        self._taken.append(now)
        return None


def until_sent(world: World, channel: Measured, peer: SmtpPeer, count: int, longest: timedelta) -> timedelta:
    """Drain every ten seconds of the world's clock until so many are stored; returns how long that took."""
    start = world.now

    async def sleep(seconds: float) -> None:
        for _ in range(20):  # what was given its turn begins
            await asyncio.sleep(0)
        while channel.under_way:
            await asyncio.sleep(0)
        world.later(seconds=seconds)

    while len(peer.mails) < count and world.now - start < longest:
        world.send(channel, sleep=sleep)
        world.later(seconds=10)
    identities = {mail.content.partition(b"\nMessage-ID: ")[2].split()[0] for mail in peer.mails}
    assert len(identities) == len(peer.mails) == count
    return world.now - start


def test_a_domain_of_five_a_second_is_not_left_alone_for_hours(world: World) -> None:
    for number in range(50):
        world.person(f"p{number}@slow.example", "IN")
    owed(world, 20)
    domain = Domain(world, 5)
    with SmtpPeer(judge=domain.judge) as peer:
        took = until_sent(world, mail_to(peer, world), peer, 70, timedelta(hours=3))
    assert took <= timedelta(minutes=5)
    assert world.rows(schema.LaneRow) == [], "the domain never paused"
    assert {row.state for row in world.rows()} == {"sent"}
    # a busy machine lets more begin at once than the world's clock says; each mail is refused once at most
    assert domain.refused <= 70


def test_what_a_domain_takes_is_remembered_by_the_next_process(world: World) -> None:
    for number in range(30):
        world.person(f"p{number}@slow.example", "IN")
    owed(world, 1)
    domain = Domain(world, 2)
    with SmtpPeer(judge=domain.judge) as peer:
        until_sent(world, mail_to(peer, world), peer, 31, timedelta(hours=3))
        (row,) = world.rows(schema.LaneRateRow)
        assert row.name == "slow.example"
        domain.tried.clear()
        start = world.now
        world.publish(HAMMOND)
        world.fan_out()
        until_sent(world, mail_to(peer, world), peer, 62, timedelta(hours=3))
    # the clock moves only when nothing is under way, and four connections would begin four at once
    assert domain.tried.count(start) <= 1, "a rate from the first message on"


def test_a_lane_that_asks_for_fewer_gets_half_of_what_it_took_in_the_last_second(world: World) -> None:
    for number in range(7):
        world.person(f"p{number}@slow.example", "IN")
    owed(world, 0)
    channel = Recorder(concurrency=1)
    channel.will("*", *[None] * 6, Transient("450 slower", policy=True, slower=True, answer="450 slower"))
    world.send(channel)
    assert [(row.name, row.rate) for row in world.rows(schema.LaneRateRow)] == [("slow.example", 3.0)]


def test_rates_are_halved_once_for_what_was_under_way_and_grow_again(world: World) -> None:
    with transaction(world.engine) as conn:
        for _ in range(5):
            rates.slow_down(conn, "email", "slow.example", world.now, 10.0)
        assert rates.load_rated(conn, "email", world.now) == {"slow.example"}
        turns = rates.reserve(conn, "email", "slow.example", world.now, 500)
        assert turns.interval == timedelta(seconds=1 / 5)
        assert turns.at[0] == world.now
        assert len(turns.at) == 26, "five a second, as far ahead as the horizon"
        again = rates.reserve(conn, "email", "slow.example", world.now, 1)
        assert (again.at, again.later) == ((), turns.later), "another process gets none of these turns"
        later = world.now + timedelta(minutes=2)
        rates.slow_down(conn, "email", "slow.example", later, 10.0)
        slower = rates.reserve(conn, "email", "slow.example", later, 1)
        assert slower.interval == timedelta(seconds=1 / ((5 + 26 * 0.1 / 5) / 2))
        intervals = [slower.interval]
        at = later
        while "slow.example" in rates.load_rated(conn, "email", at):
            at += timedelta(minutes=1)
            intervals.append(rates.reserve(conn, "email", "slow.example", at, 10_000).interval)
        assert intervals == sorted(intervals, reverse=True)
        assert timedelta(minutes=30) < at - later < timedelta(hours=4)


def test_the_limit_of_a_group_holds_for_two_processes(world: World) -> None:
    world.person("-100", "IN", channel="telegram")
    for _ in range(40):
        world.publish(HAMMOND)
    world.fan_out()
    posted: list[datetime] = []

    async def note(envelope: Envelope) -> None:
        posted.append(world.now)

    workers = [Recorder(name="telegram", before=note) for _ in range(2)]

    async def sleep(seconds: float) -> None:
        world.later(seconds=seconds)
        await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(*(world.drain(worker, sleep=sleep) for worker in workers))

    while len(posted) < 40:
        asyncio.run(both())
        world.later(seconds=10)
    assert sum(len(worker.accepted) for worker in workers) == 40
    for at in posted:
        assert sum(at <= other < at + timedelta(minutes=1) for other in posted) <= 20
