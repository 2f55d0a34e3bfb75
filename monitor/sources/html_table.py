"""HTML tables and lists, on one page or over many: every page's table has the same headers, one row is one
row of the list. Lists that are no tables have given headers (`html_list`).

Pages are found by their links to the next one. The first page is fetched again at the end: if its rows have
changed by then, the pages are inconsistent. The stored body has only the configured columns.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urldefrag

from pydantic import field_validator

from monitor.domain import ROWS_MISSING, Publication
from monitor.errors import ParseError
from monitor.sources.cells import FOOTNOTE, NAME_LENGTH, clean
from monitor.sources.column_choice import ColumnSample, choose_columns
from monitor.sources.column_map import (
    MIB,
    ColumnMap,
    ParseLimits,
    ParseOptions,
    describe_headers,
    list_headers,
)
from monitor.sources.format import FillOptions, Format, Pages, Proposal
from monitor.sources.headings import HEADING_TITLE, NO_STATE, find_heading_above, read_heading
from monitor.sources.html_links import (
    UNKNOWN,
    find_base,
    find_next,
    find_pages_left,
    find_stated_count,
    join_link,
    take_texts,
)
from monitor.sources.html_list import (
    BLOCK_TITLE,
    BLOCK_TITLES,
    ITEM_TITLE,
    ITEM_TITLES,
    read_blocks,
    read_items,
)
from monitor.sources.json_body import is_json, load_json
from monitor.sources.listing import MOST_ROWS, ListingReader
from monitor.sources.samples import SAMPLE, find_sample
from monitor.sources.sniff import decode_utf8, describe_page, is_html, is_utf16
from monitor.sources.table import MappedTable, TableReader, describe_left, find_header, find_headers

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_MOST_COLUMNS = 100  # columns after these are not read
_HEADER_ROWS = 20
_MOST_NAMED, _MOST_NOTES = 5, 20
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
_LISTS = {ITEM_TITLE: (ITEM_TITLES, read_items), BLOCK_TITLE: (BLOCK_TITLES, read_blocks)}
"""The titles of lists that are no tables, and how they are read, by the title of the names."""
Cell = tuple[str, str | None]
"""A cell's text and its link."""


class HtmlOptions(FillOptions):
    """``next``: a regular expression for the URL of the next page, if its link cannot be recognized
    otherwise.
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
    """One page of the list: configured titles, rows of cells, the URL of the next page, the stated number of
    rows of the list, notes about irregularities, and the pages that it names and does not link to.
    """

    titles: tuple[str, ...]
    rows: list[list[Cell]]
    following: str | None
    stated: int | None = None
    notes: tuple[str, ...] = ()
    left: str = ""


def collect(url: str, options: ParseOptions) -> Pages:
    """Yield the URLs of a list's pages and return one body of them all; raises ParseError if they are
    inconsistent.
    """
    first: _Page | None = None
    seen: dict[str, int] = {}
    visited: set[str] = set()
    rows: list[list[Cell]] = []
    notes: list[str] = []
    earlier: set[tuple[Cell, ...]] = set()
    address: str | None = urldefrag(url).url
    while address is not None:
        if address in visited:
            raise ParseError(f"leads from page {len(visited):,} back to an earlier one")
        visited.add(address)
        number = len(visited)
        page = _read_page((yield address), address, options, number)
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
        notes += [f"page {number:,}: {note}" for note in page.notes]
        agencies = {tuple(row) for row in page.rows if sum(bool(text) for text, _ in row) > 1}
        if shared := len(agencies & earlier):  # a server without an order may then have left others out
            notes.append(f"page {number:,}: rows that stand on an earlier page too: {shared:,}")
        earlier |= agencies
        address = page.following
    assert first is not None
    again = _read_page((yield url), url, options)
    if _digest(again) != _digest(first) or again.following != first.following:
        raise ParseError("changed while its pages were read")
    whole: dict[str, object] = {"pages": list(seen), "titles": first.titles, "rows": rows}
    if page.left:
        whole["left"] = page.left
    if first.stated is not None:
        whole["stated"] = first.stated
    if notes:
        whole["notes"] = notes[:_MOST_NOTES]
    return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _digest(page: _Page) -> str:
    """The SHA-256 (hex) of a page's rows."""
    return sha256(json.dumps(page.rows, ensure_ascii=False).encode()).hexdigest()


