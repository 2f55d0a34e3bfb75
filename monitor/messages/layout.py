"""Shared by all layouts: cleaned text, the templates, blocks of posts, and the layout of every mail except a
single alert.
"""

from __future__ import annotations

import html
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from jinja2 import Environment, StrictUndefined, select_autoescape

from monitor.domain import Rendered, placeholder
from monitor.messages.alert_values import AlertPage, MailSection
from monitor.messages.locale import translations
from monitor.messages.model import Sender
from monitor.package_texts import open_templates

LONGEST = 200
"""The most characters of untrusted text that are shown."""

WIDTH = 76
"""The width of plain text in columns."""

_LONGEST_LINK = 500
_PLAIN_LINK = re.compile(r"https?://[!#-;=?-~]+")  # without quotes and angle brackets
_PIECE = 4000  # UTF-16 units of a block, which is never cut: below the 4,096 of a whole post


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What the layout of a mail shows: plain text in one language, in reading order; ``also`` is one more
    section, after all news.
    """

    language: str
    subject: str
    heading: str
    paragraphs: tuple[str, ...] = ()
    button: str = ""
    button_link: str = ""
    after: tuple[str, ...] = ()
    sections: tuple[MailSection, ...] = ()
    alerts: tuple[AlertPage, ...] = ()
    also: MailSection | None = None
    closing: tuple[MailSection, ...] = ()
    why: str = ""
    links: tuple[tuple[str, str], ...] = ()


_BLANK = re.compile("[\u034f\u115f\u1160\u2800\u3164\uffa0]")
"""Characters that count as letters or marks and are invisible."""


_MOST_MARKS = 2
"""The most combining marks on one letter, apart from those with a composed form; no language on a list needs
more.
"""

_JOINER = "\u2060"
_DOTS = ".\u3002\uff0e\uff61"  # the characters that separate the labels of a domain (RFC 3490, 3.1)
_ACTIVE = re.compile(
    rf"://|(?<=\w)[{_DOTS}](?=[^\W\d_]{{2}})|[@\uff20](?=\w)|(?<!\w)[/#](?=\w)|\$(?=[A-Za-z])"
)
_QUAD = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")  # an IPv4 address, of which Telegram makes a link
_OWN = re.compile(placeholder("[a-z-]+"))
_SPACED = {"://": f":{_JOINER}/{_JOINER}/{_JOINER}"}
_SPACED |= {dot: f"{_JOINER}{dot}{_JOINER}" for dot in _DOTS}
_SPACED |= {sign: f"{sign}{_JOINER}" for sign in "@\uff20/#$"}


def clean(text: str, limit: int = LONGEST) -> str:
    """Clean untrusted text: one line, no control, bidi, private-use or invisible characters and no stacks of
    combining marks, at most ``limit`` long.
    """
    composed = _BLANK.sub("", unicodedata.normalize("NFC", text))
    # each distinct character is looked up once, because hostile text may be megabytes long
    if not composed.isprintable():  # fast path: printable text has none of them, and most text is printable
        replaced = {
            ord(c): " " if c.isspace() else None
            for c in set(composed)
            if c.isspace() or unicodedata.category(c)[0] == "C"
        }
        composed = composed.translate(replaced)
    line = " ".join(_unstack(composed).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _unstack(text: str) -> str:
    """Remove combining marks beyond `_MOST_MARKS` on one letter: stacks of them reach over other lines."""
    if text.isascii():
        return text
    stacked = "".join(re.escape(c) for c in set(text) if unicodedata.category(c) in {"Mn", "Me"})
    return re.sub(f"([{stacked}]{{{_MOST_MARKS}}})[{stacked}]+", r"\1", text) if stacked else text


def neutralize(text: str) -> str:
    """Keep programs from turning untrusted text into links, mentions or commands, by inserting word joiners
    (U+2060), which are invisible.

    Mail programs and chats turn evil.com into a link, notify people for @all, make /stop tappable and $CASH a
    search. A dot gets a joiner on each side, because some link detectors skip a single one. Apply it last,
    because `clean` removes joiners.
    """
    inert = _ACTIVE.sub(lambda found: _SPACED[found[0]], text)
    return _QUAD.sub(lambda found: found[0].replace(".", _SPACED["."]), inert)


def safe_link(text: str | None) -> str | None:
    """Check a URL that a list gives; None for anything else, which must not become a link."""
    parts = urlsplit(text or "")
    return text if parts.scheme in {"http", "https"} and parts.netloc and " " not in (text or "") else None


def mail_link(text: str | None) -> str | None:
    """The same for messages, which hide the target of a link: only visible ASCII, without a user name, and
    short.
    """
    link = safe_link(text)
    if link is None or len(link) > _LONGEST_LINK or not _PLAIN_LINK.fullmatch(link):
        return None
    return None if "@" in urlsplit(link).netloc else link


@cache
def environment() -> Environment:
    """Load the templates of messages."""
    made = Environment(
        loader=open_templates("messages"),
        autoescape=select_autoescape(("html",), default=False, default_for_string=True),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    made.filters["wrap"] = _wrap
    return made


def _wrap(text: str, first: str = "", later: str = "") -> str:
    """Wrap a paragraph of plain text at 76 columns; a link or a long word is never broken."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def render_template(template: str, **shown: object) -> str:
    """Render a template; HTML is escaped."""
    return environment().get_template(template).render(**shown)


