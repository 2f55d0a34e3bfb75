"""The forms of the people's pages as they were filled in: read with patience, checked, and shown again with nothing lost."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from fastapi import Request

from monitor import subscribers
from monitor.core.due import AT_ONCE, DEFAULT_HOUR, ZONES
from monitor.errors import UsageError
from monitor.places.codes import parse_place, state_of_zip
from monitor.render import clean
from monitor.storage import facts
from monitor.storage.engine import reading
from monitor.storage.people import Follow, Subscriber
from monitor.subscribers.signup import MOST_PLACES, zone_of_place
from monitor.web.pages import language_of, say, site_of

FASTEST = timedelta(seconds=2)
"""Nobody reads and fills the form in less."""
LONGEST = timedelta(days=2)
"""A form that was left open for longer is shown again."""
LONGEST_TEXT = 2000
"""Characters of places that are read."""
_LONGEST_START = 64  # characters that a deep link may carry (Bot API, deep linking)


class Offer:
    """What the form offers to one reader. Every page has one at hand, so nothing of it is made before a template asks for it."""

    def __init__(
        self,
        request: Request,
        *,
        closed: Callable[[], str | None],
        stamp: Callable[[], str],
        preview: Callable[[], str],
    ) -> None:
        self._request, self._closed, self._stamp, self._preview = request, closed, stamp, preview

    @cached_property
    def closed(self) -> str | None:
        """Why nobody can sign up, in words."""
        return self._closed()

    @cached_property
    def stamp(self) -> str:
        """When this form was made, signed."""
        return self._stamp()

    @cached_property
    def preview(self) -> str:
        """What an alert looks like."""
        return self._preview()

    def telegram(self, places: str) -> str | None:
        """The link that opens the bot and asks it for these places; None where there is no bot, or its name is not known yet."""
        site = site_of(self._request)
        if not site.bot:
            return None
        with reading(site.engine) as conn:
            username = facts.get(conn, facts.BOT_USERNAME) or ""
        if not re.fullmatch(r"\w{5,32}", username, re.ASCII):
            return None
        # the bot takes underscores for what stands between places: a deep link may hold neither blanks nor commas
        start = "_".join(dict.fromkeys(name for text in _split(places) if (name := place(text))))
        return f"https://t.me/{username}" + (f"?start={start}" if 0 < len(start) <= _LONGEST_START else "")

    @property
    def frequencies(self) -> dict[str, str]:
        return {
            "at_once": say(self._request, "At once, whenever our checks find a change"),
            "daily": say(self._request, "Once a day, if something has changed"),
            "weekly": say(self._request, "Once a week (on Mondays), if something has changed"),
        }

    @property
    def hours(self) -> tuple[tuple[int, str], ...]:
        halves = ("a.m.", "p.m.") if language_of(self._request) == "es" else ("am", "pm")
        return tuple((hour, f"{(hour + 11) % 12 + 1}:00 {halves[hour >= 12]}") for hour in range(24))

    @property
    def zones(self) -> tuple[tuple[str, str], ...]:
        return tuple((zone, zone.partition("/")[2].replace("_", " ")) for zone in ZONES)


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it was filled in, to be shown again: nothing is lost by a mistake."""

    address: str = ""
    places: str = ""
    lists: tuple[str, ...] = ()
    frequency: str = AT_ONCE
    hour: int = DEFAULT_HOUR
    zone: str = ""
    language: str = "en"
    pause: str = ""
    receipts: bool = True


def as_it_is(one: Subscriber, follows: Iterable[Follow], timezone: str) -> Filled:
    """A subscriber's preferences as a filled form."""
    found = tuple(follows)
    paused = one.paused_until if one.state == "paused" else None
    return Filled(
        places=", ".join(dict.fromkeys(each.place for each in found)),
        lists=tuple(dict.fromkeys(each.source for each in found)),
        frequency=one.frequency,
        hour=DEFAULT_HOUR if one.local_hour is None else one.local_hour,
        zone=one.timezone or "",
        language=one.language,
        pause=_day_at(paused, one.timezone or timezone) if paused else "",
        receipts=one.receipts,
    )


