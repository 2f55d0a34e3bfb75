"""Preview images of shared links: a card for each state, agency and changeset."""

from __future__ import annotations

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from monitor.messages import locale
from monitor.messages.layout import clean
from monitor.messages.locale import N_
from monitor.pictures.map_data import MapAgency, StateValues, sum_states
from monitor.pictures.map_drawing import draw_nation, draw_state
from monitor.pictures.share_card import WIDTH, draw_card
from monitor.states import STATES
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, page_queries, timeline
from monitor.web.agencies import find_agency
from monitor.web.context import Site
from monitor.web.error_pages import not_found_page
from monitor.web.list_status import ListStatus, load_statuses
from monitor.web.map_images import MapImages
from monitor.web.map_texts import MapTexts
from monitor.web.map_values import MapCache, place_on_map
from monitor.web.pages import language_of, site_of, translate
from monitor.web.presenters import Presenter
from monitor.web.routing import Router, get

router = Router()

_LISTED = N_("Listed now")
_GONE = N_("No longer listed")
_DIGITS = 9  # of a changeset's number


@get(router, "/card/state/{file}")
def state_card(request: Request, file: str) -> Response:
    """A state's card: how many of its agencies each list has, and its map of the list with the most."""
    site, code = site_of(request), file.removesuffix(".png")
    if code not in STATES or file == code:
        return not_found_page(request)
    language = language_of(request)
    texts, maps = MapTexts(language), _maps(request)
    found: list[tuple[ListStatus, StateValues]] = []
    with reading(site.engine) as conn:
        for listed in load_statuses(conn, site, site.clock()):
            state = maps.of(conn, listed.name, listed.number).states.get(code)
            if state is None or listed.seen_at is None:
                continue
            found.append((listed, state))
    lines = [texts.heading(clean(each.watched.title(language)), len(on.agencies), None) for each, on in found]
    drawing = ""
    if found:
        listed, state = max(found, key=lambda pair: len(pair[1].agencies))
        labels = texts.state_map(state, STATES[code], site.gazetteer, blind=listed.blind)
        drawing = draw_state(state, labels, standalone=True)
    return _png(request, draw_card(site.name, STATES[code], lines[:4], _source(site), drawing))


@get(router, "/card/agency/{source}/{file}")
def agency_card(request: Request, source: str, file: str) -> Response:
    """An agency's card: its list, whether it is on it, and where it is."""
    site, key = site_of(request), file.removesuffix(".png")
    if source not in site.sources or file == key:
        return not_found_page(request)
    language = language_of(request)
    with reading(site.engine) as conn:
        cover, agency = find_agency(site, conn, source, key, baseline.load_info(conn, source).number)
        versions = page_queries.load_versions(conn, source, agency) if agency else ()
    if not versions or agency is None:
        return not_found_page(request)
    listing = versions[-1].listing
    placement = cover.placement if cover else site.coverage.placement(source, listing)
    placed = place_on_map(site, source, agency, listing, placement)
    ended = versions[-1].to_at
    lines = [STATES.get(listing.state or "", "")] if listing.state in STATES else []
    lines.append(translate(request, _GONE if ended else _LISTED))
    title = clean(site.sources[source].title(language))
    drawing = _drawing_of(site, language, placed)
    return _png(request, draw_card(title, clean(listing.name), lines, _source(site), drawing))


@get(router, "/card/changes/{file}")
def changes_card(request: Request, file: str) -> Response:
    """A changeset's card: how many agencies were added and removed, when, and a map of the nation with their
    states.
    """
    site, number = site_of(request), file.removesuffix(".png")
    if file == number or not (number.isascii() and number.isdecimal()) or len(number) > _DIGITS:
        return not_found_page(request)
    language = language_of(request)
    with reading(site.engine) as conn:
        whole = timeline.load_changeset(conn, int(number), size=4)
        if whole is None:
            return not_found_page(request)
        drawing = _nation(request, conn, whole.source)
    words = Presenter(site, language)
    watched = site.sources.get(whole.source)
    names = [clean(name) for name in words.names(whole.rows[:4])]
    lines = [locale.moment(whole.at, site.timezone, language), *names]
    kicker = clean(watched.title(language) if watched else whole.source)
    return _png(request, draw_card(kicker, words.counts(whole.counts), lines, _source(site), drawing))


def _drawing_of(site: Site, language: str, placed: MapAgency) -> str:
    """Draw the map of an agency's state with only that agency."""
    if placed.state is None:
        return ""
    state = sum_states([placed], site.gazetteer).states[placed.state]
    labels = MapTexts(language).state_map(state, STATES[placed.state], site.gazetteer, blind=False)
    return draw_state(state, labels, standalone=True)


def _nation(request: Request, conn: Connection, source: str) -> str:
    if source not in site_of(request).sources:
        return ""
    values = _maps(request).of(conn, source, baseline.load_info(conn, source).number)
    labels = MapTexts(language_of(request)).nation(values, "", links={}, blind=False)
    return draw_nation(values, labels, standalone=True)


def _maps(request: Request) -> MapCache:
    maps: MapCache = request.app.state.map_cache
    return maps


def _source(site: Site) -> str:
    return site.public_url.partition("//")[2].rstrip("/")


def _png(request: Request, card: str) -> Response:
    images: MapImages = request.app.state.map_images
    answer = Response(images.png(card, WIDTH), media_type="image/png")
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Vary"] = "Accept-Language, Cookie"
    return answer
