"""Subscribers and subscriptions. Addresses are always encrypted here.

Only `load_sealed_addresses` reads addresses, so the site, which calls the other functions, does not need the
privilege.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.channels.outline import SealedAddress
from monitor.core.due import AT_ONCE
from monitor.core.tokens import SMALLEST
from monitor.storage.columns import UtcDateTime
from monitor.storage.engine import insert_for
from monitor.storage.people import area_places, past_choices, tables
from monitor.storage.people.tables import SubscriptionRow

PENDING, ACTIVE, PAUSED, ENDED = "pending", "active", "paused", "ended"
_LARGEST_NUMBER = 2**63 - 1  # of a BIGINT
_LARGEST_ID = 2**31 - 1  # the largest INTEGER of PostgreSQL, which treats a larger number as an error
ERASED = {
    "address": None,
    "address_hash": None,
    "outline": None,
    "quiet_from": None,
    "quiet_to": None,
    "own_line": None,
}


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A subscriber's row without the address, as in `tables.SubscriberRow`; ``number`` is for tokens."""

    id: int
    channel: str
    outline: bytes | None
    state: str
    origin: str
    language: str
    nonce: str
    created_at: datetime
    frequency: str = AT_ONCE
    timezone: str | None = None
    local_hour: int | None = None
    paused_until: datetime | None = None
    digest_since: datetime | None = None
    receipts: bool = True
    confirm_until: datetime | None = None
    confirmed_at: datetime | None = None
    digest_at: datetime | None = None
    strikes: int = 0
    first_strike_at: datetime | None = None
    quiet_from: int | None = None
    quiet_to: int | None = None
    own_line: str | None = None
    number: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Follow:
    """One subscription: a place of one source, a county, a town or a radius by its key.

    ``within`` is the state of a ZIP, None for other places.
    """

    source: str
    place: str
    within: str | None = None


NUMBER: Any = sa.func.coalesce(tables.SubscriberRow.c.number, tables.SubscriberRow.c.id)
"""The number in a subscriber's tokens; the id for one whom a process of an older version has written."""
_COLUMNS: tuple[Any, ...] = (
    tables.SubscriberRow.c.id,
    tables.SubscriberRow.c.channel,
    tables.SubscriberRow.c.outline,
    tables.SubscriberRow.c.state,
    tables.SubscriberRow.c.origin,
    tables.SubscriberRow.c.language,
    tables.SubscriberRow.c.nonce,
    tables.SubscriberRow.c.created_at,
    tables.SubscriberRow.c.frequency,
    tables.SubscriberRow.c.timezone,
    tables.SubscriberRow.c.local_hour,
    tables.SubscriberRow.c.paused_until,
    tables.SubscriberRow.c.digest_since,
    tables.SubscriberRow.c.receipts,
    tables.SubscriberRow.c.confirm_until,
    tables.SubscriberRow.c.confirmed_at,
    tables.SubscriberRow.c.digest_at,
    tables.SubscriberRow.c.strikes,
    tables.SubscriberRow.c.first_strike_at,
    tables.SubscriberRow.c.quiet_from,
    tables.SubscriberRow.c.quiet_to,
    tables.SubscriberRow.c.own_line,
    NUMBER,
)


def add(
    conn: Connection,
    *,
    channel: str,
    address: SealedAddress,
    state: str,
    origin: str,
    nonce: str,
    now: datetime,
    language: str = "en",
) -> int | None:
    """Write a new subscriber and return its id; None, and nothing written, when the address exists."""
    subscriber: int | None = conn.scalar(
        insert_for(conn, tables.SubscriberRow)
        .values(
            channel=channel,
            address=address.sealed,
            address_hash=address.hashed,
            outline=address.outline,
            state=state,
            origin=origin,
            nonce=nonce,
            created_at=now,
            confirmed_at=now if state == ACTIVE else None,
            language=language,
            frequency=AT_ONCE,
            receipts=True,
            strikes=0,
            number=SMALLEST + secrets.randbits(60),
        )
        .on_conflict_do_nothing()
        .returning(tables.SubscriberRow.c.id)
    )
    return subscriber


def add_or_find(
    conn: Connection,
    *,
    channel: str,
    address: SealedAddress,
    state: str,
    origin: str,
    nonce: str,
    now: datetime,
    language: str = "en",
) -> tuple[Subscriber, bool]:
    """The subscriber with this address, locked as by `get`, and whether it was written just now."""
    while True:
        number = add(
            conn,
            channel=channel,
            address=address,
            state=state,
            origin=origin,
            nonce=nonce,
            now=now,
            language=language,
        )
        one = find(conn, channel, address.hashed, for_change=True) if number is None else get(conn, number)
        if one is not None:  # the subscriber that the insert conflicted with may have ended since
            return one, number is not None


