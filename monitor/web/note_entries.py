"""The operator's notes as entries of feeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.domain import Listing, Placement
from monitor.messages.layout import clean
from monitor.storage.lists import baseline, page_queries
from monitor.storage.lists.agency_notes import load_newest_notes
from monitor.web.context import Site
from monitor.web.presenters import Presenter, agency_path

MOST_NOTES = 20
"""The number of newest notes of all lists that are read; a feed shows those for its place."""


@dataclass(frozen=True, slots=True)
class NoteEntry:
    """A feed entry about an agency. ``path`` is the agency's page with the entry's anchor, ``code`` the
    agency's state.
    """

    path: str
    title: str
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
    numbers = {name: stands.number for name, stands in baseline.load_all_infos(conn).items()}
    words = Presenter(site, language)
    found = []
    for note in notes:
        placed = find_place(conn, site, numbers, note.source, note.agency)
        if placed is not None and (not places or concerns(*placed, places, within)):
            listing, path = placed[0], agency_path(note.source, note.agency)
            found.append(
                NoteEntry(
                    path=f"{path}#note-{note.id}",
                    title=words.note_title(clean(listing.name)),
                    text=clean(note.text(language), 1500),
                    source=note.source,
                    code=listing.state or "",
                    at=note.at,
                )
            )
    return found


def find_place(
    conn: Connection, site: Site, numbers: Mapping[str, int], source: str, agency: str
) -> tuple[Listing, Placement] | None:
    """Find the agency's current or last listing, and its placement."""
    covered = site.coverage.of(source, numbers.get(source, 0))
    cover = covered.by_agency.get(agency)
    if cover is not None:
        return cover.listing, cover.placement
    versions = page_queries.load_versions(conn, source, agency)
    if not versions:
        return None
    listing = versions[-1].listing
    return listing, site.coverage.placement(source, listing)


def concerns(
    listing: Listing, placement: Placement, places: Collection[str], within: Collection[str]
) -> bool:
    """Whether an agency serves one of the places, or the whole of a state in which they are."""
    its = {*placement.places, *([listing.state] if listing.state else ())}
    return not its.isdisjoint(places) or (placement.statewide and not its.isdisjoint(within))
