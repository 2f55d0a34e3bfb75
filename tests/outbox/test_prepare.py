"""What the sender keeps at hand while it works: bounded, and the longest unused goes first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sqlalchemy.engine import Connection

from monitor.domain import Rendered
from monitor.messages import Message
from monitor.outbox import prepare
from monitor.outbox.prepare import MessagePreparer, PreparedMessage
from monitor.storage.deliveries import fanout
from monitor.storage.deliveries.fanout import Published
from tests.outbox.world import CHICAGO, GARY, HAMMOND, World, loader, placeholders, render


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
