"""What the pages of the site ask: the newest changes of a place, one agency's whole history, counts over time, and gaps.

Everything here only reads, and every answer is bounded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlmodel import col

from monitor import tables
from monitor.domain import Kind, Listing, State
from monitor.store import changes
from monitor.store.changes import Row
from monitor.store.codec import listing_from_json
from monitor.store.outbox import IS_DUE
from monitor.tables import ChangePlace, Changeset, Delivery, Fetch, ListingVersion, Subscriber

_GOOD = ("good", "unchanged")


@dataclass(frozen=True, slots=True)
class Summary:
    """A changeset in one line: how many changes of each kind, and the first of them."""

    id: int
    source: str
    at: datetime
    counts: dict[Kind, int]
    first: tuple[Row, ...]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Version:
    """A listing while it read like this; ``to_at`` None while it is believed."""

    listing: Listing
    from_at: datetime
    to_at: datetime | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a source was not seen: ``since`` is the last good poll before, ``until`` the first after (None: it goes on).

    ``failed`` and ``rejected`` count the polls within it that brought nothing, or nothing that could be believed.
    """

    source: str
    since: datetime
    until: datetime | None
    failed: int
    rejected: int


def latest(
    conn: Connection,
    *,
    places: Collection[str] = (),
    within: Collection[str] = (),
    limit: int = 20,
) -> tuple[Row, ...]:
    """The newest published changes, newest first; for places only those that concern one of them.

    ``within`` are the states of ZIPs: what concerns every ZIP there concerns them too. A change has no place before it is fanned out.
    """
    change = tables.Change
    query = sa.select(col(change.id)).where(col(change.state) == State.PUBLISHED.value)
    if places:
        here: sa.ColumnElement[bool] = col(ChangePlace.place).in_(places)
        if within:
            here = sa.or_(
                here, sa.and_(col(ChangePlace.place).in_(within), col(ChangePlace.everyone).is_(sa.true()))
            )
        query = query.where(sa.exists().where(col(ChangePlace.change_id) == col(change.id), here))
    ids = conn.scalars(query.order_by(col(change.ended_at).desc(), col(change.id).desc()).limit(limit)).all()
    return _in_order(conn, ids)


def summaries(
    conn: Connection, *, before: int | None = None, limit: int = 20, named: int = 5
) -> tuple[Summary, ...]:
    """Changesets, newest first, those with a smaller id than ``before``; each with its first ``named`` changes."""
    change = tables.Change
    query = sa.select(col(Changeset.id), col(Changeset.source), col(Changeset.at))
    if before is not None:
        query = query.where(col(Changeset.id) < before)
    found = conn.execute(query.order_by(col(Changeset.id).desc()).limit(limit)).all()
    ids = [row.id for row in found]
    counts: dict[int, dict[Kind, int]] = {number: {} for number in ids}
    grouped = sa.select(col(change.changeset_id), col(change.kind), sa.func.count()).where(
        col(change.changeset_id).in_(ids)
    )
    for changeset, kind, count in conn.execute(grouped.group_by(col(change.changeset_id), col(change.kind))):
        assert changeset is not None
        counts[changeset][Kind(kind)] = count
    ranked = (
        sa.select(
            col(change.id),
            sa.func.row_number()
            .over(partition_by=col(change.changeset_id), order_by=col(change.id))
            .label("rank"),
        )
        .where(col(change.changeset_id).in_(ids))
        .subquery()
    )
    first = changes.by_ids(conn, conn.scalars(sa.select(ranked.c.id).where(ranked.c.rank <= named)).all())
    return tuple(
        Summary(
            row.id,
            row.source,
            row.at,
            counts[row.id],
            tuple(each for each in first if each.changeset == row.id),
        )
        for row in found
    )


def changeset(conn: Connection, number: int, *, skip: int = 0, limit: int = 500) -> Summary | None:
    """One changeset with ``limit`` of its changes from ``skip`` on, in the order in which they were written; None when there is none."""
    row = conn.execute(
        sa.select(col(Changeset.id), col(Changeset.source), col(Changeset.at)).where(
            col(Changeset.id) == number
        )
    ).first()
    if row is None:
        return None
    change = tables.Change
    counts = {
        Kind(kind): count
        for kind, count in conn.execute(
            sa.select(col(change.kind), sa.func.count())
            .where(col(change.changeset_id) == number)
            .group_by(col(change.kind))
        )
    }
    ids = conn.scalars(
        sa.select(col(change.id))
        .where(col(change.changeset_id) == number)
        .order_by(col(change.id))
        .offset(skip)
        .limit(limit)
    ).all()
    return Summary(row.id, row.source, row.at, counts, _in_order(conn, ids))