def find(conn: Connection, channel: str, address_hash: str, *, for_change: bool = False) -> Subscriber | None:
    """Read the subscriber with this address; an ended one is not found, because its address is erased.

    ``for_change`` as in `get`.
    """
    rows = tables.SubscriberRow
    return _load_one(
        conn, rows.c.channel == channel, rows.c.address_hash == address_hash, for_change=for_change
    )


def get(conn: Connection, subscriber: int, *, for_change: bool = False) -> Subscriber | None:
    """Read the subscriber with this id, in any state; an untrusted number may have any size.

    A transaction whose writes depend on the row sets ``for_change``: on PostgreSQL it then waits for
    transactions that change this subscriber, reads their result, and locks the row.
    """
    if not 0 < subscriber <= _LARGEST_ID:
        return None
    return _load_one(conn, tables.SubscriberRow.c.id == subscriber, for_change=for_change)


def load_by_number(conn: Connection, number: int, *, for_change: bool = False) -> Subscriber | None:
    """Read the subscriber with the number of a token, in any state; an untrusted number may have any size.

    ``for_change`` as in `get`.
    """
    if number < SMALLEST:
        return get(conn, number, for_change=for_change)
    if number > _LARGEST_NUMBER:
        return None
    return _load_one(conn, tables.SubscriberRow.c.number == number, for_change=for_change)


def load_living(
    conn: Connection, *, channel: str | None = None, origin: str | None = None
) -> tuple[Subscriber, ...]:
    """Read every subscriber who has not ended, by id; of one channel or origin where given."""
    rows = tables.SubscriberRow
    query = sa.select(*_COLUMNS).where(rows.c.state != ENDED).order_by(rows.c.id)
    if channel is not None:
        query = query.where(rows.c.channel == channel)
    if origin is not None:
        query = query.where(rows.c.origin == origin)
    return tuple(Subscriber(*row) for row in conn.execute(query))


def load_sealed_addresses(conn: Connection, subscribers: Collection[int] | None = None) -> dict[int, bytes]:
    """Read the encrypted addresses of these subscribers, or of all who have not ended, by id."""
    rows = tables.SubscriberRow
    query = sa.select(rows.c.id, rows.c.address).where(rows.c.address.is_not(None))
    if subscribers is not None:
        query = query.where(rows.c.id.in_(subscribers))
    return {id: sealed for id, sealed in conn.execute(query) if id is not None and sealed is not None}


def load_without_outline(conn: Connection, *, after: int, limit: int) -> tuple[tuple[int, str, bytes], ...]:
    """Read subscribers of earlier versions, who have an address and no outline, with ids above ``after``: id,
    channel, address.
    """
    rows = tables.SubscriberRow
    found = conn.execute(
        sa.select(rows.c.id, rows.c.channel, rows.c.address)
        .where(rows.c.address.is_not(None), rows.c.outline.is_(None), rows.c.id > after)
        .order_by(rows.c.id)
        .limit(limit)
    )
    return tuple((id or 0, channel, sealed or b"") for id, channel, sealed in found)


def write_outlines(conn: Connection, outlines: Mapping[int, bytes]) -> None:
    """Write the outlines of addresses, by subscriber."""
    rows = tables.SubscriberRow
    if outlines:
        conn.execute(
            sa.update(rows)
            .where(rows.c.id == sa.bindparam("who"), rows.c.address.is_not(None))
            .values(outline=sa.bindparam("new")),
            [{"who": subscriber, "new": outline} for subscriber, outline in outlines.items()],
        )


def activate(conn: Connection, subscriber: int, now: datetime) -> None:
    """Make a pending or paused subscriber active."""
    rows = tables.SubscriberRow
    conn.execute(
        sa.update(rows)
        .where(rows.c.id == subscriber, rows.c.state != ENDED)
        .values(
            state=ACTIVE,
            paused_until=None,
            confirmed_at=sa.func.coalesce(rows.c.confirmed_at, sa.literal(now, UtcDateTime())),
        )
    )


def update(conn: Connection, subscriber: int, **new: Any) -> None:
    """Write new values of a subscriber who has not ended, by the names of `tables.SubscriberRow`."""
    conn.execute(
        sa.update(tables.SubscriberRow)
        .where(tables.SubscriberRow.c.id == subscriber, tables.SubscriberRow.c.state != ENDED)
        .values(**new)
    )


def replace_follows(conn: Connection, subscriber: int, wanted: Iterable[Follow], now: datetime) -> None:
    """Replace a subscriber's subscriptions by exactly these; existing ones keep their date."""
    wanted = set(wanted)
    for each in set(load_follows(conn, subscriber)) - wanted:
        unfollow(conn, subscriber, each.source, each.place, now)
    follow(conn, subscriber, wanted, now)


def update_address(conn: Connection, subscriber: int, address: SealedAddress) -> None:
    """Give a subscriber another address, as when a Telegram group becomes a supergroup."""
    conn.execute(
        sa.update(tables.SubscriberRow)
        .where(tables.SubscriberRow.c.id == subscriber, tables.SubscriberRow.c.state != ENDED)
        .values(address=address.sealed, address_hash=address.hashed, outline=address.outline)
    )


