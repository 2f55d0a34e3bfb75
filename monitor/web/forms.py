"""The subscribers' forms: submitted values, validated, and shown again without loss."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from itertools import groupby
from urllib.parse import urlencode

from starlette.requests import Request

from monitor import subscribers
from monitor.core.due import AT_ONCE, DEFAULT_HOUR, FREQUENCIES, ZONES
from monitor.messages import locale
from monitor.messages.layout import clean
from monitor.messages.place_names import name_place
from monitor.messages.placements import drop_article
from monitor.places.codes import is_area, parse_known_place, state_of_zip
from monitor.places.finder import PROBLEMS, FinderResult, find
from monitor.places.finder.one_place import remember_found
from monitor.places.finder.typed_list import split_places
from monitor.places.followed_areas import choose_followed, load_area
from monitor.places.gazetteer import Gazetteer, load
from monitor.storage import database_facts
from monitor.storage.engine import reading
from monitor.storage.people import Follow, Subscriber
from monitor.subscribers.signup import MOST_PLACES, zone_of_place
from monitor.web.pages import language_of, site_of, translate

CHANNEL = "email"
"""The channel that the sign-up form is for: the one place where the site names it."""
LONGEST = timedelta(days=2)
"""A form that was open for longer than this is shown again."""
LONGEST_TEXT = 12_000
"""The most characters of the places field: enough for the most places that can be followed, with long
names.
"""
SUGGESTIONS = 8
"""The most places that are suggested for an ambiguous or unknown text."""
_LONGEST_QUERY = 1000
_LONGEST_START = 64  # the most characters of a deep link (Bot API, deep linking)


class SignupFormContext:
    """The context of the sign-up form.

    Every page has one, so its parts are computed only when a template uses them.
    """

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
        """Why nobody can sign up now, as a sentence; None if they can."""
        return self._closed()

    @cached_property
    def stamp(self) -> str:
        """The signed creation time of this form."""
        return self._stamp()

    @cached_property
    def preview(self) -> str:
        """A sample alert."""
        return self._preview()

    def telegram(self, places: str) -> str | None:
        """The link that opens the bot with these places; None without a bot or before its name is known."""
        site = site_of(self._request)
        if not site.bot:
            return None
        with reading(site.engine) as conn:
            username = database_facts.get(conn, database_facts.BOT_USERNAME) or ""
        if not re.fullmatch(r"\w{5,32}", username, re.ASCII):
            return None
        # The bot reads underscores as separators: a deep link may contain neither spaces nor commas.
        read = read_places(places, site.finder)
        start = "_".join(dict.fromkeys(name for _, names, _ in read for name in names))
        return f"https://t.me/{username}" + (f"?start={start}" if 0 < len(start) <= _LONGEST_START else "")

    def browser(self, places: str) -> str:
        """The page for alerts in the browser, with these places filled in."""
        site = site_of(self._request)
        read = read_places(places, site.finder)
        names = dict.fromkeys(name for _, names, _ in read for name in names)
        query = urlencode([("place", name) for name in names])
        return site.url("/push") + (f"?{query}" if names and len(query) <= _LONGEST_QUERY else "")

    def write_places(self, places: Iterable[str]) -> str:
        """Format places for the places field."""
        return write_places(places, language_of(self._request))

    @property
    def frequencies(self) -> dict[str, str]:
        return {
            "at_once": translate(self._request, "Right away, whenever our checks find a change"),
            "daily": translate(self._request, "Once a day, if something has changed"),
            "weekly": translate(self._request, "Once a week (on Mondays), if something has changed"),
        }

    @property
    def hours(self) -> tuple[tuple[int, str], ...]:
        halves = ("a.m.", "p.m.") if language_of(self._request) == "es" else ("am", "pm")
        return tuple((hour, f"{(hour + 11) % 12 + 1}:00 {halves[hour >= 12]}") for hour in range(24))

    @property
    def zones(self) -> tuple[tuple[str, str], ...]:
        return tuple((zone, zone.partition("/")[2].replace("_", " ")) for zone in ZONES)


@dataclass(frozen=True, slots=True)
class FormValues:
    """The submitted values of a form, so that a mistake loses nothing."""

    address: str = ""
    places: str = ""
    lists: tuple[str, ...] = ()
    frequency: str = AT_ONCE
    hour: int = DEFAULT_HOUR
    zone: str = ""
    language: str = "en"
    pause: str = ""
    receipts: bool = True


def write_places(places: Iterable[str], language: str) -> str:
    """Format places for the places field: codes on one line, each area by its name on a line of its own.

    An area whose name would be read as something else is written as its key.
    """
    lines: list[str] = []
    for area, run in groupby(dict.fromkeys(places), is_area):
        names = [_name_to_type(place, language) if area else place for place in run]
        lines += names if area else [", ".join(names)]
    return "\n".join(lines)


def _name_to_type(place: str, language: str) -> str:
    for name in (drop_article(name_place(place, language)), name_place(place, "en")):
        if split_places(name, remember_found(load())) == [name] and choose_followed(find(name, load())) == (
            place,
        ):
            return name
    return place


def values_of_subscriber(
    one: Subscriber, follows: Iterable[Follow], timezone: str, language: str
) -> FormValues:
    """A subscriber's preferences as form values; ``language`` is that of the page."""
    found = tuple(follows)
    paused = one.paused_until if one.state == "paused" else None
    return FormValues(
        places=write_places((each.place for each in found), language),
        lists=tuple(dict.fromkeys(each.source for each in found)),
        frequency=one.frequency,
        hour=DEFAULT_HOUR if one.local_hour is None else one.local_hour,
        zone=one.timezone or "",
        language=one.language,
        pause=_day_at(paused, one.timezone or timezone) if paused else "",
        receipts=one.receipts,
    )


