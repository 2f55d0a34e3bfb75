"""The baseline of a source: its current state, and its accepted listings as versions [from, to)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import Listing
from monitor.errors import BaselineMoved
from monitor.storage.columns import UtcDateTime
from monitor.storage.engine import insert_for
from monitor.storage.lists.codec import content_to_json, listing_from_json
from monitor.storage.lists.past_lists import express_span, find_move, was_current
from monitor.storage.lists.tables import ListingVersionRow, SourceRow


@dataclass(frozen=True, slots=True)
class BaselineInfo:
    """A source's row; as it is before the first poll when only ``name`` is given.

    ``number`` counts the moves of the baseline and of what stands against it. ``columns`` and ``folders`` are
    those of the last good snapshot, ``fingerprint`` how it was read; ``last_good_*`` name the last fetch that
    brought it or confirmed it.
    """

    name: str
    number: int = 0
    fingerprint: str = ""
    columns: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()
    last_good_fetch: int | None = None
    last_good_at: datetime | None = None
    last_good_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The baseline: its listings, sorted by key, and each one's agency by key."""

    listings: tuple[Listing, ...]
    agencies: dict[str, str]


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A listing that becomes part of the baseline, and the agency that it continues. ``seen_at`` is the first
    poll with it, where that is not the one that makes us believe it.
    """

    listing: Listing
    agency: str
    seen_at: datetime | None = None


# built once: every page of a place runs it, and building the statement takes ten times as long as running it
_STANDS = sa.select(
    SourceRow.c.name,
    SourceRow.c.number,
    SourceRow.c.fingerprint,
    SourceRow.c.columns,
    SourceRow.c.folders,
    SourceRow.c.last_good_fetch,
    SourceRow.c.last_good_at,
    SourceRow.c.last_good_hash,
)
_BELIEVED = _STANDS.where(SourceRow.c.name == sa.bindparam("source"))


def load_info(conn: Connection, source: str) -> BaselineInfo:
    """Load the state of a source; a source that was never polled has number 0."""
    row = conn.execute(_BELIEVED, {"source": source}).first()
    return BaselineInfo(source) if row is None else _read(row)


def load_all_infos(conn: Connection) -> dict[str, BaselineInfo]:
    """Load the state of every source that was ever polled, by name, with one statement."""
    return {row.name: _read(row) for row in conn.execute(_STANDS)}


def _read(row: Any) -> BaselineInfo:
    return BaselineInfo(
        name=row.name,
        number=row.number,
        fingerprint=row.fingerprint,
        columns=frozenset(row.columns or ()),
        folders=tuple(row.folders or ()),
        last_good_fetch=row.last_good_fetch,
        last_good_at=row.last_good_at,
        last_good_hash=row.last_good_hash,
    )


def advance(conn: Connection, known: BaselineInfo, **new: Any) -> None:
    """Compare and swap: give the source's row ``new`` values if it is still as it was ``known``;
    BaselineMoved if not.

    On PostgreSQL this also locks the row, so that the second one waits here, compares, and loses.
    """
    conn.execute(
        insert_for(conn, SourceRow).values(name=known.name, columns=[], folders=[]).on_conflict_do_nothing()
    )
    hash_is = SourceRow.c.last_good_hash
    moved = conn.execute(
        sa.update(SourceRow)
        .where(
            SourceRow.c.name == known.name,
            SourceRow.c.number == known.number,
            hash_is.is_(None) if known.last_good_hash is None else hash_is == known.last_good_hash,
        )
        .values(**new)
    )
    if moved.rowcount != 1:
        raise BaselineMoved


def note_poll(conn: Connection, source: str, at: datetime, next_poll_at: datetime) -> None:
    """Record that a source was polled, with any result, and when it is due again."""
    given = {"last_fetch_at": at, "next_poll_at": next_poll_at}
    conn.execute(
        insert_for(conn, SourceRow)
        .values(name=source, columns=[], folders=[], **given)
        .on_conflict_do_update(index_elements=["name"], set_=given)
    )


def note_absence(conn: Connection, source: str, at: datetime) -> None:
    """Record that a source was checked and is not published now: the baseline stays, and is as fresh as after
    a good check.
    """
    conn.execute(
        sa.update(SourceRow)
        .where(SourceRow.c.name == source, SourceRow.c.last_good_at.is_not(None))
        .values(last_good_at=at)
    )


def was_listed(conn: Connection, source: str, keys: Collection[str], at: datetime) -> frozenset[str]:
    """Find which of these keys were on a list at some time before ``at``."""
    return frozenset(
        conn.scalars(
            sa.select(ListingVersionRow.c.key)
            .where(
                ListingVersionRow.c.source == source,
                ListingVersionRow.c.key.in_(keys),
                ListingVersionRow.c.from_at <= at,
            )
            .distinct()
        )
    )


def load_sources(conn: Connection) -> tuple[str, ...]:
    """The sources that were ever polled, by name."""
    return tuple(conn.scalars(sa.select(SourceRow.c.name).order_by(SourceRow.c.name)))


def load_next_poll_at(conn: Connection, source: str) -> datetime | None:
    """When the source is due; None when it was never polled."""
    return conn.scalar(sa.select(SourceRow.c.next_poll_at).where(SourceRow.c.name == source))


def load_accepted(conn: Connection, source: str) -> Accepted:
    """The baseline as it is now."""
    rows = conn.execute(
        sa.select(*VERSION, ListingVersionRow.c.agency)
        .where(ListingVersionRow.c.source == source, ListingVersionRow.c.to_number.is_(None))
        .order_by(ListingVersionRow.c.key)
    ).all()
    return Accepted(tuple(read_listing(row) for row in rows), {row.key: row.agency for row in rows})


def load_listings(conn: Connection, source: str, at: datetime | None = None) -> tuple[Listing, ...]:
    """Read the listings believed at a moment, or now, sorted by key, exactly as they were published."""
    if at is None:
        return load_accepted(conn, source).listings
    move = find_move(conn, source, at)
    if move is None:
        return ()
    rows = conn.execute(
        sa.select(*VERSION).where(was_current(source, move[0])).order_by(ListingVersionRow.c.key)
    )
    return tuple(read_listing(row) for row in rows)


def find_past_agency(conn: Connection, source: str, key: str) -> str | None:
    """The agency of the listing that last had this key; None if none ever had."""
    return conn.scalar(
        sa.select(ListingVersionRow.c.agency)
        .where(ListingVersionRow.c.source == source, ListingVersionRow.c.key == key)
        .order_by(ListingVersionRow.c.from_number.desc(), ListingVersionRow.c.id.desc())
        .limit(1)
    )


def load_starts(conn: Connection, source: str, keys: Collection[str]) -> dict[str, datetime]:
    """Read since when polls have seen the current versions under these keys."""
    version = ListingVersionRow.c
    rows = conn.execute(
        sa.select(version.key, sa.func.coalesce(version.seen_at, version.from_at, type_=UtcDateTime())).where(
            version.source == source, version.key.in_(keys), version.to_number.is_(None)
        )
    )
    return {row[0]: row[1] for row in rows}


def load_ends(conn: Connection, source: str, agencies: Collection[str]) -> dict[str, datetime]:
    """Read since when polls have missed agencies whose versions have all ended, by agency."""
    version = ListingVersionRow.c
    rows = conn.execute(
        sa.select(version.agency, sa.func.max(sa.func.coalesce(version.gone_at, version.to_at)))
        .where(version.source == source, version.agency.in_(agencies), version.to_number.is_not(None))
        .group_by(version.agency)
    )
    return {row[0]: row[1] for row in rows}


def end_versions(
    conn: Connection,
    source: str,
    keys: Sequence[str],
    number: int,
    at: datetime,
    gone: Mapping[str, datetime] | None = None,
) -> None:
    """End the current versions under these keys; ``gone`` has the first poll without it, by key, where that
    is not this one.
    """
    if not keys:
        return
    gone = gone or {}
    ended = {"of_source": source, "ended_number": number, "ended_at": at}
    conn.execute(_CLOSE, [ended | {"closed": key, "gone": gone.get(key)} for key in keys])


_ENDED: sa.BindParameter[int] = sa.bindparam("ended_number", type_=ListingVersionRow.c.to_number.type)
# made once: its span has a case for every power of two
_CLOSE = (
    sa.update(ListingVersionRow)
    .where(
        ListingVersionRow.c.source == sa.bindparam("of_source"),
        ListingVersionRow.c.key == sa.bindparam("closed"),
        ListingVersionRow.c.to_number.is_(None),
    )
    .values(
        to_number=_ENDED,
        to_at=sa.bindparam("ended_at"),
        gone_at=sa.bindparam("gone"),
        span=express_span(ListingVersionRow.c.from_number, _ENDED),
    )
)


def begin_versions(
    conn: Connection, source: str, versions: Iterable[NewVersion], number: int, at: datetime
) -> dict[str, int]:
    """Begin new current versions, and return their ids by key; an IntegrityError says that a key has one
    already.
    """
    rows = [
        {
            "source": source,
            "key": version.listing.key,
            "agency": version.agency,
            "name": version.listing.name,
            "state": version.listing.state,
            "content": content_to_json(version.listing),
            "from_number": number,
            "from_at": at,
            "seen_at": version.seen_at,
        }
        for version in versions
    ]
    if not rows:
        return {}
    written: Any = conn.execute(
        sa.insert(ListingVersionRow).returning(ListingVersionRow.c.key, ListingVersionRow.c.id), rows
    )
    return dict(written.all())


VERSION: tuple[Any, ...] = (
    ListingVersionRow.c.key,
    ListingVersionRow.c.name,
    ListingVersionRow.c.state,
    ListingVersionRow.c.content,
)
"""The columns of a version from which `read_listing` makes its listing."""


def read_listing(row: Any) -> Listing:
    """Read the listing of a row with the columns `VERSION`."""
    key, name, state = row.key, row.name, row.state
    content: dict[str, Any] = {**row.content, "key": key, "name": name}
    return listing_from_json(content if state is None else content | {"state": state})
