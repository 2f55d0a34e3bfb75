"""A small world around the outbox: people with places, changes that happen to agencies, and a channel that
remembers what it was given.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.engine import Engine

from monitor.channels import Channel
from monitor.channels.outline import seal_address
from monitor.domain import Change, Confidence, Envelope, Kind, Listing, Placement, PlacementReason, Rendered
from monitor.keys import KeyFile
from monitor.messages import Message
from monitor.messages.model import Alert, ChangeRetracted, Digest
from monitor.outbox import Drained, MessageLoader, Recipient, drain, fan_out
from monitor.storage import people, schema
from monitor.storage.engine import reading, transaction
from monitor.storage.lists.codec import change_to_columns
from monitor.storage.lists.coverage import Coverage
from monitor.storage.people import Follow

HAMMOND = Listing(name="Hammond Police Department", key="IN|hammond", city="Hammond", state="IN")
GARY = Listing(name="Gary Police Department", key="IN|gary", city="Gary", state="IN")
STATE_POLICE = Listing(name="Indiana State Police", key="IN|state police", state="IN")
NOWHERE = Listing(name="Some Sheriff", key="IN|some sheriff", state="IN")
NAMELESS = Listing(name="Unknown Agency", key="|unknown agency")
CHICAGO = Listing(name="Chicago Police Department", key="IL|chicago", city="Chicago", state="IL")

PLACEMENTS = {
    HAMMOND.name: Placement(
        ("46320", "46324"), "city", Confidence.EXACT, PlacementReason("covers", ("Hammond",))
    ),
    GARY.name: Placement(("46402",), "city", Confidence.EXACT, PlacementReason("covers", ("Gary",))),
    STATE_POLICE.name: Placement(
        ("IN",), "state", Confidence.EXACT, PlacementReason("state", ("IN",)), statewide=True
    ),
    NOWHERE.name: Placement(
        ("IN",), "state only", Confidence.STATE_ONLY, PlacementReason("somewhere", ("IN",))
    ),
    NAMELESS.name: Placement(("US",), "none", Confidence.STATE_ONLY, PlacementReason("failed")),
    CHICAGO.name: Placement(
        ("60601", "60602"), "city", Confidence.EXACT, PlacementReason("covers", ("Chicago",))
    ),
}
AGENCIES = {each.name: each for each in (HAMMOND, GARY, STATE_POLICE, CHICAGO)}
HEARD_BY = {
    HAMMOND.name: {"46320", "IN", "US"},
    GARY.name: {"46402", "IN", "US"},
    STATE_POLICE.name: {"46320", "46402", "IN", "US"},
    CHICAGO.name: {"60601", "US"},
}
"""Which of `PLACES` hear of each of these agencies."""
PLACES = ("46320", "46402", "60601", "IN", "US")
LISTS = ("ring", "ice-287g")
WITHIN = {"46320": "IN", "46324": "IN", "46402": "IN", "60601": "IL", "60602": "IL"}


def locate(source: str, listing: Listing) -> Placement:
    return PLACEMENTS[listing.name]


def render(message: Message) -> Rendered:
    """What is told, one line per change: enough to see who was told what, and why."""
    if isinstance(message, ChangeRetracted):
        told_at = f"{message.told_at:%m-%d}" if message.told_at else "-"
        return Rendered(
            subject="retracted",
            text=f"retracted {message.told.change.subject.name}: {message.reason} (told {told_at})",
            html="",
        )
    if isinstance(message, Digest):
        parts = [render(alert) for alert in message.alerts]
        return Rendered(subject=message.about, text="\n".join(part.text for part in parts), html="")
    assert isinstance(message, Alert)
    lines = [
        f"{told.change.kind} {told.change.subject.name} because {'+'.join(told.because)}"
        for told in message.told
    ]
    return Rendered(
        subject=f"{message.source}{' (late)' if message.late else ''}", text="\n".join(lines), html=""
    )


def every_channel(rendering: Callable[[Message], Rendered]) -> Callable[[str, Message], Rendered]:
    """The same form of a message on every channel."""
    return lambda _, message: rendering(message)


def loader(engine: Engine, clock: Callable[[], datetime]) -> MessageLoader:
    """Message values without a configuration: lists are called by their names."""
    return MessageLoader({}, None, engine, Coverage(engine, (), locate), clock)


def placeholders(recipient: Recipient) -> dict[str, str]:
    return {
        "stop": f"mailto:stop@watch.example?subject={recipient.number}",
        "asked": str(recipient.asked_at),
    }


@dataclass(frozen=True, slots=True)
class Handed:
    """A message that a channel was given and accepted."""

    address: str
    text: str
    subject: str
    message_id: str
    delivery: int
    placeholders: dict[str, str]
    answers: str = ""
    answered: str = ""


@dataclass
class Recorder:
    """A channel that accepts, unless the next answer for an address, or for anybody ("*"), is an error to
    raise.
    """

    name: str = "email"
    concurrency: int = 4
    accepted: list[Handed] = field(default_factory=list)
    answers: dict[str, deque[Exception | None]] = field(default_factory=lambda: defaultdict(deque))
    before: Callable[[Envelope], Awaitable[None]] | None = None
    called: Callable[[Envelope], str | None] = lambda _: None
    most_at_once: int = 0
    attempts: int = 0
    _at_once: int = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def lane(self, address: str) -> str:
        return address.rpartition("@")[2] if self.name == "email" else address

    def will(self, address: str, *answers: Exception | None) -> None:
        self.answers[address].extend(answers)

    async def send(self, message: Rendered, envelope: Envelope) -> str | None:
        self.attempts += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.before is not None:
                await self.before(envelope)
            await asyncio.sleep(0)
            for who in (envelope.address, "*"):
                if self.answers[who]:
                    answer = self.answers[who].popleft()
                    if answer is not None:
                        raise answer
            self.accepted.append(
                Handed(
                    envelope.address,
                    message.text,
                    message.subject,
                    envelope.message_id,
                    envelope.delivery,
                    dict(envelope.placeholders),
                    envelope.answers,
                    envelope.answered,
                )
            )
            return self.called(envelope)
        finally:
            self._at_once -= 1

    @property
    def told(self) -> dict[str, list[str]]:
        """What each address was told, sorted by address."""
        result: dict[str, list[str]] = {}
        for each in sorted(self.accepted, key=lambda each: each.address):
            result.setdefault(each.address, []).append(each.text)
        return result


@dataclass
class World:
    """A database with people and changes, a clock that stands until it is moved, and a data folder.

    With ``runner`` all drains use its loop and threads: new ones for each of hundreds of drains are dear.
    """

    engine: Engine
    keys: KeyFile
    folder: Path
    now: datetime
    runner: asyncio.Runner | None = None

    def clock(self) -> datetime:
        return self.now

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def person(
        self,
        address: str,
        *places: str,
        channel: str = "email",
        sources: Iterable[str] = ("ring",),
        origin: str = "operator",
        **fields: Any,
    ) -> int:
        """An active subscriber; ``fields`` are written over the row."""
        with transaction(self.engine) as conn:
            subscriber = self._add(conn, address, places, channel, sources, origin)
            if fields:
                conn.execute(
                    sa.update(schema.SubscriberRow)
                    .where(schema.SubscriberRow.id == subscriber)
                    .values(**fields)
                )
        return subscriber

    def crowd(self, addresses: Iterable[str], *places: str, channel: str = "email") -> None:
        """Many active subscribers, in one transaction."""
        with transaction(self.engine) as conn:
            for address in addresses:
                self._add(conn, address, places, channel, ("ring",), "operator")

    def _add(
        self,
        conn: sa.Connection,
        address: str,
        places: Iterable[str],
        channel: str,
        sources: Iterable[str],
        origin: str,
    ) -> int:
        subscriber = people.add(
            conn,
            channel=channel,
            address=seal_address(self.keys, channel, address),
            state="active",
            origin=origin,
            nonce=secrets.token_hex(4),
            now=self.now,
        )
        assert subscriber is not None
        follows = [Follow(s, place, WITHIN.get(place)) for s in sources for place in places]
        people.follow(conn, subscriber, follows, self.now)
        return subscriber

    def publish(
        self, *changes: dict[str, Any] | Listing, source: str = "ring", was_held: bool = False
    ) -> int:
        """A changeset of additions (given as listings) or other changes (as column values), published now."""
        with transaction(self.engine) as conn:
            number = conn.scalar(sa.select(sa.func.count()).select_from(schema.ChangesetRow))
            changeset = conn.scalar(
                sa.insert(schema.ChangesetRow)
                .values(source=source, number=number, at=self.now)
                .returning(schema.ChangesetRow.id)
            )
            for change in changes:
                values = added(change) if isinstance(change, Listing) else change
                conn.execute(
                    sa.insert(schema.ChangeRow).values(
                        source=source,
                        state="published",
                        reason="",
                        not_before=self.now - timedelta(hours=1),
                        first_seen_at=self.now,
                        was_held=was_held,
                        approved=False,
                        changeset_id=changeset,
                        **values,
                    )
                )
        assert changeset is not None
        return int(changeset)

    def fan_out(self, locate: Callable[[str, Listing], Placement] = locate) -> int:
        return fan_out(self.engine, locate=locate, now=self.now)

    async def drain(self, *channels: Channel, **more: Any) -> Drained:
        given: dict[str, Any] = {
            "loader": loader(self.engine, self.clock),
            "render": render,
            "placeholders": placeholders,
            "folder": self.folder,
            "domain": "watch.example",
            "owner": "test",
            "clock": self.clock,
            "chance": lambda: 0.5,
        }
        given |= more
        given["render"] = every_channel(given["render"])
        return await drain(self.engine, {channel.name: channel for channel in channels}, self.keys, **given)

    def send(self, *channels: Channel, **more: Any) -> Drained:
        """Drain to the end."""
        run = asyncio.run if self.runner is None else self.runner.run
        return run(self.drain(*channels, **more))

    def rows(self, table: type[Any] = schema.DeliveryRow) -> list[Any]:
        with reading(self.engine) as conn:
            order = list(sa.inspect(table).local_table.primary_key.columns)
            return list(conn.execute(sa.select(sa.inspect(table).local_table).order_by(*order)))

    def states(self) -> list[str]:
        with reading(self.engine) as conn:
            return list(conn.scalars(sa.select(schema.DeliveryRow.state).order_by(schema.DeliveryRow.id)))

    def write(self, statement: Any) -> None:
        with transaction(self.engine) as conn:
            conn.execute(statement)


def added(listing: Listing) -> dict[str, Any]:
    return change_to_columns(Change(Kind.ADDED, after=listing), listing.key)


def removed(listing: Listing) -> dict[str, Any]:
    return change_to_columns(Change(Kind.REMOVED, before=listing), listing.key)


def changed(before: Listing, after: Listing, *fields: str) -> dict[str, Any]:
    return change_to_columns(Change(Kind.CHANGED, before, after, fields), before.key)


def named(listing: Listing, name: str) -> Listing:
    return structs.replace(listing, name=name)


def one_due(world: World, address: str = "a@a.example", channel: str = "email", **fields: Any) -> int:
    """Somebody who is owed one alert."""
    person = world.person(address, "IN", channel=channel, **fields)
    world.publish(HAMMOND)
    world.fan_out()
    return person