def lock(conn: Connection, subscribers: Collection[int]) -> None:
    """Lock subscribers until the transaction ends. A transaction that changes deliveries and subscribers
    locks the subscribers first, by id: on PostgreSQL two that lock in different orders would deadlock. SQLite
    has one writer.
    """
    rows = tables.SubscriberRow.c.id
    if subscribers:
        conn.execute(sa.select(rows).where(rows.in_(subscribers)).order_by(rows).with_for_update()).close()


def follow(conn: Connection, subscriber: int, wanted: Iterable[Follow], now: datetime) -> int:
    """Add subscriptions; returns how many were new. Nothing is stored for an ended subscriber."""
    wanted = set(wanted)
    rows = [
        {
            "subscriber_id": subscriber,
            "source": each.source,
            "place": each.place,
            "within": each.within,
            "created_at": now,
        }
        for each in sorted(wanted, key=lambda each: (each.source, each.place))
    ]
    one = get(conn, subscriber, for_change=True) if rows else None
    if one is None or one.state == ENDED:
        return 0
    area_places.insert_areas(conn, {each.place for each in wanted})
    added = conn.scalars(
        insert_for(conn, SubscriptionRow)
        .values(rows)
        .on_conflict_do_nothing()
        .returning(SubscriptionRow.c.id)
    )
    return len(added.all())


def unfollow(conn: Connection, subscriber: int, source: str, place: str, moment: datetime) -> bool:
    """Remove one place of one source from a moment on; False if it was not followed."""
    past_choices.insert_past_follows(conn, subscriber, source, [place], moment)
    result = conn.execute(
        sa.delete(SubscriptionRow).where(
            SubscriptionRow.c.subscriber_id == subscriber,
            SubscriptionRow.c.source == source,
            SubscriptionRow.c.place == place,
        )
    )
    return result.rowcount > 0


def load_follows(conn: Connection, subscriber: int) -> tuple[Follow, ...]:
    """Read a subscriber's subscriptions, by source and place."""
    rows = conn.execute(
        sa.select(SubscriptionRow.c.source, SubscriptionRow.c.place, SubscriptionRow.c.within)
        .where(SubscriptionRow.c.subscriber_id == subscriber)
        .order_by(SubscriptionRow.c.source, SubscriptionRow.c.place)
    )
    return tuple(Follow(*row) for row in rows)


def load_all_follows(conn: Connection) -> dict[int, tuple[Follow, ...]]:
    """Read all subscriptions, by subscriber, in one query."""
    found: dict[int, list[Follow]] = {}
    rows = conn.execute(
        sa.select(
            SubscriptionRow.c.subscriber_id,
            SubscriptionRow.c.source,
            SubscriptionRow.c.place,
            SubscriptionRow.c.within,
        ).order_by(SubscriptionRow.c.source, SubscriptionRow.c.place)
    )
    for subscriber, source, place, within in rows:
        found.setdefault(subscriber, []).append(Follow(source, place, within))
    return {subscriber: tuple(wanted) for subscriber, wanted in found.items()}


def count_living(conn: Connection) -> int:
    """Count the subscribers who have not ended."""
    rows = tables.SubscriberRow.c.state
    return conn.scalar(sa.select(sa.func.count()).where(rows.in_((PENDING, ACTIVE, PAUSED)))) or 0


def load_created_before(conn: Connection, hashes: Mapping[tuple[str, str], datetime]) -> tuple[int, ...]:
    """Read the subscribers with one of these (channel, address hash) who signed up no later than its time."""
    rows = tables.SubscriberRow
    found: list[int] = []
    wanted = list(hashes)
    for start in range(0, len(wanted), 500):  # below what a statement may bind
        query = sa.select(rows.c.id, rows.c.channel, rows.c.address_hash, rows.c.created_at).where(
            rows.c.address_hash.in_([hashed for _, hashed in wanted[start : start + 500]])
        )
        for id, channel, hashed, created_at in conn.execute(query):
            at = hashes.get((channel, hashed or ""))
            if at is not None and created_at <= at and id is not None:
                found.append(id)
    return tuple(sorted(found))


def load_address_hash(conn: Connection, subscriber: int) -> str | None:
    """The look-up hash of a subscriber, for a suppression; None once the address was erased."""
    return conn.scalar(
        sa.select(tables.SubscriberRow.c.address_hash).where(tables.SubscriberRow.c.id == subscriber)
    )


def _load_one(conn: Connection, *where: sa.ColumnElement[bool], for_change: bool) -> Subscriber | None:
    query = sa.select(*_COLUMNS).where(*where)
    row = conn.execute(query.with_for_update() if for_change else query).first()
    return Subscriber(*row) if row is not None else None
