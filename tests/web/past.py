"""Lists with years behind them, written straight into a database: what pages cost must not grow with them.

Sheriffs of real counties join and leave; some changes were held and went away. The numbers are those of two
real lists over three years (2,616 agencies, 2,500 changes and 1,000 withdrawn holds each), in proportion.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.domain import Change, Kind, Listing, Placement, SourceInfo, State
from monitor.places import load
from monitor.places.fips import FIPS
from monitor.record.data.data_files import DataFiles, DataTerms
from monitor.storage.engine import transaction
from monitor.storage.lists.codec import change_to_columns, listing_to_json, reason_to_text
from monitor.storage.lists.coverage import Coverage
from monitor.storage.lists.log_tables import LogHeadRow
from monitor.storage.lists.tables import (
    ChangePlaceRow,
    ChangeRow,
    ChangesetRow,
    FetchRow,
    ListingVersionRow,
    SnapshotRow,
    SourceRow,
)
from monitor.web import Site
from tests.web.story import MEANINGS, Clock

END = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
THREE_YEARS = 1096
"""Days."""
LISTINGS = 2616
_PER_CHANGESET = 7
_BATCH = 20_000  # rows of one INSERT


def names(lists: int) -> list[str]:
    """The names of so many lists."""
    return [f"list{number}" for number in range(lists)]


def write_past(engine: Engine, *, lists: int, days: int, listings: int = LISTINGS) -> None:
    """Write lists with so many listings each, polled hourly for so many days until `END`, into a migrated
    database without any.
    """
    ids, changesets = count(1), count(1)
    for number, name in enumerate(names(lists)):
        _write_list(engine, name, number, days, listings, ids, changesets)
    with transaction(engine) as conn:
        conn.execute(sa.delete(LogHeadRow))
        conn.execute(sa.insert(LogHeadRow).values(id=1, size=lists * days * 24))


def make_site(engine: Engine, lists: int, folder: Path | None = None) -> Site:
    """The site of these lists, twenty minutes after the last poll; with data files if a folder is given."""
    sources = {
        name: SourceInfo(
            name=name,
            titles={"en": f"List {number + 1}"},
            publisher="Publisher",
            official_url="https://publisher.example/list",
            every=HOUR,
            meanings=MEANINGS,
        )
        for number, name in enumerate(names(lists))
    }
    coverage = Coverage(engine, sources, lambda _, listing: _locate(listing))
    return Site(
        engine=engine,
        sources=sources,
        gazetteer=load(),
        coverage=coverage,
        data_files=folder
        and DataFiles(
            engine=engine,
            sources=sources,
            locate=coverage.placement,
            gazetteer=load(),
            terms=DataTerms(name="Watch", url="https://watch.example", licence="CC-BY-4.0"),
            folder=folder,
        ),
        clock=Clock(END + timedelta(minutes=20)),
        public_url="https://watch.example",
    )


def _write_list(
    engine: Engine,
    name: str,
    number: int,
    days: int,
    listings: int,
    ids: Iterator[int],
    changesets: Iterator[int],
) -> None:
    dice = random.Random(number)
    began = END - timedelta(days=days)
    pool = _sheriffs()
    first = dice.randrange(len(pool))
    chosen = [pool[(first + step * 7) % len(pool)] for step in range(listings)]
    moved = max(6, round(2500 * listings / LISTINGS * days / THREE_YEARS))
    gone = max(3, round(1000 * listings / LISTINGS * days / THREE_YEARS))
    fetches = [
        {"source": name, "at": began + timedelta(hours=hour)}
        # a server sends the whole list now and then, also where nothing has changed
        | {"outcome": "unchanged" if hour % 24 else "good"}
        for hour in range(days * 24 + 1)
    ]
    sets: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    places: list[dict[str, Any]] = []
    joined: dict[str, datetime] = {}
    moments = sorted(
        began + timedelta(hours=dice.randrange(1, days * 24)) for _ in range(-(-moved // _PER_CHANGESET))
    )
    for order in range(moved):
        at = moments[order // _PER_CHANGESET]
        if order % _PER_CHANGESET == 0:
            sets.append(
                {"id": next(changesets), "source": name, "number": len(sets) + 2, "at": at}
                | {"fanned_out_at": at}
            )
        listing = dice.choice(chosen)
        kind = Kind.ADDED if listing.key not in joined else Kind.CHANGED
        joined.setdefault(listing.key, at)
        change = (
            Change(kind, after=listing)
            if kind is Kind.ADDED
            else Change(kind, before=listing, after=listing, fields=("attributes",))
        )
        changes.append(_change(next(ids), name, change, State.PUBLISHED, at, changeset=sets[-1]["id"]))
        placed = _locate(listing)
        changes[-1] |= {
            "how": "rule",
            "confidence": placed.confidence.value,
            "placement": reason_to_text(placed.reason),
        }
        concerned = {*placed.places, listing.state or "US", "US"}
        places += [
            {
                "change_id": changes[-1]["id"],
                "place": place,
                "everyone": placed.statewide and not place.isdigit(),
                "published_at": None if place.isdigit() else at,
            }
            for place in concerned
        ]
    for _ in range(gone):
        at = began + timedelta(hours=dice.randrange(1, days * 24))
        row = _change(next(ids), name, Change(Kind.REMOVED, before=dice.choice(chosen)), State.WITHDRAWN, at)
        changes.append(row | {"was_held": True})
    for listing in chosen[:2]:
        row = _change(next(ids), name, Change(Kind.REMOVED, before=listing), State.HELD, END - HOUR)
        changes.append(row | {"was_held": True, "ended_at": None, "release_at": END + timedelta(days=1)})
    versions = [
        {
            "source": name,
            "key": listing.key,
            "agency": listing.key,
            "name": listing.name,
            "state": listing.state,
            "content": _content(listing),
            "from_number": 1,
            "from_at": joined.get(listing.key, began),
        }
        for listing in chosen
    ]
    with transaction(engine) as conn:
        for table, rows in (
            (FetchRow, fetches),
            (ChangesetRow, sets),
            (ChangeRow, changes),
            (ChangePlaceRow, places),
            (ListingVersionRow, versions),
        ):
            for start in range(0, len(rows), _BATCH):
                conn.execute(sa.insert(table), rows[start : start + _BATCH])
        fetch = conn.scalar(sa.select(sa.func.min(FetchRow.c.id)).where(FetchRow.c.source == name))
        snapshot = {"at": began, "last_seen_at": END, "hash": "h", "digest": "d", "fingerprint": "f"}
        conn.execute(
            sa.insert(SnapshotRow),
            [
                {"source": name, "fetch_id": fetch, "listings": listings, "verdict": "accepted"} | snapshot
                for _ in range(len(sets) + 1)
            ],
        )
        conn.execute(
            sa.insert(SourceRow).values(
                name=name,
                number=len(sets) + 1,
                columns=[],
                folders=[],
                last_good_at=END,
                last_fetch_at=END,
                next_poll_at=END + HOUR,
            )
        )


def _change(
    number: int, source: str, change: Change, state: State, at: datetime, *, changeset: int | None = None
) -> dict[str, Any]:
    return change_to_columns(change, change.subject.key) | {
        "id": number,
        "source": source,
        "state": state.value,
        "reason": "",
        "not_before": at - 2 * HOUR,
        "first_seen_at": at - HOUR,
        "release_at": None,
        "was_held": False,
        "ended_at": at,
        "changeset_id": changeset,
        "how": None,
        "confidence": None,
        "placement": None,
    }


def _content(listing: Listing) -> dict[str, Any]:
    content = listing_to_json(listing)
    return {name: value for name, value in content.items() if name not in ("key", "name", "state")}


@cache
def _sheriffs() -> list[Listing]:
    """The sheriffs of all counties."""
    table, found = load().table, []
    for state, prefix in sorted(FIPS.items()):
        titles = sorted({each.title for each in table.state(state).counties if each.fips[:2] == prefix})
        found += [
            Listing(
                name=f"{title} Sheriff's Office",
                key=f"{title.lower()} sheriff, {state}",
                state=state,
                county=title,
                attributes=(("Type", "Jail Enforcement Model"),),
            )
            for title in titles
        ]
    return found


@cache
def _locate(listing: Listing) -> Placement:
    """The real gazetteer."""
    return load().locate(listing)
