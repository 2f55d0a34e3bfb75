"""An alert as people read it: one value in, one message out; nothing is sent and nothing is looked up.

`view` says in neutral terms what happened to one listing, ``templates/words/LANGUAGE.j2`` makes sentences of that, and the layouts (mail
as text and HTML, posts for Telegram) put them in their place, escaping for where they go. A language is one file of words.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateNotFound, select_autoescape

from monitor import i18n
from monitor.domain import Alert, Change, Confidence, Kind, Listing, Meaning, Message, Told, mark
from monitor.states import STATES

MARKS: Mapping[str, str] = {"stop": mark("stop"), "asked": mark("asked")}
"""The recipient's own words in a message: how to stop (a link), and the day they asked (`asked_on`). Only mails hold them, posts do not."""

LONGEST = 200
"""Characters of a text from outside that anybody is shown."""

SHOWN = 200
"""Changes that one message spells out; it counts the others and says where they are."""

_SUBJECT_NAME = 80
_ATTRIBUTES = 6
_DIFFERENCES = 10
_MEANING = 1500
_GIST = 400
WIDTH = 76
"""Columns of a plain text."""
_PIECE = 4000  # UTF-16 units of a piece of a post, which is never cut: below the 4,096 of a whole one
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^\W\d_a-z])")
_ORDER = ("added", "again", "removed", "renamed", "changed")


# --- the neutral view ---


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in the reader's zone."""

    local: datetime

    year = property(lambda self: self.local.year)
    month = property(lambda self: self.local.month)
    day = property(lambda self: self.local.day)
    hour = property(lambda self: self.local.hour)
    minute = property(lambda self: self.local.minute)

    @property
    def zone(self) -> str:
        """ "CST"; zones without an abbreviation are written as "UTC+03"."""
        name = self.local.tzname() or "UTC"
        return f"UTC{name}" if name[:1] in "+-" else name

    def same_day(self, other: Moment) -> bool:
        return self.local.date() == other.local.date()


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of a changed listing, before and after, as shown."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One told change, in terms that the sentences of any language are made of.

    ``what``: added, again, removed, renamed or changed. ``short`` is the name for a subject line. ``own_date_age``: days from the
    publisher's own date to the check that found the listing. ``reach_matters``: the placement's reason says why this person is told.
    """

    what: str
    name: str
    was: str
    short: str
    short_was: str
    code: str
    state: str
    not_before: Moment | None
    not_after: Moment
    own_date: date | None
    own_date_age: int
    differences: tuple[Difference, ...]
    attributes: tuple[tuple[str, str], ...]
    more: int
    because: tuple[str, ...]
    reason: str
    estimate: bool
    uncertain: bool
    reach_matters: bool


def clean(text: str, limit: int = LONGEST) -> str:
    """Text from outside as it may be shown: one line, no control, bidi, private-use or invisible characters, at most ``limit`` long."""
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(
        " " if c.isspace() else c for c in composed if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def view(told: Told, zone: ZoneInfo, whole_country: str = "US") -> View:
    """What one told change comes down to."""
    change, listing = told.change, told.change.subject
    old = change.before if change.renamed else change.previous
    was = clean(old.name) if old and (change.renamed or clean(old.name) != clean(listing.name)) else ""
    found = Moment(told.not_after.astimezone(zone))
    own = listing.since if change.kind is Kind.ADDED else None
    attributes = _attributes(listing) if change.kind is Kind.ADDED else ()
    uncertain = told.confidence is not Confidence.EXACT
    return View(
        what=_what(change),
        name=clean(listing.name),
        was=was,
        short=clean(listing.name, _SUBJECT_NAME),
        short_was=clean(old.name, _SUBJECT_NAME) if old else "",
        code=listing.state or "",
        state=STATES.get(listing.state or "", listing.state or clean(listing.state_text or "")),
        not_before=Moment(told.not_before.astimezone(zone)) if told.not_before else None,
        not_after=found,
        own_date=own,
        own_date_age=(found.local.date() - own).days if own else 0,
        differences=tuple(_differences(change))[:_DIFFERENCES],
        attributes=attributes[:_ATTRIBUTES],
        more=max(len(attributes) - _ATTRIBUTES, 0),
        because=tuple(whole_country if place == "US" else STATES.get(place, place) for place in told.because),
        reason=clean(told.reason),
        estimate=told.confidence in {Confidence.APPROXIMATE, Confidence.CONFLICT},
        uncertain=uncertain,
        # who follows a whole state is not told how the agency was placed within it, unless that is in doubt
        reach_matters=any(place[:1].isdigit() for place in told.because)
        or told.confidence in {Confidence.CONFLICT, Confidence.STATE_ONLY},
    )


def _what(change: Change) -> str:
    if change.kind is Kind.ADDED:
        return "again" if change.previous else "added"
    if change.kind is Kind.REMOVED:
        return "removed"
    return "renamed" if change.renamed else "changed"


def _attributes(listing: Listing) -> tuple[tuple[str, str], ...]:
    return tuple((_spoken(name), clean(value)) for name, value in listing.attributes if clean(value))


def _differences(change: Change) -> Iterator[Difference]:
    """What differs beside the name, which the headline says."""
    if change.before is None or change.after is None:
        return
    for name in change.fields:
        before, after = _shown(change.before, name), _shown(change.after, name)
        if name != "name" and before != after:
            yield Difference(_spoken(name), before, after)


def _shown(listing: Listing, field: str) -> str:
    """One field of a listing in words: a field of `Listing`, or the column of an attribute."""
    attributes = dict(listing.attributes)
    if field in attributes or not hasattr(listing, field):
        return clean(attributes.get(field, ""))
    value = getattr(listing, field)
    if field == "state":
        return STATES.get(value or "", value or clean(listing.state_text or ""))
    values = value if isinstance(value, tuple) else (value,)
    return clean("; ".join(str(each) for each in values if each is not None))


def _spoken(column: str) -> str:
    """A column's header as a word in a sentence: "SUPPORT TYPE" as "Support type"; short ones and mixed case as they are."""
    name = clean(column, 60)
    return name.capitalize() if name.isupper() and len(name) > 3 else name


