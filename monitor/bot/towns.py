"""A town where a ZIP code was asked for: its ZIP codes, to choose from."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.bot.context import BotContext
from monitor.bot.text import Button, Reply, Says, paragraphs, rows
from monitor.errors import UsageError
from monitor.places import EVERYWHERE, TownZips, ZipKind, parse_place

_MOST_ZIPS = 24  # buttons; whoever lives in a larger town knows the ZIP code better than a wall of them
_MOST_STATES = 8
_LONGEST_DATA = 64  # bytes behind a button (Bot API, InlineKeyboardButton)


def named(words: Sequence[str], parts: BotContext) -> tuple[TownZips, ...]:
    """The towns that words name ("Hammond IN", "Hammond"), the largest first, each with the ZIPs in which people live."""
    name, state = " ".join(words), None
    for count in (3, 2, 1):  # "District of Columbia"
        if len(words) > count and (state := _state(" ".join(words[-count:]))) is not None:
            name = " ".join(words[:-count])
            break
    found: dict[str, TownZips] = {}
    for town in parts.gazetteer.towns(name, state):
        zips = tuple(zip for zip in town.zips if _lived_in(zip, parts))
        if zips:  # the largest of a name in a state is meant
            found.setdefault(town.state, TownZips(town.name, town.state, zips, town.population))
    return tuple(found.values())


def is_town_rather_than_states(words: Sequence[str]) -> bool:
    """Whether two words that both are states are a town and its state: "Indiana PA" is in Pennsylvania."""
    return (
        len(words) == 2
        and len(words[0]) > 2
        and len(words[1]) == 2
        and _state(words[0]) is not None
        and _state(words[1]) is not None
    )


def offer(towns: Sequence[TownZips], mark: str, says: Says) -> Reply:
    """What to say to a town's name. ``mark`` is what a button adds to its command to be about the same chat."""
    town = towns[0]
    if len(towns) > 1:
        states = ", ".join(each.state for each in towns[:_MOST_STATES])
        return says.refusal(
            "There is a town of that name in %(states)s. Write it with its state: /watch %(town)s, %(state)s.",
            states=states + (", …" if len(towns) > _MOST_STATES else ""),
            town=town.name,
            state=town.state,
        )
    name = f"{town.name}, {town.state}"
    if len(town.zips) > _MOST_ZIPS:
        return says.refusal(
            "%(town)s has many ZIP codes. Send me yours, such as /watch %(zip)s.", town=name, zip=town.zips[0]
        )
    buttons = [Button(zip, f"watch {zip}{mark}") for zip in town.zips]
    together = f"watch {' '.join(town.zips)}{mark}"
    if len(town.zips) > 1 and len(together) <= _LONGEST_DATA:
        buttons.append(Button(says("All of them"), together))
    return Reply(paragraphs(says("Choose a ZIP code of <b>%(town)s</b>:", town=name)), rows(buttons, wide=4))


def _state(text: str) -> str | None:
    try:
        place = parse_place(text)
    except UsageError:
        return None
    return None if place.isdigit() or place == EVERYWHERE else place


def _lived_in(zip: str, parts: BotContext) -> bool:
    area = parts.gazetteer.zip(zip)
    return area is not None and area.kind is ZipKind.STANDARD
