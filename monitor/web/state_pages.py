"""The pages of states: every agency of a state that is listed, what changed, and its map."""

from __future__ import annotations

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from monitor.states import STATES, read_state
from monitor.storage.engine import reading
from monitor.storage.lists import log_rows
from monitor.storage.lists import page_queries as store
from monitor.web.agencies_by_county import LONGEST, fold_by_county
from monitor.web.error_pages import not_found_page
from monitor.web.held_changes import held_changes_of
from monitor.web.list_status import ListStatus, load_statuses, numbers_of
from monitor.web.map_texts import MapTexts
from monitor.web.map_values import MapCache
from monitor.web.maps import view_place
from monitor.web.meetings import covers_of_state, load_coming
from monitor.web.pages import language_of, redirect, render_page, site_of
from monitor.web.place_coverage import StateCoverage, compute_state_coverage
from monitor.web.routing import Router, get
from monitor.web.zip_pages import NEWS

router = Router()


@get(router, "/state/{state}")
def state_page(request: Request, state: str) -> Response:
    """Show every agency of a state that is on a list today. "US" redirects to all changes."""
    if state.upper() == "US":
        return redirect(request, "/changes", 301)
    reading_ = read_state(state)
    if reading_ is None or not reading_.exact:
        return not_found_page(request)
    code = reading_.code
    if state != code:
        return redirect(request, f"/state/{code}", 301)
    site = site_of(request)
    now = site.clock()
    with reading(site.engine) as conn:
        lists = load_statuses(conn, site, now)
        news = store.load_latest(conn, places=(code,), limit=NEWS)
        held = held_changes_of(request).here(conn, (code,), (), numbers_of(lists))
        coverages = [_load_state_coverage(request, conn, each, code) for each in lists]
        folded = {each.list.name for each in coverages if each.values}
        drawn = view_place(request, conn, lists, code, folded=folded)
        meetings = load_coming(conn, site, covers_of_state(site, lists, code))
        entries = log_rows.load_head(conn).size
    return render_page(
        request,
        "state.html",
        entries=entries,
        code=code,
        name=STATES[code],
        coverages=coverages,
        news=news,
        held=held,
        places=(code,),
        fold=fold_by_county,
        meetings=meetings,
        drawn=drawn,
        texts=MapTexts(language_of(request)),
    )


def _load_state_coverage(request: Request, conn: Connection, listed: ListStatus, code: str) -> StateCoverage:
    site = site_of(request)
    count = len(site.coverage.of(listed.name, listed.number).by_state.get(code, ()))
    maps: MapCache = request.app.state.map_cache
    states = maps.of(conn, listed.name, listed.number).states if count > LONGEST else {}
    return StateCoverage(listed, count, lambda: compute_state_coverage(site, listed, code), states.get(code))
