"""Atom feeds (RFC 4287) of everything, of a state, of ZIPs: one entry per change, the same entry in every
feed that it is in.
"""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request, Response

from monitor.states import STATES
from monitor.storage.engine import reading
from monitor.storage.lists import page_queries as store
from monitor.storage.lists.changes import StoredChange
from monitor.web.error_pages import missing
from monitor.web.pages import Templates, get, language_of, site_of
from monitor.web.places import read_zips, states_of, zip_path
from monitor.web.record_log import load_head_header

router = APIRouter()

_ENTRIES = 50
_MOST = 500  # of one changeset: a feed that ended within one would keep its rest from every reader


@get(router, "/feed.atom")
def everything(request: Request) -> Response:
    """The newest changes of all lists."""
    return _feed(request, "/", places=(), within=(), what=None)


@get(router, "/state/{state}/feed.atom")
def state_feed(request: Request, state: str) -> Response:
    """The newest changes in a state."""
    code = state.upper()
    if code not in STATES:
        return missing(request)
    return _feed(request, f"/state/{code}", places=(code,), within=(), what=STATES[code])


@get(router, "/zip/{zips}/feed.atom")
def zip_feed(request: Request, zips: str) -> Response:
    """The newest changes that concern these ZIPs, those of agencies of the whole state among them."""
    codes = read_zips(zips)
    if codes is None:
        return missing(request)
    within = states_of(site_of(request), codes)
    return _feed(request, zip_path(codes), places=codes, within=within, what=", ".join(codes))


def _feed(
    request: Request, page: str, *, places: tuple[str, ...], within: tuple[str, ...], what: str | None
) -> Response:
    site = site_of(request)
    templates: Templates = request.app.state.templates
    language = language_of(request)
    with reading(site.engine) as conn:
        rows = store.latest(conn, places=places, within=within, limit=_ENTRIES)
        if len(rows) == _ENTRIES:
            last = store.latest(conn, places=places, within=within, changeset=rows[-1].changeset, limit=_MOST)
            rows = (*(row for row in rows if row.changeset != rows[-1].changeset), *last)
        began = min(
            filter(None, (store.first_read(conn, name) for name in site.sources)), default=site.clock()
        )
        head = load_head_header(conn)
    body = templates.render(
        language,
        "feed.atom",
        page=page,
        address="/feed.atom" if page == "/" else f"{page}/feed.atom",
        what=what,
        rows=rows,
        updated=_updated(rows[0]) if rows else began,
    ).encode()
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Vary": "Accept-Language, Cookie", "Content-Language": language} | head
    asked = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if tag in asked:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/atom+xml; charset=utf-8", headers=headers)


def _updated(row: StoredChange) -> object:
    return row.ended_at or row.first_seen_at
