"""The pages of ZIPs: which agencies cover them and why, what changed, and how certain it is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from monitor.places import MILITARY, ZipArea
from monitor.places.followed_areas import find_areas_around
from monitor.storage.engine import reading
from monitor.storage.lists import log_rows
from monitor.storage.lists import page_queries as store
from monitor.web.context import Site
from monitor.web.error_pages import not_found_page
from monitor.web.held_changes import held_changes_of
from monitor.web.list_status import load_statuses, numbers_of
from monitor.web.map_texts import MapTexts
from monitor.web.maps import view_place
from monitor.web.meetings import covers_of_zips, load_coming
from monitor.web.pages import language_of, redirect, render_page, site_of
from monitor.web.place_coverage import compute_zip_coverage
from monitor.web.routing import Router, get

router = Router()

MOST_ZIPS = 250
"""The most ZIPs on one page: enough for any city (New York City has 223), with an address below two
kilobytes.
"""

NEWS = 10
"""The number of changes on a place's page."""
_RINGS = 12  # the most ZIPs that a map rings


def zip_path(zips: Iterable[str]) -> str:
    """The path of the page of one or several ZIPs."""
    return f"/zip/{'+'.join(zips)}"


def read_zips(text: str) -> tuple[str, ...] | None:
    """Parse the ZIPs of a path such as "60601+60602": sorted, without duplicates, ZIP+4 cut.

    None if invalid or too many.
    """
    parts = text.split("+")
    if len(parts) > MOST_ZIPS or not all(re.fullmatch(r"[0-9]{5}(?:-[0-9]{4})?", part) for part in parts):
        return None
    return tuple(sorted({part[:5] for part in parts}))


@get(router, "/zip/{zips}")
def zip_page(request: Request, zips: str) -> Response:
    """Show which agencies cover these ZIPs today."""
    codes = read_zips(zips)
    if codes is None:
        return not_found_page(request)
    if zips != "+".join(codes):
        return redirect(request, zip_path(codes), 301)
    site = site_of(request)
    now = site.clock()
    areas = {code: site.gazetteer.zip(code) for code in codes}
    states = states_of(site, codes)
    with reading(site.engine) as conn:
        lists = load_statuses(conn, site, now)
        news = store.load_latest(conn, places=codes, within=states, limit=NEWS)
        held = held_changes_of(request).here(conn, codes, states, numbers_of(lists))
        points = [area.point for area in areas.values() if area and area.point]
        here = tuple(points) if len(points) <= _RINGS else ()
        drawn = view_place(request, conn, lists, states[0], here) if states else None
        meetings = load_coming(conn, site, covers_of_zips(site, lists, codes, states))
        entries = log_rows.load_head(conn).size
    return render_page(
        request,
        "zip.html",
        entries=entries,
        zips=codes,
        areas=areas,
        state_by_zip={code: site.gazetteer.state_of_zip(code) for code in codes},
        states=states,
        towns=towns_of(areas.values()),
        coverages=[compute_zip_coverage(site, each, codes, states) for each in lists],
        news=news,
        held=held,
        military=MILITARY,
        meetings=meetings,
        places=codes,
        wider=find_areas_around(codes[0]) if len(codes) == 1 else (),
        drawn=drawn,
        texts=MapTexts(language_of(request)),
    )


def states_of(site: Site, codes: Iterable[str]) -> tuple[str, ...]:
    """The states of ZIPs without duplicates; a military region counts as one, an unassigned ZIP has none."""
    found = (site.gazetteer.state_of_zip(code) for code in codes)
    return tuple(dict.fromkeys(state for state in found if state))


def towns_of(areas: Iterable[ZipArea | None]) -> tuple[str, ...]:
    """The post towns of ZIPs with their state, without duplicates."""
    pairs = ((area.city, area.state) for area in areas if area)
    return tuple(
        dict.fromkeys(town if town.endswith(f" {state}") else f"{town}, {state}" for town, state in pairs)
    )
