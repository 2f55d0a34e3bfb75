"""Digests: the subscribers who are due one, and the changesets in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.columns import UtcDateTime
from monitor.storage.deliveries import newly_covered
from monitor.storage.deliveries.fanout import COUNTS, Match, load_matches_of, select_matches
from monitor.storage.deliveries.tables import DeliveryRow, DigestChangesetRow
from monitor.storage.engine import insert_for
from monitor.storage.lists import tables
from monitor.storage.lists.tables import ChangePlaceRow, ChangesetRow
from monitor.storage.people import ENDED, PENDING
from monitor.storage.people.tables import AreaPlaceRow, SubscriberRow, SubscriptionRow

DIGEST = "digest"
_MANY = 500  # below the limit of bound parameters in a statement
_IS_HERE = SubscriberRow.c.state.not_in([PENDING, ENDED])
"""Not `in_`: SQLite without statistics would use the index of states, which matches everybody."""
_MATCHES = select_matches(DigestChangesetRow, DigestChangesetRow.c.delivery_id)


@dataclass(frozen=True, slots=True)
class DueDigest:
    """A subscriber whose digest, or summary after a pause, is due; ``at`` is when it became due."""

    subscriber: int
    at: datetime
    frequency: str
    timezone: str | None
    local_hour: int | None
    since: datetime
    was_paused: bool
    channel: str


def load_due(conn: Connection, now: datetime, limit: int) -> tuple[DueDigest, ...]:
    """Read the subscribers whose digest is due, locked for this transaction on PostgreSQL."""
    rows: Any = conn.execute(
        sa.select(
            SubscriberRow.c.id,
            SubscriberRow.c.digest_at,
            SubscriberRow.c.frequency,
            SubscriberRow.c.timezone,
            SubscriberRow.c.local_hour,
            sa.func.coalesce(SubscriberRow.c.digest_since, SubscriberRow.c.created_at),
            SubscriberRow.c.paused_until.is_not(None),
            SubscriberRow.c.channel,
        )
        .where(SubscriberRow.c.digest_at <= now, _IS_HERE)
        # sorted only by digest_at, which the index provides: with a second column, PostgreSQL would sort
        # everybody due at eight o'clock for each batch
        .order_by(SubscriberRow.c.digest_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return tuple(DueDigest(*row) for row in rows)


def has_due(conn: Connection, now: datetime) -> bool:
    """Read whether a digest is due."""
    found = sa.exists().where(SubscriberRow.c.digest_at <= now, _IS_HERE)
    return bool(conn.scalar(sa.select(found)))


class CollectedPlaces:
    """A cache of the places of recent changesets, while digests are written batch by batch.

    Subscriptions are compared with these places, not with all past changes of the places, so the cost does
    not grow with history.
    """

    def __init__(self) -> None:
        self._fanned_out_at: dict[int, datetime] = {}
        self._at_place: dict[tuple[str, str], list[int]] = {}
        self._in_state: dict[tuple[str, str], list[int]] = {}

    def update(self, conn: Connection, since: datetime) -> None:
        """Read the changesets that were fanned out since then and are not known yet."""
        rows = conn.execute(
            sa.select(ChangesetRow.c.id, ChangesetRow.c.source, ChangesetRow.c.fanned_out_at).where(
                ChangesetRow.c.fanned_out_at >= since, ChangesetRow.c.import_id.is_(None)
            )
        )
        new = {
            id: (source, at)
            for id, source, at in rows
            if id is not None and at is not None and id not in self._fanned_out_at
        }
        wanted = sorted(new)
        for start in range(0, len(wanted), _MANY):
            some = tables.ChangeRow.c.changeset_id.in_(wanted[start : start + _MANY])
            joined = sa.join(
                tables.ChangeRow, ChangePlaceRow, ChangePlaceRow.c.change_id == tables.ChangeRow.c.id
            )
            places: Any = conn.execute(
                sa.select(tables.ChangeRow.c.changeset_id, ChangePlaceRow.c.place, ChangePlaceRow.c.everyone)
                .select_from(joined)
                .where(some)
                .distinct()
                # read completely: with a partially read result, SQLite would keep its lock if the next query
                # failed
            ).all()
            areas: Any = conn.execute(
                sa.select(tables.ChangeRow.c.changeset_id, AreaPlaceRow.c.area, sa.false())
                .select_from(joined.join(AreaPlaceRow, AreaPlaceRow.c.place == ChangePlaceRow.c.place))
                .where(some, COUNTS)
                .distinct()
            )
            for changeset, place, everyone in (*places, *areas):
                source, self._fanned_out_at[changeset] = new[changeset]
                self._at_place.setdefault((source, place), []).append(changeset)
                if everyone:
                    self._in_state.setdefault((source, place), []).append(changeset)

    def find(self, source: str, place: str, within: str | None, since: datetime) -> Iterator[int]:
        """Find the changesets that concern a subscription and were fanned out since then."""
        for changesets in (
            self._at_place.get((source, place), ()),
            self._in_state.get((source, within), ()) if within is not None else (),
        ):
            yield from (each for each in changesets if self._fanned_out_at[each] >= since)


def load_collected(
    conn: Connection, subscribers: Collection[int], places: CollectedPlaces
) -> dict[int, tuple[int, ...]]:
    """Read, for each subscriber, the changesets that were fanned out since their last digest, concern a place
    that they followed then, and were in no alert or digest. Missing changesets are added to ``places``.
    """
    rows: Any = conn.execute(
        sa.select(
            SubscriptionRow.c.subscriber_id,
            SubscriptionRow.c.source,
            SubscriptionRow.c.place,
            SubscriptionRow.c.within,
            SubscriptionRow.c.created_at,
            SubscriberRow.c.digest_since,
        )
        .join(SubscriberRow, SubscriberRow.c.id == SubscriptionRow.c.subscriber_id)
        .where(
            SubscriptionRow.c.subscriber_id.in_(subscribers),
            SubscriberRow.c.id.in_(subscribers),  # PostgreSQL infers this only from an equality
            SubscriberRow.c.digest_since.is_not(None),
        )
    ).all()
    if not rows:
        return {}
    places.update(conn, min(row.digest_since for row in rows))
    found: dict[int, set[int]] = {}
    for subscriber, source, place, within, asked_at, since in rows:
        found.setdefault(subscriber, set()).update(places.find(source, place, within, max(asked_at, since)))
    found = {subscriber: changesets for subscriber, changesets in found.items() if changesets}
    if not found:
        return {}
    first = min(min(changesets) for changesets in found.values())
    for table in (DeliveryRow, DigestChangesetRow):
        told: Any = conn.execute(
            sa.select(table.c.subscriber_id, table.c.changeset_id).where(
                table.c.subscriber_id.in_(found), table.c.changeset_id >= first
            )
        )
        for subscriber, changeset in told:
            found[subscriber].discard(changeset)
    return {subscriber: tuple(sorted(changesets)) for subscriber, changesets in found.items() if changesets}


def take_alerts(conn: Connection, subscribers: Collection[int], now: datetime) -> dict[int, tuple[int, ...]]:
    """Take alerts that were due during a pause and are not being sent: they are settled as part of the
    summary. Returns their changesets.
    """
    rows = conn.execute(
        sa.update(DeliveryRow)
        .where(
            DeliveryRow.c.subscriber_id.in_(subscribers),
            DeliveryRow.c.kind == "alert",
            DeliveryRow.c.state == "due",
            sa.or_(DeliveryRow.c.lease_until.is_(None), DeliveryRow.c.lease_until <= now),
        )
        .values(
            state="dropped",
            settled_at=now,
            last_error="told in the summary after a pause",
            lease_until=None,
            owner=None,
        )
        .returning(DeliveryRow.c.subscriber_id, DeliveryRow.c.changeset_id)
    )
    found: dict[int, list[int]] = {}
    for subscriber, changeset in rows:
        if changeset is not None:
            found.setdefault(subscriber, []).append(changeset)
    return {subscriber: tuple(sorted(changesets)) for subscriber, changesets in found.items()}


@dataclass(frozen=True, slots=True)
class NewDigest:
    """A digest to be written: its channel, the ``period`` that keeps it from being written twice, what it is
    ``about``, and its changesets.
    """

    channel: str
    period: str
    about: str
    changesets: tuple[int, ...]


def insert_digests(conn: Connection, told: Mapping[int, NewDigest], now: datetime) -> frozenset[int]:
    """Write one digest for each subscriber; returns those who did not have one of that period before.

    For a period whose digest was already written nothing is added: the changes go into the next one.
    """
    if not told:
        return frozenset()
    rows = [
        {
            "kind": DIGEST,
            "channel": digest.channel,
            "period": digest.period,
            "about": digest.about,
            "subscriber_id": subscriber,
            "state": "due",
            "created_at": now,
            "due_at": now,
            "attempts": 0,
            "ambiguous": False,
        }
        for subscriber, digest in told.items()
    ]
    written = conn.execute(
        insert_for(conn, DeliveryRow)
        .values(rows)
        .on_conflict_do_nothing(
            index_elements=["subscriber_id", "kind", "period"],
            index_where=DeliveryRow.c.period.is_not(None),
        )
        .returning(DeliveryRow.c.id, DeliveryRow.c.subscriber_id)
    ).all()
    entries = [
        {"subscriber_id": subscriber, "changeset_id": changeset, "delivery_id": delivery}
        for delivery, subscriber in written
        for changeset in told[subscriber].changesets
    ]
    if entries:
        conn.execute(sa.insert(DigestChangesetRow), entries)
    newly_covered.attach(conn, DeliveryRow.c.id.in_([delivery for delivery, _ in written]))
    return frozenset(subscriber for _, subscriber in written)


def write_schedules(conn: Connection, plans: Sequence[tuple[int, datetime | None, datetime | None]]) -> None:
    """Write when each subscriber's next digest is due and from when on it collects changes; this ends a
    pause.
    """
    conn.execute(
        sa.update(SubscriberRow)
        .where(SubscriberRow.c.id == sa.bindparam("who"), SubscriberRow.c.state != "ended")
        .values(
            digest_at=sa.bindparam("at", type_=UtcDateTime()),
            digest_since=sa.bindparam("since", type_=UtcDateTime()),
            state="active",
            paused_until=None,
        ),
        [{"who": who, "at": at, "since": since} for who, at, since in plans],
    )


def load_changesets(conn: Connection, deliveries: Collection[int]) -> dict[int, tuple[int, ...]]:
    """Read the changesets of digests, by delivery."""
    rows = conn.execute(
        sa.select(DigestChangesetRow.c.delivery_id, DigestChangesetRow.c.changeset_id)
        .where(DigestChangesetRow.c.delivery_id.in_(deliveries))
        .order_by(DigestChangesetRow.c.changeset_id)
    )
    found: dict[int, list[int]] = {}
    for delivery, changeset in rows:
        found.setdefault(delivery, []).append(changeset)
    return {delivery: tuple(changesets) for delivery, changesets in found.items()}


def load_sources(conn: Connection, changesets: Collection[int]) -> dict[int, str]:
    """Read the source of each changeset."""
    rows: Any = conn.execute(
        sa.select(ChangesetRow.c.id, ChangesetRow.c.source).where(ChangesetRow.c.id.in_(changesets))
    )
    return dict(rows.all())


def load_matches(conn: Connection, deliveries: Collection[int]) -> dict[int, list[Match]]:
    """Read, for each digest, which changes its subscriber gets and why: their own subscriptions, as of
    now.
    """
    return load_matches_of(conn, _MATCHES, deliveries)


def load_abouts(conn: Connection, deliveries: Collection[int]) -> dict[int, tuple[str, str | None]]:
    """Read the subject of each delivery: (about, source)."""
    rows = conn.execute(
        sa.select(DeliveryRow.c.id, DeliveryRow.c.about, DeliveryRow.c.about_source).where(
            DeliveryRow.c.id.in_(deliveries)
        )
    )
    return {id: (about, source) for id, about, source in rows}
