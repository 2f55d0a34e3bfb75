"""Where accepted listings are: the placement of each version, and the gazetteer that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.storage.engine import insert_for
from monitor.storage.lists.baseline import VERSION, read_listing
from monitor.storage.lists.codec import reason_from_text, reason_to_text
from monitor.storage.lists.tables import ChangeRow, ChangesetRow, ListingVersionRow, PlacementRow

_PLACEMENT = (
    PlacementRow.c.places,
    PlacementRow.c.how,
    PlacementRow.c.confidence,
    PlacementRow.c.statewide,
    PlacementRow.c.reason,
)


@dataclass(frozen=True, slots=True)
class StalePlacement:
    """An accepted listing whose placement is that of another gazetteer, or None where it has none."""

    listing_id: int
    agency: str
    listing: Listing
    placement: Placement | None


@dataclass(frozen=True, slots=True)
class UnplacedListing:
    """An accepted listing of which no more than the state is known, or not even that (state "")."""

    key: str
    name: str
    state: str


def load_unplaced(conn: Connection, source: str) -> tuple[UnplacedListing, ...]:
    """Read the accepted listings that could not be placed within their state, by state and name."""
    version = ListingVersionRow.c
    rows = conn.execute(
        sa.select(version.key, version.name, version.state)
        .join(PlacementRow, PlacementRow.c.listing_id == version.id)
        .where(
            version.source == source,
            version.to_number.is_(None),
            PlacementRow.c.confidence == Confidence.STATE_ONLY.value,
            PlacementRow.c.statewide.is_(False),
        )
        .order_by(version.state, version.name, version.key)
    )
    return tuple(UnplacedListing(row.key, row.name, row.state or "") for row in rows)


def put_placements(conn: Connection, gazetteer: str, placements: Mapping[int, Placement]) -> None:
    """Write the placements of listings, by the id of the version, replacing earlier ones."""
    if not placements:
        return
    rows = [
        {
            "listing_id": id,
            "gazetteer": gazetteer,
            "places": " ".join(placement.places),
            "how": placement.how,
            "confidence": placement.confidence.value,
            "statewide": placement.statewide,
            "reason": reason_to_text(placement.reason),
        }
        for id, placement in placements.items()
    ]
    insert = insert_for(conn, PlacementRow)
    given = {name: insert.excluded[name] for name in rows[0] if name != "listing_id"}
    conn.execute(insert.on_conflict_do_update(index_elements=["listing_id"], set_=given), rows)


def load_current(conn: Connection, source: str) -> dict[str, Placement]:
    """Read the placements of the listings that are accepted now, by key."""
    rows = conn.execute(
        sa.select(ListingVersionRow.c.key, *_PLACEMENT)
        .join(PlacementRow, PlacementRow.c.listing_id == ListingVersionRow.c.id)
        .where(ListingVersionRow.c.source == source, ListingVersionRow.c.to_number.is_(None))
    )
    return {row.key: _read(row) for row in rows}


def load_stale(conn: Connection, source: str, gazetteer: str) -> tuple[StalePlacement, ...]:
    """Read the accepted listings whose placement is missing or is not this gazetteer's, by key."""
    rows = conn.execute(
        sa.select(ListingVersionRow.c.id, ListingVersionRow.c.agency, *VERSION, *_PLACEMENT)
        .join(PlacementRow, PlacementRow.c.listing_id == ListingVersionRow.c.id, isouter=True)
        .where(
            ListingVersionRow.c.source == source,
            ListingVersionRow.c.to_number.is_(None),
            sa.func.coalesce(PlacementRow.c.gazetteer, "") != gazetteer,
        )
        .order_by(ListingVersionRow.c.key)
    )
    return tuple(
        StalePlacement(row.id, row.agency, read_listing(row), None if row.places is None else _read(row))
        for row in rows
    )


def load_of_changes(conn: Connection, changeset: int) -> dict[tuple[int, bool], Placement]:
    """Read where the listings of a changeset are, by the change's id and whether it is the listing after
    it.
    """
    version, number = ListingVersionRow.c, ChangesetRow.c.number
    rows = conn.execute(
        sa.select(ChangeRow.c.id, (version.from_number == number).label("after"), *_PLACEMENT)
        .join(ChangesetRow, ChangesetRow.c.id == ChangeRow.c.changeset_id)
        .join(
            ListingVersionRow,
            sa.and_(
                version.source == ChangeRow.c.source,
                version.agency == ChangeRow.c.agency,
                sa.or_(version.from_number == number, version.to_number == number),
            ),
        )
        .join(PlacementRow, PlacementRow.c.listing_id == version.id)
        .where(ChangeRow.c.changeset_id == changeset)
    )
    return {(row.id, bool(row.after)): _read(row) for row in rows}


def _read(row: Any) -> Placement:
    return Placement(
        # the same ZIP of many agencies is one string
        places=tuple(map(intern, row.places.split())),
        how=row.how,
        confidence=Confidence(row.confidence),
        reason=reason_from_text(row.reason) or PlacementReason("failed"),
        statewide=bool(row.statewide),
    )
