"""The ZIPs and states of followed areas, so that the fan-out can match them in one statement.

An area's rows are written with the first subscription to it, updated when the gazetteer changes, and deleted
when nobody follows the area any more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.places.codes import is_area
from monitor.places.followed_areas import FollowedArea, load_area
from monitor.storage.engine import insert_for
from monitor.storage.people.tables import AreaPlaceRow, PastSubscriptionRow, SubscriptionRow

log = logging.getLogger(__name__)

_ANY_AREA = SubscriptionRow.c.place.like("%-%")


def insert_areas(conn: Connection, places: Iterable[str]) -> None:
    """Write the rows of places that are areas, unless they exist. An area that is not in the gazetteer gets
    no rows and matches nothing.
    """
    for key in sorted(set(filter(is_area, places))):
        known = conn.scalar(sa.select(AreaPlaceRow.c.area).where(AreaPlaceRow.c.area == key).limit(1))
        area = load_area(key) if known is None else None
        if area is not None:
            conn.execute(
                insert_for(conn, AreaPlaceRow).values(_rows(key, _places(area))).on_conflict_do_nothing()
            )


def insert_missing(conn: Connection, source: str) -> None:
    """Write the missing rows of areas that are followed on a list: of subscriptions that were not inserted by
    `follow`, or whose rows were deleted concurrently.
    """
    missing = conn.scalars(
        sa.select(SubscriptionRow.c.place)
        .where(
            SubscriptionRow.c.source == source,
            _ANY_AREA,
            ~sa.exists().where(AreaPlaceRow.c.area == SubscriptionRow.c.place),
        )
        .distinct()
    ).all()
    insert_areas(conn, missing)


@dataclass(frozen=True, slots=True)
class RenewedArea:
    """A followed area to which the gazetteer gives other places: (place, statewide) as stored, and now."""

    key: str
    before: frozenset[tuple[str, bool]]
    after: frozenset[tuple[str, bool]]


def find_renewed(conn: Connection) -> tuple[RenewedArea, ...]:
    """Compare the rows of every area with the gazetteer; returns the areas that differ.

    An area that is no longer in the gazetteer keeps its rows, and is logged for the operator.
    """
    stored: dict[str, set[tuple[str, bool]]] = {}
    for key, place, statewide in conn.execute(
        sa.select(AreaPlaceRow.c.area, AreaPlaceRow.c.place, AreaPlaceRow.c.statewide)
    ):
        stored.setdefault(key, set()).add((place, bool(statewide)))
    renewed = []
    for key, before in sorted(stored.items()):
        area = load_area(key)
        if area is None:
            log.warning("%s is followed, and the gazetteer does not have it: its ZIP codes stay", key)
            continue
        after = _places(area)
        if after != before:
            renewed.append(RenewedArea(key, frozenset(before), after))
    return tuple(renewed)


def write_renewed(conn: Connection, renewed: Iterable[RenewedArea]) -> None:
    """Write the rows of these areas again."""
    for area in renewed:
        conn.execute(sa.delete(AreaPlaceRow).where(AreaPlaceRow.c.area == area.key))
        conn.execute(sa.insert(AreaPlaceRow), _rows(area.key, area.after))


def delete_unused(conn: Connection) -> int:
    """Delete the rows of areas that nobody follows or has followed lately; returns how many rows."""
    return conn.execute(
        sa.delete(AreaPlaceRow).where(
            ~sa.exists().where(SubscriptionRow.c.place == AreaPlaceRow.c.area),
            ~sa.exists().where(PastSubscriptionRow.c.place == AreaPlaceRow.c.area),
        )
    ).rowcount


def _places(area: FollowedArea) -> frozenset[tuple[str, bool]]:
    return frozenset({(code, False) for code in area.zips} | {(state, True) for state in area.states})


def _rows(key: str, places: Iterable[tuple[str, bool]]) -> list[dict[str, object]]:
    return [{"area": key, "place": place, "statewide": statewide} for place, statewide in sorted(places)]
