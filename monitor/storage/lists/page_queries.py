"""Queries for the site's pages: the newest changes of a place, an agency's whole history, counts over time.

They only read, and every answer is bounded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import Listing, State
from monitor.storage import database_facts
from monitor.storage.columns import UtcDateTime
from monitor.storage.lists import changes, tables
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.codec import listing_from_json
from monitor.storage.lists.log_tables import LogHeadRow
from monitor.storage.lists.past_lists import SEEN_FROM, SEEN_TO, find_moment, was_published
from monitor.storage.lists.record_rows import CAPTURED_BY
from monitor.storage.lists.tables import ChangePlaceRow, ListingVersionRow
from monitor.storage.lists.timeline import load_in_order
from monitor.storage.tables import MetaRow


@dataclass(frozen=True, slots=True)
class ListingLife:
    """A listing's content for some time, from the first poll that saw it to the first that did not;
    ``to_at`` None while it is accepted. ``captured_by`` captured the publication with which it began; ""
    where an own poll saw it.
    """

    listing: Listing
    from_at: datetime
    to_at: datetime | None
    captured_by: str = ""


# Built once: every page of a place runs these, and building a statement takes ten times as long as running
# it.
_STATE = 2  # letters of a state's code
_LIMIT: sa.BindParameter[int] = sa.bindparam("limit")
_HERE = sa.select(ChangePlaceRow.c.change_id).where(
    ChangePlaceRow.c.place.in_(sa.bindparam("places", expanding=True))
)
_WITHIN = sa.select(ChangePlaceRow.c.change_id).where(
    ChangePlaceRow.c.place.in_(sa.bindparam("within", expanding=True)),
    ChangePlaceRow.c.everyone.is_(sa.true()),
)
# A state's index gives its newest, however many came before.
_NEWEST_OF_STATE = (
    sa.select(ChangePlaceRow.c.change_id)
    .where(ChangePlaceRow.c.place == sa.bindparam("state"), ChangePlaceRow.c.published_at.is_not(None))
    .order_by(ChangePlaceRow.c.published_at.desc(), ChangePlaceRow.c.change_id.desc())
    .limit(_LIMIT)
)
_NEWEST = (tables.ChangeRow.c.ended_at.desc(), tables.ChangeRow.c.id.desc())
_PUBLISHED = tables.ChangeRow.c.state == State.PUBLISHED.value
# An expression has no index, so SQLite finds a place's changes by the place. By the state's index it would
# walk all changes from the newest on, for a place with few to the very first.
_LOCATED = tables.ChangeRow.c.state.concat("") == State.PUBLISHED.value


def _newest_first(which: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The newest changes of those, whole: their ids first, because most are only sorted."""
    change = tables.ChangeRow.c
    ids = sa.select(change.id).where(which).order_by(*_NEWEST).limit(_LIMIT).subquery()
    return changes.select_changes().where(change.id.in_(sa.select(ids.c.id))).order_by(*_NEWEST)


