"""The lines of an element of a page as people see them, and the row that an item's lines become."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from monitor.sources.cells import TEXT_LENGTH, clean
from monitor.sources.html_links import UNKNOWN, join_link
from monitor.sources.html_list import MOST_LINES
from monitor.sources.name_ends import find_date, is_place, split_ends

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_MOST_TEXT = 200_000  # characters of an element
BREAKS = frozenset(
    ("br", "div", "p", "ul", "ol", "li", "dl", "dt", "dd", "section", "article", "tr", "td", "th", "address",
     "h1", "h2", "h3", "h4", "h5", "h6", "header", "footer")
)  # fmt: skip
"""Elements that begin a line."""
_LABELS = frozenset(("span", "small", "label", "time"))
OFFICE = re.compile(
    r"police|sheriff|\bpd\b|\bso\b|marshal|constable|patrol|department|\bdept|public safety", re.IGNORECASE
)
_BULLETS = "\u00b7\u2022\u25aa\u25e6\u2023\u25cf\u25a0\u27a2\u2713\uf0b7 "
_TO_TOP = re.compile(r"\W*(?:(?:back|return|go) to (?:the )?)?top(?: of (?:the )?page)?\W*", re.IGNORECASE)
_SITE = UNKNOWN.rstrip("/")


def read_lines(element: HtmlElement, stop: tuple[str, ...] = ()) -> Iterator[str]:
    """The lines of an element's text as people see them, without what is in elements of ``stop``. Each is
    made when it is asked for: most callers want the first few, of elements that may contain half of the page.
    """
    pieces: list[str] = []
    for text in _iterate_texts(element, stop):
        *ended, rest = text.split("\n")
        for piece in ended:
            if said := clean("".join((*pieces, piece))):
                yield said[:TEXT_LENGTH]
            pieces = []
        pieces.append(rest)
    if said := clean("".join(pieces)):
        yield said[:TEXT_LENGTH]


def _iterate_texts(element: HtmlElement, stop: tuple[str, ...]) -> Iterator[str]:
    """The texts in an element, with a line feed where people see a new line."""
    from lxml import etree  # takes long to import

    length, before = 0, ""
    parts = etree.iterwalk(element, events=("start", "end"))
    for event, each in parts:
        if not isinstance(each.tag, str):
            text = each.tail if event == "end" and each is not element else None
        elif event == "start":
            if each.tag in stop and each is not element:
                parts.skip_subtree()
                text = None
            else:
                text = (each.text or "").replace("\n", " ")
                # a word that is marked as a label, as in "Gary PD<span>Indiana</span>"
                label = each.tag in _LABELS and text[:1].isupper() and before.isalnum()
                if each.tag in BREAKS or (label and (before.islower() or text[1:2].islower())):
                    text = f"\n{text}"
        else:
            text = "\n" if each.tag in BREAKS else ""
            text += (each.tail or "").replace("\n", " ") if each is not element else ""
        if text:
            yield text
            before = text[-1]
            length += len(text)
            if length > _MOST_TEXT:
                return


def make_rows(lines: Iterable[str], element: HtmlElement | None, base: str) -> list[list[str]]:
    """The row of an item, or of each agency that is named in it: "Indiana: Gary PD; Hammond PD"."""
    row = make_row(lines, element, base)
    if row is None or not ("," in row[0] or ";" in row[0]) or any(row[2:-1]):
        return [row] if row else []
    names = [name for piece in re.split(";" if ";" in row[0] else ",", row[0]) if (name := piece.strip())]
    if len(names) < 2 or not all(map(OFFICE.search, names)):
        return [row]
    return [[name, row[1], *row[2:-1], ""] for name in names]


def make_row(lines: Iterable[str], element: HtmlElement | None, base: str) -> list[str] | None:
    """The row of an item; None if it has no text, or only leads to the top of the page."""
    name, *further = list(islice(lines, MOST_LINES)) or [""]
    name = name.lstrip(_BULLETS)
    if not name or _TO_TOP.fullmatch(name):
        return None
    name, state, date = split_ends(name)
    for at, text in enumerate(further):
        if not date and (said := find_date(text)):
            date, further[at] = said, ""
        elif not state and is_place(text):
            state, further[at] = text, ""
    links = () if element is None else (join_link(base, each.get("href")) for each in element.iter("a"))
    link = next((each for each in links if each and not each.startswith(_SITE)), "")
    return [name, state, date, *further, *[""] * (MOST_LINES - 1 - len(further)), link]
