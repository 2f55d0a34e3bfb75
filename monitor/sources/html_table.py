"""HTML tables, on one page or over many: every page's table has the same headers, one row is one row of the
list.

The pages are followed by their links to the next one. The first page is fetched once more at the end: if its
rows have changed by then, the pages do not belong together. The body that is kept has the configured columns
only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

from pydantic import field_validator

from monitor.domain import Publication
from monitor.errors import ParseError
from monitor.sources.cells import NAME_LENGTH, TEXT_LENGTH, clean
from monitor.sources.column_map import MIB, ColumnMap, ParseLimits, ParseOptions, describe_headers
from monitor.sources.format import Format, Pages, RowsOptions
from monitor.sources.json_body import is_json, load_json
from monitor.sources.listing import ListingReader
from monitor.sources.table import find_header

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_MOST_COLUMNS = 100  # columns after these are not read
_HEADER_ROWS = 10
_MOST_CELLS = 4_000_000  # of a table, each as often as it covers rows and columns
_MOST_TABLES, _MOST_LEVELS = 1000, 10  # tables of a page that are looked at, also within each other
_TO_THE_END = 65_534  # rows that "rowspan=0" covers, and the most of any (HTML, 4.9.11)
_MOST_TEXT = 10_000  # characters of a cell that are read
_UNKNOWN = "https://page.invalid/"  # the address of a page that is a file; its relative links lead nowhere
_PLAIN_PATH = re.compile(r"(?:/[\w~!$&'()*+,=:@%-][\w~!$&'()*+,=:@%.-]*)+(?:\?[\w=&%+.,-]*)?")
"""A path from the top of the host, without anything that joining would resolve."""
_NEXT = re.compile(r"\W*(?:go to )?next(?: page)?\W*", re.IGNORECASE)

Cell = tuple[str, str | None]
"""A cell's text and its link."""


class HtmlOptions(RowsOptions):
    """``next``: a regular expression for the address of the next page, where its link does not say that it
    is.
    """

    next: str = ""

    @field_validator("next")
    @classmethod
    def _is_expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        return value


class _Page(NamedTuple):
    """What one page holds of the list: configured titles, rows of cells, and the address of the next page."""

    titles: tuple[str, ...]
    rows: list[list[Cell]]
    following: str | None


def collect(url: str, options: ParseOptions) -> Pages:
    """Yield the addresses of a list's pages and return one body of them all; ParseError if they do not
    agree.
    """
    first: _Page | None = None
    seen: dict[str, int] = {}
    visited: set[str] = set()
    rows: list[list[Cell]] = []
    address: str | None = urldefrag(url).url
    while address is not None:
        if address in visited:
            raise ParseError(f"leads from page {len(visited):,} back to an earlier one")
        visited.add(address)
        page = _read_page((yield address), address, options)
        number = len(visited)
        if not page.rows:
            raise ParseError(f"has no row on page {number:,}")
        first = first or page
        if page.titles != first.titles:
            raise ParseError(f"has other columns on page {number:,}")
        digest = _digest(page)
        if digest in seen:
            raise ParseError(f"has the same rows on the pages {seen[digest]:,} and {number:,}")
        seen[digest] = number
        rows += page.rows
        address = page.following
    assert first is not None
    again = _read_page((yield url), url, options)
    if _digest(again) != _digest(first) or again.following != first.following:
        raise ParseError("changed while its pages were read")
    whole = {"pages": list(seen), "titles": first.titles, "rows": rows}
    return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _digest(page: _Page) -> str:
    """The SHA-256 (hex) of a page's rows."""
    return sha256(json.dumps(page.rows, ensure_ascii=False).encode()).hexdigest()


def _read_page(body: bytes, url: str, options: ParseOptions) -> _Page:
    """The tables on a page that have the configured headers, as one; ParseError where none has."""
    columns = options.columns or ColumnMap()
    document = _parse_page(body, options.limits)
    tops: list[str] = []
    titles: tuple[str, ...] = ()
    rows: list[list[Cell]] = []
    for table in _find_tables(document):
        grid = _read_grid(table, url)
        for row in islice(grid, _HEADER_ROWS):
            texts = [text for text, _ in row]
            if header := find_header(texts, columns):
                titles = titles or tuple(header.values())
                places = {title: at for at, title in header.items()}
                if set(places) != set(titles):
                    raise ParseError("has two tables that fit, and they have other columns")
                picked = (
                    [row[places[title]] if places[title] < len(row) else ("", None) for title in titles]
                    for row in grid
                )
                rows += [row for row in picked if any(text for text, _ in row)]
                break
            tops += texts
    if not titles:
        raise ParseError(describe_headers("column", columns, set(tops)))
    chosen = HtmlOptions.model_validate(options.settings)
    return _Page(titles, rows, _find_next(document, url, chosen.next))


def _parse_page(body: bytes, limits: ParseLimits) -> HtmlElement:
    """The document that a page is. Raises ParseError."""
    if len(body) > limits.decoded:
        raise ParseError(f"has a page of more than {limits.decoded / MIB:g} MiB")
    from lxml import etree, html  # takes long to import

    try:
        document = html.document_fromstring(
            body, parser=html.HTMLParser(encoding=_encoding(body), no_network=True)
        )
        etree.strip_elements(document, "script", "style", "template", with_tail=False)  # no texts for people
        return document
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        raise ParseError("has a page that is no HTML") from None


def _find_tables(document: HtmlElement) -> Iterator[HtmlElement]:
    """The tables of a page, also those within others, as many as are looked at."""
    levels: dict[HtmlElement, int] = {}
    for table in islice(document.iter("table"), _MOST_TABLES):
        around = next(table.iterancestors("table"), None)
        levels[table] = level = levels.get(around, 0) + 1
        if level <= _MOST_LEVELS:
            yield table