def blank_values(request: Request, places: Iterable[str]) -> FormValues:
    """Form values with these places and every list chosen."""
    names = list(places)
    zone = zone_of_place(names[0]) if names else ""
    return FormValues(
        places=write_places(names, language_of(request)),
        lists=tuple(site_of(request).sources),
        zone=zone,
        language=language_of(request),
    )


def read_url_values(request: Request) -> FormValues:
    """Blank form values with the places of the URL: ``?place=60601``."""
    given = request.query_params.getlist("place")[:MOST_PLACES]
    return blank_values(request, [name for text in given if (name := place(text))])


def read_submitted_values(
    places: str, lists: Iterable[str], frequency: str, hour_text: str, zone: str, language: str
) -> FormValues:
    """Read submitted values: overlong text is cut, an unknown choice becomes the default."""
    return FormValues(
        places=places[: LONGEST_TEXT + 1],
        lists=tuple(lists),
        frequency=frequency if frequency in FREQUENCIES else AT_ONCE,
        hour=hour(hour_text),
        zone=zone if zone in ZONES else "",
        language=language,
    )


def _day_at(at: datetime, timezone: str) -> str:
    """Format a day for an HTML date field."""
    return locale.local_day(at, timezone).isoformat()


def validate_places(
    request: Request, filled: FormValues, also: tuple[str, ...] = ()
) -> tuple[dict[str, str], tuple[Follow, ...]]:
    """Validate places and lists; returns problems by field, and the subscriptions in the order in which the
    places were typed.

    ``also`` names lists that are followed but not offered.
    """
    problems: dict[str, str] = {}
    names: list[str] = []
    for text, followed, result in read_places(filled.places, site_of(request).finder):
        if not followed:
            problems["places"] = _explain_unknown(request, text, result)
            break
        names += followed
        if len(set(names)) > MOST_PLACES:
            break
    if not problems and not names:
        problems["places"] = translate(
            request, "Enter at least one place: a ZIP code, a state, or US for the whole country."
        )
    elif len(set(names)) > MOST_PLACES or len(filled.places) > LONGEST_TEXT:
        problems["places"] = translate(
            request,
            "You can follow at most %(most)d places; a state includes all of its ZIP codes.",
            most=MOST_PLACES,
        )
    offered = {*site_of(request).sources, *also}
    if not filled.lists or not set(filled.lists) <= offered:
        problems["lists"] = translate(request, "Choose at least one list.")
    if problems:
        return problems, ()
    order = {name: number for number, name in reversed([*enumerate(names)])}
    follows = subscribers.list_follows(names, filled.lists, state_of_zip)
    return problems, tuple(sorted(follows, key=lambda each: (order[each.place], each.source)))


def read_places(text: str, gazetteer: Gazetteer) -> Iterator[tuple[str, tuple[str, ...], FinderResult]]:
    """Yield the entries of the places field: the text, the places that it means (empty if that is not
    certain), and the finder's result.
    """
    for entry in split_places(text, remember_found(gazetteer)):
        yield (entry, *_read_followed(entry, gazetteer))


def _read_followed(text: str, gazetteer: Gazetteer) -> tuple[tuple[str, ...], FinderResult]:
    """Read the places that one entry of the places field means (empty if that is not certain), and the
    finder's result.
    """
    name = place(text)
    result = find(text, gazetteer)
    if name is not None and (is_area(name) or result.kind != "question"):  # "LA": Louisiana or Los Angeles
        return (name,), result
    return choose_followed(result), result


def _explain_unknown(request: Request, text: str, result: FinderResult) -> str:
    """Explain that a text is not a place, with the places that it may mean."""
    if result.suggestions:
        return translate(
            request,
            "Which place is “%(place)s”? Write one of these: %(places)s.",
            place=clean(text, 40),
            places="; ".join(result.suggestions[:SUGGESTIONS]),
        )
    problem = result.problem or "nothing"
    return f"“{clean(text, 40)}”: {translate(request, PROBLEMS[problem])}"


def place(text: str) -> str | None:
    """Parse one place; None if it is not one."""
    name = parse_known_place(text)
    if name is None or not is_area(name):
        return name
    area = load_area(name)
    return area.key if area is not None else None


def hour(text: str) -> int:
    """Parse an hour of the day; the default for anything else."""
    return int(text) if re.fullmatch(r"1?\d|2[0-3]", text, re.ASCII) else DEFAULT_HOUR


def day(text: str) -> date | None:
    """Parse a day from a date field; None for anything else."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def sign_form_time(key: bytes, now: datetime) -> str:
    """Sign the creation time of a form: one that was not created here, or is days old, is shown again."""
    seconds = str(int(now.timestamp()))
    return f"{seconds}.{_signed(key, seconds)}"


def is_in_time(key: bytes, stamp: str, now: datetime) -> bool:
    """Whether a form was created here and submitted within days. There is no minimum time, because a browser
    may fill it in within a second.
    """
    seconds, _, signature = stamp.partition(".")
    if not hmac.compare_digest(signature.encode(), _signed(key, seconds).encode()):
        return False
    age = timedelta(seconds=now.timestamp() - int(seconds))
    return timedelta() <= age <= LONGEST


def _signed(key: bytes, text: str) -> str:
    return hmac.new(key, f"form\0{text}".encode(), hashlib.sha256).hexdigest()[:32]
