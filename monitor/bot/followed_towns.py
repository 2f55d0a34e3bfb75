"""Answers the name of a town with its ZIP codes to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.bot.context import BotContext
from monitor.bot.replies import Button, Reply, Translator, paragraphs, rows
from monitor.errors import UsageError
from monitor.places import EVERYWHERE, TownZips, ZipKind, parse_place
from monitor.places.finder import FinderResult, find
from monitor.places.followed_areas import find_area_key, load_area

_MOST_ZIPS = 24  # buttons; beyond that, typing the ZIP code is easier than finding its button
_MOST_STATES = 8
_LONG_WORD, _KNOWN = 6, 20_000  # minimum letters and population for a misspelled word to be read as a town
_LONGEST_DATA = 64  # bytes behind a button (Bot API, InlineKeyboardButton)


def find_areas(words: Sequence[str], context: BotContext) -> FinderResult:
    """Find areas that words name ("Hammond IN", "Cook County", "NYPD"), each with its residential ZIPs and,
    if it can be followed as one place, its key.
    """
    result = find(" ".join(words), context.gazetteer)
    areas = result.towns[:1] if result.sure else result.towns
    lived_in = (_with_key(area, result.sure, context) for area in areas)
    return replace(result, towns=tuple(area for area in lived_in if area.zips))


def _with_key(area: TownZips, sure: bool, context: BotContext) -> TownZips:
    key = find_area_key(area) if sure else None
    known = load_area(key) if key and area.kind == "agency" else None  # an agency is shown by its town's name
    zips = tuple(zip for zip in area.zips if _lived_in(zip, context))
    return replace(area, zips=zips, key=key or "", name=known.name if known else area.name)


def is_town_rather_than_states(words: Sequence[str]) -> bool:
    """Whether two words that both name states are a town and its state: "Indiana PA" is in Pennsylvania."""
    return (
        len(words) == 2
        and len(words[0]) > 2
        and len(words[1]) == 2
        and _state(words[0]) is not None
        and _state(words[1]) is not None
    )


def is_state_or_town(words: Sequence[str], context: BotContext) -> bool:
    """Whether the words are two letters that mean a state and a town: "LA" is Louisiana or Los Angeles.

    A state's full name means the state, because the bot has always read "New York" so.
    """
    text = " ".join(words)
    return len(text.replace(".", "")) == 2 and find(text, context.gazetteer).kind == "question"


def is_likely_meant(words: Sequence[str], result: FinderResult) -> bool:
    """Whether words without a command name a place: a word similar to a small town's name is more likely a
    greeting.
    """
    if not result.typo:
        return True
    known = result.states or max(town.population for town in result.towns) >= _KNOWN
    return len("".join(words)) >= _LONG_WORD and bool(known)


def offer(result: FinderResult, suffix: str, translate: Translator) -> Reply:
    """Answer a town's name with its ZIP codes, or ask which town is meant.

    ``suffix`` is added to each button's command, so that it concerns the same chat.
    """
    if result.kind in ("typo", "question"):
        return _ask_which(result, suffix, translate)
    town = result.towns[0]
    name = f"{town.name}, {town.state}"
    together = f"watch {town.key or ' '.join(town.zips)}{suffix}"
    whole = Button(translate("All of %(town)s", town=town.name), together)
    all_of_it = [whole] if len(town.zips) > 1 and len(together) <= _LONGEST_DATA else []
    if len(town.zips) > _MOST_ZIPS:
        text = translate(
            "<b>%(town)s</b> has many ZIP codes. Send me yours, such as /watch %(zip)s, or watch all of it:",
            town=name,
            zip=town.zips[0],
        )
        return Reply(text, rows(all_of_it))
    buttons = [Button(zip, f"watch {zip}{suffix}") for zip in town.zips]
    return Reply(
        paragraphs(translate("Choose a ZIP code of <b>%(town)s</b>:", town=name)),
        (*rows(buttons, wide=4), *rows(all_of_it)),
    )


def _ask_which(result: FinderResult, suffix: str, translate: Translator) -> Reply:
    """Ask which place is meant, with a button for each."""
    states = list(dict.fromkeys(each.state for each in result.towns))
    if result.typo:
        text = translate("Did you mean one of these?")
    elif result.unknown:
        text = translate("I found no place called %(words)s. The others:", words=", ".join(result.unknown))
    elif result.states or len({each.name.partition(" (")[0] for each in result.towns}) > 1:
        text = translate("Which place do you mean?")
    else:
        town = result.towns[0]
        text = translate(
            "There is a town of that name in %(states)s. Write it with its state: /watch %(town)s, "
            "%(state)s.",
            states=", ".join(states[:_MOST_STATES]) + (", …" if len(states) > _MOST_STATES else ""),
            town=town.name,
            state=town.state,
        )
    buttons = (Button(label, f"watch {label}{suffix}") for label in result.suggestions[:_MOST_STATES])
    return Reply(text, rows((b for b in buttons if len(b.command.encode()) <= _LONGEST_DATA), wide=2))


def _state(text: str) -> str | None:
    try:
        place = parse_place(text)
    except UsageError:
        return None
    return None if place.isdigit() or place == EVERYWHERE else place


def _lived_in(zip: str, context: BotContext) -> bool:
    area = context.gazetteer.zip(zip)
    return area is not None and area.kind is ZipKind.STANDARD
