"""What a message says and is called, and what happens when none can be made."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitor.domain import Envelope, Rendered
from monitor.errors import Transient
from monitor.messages import Message
from monitor.storage import people, schema
from monitor.storage.engine import transaction
from tests.outbox.world import (
    CHICAGO,
    GARY,
    HAMMOND,
    Recorder,
    World,
    render,
)


@pytest.fixture
def world(sqlite_world: World) -> World:
    """None of this depends on the kind of database."""
    return sqlite_world


def test_a_distinct_content_is_rendered_once(world: World) -> None:
    rendered: list[Message] = []

    def counting(message: Message) -> Rendered:
        rendered.append(message)
        return render(message)

    for number in range(30):
        world.person(f"p{number}@a.example", "46320" if number % 2 else "46324")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder()
    assert world.send(channel, render=counting).sent == 30
    assert len(rendered) == 2


def test_languages_are_rendered_apart(world: World) -> None:
    rendered: list[str] = []

    def noting(message: Message) -> Rendered:
        rendered.append(message.language)
        return render(message)

    world.person("en@a.example", "IN")
    world.person("es@a.example", "IN", language="es")
    world.publish(HAMMOND)
    world.fan_out()
    world.send(Recorder(), render=noting)
    assert sorted(rendered) == ["en", "es"]


def test_the_day_somebody_asked_is_that_of_what_they_are_told_of(world: World) -> None:
    person = world.person("a@a.example", "46320")
    asked = world.now
    world.later(days=5)
    with transaction(world.engine) as conn:
        people.follow(conn, person, [people.Follow("ring", "60601", "IL")], world.now)
    world.publish(HAMMOND, CHICAGO)
    world.fan_out()
    channel = Recorder()
    world.send(channel)
    assert channel.accepted[0].placeholders["asked"] == str(asked)


def test_an_alert_more_than_24_hours_late_says_so(world: World) -> None:
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder()
    channel.will("a@a.example", Transient("not now"))
    world.send(channel)
    world.later(hours=24, minutes=1)
    world.send(channel)
    assert [handed.subject for handed in channel.accepted] == ["ring (late)"]


def test_a_message_sent_within_24_hours_does_not_call_itself_late(world: World) -> None:
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    world.later(hours=23, minutes=59)
    channel = Recorder()
    world.send(channel)
    assert [handed.subject for handed in channel.accepted] == ["ring"]


def test_a_message_id_names_delivery_and_database_and_never_changes(world: World) -> None:
    for name in ("a", "b"):
        world.person(f"{name}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    seen: list[str] = []
    channel = Recorder()

    async def note(envelope: Envelope) -> None:
        seen.append(envelope.message_id)

    channel.before = note
    channel.will("a@a.example", Transient("not now"))
    world.send(channel)
    world.later(hours=1)
    world.send(channel)
    assert len(seen) == 3
    assert len(set(seen)) == 2
    assert all(re.fullmatch(r"<[0-9a-f]{32}@watch\.example>", each) for each in seen)


def test_an_unforeseen_error_of_a_channel_is_tried_again_and_names_no_address(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.person("secret@a.example", "IN")
    world.person("b@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder()
    channel.will("secret@a.example", ValueError("secret@a.example is odd"))
    drained = world.send(channel)
    assert (drained.sent, drained.retried) == (1, 1)
    assert "secret" not in caplog.text
    assert "secret" not in str(world.rows())


def test_one_message_that_cannot_be_rendered_holds_up_no_other(world: World) -> None:
    def broken(message: Message) -> Rendered:
        if message.language == "es":
            raise KeyError("words")
        return render(message)

    world.person("es@a.example", "IN", language="es")
    world.person("en@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder()
    drained = world.send(channel, render=broken)
    assert (drained.sent, drained.retried) == (1, 1)
    world.later(hours=1)
    assert world.send(channel).sent == 1


def test_one_address_that_cannot_be_read_holds_up_no_other(world: World) -> None:
    broken = world.person("broken@a.example", "IN")
    world.person("b@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    world.write(
        sa.update(schema.SubscriberRow).where(schema.SubscriberRow.id == broken).values(address=b"\1garbage")
    )
    channel = Recorder()
    drained = world.send(channel)
    assert (drained.sent, drained.retried) == (1, 1)


def test_one_changeset_that_cannot_be_read_holds_up_no_other(world: World) -> None:
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.publish(GARY)
    world.fan_out()
    world.write(sa.update(schema.ChangeRow).where(schema.ChangeRow.id == 1).values(kind="exploded"))
    channel = Recorder()
    drained = world.send(channel)
    assert (drained.sent, drained.retried) == (1, 1)
    assert channel.told == {"a@a.example": ["added Gary Police Department because IN"]}


def test_at_most_as_many_are_under_way_as_the_channel_takes(world: World) -> None:
    for number in range(40):
        world.person(f"p{number}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=3)

    async def slowly(envelope: Envelope) -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    channel.before = slowly
    assert world.send(channel).sent == 40
    assert channel.most_at_once == 3


def test_what_becomes_due_later_is_left_when_a_moment_is_given(world: World) -> None:
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder()
    assert world.send(channel, until=world.now - timedelta(seconds=1)).due == 1
    assert world.send(channel, until=world.now).sent == 1


def test_what_does_not_end_in_time_at_a_stop_is_known_to_be_ambiguous(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.outbox.send.STOP_GRACE", timedelta(milliseconds=20))
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    stop = asyncio.Event()
    channel = Recorder()

    async def hang(envelope: Envelope) -> None:
        stop.set()
        await asyncio.Event().wait()

    channel.before = hang
    assert world.send(channel, stop=stop).retried == 1
    (row,) = world.rows()
    assert (row.state, bool(row.ambiguous), row.owner) == ("due", True, None)
