"""The layout of every mail that is not a single alert."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from monitor.domain import Rendered
from monitor.messages.alert import AlertPage, fitting
from monitor.messages.layouts import render_template
from monitor.messages.model import Sender
from monitor.messages.sentences import sentences_of
from monitor.messages.text import clean


@dataclass(frozen=True, slots=True)
class MailSection:
    """A heading and the lines under it."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What the layout shows: plain text in one language, in reading order."""

    language: str
    subject: str
    heading: str
    paragraphs: tuple[str, ...] = ()
    button: str = ""
    button_link: str = ""
    after: tuple[str, ...] = ()
    sections: tuple[MailSection, ...] = ()
    alerts: tuple[AlertPage, ...] = ()
    why: str = ""
    links: tuple[tuple[str, str], ...] = ()


def render_mail(mail: Mail, sender: Sender) -> Rendered:
    """Lay a mail out as text, as HTML and, for Telegram, as blocks."""
    values = {
        "mail": mail,
        "sender": sentences_of(mail.language).sender(clean(sender.site_name), clean(sender.contact)),
    }
    return Rendered(
        subject=mail.subject,
        text=render_template("mail.txt", **values),
        html=render_template("mail.html", **values),
        blocks=tuple(_blocks(mail)),
    )


def _blocks(mail: Mail) -> Iterator[str]:
    """The same for Telegram; without the links, which belong to mails."""
    yield "\n".join([f"<b>{html.escape(mail.heading)}</b>", *map(html.escape, mail.paragraphs)])
    for section in mail.sections:
        yield _piece(f"<u>{html.escape(section.title)}</u>", section.lines)
    for page in mail.alerts:
        yield f"<u>{html.escape(page.title)}</u>"
        yield from (_post(page.headline, page.facts) if not page.groups else _entries(page))


def _entries(page: AlertPage) -> Iterable[str]:
    for group in page.groups:
        for entry in group.entries:
            yield from _post(f"{entry.name}: {entry.brief}", entry.facts)


def _post(headline: str, facts: Sequence[str]) -> Iterable[str]:
    return [_piece(f"<b>{html.escape(headline)}</b>", facts)]


def _piece(title: str, lines: Sequence[str]) -> str:
    """A title, already escaped, and lines below it, as many as a post can hold."""
    return fitting(lambda kept: "\n".join([title, *map(html.escape, kept)]), tuple(lines))
