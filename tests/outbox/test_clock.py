"""Clocks that jump, and clocks that differ, neither lose nor repeat a message."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitor.domain import Envelope
from monitor.outbox.leases import LEASE
from monitor.storage import schema
from tests.outbox.world import HAMMOND, Recorder, World


def crowd(world: World, number: int) -> None:
    for each in range(number):
        world.person(f"p{each}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()


def test_a_clock_that_jumps_over_the_leases_sends_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.outbox.leases.BATCH", 4)
    monkeypatch.setattr("monitor.outbox.send.BATCH", 4)
    crowd(world, 12)
    channel = Recorder(concurrency=4)
    leased: list[int] = []

    async def slow(envelope: Envelope) -> None:
        if not leased:  # the machine has slept while the first messages were under way
            leased.append(envelope.delivery)
            world.now += LEASE + timedelta(seconds=1)
        for _ in range(200):
            await asyncio.sleep(0.001)

    channel.before = slow
    world.send(channel)
    assert sorted(handed.address for handed in channel.accepted) == sorted(
        {f"p{each}@a.example" for each in range(12)}
    )
    assert set(world.states()) == {"sent"}


def test_a_clock_that_was_set_back_delays_what_failed_and_loses_nothing(world: World) -> None:
    crowd(world, 3)
    world.later(hours=-1)
    channel = Recorder()
    assert world.send(channel).due == 3
    world.later(hours=1)
    assert world.send(channel).sent == 3


def test_a_sender_whose_clock_is_ahead_takes_no_row_that_another_one_has_begun(world: World) -> None:
    crowd(world, 6)
    slow, fast = Recorder(concurrency=1), Recorder(concurrency=1)

    async def both() -> None:
        begun = asyncio.Event()

        async def wait(_: Envelope) -> None:
            begun.set()
            for _ in range(20):
                await asyncio.sleep(0.005)

        slow.before = wait
        first = asyncio.create_task(world.drain(slow, owner="slow"))
        await begun.wait()
        ahead = world.now + timedelta(seconds=90)
        await world.drain(fast, owner="ahead", clock=lambda: ahead)
        await first

    asyncio.run(both())
    told = [handed.address for handed in (*slow.accepted, *fast.accepted)]
    assert sorted(told) == [f"p{each}@a.example" for each in range(6)]


def test_six_hundred_deliveries_with_one_poison_row_are_599_messages(world: World) -> None:
    crowd(world, 600)
    world.write(
        sa.update(schema.SubscriberRow)
        .where(schema.SubscriberRow.id == world.rows(schema.SubscriberRow)[299].id)
        .values(address=b"not what any key has sealed")
    )
    channel = Recorder(concurrency=8)
    drained = world.send(channel)
    assert (drained.sent, drained.retried, drained.failed) == (599, 1, 0)
    assert len({handed.address for handed in channel.accepted}) == len(channel.accepted) == 599
    for _ in range(40):
        world.later(hours=4)
        world.send(channel)
    assert len(channel.accepted) == 599
    assert world.states().count("failed") == 1  # a dead letter in the end, which `monitor outbox` shows
