"""How often a message is tried, and when it is given up."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from monitor.core.retry import WAITS
from monitor.errors import Permanent, StoreError, Transient
from monitor.storage import people, schema
from monitor.storage.deliveries import dead_letters, operator_rows
from monitor.storage.deliveries.backlog import read_backlog
from monitor.storage.engine import reading
from tests.outbox.world import GARY, HAMMOND, Recorder, World, one_due


@pytest.fixture
def world(sqlite_world: World) -> World:
    """None of this depends on the kind of database."""
    return sqlite_world


def test_a_refusal_for_now_is_tried_again_after_growing_waits(world: World) -> None:
    one_due(world)
    channel = Recorder()
    waits: list[timedelta] = []
    for _ in range(7):
        channel.will("a@a.example", Transient("451 later"))
        assert world.send(channel, chance=lambda: 1.0).retried == 1
        (row,) = world.rows()
        waits.append(row.due_at - world.now)
        assert world.send(channel).sent == 0
        world.now = row.due_at
    assert waits == [*WAITS, WAITS[-1], WAITS[-1]]
    assert row.last_error == "451 later"
    assert world.send(channel).sent == 1
    assert world.rows()[0].last_error is None


def test_a_message_is_given_up_after_three_days_and_kept_as_a_dead_letter(world: World) -> None:
    one_due(world)
    channel = Recorder()
    start = world.now
    drained = world.send()
    while world.states() == ["due"]:
        channel.will("a@a.example", Transient("451 later"))
        drained = world.send(channel, chance=lambda: 1.0)
        world.now = max(world.rows()[0].due_at, world.now + timedelta(seconds=1))
    assert drained.failed == 1
    assert timedelta(days=2, hours=20) < world.now - start <= timedelta(days=3, seconds=1)
    with reading(world.engine) as conn:
        ((letter, state, _),) = dead_letters.load_letters(conn)
    assert (letter.error, letter.channel, letter.source) == ("451 later", "email", "ring")
    assert state == "failed"


def test_a_message_that_lay_for_a_week_still_gets_its_attempts(world: World) -> None:
    one_due(world)
    world.later(days=7)
    channel = Recorder()
    channel.will("a@a.example", *[Transient("451 later")] * 5)
    for _ in range(5):
        assert world.send(channel).retried == 1
        world.now = world.rows()[0].due_at
    assert world.send(channel).sent == 1


def test_a_wait_that_the_other_side_asks_for_is_kept(world: World) -> None:
    one_due(world)
    channel = Recorder()
    channel.will("a@a.example", Transient("flood", retry_after=timedelta(minutes=40)))
    world.send(channel, chance=lambda: 0.0)
    assert world.rows()[0].due_at == world.now + timedelta(minutes=40)


def test_mail_that_may_have_arrived_is_sent_again_as_often_as_it_takes(world: World) -> None:
    one_due(world)
    channel = Recorder()
    channel.will("a@a.example", *[Transient("lost after DATA", ambiguous=True)] * 4)
    for _ in range(4):
        assert world.send(channel).retried == 1
        world.later(hours=5)
    assert world.send(channel).sent == 1


def test_a_telegram_post_that_may_have_arrived_is_sent_once_more_and_no_further(world: World) -> None:
    one_due(world, "@indiana", channel="telegram")
    channel = Recorder(name="telegram")
    channel.will("@indiana", *[Transient("no answer", ambiguous=True)] * 2)
    assert world.send(channel).retried == 1
    world.later(hours=1)
    assert world.send(channel).failed == 1
    assert (channel.attempts, world.states()) == (2, ["failed"])
    with reading(world.engine) as conn:
        backlog = read_backlog(conn)
        assert operator_rows.load_failures(conn) == (), "nobody is asked whether to make a copy"
    assert (backlog.failed, backlog.unknown) == (0, 1), "it may have arrived: it has not failed for good"


def test_a_refusal_for_good_fails_once_another_domain_accepts(world: World) -> None:
    world.person("b@b.example", "IN")
    person = one_due(world)
    channel = Recorder()
    channel.will("a@a.example", Permanent("400 bad request"))
    world.send(channel)
    assert {row.subscriber_id: row.state for row in world.rows()} == {1: "sent", person: "failed"}
    assert [row.last_error for row in world.rows() if row.state == "failed"] == ["400 bad request"]
    with reading(world.engine) as conn:
        subscriber = people.get(conn, person)
    assert subscriber is not None
    assert subscriber.state == "active"


def test_a_new_id_is_kept_also_when_the_message_there_has_to_wait(world: World) -> None:
    one_due(world, "-100", channel="telegram")
    channel = Recorder(name="telegram")
    channel.will("-100", Permanent("migrated", moved_to="-100200"))
    channel.will("-100200", Transient("flood"))
    assert world.send(channel).retried == 1
    world.later(hours=1)
    assert world.send(channel).sent == 1
    assert list(channel.told) == ["-100200"]


def test_a_lane_that_is_a_chat_is_stored_without_its_id(world: World) -> None:
    one_due(world, "-100777", channel="telegram")
    channel = Recorder(name="telegram")
    channel.will("-100777", Transient("flood", retry_after=timedelta(hours=1), lane="-100777"))
    world.send(channel)
    (lane,) = world.rows(schema.LaneRow)
    assert lane.name == world.keys.lookup("telegram", "-100777")


def test_a_message_that_cannot_be_settled_stops_the_sending(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: what is under way is remembered, and nothing is sent before it is written down."""
    world = sqlite_world
    for number in range(150):
        world.person(f"p{number}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr("monitor.outbox.leases.settle", full)
    monkeypatch.setattr("monitor.outbox.commit._TRIES", ())
    channel = Recorder(concurrency=4)
    with pytest.raises(StoreError, match="the disk is full"):
        world.send(channel)
    assert len(channel.accepted) <= 4 + 50
    accepted = {handed.delivery for handed in channel.accepted}
    assert {row.owner for row in world.rows() if row.id not in accepted} == {None}, "leases are given back"
    for _ in range(3):
        world.later(minutes=5)
        with pytest.raises(StoreError, match="the disk is full"):
            world.send(channel)
    monkeypatch.undo()
    world.send(channel)
    addresses = [handed.address for handed in channel.accepted]
    assert len(addresses) == len(set(addresses)) == 150, "no copies while the process lives"
    assert set(world.states()) == {"sent"}


def test_a_settle_that_meets_a_locked_database_is_repeated(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from monitor.outbox import leases

    settle, refusals = leases.settle, [StoreError("locked"), StoreError("locked")]

    def reluctant(*arguments: object) -> object:
        if refusals:
            raise refusals.pop()
        return settle(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("monitor.outbox.leases.settle", reluctant)
    monkeypatch.setattr("monitor.outbox.commit._TRIES", (timedelta(0), timedelta(0)))
    one_due(sqlite_world)
    channel = Recorder()
    assert sqlite_world.send(channel).sent == 1
    assert len(channel.accepted) == 1


def test_one_channels_broken_transport_does_not_end_anothers_work(world: World) -> None:
    one_due(world)
    world.person("@x", "IN", channel="telegram")
    world.publish(GARY)
    world.fan_out()

    class Broken(Recorder):
        async def __aenter__(self) -> Broken:
            raise OSError("no such thing")

    email = Recorder()
    with pytest.raises(OSError, match="no such thing"):
        asyncio.run(world.drain(Broken(name="telegram"), email))
    assert len(email.accepted) == 2
    assert {row.owner for row in world.rows()} == {None}


def test_times_in_the_outbox_are_those_of_the_clock(world: World) -> None:
    one_due(world)
    world.write(sa.update(schema.DeliveryRow).values(due_at=world.now + timedelta(hours=1)))
    channel = Recorder()
    assert world.send(channel).sent == 0
    world.later(hours=1)
    assert world.send(channel).sent == 1
    settled: datetime = world.rows()[0].settled_at
    assert settled == world.now