def _read_page(body: bytes, url: str, options: ParseOptions, number: int = 1) -> _Page:
    """Read the tables on a page that have the configured headers, as one; raises ParseError if there are
    none. ``number`` is the number of the page.
    """
    columns = options.columns or ColumnMap()
    document = parse_page(body, options.limits)
    base = find_base(document, url)
    chosen = HtmlOptions.model_validate(options.settings)
    following = find_next(document, url, chosen.next, number)
    left_over = "" if following else find_pages_left(document)
    stated = find_stated_count(document)
    if not _LISTS.keys().isdisjoint(list_headers(columns.name)):
        titles, rows, notes = _read_lists(document, base, columns)
        if not rows:
            raise ParseError(f"No list of agencies is on the page. {describe_page(body)}")
    else:
        titles, rows, notes = _read_fitting_tables(document, base, columns, body)
    return _Page(titles, rows, following, stated, tuple(notes), left_over)


def _read_lists(
    document: HtmlElement, base: str, columns: ColumnMap
) -> tuple[tuple[str, ...], list[list[Cell]], list[str]]:
    """The configured titles, the rows and the notes of the lists on a page that are no tables."""
    names = list_headers(columns.name)
    under_headings = HEADING_TITLE in list_headers(columns.state)
    given, read = next(_LISTS[title] for title in names if title in _LISTS)
    found = read(document, base, under_states=under_headings)
    header = find_header(given, columns)
    if header is None:
        raise ParseError(describe_headers("column", columns, given))
    rows: list[list[Cell]] = []
    for each in found.lists:
        if under_headings:
            rows.append([(each.state * (title in names), None) for title in header.values()])
        rows += [[(row[at], None) for at in header] for row in each.rows]
    return tuple(header.values()), rows, [found.left] * bool(found.left)


def _read_fitting_tables(
    document: HtmlElement, base: str, columns: ColumnMap, body: bytes
) -> tuple[tuple[str, ...], list[list[Cell]], list[str]]:
    """The configured titles, the rows and the notes of the tables of a page that have the configured headers.

    Raises ParseError if there are none.
    """
    tops: list[str] = []
    unseen = struck = 0
    spread: list[str] = []
    titles: tuple[str, ...] = ()
    rows: list[list[Cell]] = []
    left: list[str] = []
    headings: list[str] = []
    names = list_headers(columns.name)
    under_headings = HEADING_TITLE in list_headers(columns.state)
    above_tables = _find_headings(document)
    for table in _find_tables(document):
        grid = _read_grid(table, base)
        top = list(islice(grid, _HEADER_ROWS))
        found = find_headers([[text for text, _ in row] for row in top], columns)
        if not found:
            tops += [text for row in top for text, _ in row]
            continue
        at, header = found
        titles = titles or tuple(header.values())
        places = {title: place for place, title in header.items()}
        if set(places) != set(titles):
            raise ParseError("has two tables that fit, and they have other columns")
        left.append(describe_left(_without_spread(top[at]), header))
        above = above_tables[table]
        state = above.state or _find_above(top[:at])
        headings.append(state if above.nearest in ("", above.state) else above.nearest)
        if under_headings and (state or rows):  # a table without a heading is not of the state above
            rows.append([((state or NO_STATE) * (title in names), None) for title in titles])
        for row in chain(top[at + 1 :], grid):
            if _is_spread(row):
                text = next(text for text, _ in row if text)
                if under_headings and read_heading(text):
                    rows.append([(text * (title in names), None) for title in titles])
                else:
                    spread.append(text[:80])
                continue
            picked = [row[places[title]] if places[title] < len(row) else ("", None) for title in titles]
            if any(text for text, _ in picked):
                rows.append(picked)
            if len(rows) > MOST_ROWS:
                raise ParseError(f"has more than {MOST_ROWS:,} rows")
        for element in _rows_of(table):
            unseen += _is_unseen(element)
            struck += _is_struck(element)
    if not titles:
        instead = "" if tops else f" {describe_page(body)}"
        raise ParseError(describe_headers("column", columns, set(tops)) + instead)
    notes = [note for note in dict.fromkeys(left) if note]
    if unseen:
        notes.append(f"rows that are hidden, and read like the others: {unseen:,}")
    if struck:
        notes.append(f"rows that are struck through, and read like the others: {struck:,}")
    if len(parts := dict.fromkeys(headings)) > 1 and not all(map(read_heading, parts)):
        named = ", ".join(f'"{part[:80]}"' for part in list(parts)[:_MOST_NAMED] if part)
        notes.append(f"tables under several headings are read as one list: {named}")
    if spread:
        more = f" and {len(spread) - _MOST_NAMED:,} more" if len(spread) > _MOST_NAMED else ""
        named = ", ".join(f'"{text}"' for text in spread[:_MOST_NAMED])
        notes.append(f"one cell over several columns is no agency: {named}{more}")
    return titles, rows, notes


