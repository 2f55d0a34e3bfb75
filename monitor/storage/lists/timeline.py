"""The timeline: published changes, held and withdrawn ones, and times when a source could not be read.

These functions only read, and every result is limited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import Kind, State
from monitor.states import STATES
from monitor.storage.lists import changes, tables
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.tables import ChangesetRow, FetchRow

_GOOD = ("good", "unchanged", "absent")


@dataclass(frozen=True, slots=True)
class ChangesetSummary:
    """A changeset in one line: how many changes of each kind, and some of them in the order of its page."""

    id: int
    source: str
    at: datetime
    counts: dict[Kind, int]
    first: tuple[StoredChange, ...]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesetPage:
    """A changeset with one page of its changes, sorted by the state's name and the agency; all but ``rows``
    is of the whole of it.

    ``states`` counts changes by state, None for those without one, and ``pages`` says on which page each
    begins; both in the order of the pages. ``interval`` is that of all changes, None when they have several.
    ``held`` says how many were held before.
    """

    id: int
    source: str
    at: datetime
    counts: dict[Kind, int]
    states: dict[str | None, int]
    pages: dict[str | None, int]
    interval: tuple[datetime | None, datetime] | None
    held: int
    rows: tuple[StoredChange, ...]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldGroup:
    """Changes of one kind that one poll brought and nobody believes yet, or that went away unbelieved:
    ``count`` in all, and some of them.

    ``state`` is held, rejected (a person judged them to be an error) or withdrawn.
    """

    source: str
    kind: Kind
    state: State
    not_before: datetime | None
    first_seen_at: datetime
    release_at: datetime | None
    ended_at: datetime | None
    count: int
    rows: tuple[StoredChange, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a source was not seen: ``since`` is the last good poll before, ``until`` the first
    after (None: it goes on).

    ``failed`` and ``rejected`` count the polls within it that brought nothing, or nothing that could be
    believed.
    """

    source: str
    since: datetime
    until: datetime | None
    failed: int
    rejected: int


@dataclass(frozen=True, slots=True)
class SourceGaps:
    """All gaps of a source that are over, oldest first, up to its ``last`` good poll; and the bad polls
    since.
    """

    source: str
    gaps: tuple[Gap, ...] = ()
    last: datetime | None = None
    failed: int = 0
    rejected: int = 0

    def until(self, now: datetime, longest: timedelta) -> tuple[Gap, ...]:
        """The gaps, newest first, with the one that goes on."""
        over = self.gaps[::-1]
        if self.last is None or now - self.last <= longest:
            return over
        return (Gap(self.source, self.last, None, self.failed, self.rejected), *over)


def load_summaries(
    conn: Connection, *, before: datetime | None = None, limit: int = 20, named: int = 5
) -> tuple[ChangesetSummary, ...]:
    """Read changesets older than ``before``, newest first, each with its first ``named`` changes."""
    change = tables.ChangeRow.c
    query = sa.select(ChangesetRow.c.id, ChangesetRow.c.source, ChangesetRow.c.at)
    if before is not None:
        query = query.where(ChangesetRow.c.at < before)
    found = conn.execute(
        query.order_by(ChangesetRow.c.at.desc(), ChangesetRow.c.id.desc()).limit(limit)
    ).all()
    ids = [row.id for row in found]
    counts: dict[int, dict[Kind, int]] = {number: {} for number in ids}
    grouped = sa.select(change.changeset_id, change.kind, sa.func.count()).where(change.changeset_id.in_(ids))
    for changeset, kind, count in conn.execute(grouped.group_by(change.changeset_id, change.kind)):
        assert changeset is not None
        counts[changeset][Kind(kind)] = count
    first = _load_first(conn, change.changeset_id.in_(ids), (change.changeset_id,), named)
    return tuple(
        ChangesetSummary(
            row.id,
            row.source,
            row.at,
            counts[row.id],
            tuple(each for each in first if each.changeset == row.id),
        )
        for row in found
    )


def find_single_states(conn: Connection, ids: Iterable[int]) -> dict[int, str]:
    """Find the state of those of some changesets whose changes are all of one state."""
    change = tables.ChangeRow.c
    state = sa.func.coalesce(*(told["state"].as_string() for told, _ in _TOLD), "")
    query = sa.select(change.changeset_id, sa.func.min(state)).where(change.changeset_id.in_(ids))
    query = query.group_by(change.changeset_id).having(sa.func.min(state) == sa.func.max(state))
    return {number: code for number, code in conn.execute(query) if number is not None}