def render_signature(sender: Sender, language: str) -> str:
    """Render the sender's signature."""
    gettext = translations(language).gettext
    if sender.contact:
        text = gettext(
            "Sent by %(site)s, which compares public lists and is not part of any agency or publisher. "
            "Questions: %(contact)s"
        )
    else:
        text = gettext(
            "Sent by %(site)s, which compares public lists and is not part of any agency or publisher."
        )
    said = text % {"site": clean(sender.site_name), "contact": clean(sender.contact)}
    if not sender.postal_address:
        return said
    between = " · " if sender.contact else " "  # a period would be read as part of an address
    return said + between + gettext("Postal address: %(address)s") % {"address": clean(sender.postal_address)}


def render_mail(mail: Mail, sender: Sender) -> Rendered:
    """Render a mail as text, as HTML and, for Telegram, as blocks."""
    values = {"mail": mail, "sender": render_signature(sender, mail.language), "head": sender.head}
    return Rendered(
        subject=mail.subject,
        text=render_template("mail.txt", **values),
        html=render_template("mail.html", **values),
        blocks=tuple(_blocks(mail)),
    )


def fit_lines(piece: Callable[[tuple[str, ...]], str], lines: tuple[str, ...]) -> str:
    """Render a block of a post with as many of its lines as fit.

    The page that the post links to has the rest.
    """
    whole = piece(lines)
    kept = len(lines)
    while kept and len(whole.encode("utf-16-le")) // 2 > _PIECE:
        kept -= 1
        whole = piece((*lines[:kept], "…"))
    return whole


def to_plain_text(block: str) -> str:
    """Convert a block of Telegram HTML to plain text; a link's address follows its text. Lines with
    placeholders are left out.
    """
    text = re.sub(r'<a href="([^"]*)">(.*?)</a>', r"\2: \1", block, flags=re.DOTALL)
    text = html.unescape(re.sub(r"<[^>]*>", "", text))
    return "\n".join(line.rstrip() for line in text.splitlines() if not _OWN.search(line)).strip()


def _blocks(mail: Mail) -> Iterator[str]:
    """The blocks for Telegram, without the links, which only mails contain."""
    yield "\n".join([f"<b>{html.escape(mail.heading)}</b>", *map(html.escape, mail.paragraphs)])
    for section in mail.sections:
        yield render_section_post(section)
    for page in mail.alerts:
        yield f"<u>{html.escape(page.title)}</u>"
        yield from (_post(page.headline, page.facts) if not page.groups else _entries(page))
    if mail.also is not None:
        yield render_section_post(mail.also)
    steps = {page.steps_in_short: page.title for page in mail.alerts}
    for in_short, title in steps.items():
        yield html.escape(in_short if len(steps) == 1 else f"{title}: {in_short}")


def render_section_post(section: MailSection) -> str:
    """Render a section as a block of a post."""
    note = (section.note,) if section.note else ()
    return _piece(f"<u>{html.escape(section.title)}</u>", (*note, *section.lines))


def _entries(page: AlertPage) -> Iterable[str]:
    for group in page.groups:
        for entry in group.entries:
            yield from _post(f"{entry.name}: {entry.brief}", entry.facts)


def _post(headline: str, facts: Sequence[str]) -> Iterable[str]:
    return [_piece(f"<b>{html.escape(headline)}</b>", facts)]


def _piece(title: str, lines: Sequence[str]) -> str:
    """A title, already escaped, and the lines below it, as many as a post can hold."""
    return fit_lines(lambda kept: "\n".join([title, *map(html.escape, kept)]), tuple(lines))
