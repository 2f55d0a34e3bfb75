"""Answers inline queries, the bot's name and a place in any chat ("@bot Detroit"): the agencies that are
listed there today.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.bot import places
from monitor.bot.context import BotContext
from monitor.bot.replies import Html, Translator, paragraphs, safe
from monitor.messages.place_names import name_place
from monitor.messages.placements import drop_article
from monitor.places.codes import place_path
from monitor.places.finder import FinderResult, find
from monitor.places.followed_areas import find_area_key

_MOST = 5
LONGEST = 100
"""Characters of the text behind the bot's name that are read."""


@dataclass(frozen=True, slots=True)
class InlineResult:
    """One place to choose: its key, its name, and the message in Telegram HTML that a tap sends."""

    key: str
    title: str
    text: Html


def find_results(text: str, context: BotContext, translate: Translator) -> tuple[InlineResult, ...]:
    """Find the places that a text means, each with its listed agencies; empty for any other text."""
    if not text.strip():
        return ()
    chosen = _choose(find(text[:LONGEST], context.gazetteer))[:_MOST]
    return tuple(_describe(place, context, translate) for place in dict.fromkeys(chosen))


def _choose(result: FinderResult) -> list[str]:
    if result.zips or (result.sure and result.states):
        return list(result.places)
    areas = result.towns[:1] if result.sure else result.towns
    keys = [find_area_key(area) or (area.zips[0] if len(area.zips) == 1 else None) for area in areas[:_MOST]]
    return [*filter(None, keys), *result.states]


def _describe(place: str, context: BotContext, translate: Translator) -> InlineResult:
    name = drop_article(name_place(place, translate.language))
    told = places.render_covered(place, list(context.watched), context, translate)
    url = (context.public_url or "").rstrip("/")
    link = Html(f'<a href="{safe(url + place_path(place))}">{safe(context.name)}</a>') if url else Html()
    return InlineResult(place, name, paragraphs(Html(f"<b>{safe(name)}</b>"), told, link))
