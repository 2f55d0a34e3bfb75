"""One agency's page: since when it is listed, its history with the intervals between checks, and the places
it covers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from monitor.pictures.projection import Degrees
from monitor.storage.engine import reading
from monitor.storage.lists import agreements, log_rows
from monitor.storage.lists import page_queries as store
from monitor.storage.lists.agency_notes import load_notes_on
from monitor.storage.lists.coverage import Cover
from monitor.storage.lists.documents import AgencyDocument, load_documents_about
from monitor.storage.lists.page_queries import ListingLife
from monitor.web.context import Site
from monitor.web.error_pages import not_found_page
from monitor.web.list_pages import find_elsewhere
from monitor.web.list_status import ListStatus, load_statuses, numbers_of
from monitor.web.map_texts import MapTexts
from monitor.web.maps import MapView, view_place
from monitor.web.pages import language_of, parse_number, redirect, render_page, site_of
from monitor.web.presenters import agency_hash, agency_path
from monitor.web.routing import Router, get

router = Router()

_LARGEST_PAGE = 9999
_SHOWN, _EARLIER = 4, 40  # changes, versions and documents on the first page, which has a map, and on others


@get(router, "/agency/{source}/{key}")
def agency_page(request: Request, source: str, key: str) -> Response:
    """Show everything that a list has said about one agency while we watched.

    The words in the URL are not significant; its hash identifies the agency.
    """
    site = site_of(request)
    if source not in site.sources:
        return not_found_page(request)
    now = site.clock()
    with reading(site.engine) as conn:
        lists = load_statuses(conn, site, now)
        (listed,) = (each for each in lists if each.name == source)
        cover, agency = find_agency(site, conn, source, key, listed.number)
        if agency is None:
            return not_found_page(request)
        if agency_path(source, agency) != f"/agency/{source}/{key}":
            return redirect(request, agency_path(source, agency), 301)
        versions = store.load_versions(conn, source, agency)
        notes = load_notes_on(conn, source, agency)
        names = [version.listing.name for version in versions]
        state = versions[-1].listing.state if versions else None
        others = load_documents_about(conn, source, agency, names, state)
        history = store.load_history(conn, source, agency)
        given = _documents(versions)
        looked_at = {
            each.url: each for each in agreements.load_agreements(conn, source, [url for url, *_ in given])
        }
        copies = agreements.load_copies(conn, [each.id for each in looked_at.values()])
        first_read = store.load_first_read(conn, source)
        entries = log_rows.load_head(conn).size
        page = parse_number(request.query_params.get("page", "") or "1", _LARGEST_PAGE)
        drawn = _draw_state(request, conn, listed, state, cover) if page == 1 else None
    longest = max(len(history), len(versions), len(given))
    pages = 1 + max(0, -(-(longest - _SHOWN) // _EARLIER))
    if not versions or page is None or page > pages:
        return not_found_page(request)
    first = 0 if page == 1 else _SHOWN + (page - 2) * _EARLIER
    shown = slice(first, first + (_SHOWN if page == 1 else _EARLIER))
    return render_page(
        request,
        "agency.html",
        entries=entries,
        listed=listed,
        listing=versions[-1].listing,
        cover=cover,
        began=versions[0].from_at,
        ended=versions[-1].to_at,
        from_the_start=versions[0].from_at == first_read,
        history=history[shown],
        page=page,
        pages=pages,
        notes=notes,
        versions=versions,
        told=versions[::-1][shown],
        documents=given[shown],
        agreements=looked_at,
        copies=copies,
        bundled=site.bundles is not None,
        documents_of_others=group_by_kind(others),
        elsewhere=find_elsewhere(site, numbers_of(lists), source, versions[-1].listing),
        agency=agency,
        key=key,
        drawn=drawn,
        texts=MapTexts(language_of(request)),
    )


def _draw_state(
    request: Request, conn: Connection, listed: ListStatus, state: str | None, cover: Cover | None
) -> MapView | None:
    """Make the map of an agency's state, with a ring around the places of a local one.

    None without a state, and for a code without a shape.
    """
    if state is None:
        return None
    here: tuple[Degrees, ...] = ()
    if cover is not None and cover.placement.places and not cover.placement.statewide:
        here = _middle(request, cover)
    return view_place(request, conn, (listed,), state, here)


def _middle(request: Request, cover: Cover) -> tuple[Degrees, ...]:
    """Compute the center of the ZIPs that an agency serves, as one point; empty if no ZIP has coordinates."""
    zips = (site_of(request).gazetteer.zip(place) for place in cover.placement.places if len(place) == 5)
    points = [area.point for area in zips if area is not None and area.point is not None]
    if not points:
        return ()
    return ((sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)),)


def find_agency(
    site: Site, conn: Connection, source: str, key: str, number: int
) -> tuple[Cover | None, str | None]:
    """Find an agency by the last part of its URL: its cover while it is listed, and its key. ``number`` is
    that of the list's baseline.

    The key is None if no agency ever had that URL.
    """
    mark = key.rpartition("-")[2]
    listed = site.coverage.of(source, number).by_agency
    cover = next((each for name, each in listed.items() if agency_hash(name) == mark), None)
    return cover, cover.agency if cover else _past(store.load_agencies(conn, source), mark)


def group_by_kind(documents: Iterable[AgencyDocument]) -> dict[str, list[AgencyDocument]]:
    """Group documents by kind, in the order of the kinds' names."""
    found: dict[str, list[AgencyDocument]] = {}
    for document in documents:
        found.setdefault(document.kind, []).append(document)
    return dict(sorted(found.items()))


def _documents(versions: tuple[ListingLife, ...]) -> list[tuple[str, datetime, datetime | None]]:
    """Every document that the list ever linked for the agency, with the first and last time (None: now),
    newest first.
    """
    found: dict[str, tuple[datetime, datetime | None]] = {}
    for version in versions:
        for document in version.listing.documents:
            first = found.get(document, (version.from_at, None))[0]
            found[document] = (first, version.to_at)
    return [(document, *seen) for document, seen in reversed(found.items())]


def _past(agencies: tuple[str, ...], mark: str) -> str | None:
    """Find an agency that is no longer on the list."""
    return next((agency for agency in agencies if agency_hash(agency) == mark), None)