def blank(request: Request, places: Iterable[str]) -> Filled:
    """A form in which only places stand, with every list chosen."""
    names = list(places)
    zone = zone_of_place(names[0]) if names else ""
    return Filled(
        places=", ".join(names),
        lists=tuple(site_of(request).sources),
        zone=zone,
        language=language_of(request),
    )


def _day_at(at: datetime, timezone: str) -> str:
    """A day as a date field wants it."""
    return at.astimezone(ZoneInfo(timezone)).date().isoformat()


def checked(
    request: Request, filled: Filled, also: tuple[str, ...] = ()
) -> tuple[dict[str, str], tuple[Follow, ...]]:
    """What is wrong with places and lists, by field, and what they come to, in the order in which the places were written. ``also`` are
    lists that are followed but not offered.
    """
    problems: dict[str, str] = {}
    names: list[str] = []
    for text in _split(filled.places):
        name = place(text)
        if name is None:
            problems["places"] = say(
                request,
                "“%(place)s” is neither a ZIP code nor a state. Write five digits, or a state such as IL; our first page finds the ZIP codes of a town.",
                place=clean(text, 40),
            )
            break
        names.append(name)
    if not problems and not names:
        problems["places"] = say(
            request, "Write at least one place: a ZIP code, a state, or US for the whole country."
        )
    elif len(set(names)) > MOST_PLACES:
        problems["places"] = say(
            request, "At most %(most)d places fit; a state holds all of its ZIP codes.", most=MOST_PLACES
        )
    offered = {*site_of(request).sources, *also}
    if not filled.lists or not set(filled.lists) <= offered:
        problems["lists"] = say(request, "Choose at least one list.")
    if problems:
        return problems, ()
    order = {name: number for number, name in reversed([*enumerate(names)])}
    follows = subscribers.wanted(names, filled.lists, state_of_zip)
    return problems, tuple(sorted(follows, key=lambda each: (order[each.place], each.source)))


def _split(text: str) -> list[str]:
    """Places as people write them: by commas or lines; ZIP codes also by spaces. "IL 60601" is one ZIP code, as on an envelope."""
    found: list[str] = []
    for part in re.split(r"[,;/&+\n]+", text):
        words = part.split()
        if len(words) == 2 and words[1].isdigit() and words[0].upper() == state_of_zip(words[1]):
            del words[0]
        if len(words) > 1 and all(
            re.fullmatch(r"\d{5}(-\d{4})?|[A-Za-z]{2}", word, re.ASCII) for word in words
        ):
            found += words
        elif words:
            found.append(" ".join(words))
    return found


def place(text: str) -> str | None:
    """The place that somebody means; None for none."""
    try:
        name = parse_place(text[:100])
    except UsageError:
        return None
    return None if name.isdigit() and state_of_zip(name) is None else name


def hour(text: str) -> int:
    """An hour of the day; the usual one for anything else."""
    return int(text) if re.fullmatch(r"1?\d|2[0-3]", text, re.ASCII) else DEFAULT_HOUR


def day(text: str) -> date | None:
    """A day as a date field gives it; None for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def stamped(key: bytes, now: datetime) -> str:
    """When a form was made, signed: what comes back with it says how long it took."""
    seconds = str(int(now.timestamp()))
    return f"{seconds}.{_signed(key, seconds)}"


def in_time(key: bytes, stamp: str, now: datetime, fastest: timedelta = FASTEST) -> bool:
    """Whether a form comes back no sooner than a person could send it, and not days later."""
    seconds, _, signature = stamp.partition(".")
    if not hmac.compare_digest(signature.encode(), _signed(key, seconds).encode()):
        return False
    age = timedelta(seconds=now.timestamp() - int(seconds))
    return fastest <= age <= LONGEST


def _signed(key: bytes, text: str) -> str:
    return hmac.new(key, f"form\0{text}".encode(), hashlib.sha256).hexdigest()[:32]