class _Heading(NamedTuple):
    """What stands above a table: the text that names a state, or "", and the nearest text."""

    state: str = ""
    nearest: str = ""


def _find_headings(document: HtmlElement) -> dict[HtmlElement, _Heading]:
    """What stands above each table: its caption, what opens it, such as a button, and the headings above,
    those of higher levels too. What opens a table is a heading only if it names a state.
    """
    above: dict[HtmlElement, _Heading] = {}
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


def _choose_heading(elements: list[HtmlElement]) -> _Heading:
    """The heading among a caption and the elements before a table, the nearest first."""
    texts = [(each.tag, clean(" ".join(take_texts(each, NAME_LENGTH)))) for each in elements]
    state = next((text for _, text in texts if read_heading(text)), "")
    nearest = next((text for tag, text in texts if text and tag not in _OPENERS), "")
    return _Heading(state, nearest or state)


def _is_unseen(element: HtmlElement) -> bool:
    return _UNSEEN.search(element.get("style", "")) is not None or "hidden" in element.attrib


def _is_struck(row: HtmlElement) -> bool:
    """Whether all text of a row is struck through."""
    return next(row.iter("del", "s", "strike"), None) is not None and not row.xpath(_NOT_STRUCK)


def _drop_unseen(document: HtmlElement) -> None:
    """Remove what people do not see in a cell beside what they see: labels for telephones, keys for
    sorting, words for screen readers.
    """
    unseen: dict[HtmlElement, list[HtmlElement]] = {}
    for element in document.iter(*_INLINE):
        if _is_unseen(element) or _FOR_READERS.search(element.get("class", "")):
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


def _find_above(rows: list[list[Cell]]) -> str:
    """The state in a row above the headers of a table; "" if there is none."""
    return find_heading_above([text for text, _ in row] for row in rows)


def _without_spread(row: list[Cell]) -> list[str]:
    """The texts of a row, those of cells over several columns once."""
    return ["" if at and cell is row[at - 1] else cell[0] for at, cell in enumerate(row)]


def _is_spread(row: list[Cell]) -> bool:
    """Whether a row is only one cell over several columns: a heading, a sum, a note, a pager."""
    filled = [cell for cell in row if cell[0]]
    return len(filled) > 1 and all(cell is filled[0] for cell in filled)


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
        raise ParseError("has a page that is no HTML") from None


def _find_tables(document: HtmlElement) -> Iterator[HtmlElement]:
    """Find the tables of a page, including nested ones, up to the limit."""
    levels: dict[HtmlElement, int] = {}
    for table in islice(document.iter("table"), _MOST_TABLES):
        around = next(table.iterancestors("table"), None)
        levels[table] = level = levels.get(around, 0) + 1
        if level <= _MOST_LEVELS:
            yield table


def read_tables(document: HtmlElement) -> Iterator[tuple[str, list[list[Cell]]]]:
    """Yield the state above every table on a page, or "", and its rows as texts and links."""
    above_tables = _find_headings(document)
    for table in _find_tables(document):
        yield above_tables[table].state, list(_read_grid(table, UNKNOWN))


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
                    cell = (cell[0], cell[1])  # a cell over several rows is not a heading: see `_is_spread`
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
    """Read a cell's text, with line breaks as spaces, and the URL of its first link."""
    text = clean(" ".join(take_texts(element, _MOST_TEXT)))
    return text, next(filter(None, (join_link(url, link.get("href")) for link in element.iter("a"))), None)


def parse(body: bytes, options: ParseOptions) -> Publication:
    """Parse a list's pages, from `collect` or one as HTML, into a publication; raises ParseError without such
    a table.
    """
    page = _load_page(body, options.limits) if is_json(body) else _read_single(body, options)
    columns = options.columns or ColumnMap()
    reader = ListingReader.of_columns(options)
    for note in page.notes:
        reader.report("odd table", note)
    if page.stated is not None and page.stated > len(page.rows):
        said = f"the page says that the list has {page.stated:,} rows, and {len(page.rows):,} are read"
        reader.report(ROWS_MISSING, said)
    if page.left:
        reader.report("pages missing", f"no link leads to {page.left}; options.next says which one does")
    chosen = HtmlOptions.model_validate(options.settings)
    rows = (
        (number, [text for text, _ in row], {at: link for at, (_, link) in enumerate(row) if link}, "")
        for number, row in enumerate(page.rows, start=1)
    )
    TableReader(MappedTable(page.titles, rows), columns, chosen, reader).read()
    if not reader.listings:
        raise ParseError("The table has its headers and no row with a name that can be read.")
    return replace(reader.merge(chosen.group_by), unread=(page.left,) if page.left else ())


