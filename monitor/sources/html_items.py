"""Lists of a page in `<ul>`, `<ol>` and `<dl>`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from monitor.sources.headings import read_heading
from monitor.sources.html_lines import make_row, make_rows, read_lines
from monitor.sources.html_list import HtmlList, limit_lists
from monitor.sources.html_outline import HeadingStack, is_for_navigation, iterate_elements

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_MOST_LISTS = 2000
_LISTS = ("ul", "ol", "dl")


def read_items(document: HtmlElement, base: str) -> list[HtmlList]:
    """Read the lists of a page, also those of other things. Raises ParseError if they are too long."""
    return limit_lists(_find_lists(document, base))


def _find_lists(document: HtmlElement, base: str) -> Iterator[HtmlList]:
    above = HeadingStack()
    done: set[HtmlElement] = set()
    count = 0
    for element in iterate_elements(document):
        if element.tag not in _LISTS:
            above.pass_by(element)
        elif element not in done and count < _MOST_LISTS and not is_for_navigation(element):
            count += 1
            read = _read_definitions if element.tag == "dl" else _read_list
            yield from read(element, above.state, above.nearest, base, done)


def _read_list(
    element: HtmlElement, state: str, nearest: str, base: str, done: set[HtmlElement]
) -> Iterator[HtmlList]:
    """Read a list and those in it: below an item that is a state they are its agencies, below another one its
    further lines.
    """
    lists = [HtmlList(state, nearest)]
    for item in element.iterchildren("li"):
        inner = [each for each in item.iter(*_LISTS) if each not in done]
        first = next(iter(read_lines(item, stop=_LISTS)), "") if inner else ""
        if inner and read_heading(first):
            for each in inner:
                if each not in done:
                    done.add(each)
                    read = _read_definitions if each.tag == "dl" else _read_list
                    lists += read(each, first, first, base, done)
            lists.append(HtmlList(state, nearest))
            continue
        done.update(inner)
        for row in make_rows(read_lines(item), item, base):
            if read_heading(row[0]) and not any(row[1:-1]):
                lists.append(HtmlList(row[0], row[0]))
            else:
                lists[-1].rows.append(row)
    done.add(element)
    yield from lists


def _read_definitions(
    element: HtmlElement, state: str, nearest: str, base: str, done: set[HtmlElement]
) -> Iterator[HtmlList]:
    """Read a `<dl>`: terms that are states are headings, others are agencies with their further lines."""
    done.update(element.iter(*_LISTS))
    lists = [HtmlList(state, nearest)]
    items: list[tuple[HtmlList, HtmlElement, list[str]]] = []
    under = False  # whether the last term is a state
    for part in [each for each in element.iter("dt", "dd") if _list_around(each) is element]:
        lines = list(read_lines(part))
        if part.tag == "dt":
            under = bool(lines) and bool(read_heading(lines[0]))
            if under:
                lists.append(HtmlList(lines[0], lines[0]))
                continue
        elif not under:
            if items:
                items[-1][2].extend(lines)
            continue
        items.append((lists[-1], part, lines))
    for one, part, lines in items:
        if row := make_row(lines, part, base):
            one.rows.append(row)
    yield from lists


def _list_around(element: HtmlElement) -> HtmlElement | None:
    return next(element.iterancestors(*_LISTS), None)
