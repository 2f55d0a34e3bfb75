"""The maps: the nation in shades, a state by counties and towns, at one or two moments, and as files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache, partial
from operator import attrgetter

from markupsafe import Markup
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor.domain import SourceInfo
from monitor.messages import locale
from monitor.messages.layout import clean
from monitor.pictures.map_data import COUNTY, STATE, TOWN, MapAgency, NationValues, sum_states
from monitor.pictures.map_drawing import add_rings, draw_nation, draw_state
from monitor.pictures.outlines import load_counties_json, load_state
from monitor.pictures.projection import Degrees
from monitor.states import STATES, group_by_state
from monitor.storage.engine import reading
from monitor.storage.lists import imports, log_rows
from monitor.storage.lists import page_queries as store
from monitor.storage.lists.coverage import Covered
from monitor.web.charts import GapHistory
from monitor.web.context import Site
from monitor.web.error_pages import before_first_page, not_found_page
from monitor.web.list_status import ListStatus, find_largest, load_statuses
from monitor.web.map_images import MapImages, wrap_image
from monitor.web.map_texts import MapTexts
from monitor.web.map_values import MapCache, MapMoment, months_of, read_moment
from monitor.web.middleware import HEADERS
from monitor.web.pages import asset_version, language_of, redirect, render_page, site_of
from monitor.web.part_cache import PartCache
from monitor.web.routing import Router, get

router = Router()

KINDS = (COUNTY, TOWN, STATE)
SCRIPT_POLICY = HEADERS["Content-Security-Policy"] + "; script-src 'self'; connect-src 'self'"
"""Only pages with an interactive map have a script, which is our own."""
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class MapQuery:
    """The query of a map: a list, a kind of agency (None: all), a moment (None: now), and the moment to
    compare it with (``compared``: there is one).
    """

    list: ListStatus
    kind: str | None
    at: MapMoment | None
    compared: bool = False
    to: MapMoment | None = None

    @property
    def watched(self) -> SourceInfo:
        return self.list.watched

    def values(self, at: date | None) -> dict[str, str]:
        """The query of the same map at another moment, for links."""
        found = {"list": self.watched.name} | ({"kind": self.kind} if self.kind else {})
        return found | ({"at": at.isoformat()} if at else {})


@dataclass(frozen=True, slots=True)
class MapView:
    """A map at one moment, ready to be shown. ``values`` include all agencies of the requested kind.
    ``captured_by`` is who captured the list of that moment, "" if our own polls saw it.
    """

    heading: str
    values: NationValues
    blind: bool
    day: date | None
    list: str
    drawing: Markup | None = None
    captured_by: str = ""


@get(router, "/map")
def nation_page(request: Request) -> Response:
    """Show the nation's map of a list by the share of ZIPs served, at one moment, or at two with the
    differences.
    """
    site = site_of(request)
    with reading(site.engine) as conn:
        asked, months = read_query(request, conn)
        if asked is None:
            return _refuse(request, conn)
        views = [_view(request, conn, asked, at) for at in _moments(asked)]
        entries = log_rows.load_head(conn).size
    left, joined = _differences(views)
    answer = render_page(
        request,
        "map.html",
        entries=entries,
        query=asked,
        months=months,
        kinds=KINDS,
        lists=_choices(site),
        views=views,
        texts=MapTexts(language_of(request)),
        joined=joined,
        left=left,
        by_state=partial(group_by_state, state_of=attrgetter("state")),
        script=script_link(site),
        outlines=site.url(f"/map/{_counties_name()}"),
    )
    answer.headers["Content-Security-Policy"] = SCRIPT_POLICY
    return answer


@get(router, "/map/values.json")
def nation_values(request: Request) -> Response:
    """Return the data that the script shows for another month: shades, titles and cells by state, counties by
    kind.
    """
    site = site_of(request)
    texts = MapTexts(language_of(request))
    with reading(site.engine) as conn:
        asked, _ = read_query(request, conn)
        if asked is None:
            return JSONResponse({"title": "not found"}, 404)
        view = _view(request, conn, asked, asked.at, drawn=False)
    values = view.values
    answer = JSONResponse(
        {
            "heading": view.heading,
            "blind": view.blind,
            "unplaced": texts.not_on_map(len(values.unplaced)),
            "states": {
                code: [each.shade, texts.state(each), bool(each.of(STATE)), texts.cells(each)]
                for code, each in values.states.items()
            },
            "counties": {f: k[0] for s in values.states.values() for f, k in s.counties.items()},
        }
    )
    answer.headers["Vary"] = "Accept-Language, Cookie"
    return answer


@get(router, "/map/{name}")
def map_page(request: Request, name: str) -> Response:
    """Show a state's map: ``TX`` as a page, ``TX.svg`` and ``TX.png`` (or ``US``) as a file; and the
    counties' outlines for the script.
    """
    if name == _counties_name():
        return Response(load_counties_json(), headers={"Cache-Control": _EVER}, media_type="application/json")
    code, _, ending = name.partition(".")
    if code.upper() == "US" and not ending:
        return redirect(request, "/map", 301)
    if code not in STATES and code != "US":
        known = code.upper() in STATES and not ending
        return redirect(request, f"/map/{code.upper()}", 301) if known else not_found_page(request)
    if ending in ("svg", "png"):
        return _image(request, code, ending)
    return not_found_page(request) if ending else _state_page(request, code)


@get(router, "/embed/{name}")
def embedded(request: Request, name: str) -> Response:
    """Show only a map, for the pages of other sites that the operator allows by ``[site] embed``."""
    site = site_of(request)
    code = "US" if name == "map" else name
    if code not in STATES and code != "US":
        return not_found_page(request)
    with reading(site.engine) as conn:
        asked, _ = read_query(request, conn)
        if asked is None:
            return not_found_page(request)
        if code == "US":
            view = _view(request, conn, asked, asked.at)
        else:
            view = view_state(request, conn, asked, code)
    answer = render_page(
        request, "map_embed.html", view=view, code=code, query=asked, texts=MapTexts(language_of(request))
    )
    allowed = " ".join(site.embed) or "'none'"
    policy = HEADERS["Content-Security-Policy"].replace(
        "frame-ancestors 'none'", f"frame-ancestors {allowed}"
    )
    answer.headers["Content-Security-Policy"] = policy
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


def read_query(request: Request, conn: Connection) -> tuple[MapQuery | None, tuple[date, ...]]:
    """Read the query of a map from the URL, and the months that its list has.

    None if the URL names an unknown list, kind or moment.
    """
    site, given = site_of(request), request.query_params
    lists = {each.name: each for each in load_statuses(conn, site, site.clock())}
    largest = find_largest(lists.values())
    name = given.get("list") or (largest.name if largest else "")
    kind, at, to = given.get("kind") or None, given.get("at") or "now", given.get("to") or ""
    if name not in lists or (kind is not None and kind not in KINDS):
        return None, ()
    first = store.load_first_read(conn, name)
    months = months_of(site, first)
    moments = {text: read_moment(text, site, first) for text in (at, to) if text not in ("", "now")}
    if None in moments.values():
        return None, ()
    return MapQuery(lists[name], kind, moments.get(at), bool(to), moments.get(to)), months


def _refuse(request: Request, conn: Connection) -> Response:
    """Respond if `read_query` finds no map: for a day before the list was first read, with a page that says
    so.
    """
    site = site_of(request)
    largest = find_largest(load_statuses(conn, site, site.clock()))
    name = request.query_params.get("list") or (largest.name if largest else "")
    first = store.load_first_read(conn, name) if name in site.sources else None
    at = request.query_params.get("at", "")
    if first is None or not re.fullmatch(r"\d{4}-\d\d(?:-\d\d)?", at):
        return not_found_page(request)
    day = locale.local_day(first, site.timezone).isoformat()
    if at >= day[: len(at)]:
        return not_found_page(request)
    return before_first_page(request, site.sources[name], first, f"/map?list={name}&at={day}")


def view_nation(request: Request, conn: Connection, listed: ListStatus) -> MapView:
    """Draw the nation's map of a list as it is now, for other pages."""
    return _view(request, conn, MapQuery(listed, None, None), None, small=True)


