"""Repeated blocks of a page, and lines between `<br>`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from monitor.sources.column_choice import AGENCY_WORDS
from monitor.sources.headings import read_heading
from monitor.sources.html_lines import BREAKS, OFFICE, make_row, make_rows, read_lines
from monitor.sources.html_list import HtmlList, limit_lists, look_like_agencies
from monitor.sources.html_outline import HeadingStack, is_for_navigation, iterate_elements

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_LONGEST_SINGLE = 80  # characters of an agency that is a paragraph
_MOST_PARENTS, _FEWEST_BLOCKS, _MOST_LINES_OF_BLOCK = 20_000, 3, 8
_COUNTED = re.compile(r"\d+|\b(?:odd|even|first|last)\b")
_OF_LINES = ("p", "div", "td", "address", "span")
_BLOCKS = frozenset(("div", "article", "section", "p", "a", "span", "address", "tr"))


def read_blocks(document: HtmlElement, base: str) -> list[HtmlList]:
    """Read the repeated blocks and lines of a page; the result is like that of `read_items`."""
    return limit_lists(_BlockFinder(base).find(document))


class _BlockFinder:
    """Finds adjacent elements with the same tag and class, and texts with lines between `<br>`, that look
    like agencies. Headings may be between them.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._above = HeadingStack()
        self._done: set[HtmlElement] = set()  # with all that is in them
        self._kinds: dict[HtmlElement, tuple[str, str] | None] = {}  # by the element around them
        self._run = HtmlList("", "")  # of blocks beside each other
        self._run_of: tuple[object, str, str] | None = None

    def find(self, document: HtmlElement) -> Iterator[HtmlList]:
        """Yield the lists of a document in their order."""
        for element in iterate_elements(document):
            if element.getparent() in self._done:
                self._done.add(element)
                continue
            self._above.pass_by(element)
            if alone := _read_lined(element, self._base):
                yield self._take(element, alone)
            elif rows := self._read_block(element):
                if self._begins_run(element):
                    yield self._run
                    self._run = HtmlList(self._above.state, self._above.nearest)
                self._run.rows.extend(rows)
                self._done.add(element)
            elif self._above.state and (alone := _read_single(element, self._base)):
                yield self._take(element, alone)
        yield self._run

    def _take(self, element: HtmlElement, rows: list[list[str]]) -> HtmlList:
        """The list of an element's rows, which is not read again."""
        self._done.add(element)
        return HtmlList(self._above.state, self._above.nearest, rows)

    def _begins_run(self, element: HtmlElement) -> bool:
        """Whether a block is the first one in its parent, or the first one under its heading."""
        before, self._run_of = self._run_of, (element.getparent(), self._above.state, self._above.nearest)
        return before != self._run_of

    def _read_block(self, element: HtmlElement) -> list[list[str]]:
        """The rows of a block that is like most others beside it, without headings; [] for other elements."""
        around = element.getparent()
        if around is None:
            return []
        if around not in self._kinds:
            kind = _find_kind(around, self._base) if len(self._kinds) < _MOST_PARENTS else None
            self._kinds[around] = kind
        if _kind(element) != self._kinds[around]:
            return []
        rows = make_rows(read_lines(element), element, self._base)
        return [row for row in rows if not read_heading(row[0])]


def _kind(element: HtmlElement) -> tuple[str, str]:
    """What repeated elements have in common: the tag, and the first class without its number."""
    if element.tag == "tr":
        return "tr", ""  # every other row may have a class
    # of a comment `get` returns None whatever the default
    return element.tag, _COUNTED.sub("", next(iter((element.get("class") or "").split()), ""))


def _find_kind(element: HtmlElement, base: str) -> tuple[str, str] | None:
    """The tag and class of the children of an element that are agencies; None if there are none."""
    counts = Counter(_kind(child) for child in element if child.tag in _BLOCKS)
    kind, number = max(counts.items(), key=lambda pair: pair[1], default=(None, 0))
    if number < _FEWEST_BLOCKS or is_for_navigation(element):
        return None
    rows: list[list[str]] = []
    for child in element:
        if _kind(child) == kind:
            lines = list(islice(read_lines(child), _MOST_LINES_OF_BLOCK + 1))
            if len(lines) > _MOST_LINES_OF_BLOCK or _read_lined(child, base):
                return None  # the parts of a page, or columns of agencies
            rows += filter(None, [make_row(lines, child, base)])
    return kind if look_like_agencies(rows) else None


def _read_single(element: HtmlElement, base: str) -> list[list[str]]:
    """The agency that is alone in a paragraph, as the only one of its state is; [] for other texts."""
    if element.tag not in ("p", "div") or any(child.tag in BREAKS for child in element):
        return []
    texts = list(islice(read_lines(element), 2))
    alone = len(texts) == 1 and len(texts[0]) <= _LONGEST_SINGLE and texts[0][-1] != "."
    return make_rows(texts, element, base) if alone and OFFICE.search(texts[0]) else []


def _read_lined(element: HtmlElement, base: str) -> list[list[str]]:
    """The agencies in the lines of an element that contains only text, links and `<br>`, if there are at
    least two.
    """
    if element.tag not in _OF_LINES or next(element.iterchildren("br"), None) is None:
        return []
    if any(child.tag in BREAKS and child.tag != "br" for child in element) or is_for_navigation(element):
        return []
    rows = [row for text in read_lines(element) if (row := make_row([text], None, base))]
    named = AGENCY_WORDS.search(rows[1][0]) if len(rows) > 1 else None  # an address follows an agency
    return rows if named and look_like_agencies(rows) else []
