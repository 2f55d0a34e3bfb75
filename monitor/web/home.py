"""The home page, and the one field that leads everywhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from monitor.messages.locale import N_
from monitor.places import Gazetteer, TownZips, ZipKind
from monitor.storage.engine import reading
from monitor.storage.lists import timeline as store
from monitor.web.charts import Pictures
from monitor.web.finder import LONGEST, find
from monitor.web.lists import standing
from monitor.web.pages import get, go, language_of, post, say, show, site_of
from monitor.web.places import MOST_ZIPS, zip_path

router = APIRouter()

_PROBLEMS = {
    "empty": N_("Write a ZIP code, a town or an address."),
    "digits": N_("A ZIP code has five digits. If yours starts with zeros, write them too."),
    "unknown_zip": N_("We know no ZIP code like that. Is every digit right?"),
    "nothing": N_(
        "We found no town of that name. Write it with its state (Hammond, IN), or write the ZIP code."
    ),
}


@get(router, "/")
def home(request: Request) -> Response:
    """What this is, the field, the newest changes, and how each list stands."""
    site = site_of(request)
    now = site.clock()
    with reading(site.engine) as conn:
        lists = standing(conn, site, now)
        pictures: Pictures = request.app.state.pictures
        charts = {each.name: pictures.of(conn, each.watched, now) for each in lists}
        newest = store.summaries(conn, limit=5, named=3)
    return show(request, "home.html", lists=lists, charts=charts, newest=newest)


@post(router, "/find")
def look_up(request: Request, q: Annotated[str, Form()] = "") -> Response:
    """From what was typed to the page of its place. The text is in no address, log or row; a wrong one comes back on the form."""
    site = site_of(request)
    found = find(q, site.gazetteer)
    if found.zips:
        return go(request, zip_path(found.zips))
    if found.country:
        return go(request, "/changes")
    if found.problem:
        problem = say(request, _PROBLEMS[found.problem])
        return show(request, "find.html", private=True, status=422, asked=q[:LONGEST], problem=problem)
    towns = [(town, served(town, site.gazetteer)) for town in found.towns]
    if len(found.states) == 1 and not towns:
        return go(request, f"/state/{found.states[0]}")
    if len(towns) == 1 and not found.states and len(towns[0][1]) == 1:
        return go(request, zip_path(towns[0][1]))
    return show(request, "choose.html", private=True, towns=towns, states=found.states, more=found.more)


@get(router, "/find")
def start_again(request: Request) -> Response:
    """Where a language link or a bookmark of a search's answer leads."""
    return go(request, f"/?lang={language_of(request)}" if "lang" in request.query_params else "/")


def served(town: TownZips, gazetteer: Gazetteer) -> tuple[str, ...]:
    """The ZIPs of a town in which people live; all of them when it has only PO boxes and the like."""
    standard = tuple(
        code
        for code in town.zips
        if (area := gazetteer.zip(code)) is not None and area.kind is ZipKind.STANDARD
    )
    return (standard or town.zips)[:MOST_ZIPS]