def places_of(conn: Connection, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The places of changes by change, ZIPs and states, sorted; without "US", which every change has."""
    found: dict[int, list[str]] = {}
    rows = conn.execute(
        sa.select(col(ChangePlace.change_id), col(ChangePlace.place))
        .where(col(ChangePlace.change_id).in_(ids), col(ChangePlace.place) != "US")
        .order_by(col(ChangePlace.place))
    )
    for change, place in rows:
        found.setdefault(change, []).append(place)
    return {change: tuple(named) for change, named in found.items()}


def withdrawn(conn: Connection, *, limit: int = 50) -> tuple[Row, ...]:
    """Changes that were held, shown as held, and then went away, newest first. What was never shown is not in it."""
    change = tables.Change
    ids = conn.scalars(
        sa.select(col(change.id))
        .where(col(change.state) == State.WITHDRAWN.value, col(change.was_held).is_(sa.true()))
        .order_by(col(change.ended_at).desc(), col(change.id))
        .limit(limit)
    ).all()
    return _in_order(conn, ids)


def agencies(conn: Connection, source: str) -> tuple[str, ...]:
    """The keys of all agencies that were ever accepted in a source."""
    return tuple(
        conn.scalars(
            sa.select(col(ListingVersion.agency)).where(col(ListingVersion.source) == source).distinct()
        )
    )


def versions(conn: Connection, source: str, agency: str) -> tuple[Version, ...]:
    """How an agency's listing read over time, oldest first."""
    rows = conn.execute(
        sa.select(
            col(ListingVersion.key),
            col(ListingVersion.name),
            col(ListingVersion.state),
            col(ListingVersion.content),
            col(ListingVersion.from_at),
            col(ListingVersion.to_at),
        )
        .where(col(ListingVersion.source) == source, col(ListingVersion.agency) == agency)
        .order_by(col(ListingVersion.from_number), col(ListingVersion.id))
    )
    return tuple(Version(_listing(row), row.from_at, row.to_at) for row in rows)


def history(conn: Connection, source: str, agency: str) -> tuple[Row, ...]:
    """What happened to an agency, newest first: published, held now, or held and withdrawn. What only waited is nobody's news."""
    change = tables.Change
    shown = sa.or_(
        col(change.state).in_([State.PUBLISHED.value, State.HELD.value]),
        sa.and_(col(change.state) == State.WITHDRAWN.value, col(change.was_held).is_(sa.true())),
    )
    ids = conn.scalars(
        sa.select(col(change.id))
        .where(col(change.source) == source, col(change.agency) == agency, shown)
        .order_by(col(change.first_seen_at).desc(), col(change.id).desc())
        .limit(200)
    ).all()
    return _in_order(conn, ids)


def first_read(conn: Connection, source: str) -> datetime | None:
    """When a source was first read: what was on it then may have been there for long."""
    return conn.scalar(
        sa.select(sa.func.min(col(ListingVersion.from_at))).where(col(ListingVersion.source) == source)
    )


def counts(conn: Connection, source: str) -> tuple[tuple[datetime, int], ...]:
    """How many listings were believed from each moment on at which the number moved, oldest first."""
    began: Any = sa.select(col(ListingVersion.from_at).label("at"), sa.func.count().label("step")).where(
        col(ListingVersion.source) == source
    )
    ended: Any = sa.select(col(ListingVersion.to_at).label("at"), (-sa.func.count()).label("step")).where(
        col(ListingVersion.source) == source, col(ListingVersion.to_at).is_not(None)
    )
    steps = sa.union_all(
        began.group_by(col(ListingVersion.from_at)), ended.group_by(col(ListingVersion.to_at))
    ).subquery()
    rows = conn.execute(
        sa.select(steps.c.at, sa.func.sum(steps.c.step)).group_by(steps.c.at).order_by(steps.c.at)
    )
    total, found = 0, []
    for at, step in rows:
        if step:
            total += int(step)
            found.append((at, total))
    return tuple(found)


def gaps(
    conn: Connection, source: str, *, since: datetime, longest: timedelta, now: datetime
) -> tuple[Gap, ...]:
    """Times longer than ``longest`` between good polls that ended after ``since``, newest first."""
    last = conn.scalar(
        sa.select(sa.func.max(col(Fetch.at))).where(
            col(Fetch.source) == source, col(Fetch.at) < since, col(Fetch.outcome).in_(_GOOD)
        )
    )
    query = sa.select(col(Fetch.at), col(Fetch.outcome)).where(col(Fetch.source) == source)
    rows = conn.execute(query.where(col(Fetch.at) >= (last or since)).order_by(col(Fetch.at), col(Fetch.id)))
    found: list[Gap] = []
    failed = rejected = 0
    for at, outcome in rows:
        if outcome in _GOOD:
            if last is not None and at - last > longest:
                found.append(Gap(source, last, at, failed, rejected))
            last, failed, rejected = at, 0, 0
        elif outcome == "rejected":
            rejected += 1
        else:
            failed += 1
    if last is not None and now - last > longest:
        found.append(Gap(source, last, None, failed, rejected))
    return tuple(reversed(found))


def overdue(conn: Connection, channels: Collection[str], *, before: datetime, now: datetime) -> int:
    """Deliveries on these channels that were due before a moment and that nobody has taken, while nobody sends anything at all."""
    if conn.scalar(sa.select(sa.exists().where(IS_DUE, col(Delivery.lease_until) > now))):
        return 0
    waiting = (
        sa.select(sa.func.count())
        .select_from(Delivery)
        .where(
            IS_DUE,
            col(Delivery.due_at) < before,
            sa.exists().where(
                col(Subscriber.id) == col(Delivery.subscriber_id), col(Subscriber.channel).in_(channels)
            ),
        )
    )
    return conn.scalar(waiting) or 0


def _in_order(conn: Connection, ids: Sequence[Any]) -> tuple[Row, ...]:
    rows = {row.id: row for row in changes.by_ids(conn, ids)}
    return tuple(rows[number] for number in ids)


def _listing(row: Any) -> Listing:
    beside = {"key": row.key, "name": row.name}
    return listing_from_json({**row.content, **beside, **({"state": row.state} if row.state else {})})