def view_place(
    request: Request,
    conn: Connection,
    lists: Sequence[ListStatus],
    code: str,
    here: tuple[Degrees, ...] = (),
    *,
    folded: Container[str] = (),
) -> MapView | None:
    """Make a state's map for a place's page: of the first list with an agency there, as it is now.

    ``folded`` are the lists that the page shows by county: their maps link there, others link to the map's
    own page. None for a code without an outline, and while no list was read.
    """
    if load_state(code) is None:
        return None
    seen = [each for each in lists if each.seen_at is not None]
    coverage = site_of(request).coverage
    shown = next((each for each in seen if _has_agency(coverage.of(each.name, each.number), code)), None)
    if shown is None and not seen:
        return None
    listed = shown or seen[0]
    page = "" if listed.name in folded else f"/map/{code}?list={listed.name}"
    return view_state(request, conn, MapQuery(listed, None, None), code, here, page=page)


def _has_agency(covered: Covered, code: str) -> bool:
    return any(cover.listing.state == code for cover in covered.by_state.get(code, ()))


def view_state(
    request: Request,
    conn: Connection,
    asked: MapQuery,
    code: str,
    here: tuple[Degrees, ...] = (),
    *,
    page: str | None = None,
) -> MapView:
    """Draw a state's map; ``here`` are points to be ringed. Its values include the whole list.

    ``page``: on a page other than the map's own, the page with the list of counties; empty for the page
    itself.
    """
    site, texts = site_of(request), MapTexts(language_of(request))
    view = _view(request, conn, asked, asked.at, drawn=False)
    state = view.values.states[code]
    title = clean(asked.watched.title(language_of(request)))
    heading = f"{STATES[code]} · {texts.heading(title, len(state.agencies), view.day, view.captured_by)}"
    target = site.url(page) if page else ""

    def draw() -> Markup:
        labels = texts.state_map(state, heading, site.gazetteer, blind=view.blind, page=target)
        return Markup(draw_state(state, labels, codes=page is None))  # noqa: S704 - it escapes what it is given

    key = (code, page, *_map_key(request, asked, asked.at, blind=view.blind))
    drawing = Markup(add_rings(_parts(request).of(key, draw), code, here))  # noqa: S704
    return replace(view, heading=heading, drawing=drawing)


