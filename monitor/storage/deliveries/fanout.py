"""Fan-out: the places of changes, the alerts to insert, and the matching changes of each subscriber."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import Change, Confidence, Listing, Placement, PlacementReason
from monitor.storage.columns import UtcDateTime
from monitor.storage.deliveries import newly_covered
from monitor.storage.deliveries.tables import DeliveryRow, DigestChangesetRow
from monitor.storage.engine import insert_for
from monitor.storage.lists import placement_rows, tables
from monitor.storage.lists.codec import CHANGE, change_from_row, reason_from_text, reason_to_text
from monitor.storage.lists.tables import ChangePlaceRow, ChangesetRow
from monitor.storage.people.tables import (
    AreaPlaceRow,
    PastSubscriptionRow,
    SubscriberRow,
    SubscriptionRow,
)

_STATE = 2  # letters of a state's code, and of "US"
_MANY = 1000  # the number of deliveries of one changeset from which PostgreSQL's planner needs new statistics


COUNTS = sa.or_(AreaPlaceRow.c.statewide.is_(sa.false()), ChangePlaceRow.c.everyone.is_(sa.true()))
"""The condition for a place that an area and a change share: a state counts only if the agency serves all of
it.
"""


def concerns_area(follows: type[SubscriptionRow] | type[PastSubscriptionRow]) -> sa.Exists:
    """Whether a change concerns the area of a subscription; true once, even if they share several ZIPs."""
    return (
        sa.select(sa.literal(1))
        .select_from(AreaPlaceRow)
        .join(ChangePlaceRow, ChangePlaceRow.c.place == AreaPlaceRow.c.place)
        .where(
            AreaPlaceRow.c.area == follows.c.place,
            ChangePlaceRow.c.change_id == tables.ChangeRow.c.id,
            COUNTS,
        )
        .correlate(follows, tables.ChangeRow)
        .exists()
    )


CONCERNS_AREA = concerns_area(SubscriptionRow)
"""The same for a current subscription."""


@dataclass(frozen=True, slots=True)
class PendingFanOut:
    """A changeset that is not fanned out yet. An ``imported`` one is not announced."""

    id: int
    source: str
    imported: bool


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A published change to locate: its listings, the current one last, each with the placement of its
    version, None if that was accepted without one.
    """

    id: int
    listings: tuple[tuple[Listing, Placement | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The places of a change: all of them, the states with all of their followers, and the placement's
    reason.
    """

    change: int
    places: frozenset[str]
    everyone: frozenset[str]
    how: str
    confidence: str
    reason: PlacementReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published change; ``reason`` and ``confidence`` are its placement's. ``gone_at``: when a listing that
    is back was first missing.
    """

    id: int
    change: Change
    reason: PlacementReason | None
    confidence: Confidence
    not_before: datetime | None
    not_after: datetime
    was_held: bool
    gone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A change for a delivery's subscriber, with the matching place and the time of the subscription."""

    change: int
    place: str
    asked_at: datetime


def read_pending(conn: Connection) -> tuple[PendingFanOut, ...]:
    """Read the changesets that were not fanned out yet, oldest first."""
    rows: Any = conn.execute(
        sa.select(ChangesetRow.c.id, ChangesetRow.c.source, ChangesetRow.c.import_id.is_not(None))
        .where(ChangesetRow.c.fanned_out_at.is_(None))
        .order_by(ChangesetRow.c.id)
    )
    return tuple(PendingFanOut(*row) for row in rows)


def load_changes(conn: Connection, changeset: int) -> tuple[Unplaced, ...]:
    """Read the changes of a changeset, in the order in which they were written."""
    # read completely before the next statement: if that fails, a partially read result would keep the
    # connection's snapshot open
    rows = conn.execute(
        sa.select(tables.ChangeRow.c.id, *CHANGE)
        .where(tables.ChangeRow.c.changeset_id == changeset)
        .order_by(tables.ChangeRow.c.id)
    ).all()
    placements = placement_rows.load_of_changes(conn, changeset)
    return tuple(
        Unplaced(
            row.id,
            tuple(
                (listing, placements.get((row.id, after)))
                for listing, after in ((change.before, False), (change.after, True))
                if listing is not None
            ),
        )
        for row in rows
        for change in (change_from_row(row),)
    )


def mark_fanned_out(conn: Connection, changeset: int, now: datetime) -> bool:
    """Mark a changeset as fanned out; False if another process has done it."""
    taken = conn.execute(
        sa.update(ChangesetRow)
        .where(ChangesetRow.c.id == changeset, ChangesetRow.c.fanned_out_at.is_(None))
        .values(fanned_out_at=now)
    )
    return taken.rowcount == 1


def write_places(conn: Connection, placed: Iterable[Placed]) -> None:
    """Write the places of changes, replacing earlier ones."""
    placed = tuple(placed)
    published: dict[int, datetime | None] = {}
    for each in placed:
        published[each.change] = conn.scalar(
            sa.update(tables.ChangeRow)
            .where(tables.ChangeRow.c.id == each.change)
            .values(how=each.how, confidence=each.confidence, placement=reason_to_text(each.reason))
            .returning(tables.ChangeRow.c.ended_at)
        )
        conn.execute(sa.delete(ChangePlaceRow).where(ChangePlaceRow.c.change_id == each.change))
    if not placed:
        return
    conn.execute(
        sa.insert(ChangePlaceRow),
        [
            {
                "change_id": each.change,
                "place": place,
                "everyone": place in each.everyone,
                "published_at": published[each.change] if len(place) == _STATE else None,
            }
            for each in placed
            for place in sorted(each.places)
        ],
    )


def insert_deliveries(conn: Connection, changeset: int, source: str, now: datetime) -> int:
    """Write one alert for everybody who follows a place of the changeset; returns how many are new.

    Only for active subscribers with immediate alerts: a digest gets its row when its period ends, and a pause
    ends with one summary.
    """
    places = (
        sa.select(ChangePlaceRow.c.place)
        .join(tables.ChangeRow, tables.ChangeRow.c.id == ChangePlaceRow.c.change_id)
        .where(tables.ChangeRow.c.changeset_id == changeset)
    )
    # no common table expression: a statement that begins with WITH has no row count in Python's sqlite3
    followers = sa.select(SubscriptionRow.c.subscriber_id).where(
        SubscriptionRow.c.source == source, SubscriptionRow.c.place.in_(places)
    )
    neighbors = sa.select(SubscriptionRow.c.subscriber_id).where(
        SubscriptionRow.c.source == source,
        SubscriptionRow.c.within.in_(places.where(ChangePlaceRow.c.everyone.is_(sa.true()))),
    )
    around = sa.select(SubscriptionRow.c.subscriber_id).where(
        SubscriptionRow.c.source == source,
        SubscriptionRow.c.place.in_(
            sa.select(AreaPlaceRow.c.area)
            .join(ChangePlaceRow, ChangePlaceRow.c.place == AreaPlaceRow.c.place)
            .join(tables.ChangeRow, tables.ChangeRow.c.id == ChangePlaceRow.c.change_id)
            .where(tables.ChangeRow.c.changeset_id == changeset, COUNTS)
        ),
    )
    owed = (
        sa.select(
            sa.literal("alert"),
            SubscriberRow.c.channel,
            sa.literal(changeset),
            SubscriberRow.c.id,
            sa.literal("due"),
            sa.literal(now, UtcDateTime()),
            sa.literal(now, UtcDateTime()),
            sa.literal(0),
            sa.false(),
        )
        .where(
            SubscriberRow.c.id.in_(sa.union(followers, neighbors, around)),
            SubscriberRow.c.state == "active",
            SubscriberRow.c.frequency == "at_once",
        )
        .order_by(SubscriberRow.c.id)  # in this order, the index of the unique key is written sequentially
    )
    columns = [
        "kind",
        "channel",
        "changeset_id",
        "subscriber_id",
        "state",
        "created_at",
        "due_at",
        "attempts",
        "ambiguous",
    ]
    written = conn.execute(
        insert_for(conn, DeliveryRow)
        .from_select(columns, owed, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["subscriber_id", "changeset_id"])
        .execution_options(preserve_rowcount=True)
    ).rowcount
    newly_covered.attach(conn, DeliveryRow.c.changeset_id == changeset)
    if written >= _MANY and conn.dialect.name == "postgresql":
        # until the automatic analysis, a minute later, the planner would sort all of them for each claimed
        # batch
        conn.execute(sa.text("ANALYZE delivery"))
    return written


def load_published(conn: Connection, changeset: int) -> tuple[Published, ...]:
    """Read the changes of a changeset, in the order in which they were written."""
    rows = sa.inspect(tables.ChangeRow).local_table
    return tuple(
        Published(
            id=row.id,
            change=change_from_row(row),
            reason=reason_from_text(row.placement),
            confidence=Confidence(row.confidence),
            not_before=row.not_before,
            not_after=row.first_seen_at,
            was_held=row.was_held,
            gone_at=row.gone_at,
        )
        for row in conn.execute(rows.select().where(rows.c.changeset_id == changeset).order_by(rows.c.id))
    )


def select_matches(
    told: type[DeliveryRow] | type[DigestChangesetRow], delivery: Any
) -> sa.CompoundSelect[Any]:
    """Build the statement that reads the changes for the subscribers of deliveries, with the matching places
    and the times of the subscriptions; ``delivery`` is the id column of a table with a changeset and a
    subscriber.
    """
    base = (
        sa.select(
            delivery,
            tables.ChangeRow.c.id,
            SubscriptionRow.c.place,
            SubscriptionRow.c.created_at,
        )
        .join(ChangesetRow, ChangesetRow.c.id == told.c.changeset_id)
        .join(tables.ChangeRow, tables.ChangeRow.c.changeset_id == ChangesetRow.c.id)
        .join(
            SubscriptionRow,
            sa.and_(
                SubscriptionRow.c.subscriber_id == told.c.subscriber_id,
                SubscriptionRow.c.source == ChangesetRow.c.source,
            ),
        )
        .where(delivery.in_(sa.bindparam("ids", expanding=True)))
    )
    placed = base.join(ChangePlaceRow, ChangePlaceRow.c.change_id == tables.ChangeRow.c.id)
    return sa.union_all(
        placed.where(ChangePlaceRow.c.place == SubscriptionRow.c.place),
        # most places are not areas, which is checked once for each subscription and not for each change
        base.where(sa.exists().where(AreaPlaceRow.c.area == SubscriptionRow.c.place), CONCERNS_AREA),
        placed.where(
            ChangePlaceRow.c.place == SubscriptionRow.c.within,
            ChangePlaceRow.c.everyone.is_(sa.true()),
        ),
    )


_MATCHES = select_matches(DeliveryRow, DeliveryRow.c.id)


def load_matches(conn: Connection, ids: Collection[int]) -> dict[int, list[Match]]:
    """Read, for each alert, which changes its subscriber gets and why: their own subscriptions of that
    source, as of now.
    """
    return load_matches_of(conn, _MATCHES, ids)


def load_matches_of(
    conn: Connection, matches: sa.CompoundSelect[Any], ids: Collection[int]
) -> dict[int, list[Match]]:
    """Read the same with a statement by `select_matches` for another table."""
    found: dict[int, list[Match]] = {}
    for owner, change, place, asked_at in conn.execute(matches, {"ids": list(ids)}):
        found.setdefault(owner, []).append(Match(change, place, asked_at))
    return found
