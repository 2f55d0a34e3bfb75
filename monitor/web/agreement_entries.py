"""Agreements that were replaced, as entries of feeds, and all of an agency's for programs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC

from sqlalchemy.engine import Connection

from monitor.messages import locale
from monitor.messages.layout import clean
from monitor.messages.locale import N_
from monitor.record.data.describe import Record, format_time
from monitor.storage.lists import agreements, baseline
from monitor.storage.lists.record_rows import ListingVersion
from monitor.web.context import Site
from monitor.web.note_entries import NoteEntry, concerns, find_place
from monitor.web.presenters import agency_path

MOST_REPLACEMENTS = 20
"""The number of newest replacements of all lists that are read; a feed shows those for its place."""
_TITLE = N_("%(name)s: a document that the list links was replaced")
_TEXT = N_("Between %(before)s and %(after)s (UTC) the publisher replaced the document at %(url)s.")


def load_agreement_entries(
    conn: Connection, site: Site, language: str, places: Collection[str], within: Collection[str]
) -> list[NoteEntry]:
    """Read the newest replacements of documents of agencies that concern one of ``places``, or of all;
    ``within`` are the states of ZIPs, whose state agencies concern them too.
    """
    replaced = agreements.load_newest_replacements(conn, site.sources.keys(), MOST_REPLACEMENTS)
    if not replaced:
        return []
    numbers = {name: stands.number for name, stands in baseline.load_all_infos(conn).items()}
    translate = locale.translations(language).gettext
    found = []
    for copy in replaced:
        for agency in copy.agencies:
            placed = find_place(conn, site, numbers, copy.source, agency)
            if placed is None or (places and not concerns(*placed, places, within)):
                continue
            assert copy.not_before is not None  # it replaced a document that was seen before
            between = (copy.not_before, copy.first_seen_at)
            before, after = (at.astimezone(UTC).strftime("%Y-%m-%d %H:%M") for at in between)
            found.append(
                NoteEntry(
                    path=f"{agency_path(copy.source, agency)}#agreement-{copy.id}",
                    title=translate(_TITLE) % {"name": clean(placed[0].name)},
                    text=translate(_TEXT) % {"before": before, "after": after, "url": clean(copy.url, 300)},
                    source=copy.source,
                    code=placed[0].state or "",
                    at=copy.at,
                )
            )
    return found


def describe_agreements(conn: Connection, source: str, versions: Iterable[ListingVersion]) -> list[Record]:
    """Describe the documents that an agency's listings ever linked to, as `api_models.AgreementRecord`."""
    urls = {url for version in versions for url in version.listing.documents}
    known = agreements.load_agreements(conn, source, urls) if urls else []
    copies = agreements.load_copies(conn, [each.id for each in known])
    return [
        {
            "id": copy.id,
            "url": copy.url,
            "not_before": format_time(copy.not_before),
            "first_seen_at": format_time(copy.first_seen_at),
            "replaced": copy.before,
            "sha256": copy.after,
            "bytes": copy.size,
            "kept": copy.readable,
            "leaf": copy.leaf,
        }
        for each in known
        for copy in copies.get(each.id, ())
    ]
