"""What the sender keeps at hand while it works: bounded, and the longest unused goes first."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from sqlalchemy.engine import Connection

from monitor.domain import Envelope, Rendered
from monitor.messages import Message
from monitor.outbox import Recipient, prepare
from monitor.outbox.prepare import MessagePreparer, PreparedMessage
from monitor.storage.deliveries import fanout
from monitor.storage.deliveries.fanout import Published
from monitor.storage.people.tables import SubscriberRow
from tests.outbox.world import CHICAGO, GARY, HAMMOND, Recorder, World, loader, placeholders, render


class Counting:
    """A preparer of three deliveries of three changesets, and what it has rendered and read."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.rendered: list[Message] = []
        self.read: list[int] = []
        real = fanout.load_published

        def published(conn: Connection, changeset: int) -> Sequence[Published]:
            self.read.append(changeset)
            return list(real(conn, changeset))

        monkeypatch.setattr(fanout, "load_published", published)
        world.person("a@a.example", "US", "IN", "IL")
        for listing in (HAMMOND, GARY, CHICAGO):
            world.publish(listing)
            world.fan_out()
        self.ids = [row.id for row in world.rows()]
        self.preparer = MessagePreparer(
            world.engine,
            world.keys,
            loader(world.engine, world.clock),
            self.render,
            placeholders,
            series="x",
            domain="watch.example",
        )
        self.read.clear()

    def render(self, message: Message) -> Rendered:
        self.rendered.append(message)
        return render(message)

    def make(self, *numbers: int) -> None:
        """Prepare these deliveries, one after the other."""
        for number in numbers:
            (made,) = self.preparer.prepare([self.ids[number]], self.world.now)
            assert isinstance(made, PreparedMessage)


def test_messages_up_to_the_bound_are_rendered_once(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "_CONTENTS", 2)
    counting = Counting(sqlite_world, monkeypatch)
    counting.make(0, 1, 0, 1)
    assert len(counting.rendered) == 2


def test_beyond_the_bound_the_message_that_was_not_used_for_longest_is_forgotten(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "_CONTENTS", 2)
    counting = Counting(sqlite_world, monkeypatch)
    counting.make(0, 1, 0, 2, 0, 2)
    assert len(counting.rendered) == 3
    counting.make(1)
    assert len(counting.rendered) == 4


def test_changesets_up_to_the_bound_are_read_once_and_beyond_it_the_oldest_is_forgotten(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "_CHANGESETS", 2)
    counting = Counting(sqlite_world, monkeypatch)
    counting.make(0, 1, 0, 1)
    assert len(counting.read) == 2
    counting.make(2, 2, 1)
    assert len(counting.read) == 3
    counting.make(0)
    assert len(counting.read) == 4


def test_a_long_message_holds_up_no_loop_and_addresses_are_made_as_there_is_room(world: World) -> None:
    """Rendering takes as long as the message is long, and has a thread; an address takes the same for all."""
    world.crowd([f"p{number}@a.example" for number in range(30)], "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=3)
    rendered_in: set[int] = set()
    addressed, begun, most_ahead = 0, 0, 0

    def noted_render(message: Message) -> Rendered:
        rendered_in.add(threading.get_ident())
        return render(message)

    def noted_placeholders(recipient: Recipient) -> dict[str, str]:
        nonlocal addressed, most_ahead
        assert threading.get_ident() == threading.main_thread().ident
        addressed += 1
        most_ahead = max(most_ahead, addressed - begun)
        return placeholders(recipient)

    async def note(envelope: Envelope) -> None:
        nonlocal begun
        begun += 1

    channel.before = note
    assert world.send(channel, render=noted_render, placeholders=noted_placeholders).sent == 30
    assert threading.main_thread().ident not in rendered_in
    assert addressed == 30
    assert most_ahead <= channel.concurrency


def test_a_message_that_cannot_be_addressed_holds_up_no_other_and_is_tried_again(world: World) -> None:
    world.crowd([f"p{number}@a.example" for number in range(5)], "IN")
    world.publish(HAMMOND)
    world.fan_out()
    (first, *_) = world.rows()
    (number, *_) = (each.number for each in world.rows(SubscriberRow) if each.id == first.subscriber_id)
    broken = True

    def failing(recipient: Recipient) -> dict[str, str]:
        if broken and recipient.number == number:
            raise ValueError("p0@a.example")
        return placeholders(recipient)

    channel = Recorder()
    done = world.send(channel, placeholders=failing)
    assert (done.sent, done.retried) == (4, 1)
    (row,) = (row for row in world.rows() if row.state == "due")
    assert (row.id, row.last_error) == (first.id, "it could not be addressed: ValueError")
    broken = False
    world.later(days=1)
    assert world.send(channel, placeholders=failing).sent == 1
    assert len({handed.address for handed in channel.accepted}) == len(channel.accepted) == 5