def _read_single(body: bytes, options: ParseOptions) -> _Page:
    """A page that is a file: it must be the only one."""
    if not body.strip():
        raise ParseError("The body is empty.")
    try:
        page = _read_page(body, UNKNOWN, options)
    except ParseError as error:  # on one page of several, it may state the number of that page
        reason = str(error)
        raise ParseError(reason if reason[:1].isupper() else f"The page {reason}.") from None
    if page.following:
        raise ParseError("The page leads to a next one, and alone it is not the list.")
    rows = [
        [(text, None if link and link.startswith(UNKNOWN) else link) for text, link in row]
        for row in page.rows
    ]
    return page._replace(rows=rows)


def _load_page(body: bytes, limits: ParseLimits) -> _Page:
    """All pages of a body by `collect` as one."""
    document = load_json(body, limits)
    if not isinstance(document, dict):
        raise ParseError("The JSON holds no rows of an HTML table.")
    titles, rows = document.get("titles"), document.get("rows")
    stated, notes = document.get("stated"), document.get("notes", [])
    if not isinstance(titles, list) or not isinstance(rows, list) or not isinstance(notes, list):
        raise ParseError("The JSON holds no rows of an HTML table.")
    read: list[list[Cell]] = []
    for row in rows:
        if not isinstance(row, list) or len(row) != len(titles):
            raise ParseError("The JSON holds a row that has other columns.")
        if not all(isinstance(cell, list) and len(cell) == 2 and isinstance(cell[0], str) for cell in row):
            raise ParseError("The JSON holds a row that has other columns.")
        read.append([(text, link if isinstance(link, str) else None) for text, link in row])
    return _Page(
        tuple(map(str, titles)),
        read,
        None,
        stated if isinstance(stated, int) else None,
        tuple(map(str, notes[:_MOST_NOTES])),
        str(document.get("left", "")),
    )


def propose(body: bytes, limits: ParseLimits) -> Proposal:
    """Propose how the largest table of a page is read, or a list that is far larger; raises ParseError if it
    has none.
    """
    document = parse_page(body, limits)
    tables = list(_sample_tables(document))
    alike = Counter({sample.titles: 0 for sample in tables})
    for sample in tables:
        alike[sample.titles] += sample.size
    largest = max(tables, key=lambda sample: sample.size, default=None)
    longest = max(_sample_lists(document), key=lambda sample: sample.size, default=None)
    samples = [sample for sample in (largest, longest) if sample]
    if not samples:
        raise ParseError(
            "The page has no table with headers and an agency's name below, and no list of agencies: what a "
            "script fills in is not read. Give the address of a file, or of the data behind the page."
        )
    first, last = samples[0], samples[-1]
    far_larger = last.size > 2 * alike.get(first.titles, last.size)
    choice = choose_columns(last if far_larger else first, of_table=True)
    return Proposal("html", choice.columns, choice.settings, choice.notes)


def _sample_tables(document: HtmlElement) -> Iterator[ColumnSample]:
    for above, rows in read_tables(document):
        sample = find_sample([_without_spread(row) for row in rows if not _is_spread(row)], len(rows))
        if sample:
            linked = frozenset(at for row in rows for at, (_, link) in enumerate(row) if link)
            over = [next(text for text, _ in row if text) for row in rows if _is_spread(row)]
            heading = next(filter(None, map(read_heading, [*over, above])), sample.heading)
            yield replace(sample, linked=linked, heading=heading)


def _sample_lists(document: HtmlElement) -> Iterator[ColumnSample]:
    """Samples of the lists of agencies that are no tables: those under states, or if most are not, of all."""
    for titles, read in _LISTS.values():
        under, any_where = (read(document, UNKNOWN, under_states=each).lists for each in (True, False))
        sizes = [sum(len(one.rows) for one in lists) for lists in (under, any_where)]
        lists = under if 2 * sizes[0] >= sizes[1] else any_where
        rows = [row for one in lists for row in one.rows]
        filled = [at for at in range(len(titles)) if any(row[at] for row in rows)]
        if len(rows) > 1:
            below = [[row[at] for at in filled] for row in rows[:SAMPLE]]
            heading = lists[0].state if lists is under else ""
            yield ColumnSample(tuple(titles[at] for at in filled), below, len(rows), heading=heading)


FORMAT = Format(
    "html",
    parse,
    recognizes=is_html,
    propose=propose,
    required_columns=("name",),
    given_titles=(HEADING_TITLE, *dict.fromkeys((*ITEM_TITLES, *BLOCK_TITLES))),
    collect=collect,
    options=HtmlOptions,
)
