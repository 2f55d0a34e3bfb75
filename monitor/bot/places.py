"""Reads the places that people type, and describes a place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from monitor.bot.context import BotContext
from monitor.bot.replies import Html, Translator, bullets, paragraphs, safe
from monitor.core.freshness import freshness
from monitor.domain import Listing, Placement
from monitor.errors import UsageError
from monitor.messages import locale
from monitor.messages.layout import neutralize
from monitor.messages.locale import N_
from monitor.messages.place_names import name_place
from monitor.messages.placements import describe_placement
from monitor.places import EVERYWHERE, MILITARY, STATES, ZipArea, ZipKind, parse_place
from monitor.places.codes import is_area, names_radius
from monitor.places.followed_areas import load_area
from monitor.storage import engine as db
from monitor.storage.lists import overview

_MOST_AGENCIES = 8

NO_PLACE = N_("Send a ZIP code or a state, such as /watch 60601 or /watch IL.")
NOT_A_PLACE = N_(
    "I found no such place. Send a ZIP code (60601), a town (Hammond, IN), a county (Cook County, IL), a "
    "radius (10 miles of 60601), a state (IL), or US."
)
RADIUS = N_("Enter a radius as 10 or 25 miles of a ZIP code: /watch 10 miles of 60601.")
DIGITS = N_("A ZIP code has five digits. If yours starts with zeros, write them: they are never guessed.")
REGION = N_("That is a military region, not a state. Send the ZIP code of the base, or US for everything.")
UNASSIGNED = N_("%(zip)s is not a ZIP code: its first digits belong to no state.")


@dataclass(frozen=True, slots=True)
class NotAPlace:
    """Why words are not places: a sentence of the catalog and its value."""

    sentence: str
    zip: str = ""


UNREAD = (NotAPlace(NOT_A_PLACE), NotAPlace(DIGITS))
"""Reasons why words are not codes of places; they may be names or an address."""


@dataclass(frozen=True, slots=True)
class LastRead:
    """When a list was last read, as text; None: never. ``blind``: too long ago to know what it shows now."""

    at: str | None
    blind: bool


def read(words: Sequence[str], context: BotContext) -> dict[str, str | None] | NotAPlace:
    """Parse the places that words name, each with its state if it is a ZIP: one place of several words, or
    several places. Names of towns and counties are not parsed here.
    """
    if not words:
        return NotAPlace(NO_PLACE)
    whole = " ".join(words)
    try:
        found = [parse_place(whole)]
    except UsageError:
        try:
            found = [parse_place(word) for word in words]
        except UsageError:
            return NotAPlace(_why(words))
    places: dict[str, str | None] = {}
    for place in found:
        if is_area(place) and load_area(place) is None:
            return NotAPlace(NOT_A_PLACE)
        within = context.gazetteer.state_of_zip(place) if place.isdigit() else None
        if place.isdigit() and within is None:
            return NotAPlace(UNASSIGNED, place)
        places[place] = within
    return places


def format_place(place: str, context: BotContext, translate: Translator) -> Html:
    """Format a place for people: "60601 (Chicago, IL)", "IL (Illinois)", "Cook County, IL"."""
    if place == EVERYWHERE:
        return translate("US (every change anywhere)")
    if is_area(place):
        return safe(name_place(place, translate.language))
    if not place.isdigit():
        return safe(f"{place} ({STATES[place]})" if place in STATES else place)
    area = context.gazetteer.zip(place)
    if area is None:
        return safe(place)
    town = area.city  # the name of a military post office includes its region: "APO AE"
    return safe(f"{place} ({town})" if town.endswith(f" {area.state}") else f"{place} ({town}, {area.state})")


def format_on_button(place: str, translate: Translator) -> str:
    """Format a place to fit on a button: "60601", "IL", "Cook County, IL"."""
    return name_place(place, translate.language) if is_area(place) else place


def render_notices(place: str, context: BotContext, translate: Translator) -> Html:
    """Render notices about a place for people who watch it; usually empty."""
    if not place.isdigit():
        return Html()
    area = context.gazetteer.zip(place)
    if area is not None:
        return Html("\n".join(_of(area, translate)))
    state = context.gazetteer.state_of_zip(place)
    if state in MILITARY:
        return translate(_MILITARY, zip=place)
    name = STATES.get(state or "", "")
    return translate(
        "%(zip)s is not a ZIP code that we know. By its first digits it is in %(state)s: only agencies of "
        "the whole state match.",
        zip=place,
        state=name,
    )


def render_covered(place: str, sources: Sequence[str], context: BotContext, translate: Translator) -> Html:
    """Render which agencies cover a place today on the chosen lists; empty for the whole country.

    "None", "only statewide agencies" and "not known" are three different sentences.
    """
    covering, key = context.covering, place
    if covering is None or place == EVERYWHERE or context.gazetteer.state_of_zip(place) in MILITARY:
        return Html()
    place = name_place(place, translate.language)
    told: list[Html] = []
    any_agency = False
    for source in sources:
        seen, title = (
            load_last_read(source, context, translate),
            context.watched[source].title(translate.language),
        )
        if seen.at is None:
            told.append(
                translate(
                    "%(title)s: not read yet, so what it shows for %(place)s is not known.",
                    title=title,
                    place=place,
                )
            )
            continue
        if seen.blind:
            told.append(
                translate(
                    "%(title)s: we cannot see this list right now; the last good check was %(at)s.",
                    title=title,
                    at=seen.at,
                )
            )
            continue
        found = tuple(covering(source, key))
        local = tuple(pair for pair in found if key in STATES or not pair[1].statewide)
        if not found:
            sentence = N_("%(title)s: no agency for %(place)s at our check of %(at)s.")
        elif not local:
            sentence = N_("%(title)s: only agencies of the whole state for %(place)s at our check of %(at)s:")
        else:
            sentence = N_("%(title)s, for %(place)s at our check of %(at)s:")
        statewide = tuple(pair for pair in found if pair not in local)
        head, agencies = (
            translate(sentence, title=title, place=place, at=seen.at),
            _agencies(local + statewide, translate),
        )
        told.append(Html(f"{head}\n{agencies}") if agencies else head)
        any_agency = any_agency or bool(found)
    if any_agency:
        told.append(
            translate("Which agency serves a ZIP code is an estimate from names, towns and counties.")
        )
    return paragraphs(*told)


def load_last_read(source: str, context: BotContext, translate: Translator) -> LastRead:
    """Read when a list was last read."""
    with db.reading(context.engine) as conn:
        state = overview.load_overview(conn, source)
    every = context.watched[source].every
    seen = freshness(state.last_good_at, state.last_fetch_at, every, context.clock())
    at = _moment(seen.last_good_at, context, translate) if seen.last_good_at else None
    return LastRead(at, not seen.visible)


def _moment(at: datetime, context: BotContext, translate: Translator) -> str:
    return locale.moment(at, context.timezone, translate.language)


def _agencies(found: Sequence[tuple[Listing, Placement]], translate: Translator) -> Html:
    shown = [
        Html(
            f"<b>{neutralize(safe(listing.name))}</b> "
            f"{neutralize(safe(describe_placement(placement.reason, translate.language)))}"
        )
        for listing, placement in found[:_MOST_AGENCIES]
    ]
    more = len(found) - len(shown)
    if more:
        shown.append(translate.count("and %(count)s more", "and %(count)s more", more))
    return bullets(shown)


_MILITARY = N_("%(zip)s is a military or diplomatic post office: no local agency can be matched to it.")


def _of(area: ZipArea, translate: Translator) -> list[Html]:
    said = []
    match area.kind:
        case ZipKind.MILITARY:
            said.append(translate(_MILITARY, zip=area.zip))
        case ZipKind.PO_BOX:
            said.append(
                translate(
                    "%(zip)s has no area of its own: PO boxes or one large receiver. Matches are those of "
                    "its post office's town.",
                    zip=area.zip,
                )
            )
        case ZipKind.UNIQUE:
            said.append(
                translate(
                    "%(zip)s belongs to one large receiver and has no area of its own. Matches are those "
                    "of its town.",
                    zip=area.zip,
                )
            )
        case ZipKind.STANDARD:
            pass
    if len(area.states) > 1:
        said.append(
            translate(
                "%(zip)s reaches into %(others)s; agencies of the whole state match for %(state)s only.",
                zip=area.zip,
                others=", ".join(STATES[state] for state in area.states[1:]),
                state=STATES[area.state],
            )
        )
    return said


def _why(words: Sequence[str]) -> str:
    """Choose the most helpful sentence for words that are not a place."""
    if names_radius(" ".join(words)):
        return RADIUS
    for word in words:
        if word.upper() in MILITARY:
            return REGION
        if re.fullmatch(r"[\d-]+", word) and not re.fullmatch(r"\d{5}(-?\d{4})?", word, re.ASCII):
            return DIGITS
    return NOT_A_PLACE
