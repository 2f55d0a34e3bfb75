"""A whole alert: what it says in reading order, and the message that its layouts make of it."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from monitor.domain import Alert, Meaning, Message, mark
from monitor.render.views import View, clean, view
from monitor.render.words import Words, environment, words_of

MARKS: Mapping[str, str] = {"stop": mark("stop"), "asked": mark("asked")}
"""The recipient's own words in a message: how to stop (a link), and the day they asked (`asked_on`). Only mails hold them, posts do not."""

SHOWN = 200
"""Changes that one message spells out; it counts the others and says where they are."""

ROOM = 85_000
"""Bytes of HTML that the changes of one mail may take: beyond some 100 kB Gmail cuts a mail off, and at its end is the link to stop it."""

_MEANING = 1500
_GIST = 400
_MARKUP = 24  # bytes around a line
_PIECE = 4000  # UTF-16 units of a piece of a post, which is never cut: below the 4,096 of a whole one
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^\W\d_a-z])")
_ORDER = ("added", "again", "removed", "renamed", "changed")


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


def alert(alert: Alert) -> Message:
    """The message for everybody who is told exactly this: subject, mail as text and HTML, and posts for Telegram.

    Raises ValueError for an alert that tells nothing: no alert without a change in it.
    """
    if not alert.told:
        raise ValueError("an alert without a change")
    page = _page(alert, words_of(alert.language))
    return Message(
        subject=page.subject,
        text=environment().get_template("email/alert.txt").render(page=page),
        html=environment().get_template("email/alert.html").render(page=page),
        blocks=tuple(_blocks(page)),
    )


def page(alert: Alert, room: int = ROOM) -> Page:
    """What an alert says, for a layout that shows several; ``room`` in bytes is its share of `ROOM`."""
    return _page(alert, words_of(alert.language), room)


def _page(alert: Alert, words: Words, room: int = ROOM) -> Page:
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
        groups = _within(
            room, _groups(views[:SHOWN], publisher, words, interval=not same_interval, why=len(whys) > 1)
        )
        reach = ""
    left = len(views) - sum(len(group.entries) for group in groups) if groups else 0
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


def _within(room: int, groups: Iterable[Group]) -> tuple[Group, ...]:
    """The groups with as many entries as there is room for, and one at least."""
    fitting: list[Group] = []
    for group in groups:
        kept: list[Entry] = []
        for entry in group.entries:
            lines = (entry.name, entry.brief, *entry.facts, entry.why or group.why)
            room -= sum(len(html.escape(line).encode()) + _MARKUP for line in lines)
            if room < 0 and (fitting or kept):
                break
            kept.append(entry)
        if kept:
            fitting.append(replace(group, entries=tuple(kept)))
        if len(kept) < len(group.entries):
            break
    return tuple(fitting)


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
    posts: Any = environment().get_template("telegram/alert.html").module
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
