"""The home page and the search field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from monitor.messages.place_names import name_place
from monitor.messages.placements import label_name
from monitor.pictures.outlines import SmallOutline, load_small_outline
from monitor.places import Gazetteer, TownZips, ZipKind
from monitor.places.codes import place_path
from monitor.places.finder import LONGEST, PROBLEMS, FinderResult, find
from monitor.places.followed_areas import find_area_key
from monitor.states import STATES
from monitor.storage.engine import reading
from monitor.storage.lists import timeline as store
from monitor.web.charts import ChartCache
from monitor.web.context import Site
from monitor.web.list_status import find_largest, load_statuses
from monitor.web.map_texts import MapTexts
from monitor.web.maps import view_nation
from monitor.web.pages import language_of, redirect, render_page, site_of, translate
from monitor.web.presenters import agency_path
from monitor.web.routing import Router, get, post
from monitor.web.zip_pages import MOST_ZIPS, zip_path

router = Router()


@get(router, "/")
def home(request: Request) -> Response:
    """Show what the site is, the search field, the newest changes, and the state of each list."""
    site = site_of(request)
    now = site.clock()
    with reading(site.engine) as conn:
        lists = load_statuses(conn, site, now)
        pictures: ChartCache = request.app.state.chart_cache
        charts = {each.name: pictures.of(conn, each.watched, now, each.number) for each in lists}
        newest = store.load_summaries(conn, limit=5, named=3)
        states = store.find_single_states(conn, [each.id for each in newest])
        largest = find_largest(lists)
        nation = view_nation(request, conn, largest) if largest and largest.seen_at else None
    return render_page(
        request,
        "home.html",
        lists=lists,
        charts=charts,
        newest=newest,
        nation=nation,
        texts=MapTexts(language_of(request)),
        outlines=_load_outlines(states),
    )


def _load_outlines(states: Mapping[int, str]) -> dict[int, SmallOutline]:
    """Load small outlines of the states of changesets, by the changeset's number."""
    return {number: outline for number, code in states.items() if (outline := load_small_outline(code))}


@post(router, "/find")
def look_up(request: Request, q: str = "") -> Response:
    """Redirect from typed text to the page of its place, or show the form again with the problem.

    The text never appears in a URL, a log or a row.
    """
    site = site_of(request)
    found = find(q, site.finder)
    if found.zips:
        return redirect(request, zip_path(found.zips))
    if found.country:
        return redirect(request, "/changes")
    if found.problem:
        problem = translate(request, PROBLEMS[found.problem])
        return render_page(request, "find.html", private=True, status=422, asked=q[:LONGEST], problem=problem)
    if found.kind in ("county", "radius") and found.towns[0].key:
        return redirect(request, place_path(found.towns[0].key))
    agencies = _offer_agencies(site, found, language_of(request))
    if len(agencies) == 1 and found.sure:
        return redirect(request, agencies[0].path)
    towns = [_Choice.of(town, site.gazetteer, language_of(request)) for town in found.towns]
    unclear = agencies or found.typo or found.unknown
    if len(found.states) == 1 and not (towns or unclear):
        return redirect(request, f"/state/{found.states[0]}")
    if len(towns) == 1 and not found.states and len(towns[0].zips) == 1 and not unclear:
        return redirect(request, zip_path(towns[0].zips))
    return render_page(
        request,
        "choose.html",
        private=True,
        agencies=agencies,
        towns=towns,
        states=found.states,
        more=found.more,
        typo=found.typo,
        unknown=found.unknown,
    )


@get(router, "/find")
def redirect_home(request: Request) -> Response:
    """Redirect language links and bookmarks of a search result to the home page."""
    return redirect(request, f"/?lang={language_of(request)}" if "lang" in request.query_params else "/")


@dataclass(frozen=True, slots=True)
class _Choice:
    """An area to choose: its name, its residential ZIPs one by one, and the page of the whole area with its
    number of ZIPs.
    """

    name: str
    town: TownZips
    zips: tuple[str, ...]
    page: str
    count: int

    @classmethod
    def of(cls, town: TownZips, gazetteer: Gazetteer, language: str) -> _Choice:
        """Create the choice for an area from the finder."""
        if town.kind == "radius":  # "25 miles around 60602 (Chicago, IL)"
            name = name_place(town.key, language) + "".join(town.name.partition(" (")[1:])
        else:
            name = f"{label_name(town.name, language)}, {STATES.get(town.state, town.state)}"
        zips = residential_zips(town, gazetteer)
        key = find_area_key(town)
        page, count = (place_path(key), len(town.zips)) if key else (zip_path(zips), len(zips))
        return cls(name, town, zips, page, count)


@dataclass(frozen=True, slots=True)
class _AgencyChoice:
    """A listed agency with the typed name."""

    name: str
    state: str
    title: str
    path: str


def _offer_agencies(site: Site, found: FinderResult, language: str) -> tuple[_AgencyChoice, ...]:
    """The listed agencies with the typed name, with the titles of their lists."""
    return tuple(
        _AgencyChoice(
            each.name,
            each.state,
            site.sources[each.source].title(language),
            agency_path(each.source, each.agency),
        )
        for each in found.agencies
        if each.source in site.sources
    )


def residential_zips(town: TownZips, gazetteer: Gazetteer) -> tuple[str, ...]:
    """The residential ZIPs of a town; all of its ZIPs if it has only PO boxes and the like."""
    standard = tuple(
        code
        for code in town.zips
        if (area := gazetteer.zip(code)) is not None and area.kind is ZipKind.STANDARD
    )
    return (standard or town.zips)[:MOST_ZIPS]
