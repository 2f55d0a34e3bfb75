"""Meetings with decisions about an agency, on the pages of the places that it serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.engine import Connection

from monitor.core.wording import normalize
from monitor.messages import locale
from monitor.messages.layout import clean
from monitor.storage.lists.coverage import Cover
from monitor.storage.lists.documents import AgencyDocument, load_meetings
from monitor.web.context import Site
from monitor.web.list_status import ListStatus
from monitor.web.presenters import agency_path


@dataclass(frozen=True, slots=True)
class Meeting:
    """A meeting about an agency. ``path`` is the agency's page; ``at`` is the time, if known."""

    document: AgencyDocument
    agency: str
    path: str
    day: date
    at: datetime | None

    @property
    def title(self) -> str:
        return clean(self.document.title)


def find_meetings(meetings: Iterable[AgencyDocument], covers: Iterable[Cover]) -> list[Meeting]:
    """Find the meetings about these agencies, in the order of their days."""
    by_key: dict[str, list[Cover]] = {}
    by_name: dict[str, list[Cover]] = {}
    for cover in covers:
        by_key.setdefault(cover.agency, []).append(cover)
        by_name.setdefault(normalize(cover.listing.name), []).append(cover)
    found = []
    for document in meetings:
        named = (
            by_key.get(document.agency, ()) if document.agency else by_name.get(normalize(document.name), ())
        )
        about = next(
            (
                cover
                for cover in named
                if document.names(cover.source, cover.agency, cover.listing.name, cover.listing.state)
            ),
            None,
        )
        if about is not None and document.day is not None:
            at = datetime.fromisoformat(document.date) if "T" in document.date else None
            path = agency_path(about.source, about.agency)
            found.append(Meeting(document, clean(about.listing.name), path, document.day, at))
    return found


def load_coming(conn: Connection, site: Site, covers: Iterable[Cover]) -> list[Meeting]:
    """Read the meetings about these agencies from today on."""
    today = locale.local_day(site.clock(), site.timezone)
    meetings = load_meetings(conn, today)
    return find_meetings(meetings, covers) if meetings else []


def covers_of_zips(
    site: Site, lists: Iterable[ListStatus], zips: Iterable[str], states: Iterable[str]
) -> Iterator[Cover]:
    """The agencies that serve one of these ZIPs, including those of their whole states."""
    for listed in lists:
        covered = site.coverage.of(listed.name, listed.number)
        for code in zips:
            yield from covered.by_zip.get(code, ())
        yield from covered.statewide(states)


def covers_of_state(site: Site, lists: Iterable[ListStatus], code: str) -> Iterator[Cover]:
    """The agencies of a state."""
    for listed in lists:
        yield from site.coverage.of(listed.name, listed.number).by_state.get(code, ())
