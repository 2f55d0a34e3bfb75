"""Which agencies cover a place today: the placements of all accepted listings, cached until the list
changes.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from sqlalchemy.engine import Engine

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.errors import StoreError
from monitor.places.listed_agencies import AgencyOnList, FoldedName, fold_agency_name
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, placement_rows

log = logging.getLogger(__name__)

Locate = Callable[[str, Listing], Placement]
"""Where a listing of a source is: (source's name, listing) to placement."""


@dataclass(frozen=True, slots=True)
class Cover:
    """An agency that is listed now, and the places that it serves."""

    source: str
    agency: str
    listing: Listing
    placement: Placement


@dataclass(frozen=True, slots=True)
class Covered:
    """One list as it is believed under ``number``. Sorted by name.

    ``by_state`` holds every agency of a state: those that serve all of it, those with ZIPs in it, and those
    that could not be placed within it.
    """

    number: int
    covers: tuple[Cover, ...] = ()
    by_zip: dict[str, tuple[Cover, ...]] = field(default_factory=dict)
    by_state: dict[str, tuple[Cover, ...]] = field(default_factory=dict)
    by_agency: dict[str, Cover] = field(default_factory=dict)
    _known_apart: dict[str, tuple[tuple[Cover, ...], tuple[Cover, ...]]] = field(
        default_factory=dict, repr=False, compare=False
    )
    _by_name: dict[FoldedName, tuple[Cover, ...]] = field(default_factory=dict, repr=False, compare=False)

    def at(self, zip_code: str, state: str | None) -> tuple[Cover, ...]:
        """The agencies that serve a ZIP: its own, then those of its whole state.

        What a resident there is told about.
        """
        return self.by_zip.get(zip_code, ()) + self.statewide((state,) if state else ())

    def among(self, zips: Iterable[str]) -> tuple[Cover, ...]:
        """The agencies that serve at least one of these ZIPs, each once, by name."""
        found = {cover.agency: cover for code in zips for cover in self.by_zip.get(code, ())}
        return tuple(sorted(found.values(), key=lambda cover: (cover.listing.name.casefold(), cover.agency)))

    def statewide(self, states: Iterable[str]) -> tuple[Cover, ...]:
        """Agencies that serve the whole of a state."""
        return tuple(cover for state in states for cover in self._apart(state)[0])

    def unplaced(self, states: Iterable[str]) -> tuple[Cover, ...]:
        """Agencies of which only the state is known."""
        return tuple(cover for state in states for cover in self._apart(state)[1])

    def named(self, names: Iterable[FoldedName]) -> tuple[Cover, ...]:
        """The agencies of these folded names."""
        if not self._by_name:
            by_name: dict[FoldedName, list[Cover]] = defaultdict(list)
            for cover in self.covers:
                by_name[fold_agency_name(cover.listing.name)].append(cover)
            self._by_name.update({name: tuple(covers) for name, covers in by_name.items()})
        return tuple(cover for name in names for cover in self._by_name.get(name, ()))

    def _apart(self, state: str) -> tuple[tuple[Cover, ...], tuple[Cover, ...]]:
        """The agencies of a whole state, and those of which no more is known; found once for each state."""
        known = self._known_apart.get(state)
        if known is None:
            covers = self.by_state.get(state, ())
            whole = tuple(cover for cover in covers if cover.placement.statewide)
            unknown = tuple(
                cover
                for cover in covers
                if cover.placement.confidence is Confidence.STATE_ONLY and not cover.placement.statewide
            )
            known = self._known_apart[state] = (whole, unknown)
        return known


class Coverage:
    """The covered places of each source, as they are stored with the listings. Thread-safe: after a move the
    first caller reads them, the others wait.

    A listing that has no placement yet, as in a database of an older version before its worker was started,
    is placed here, which takes about 0.3 ms.
    """

    def __init__(self, engine: Engine, sources: Iterable[str], locate: Locate) -> None:
        self._engine = engine
        self._locate = locate
        self._locks = {name: threading.Lock() for name in sources}
        self._covered: dict[str, Covered] = {}
        self._placements = lru_cache(maxsize=4096)(self._place)

    def of(self, source: str, number: int | None = None) -> Covered:
        """One list, as it is believed now; ``number`` when the caller knows what that is.

        Raises StoreError.
        """
        if number is None:
            with reading(self._engine) as conn:
                number = baseline.load_info(conn, source).number
        known = self._covered.get(source)
        if known is not None and known.number == number:
            return known
        with self._locks[source]:
            known = self._covered.get(source)
            if known is None or known.number < number:
                known = self._covered[source] = self._load(source)
            return known

    def find_named(self, names: Collection[FoldedName]) -> tuple[AgencyOnList, ...]:
        """The agencies that are listed now under one of these names, folded as the finder folds them, by
        state and name. Raises StoreError.
        """
        with reading(self._engine) as conn:
            infos = baseline.load_all_infos(conn)
        found = [
            cover
            for source in self._locks
            if source in infos
            for cover in self.of(source, infos[source].number).named(names)
        ]
        found.sort(key=lambda cover: (cover.listing.state or "", cover.listing.name, cover.source))
        return tuple(
            AgencyOnList(
                cover.source,
                cover.agency,
                cover.listing.name,
                cover.listing.state or "",
                cover.placement.places,
            )
            for cover in found
        )

    def placement(self, source: str, listing: Listing) -> Placement:
        """The placement of a listing, including one that is not accepted yet or no longer; cached for a
        while.
        """
        covered = self._covered.get(source)
        cover = None if covered is None else covered.by_agency.get(listing.key)
        if cover is not None and cover.listing == listing:
            return cover.placement
        return self._placements(source, listing)

    def prime(self) -> None:
        """Place every list now, so that the first visitor does not wait. Runs in a thread of its own."""
        for source in self._locks:
            self.of(source)

    def _load(self, source: str) -> Covered:
        with reading(self._engine) as conn:
            number = baseline.load_info(conn, source).number
            accepted = baseline.load_accepted(conn, source)
            stored = placement_rows.load_current(conn, source)
        covers = tuple(
            Cover(
                source,
                accepted.agencies[listing.key],
                listing,
                stored.get(listing.key) or self._placements(source, listing),
            )
            for listing in sorted(accepted.listings, key=lambda each: (each.name.casefold(), each.key))
        )
        by_zip: dict[str, list[Cover]] = defaultdict(list)
        by_state: dict[str, list[Cover]] = defaultdict(list)
        for cover in covers:
            states = {cover.listing.state} if cover.listing.state else set()
            for place in cover.placement.places:
                if place.isdigit():
                    by_zip[place].append(cover)
                else:
                    states.add(place)
            for state in states:
                by_state[state].append(cover)
        return Covered(
            number,
            covers,
            {place: tuple(found) for place, found in by_zip.items()},
            {place: tuple(found) for place, found in by_state.items()},
            {cover.agency: cover for cover in covers},
        )

    def _place(self, source: str, listing: Listing) -> Placement:
        """Place one listing; an error of the gazetteer does not hide other listings."""
        try:
            return self._locate(source, listing)
        except StoreError:
            raise  # overrides cannot be read: what is said now would be kept
        except Exception:
            log.exception("a listing of %s could not be placed", source)
            return Placement(
                (listing.state or "US",), "not located", Confidence.STATE_ONLY, PlacementReason("failed")
            )