def _map_key(request: Request, asked: MapQuery, at: MapMoment | None, *, blind: bool) -> tuple[object, ...]:
    """The cache key of a map: the list's state, the query, and the language."""
    return ("map", asked.watched.name, asked.list.number, asked.kind, at, blind, language_of(request))


def _parts(request: Request) -> PartCache:
    parts: PartCache = request.app.state.part_cache
    return parts


def script_link(site: Site) -> str:
    """The address of the map's script."""
    return site.url(f"/static/{asset_version('map.js')}/map.js")


def _state_page(request: Request, code: str) -> Response:
    site = site_of(request)
    texts = MapTexts(language_of(request))
    with reading(site.engine) as conn:
        asked, months = read_query(request, conn)
        if asked is None:
            return _refuse(request, conn)
        view = view_state(request, conn, asked, code)
        entries = log_rows.load_head(conn).size
    state = view.values.states[code]
    answer = render_page(
        request,
        "map_state.html",
        entries=entries,
        query=asked,
        months=months,
        kinds=KINDS,
        lists=_choices(site),
        code=code,
        view=view,
        state=state,
        counties=texts.counties(state, site.gazetteer),
        texts=texts,
        script=script_link(site),
    )
    answer.headers["Content-Security-Policy"] = SCRIPT_POLICY
    return answer


