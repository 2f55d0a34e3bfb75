"""Changes and changesets: open changes against the baseline, and published ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import Change, Kind, OpenChange, PastChange, PlacementReason, State
from monitor.storage.lists import tables
from monitor.storage.lists.codec import CHANGE, change_from_row, change_to_columns, reason_from_text
from monitor.storage.lists.tables import ChangePlaceRow, ChangesetRow

OPEN = (State.PENDING, State.HELD, State.REJECTED)
OWN, IMPORTED, JOINED = "own", "imported", "joined"
"""Where a change comes from: own polls; two captures of others; the last capture and the first own poll."""


@dataclass(frozen=True, slots=True)
class Retraction:
    """The operator's retraction of a published change: when, and why; ``texts`` are by language and hold
    "en".
    """

    at: datetime
    texts: Mapping[str, str] = field(hash=False)

    def reason(self, language: str) -> str:
        """The reason in a language, in English where it has no other."""
        return self.texts.get(language) or self.texts["en"]


@dataclass(frozen=True, slots=True)
class StoredChange:
    """A change as it is kept. ``id`` is None until it is written.

    ``not_before`` is the last good poll without it, ``first_seen_at`` the first with it, ``ended_at`` when it
    was published or withdrawn; ``changeset`` and the ``placement`` reason exist once it is published and
    located. ``origin``: own; imported (``captured_by`` captured the publication in which it was first seen);
    joined (they captured the last one without it). ``gone_at``: when a listing that is back was first
    missing.
    """

    source: str
    change: Change
    agency: str
    state: State
    first_seen_at: datetime
    not_before: datetime | None = None
    reason: str = ""
    release_at: datetime | None = None
    was_held: bool = False
    approved: bool = False
    ended_at: datetime | None = None
    changeset: int | None = None
    how: str | None = None
    confidence: str | None = None
    placement: PlacementReason | None = None
    id: int | None = None
    origin: str = OWN
    captured_by: str = ""
    gone_at: datetime | None = None
    retraction: Retraction | None = None

    @property
    def standing(self) -> OpenChange:
        return OpenChange(
            self.change, self.state, self.first_seen_at, self.reason, self.release_at, self.approved
        )


@dataclass(frozen=True, slots=True)
class ChangesetInfo:
    """A publication of changes: its baseline number, its time, and its first entry in the record's log."""

    number: int
    at: datetime
    leaf: int | None


def load_standing(conn: Connection, source: str | None = None) -> tuple[StoredChange, ...]:
    """Load the open changes of a source, or of all, oldest first: pending, held, and rejected by a person."""
    query = select_changes().where(tables.ChangeRow.c.state.in_([state.value for state in OPEN]))
    if source is not None:
        query = query.where(tables.ChangeRow.c.source == source)
    return _load_rows(conn, query.order_by(tables.ChangeRow.c.id))


def load_unbelieved_additions(
    conn: Connection, source: str, first: datetime, last: datetime
) -> tuple[StoredChange, ...]:
    """Load the agencies that polls saw on a list at any moment between two, and that were not accepted, until
    now or before they disappeared again; oldest first.
    """
    change = tables.ChangeRow.c
    query = select_changes().where(
        change.source == source,
        change.kind == Kind.ADDED.value,
        change.state != State.PUBLISHED.value,
        change.first_seen_at <= last,
        sa.or_(change.ended_at.is_(None), change.ended_at > first),
    )
    return _load_rows(conn, query.order_by(change.first_seen_at, change.id))


def load_by_ids(conn: Connection, ids: Sequence[int]) -> tuple[StoredChange, ...]:
    """Load changes by id, in any state; unknown ids are missing in the result."""
    return tuple(to_change(row) for row in conn.execute(_BY_IDS, {"ids": tuple(ids)}))


def load_past_changes(conn: Connection, source: str, since: datetime) -> tuple[PastChange, ...]:
    """Load the changes of a source published from a moment on, and all earlier removals, in order.

    So a returning agency is recognized after any time.
    """
    rows = _load_rows(
        conn,
        select_changes()
        .where(
            tables.ChangeRow.c.source == source,
            tables.ChangeRow.c.state == State.PUBLISHED.value,
            sa.or_(tables.ChangeRow.c.ended_at >= since, tables.ChangeRow.c.kind == Kind.REMOVED.value),
        )
        .order_by(tables.ChangeRow.c.ended_at, tables.ChangeRow.c.id),
    )
    return tuple(
        PastChange(row.change, row.ended_at, row.was_held) for row in rows if row.ended_at is not None
    )


