"""Answers the name of a town with its ZIP codes to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.bot.context import BotContext
from monitor.bot.replies import Button, Reply, Translator, paragraphs, rows
from monitor.errors import UsageError
from monitor.places import EVERYWHERE, ZipKind, parse_place
from monitor.places.finder import FinderResult, find

_MOST_ZIPS = 24  # buttons; beyond that, typing the ZIP code is easier than finding its button
_MOST_STATES = 8
_LONGEST_DATA = 64  # bytes behind a button (Bot API, InlineKeyboardButton)


def find_areas(words: Sequence[str], context: BotContext) -> FinderResult:
    """Find areas that words name ("Hammond IN", "Cook County", "NYPD"), each with its residential ZIPs."""
    result = find(" ".join(words), context.gazetteer)
    areas = result.towns[:1] if result.sure else result.towns
    lived_in = (
        replace(area, zips=tuple(zip for zip in area.zips if _lived_in(zip, context))) for area in areas
    )
    return replace(result, towns=tuple(area for area in lived_in if area.zips))


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

    A state's full name means the state, since the bot answers commands and has watched it for "New York".
    """
    text = " ".join(words)
    return len(text.replace(".", "")) == 2 and find(text, context.gazetteer).kind == "question"


def offer(result: FinderResult, suffix: str, translate: Translator) -> Reply:
    """Answer a town's name with its ZIP codes, or ask which town is meant.

    ``suffix`` is added to each button's command, so that it concerns the same chat.
    """
    town = result.towns[0]
    if result.kind in ("typo", "question"):
        return _ask_which(result, suffix, translate)
    name = f"{town.name}, {town.state}"
    if len(town.zips) > _MOST_ZIPS:
        return translate.refusal(
            "%(town)s has many ZIP codes. Send me yours, such as /watch %(zip)s.", town=name, zip=town.zips[0]
        )
    buttons = [Button(zip, f"watch {zip}{suffix}") for zip in town.zips]
    together = f"watch {' '.join(town.zips)}{suffix}"
    if len(town.zips) > 1 and len(together) <= _LONGEST_DATA:
        buttons.append(Button(translate("All of them"), together))
    return Reply(
        paragraphs(translate("Choose a ZIP code of <b>%(town)s</b>:", town=name)), rows(buttons, wide=4)
    )


def _ask_which(result: FinderResult, suffix: str, translate: Translator) -> Reply:
    """Ask which place is meant, with a button for each."""
    town = result.towns[0]
    states = list(dict.fromkeys(each.state for each in result.towns))
    if result.typo:
        text = translate("Did you mean one of these?")
    elif result.states:
        text = translate("Which place do you mean?")
    else:
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