def load_changeset(conn: Connection, number: int, *, page: int = 1, size: int = 500) -> ChangesetPage | None:
    """One changeset with a page of its changes; None when there is no such changeset or page."""
    row = conn.execute(
        sa.select(ChangesetRow.c.source, ChangesetRow.c.at).where(ChangesetRow.c.id == number)
    ).first()
    if row is None:
        return None
    change = tables.ChangeRow.c
    found = conn.execute(
        sa.select(
            change.id,
            change.kind,
            change.agency,
            change.not_before,
            change.first_seen_at,
            change.was_held,
            *(told["state"].as_string().label(name) for told, name in _TOLD),
        ).where(change.changeset_id == number)
    ).all()
    ranked = sorted(found, key=lambda each: (_place(each.after or each.before), each.agency, each.id))
    here = ranked[(page - 1) * size : page * size]
    if page > 1 and not here:
        return None
    states: dict[str | None, int] = {}
    for index, each in enumerate(ranked):
        states.setdefault(each.after or each.before, index // size + 1)
    intervals = {(each.not_before, each.first_seen_at) for each in found}
    return ChangesetPage(
        id=number,
        source=row.source,
        at=row.at,
        counts=dict(Counter(Kind(each.kind) for each in found)),
        states=dict(Counter(each.after or each.before for each in ranked)),
        pages=states,
        interval=intervals.pop() if len(intervals) == 1 else None,
        held=sum(each.was_held for each in found),
        rows=load_in_order(conn, [each.id for each in here]),
    )


def state_of(row: StoredChange) -> str | None:
    """The state that a change is sorted under."""
    listings = (row.change.after, row.change.before)
    return next((listing.state for listing in listings if listing and listing.state), None)


def group_held(rows: Sequence[StoredChange]) -> tuple[HeldGroup, ...]:
    """Held or rejected changes by what they have in common, the newest first."""
    groups: dict[tuple[object, ...], list[StoredChange]] = {}
    for row in rows:
        alike = (row.source, row.change.kind, row.state, row.not_before, row.first_seen_at, row.release_at)
        groups.setdefault(alike, []).append(row)
    found = (
        HeldGroup(
            source=members[0].source,
            kind=members[0].change.kind,
            state=members[0].state,
            not_before=members[0].not_before,
            first_seen_at=members[0].first_seen_at,
            release_at=members[0].release_at,
            ended_at=None,
            count=len(members),
            rows=tuple(members),
        )
        for members in groups.values()
    )
    return tuple(sorted(found, key=lambda hold: hold.first_seen_at, reverse=True))


def load_withdrawn(
    conn: Connection, *, before: datetime | None = None, limit: int = 20, named: int = 200
) -> tuple[HeldGroup, ...]:
    """Changes that were held, shown as held, and then went away, newest first; what was never shown is not in
    it.
    """
    change = tables.ChangeRow.c
    alike = (
        change.source,
        change.kind,
        change.not_before,
        change.first_seen_at,
        change.ended_at,
    )
    gone: sa.ColumnElement[bool] = sa.text(tables.WITHDRAWN)  # type: ignore[assignment]
    if before is not None:
        gone = sa.and_(gone, change.ended_at < before)
    # The newest moments first: grouping all that ever went away would grow with the years.
    moments = sa.select(change.ended_at).where(gone).distinct().order_by(change.ended_at.desc()).limit(limit)
    since = conn.scalar(sa.select(sa.func.min(moments.subquery().c.ended_at)))
    if since is None:
        return ()
    gone = sa.and_(gone, change.ended_at >= since)
    groups = conn.execute(
        sa.select(*alike, sa.func.count().label("changes"))
        .where(gone)
        .group_by(*alike)
        .order_by(change.ended_at.desc(), change.first_seen_at.desc())
        .limit(limit)
    ).all()
    if not groups:
        return ()
    oldest = min(group.ended_at for group in groups)
    rows = _load_first(conn, sa.and_(gone, change.ended_at >= oldest), alike, named)
    return tuple(
        HeldGroup(
            source=group.source,
            kind=Kind(group.kind),
            state=State.WITHDRAWN,
            not_before=group.not_before,
            first_seen_at=group.first_seen_at,
            release_at=None,
            ended_at=group.ended_at,
            count=group.changes,
            rows=tuple(row for row in rows if _alike(row) == tuple(group)[: len(alike)]),
        )
        for group in groups
    )


def load_gaps(conn: Connection, before: SourceGaps, longest: timedelta) -> SourceGaps:
    """The gaps of a source, times longer than ``longest`` between good polls: those that are known
    ``before``, and what came since.
    """
    query = sa.select(FetchRow.c.at, FetchRow.c.outcome).where(FetchRow.c.source == before.source)
    if before.last is not None:
        query = query.where(FetchRow.c.at > before.last)
    last, found = before.last, list(before.gaps)
    failed = rejected = 0
    for at, outcome in conn.execute(query.order_by(FetchRow.c.at, FetchRow.c.id)):
        if outcome in _GOOD:
            if last is not None and at - last > longest:
                found.append(Gap(before.source, last, at, failed, rejected))
            last, failed, rejected = at, 0, 0
        elif outcome == "rejected":
            rejected += 1
        else:
            failed += 1
    return replace(before, gaps=tuple(found), last=last, failed=failed, rejected=rejected)


def load_in_order(conn: Connection, ids: Iterable[Any]) -> tuple[StoredChange, ...]:
    """Changes by id, in the order of the ids."""
    wanted = tuple(ids)
    rows = {row.id: row for row in changes.load_by_ids(conn, wanted)}
    return tuple(rows[number] for number in wanted)


_TOLD = ((tables.ChangeRow.c.after, "after"), (tables.ChangeRow.c.before, "before"))
_RANK = {code: rank for rank, code in enumerate(sorted(STATES, key=lambda code: STATES[code]))}


def _place(state: str | None) -> tuple[bool, int, str]:
    """The sort key of a state by name; without a state last."""
    return state is None, _RANK.get(state or "", len(_RANK)), state or ""


def _load_first(
    conn: Connection, which: sa.ColumnElement[bool], groups: Iterable[Any], count: int
) -> tuple[StoredChange, ...]:
    """The first changes of each group, in the order in which they were written."""
    rank = sa.func.row_number().over(partition_by=tuple(groups), order_by=tables.ChangeRow.c.id)
    ranked = sa.select(tables.ChangeRow.c.id, rank.label("rank")).where(which).subquery()
    query = sa.select(ranked.c.id).where(ranked.c.rank <= count).order_by(ranked.c.id)
    return load_in_order(conn, conn.scalars(query))


def _alike(row: StoredChange) -> tuple[object, ...]:
    return (row.source, row.change.kind.value, row.not_before, row.first_seen_at, row.ended_at)
