"""The boards of a place's page: for each list, the agencies that cover the place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitor.pictures.placed import StateValues
from monitor.storage.lists.coverage import Cover
from monitor.web.context import Site
from monitor.web.lists import ListStatus
from monitor.web.presenters import agency_path


@dataclass(frozen=True, slots=True)
class PlaceEntry:
    """An agency on a place's page; ``zips`` are the page's ZIPs that it serves, empty for all of them."""

    cover: Cover
    path: str
    zips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Board:
    """One list on a place's page.

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
class StateBoard:
    """One list on a state's page: how many agencies it has there, and the data for its `Board`.

    ``values`` are the state's map values, if the list is so long that it is folded by county.
    """

    list: ListStatus
    count: int
    load: Callable[[], Board]
    values: StateValues | None


def zip_board(site: Site, listed: ListStatus, codes: tuple[str, ...], states: tuple[str, ...]) -> Board:
    covered = site.coverage.of(listed.name, listed.number)
    serving: dict[str, tuple[Cover, list[str]]] = {}
    for code in codes:
        for cover in covered.by_zip.get(code, ()):
            serving.setdefault(cover.agency, (cover, []))[1].append(code)
    local = sorted(serving.values(), key=lambda pair: pair[0].listing.name.casefold())
    return Board(
        listed,
        tuple(_entry(cover, () if len(found) == len(codes) else tuple(found)) for cover, found in local),
        tuple(_entry(cover) for cover in covered.statewide(states)),
        tuple(_entry(cover) for cover in covered.unplaced(states)),
    )


def state_board(site: Site, listed: ListStatus, code: str) -> Board:
    covered = site.coverage.of(listed.name, listed.number)
    statewide, unplaced = covered.statewide((code,)), covered.unplaced((code,))
    apart = {cover.agency for cover in (*statewide, *unplaced)}
    local = (cover for cover in covered.by_state.get(code, ()) if cover.agency not in apart)
    return Board(
        listed, tuple(map(_entry, local)), tuple(map(_entry, statewide)), tuple(map(_entry, unplaced))
    )


def _entry(cover: Cover, zips: tuple[str, ...] = ()) -> PlaceEntry:
    return PlaceEntry(cover, agency_path(cover.source, cover.agency), zips)