def read_tables(body: bytes, limits: ParseLimits) -> Iterator[list[list[Cell]]]:
    """The rows of every table on a page, as texts and links. Raises ParseError."""
    for table in _find_tables(_parse_page(body, limits)):
        yield list(_read_grid(table, _UNKNOWN))


def _encoding(body: bytes) -> str | None:
    """UTF-8 where the whole page is; else what the page says itself."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _read_grid(table: HtmlElement, url: str) -> Iterator[list[Cell]]:
    """The rows of a table, cells that cover several rows or columns repeated in each."""
    covered: dict[int, tuple[int, Cell]] = {}  # column to the rows that a cell above still covers
    total = 0
    for row in _rows_of(table):
        cells: list[Cell] = []
        below: dict[int, tuple[int, Cell]] = {}
        for element in row.iterchildren("td", "th"):
            _repeat_covered(cells, covered, below)
            if len(cells) >= _MOST_COLUMNS:
                break
            cell, rows = _read_cell(element, url), _span(element, "rowspan") or _TO_THE_END
            for _ in range(min(_span(element, "colspan") or 1, _MOST_COLUMNS - len(cells))):
                if rows > 1:
                    below[len(cells)] = (rows - 1, cell)
                cells.append(cell)
        _repeat_covered(cells, covered, below)
        covered = below
        total += len(cells) + 1
        if total > _MOST_CELLS:
            raise ParseError(f"has a table of more than {_MOST_CELLS:,} cells")
        yield cells


def _rows_of(table: HtmlElement) -> Iterator[HtmlElement]:
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
    """A cell's text, a line break in it as a space, and the address of its first link."""
    text = clean(" ".join(_take_texts(element, _MOST_TEXT)))
    return text, next(filter(None, (_join(url, link.get("href")) for link in element.iter("a"))), None)


def _take_texts(element: HtmlElement, most: int) -> Iterator[str]:
    """The texts in an element until they have so many characters; a cell may hold the whole page."""
    length = 0
    for text in element.itertext():
        yield text[:most]
        length += len(text)
        if length > most:
            return


@lru_cache(maxsize=16)
def _origin(url: str) -> str:
    """The scheme and host of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _join(url: str, href: str | None) -> str | None:
    try:
        href = (href or "")[: TEXT_LENGTH + 1].strip()
        if _PLAIN_PATH.fullmatch(href) and len(href) <= TEXT_LENGTH:
            return _origin(url) + href  # what most links are, in a tenth of the time
        address = urldefrag(urljoin(url, href)).url if href else ""
    except ValueError:  # such as http://[
        return None
    return address if address.startswith(("http://", "https://")) and len(href or "") <= TEXT_LENGTH else None


def _find_next(document: HtmlElement, url: str, pattern: str) -> str | None:
    """The address of the next page: by the configured expression, by rel="next", or by what a reader sees."""
    here = urldefrag(url).url
    for element in document.iter("a", "link"):
        if pattern:
            address = _join(url, element.get("href"))
            if address not in (None, here) and re.search(pattern, address or "") and element.tag == "a":
                return address
            continue
        words = clean("".join(_take_texts(element, 2 * NAME_LENGTH)))
        texts = (words, element.get("title", ""), element.get("aria-label", ""))
        if "next" in element.get("rel", "").lower().split() or any(map(_NEXT.fullmatch, filter(None, texts))):
            address = _join(url, element.get("href"))
            if address not in (None, here):
                return address
    return None


def parse(body: bytes, options: ParseOptions) -> Publication:
    """The publication that a list's pages are, by `collect` or one as HTML; ParseError if it has no such
    table.
    """
    titles, rows = _load_rows(body, options.limits) if is_json(body) else _read_single(body, options)
    columns = options.columns or ColumnMap()
    reader = ListingReader(columns, by_city=columns.city is not None)
    for number, row in enumerate(rows, start=1):
        links = {at: link for at, (_, link) in enumerate(row) if link}
        reader.read(number, titles, [text for text, _ in row], links=links)
    if not reader.listings:
        raise ParseError("The table has its headers and no row with a name that can be read.")
    return reader.merge(HtmlOptions.model_validate(options.settings).group_by)


def _read_single(body: bytes, options: ParseOptions) -> tuple[tuple[str, ...], list[list[Cell]]]:
    """A page that is a file: it must be the only one."""
    if not body.strip():
        raise ParseError("The body is empty.")
    page = _read_page(body, _UNKNOWN, options)
    if page.following:
        raise ParseError("The page leads to a next one, and alone it is not the list.")
    rows = [
        [(text, None if link and link.startswith(_UNKNOWN) else link) for text, link in row]
        for row in page.rows
    ]
    return page.titles, rows


def _load_rows(body: bytes, limits: ParseLimits) -> tuple[tuple[str, ...], list[list[Cell]]]:
    """The titles and rows of a body by `collect`."""
    document = load_json(body, limits)
    titles = document.get("titles") if isinstance(document, dict) else None
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(titles, list) or not isinstance(rows, list):
        raise ParseError("The JSON holds no rows of an HTML table.")
    read: list[list[Cell]] = []
    for row in rows:
        if not isinstance(row, list) or len(row) != len(titles):
            raise ParseError("The JSON holds a row that has other columns.")
        if not all(isinstance(cell, list) and len(cell) == 2 and isinstance(cell[0], str) for cell in row):
            raise ParseError("The JSON holds a row that has other columns.")
        read.append([(text, link if isinstance(link, str) else None) for text, link in row])
    return tuple(map(str, titles)), read


FORMAT = Format(
    "html",
    parse,
    recognizes=lambda body: b"<table" in body.lower(),
    required_columns=("name",),
    collect=collect,
    options=HtmlOptions,
)
