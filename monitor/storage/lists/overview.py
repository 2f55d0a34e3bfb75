"""The state of each source in the database, for `ops.health`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from monitor.storage.lists.history import ABSENT
from monitor.storage.lists.tables import (
    BodyRow,
    ChangeRow,
    FetchRow,
    ListingVersionRow,
    SnapshotRow,
    SourceRow,
)


@dataclass(frozen=True, slots=True)
class SourceOverview:
    """Where one source stands in the database; times are None where it never happened.

    ``rejected_until``: when what is rejected now is judged change by change; None also if only a person can
    decide. ``body_kept``: the publication that was read last is in the database.
    """

    last_good_at: datetime | None
    last_fetch_at: datetime | None
    last_outcome: str | None
    last_reason: str
    next_poll_at: datetime | None
    baseline: int
    pending: int
    held: int
    rejected_at: datetime | None
    rejected_hash: str | None
    rejected_until: datetime | None = None
    body_kept: bool = True


_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class HoldGroup:
    """Held changes with the same release time (None: a person decides) and reason, and how many they are."""

    count: int
    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class StandingHolds:
    """The held changes of a source: their ids, and groups of them, the largest first."""

    ids: tuple[int, ...] = ()
    groups: tuple[HoldGroup, ...] = ()

    @property
    def last(self) -> HoldGroup | None:
        """The group that waits longest: for a person, else until the latest time."""
        if not self.groups:
            return None
        return max(self.groups, key=lambda group: (group.until is None, group.until or _NEVER))


def load_standing_holds(conn: Connection, source: str) -> StandingHolds:
    """Read which changes of a source are held, until when and why."""
    held = conn.execute(
        sa.select(ChangeRow.c.id, ChangeRow.c.release_at, ChangeRow.c.reason)
        .where(ChangeRow.c.source == source, ChangeRow.c.state == "held")
        .order_by(ChangeRow.c.id)
    ).all()
    counts = Counter((row.release_at, row.reason) for row in held)
    groups = (HoldGroup(count, until, reason) for (until, reason), count in counts.most_common())
    return StandingHolds(tuple(row.id for row in held), tuple(groups))


def load_overview(conn: Connection, source: str) -> SourceOverview:
    """The state of one source; all None and 0 when it was never polled."""
    row = conn.execute(
        sa.select(
            SourceRow.c.last_good_at,
            SourceRow.c.next_poll_at,
            sa.or_(
                SourceRow.c.last_good_hash.is_(None),
                sa.exists().where(BodyRow.c.hash == SourceRow.c.last_good_hash),
            ).label("body_kept"),
        ).where(SourceRow.c.name == source)
    ).first()
    last = conn.execute(
        sa.select(FetchRow.c.outcome, FetchRow.c.reason, FetchRow.c.at, FetchRow.c.hash)
        .where(FetchRow.c.source == source)
        .order_by(FetchRow.c.at.desc(), FetchRow.c.id.desc())
        .limit(1)
    ).first()
    baseline = conn.scalar(
        sa.select(sa.func.count())
        .select_from(ListingVersionRow)
        .where(ListingVersionRow.c.source == source, ListingVersionRow.c.to_number.is_(None))
    )
    standing: dict[str, int] = dict(
        conn.execute(
            sa.select(ChangeRow.c.state, sa.func.count())
            .where(ChangeRow.c.source == source, ChangeRow.c.state.in_(["pending", "held"]))
            .group_by(ChangeRow.c.state)
        ).all()
    )
    rejected = conn.execute(
        sa.select(SnapshotRow.c.last_seen_at, SnapshotRow.c.hash, SnapshotRow.c.release_at)
        .where(
            SnapshotRow.c.source == source,
            SnapshotRow.c.verdict == "rejected",
            SnapshotRow.c.hash == (last.hash if last else None),
        )
        .order_by(SnapshotRow.c.id.desc())
        .limit(1)
    ).first()
    still_rejected = rejected is not None and last is not None and last.outcome == "rejected"
    approved_since = last is not None and last.outcome == "rejected" and rejected is None
    return SourceOverview(
        last_good_at=_last_check(row.last_good_at if row else None, last),
        last_fetch_at=last.at if last else None,
        last_outcome="good" if approved_since else last.outcome if last else None,
        last_reason="" if approved_since or last is None else last.reason,
        next_poll_at=row.next_poll_at if row else None,
        baseline=baseline or 0,
        pending=standing.get("pending", 0),
        held=standing.get("held", 0),
        rejected_at=rejected.last_seen_at if rejected and still_rejected else None,
        rejected_hash=rejected.hash if rejected and still_rejected else None,
        rejected_until=rejected.release_at if rejected and still_rejected else None,
        body_kept=bool(row.body_kept) if row else True,
    )


def _last_check(last_good_at: datetime | None, last: Any) -> datetime | None:
    """When a source was last read well. That an optional one is not published is a good check too."""
    return last.at if last is not None and last.outcome == ABSENT else last_good_at


@dataclass(frozen=True, slots=True)
class SourceSight:
    """What pages say of a source: the ``number`` of its baseline, and how it was seen; None where never."""

    number: int
    last_good_at: datetime | None
    last_fetch_at: datetime | None
    rejected_until: datetime | None


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """How many listings are accepted, and how many changes are held. They move with the baseline's number."""

    listings: int = 0
    held: int = 0


