"""What is due is sent, once, to whom it is for, and written down."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitor.domain import Envelope
from monitor.errors import Transient
from monitor.outbox.commit import GROUP
from monitor.outbox.leases import LEASE
from monitor.storage import people, schema
from monitor.storage.deliveries import endings
from monitor.storage.engine import transaction
from tests.outbox.world import (
    CHICAGO,
    GARY,
    HAMMOND,
    STATE_POLICE,
    Recorder,
    World,
    placeholders,
    removed,
)


def test_a_mail_costs_few_statements_and_few_commits(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups are committed when they are full, or when nothing is being sent that could join them."""
    monkeypatch.setattr("monitor.outbox.commit.GROUP_WAIT", timedelta(minutes=10))
    world, people = sqlite_world, 400
    for number in range(people):
        world.person(f"p{number}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    counts: Counter[str] = Counter()

    def count_statement(*_: object) -> None:
        counts["statements"] += 1

    def count_commit(_: object) -> None:
        counts["commits"] += 1

    channel = Recorder(concurrency=10)
    sa.event.listen(world.engine, "before_cursor_execute", count_statement)
    sa.event.listen(world.engine, "commit", count_commit)
    assert world.send(channel).sent == people
    # groups of `GROUP`, two commits for each batch of 200, and the beginning and the end
    assert counts["commits"] <= people / GROUP + 10
    # about 120; a statement more for each mail would be seen, two more that threads make by chance are not
    assert counts["statements"] <= 0.35 * people


def test_what_is_due_is_sent_and_settled(world: World) -> None:
    person = world.person("a@a.example", "46320")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder()
    drained = world.send(channel)
    assert (drained.sent, drained.retried, drained.failed, drained.due) == (1, 0, 0, 0)
    (handed,) = channel.accepted
    assert handed.address == "a@a.example"
    assert handed.text == "added Hammond Police Department because 46320"
    (subscriber,) = (each for each in world.rows(schema.SubscriberRow) if each.id == person)
    assert handed.placeholders["stop"] == f"mailto:stop@watch.example?subject={subscriber.number}"
    (row,) = world.rows()
    assert (row.state, row.attempts, row.settled_at, row.owner, row.lease_until) == (
        "sent",
        1,
        world.now,
        None,
        None,
    )
    assert world.send(channel).sent == 0
    assert len(channel.accepted) == 1


def test_each_person_is_told_only_their_own_changes_in_one_message(world: World) -> None:
    world.person("hammond@a.example", "46320")
    world.person("both@a.example", "46320", "46402")
    world.person("indiana@a.example", "IN")
    world.publish(HAMMOND, removed(GARY), STATE_POLICE, CHICAGO)
    world.fan_out()
    channel = Recorder()
    world.send(channel)
    assert channel.told == {
        "both@a.example": [
            "added Hammond Police Department because 46320\n"
            "removed Gary Police Department because 46402\n"
            "added Indiana State Police because 46320+46402"
        ],
        "hammond@a.example": [
            "added Hammond Police Department because 46320\nadded Indiana State Police because 46320"
        ],
        "indiana@a.example": [
            "added Hammond Police Department because IN\n"
            "removed Gary Police Department because IN\n"
            "added Indiana State Police because IN"
        ],
    }


def test_an_unsubscribe_wins_over_a_claimed_row(world: World) -> None:
    first = world.person("first@a.example", "IN")
    second = world.person("second@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=1)

    async def meanwhile(envelope: Envelope) -> None:
        if envelope.address == "first@a.example":
            with transaction(world.engine) as conn:
                endings.end(conn, second, world.now)

    channel.before = meanwhile
    assert world.send(channel).sent == 1
    assert [handed.address for handed in channel.accepted] == ["first@a.example"]
    assert world.states() == ["sent", "dropped"]
    assert world.rows()[0].subscriber_id == first


def test_a_suppression_wins_over_a_claimed_row(world: World) -> None:
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    with transaction(world.engine) as conn:
        people.suppress(conn, "email", world.keys.lookup("email", "a@a.example"), "it bounced", world.now)
    channel = Recorder()
    assert world.send(channel).due == 0
    assert channel.accepted == []
    assert world.states() == ["dropped"]
    assert world.rows()[0].last_error == "the address is suppressed"


def test_whoever_pauses_meanwhile_keeps_the_row_for_afterwards(world: World) -> None:
    person = world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    world.write(sa.update(schema.SubscriberRow).values(state="paused"))
    channel = Recorder()
    assert world.send(channel).due == 1
    with transaction(world.engine) as conn:
        people.activate(conn, person, world.now)
    assert world.send(channel).sent == 1


def test_a_pause_that_begins_while_others_are_sent_to_wins_over_a_claimed_row(world: World) -> None:
    world.person("first@a.example", "IN")
    second = world.person("second@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=1)

    async def meanwhile(envelope: Envelope) -> None:
        world.write(
            sa.update(schema.SubscriberRow)
            .where(schema.SubscriberRow.id == second)  # type: ignore[arg-type]
            .values(state="paused")
        )

    channel.before = meanwhile
    assert world.send(channel).sent == 1
    assert [handed.address for handed in channel.accepted] == ["first@a.example"]
    assert [(row.state, row.owner, row.attempts) for row in world.rows()] == [
        ("sent", None, 1),
        ("due", None, 0),
    ]


def test_somebody_who_follows_none_of_its_places_any_more_gets_nothing(world: World) -> None:
    person = world.person("a@a.example", "46320", "60601")
    world.publish(HAMMOND)
    world.fan_out()
    with transaction(world.engine) as conn:
        people.unfollow(conn, person, "ring", "46320", world.now)
    channel = Recorder()
    world.send(channel)
    assert channel.accepted == []
    assert world.states() == ["dropped"]


def test_a_channel_that_is_not_configured_keeps_its_deliveries_due(world: World) -> None:
    world.person("a@a.example", "IN")
    world.person("@indiana", "IN", channel="telegram")
    world.publish(HAMMOND)
    world.fan_out()
    telegram = Recorder(name="telegram")
    drained = world.send(telegram)
    assert (drained.sent, drained.due) == (1, 1)
    world.later(days=5)
    email = Recorder()
    assert world.send(email, telegram).sent == 1
    assert [handed.address for handed in email.accepted] == ["a@a.example"]


def test_alerts_older_than_7_days_go_out_as_one_message_and_none_is_swallowed(world: World) -> None:
    world.person("a@a.example", "IN", sources=["ring", "ice-287g"])
    world.person("b@a.example", "46402")
    for listing in (HAMMOND, GARY, STATE_POLICE):
        world.publish(listing)
        world.later(hours=1)
    world.publish(HAMMOND, source="ice-287g")
    world.fan_out()
    world.later(days=8)
    world.publish(removed(HAMMOND))
    world.fan_out()
    channel = Recorder()
    drained = world.send(channel)
    assert channel.told == {
        "a@a.example": [
            "added Hammond Police Department because IN\n"
            "added Gary Police Department because IN\n"
            "added Indiana State Police because IN",
            "added Hammond Police Department because IN",
            "removed Hammond Police Department because IN",
        ],
        "b@a.example": [
            "added Gary Police Department because 46402\nadded Indiana State Police because 46402"
        ],
    }
    assert drained.sent == len(world.rows()) == 7
    assert set(world.states()) == {"sent"}


def test_old_alerts_beyond_the_batch_join_the_summary(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.outbox.leases.BATCH", 2)
    world.person("a@a.example", "IN")
    for _ in range(5):
        world.publish(HAMMOND)
    world.fan_out()
    world.later(days=8)
    channel = Recorder()
    assert world.send(channel).sent == 5
    assert len(channel.accepted) == 1


def test_a_summary_that_is_not_accepted_stays_due_whole(world: World) -> None:
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.publish(GARY)
    world.fan_out()
    world.later(days=8)
    channel = Recorder()
    channel.will("a@a.example", Transient("not now"))
    assert world.send(channel).retried == 2
    world.later(hours=1)
    assert world.send(channel).sent == 2
    assert len(channel.accepted) == 1


def test_two_senders_at_once_send_nothing_twice(world: World) -> None:
    for number in range(120):
        world.person(f"p{number}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channels = [Recorder(), Recorder(), Recorder()]

    async def all_at_once() -> None:
        await asyncio.gather(*(world.drain(channel) for channel in channels))

    asyncio.run(all_at_once())
    addresses = [handed.address for channel in channels for handed in channel.accepted]
    assert len(addresses) == len(set(addresses)) == 120
    assert set(world.states()) == {"sent"}


def test_a_slow_channel_does_not_hold_up_another(world: World) -> None:
    world.person("a@a.example", "IN")
    world.person("@indiana", "IN", channel="telegram")
    world.publish(HAMMOND)
    world.fan_out()
    email, telegram = Recorder(), Recorder(name="telegram")

    async def until_mail_is_settled(envelope: Envelope) -> None:
        async with asyncio.timeout(600):
            while "sent" not in await asyncio.to_thread(world.states):
                await asyncio.sleep(0.01)

    telegram.before = until_mail_is_settled
    assert world.send(email, telegram).sent == 2


def test_a_stop_ends_what_is_under_way_and_gives_the_rest_back(world: World) -> None:
    for number in range(20):
        world.person(f"p{number}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    stop = asyncio.Event()
    channel = Recorder(concurrency=2)

    async def stop_now(envelope: Envelope) -> None:
        stop.set()
        await asyncio.sleep(0.01)

    channel.before = stop_now
    drained = world.send(channel, stop=stop)
    assert (drained.sent, drained.due) == (2, 18)
    assert {(row.lease_until, row.owner) for row in world.rows()} == {(None, None)}
    assert [row.attempts for row in world.rows() if row.state == "due"] == [0] * 18


def test_a_lease_that_ran_out_is_claimed_by_the_next_and_a_running_one_is_not(world: World) -> None:
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    world.write(
        sa.update(schema.DeliveryRow).values(owner="dead", lease_until=world.now + timedelta(minutes=1))
    )
    channel = Recorder()
    assert world.send(channel).sent == 0
    world.later(minutes=2)
    assert world.send(channel).sent == 1


def test_a_row_that_somebody_else_took_over_is_not_sent(world: World) -> None:
    world.person("first@a.example", "IN")
    world.person("second@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=1)

    async def taken_over(envelope: Envelope) -> None:
        world.write(sa.update(schema.DeliveryRow).where(schema.DeliveryRow.id == 2).values(owner="other"))

    channel.before = taken_over
    assert world.send(channel).sent == 1
    assert [(row.state, row.owner) for row in world.rows()] == [("sent", None), ("due", "other")]


def test_leases_are_renewed_while_a_message_takes_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.outbox.send.LEASE", timedelta(milliseconds=40))
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder()

    async def long(envelope: Envelope) -> None:
        before = world.rows()[0].lease_until
        world.later(minutes=10)
        async with asyncio.timeout(600):
            while (await asyncio.to_thread(world.rows))[0].lease_until == before:
                await asyncio.sleep(0.005)

    channel.before = long
    assert world.send(channel).sent == 1
    assert "sender" in {row.part for row in world.rows(schema.HeartbeatRow)}


def test_a_lease_is_renewed_several_times_before_it_runs_out(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One renewal may fail, on a busy database, and the next one still comes in time."""
    world = sqlite_world
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    waits: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await real(0.01 if seconds else 0)

    monkeypatch.setattr("monitor.outbox.send.asyncio.sleep", sleep)
    assert world.send(Recorder()).sent == 1
    assert max(waits) <= LEASE.total_seconds() / 3


def test_a_sender_claims_no_more_than_a_batch_ahead(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is claimed and not sent waits for a lease to run out after a crash; nobody else can send it."""
    world, batch = sqlite_world, 8
    monkeypatch.setattr("monitor.outbox.leases.BATCH", batch)
    monkeypatch.setattr("monitor.outbox.send.BATCH", batch)
    for number in range(40):
        world.person(f"p{number}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=1)
    begun = 0
    ahead: list[int] = []

    async def look(envelope: Envelope) -> None:
        nonlocal begun
        begun += 1
        for _ in range(10):  # the supply may claim meanwhile
            rows = await asyncio.to_thread(world.rows)
        claimed = sum(row.owner is not None or row.state != "due" for row in rows)
        ahead.append(claimed - begun)

    channel.before = look
    assert world.send(channel).sent == 40
    assert max(ahead) <= batch // 2 + batch


def test_a_kind_of_message_that_this_version_does_not_know_is_kept(world: World) -> None:
    person = world.person("a@a.example", "IN")
    world.write(
        sa.insert(schema.DeliveryRow).values(
            kind="digest",
            channel="email",
            period="2026-W09",
            subscriber_id=person,
            state="due",
            created_at=world.now,
            due_at=world.now,
            attempts=0,
            ambiguous=False,
        )
    )
    assert world.send(Recorder(), placeholders=placeholders).retried == 1
    assert world.states() == ["due"]
