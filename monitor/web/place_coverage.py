"""What the page of a place shows of each list: the agencies that cover the place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from monitor.pictures.map_data import StateValues
from monitor.places.followed_areas import FollowedArea
from monitor.storage.lists.coverage import Cover
from monitor.web.context import Site
from monitor.web.list_status import ListStatus
from monitor.web.presenters import agency_path

_NAMED_ZIPS = 6  # the most ZIPs of an area that are listed beside an agency


@dataclass(frozen=True, slots=True)
class PlaceEntry:
    """An agency on a place's page; ``zips`` are the page's ZIPs that it serves, empty for all of them."""

    cover: Cover
    path: str
    zips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaceCoverage:
    """What a place's page shows of one list.

    ``local`` agencies serve the place itself, ``statewide`` ones its whole state, ``unplaced`` ones an
    unknown part of the state.
    """

    list: ListStatus
    local: tuple[PlaceEntry, ...]
    statewide: tuple[PlaceEntry, ...]
    unplaced: tuple[PlaceEntry, ...]

    @property
    def count(self) -> int:
        """How many listed agencies cover the place."""
        return len(self.local) + len(self.statewide)


@dataclass(frozen=True, slots=True)
class StateCoverage:
    """What a state's page shows of one list: ``count`` agencies; ``load`` loads them.

    ``values`` are the state's map values, if the list is so long that it is folded by county.
    """

    list: ListStatus
    count: int
    load: Callable[[], PlaceCoverage]
    values: StateValues | None


def compute_zip_coverage(
    site: Site, listed: ListStatus, codes: tuple[str, ...], states: tuple[str, ...]
) -> PlaceCoverage:
    """Compute which agencies of a list cover ZIPs or all of their states; local ones by name."""
    covered = site.coverage.of(listed.name, listed.number)
    serving: dict[str, tuple[Cover, list[str]]] = {}
    for code in codes:
        for cover in covered.by_zip.get(code, ()):
            serving.setdefault(cover.agency, (cover, []))[1].append(code)
    local = sorted(serving.values(), key=lambda pair: pair[0].listing.name.casefold())
    return PlaceCoverage(
        listed,
        tuple(_entry(cover, () if len(found) == len(codes) else tuple(found)) for cover, found in local),
        tuple(_entry(cover) for cover in covered.statewide(states)),
        tuple(_entry(cover) for cover in covered.unplaced(states)),
    )


def compute_area_coverage(site: Site, listed: ListStatus, area: FollowedArea) -> PlaceCoverage:
    """Compute which agencies of a list cover an area; those that serve most of it are first."""
    return put_widest_first(compute_zip_coverage(site, listed, area.zips, area.states), area.zips)


def put_widest_first(coverage: PlaceCoverage, codes: tuple[str, ...]) -> PlaceCoverage:
    """Sort the local agencies by how many of an area's ZIPs they serve, because some serve only its edge.

    The ZIPs of an agency that serves many of them are left out.
    """
    local = tuple(
        replace(each, zips=each.zips if len(each.zips) <= _NAMED_ZIPS else ())
        for each in sorted(coverage.local, key=lambda each: -len(each.zips or codes))
    )
    return replace(coverage, local=local)


def compute_state_coverage(site: Site, listed: ListStatus, code: str) -> PlaceCoverage:
    """Compute which agencies of a list are in a state, or serve all of it."""
    covered = site.coverage.of(listed.name, listed.number)
    statewide, unplaced = covered.statewide((code,)), covered.unplaced((code,))
    apart = {cover.agency for cover in (*statewide, *unplaced)}
    local = (cover for cover in covered.by_state.get(code, ()) if cover.agency not in apart)
    return PlaceCoverage(
        listed, tuple(map(_entry, local)), tuple(map(_entry, statewide)), tuple(map(_entry, unplaced))
    )


def _entry(cover: Cover, zips: tuple[str, ...] = ()) -> PlaceEntry:
    return PlaceEntry(cover, agency_path(cover.source, cover.agency), zips)
