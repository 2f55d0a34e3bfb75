"""Tables of an HTML page as people see them: rows of cells, what stands above each table, what is struck
through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from monitor.errors import ParseError
from monitor.sources.cells import FOOTNOTE, NAME_LENGTH, clean
from monitor.sources.column_map import MIB, ParseLimits
from monitor.sources.headings import read_heading
from monitor.sources.html_links import UNKNOWN, join_link, take_texts
from monitor.sources.sniff import decode_utf8, is_utf16

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_MOST_COLUMNS = 100  # columns after these are not read
_MOST_CELLS = 4_000_000  # of a table; each cell counts for every row and column that it covers
_MOST_TABLES, _MOST_LEVELS = 1000, 10  # the most tables of a page that are examined, including nested ones
_TO_THE_END = 65_534  # rows that "rowspan=0" covers, and the most of any (HTML, 4.9.11)
_MOST_TEXT = 10_000  # characters of a cell that are read
_UNSEEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_OLD_CHARSETS = ("ascii", "us-ascii", "iso-8859-1", "iso8859-1", "latin1", "windows-1252", "cp1252")
"""Names of encodings that browsers read as Windows-1252 (WHATWG Encoding Standard, 4.2)."""
_NOT_STRUCK = (
    "boolean(.//text()[normalize-space() and not(ancestor::s or ancestor::del or ancestor::strike)])"
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_OPENERS = ("summary", "button", "legend")
_MOST_OPENERS = 5  # between a heading and its table
_INLINE = ("span", "small", "div", "p", "b", "strong", "em", "i", "label", "time")
_FOR_READERS = re.compile(
    r"(?:^|[\s-])(?:sr-only|visually-hidden|screen-reader-text|element-invisible)(?:\s|$)"
)
"""Classes of texts for screen readers: "(link is external)"."""
Cell = tuple[str, str | None]
"""A cell's text and its link."""


class TableHeading(NamedTuple):
    """What stands above a table: the text that names a state, or "", and the nearest text."""

    state: str = ""
    nearest: str = ""


def find_headings(document: HtmlElement) -> dict[HtmlElement, TableHeading]:
    """What stands above each table: its caption, what opens it, such as a button, and the headings above,
    those of higher levels too. What opens a table is a heading only if it names a state.
    """
    above: dict[HtmlElement, TableHeading] = {}
    headings: list[HtmlElement] = []
    openers: list[HtmlElement] = []
    for element in document.iter(*_HEADINGS, *_OPENERS, "table"):
        if element.tag == "table":
            nearer = [*element.iterchildren("caption"), *reversed(openers)]
            above[element] = _choose_heading([*nearer, *reversed(headings)])
        elif element.tag in _HEADINGS:
            # the numbers in their names are their levels
            headings = [each for each in headings if each.tag < element.tag]
            headings.append(element)
            openers = []
        else:
            openers = [*openers[1 - _MOST_OPENERS :], element]
    return above


def _choose_heading(elements: list[HtmlElement]) -> TableHeading:
    """The heading among a caption and the elements before a table, the nearest first."""
    texts = [(each.tag, clean(" ".join(take_texts(each, NAME_LENGTH)))) for each in elements]
    state = next((text for _, text in texts if read_heading(text)), "")
    nearest = next((text for tag, text in texts if text and tag not in _OPENERS), "")
    return TableHeading(state, nearest or state)


def is_unseen(element: HtmlElement) -> bool:
    """Whether the page hides an element from its readers."""
    return _UNSEEN.search(element.get("style", "")) is not None or "hidden" in element.attrib


def is_struck(row: HtmlElement) -> bool:
    """Whether all text of a row is struck through."""
    return next(row.iter("del", "s", "strike"), None) is not None and not row.xpath(_NOT_STRUCK)


def _drop_unseen(document: HtmlElement) -> None:
    """Remove what people do not see in a cell beside what they see: labels for telephones, keys for
    sorting, words for screen readers.
    """
    unseen: dict[HtmlElement, list[HtmlElement]] = {}
    for element in document.iter(*_INLINE):
        if is_unseen(element) or _FOR_READERS.search(element.get("class", "")):
            cell = next(element.iterancestors("td", "th"), None)
            if cell is not None:
                unseen.setdefault(cell, []).append(element)
    for cell, elements in unseen.items():
        within = {each for element in elements for each in element.iter()}
        texts = [cell.text, *(each.text for each in cell.iter() if each not in within and each is not cell)]
        texts += [each.tail for each in cell.iter() if each.getparent() not in within and each is not cell]
        if any(text and text.strip() for text in texts):
            for element in elements:
                _drop(element)


