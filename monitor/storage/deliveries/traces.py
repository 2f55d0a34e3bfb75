"""Stored facts about one subscriber and one change: the matching places, and the result of the message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.deliveries.fanout import CONCERNS_AREA, concerns_area
from monitor.storage.deliveries.retractions import RETRACTION
from monitor.storage.deliveries.tables import DeliveryRow, DigestChangesetRow
from monitor.storage.lists.tables import ChangePlaceRow, ChangeRow, ChangesetRow
from monitor.storage.people.tables import PastSubscriptionRow, SubscriptionRow


@dataclass(frozen=True, slots=True)
class PlaceMatch:
    """A subscription that a change concerns. ``statewide``: it is a ZIP, and the agency serves its state;
    ``area``: it is a county, a town or a radius, and the agency serves a part of it or its whole state.
    ``followed_until``: it ended then.
    """

    place: str
    followed_since: datetime
    statewide: bool
    area: bool = False
    followed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeliveryTrace:
    """The result of the message with a changeset to a subscriber; ``in_digest``: together with others."""

    id: int
    kind: str
    state: str
    in_digest: bool
    created_at: datetime
    due_at: datetime
    attempts: int
    last_error: str | None
    settled_at: datetime | None
    ambiguous: bool


def load_matches(conn: Connection, subscriber: int, source: str, change: int) -> tuple[PlaceMatch, ...]:
    """Read which subscriptions of a subscriber a placed change concerns."""
    base = (
        sa.select(SubscriptionRow.c.place, SubscriptionRow.c.created_at)
        .select_from(SubscriptionRow)
        .join(ChangeRow, ChangeRow.c.id == change)
        .where(SubscriptionRow.c.subscriber_id == subscriber, SubscriptionRow.c.source == source)
    )
    placed = base.join(ChangePlaceRow, ChangePlaceRow.c.change_id == ChangeRow.c.id)
    exact = conn.execute(placed.where(ChangePlaceRow.c.place == SubscriptionRow.c.place)).all()
    areas = conn.execute(base.where(CONCERNS_AREA)).all()
    statewide = conn.execute(
        placed.where(
            ChangePlaceRow.c.place == SubscriptionRow.c.within, ChangePlaceRow.c.everyone.is_(sa.true())
        )
    ).all()
    matches = {place: PlaceMatch(place, since, statewide=True) for place, since in statewide}
    matches |= {place: PlaceMatch(place, since, statewide=False, area=True) for place, since in areas}
    matches |= {place: PlaceMatch(place, since, statewide=False) for place, since in exact}
    return tuple(matches[place] for place in sorted(matches))


def load_past_matches(
    conn: Connection, subscriber: int, source: str, change: int, moment: datetime
) -> tuple[PlaceMatch, ...]:
    """Read which subscriptions that a subscriber has ended since a moment a placed change concerns."""
    rows = PastSubscriptionRow.c
    base = (
        sa.select(rows.place, rows.since, rows.until)
        .select_from(PastSubscriptionRow)
        .join(ChangeRow, ChangeRow.c.id == change)
        .where(
            rows.subscriber_id == subscriber,
            rows.source == source,
            rows.since <= moment,
            rows.until > moment,
        )
    )
    placed = base.join(ChangePlaceRow, ChangePlaceRow.c.change_id == ChangeRow.c.id)
    statewide = placed.where(ChangePlaceRow.c.place == rows.within, ChangePlaceRow.c.everyone.is_(sa.true()))
    matches = {
        place: PlaceMatch(
            place, since, statewide=how == "statewide", area=how == "area", followed_until=until
        )
        for how, query in (
            ("statewide", statewide),
            ("area", base.where(concerns_area(PastSubscriptionRow))),
            ("exact", placed.where(ChangePlaceRow.c.place == rows.place)),
        )
        for place, since, until in conn.execute(query)
    }
    return tuple(matches[place] for place in sorted(matches))


def load_places(conn: Connection, change: int) -> tuple[str, ...]:
    """Read the places that a change concerns, in order."""
    return tuple(
        conn.scalars(
            sa.select(ChangePlaceRow.c.place)
            .where(ChangePlaceRow.c.change_id == change)
            .order_by(ChangePlaceRow.c.place)
        )
    )


def load_fanned_out_at(conn: Connection, changeset: int) -> datetime | None:
    """Read when the deliveries of a changeset were written; None: not yet."""
    at: datetime | None = conn.scalar(
        sa.select(ChangesetRow.c.fanned_out_at).where(ChangesetRow.c.id == changeset)
    )
    return at


_TRACE: tuple[Any, ...] = (
    DeliveryRow.c.id,
    DeliveryRow.c.kind,
    DeliveryRow.c.state,
    DeliveryRow.c.created_at,
    DeliveryRow.c.due_at,
    DeliveryRow.c.attempts,
    DeliveryRow.c.last_error,
    DeliveryRow.c.settled_at,
    DeliveryRow.c.ambiguous,
)


def load_retraction(conn: Connection, subscriber: int, change: int) -> DeliveryTrace | None:
    """Read the retraction of a change that is due or was sent to a subscriber."""
    row = conn.execute(
        sa.select(*_TRACE).where(
            DeliveryRow.c.subscriber_id == subscriber,
            DeliveryRow.c.kind == RETRACTION,
            DeliveryRow.c.about == str(change),
        )
    ).first()
    return None if row is None else DeliveryTrace(in_digest=False, **row._mapping)


def load_deliveries(conn: Connection, subscriber: int, changeset: int) -> tuple[DeliveryTrace, ...]:
    """Read the alert of a changeset to a subscriber, and the digest with it, in this order."""
    alerts = conn.execute(
        sa.select(*_TRACE).where(
            DeliveryRow.c.subscriber_id == subscriber, DeliveryRow.c.changeset_id == changeset
        )
    ).all()
    digests = conn.execute(
        sa.select(*_TRACE)
        .join(DigestChangesetRow, DigestChangesetRow.c.delivery_id == DeliveryRow.c.id)
        .where(
            DigestChangesetRow.c.subscriber_id == subscriber,
            DigestChangesetRow.c.changeset_id == changeset,
        )
    ).all()
    return tuple(
        DeliveryTrace(in_digest=in_digest, **row._mapping)
        for in_digest, rows in ((False, alerts), (True, digests))
        for row in rows
    )