# built once: every page runs this, and building the statement takes ten times as long as running it
_LAST_FETCH = (
    sa.select(FetchRow.c.id)
    .where(FetchRow.c.source == SourceRow.c.name)
    .order_by(FetchRow.c.at.desc(), FetchRow.c.id.desc())
    .limit(1)
    .correlate(SourceRow)
    .scalar_subquery()
)
_REJECTED_UNTIL = (
    sa.select(SnapshotRow.c.release_at)
    .where(
        SnapshotRow.c.source == SourceRow.c.name,
        SnapshotRow.c.verdict == "rejected",
        SnapshotRow.c.hash == FetchRow.c.hash,  # not one that was approved since
    )
    .order_by(SnapshotRow.c.id.desc())
    .limit(1)
    .scalar_subquery()
)
_SIGHTS = sa.select(
    SourceRow.c.name,
    SourceRow.c.number,
    SourceRow.c.last_good_at,
    FetchRow.c.at,
    FetchRow.c.outcome,
    sa.case((FetchRow.c.outcome == "rejected", _REJECTED_UNTIL)).label("rejected_until"),
).select_from(sa.outerjoin(SourceRow, FetchRow, FetchRow.c.id == _LAST_FETCH))
_NAMES: sa.BindParameter[Any] = sa.bindparam("names", expanding=True)
_LISTINGS = (
    sa.select(ListingVersionRow.c.source, sa.func.count())
    .where(ListingVersionRow.c.source.in_(_NAMES), ListingVersionRow.c.to_number.is_(None))
    .group_by(ListingVersionRow.c.source)
)
_HELD = (
    sa.select(ChangeRow.c.source, sa.func.count())
    .where(ChangeRow.c.source.in_(_NAMES), ChangeRow.c.state == "held")
    .group_by(ChangeRow.c.source)
)


def load_sights(conn: Connection) -> dict[str, SourceSight]:
    """Read the state of every source that was ever polled, by name, with one statement."""
    return {
        row.name: SourceSight(row.number, _last_check(row.last_good_at, row), row.at, row.rejected_until)
        for row in conn.execute(_SIGHTS)
    }


def load_counts(conn: Connection, names: Collection[str]) -> dict[str, SourceCounts]:
    """Count the listings and held changes of sources, by name, with two statements."""
    given = {"names": tuple(names)}
    listings: dict[str, int] = dict(conn.execute(_LISTINGS, given).all())
    held: dict[str, int] = dict(conn.execute(_HELD, given).all())
    return {name: SourceCounts(listings.get(name, 0), held.get(name, 0)) for name in names}