def parse_page(body: bytes, limits: ParseLimits) -> HtmlElement:
    """Parse a page into a document. Raises ParseError."""
    if len(body) > limits.decoded:
        raise ParseError(f"has a page of more than {limits.decoded / MIB:g} MiB")
    from lxml import etree, html  # takes long to import

    try:
        body, encoding = _choose_encoding(body)
        document = html.document_fromstring(body, parser=html.HTMLParser(encoding=encoding, no_network=True))
        # elements without visible text
        etree.strip_elements(document, "script", "style", "template", with_tail=False)
        for mark in list(document.iter("sup")):
            if FOOTNOTE.fullmatch("".join(take_texts(mark, NAME_LENGTH))):
                _drop(mark)
        _drop_unseen(document)
        return document
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        raise ParseError("has a page that is not HTML") from None


def find_tables(document: HtmlElement) -> Iterator[HtmlElement]:
    """Find the tables of a page, including nested ones, up to the limit."""
    levels: dict[HtmlElement, int] = {}
    for table in islice(document.iter("table"), _MOST_TABLES):
        around = next(table.iterancestors("table"), None)
        levels[table] = level = levels.get(around, 0) + 1
        if level <= _MOST_LEVELS:
            yield table


def read_tables(document: HtmlElement) -> Iterator[tuple[str, list[list[Cell]]]]:
    """Yield the state above every table on a page, or "", and its rows as texts and links."""
    above_tables = find_headings(document)
    for table in find_tables(document):
        yield above_tables[table].state, list(read_grid(table, UNKNOWN))


def _drop(element: HtmlElement) -> None:
    """Remove an element from its page, and keep the text after it."""
    element.text = ""
    for child in list(element):
        element.remove(child)


def _choose_encoding(body: bytes) -> tuple[bytes, str | None]:
    """Choose the encoding of a page's bytes, None if the parser detects it: UTF-8 if the whole page is valid,
    otherwise the declared one. A page that declares none, or Latin-1, is read as Windows-1252, as in
    browsers.
    """
    if is_utf16(body):
        return body, None
    try:
        body.decode()
    except UnicodeDecodeError:
        said = _CHARSET.search(body[:4096])
        name = said[1].decode().lower() if said else _OLD_CHARSETS[0]
        if name in ("utf-8", "utf8"):  # a few bytes are damaged
            return decode_utf8(body)[0].encode(), "utf-8"
        if name in _OLD_CHARSETS:
            return body.decode("cp1252", "replace").encode(), "utf-8"
        return body, None
    return body, "utf-8"


def read_grid(table: HtmlElement, url: str) -> Iterator[list[Cell]]:
    """The rows of a table, cells that cover several rows or columns repeated in each."""
    covered: dict[int, tuple[int, Cell]] = {}  # column to the rows that a cell above still covers
    total = 0
    for row in rows_of(table):
        cells: list[Cell] = []
        below: dict[int, tuple[int, Cell]] = {}
        for element in row.iterchildren("td", "th"):
            _repeat_covered(cells, covered, below)
            if len(cells) >= _MOST_COLUMNS:
                break
            cell, rows = _read_cell(element, url), _span(element, "rowspan") or _TO_THE_END
            for _ in range(min(_span(element, "colspan") or 1, _MOST_COLUMNS - len(cells))):
                if rows > 1:
                    cell = (cell[0], cell[1])  # it is no heading: see `fitting_tables.is_spread`
                    below[len(cells)] = (rows - 1, cell)
                cells.append(cell)
        _repeat_covered(cells, covered, below)
        covered = below
        total += len(cells) + 1
        if total > _MOST_CELLS:
            raise ParseError(f"has a table of more than {_MOST_CELLS:,} cells")
        yield cells


def rows_of(table: HtmlElement) -> Iterator[HtmlElement]:
    """The rows of a table, without those of tables within it."""
    for child in table.iterchildren("tr", "thead", "tbody", "tfoot"):
        if child.tag == "tr":
            yield child
        else:
            yield from child.iterchildren("tr")


def _repeat_covered(
    cells: list[Cell], covered: dict[int, tuple[int, Cell]], below: dict[int, tuple[int, Cell]]
) -> None:
    """Append the cells from above that cover the next columns of a row."""
    while (at := len(cells)) in covered:
        rows, cell = covered.pop(at)
        if rows > 1:
            below[at] = (rows - 1, cell)
        cells.append(cell)


def _span(element: HtmlElement, name: str) -> int:
    if (given := element.get(name)) is None:
        return 1
    value = given.strip()
    return int(value) if re.fullmatch(r"0|[1-9]\d{0,3}", value) else 1


def _read_cell(element: HtmlElement, url: str) -> Cell:
    """Read a cell's text, with line breaks as spaces, and the URL of its first link."""
    text = clean(" ".join(take_texts(element, _MOST_TEXT)))
    if not text:  # pictures, such as flags and check marks
        text = clean(" ".join(picture.get("alt") or "" for picture in islice(element.iter("img"), 3)))
    return text[:_MOST_TEXT], next(
        filter(None, (join_link(url, link.get("href")) for link in element.iter("a"))), None
    )
