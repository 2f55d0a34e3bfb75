"""What several mails say: what somebody follows and when they are written to, and who covers a place today."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.domain import PlacementReason, mark
from monitor.letters.sheet import MailSection, Voice
from monitor.messages import locale
from monitor.messages.placements import describe_placement
from monitor.render import clean
from monitor.states import STATES

LINKS = {name: mark(name) for name in ("confirm", "manage", "unsubscribe", "stop", "asked", "until")}
"""The recipient's own links, as they stand in a message until it is sent."""

NAMED = 6
"""ZIP codes that a heading names; it counts the others, which stand in what somebody follows."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody follows on one list: its title, and the places."""

    title: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """Who covers a place today, or several of which the same is true, on one list: (name, why) each. ``total`` counts all, also those
    that are not named; ``seen_at`` is the last good check.

    ``state_only``: none of them is the place's own, they cover its whole state. ``blind``: the list cannot be read right now.
    """

    places: tuple[str, ...]
    title: str
    agencies: tuple[tuple[str, PlacementReason | None], ...]
    total: int
    seen_at: datetime | None
    state_only: bool = False
    blind: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """How a list was watched: its title, the good checks, the last one, and the time without one."""

    title: str
    good: int
    last_good_at: datetime | None
    blind: timedelta


def schedule(voice: Voice, frequency: str, timezone: str | None, hour: int | None) -> str:
    """When somebody is written to, as a sentence."""
    _ = said(voice)
    if frequency == "at_once":
        return _("You get each change as soon as our checks find it.")
    at = _hour(hour or 0, voice.language)
    zone = (timezone or "UTC").replace("_", " ")
    if frequency == "weekly":
        return _(
            "You get one mail a week, on Mondays at %(hour)s (%(zone)s), if something has changed.",
            hour=at,
            zone=zone,
        )
    return _("You get one mail a day, at %(hour)s (%(zone)s), if something has changed.", hour=at, zone=zone)


def place(name: str, language: str) -> str:
    """A place as it is called: "60601", "Illinois", "the whole country"."""
    return (
        locale.translations(language).gettext("the whole country") if name == "US" else STATES.get(name, name)
    )


def _hour(hour: int, language: str) -> str:
    """An hour of the day: "8 am", "8 a.m."."""
    half = ("a.m.", "p.m.") if language == "es" else ("am", "pm")
    return f"{(hour + 11) % 12 + 1} {half[hour >= 12]}"


def follows(
    voice: Voice, wanted: Sequence[Wanted], when: str, title: str | None = None
) -> tuple[MailSection, ...]:
    """What somebody follows, a list a line, and when they are written to."""
    _ = said(voice)
    lines = [
        f"{clean(each.title)}: {', '.join(place(name, voice.language) for name in each.places)}"
        for each in wanted
    ]
    return (MailSection(title or _("What you follow"), (*lines, *((when,) if when else ()))),)


def standing(voice: Voice, today: Today) -> MailSection:
    """Who covers a place today, in words: three different sentences for none, only state-wide ones, and a list that cannot be seen."""
    _ = said(voice)
    seen = locale.moment(today.seen_at, voice.timezone, voice.language) if today.seen_at else ""
    where = ", ".join(place(each, voice.language) for each in today.places[:NAMED])
    if len(today.places) > NAMED:
        where = _("%(places)s and %(count)d more", places=where, count=len(today.places) - NAMED)
    title = f"{where[:1].upper()}{where[1:]} · {clean(today.title)}"
    lines: list[str] = []
    if today.blind:
        lines.append(
            _("We cannot see this list right now. Our last good check was on %(when)s.", when=seen)
            if seen
            else _("We have not been able to see this list yet.")
        )
    if today.seen_at is not None:
        if not today.total:
            lines.append(_("No agency listed at our check on %(when)s.", when=seen))
        elif today.state_only:
            lines.append(_("No agency of this place is listed; these cover the whole state:"))
        lines += [
            f"{clean(name)}: {clean(describe_placement(why, voice.language))}" if why else clean(name)
            for name, why in today.agencies
        ]
        left = today.total - len(today.agencies)
        if left:
            lines.append(
                locale.translations(voice.language).ngettext(
                    "%(count)d more agency", "%(count)d more agencies", left
                )
                % {"count": left}
                if today.agencies
                else locale.translations(voice.language).ngettext(
                    "%(count)s agency is listed", "%(count)s agencies are listed", left
                )
                % {"count": locale.number(left, voice.language)}
            )
    return MailSection(title, tuple(lines))


def watch(voice: Voice, one: Watch) -> MailSection:
    """How well one list was looked at."""
    _ = said(voice)
    lines = [
        locale.translations(voice.language).ngettext(
            "%(count)s good check", "%(count)s good checks", one.good
        )
        % {"count": locale.number(one.good, voice.language)}
    ]
    if one.last_good_at is not None:
        lines.append(
            _("The last one: %(when)s", when=locale.moment(one.last_good_at, voice.timezone, voice.language))
        )
    hours = round(one.blind / timedelta(hours=1))
    lines.append(
        locale.translations(voice.language).ngettext(
            "%(count)d hour without one", "%(count)d hours without one", hours
        )
        % {"count": hours}
        if hours
        else _("Never longer without one than between two checks")
    )
    return MailSection(clean(one.title), tuple(lines))


def links(voice: Voice) -> tuple[tuple[str, str], ...]:
    """What stands at the end of a mail."""
    _ = said(voice)
    if voice.managed:
        return ((_("Change, pause or stop"), LINKS["manage"]), (_("Unsubscribe"), LINKS["unsubscribe"]))
    return ((_("Stop these alerts"), LINKS["stop"]),)


def said(voice: Voice) -> Callable[..., str]:
    """Says a sentence in the voice's language; words stand in it as ``%(name)s``."""
    gettext = locale.translations(voice.language).gettext

    def say(sentence: str, **words: object) -> str:
        return gettext(sentence) % words if words else gettext(sentence)

    return say
