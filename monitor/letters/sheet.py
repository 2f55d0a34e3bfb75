"""How a mail that is no alert is laid out, and who speaks in it: as text, as HTML and, for Telegram, as blocks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from monitor import render
from monitor.domain import Message
from monitor.render import Page, clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who speaks, and how. ``managed``: a site serves the links, so that mails may name them."""

    site_name: str
    contact: str
    timezone: str
    language: str = "en"
    managed: bool = False


@dataclass(frozen=True, slots=True)
class MailSection:
    """A heading and what stands under it, a line each."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Everything that the layout shows, as plain text in one language, in reading order."""

    language: str
    subject: str
    heading: str
    paragraphs: tuple[str, ...] = ()
    button: str = ""
    button_link: str = ""
    after: tuple[str, ...] = ()
    sections: tuple[MailSection, ...] = ()
    alerts: tuple[Page, ...] = ()
    why: str = ""
    links: tuple[tuple[str, str], ...] = ()


def message(voice: Voice, sheet: Sheet) -> Message:
    """The sheet as a message."""
    words = render.Words(voice.language)
    sender = words("sender", clean(voice.site_name), clean(voice.contact))
    values = {"sheet": sheet, "sender": sender}
    return Message(
        subject=sheet.subject,
        text=render.layout("email/letter.txt", **values),
        html=render.layout("email/letter.html", **values),
        blocks=tuple(_blocks(sheet)),
    )


def _blocks(sheet: Sheet) -> Iterator[str]:
    """The same for Telegram; without the links, which belong to mails."""
    yield "\n".join([f"<b>{html.escape(sheet.heading)}</b>", *map(html.escape, sheet.paragraphs)])
    for section in sheet.sections:
        yield _piece(f"<u>{html.escape(section.title)}</u>", section.lines)
    for page in sheet.alerts:
        yield f"<u>{html.escape(page.title)}</u>"
        yield from (_post(page.headline, page.facts) if not page.groups else _entries(page))


def _entries(page: Page) -> Iterable[str]:
    for group in page.groups:
        for entry in group.entries:
            yield from _post(f"{entry.name}: {entry.brief}", entry.facts)


def _post(headline: str, facts: Sequence[str]) -> Iterable[str]:
    return [_piece(f"<b>{html.escape(headline)}</b>", facts)]


def _piece(title: str, lines: Sequence[str]) -> str:
    """A title, already escaped, and lines below it, as many as a post can hold."""
    return render.fitting(lambda kept: "\n".join([title, *map(html.escape, kept)]), tuple(lines))