def load_published(
    conn: Connection,
    *,
    source: str | None = None,
    since: datetime | None = None,
    changeset: int | None = None,
    places: Collection[str] = (),
    within: Collection[str] = (),
) -> tuple[StoredChange, ...]:
    """What was published, oldest first; of a source, from a moment on, in one changeset, for some places.

    ``within`` are the states of ZIPs: what concerns a whole state concerns its ZIPs too. A change has no
    place before it is fanned out.
    """
    query = select_changes().where(tables.ChangeRow.c.state == State.PUBLISHED.value)
    if source is not None:
        query = query.where(tables.ChangeRow.c.source == source)
    if since is not None:
        query = query.where(tables.ChangeRow.c.ended_at >= since)
    if changeset is not None:
        query = query.where(tables.ChangeRow.c.changeset_id == changeset)
    if places:
        here = sa.or_(
            ChangePlaceRow.c.place.in_(places),
            sa.and_(ChangePlaceRow.c.place.in_(within), ChangePlaceRow.c.everyone.is_(True)),
        )
        query = query.where(sa.exists().where(ChangePlaceRow.c.change_id == tables.ChangeRow.c.id, here))
    return _load_rows(conn, query.order_by(tables.ChangeRow.c.ended_at, tables.ChangeRow.c.id))


def find_gone_at(conn: Connection, source: str, agency: str) -> datetime | None:
    """When an agency that is back was first missing: by its last published removal."""
    change = tables.ChangeRow.c
    at: datetime | None = conn.scalar(
        sa.select(change.first_seen_at)
        .where(
            change.source == source,
            change.agency == agency,
            change.kind == Kind.REMOVED.value,
            change.state == State.PUBLISHED.value,
        )
        .order_by(change.id.desc())
        .limit(1)
    )
    return at


def write(conn: Connection, rows: Iterable[StoredChange]) -> None:
    """Insert the rows without an id, and bring those with one up to date."""
    rows = tuple(rows)
    new = [_values(row) for row in rows if row.id is None]
    old = [_values(row) | {"row_id": row.id} for row in rows if row.id is not None]
    if new:
        conn.execute(sa.insert(tables.ChangeRow), new)
    if old:
        conn.execute(sa.update(tables.ChangeRow).where(tables.ChangeRow.c.id == sa.bindparam("row_id")), old)


def add_changeset(
    conn: Connection,
    source: str,
    number: int,
    at: datetime,
    fetch_id: int | None,
    leaf: int | None = None,
    import_id: int | None = None,
) -> int:
    """Write a changeset, unique by source and number, and return its id. One that came with an import is not
    announced.
    """
    key = conn.execute(
        sa.insert(ChangesetRow).values(
            source=source, number=number, at=at, fetch_id=fetch_id, leaf=leaf, import_id=import_id
        )
    ).inserted_primary_key
    assert key is not None
    return int(key[0])


def load_changeset(conn: Connection, changeset_id: int) -> ChangesetInfo:
    """What is kept of a changeset."""
    columns = ChangesetRow.c
    row = conn.execute(
        sa.select(columns.number, columns.at, columns.leaf).where(columns.id == changeset_id)
    ).one()
    return ChangesetInfo(row.number, row.at, row.leaf)


def find_last_changeset(conn: Connection, source: str) -> int | None:
    """The id of the source's latest changeset."""
    newest: int | None = conn.scalar(
        sa.select(ChangesetRow.c.id)
        .where(ChangesetRow.c.source == source)
        .order_by(ChangesetRow.c.number.desc())
        .limit(1)
    )
    return newest


def select_changes() -> sa.Select[Any]:
    """A query of changes with every column that `to_change` reads."""
    table = tables.ChangeRow.c
    return sa.select(
        *CHANGE,
        table.id, table.source, table.state, table.reason, table.not_before, table.first_seen_at,
        table.release_at,
        table.was_held, table.approved, table.ended_at, table.changeset_id, table.how, table.confidence,
        table.placement, table.origin, table.captured_by, table.gone_at, table.retracted_at,
        table.retraction,
    )  # fmt: skip


# pages ask this all the time, and building the statement costs more than running it
_BY_IDS = (
    select_changes()
    .where(tables.ChangeRow.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(tables.ChangeRow.c.id)
)


def _load_rows(conn: Connection, query: sa.Select[Any]) -> tuple[StoredChange, ...]:
    return tuple(to_change(row) for row in conn.execute(query))


def to_change(row: Any) -> StoredChange:
    """The change in a row of `select_changes`."""
    return StoredChange(
        id=row.id,
        source=row.source,
        change=change_from_row(row),
        agency=row.agency,
        state=State(row.state),
        reason=row.reason,
        not_before=row.not_before,
        first_seen_at=row.first_seen_at,
        release_at=row.release_at,
        was_held=row.was_held,
        approved=row.approved,
        ended_at=row.ended_at,
        changeset=row.changeset_id,
        how=row.how,
        confidence=row.confidence,
        placement=reason_from_text(row.placement),
        origin=row.origin or OWN,
        captured_by=row.captured_by or "",
        gone_at=row.gone_at,
        retraction=None if row.retracted_at is None else Retraction(row.retracted_at, row.retraction),
    )


def _values(row: StoredChange) -> dict[str, Any]:
    return change_to_columns(row.change, row.agency) | {
        "source": row.source,
        "state": row.state.value,
        "reason": row.reason,
        "not_before": row.not_before,
        "first_seen_at": row.first_seen_at,
        "release_at": row.release_at,
        "was_held": row.was_held,
        "approved": row.approved,
        "ended_at": row.ended_at,
        "changeset_id": row.changeset,
        "origin": None if row.origin == OWN else row.origin,
        "captured_by": row.captured_by or None,
        "gone_at": row.gone_at,
    }
