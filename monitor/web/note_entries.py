"""The operator's notes as entries of feeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.domain import Listing, Placement
from monitor.messages.layout import clean
from monitor.storage.lists import baseline, page_queries
from monitor.storage.lists.agency_notes import AgencyNote, load_newest_notes
from monitor.web.context import Site
from monitor.web.presenters import agency_path

MOST_NOTES = 20
"""The newest notes of all lists; those of a feed's place among them are shown."""


@dataclass(frozen=True, slots=True)
class NoteEntry:
    """A note in a feed. ``path`` is the agency's page with the note's place on it, ``code`` its state."""

    path: str
    name: str
    text: str
    source: str
    code: str
    at: datetime


def load_note_entries(
    conn: Connection, site: Site, language: str, places: Collection[str], within: Collection[str]
) -> list[NoteEntry]:
    """Read the newest notes on agencies that concern one of ``places``, or on all; ``within`` are the states
    of ZIPs, whose state agencies concern them too.
    """
    notes = load_newest_notes(conn, site.sources.keys(), MOST_NOTES)
    if not notes:
        return []
    numbers = {name: stands.number for name, stands in baseline.all_believed(conn).items()}
    found = []
    for note in notes:
        placed = _place(conn, site, numbers, note)
        if placed is not None and (not places or _concerns(*placed, places, within)):
            listing, path = placed[0], agency_path(note.source, note.agency)
            found.append(
                NoteEntry(
                    path=f"{path}#note-{note.id}",
                    name=clean(listing.name),
                    text=clean(note.text(language), 1500),
                    source=note.source,
                    code=listing.state or "",
                    at=note.at,
                )
            )
    return found


def _place(
    conn: Connection, site: Site, numbers: Mapping[str, int], note: AgencyNote
) -> tuple[Listing, Placement] | None:
    """The agency as it is listed, or was listed last, and where it is."""
    covered = site.coverage.of(note.source, numbers.get(note.source, 0))
    cover = covered.by_agency.get(note.agency)
    if cover is not None:
        return cover.listing, cover.placement
    versions = page_queries.versions(conn, note.source, note.agency)
    if not versions:
        return None
    listing = versions[-1].listing
    return listing, site.coverage.placement(note.source, listing)


def _concerns(
    listing: Listing, placement: Placement, places: Collection[str], within: Collection[str]
) -> bool:
    its = {*placement.places, *([listing.state] if listing.state else ())}
    return not its.isdisjoint(places) or (placement.statewide and not its.isdisjoint(within))