# --- the page ---


@dataclass(frozen=True, slots=True)
class Entry:
    """One of several changes: its name, what happened in a few words, the facts; why this person gets it, and how sure the place is."""

    name: str
    brief: str
    facts: tuple[str, ...]
    why: str
    reach: str


@dataclass(frozen=True, slots=True)
class Group:
    """The changes in one state; ``why`` this person gets them, where it is the same for all."""

    state: str
    why: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything that a layout shows, as plain text in one language, in reading order.

    ``why`` this person gets it, ``because`` of which place, where that is the same for all of it, and since when.
    """

    language: str
    subject: str
    notes: tuple[str, ...]
    headline: str
    opening: str
    facts: tuple[str, ...]
    reach: str
    groups: tuple[Group, ...]
    rest: str
    rest_url: str
    meaning_title: str
    meaning_language: str
    meaning: str
    gist: str
    caveat: str
    reviewed: str
    because: str
    why: str
    details: str
    permalink: str | None
    title: str
    official_url: str
    stop: str
    stop_link: str
    sender: str


class Words:
    """The sentences of one language: the macros of its file, called by name. Results are plain text, not escaped for anything."""

    def __init__(self, language: str) -> None:
        try:
            template = _environment().get_template(f"words/{language}.j2")
            self.language = language
        except TemplateNotFound:
            template = _environment().get_template("words/en.j2")
            self.language = "en"
        self._module: Any = template.module

    def __call__(self, macro: str, *arguments: object) -> str:
        return str(getattr(self._module, macro)(*arguments)).strip()


def alert(alert: Alert) -> Message:
    """The message for everybody who is told exactly this: subject, mail as text and HTML, and posts for Telegram.

    Raises ValueError for an alert that tells nothing: no alert without a change in it.
    """
    if not alert.told:
        raise ValueError("an alert without a change")
    page = _page(alert, _words(alert.language))
    environment = _environment()
    return Message(
        subject=page.subject,
        text=environment.get_template("email/alert.txt").render(page=page),
        html=environment.get_template("email/alert.html").render(page=page),
        blocks=tuple(_blocks(page)),
    )


def page(alert: Alert) -> Page:
    """What an alert says, for a layout that shows several."""
    return _page(alert, _words(alert.language))


def layout(template: str, **shown: object) -> str:
    """A layout of ``monitor/templates`` as text, escaped for what it is."""
    return _environment().get_template(template).render(**shown)


def asked_on(when: datetime, timezone: str, language: str = "en") -> str:
    """The day on which somebody asked, for the mark "asked": "Feb 3, 2026"."""
    return _words(language)("day", Moment(when.astimezone(ZoneInfo(timezone))))


def _page(alert: Alert, words: Words) -> Page:
    zone = ZoneInfo(alert.timezone)
    views = sorted((view(told, zone, words("whole_country")) for told in alert.told), key=_reading_order)
    title, publisher, site = (clean(text) for text in (alert.title, alert.publisher, alert.site_name))
    same_interval = len({(each.not_before, each.not_after) for each in views}) == 1
    whys = {words("why", each) for each in views}
    groups: tuple[Group, ...] = ()
    if len(views) == 1:
        one = views[0]
        subject = headline = words("headline", one, title)
        opening = words("sentence", one, title)
        facts = _facts(one, publisher, words, interval=True)
        reach = _reach(one, words)
    else:
        codes = sorted({each.code for each in views if each.code})
        number = Counter(each.what for each in views)
        subject = words("summary_subject", number, title, codes if len(codes) <= 3 else [])
        headline = opening = words("summary_subject", number, title, [])
        facts = (words("between", views[0].not_before, views[0].not_after),) if same_interval else ()
        groups = tuple(
            _groups(views[:SHOWN], publisher, words, interval=not same_interval, why=len(whys) > 1)
        )
        reach = ""
    left = len(views) - SHOWN
    because = whys.pop() if len(whys) == 1 else ""
    return Page(
        language=words.language,
        subject=words("sample_subject", subject) if alert.sample else subject,
        notes=tuple(_notes(alert, views, words)),
        headline=headline,
        opening=opening,
        facts=facts,
        reach=reach,
        groups=groups,
        rest=words("rest", left) if left > 0 else "",
        rest_url=alert.permalink or alert.official_url,
        because=because,
        why=f"{because} {words('asked', MARKS['asked'])}".strip(),
        details=words("details"),
        permalink=alert.permalink,
        title=title,
        official_url=alert.official_url,
        stop=words("manage" if alert.managed else "stop"),
        stop_link=MARKS["stop"],
        sender=words("sender", site, clean(alert.contact)),
        **_meaning(alert.meaning, alert.language, words, gone=any(each.what == "removed" for each in views)),
    )


def _reading_order(each: View) -> tuple[bool, str, int, str]:
    return not each.state, each.state, _ORDER.index(each.what), each.name


def _facts(each: View, publisher: str, words: Words, *, interval: bool) -> tuple[str, ...]:
    """What is known of one change, a sentence each: when by our checks, when by the publisher, what else."""
    facts = [words("interval", each)] if interval else []
    if each.own_date:
        facts.append(words("own_date", each, publisher))
    facts += [words("difference", difference, publisher) for difference in each.differences]
    if each.attributes:
        facts.append(words("also", each.attributes, each.more, publisher))
    return tuple(facts)


def _reach(each: View, words: Words) -> str:
    """How sure the place is, where it is not certain; for posts, whose readers are not told why they in particular get them."""
    sentence = words("reach", each) if each.uncertain and each.reason else ""
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else ""


def _groups(
    views: Sequence[View], publisher: str, words: Words, *, interval: bool, why: bool
) -> Iterator[Group]:
    for state, run in groupby(views, key=lambda each: each.state):
        members = tuple(run)
        whys = tuple(words("why", each) for each in members) if why else ("",) * len(members)
        shared = len(set(whys)) == 1
        entries = tuple(
            Entry(
                name=each.name,
                brief=words("brief", each),
                facts=_facts(each, publisher, words, interval=interval),
                why="" if shared else reason,
                reach=_reach(each, words),
            )
            for each, reason in zip(members, whys, strict=True)
        )
        yield Group(state or words("unknown_state"), whys[0] if shared else "", entries)


def _notes(alert: Alert, views: Iterable[View], words: Words) -> Iterator[str]:
    if alert.sample:
        yield words("sample")
    if alert.late:
        yield words("late", max((each.not_after for each in views), key=lambda moment: moment.local))
    if alert.held_until_now:
        yield words("held")


def _meaning(meaning: Meaning | None, language: str, words: Words, *, gone: bool) -> dict[str, Any]:
    if meaning is None:
        text, spoken = "", words.language
    else:
        spoken = "es" if language == "es" else "en"
        text = clean(meaning.es if spoken == "es" else meaning.en, _MEANING)
    return {
        "meaning_title": words("meaning_title"),
        "meaning_language": spoken,
        "meaning": text,
        "gist": clean(_SENTENCE_END.split(text, maxsplit=1)[0], _GIST),
        "caveat": words("removal_caveat") if gone else "",
        "reviewed": words("reviewed", meaning) if meaning else "",
    }


def _blocks(page: Page) -> Iterator[str]:
    """The posts' pieces: the opening, one per change where there are several, and the closing."""
    posts: Any = _environment().get_template("telegram/alert.html").module
    lines = (*page.facts, page.reach) if page.reach else page.facts
    yield fitting(lambda kept: str(posts.opening(replace(page, facts=kept, reach=""))), lines)
    for group in page.groups:
        for number, entry in enumerate(group.entries):
            yield _entry_block(posts, entry, "" if number else group.state)
    yield str(posts.closing(page))


def _entry_block(posts: Any, entry: Entry, state: str) -> str:
    lines = (*entry.facts, entry.reach) if entry.reach else entry.facts
    return fitting(lambda kept: str(posts.entry(replace(entry, facts=kept, reach=""), state)), lines)


def fitting(piece: Callable[[tuple[str, ...]], str], lines: tuple[str, ...]) -> str:
    """A piece of a post with as many of its lines as one can hold: what is left out stands on the page that the post links to."""
    whole = piece(lines)
    kept = len(lines)
    while kept and len(whole.encode("utf-16-le")) // 2 > _PIECE:
        kept -= 1
        whole = piece((*lines[:kept], "…"))
    return whole


@cache
def _words(language: str) -> Words:
    return Words(language if re.fullmatch(r"[a-z]{2}", language) else "en")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("monitor"),
        autoescape=select_autoescape(("html",), default=False, default_for_string=True),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["wrap"] = _wrap
    environment.filters["placement"] = i18n.placement
    return environment


def _wrap(text: str, first: str = "", later: str = "") -> str:
    """A paragraph of plain text at 76 columns; a link or a long word is never broken."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )
