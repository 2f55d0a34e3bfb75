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
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urldefrag

from pydantic import field_validator

from monitor.domain import ROWS_MISSING, Publication
from monitor.errors import ParseError
from monitor.sources.column_choice import ColumnSample, choose_columns
from monitor.sources.column_map import (
    ColumnMap,
    ParseLimits,
    ParseOptions,
    describe_headers,
    list_headers,
)
from monitor.sources.fitting_tables import FittingTables, is_spread, without_spread
from monitor.sources.format import FillOptions, Format, Pages, Proposal, TotalOptions
from monitor.sources.headings import HEADING_TITLE, read_heading
from monitor.sources.html_blocks import read_blocks
from monitor.sources.html_document import (
    Cell,
    parse_page,
    read_tables,
)
from monitor.sources.html_items import read_items
from monitor.sources.html_links import (
    UNKNOWN,
    find_base,
    find_more_by_script,
    find_next,
    find_pages_left,
    find_stated_count,
)
from monitor.sources.html_list import (
    BLOCK_TITLE,
    BLOCK_TITLES,
    ITEM_TITLE,
    ITEM_TITLES,
    choose_lists,
)
from monitor.sources.json_body import is_json, load_json
from monitor.sources.listing import ListingReader
from monitor.sources.problem_list import IGNORE_TOTAL
from monitor.sources.samples import SAMPLE, find_sample
from monitor.sources.sniff import describe_page, is_html
from monitor.sources.table_headers import find_header
from monitor.sources.table_rows import MappedTable, TableReader

if TYPE_CHECKING:
    from lxml.html import HtmlElement


_MOST_NOTES = 20
_LISTS = {ITEM_TITLE: (ITEM_TITLES, read_items), BLOCK_TITLE: (BLOCK_TITLES, read_blocks)}
"""The titles of lists that are no tables, and how they are read, by the title of the names."""


class HtmlOptions(FillOptions, TotalOptions):
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
    rows of the list, notes about irregularities, the pages that it names and does not link to, and the words
    of a button by which a script adds more.
    """

    titles: tuple[str, ...]
    rows: list[list[Cell]]
    following: str | None
    stated: int | None = None
    notes: tuple[str, ...] = ()
    left: str = ""
    more: str = ""


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
    if first.more:
        whole["more"] = first.more
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
    more = "" if following or left_over or number > 1 else find_more_by_script(document)
    if not _LISTS.keys().isdisjoint(list_headers(columns.name)):
        titles, rows, notes = _read_lists(document, base, columns)
        if not rows:
            raise ParseError(f"No list of agencies is on the page. {describe_page(body)}")
    else:
        tables = FittingTables(columns)
        tables.read(document, base)
        titles, rows, notes = tables.titles, tables.rows, tables.list_notes()
        if not titles:
            instead = "" if tables.others else f" {describe_page(body)}"
            raise ParseError(describe_headers("column", columns, tables.others) + instead)
    return _Page(titles, rows, following, stated, tuple(notes), left_over, more)


def _read_lists(
    document: HtmlElement, base: str, columns: ColumnMap
) -> tuple[tuple[str, ...], list[list[Cell]], list[str]]:
    """The configured titles, the rows and the notes of the lists on a page that are no tables."""
    names = list_headers(columns.name)
    under_headings = HEADING_TITLE in list_headers(columns.state)
    given, read = next(_LISTS[title] for title in names if title in _LISTS)
    found = choose_lists(read(document, base), under_states=under_headings)
    header = find_header(given, columns)
    if header is None:
        raise ParseError(describe_headers("column", columns, given))
    rows: list[list[Cell]] = []
    for each in found.lists:
        if under_headings:
            rows.append([(each.state * (title in names), None) for title in header.values()])
        rows += [[(row[at], None) for at in header] for row in each.rows]
    return tuple(header.values()), rows, [found.left] * bool(found.left)


def parse(body: bytes, options: ParseOptions) -> Publication:
    """Parse a list's pages, from `collect` or one as HTML, into a publication; raises ParseError without such
    a table.
    """
    page = _load_page(body, options.limits) if is_json(body) else _read_single(body, options)
    columns = options.columns or ColumnMap()
    reader = ListingReader.of_columns(options)
    for note in page.notes:
        reader.report("odd table", note)
    chosen = HtmlOptions.model_validate(options.settings)
    if page.stated is not None and page.stated > len(page.rows) and not chosen.ignore_total:
        said = f"the page says that the list has {page.stated:,} rows, and {len(page.rows):,} are read"
        reader.report(ROWS_MISSING, f"{said}; {IGNORE_TOTAL}")
    elif page.more and not chosen.ignore_total:
        said = f'the page has "{page.more[:80]}", by which a script adds more rows that are not read'
        reader.report(ROWS_MISSING, f"{said}; {IGNORE_TOTAL}")
    if page.left:
        reader.report("pages missing", f"no link leads to {page.left}; options.next says which one does")
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
        str(document.get("more", "")),
    )


def propose(body: bytes, limits: ParseLimits) -> Proposal:
    """Propose how the largest table of a page is read, or a list that is far larger; raises ParseError if it
    has none.
    """
    document = parse_page(body, limits)
    tables = list(_sample_tables(document))
    alike: Counter[tuple[str, ...]] = Counter()
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
        sample = find_sample([without_spread(row) for row in rows if not is_spread(row)], len(rows))
        if sample:
            linked = frozenset(at for row in rows for at, (_, link) in enumerate(row) if link)
            over = [next(text for text, _ in row if text) for row in rows if is_spread(row)]
            heading = next(filter(None, map(read_heading, [*over, above])), sample.heading)
            yield replace(sample, linked=linked, heading=heading)


def _sample_lists(document: HtmlElement) -> Iterator[ColumnSample]:
    """Samples of the lists of agencies that are no tables: those under states, or if most are not, of all."""
    for titles, read in _LISTS.values():
        found = read(document, UNKNOWN)
        under, any_where = (choose_lists(found, under_states=each).lists for each in (True, False))
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
    endings=(".htm", ".html"),
    required_columns=("name",),
    given_titles=(HEADING_TITLE, *dict.fromkeys((*ITEM_TITLES, *BLOCK_TITLES))),
    collect=collect,
    options=HtmlOptions,
)
