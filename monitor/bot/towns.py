"""Answers the name of a town with its ZIP codes to choose from."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.bot.context import BotContext
from monitor.bot.replies import Button, Reply, Translator, paragraphs, rows
from monitor.errors import UsageError
from monitor.places import EVERYWHERE, TownZips, ZipKind, parse_place

_MOST_ZIPS = 24  # buttons; beyond that, typing the ZIP code is easier than finding its button
_MOST_STATES = 8
_LONGEST_DATA = 64  # bytes behind a button (Bot API, InlineKeyboardButton)


def named(words: Sequence[str], context: BotContext) -> tuple[TownZips, ...]:
    """The towns that words name ("Hammond IN", "Hammond"), largest first, each with its residential ZIPs."""
    name, state = " ".join(words), None
    for count in (3, 2, 1):  # "District of Columbia"
        if len(words) > count and (state := _state(" ".join(words[-count:]))) is not None:
            name = " ".join(words[:-count])
            break
    found: dict[str, TownZips] = {}
    for town in context.gazetteer.towns(name, state):
        zips = tuple(zip for zip in town.zips if _lived_in(zip, context))
        if zips:  # the largest of a name in a state is meant
            found.setdefault(town.state, TownZips(town.name, town.state, zips, town.population))
    return tuple(found.values())


def is_town_rather_than_states(words: Sequence[str]) -> bool:
    """Whether two words that both name states are a town and its state: "Indiana PA" is in Pennsylvania."""
    return (
        len(words) == 2
        and len(words[0]) > 2
        and len(words[1]) == 2
        and _state(words[0]) is not None
        and _state(words[1]) is not None
    )


def offer(towns: Sequence[TownZips], suffix: str, translate: Translator) -> Reply:
    """Answer a town's name.

    ``suffix`` is added to each button's command, so that it concerns the same chat.
    """
    town = towns[0]
    if len(towns) > 1:
        states = ", ".join(each.state for each in towns[:_MOST_STATES])
        return translate.refusal(
            "There is a town of that name in %(states)s. Write it with its state: /watch %(town)s, "
            "%(state)s.",
            states=states + (", …" if len(towns) > _MOST_STATES else ""),
            town=town.name,
            state=town.state,
        )
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


def _state(text: str) -> str | None:
    try:
        place = parse_place(text)
    except UsageError:
        return None
    return None if place.isdigit() or place == EVERYWHERE else place


def _lived_in(zip: str, context: BotContext) -> bool:
    area = context.gazetteer.zip(zip)
    return area is not None and area.kind is ZipKind.STANDARD