def _in_changeset(which: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return _newest_first(sa.and_(which, tables.ChangeRow.c.changeset_id == sa.bindparam("changeset")))


_HERE_OR_WITHIN = sa.and_(_LOCATED, tables.ChangeRow.c.id.in_(sa.union_all(_HERE, _WITHIN)))
_LOCATED_HERE = sa.and_(_LOCATED, tables.ChangeRow.c.id.in_(_HERE))
_LATEST = changes.select_changes().where(_PUBLISHED).order_by(*_NEWEST).limit(_LIMIT)
_LATEST_HERE = _newest_first(_LOCATED_HERE)
_LATEST_HERE_OR_WITHIN = _newest_first(_HERE_OR_WITHIN)
_LATEST_OF_STATE = _newest_first(tables.ChangeRow.c.id.in_(_NEWEST_OF_STATE))
# The same without what came with an import, for feeds: their entries are news.
_OWN = tables.ChangeRow.c.origin.is_(None)
_OWN_LATEST = _LATEST.where(_OWN)
_OWN_HERE = _newest_first(sa.and_(_OWN, _LOCATED_HERE))
_OWN_HERE_OR_WITHIN = _newest_first(sa.and_(_OWN, _HERE_OR_WITHIN))
_OWN_OF_STATE = _newest_first(
    tables.ChangeRow.c.id.in_(
        _NEWEST_OF_STATE.join(tables.ChangeRow, tables.ChangeRow.c.id == ChangePlaceRow.c.change_id).where(
            _OWN
        )
    )
)
_OF_CHANGESET = _in_changeset(_LOCATED)
_OF_CHANGESET_HERE = _in_changeset(_LOCATED_HERE)
_OF_CHANGESET_HERE_OR_WITHIN = _in_changeset(_HERE_OR_WITHIN)


def load_latest(
    conn: Connection,
    *,
    places: Collection[str] = (),
    within: Collection[str] = (),
    changeset: int | None = None,
    limit: int = 20,
    imported: bool = True,
) -> tuple[StoredChange, ...]:
    """The newest published changes, newest first; for places only those that concern one of them, and only
    those of a changeset.

    ``within`` are the states of ZIPs: what concerns every ZIP there concerns them too. A change has no place
    before it is fanned out. ``imported`` False leaves out what came with an import (a changeset is whole).
    """
    values: dict[str, Any] = {"limit": limit}
    named = tuple(places)
    if changeset is not None:
        query = _OF_CHANGESET_HERE_OR_WITHIN if within else _OF_CHANGESET_HERE if named else _OF_CHANGESET
        values["changeset"] = changeset
    elif len(named) == 1 and len(named[0]) == _STATE:
        query = _LATEST_OF_STATE if imported else _OWN_OF_STATE
        values["state"], named = named[0], ()
    elif imported:
        query = _LATEST_HERE_OR_WITHIN if within else _LATEST_HERE if named else _LATEST
    else:
        query = _OWN_HERE_OR_WITHIN if within else _OWN_HERE if named else _OWN_LATEST
    values |= {"places": named} if named else {}
    values |= {"within": tuple(within)} if within else {}
    return tuple(map(changes.to_change, conn.execute(query, values)))


_LOOKED_AT = 200  # retractions are rare: those of a place are looked for among so many
_RETRACTED_IDS = (
    sa.select(tables.ChangeRow.c.id)
    .where(tables.ChangeRow.c.retracted_at.is_not(None))
    .order_by(tables.ChangeRow.c.retracted_at.desc(), tables.ChangeRow.c.id.desc())
    .limit(_LOOKED_AT)
)
_PLACES_OF_RETRACTED = sa.select(
    ChangePlaceRow.c.change_id, ChangePlaceRow.c.place, ChangePlaceRow.c.everyone
).where(ChangePlaceRow.c.change_id.in_(sa.bindparam("ids", expanding=True)))


def load_newest_retracted(
    conn: Connection, *, places: Collection[str] = (), within: Collection[str] = (), limit: int
) -> tuple[StoredChange, ...]:
    """The changes that were retracted last, the newest first; for places as `load_latest`."""
    ids = conn.scalars(_RETRACTED_IDS).all()
    if ids and places:
        here = {
            row.change_id
            for row in conn.execute(_PLACES_OF_RETRACTED, {"ids": list(ids)})
            if row.place in places or (row.everyone and row.place in within)
        }
        ids = [id for id in ids if id in here]
    return load_in_order(conn, ids[:limit]) if ids else ()


def load_places(conn: Connection, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The places of changes by change, ZIPs and states, sorted; without "US", which every change has."""
    found: dict[int, list[str]] = {}
    rows = conn.execute(
        sa.select(ChangePlaceRow.c.change_id, ChangePlaceRow.c.place)
        .where(ChangePlaceRow.c.change_id.in_(ids), ChangePlaceRow.c.place != "US")
        .order_by(ChangePlaceRow.c.place)
    )
    for change, place in rows:
        found.setdefault(change, []).append(place)
    return {change: tuple(named) for change, named in found.items()}


def load_agencies(conn: Connection, source: str) -> tuple[str, ...]:
    """The keys of all agencies that were ever accepted in a source."""
    return tuple(
        conn.scalars(
            sa.select(ListingVersionRow.c.agency).where(ListingVersionRow.c.source == source).distinct()
        )
    )


def load_agency_names(conn: Connection, source: str) -> dict[str, str]:
    """The last name of every agency that was ever accepted in a source, by key."""
    rows = conn.execute(
        sa.select(ListingVersionRow.c.agency, ListingVersionRow.c.name)
        .where(ListingVersionRow.c.source == source)
        .order_by(ListingVersionRow.c.from_number, ListingVersionRow.c.id)
    )
    return {row.agency: row.name for row in rows}


def load_versions(conn: Connection, source: str, agency: str) -> tuple[ListingLife, ...]:
    """How an agency's listing read over time, oldest first."""
    rows = conn.execute(
        sa.select(
            ListingVersionRow.c.key,
            ListingVersionRow.c.name,
            ListingVersionRow.c.state,
            ListingVersionRow.c.content,
            SEEN_FROM.label("from_at"),
            SEEN_TO.label("to_at"),
            CAPTURED_BY,
        )
        .where(ListingVersionRow.c.source == source, ListingVersionRow.c.agency == agency)
        .order_by(ListingVersionRow.c.from_number, ListingVersionRow.c.id)
    )
    return tuple(ListingLife(_listing(row), row.from_at, row.to_at, row.captured_by or "") for row in rows)


def load_history(conn: Connection, source: str, agency: str) -> tuple[StoredChange, ...]:
    """What happened to an agency, newest first: published, held now, or held and withdrawn.

    Changes that were only pending are left out.
    """
    change = tables.ChangeRow.c
    shown = sa.or_(
        change.state.in_([State.PUBLISHED.value, State.HELD.value]),
        sa.and_(change.state == State.WITHDRAWN.value, change.was_held.is_(sa.true())),
    )
    ids = conn.scalars(
        sa.select(change.id)
        .where(change.source == source, change.agency == agency, shown)
        .order_by(change.first_seen_at.desc(), change.id.desc())
        .limit(200)
    ).all()
    return load_in_order(conn, ids)


def load_listed_at(conn: Connection, source: str, at: datetime) -> tuple[tuple[str, Listing], ...]:
    """The agencies that polls saw on a list at a moment, as far as that is believed now, each with its
    listing; sorted by name.
    """
    moment = find_moment(conn, source, at)
    if moment is None:
        return ()
    rows = conn.execute(
        sa.select(
            ListingVersionRow.c.agency,
            ListingVersionRow.c.key,
            ListingVersionRow.c.name,
            ListingVersionRow.c.state,
            ListingVersionRow.c.content,
        )
        .where(was_published(source, moment))
        .order_by(ListingVersionRow.c.name, ListingVersionRow.c.key)
    )
    return tuple((row.agency, _listing(row)) for row in rows)


def load_changeset_numbers(conn: Connection, rows: Collection[StoredChange]) -> dict[int | None, int]:
    """The baseline numbers of the changesets of these changes, by changeset."""
    changeset = tables.ChangesetRow.c
    ids = {row.changeset for row in rows if row.changeset is not None}
    found = conn.execute(sa.select(changeset.id, changeset.number).where(changeset.id.in_(ids)))
    return {row.id: row.number for row in found}


def load_first_read(conn: Connection, source: str) -> datetime | None:
    """When a source was first read: what was on it then may have been there for long."""
    earliest: datetime | None = conn.scalar(
        sa.select(sa.func.min(ListingVersionRow.c.from_at)).where(ListingVersionRow.c.source == source)
    )
    return earliest


_FIRST_READ = (
    sa.select(sa.func.min(ListingVersionRow.c.from_at))
    .where(ListingVersionRow.c.source == tables.SourceRow.c.name)
    .correlate(tables.SourceRow)
    .scalar_subquery()
)
_FIRST_READ_OF_ANY = sa.select(sa.func.min(_FIRST_READ)).where(
    tables.SourceRow.c.name.in_(sa.bindparam("names", expanding=True))
)
_FIRST_READS = sa.select(tables.SourceRow.c.name, sa.type_coerce(_FIRST_READ, UtcDateTime()))


def load_first_reads(conn: Connection) -> dict[str, datetime]:
    """Read when every source was first read, by name, with one statement."""
    return {name: at for name, at in conn.execute(_FIRST_READS) if at is not None}


def load_first_read_of_any(conn: Connection, sources: Collection[str]) -> datetime | None:
    """When the first of several sources was first read."""
    earliest: datetime | None = conn.scalar(_FIRST_READ_OF_ANY, {"names": tuple(sources)})
    return earliest


def load_counts(conn: Connection, source: str) -> tuple[tuple[datetime, int], ...]:
    """How many listings polls saw from each moment on at which that changed, oldest first."""
    began: Any = sa.select(SEEN_FROM.label("at"), sa.func.count().label("step")).where(
        ListingVersionRow.c.source == source
    )
    ended: Any = sa.select(SEEN_TO.label("at"), (-sa.func.count()).label("step")).where(
        ListingVersionRow.c.source == source, ListingVersionRow.c.to_at.is_not(None)
    )
    steps = sa.union_all(began.group_by(SEEN_FROM), ended.group_by(SEEN_TO)).subquery()
    rows = conn.execute(
        sa.select(steps.c.at, sa.func.sum(steps.c.step)).group_by(steps.c.at).order_by(steps.c.at)
    )
    total, found = 0, []
    for at, step in rows:
        if step:
            total += int(step)
            found.append((at, total))
    return tuple(found)


def _listing(row: Any) -> Listing:
    beside = {"key": row.key, "name": row.name}
    return listing_from_json({**row.content, **beside, **({"state": row.state} if row.state else {})})


_LOG_SIZE = sa.select(sa.func.coalesce(sa.func.max(LogHeadRow.c.size), 0)).scalar_subquery()
_NOT_PLACED = (
    sa.select(sa.func.count())
    .select_from(tables.ChangesetRow)
    .where(tables.ChangesetRow.c.fanned_out_at.is_(None))
    .scalar_subquery()
)
_BOT_NAME = sa.select(MetaRow.c.value).where(MetaRow.c.name == database_facts.BOT_USERNAME).scalar_subquery()
_DOCUMENTS = (
    sa.select(MetaRow.c.value).where(MetaRow.c.name == database_facts.DOCUMENTS_HASH).scalar_subquery()
)
_RECORD_STATE = sa.select(_LOG_SIZE, _NOT_PLACED, _BOT_NAME, _DOCUMENTS)


def load_record_state(conn: Connection) -> tuple[int, int, str | None, str | None]:
    """Read the size of the record's log, how many changesets are not placed yet, the bot's name and the hash
    of the documents: while all stand, public pages stay as they are.
    """
    size, unplaced, bot, documents = conn.execute(_RECORD_STATE).one()
    return size, unplaced, bot, documents
