"""Deliveries as messages: what is kept at hand meanwhile, what goes together, and what is not sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import Envelope, Rendered
from monitor.messages import Message
from monitor.messages.model import Alert
from monitor.outbox import MessageLoader, Recipient, prepare
from monitor.outbox.prepare import MessagePreparer, NotRendered, NotWanted, PreparedMessage
from monitor.outbox.retract import retract
from monitor.storage import people, schema
from monitor.storage.deliveries import fanout
from monitor.storage.deliveries.fanout import Published
from monitor.storage.deliveries.retractions import FirstMessage
from monitor.storage.engine import transaction
from monitor.storage.lists.coverage import Coverage
from monitor.storage.people.tables import SubscriberRow
from tests.outbox.world import (
    CHICAGO,
    GARY,
    HAMMOND,
    Recorder,
    World,
    loader,
    locate,
    placeholders,
    render,
)

HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)


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


# what becomes of deliveries


def preparer(
    world: World,
    rendering: Callable[[Message], object] = render,
    earlier_series: Sequence[tuple[datetime, str]] = (),
) -> MessagePreparer:
    coverage = Coverage(world.engine, (), locate)
    loading = MessageLoader({}, "https://watch.example", world.engine, coverage, world.clock)
    return MessagePreparer(
        world.engine, world.keys, loading, rendering, placeholders,
        series="now", domain="watch.example", earlier_series=earlier_series,
    )  # fmt: skip


def made(world: World) -> list[PreparedMessage | NotRendered | NotWanted]:
    """What all that is due becomes; a message's content is its value."""
    return list(preparer(world, lambda message: message).prepare([row.id for row in world.rows()], world.now))


def alerts(world: World) -> list[Alert]:
    return [each.rendered for each in made(world) if isinstance(each, PreparedMessage)]  # type: ignore[misc]


def test_a_message_in_a_log_line_shows_neither_its_address_nor_its_text(sqlite_world: World) -> None:
    world = sqlite_world
    world.person("secret@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    (message,) = preparer(world).prepare([1], world.now)
    assert isinstance(message, PreparedMessage)
    assert message.envelope.address == "secret@a.example"
    assert not {"secret", "Hammond"} & set(repr(message).replace("@", " ").split())
    assert "secret" not in repr(message)


@pytest.mark.parametrize(("age", "late"), [(DAY - SECOND, False), (DAY, False), (DAY + SECOND, True)])
def test_an_alert_is_late_if_one_of_its_changes_was_seen_more_than_24_hours_ago(
    sqlite_world: World, age: timedelta, late: bool
) -> None:
    """As when one of them was held, and approved a day later."""
    world = sqlite_world
    world.person("a@a.example", "IN")
    world.publish(HAMMOND, GARY)
    world.write(
        sa.update(schema.ChangeRow).where(schema.ChangeRow.id == 1).values(first_seen_at=world.now - age)
    )
    world.fan_out()
    (alert,) = alerts(world)
    assert alert.late is late


@pytest.mark.parametrize(("age", "together"), [(DAY - SECOND, False), (DAY, True)])
def test_alerts_of_a_day_ago_go_together_and_link_no_single_poll(
    sqlite_world: World, age: timedelta, together: bool
) -> None:
    world = sqlite_world
    world.person("a@a.example", "US")
    for listings in ((HAMMOND, GARY), (CHICAGO, HAMMOND)):
        world.publish(*listings)
        world.fan_out()
    world.now += age
    links = [alert.permalink for alert in alerts(world)]
    site = "https://watch.example/changes"
    assert links == ([site] if together else [f"{site}/1", f"{site}/2"])


def test_what_is_neither_retracted_nor_followed_says_why_it_is_not_sent(sqlite_world: World) -> None:
    world = sqlite_world
    person = world.person("a@a.example", "46320", "46402")
    for listing in (HAMMOND, GARY):
        world.publish(listing)
        world.fan_out()
    with transaction(world.engine) as conn:
        people.unfollow(conn, person, "ring", "46402", world.now)
    (_, unfollowed) = made(world)
    assert unfollowed == NotWanted((2,), "the subscriber follows none of its places any more")
    retract(world.engine, 1, {"en": "An error."}, now=world.now)
    assert made(world)[:2] == [NotWanted((1,), "what it tells was retracted"), unfollowed]
    world.later(days=2)
    assert made(world)[0] == NotWanted((1, 2), "what it tells was retracted")


def test_a_kind_of_a_later_version_is_kept_and_never_sent_as_an_alert(sqlite_world: World) -> None:
    world = sqlite_world
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    for changed in ({"kind": "correction"}, {"kind": "alert", "changeset_id": None}):
        world.write(sa.update(schema.DeliveryRow).values(**changed))
        (kept,) = made(world)
        assert isinstance(kept, NotRendered)
        assert kept.error.startswith("this version cannot write messages of the kind")


def test_the_first_message_has_the_series_of_its_time(sqlite_world: World) -> None:
    """Its Message-ID is what an answer names; each resume began another series."""
    now = sqlite_world.now
    making = preparer(sqlite_world, earlier_series=[(now, "a"), (now + DAY, "b")])
    for sent_at, series in (
        (now - SECOND, "a"), (now, "b"), (now + DAY - SECOND, "b"), (now + DAY, "now"), (None, "now"),
    ):  # fmt: skip
        found = making._find_first_id(FirstMessage(7, sent_at, None, None))
        assert found == making._make_id(series, 7)
    together = FirstMessage(7, now + DAY, 5, None)
    assert making._find_first_id(together) == making._message_id(5)
