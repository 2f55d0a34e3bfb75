"""Places accepted listings again after a change of the gazetteer or the overrides, without alerts. Nothing is
published as a change and nobody is alerted.

People whose places an agency newly serves read in their next message that it is listed, as part of the
current state.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection, Engine

from monitor.domain import Listing, Placement
from monitor.errors import BaselineMoved
from monitor.outbox.fanout import find_places
from monitor.places.packaged_table import compute_version
from monitor.record import log as record
from monitor.storage import database_facts, eligibility
from monitor.storage.deliveries import newly_covered
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, placement_rows
from monitor.storage.lists.baseline import BaselineInfo
from monitor.storage.lists.placement_rows import StalePlacement
from monitor.storage.people import area_places

if TYPE_CHECKING:
    from monitor.places import Gazetteer

log = logging.getLogger(__name__)

_TRIES = 6


@dataclass(frozen=True, slots=True)
class PlacingReport:
    """The result of a change of the gazetteer: agencies whose places were stored before, those of them with
    other places now, followed areas with other ZIP codes, and people who will read that an agency is listed.
    """

    listings: int = 0
    moved: int = 0
    areas: int = 0
    people: int = 0


@dataclass(frozen=True, slots=True)
class _Affected:
    """An agency before and after the change; ``before`` None: it was not placed yet."""

    listing: Listing
    before: Placement | None
    after: Placement


def renew_placements(engine: Engine, gazetteer: Gazetteer, now: datetime) -> PlacingReport:
    """Place every accepted listing again whose placement is missing or from another gazetteer, and read the
    ZIP codes of followed areas again.

    A listing without a placement, as after an upgrade, gets one without further effects. It is idempotent,
    also in two processes at once. Raises BaselineMoved if a poll interfered at every attempt.
    """
    for _ in range(_TRIES):
        try:
            return _renew(engine, gazetteer, now)
        except BaselineMoved:
            log.info("a list has moved while its agencies were placed; placing them again")
    raise BaselineMoved


def _renew(engine: Engine, gazetteer: Gazetteer, now: datetime) -> PlacingReport:
    version, areas_version = gazetteer.version, compute_version()
    with reading(engine) as conn:
        areas_known = database_facts.get(conn, database_facts.AREAS_VERSION) == areas_version
        stands = baseline.load_all_infos(conn)
        stale = {source: placement_rows.load_stale(conn, source, version) for source in stands}
    stale = {source: found for source, found in stale.items() if found}
    if areas_known and not stale:
        return PlacingReport()
    placed = {source: _place(gazetteer, source, found) for source, found in stale.items()}
    with transaction(engine) as conn:
        # lock the log first, as everywhere
        for source in sorted(placed):
            _advance(conn, stands[source], stale[source], placed[source], version, now)
        moment = eligibility.next_moment(conn, now)
        renewed = () if areas_known else area_places.find_renewed(conn)
        found = _find_affected(conn, stale, placed, renewed)
        was_told = _find_followers(conn, {key: (each.listing, each.before) for key, each in found.items()})
        for placements in placed.values():
            placement_rows.put_placements(conn, version, placements)
        area_places.write_renewed(conn, renewed)
        database_facts.put(conn, database_facts.AREAS_VERSION, areas_version)
        people: set[int] = set()
        is_told = _find_followers(conn, {key: (each.listing, each.after) for key, each in found.items()})
        for (source, agency), each in found.items():
            if each.before is not None:
                new = is_told[source, agency] - was_told[source, agency]
                newly_covered.insert(conn, source, agency, new, moment)
                people |= new
        report = PlacingReport(
            listings=sum(each.placement is not None for rows in stale.values() for each in rows),
            moved=sum(_has_moved(each, placed[source]) for source in stale for each in stale[source]),
            areas=len(renewed),
            people=len(people),
        )
        if report != PlacingReport():
            database_facts.put(conn, database_facts.PLACING, _dump(report, version, now))
    _log(report, stale)
    return report


def _place(gazetteer: Gazetteer, source: str, stale: Iterable[StalePlacement]) -> dict[int, Placement]:
    """Place listings, by the id of the version. A listing on which the gazetteer fails stays as it is."""
    placed = {}
    for each in stale:
        try:
            placed[each.listing_id] = gazetteer.locate(each.listing, source)
        except Exception:
            log.exception("%s: a listing could not be placed", source)
    return placed


def _has_moved(each: StalePlacement, placed: Mapping[int, Placement]) -> bool:
    after = placed.get(each.listing_id)
    return each.placement is not None and after is not None and after != each.placement


def _advance(
    conn: Connection,
    stands: BaselineInfo,
    stale: tuple[StalePlacement, ...],
    placed: Mapping[int, Placement],
    version: str,
    now: datetime,
) -> None:
    """Append the effect on a list to the record, and increment the list's number if an agency has other
    places, so that everything cached for the list is made again. Raises BaselineMoved.
    """
    moved = sum(_has_moved(each, placed) for each in stale)
    known = sum(each.placement is not None for each in stale)
    number = stands.number + bool(moved)
    if known:
        record.append_placing(conn, stands.name, number, version, known, moved, now)
    baseline.advance(conn, stands, number=number)


def _find_affected(
    conn: Connection,
    stale: Mapping[str, tuple[StalePlacement, ...]],
    placed: Mapping[str, Mapping[int, Placement]],
    renewed: tuple[area_places.RenewedArea, ...],
) -> dict[tuple[str, str], _Affected]:
    """Find the agencies that may reach other people than before: those with other places, and those at places
    that followed areas have gained. By source and key.
    """
    found = {
        (source, each.agency): _Affected(each.listing, each.placement, placed[source][each.listing_id])
        for source, rows in stale.items()
        for each in rows
        if _has_moved(each, placed[source])
    }
    gained = {place for area in renewed for place, _ in area.after - area.before}
    if not gained:
        return found
    for source in baseline.load_all_infos(conn):
        accepted, placements = baseline.load_accepted(conn, source), placement_rows.load_current(conn, source)
        for listing in accepted.listings:
            before = placements.get(listing.key)
            if before is not None and not gained.isdisjoint(find_places(listing, before)[0]):
                # an agency with other places is included already
                found.setdefault((source, accepted.agencies[listing.key]), _Affected(listing, before, before))
    return found


def _find_followers(
    conn: Connection, agencies: Mapping[tuple[str, str], tuple[Listing, Placement | None]]
) -> dict[tuple[str, str], frozenset[int]]:
    """Read whom each agency reaches, by the places and areas that are now in the database."""
    reached: dict[tuple[str, str], frozenset[int]] = defaultdict(frozenset)
    for (source, agency), (listing, placement) in agencies.items():
        if placement is not None:
            reached[source, agency] = newly_covered.load_followers(
                conn, source, *find_places(listing, placement)
            )
    return reached


def _dump(report: PlacingReport, version: str, now: datetime) -> str:
    return json.dumps(
        {
            "at": now.isoformat(timespec="seconds"),
            "gazetteer": version,
            "listings": report.listings,
            "moved": report.moved,
            "areas": report.areas,
            "people": report.people,
        }
    )


def _log(report: PlacingReport, stale: Mapping[str, tuple[StalePlacement, ...]]) -> None:
    new = sum(each.placement is None for rows in stale.values() for each in rows)
    if new:
        log.info("%d listings were placed for the first time", new)
    if report != PlacingReport():
        log.info(
            "another gazetteer or other overrides: %d of %d agencies have other places, %d followed areas "
            "have other ZIP codes; %d people read in their next message what is listed for their places",
            report.moved,
            report.listings,
            report.areas,
            report.people,
        )
