"""A whole alert: its content in reading order, and the rendered message."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from monitor.domain import Kind, Meaning, Rendered, ValueMeaning, explain_values, placeholder
from monitor.messages.alert_values import AlertPage, Entry, Group
from monitor.messages.change_view import ChangeDescription, describe_change, neutralize_description
from monitor.messages.layout import (
    clean,
    environment,
    fit_lines,
    render_section_post,
    render_signature,
)
from monitor.messages.model import Alert, Sender
from monitor.messages.next_steps import list_steps, summarize_steps
from monitor.messages.phrases import Phrases
from monitor.messages.sentences import Sentences, sentences_of

PLACEHOLDERS: Mapping[str, str] = {"stop": placeholder("stop"), "asked": placeholder("asked")}
"""The placeholders of a recipient: the link to stop, and the day they asked (`asked_on`). Only mails contain
them, posts do not.
"""

SHOWN = 200
"""The most changes that one message lists; it counts the others and links to them."""

ROOM = 85_000
"""The most bytes of HTML for the changes of one mail: Gmail cuts a mail off above about 100 kB, and the
unsubscribe link is at its end.
"""

_MEANING = 1500
_GIST = 400
_MARKUP = 24  # bytes around a line
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^\W\d_a-z])")
_ORDER = ("added", "again", "removed", "renamed", "changed")


def render_alert(alert: Alert, sender: Sender) -> Rendered:
    """Render the message for everybody who gets exactly this content: subject, mail as text and HTML, and
    posts for Telegram.

    Raises ValueError for an alert without a change.
    """
    if not alert.told:
        raise ValueError("an alert without a change")
    page = _page(alert, sender, sentences_of(alert.language))
    return Rendered(
        subject=page.subject,
        text=environment().get_template("alert.txt").render(page=page),
        html=environment().get_template("alert.html").render(page=page),
        blocks=tuple(_blocks(page)),
        state=_only_state(alert),
    )


def _only_state(alert: Alert) -> str:
    states = {told.change.subject.state or "" for told in alert.told}
    return next(iter(states)) if len(states) == 1 else ""


def alert_page(alert: Alert, sender: Sender, room: int = ROOM) -> AlertPage:
    """The content of an alert, for a layout that shows several; ``room`` in bytes is its share of `ROOM`."""
    return _page(alert, sender, sentences_of(alert.language), room)


def _page(alert: Alert, sender: Sender, sentences: Sentences, room: int = ROOM) -> AlertPage:
    zone = ZoneInfo(sender.timezone)
    views = sorted(
        (
            neutralize_description(describe_change(told, zone, alert.values, sentences.language))
            for told in alert.told
        ),
        key=_reading_order,
    )
    title, publisher = clean(alert.title), clean(alert.publisher)
    same_interval = len({(change.not_before, change.not_after) for change in views}) == 1
    whys = {sentences.why(change) for change in views}
    groups: tuple[Group, ...] = ()
    document = ""
    if len(views) == 1:
        one = views[0]
        document = one.document
        subject = headline = sentences.headline(one, title)
        opening = sentences.sentence(one, title)
        facts = _facts(one, publisher, sentences, interval=True)
        reach = _reach(one, sentences)
    else:
        codes = sorted({change.code for change in views if change.code})
        number = Counter(change.what for change in views)
        subject = sentences.summary(number, title, codes if len(codes) <= 3 else [])
        headline = opening = sentences.summary(number, title, [])
        facts = (sentences.between(views[0].not_before, views[0].not_after),) if same_interval else ()
        groups = _within(
            room, _groups(views[:SHOWN], publisher, sentences, interval=not same_interval, why=len(whys) > 1)
        )
        reach = ""
    left = len(views) - sum(len(group.entries) for group in groups) if groups else 0
    because = whys.pop() if len(whys) == 1 else ""
    return AlertPage(
        language=sentences.language,
        subject=sentences.sample_subject(subject) if alert.sample else subject,
        notes=tuple(_notes(alert, views, sentences)),
        headline=headline,
        opening=opening,
        facts=facts,
        reach=reach,
        groups=groups,
        rest=sentences.rest(left) if left > 0 else "",
        rest_url=alert.permalink or alert.official_url,
        also=Phrases(sender, alert.language).also(alert.also),
        because=because,
        why=f"{because} {sentences.asked_on(PLACEHOLDERS['asked'])}".strip(),
        details=sentences.details(),
        document=document,
        document_label=sentences.document(),
        steps_title=sentences.next_steps_title(),
        steps=render_next_steps((alert,), sender, sentences.language),
        steps_in_short=summarize_steps(alert.basis, sentences.language),
        permalink=alert.permalink,
        title=title,
        official_url=alert.official_url,
        stop=sentences.manage() if sender.managed else sentences.stop(),
        stop_link=PLACEHOLDERS["stop"],
        sender=render_signature(sender, sentences.language),
        head=sender.head,
        **_values(alert, sentences),
        **_meaning(
            alert.meaning, alert.language, sentences, gone=any(change.what == "removed" for change in views)
        ),
    )


def render_next_steps(alerts: Sequence[Alert], sender: Sender, language: str) -> tuple[str, ...]:
    """Render what a reader can do about the lists in one message."""
    own = sender.next_step_es if language == "es" else sender.next_step
    steps = list_steps([(clean(alert.title), alert.basis) for alert in alerts], language, clean(own, _GIST))
    contact = clean(sender.contact)
    return (*steps, sentences_of(language).tell_us(contact)) if contact else steps


def _reading_order(change: ChangeDescription) -> tuple[bool, str, int, str]:
    return not change.state, change.state, _ORDER.index(change.what), change.name


def _facts(
    change: ChangeDescription, publisher: str, sentences: Sentences, *, interval: bool
) -> tuple[str, ...]:
    """The facts of one change, one sentence each: when by our checks, when by the publisher, and other
    details.
    """
    facts = [sentences.interval(change)] if interval else []
    if contradiction := sentences.contradiction(change):
        facts.append(contradiction)
    if change.came_from:
        facts.append(sentences.came_from(change))
    if change.own_date:
        facts.append(sentences.own_date(change, publisher))
    facts += [sentences.difference(difference, publisher) for difference in change.differences]
    if change.attributes:
        facts.append(sentences.also(change.attributes, change.more, publisher))
    return tuple(facts)


def _reach(change: ChangeDescription, sentences: Sentences) -> str:
    """How certain the place is, if it is an estimate; for posts, which do not say why a particular reader
    gets them.
    """
    sentence = sentences.reach(change) if change.uncertain and change.reason else ""
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else ""


def _groups(
    views: Sequence[ChangeDescription], publisher: str, sentences: Sentences, *, interval: bool, why: bool
) -> Iterator[Group]:
    for state, run in groupby(views, key=lambda change: change.state):
        members = tuple(run)
        whys = tuple(sentences.why(change) for change in members) if why else ("",) * len(members)
        shared = len(set(whys)) == 1
        entries = tuple(
            Entry(
                name=change.name,
                brief=sentences.brief(change),
                facts=_facts(change, publisher, sentences, interval=interval),
                why="" if shared else reason,
                reach=_reach(change, sentences),
                document=change.document,
            )
            for change, reason in zip(members, whys, strict=True)
        )
        yield Group(state or sentences.unknown_state(), whys[0] if shared else "", entries)


def _within(room: int, groups: Iterable[Group]) -> tuple[Group, ...]:
    """The groups with as many entries as fit, and at least one."""
    fitting: list[Group] = []
    for group in groups:
        kept: list[Entry] = []
        for entry in group.entries:
            lines = (entry.name, entry.brief, *entry.facts, entry.why or group.why, entry.document * 2)
            room -= sum(len(html.escape(line).encode()) + _MARKUP for line in lines)
            if room < 0 and (fitting or kept):
                break
            kept.append(entry)
        if kept:
            fitting.append(replace(group, entries=tuple(kept)))
        if len(kept) < len(group.entries):
            break
    return tuple(fitting)


def _notes(alert: Alert, views: Iterable[ChangeDescription], sentences: Sentences) -> Iterator[str]:
    if alert.sample:
        yield sentences.sample()
    if alert.late:
        yield sentences.late(max((change.not_after for change in views), key=lambda moment: moment.local))
    if alert.held:
        yield sentences.held()


def _values(alert: Alert, sentences: Sentences) -> dict[str, Any]:
    """The meanings of the values of added and changed agencies, and when they were reviewed."""
    found: dict[str, ValueMeaning] = {}
    for told in alert.told:
        change = told.change
        for column, text in change.after.attributes if change.after else ():
            if change.kind is Kind.ADDED or column in change.fields:
                known = explain_values(alert.values, column, text)
                found |= {each.value: each for _, each in known if each and each.text(sentences.language)}
    shown = [found[value] for value in sorted(found)]
    language = sentences.language
    return {
        "values": tuple(
            f"{clean(each.name(language))}: {clean(each.text(language), _MEANING)}" for each in shown
        ),
        "values_reviewed": " ".join(dict.fromkeys(sentences.reviewed(each) for each in shown)),
    }


def _meaning(meaning: Meaning | None, language: str, sentences: Sentences, *, gone: bool) -> dict[str, Any]:
    if meaning is None:
        text, spoken = "", sentences.language
    else:
        spoken = "es" if language == "es" else "en"
        text = clean(meaning.text(spoken), _MEANING)
    return {
        "meaning_title": sentences.meaning_title(),
        "meaning_language": spoken,
        "meaning": text,
        "gist": clean(_SENTENCE_END.split(text, maxsplit=1)[0], _GIST),
        "caveat": sentences.removal_caveat() if gone else "",
        "reviewed": sentences.reviewed(meaning) if meaning else "",
    }


def _blocks(page: AlertPage) -> Iterator[str]:
    """The blocks of the posts: the opening, one per change if there are several, and the closing."""
    posts: Any = environment().get_template("alert.telegram.html").module
    lines = (*page.facts, page.reach) if page.reach else page.facts
    yield fit_lines(lambda kept: str(posts.opening(replace(page, facts=kept, reach=""))), lines)
    for group in page.groups:
        for number, entry in enumerate(group.entries):
            yield _entry_block(posts, entry, "" if number else group.state, page.document_label)
    if page.also is not None:
        yield render_section_post(page.also)
    yield str(posts.closing(page))


def _entry_block(posts: Any, entry: Entry, state: str, label: str) -> str:
    lines = (*entry.facts, entry.reach) if entry.reach else entry.facts
    return fit_lines(lambda kept: str(posts.entry(replace(entry, facts=kept, reach=""), state, label)), lines)