def _image(request: Request, code: str, ending: str) -> Response:
    site, images = site_of(request), _images(request)
    language = language_of(request)
    texts = MapTexts(language)
    with reading(site.engine) as conn:
        asked, _ = read_query(request, conn)
        if asked is None:
            return not_found_page(request)
        view = _view(request, conn, asked, asked.at, drawn=False)
    title = clean(asked.watched.title(language))
    if code == "US":
        labels = texts.nation(view.values, view.heading, links={}, blind=view.blind)
        drawing, heading = draw_nation(view.values, labels, standalone=True), view.heading
        legend, star = texts.shades(), texts.star()
        notes = texts.notes(view.values.agencies, None, blind=view.blind)
    else:
        state = view.values.states[code]
        heading = f"{STATES[code]} · {texts.heading(title, len(state.agencies), view.day, view.captured_by)}"
        labels = texts.state_map(state, heading, site.gazetteer, blind=view.blind)
        drawing = draw_state(state, labels, standalone=True)
        legend, star = texts.county_legend(), ""
        notes = texts.notes(state.agencies, code, blind=view.blind)
    whole = wrap_image(drawing, heading, f"{site.name} · {site.public('/map')}", legend, star, notes)
    if ending == "svg":
        answer = Response(whole, media_type="image/svg+xml")
        answer.headers["Content-Security-Policy"] = SVG_POLICY
    else:
        answer = Response(images.png(whole), media_type="image/png")
    answer.headers["Content-Language"] = language
    answer.headers["Vary"] = "Accept-Language, Cookie"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer


def _view(
    request: Request,
    conn: Connection,
    asked: MapQuery,
    at: MapMoment | None,
    *,
    drawn: bool = True,
    small: bool = False,
) -> MapView:
    site, language = site_of(request), language_of(request)
    cache_: MapCache = request.app.state.map_cache
    texts, watched = MapTexts(language), asked.watched
    values = cache_.of(conn, watched.name, asked.list.number, at.until if at else None)
    if asked.kind is not None:
        values = sum_states((each for each in values.agencies if each.kind == asked.kind), site.gazetteer)
    blind = asked.list.blind if at is None else _unseen(request, conn, watched, at)
    day = at.day if at else None
    by = "" if at is None or at.until is None else _find_capturer(conn, watched.name, at.until)
    heading = texts.heading(clean(watched.title(language)), values.count, day, by)
    view = MapView(heading, values, blind, day, watched.name, captured_by=by)
    if not drawn:
        return view

    def draw() -> Markup:
        query = "&".join(f"{name}={value}" for name, value in asked.values(day).items())
        links = {code: site.url(f"/map/{code}?{query}") for code in STATES}
        labels = texts.nation(values, heading, links=links, blind=blind)
        return Markup(draw_nation(values, labels, small=small))  # noqa: S704 - it escapes what it is given

    key = (*_map_key(request, asked, at, blind=blind), small)
    drawing = _parts(request).of(key, draw)
    return replace(view, drawing=drawing)


def _find_capturer(conn: Connection, source: str, at: datetime) -> str:
    """Find who captured the list at a moment; "" if our own polls had begun."""
    capture = imports.find_capture(conn, source, at, before_joining=True)
    return "" if capture is None else capture.captured_by


def _moments(asked: MapQuery) -> list[MapMoment | None]:
    return [asked.at, asked.to] if asked.compared else [asked.at]


def _differences(views: list[MapView]) -> tuple[list[MapAgency], list[MapAgency]]:
    """Compute the agencies that are only on the first of two maps, and those only on the second."""
    if len(views) != 2:
        return [], []
    before, after = ({each.path: each for each in view.values.agencies} for view in views)
    left = [each for path, each in before.items() if path not in after]
    joined = [each for path, each in after.items() if path not in before]
    return left, joined


def _unseen(request: Request, conn: Connection, watched: SourceInfo, at: MapMoment) -> bool:
    sights: GapHistory = request.app.state.gap_history
    now: datetime = site_of(request).clock()
    assert at.until is not None
    return any(since < at.until <= until for since, until in sights.unseen(conn, watched, now))


def _choices(site: Site) -> list[SourceInfo]:
    return list(site.sources.values())


def _images(request: Request) -> MapImages:
    images: MapImages = request.app.state.map_images
    return images


@cache
def _counties_name() -> str:
    return f"counties-{hashlib.sha256(load_counties_json()).hexdigest()[:10]}.json"
