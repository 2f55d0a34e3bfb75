"""The pages of counties, towns and radiuses: which agencies serve a part of them, and what changed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from monitor.messages.place_names import name_codes_of, name_place
from monitor.places.codes import place_path
from monitor.places.followed_areas import FollowedArea, load_area
from monitor.storage.engine import reading
from monitor.storage.lists import log_rows
from monitor.storage.lists import page_queries as store
from monitor.web.error_pages import not_found_page
from monitor.web.held_changes import held_changes_of
from monitor.web.list_status import load_statuses, numbers_of
from monitor.web.map_texts import MapTexts
from monitor.web.maps import view_place
from monitor.web.meetings import covers_of_zips, load_coming
from monitor.web.pages import language_of, redirect, render_page, site_of
from monitor.web.place_coverage import compute_area_coverage
from monitor.web.routing import Router, get
from monitor.web.zip_pages import NEWS

router = Router()


def read_area(request: Request, rest: str) -> FollowedArea | None:
    """Read the area of a page's path; None if there is none."""
    kind = request.scope["path"].split("/")[1]
    return load_area(f"{kind}-{rest}")


@get(router, "/county/{rest}")
@get(router, "/town/{rest}")
@get(router, "/radius/{rest}")
def area_page(request: Request, rest: str) -> Response:
    """Show which agencies serve at least a part of an area today."""
    area = read_area(request, rest)
    if area is None:
        return not_found_page(request)
    path = place_path(area.key)
    if request.scope["path"] != path:
        return redirect(request, path, 301)
    site, language = site_of(request), language_of(request)
    with reading(site.engine) as conn:
        lists = load_statuses(conn, site, site.clock())
        news = store.load_latest(conn, places=area.zips, within=area.states, limit=NEWS)
        held = held_changes_of(request).here(conn, area.zips, area.states, numbers_of(lists))
        drawn = view_place(request, conn, lists, area.states[0])
        meetings = load_coming(conn, site, covers_of_zips(site, lists, area.zips, area.states))
        entries = log_rows.load_head(conn).size
    return render_page(
        request,
        "area.html",
        entries=entries,
        area=area,
        name=name_place(area.key, language),
        place=name_codes_of(area.key, language),
        path=path,
        coverages=[compute_area_coverage(site, each, area) for each in lists],
        news=news,
        meetings=meetings,
        held=held,
        states=area.states,
        places=(area.key,),
        drawn=drawn,
        texts=MapTexts(language),
    )
