"""Feeds (Atom, RFC 4287, and JSON Feed 1.1) of everything, of a state, of ZIPs: one entry per change, per
note of the operator and per agreement that was replaced, the same entry in every feed that it is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from monitor.messages.place_names import name_place
from monitor.messages.placements import drop_article
from monitor.places.codes import place_path
from monitor.record.data.describe import format_time
from monitor.record.data.encoders import dump_json
from monitor.states import STATES
from monitor.storage.engine import reading
from monitor.storage.lists import page_queries as store
from monitor.web.agreement_entries import load_agreement_entries
from monitor.web.api_answers import answer_bytes, load_head_header
from monitor.web.area_pages import read_area
from monitor.web.context import Site
from monitor.web.error_pages import not_found_page
from monitor.web.note_entries import load_note_entries
from monitor.web.pages import Templates, language_of, site_of
from monitor.web.presenters import Presenter
from monitor.web.routing import Router, get
from monitor.web.zip_pages import read_zips, states_of, zip_path

router = Router()

_ENTRIES = 50
_RETRACTED = 20  # the newest retractions, whenever the change was published
_MOST = 500  # of one changeset: a feed that ended within one would hide its rest from every reader


@get(router, "/feed.json")
@get(router, "/feed.atom")
def everything(request: Request) -> Response:
    """The newest changes of all lists."""
    return _feed(request, "/", places=(), within=(), what=None)


@get(router, "/state/{state}/feed.json")
@get(router, "/state/{state}/feed.atom")
def state_feed(request: Request, state: str) -> Response:
    """The newest changes in a state."""
    code = state.upper()
    if code not in STATES:
        return not_found_page(request)
    return _feed(request, f"/state/{code}", places=(code,), within=(), what=STATES[code])


@get(router, "/zip/{zips}/feed.json")
@get(router, "/zip/{zips}/feed.atom")
def zip_feed(request: Request, zips: str) -> Response:
    """The newest changes that concern these ZIPs, including those of statewide agencies."""
    codes = read_zips(zips)
    if codes is None:
        return not_found_page(request)
    within = states_of(site_of(request), codes)
    return _feed(request, zip_path(codes), places=codes, within=within, what=", ".join(codes))


@get(router, "/county/{rest}/feed.json")
@get(router, "/county/{rest}/feed.atom")
@get(router, "/town/{rest}/feed.json")
@get(router, "/town/{rest}/feed.atom")
@get(router, "/radius/{rest}/feed.json")
@get(router, "/radius/{rest}/feed.atom")
def area_feed(request: Request, rest: str) -> Response:
    """The newest changes that concern a part of an area, or the whole of a state in which it lies."""
    area = read_area(request, rest)
    if area is None:
        return not_found_page(request)
    name = drop_article(name_place(area.key, language_of(request)))
    return _feed(request, place_path(area.key), places=area.zips, within=area.states, what=name)


def _feed(
    request: Request, page: str, *, places: tuple[str, ...], within: tuple[str, ...], what: str | None
) -> Response:
    site = site_of(request)
    templates: Templates = request.app.state.templates
    language = language_of(request)
    with reading(site.engine) as conn:
        rows = store.load_latest(conn, places=places, within=within, limit=_ENTRIES, imported=False)
        if len(rows) == _ENTRIES:
            last = store.load_latest(
                conn, places=places, within=within, changeset=rows[-1].changeset, limit=_MOST
            )
            rows = (*(row for row in rows if row.changeset != rows[-1].changeset), *last)
        retracted = store.load_newest_retracted(conn, places=places, within=within, limit=_RETRACTED)
        shown = {row.id for row in rows}
        rows = (*rows, *(row for row in retracted if row.id not in shown))
        notes = load_note_entries(conn, site, language, places, within)
        notes = [*notes, *load_agreement_entries(conn, site, language, places, within)]
        moments = [note.at for note in notes] + [row.ended_at or row.first_seen_at for row in rows[:1]]
        moments += [row.retraction.at for row in retracted if row.retraction]
        updated = max(moments, default=None) or (
            store.load_first_read_of_any(conn, site.sources.keys()) or site.clock()
        )
        head = load_head_header(conn)
    as_json = request.scope["path"].endswith(".json")
    folder = "" if page == "/" else page
    context = {
        "page": page,
        "address": f"{folder}/feed.json" if as_json else f"{folder}/feed.atom",
        "what": what,
        "rows": rows,
        "notes": notes,
        "updated": updated,
    }
    if as_json:
        body = _encode_json(Presenter(site, language), site, language, context)
    else:
        body = templates.render(language, "feed.atom", **context).encode()
    headers = {"Vary": "Accept-Language, Cookie", "Content-Language": language} | head
    media_type = "application/feed+json" if as_json else "application/atom+xml; charset=utf-8"
    return answer_bytes(request, body, media_type, headers)


def _encode_json(words: Presenter, site: Site, language: str, context: Mapping[str, Any]) -> bytes:
    """The same entries as JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    what = context["what"]
    items = [
        {
            "id": site.public(f"/changes/{line.changeset}#c{line.id}"),
            "url": site.public(f"/changes/{line.changeset}#c{line.id}"),
            "title": line.headline,
            "content_text": " ".join(
                filter(None, (line.retraction, line.sentence, line.interval, *line.facts))
            ),
            "date_published": format_time(line.at),
            **({"date_modified": format_time(line.retracted_at)} if line.retracted_at else {}),
            "tags": [each for each in (line.source, line.code, line.retraction and "retracted") if each],
        }
        for line in words.view_changes(context["rows"])
    ]
    items += [
        {
            "id": site.public(note.path),
            "url": site.public(note.path),
            "title": note.title,
            "content_text": note.text,
            "date_published": format_time(note.at),
            "tags": [each for each in (note.source, note.code) if each],
        }
        for note in context["notes"]
    ]
    items.sort(key=lambda item: str(item["date_published"]), reverse=True)
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": f"{site.name}: {what}" if what else site.name,
        "home_page_url": site.public(context["page"]),
        "feed_url": site.public(context["address"]),
        "language": language,
        "items": items,
    }
    return dump_json(feed) + b"\n"
