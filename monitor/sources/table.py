"""Tables, XLSX or CSV: columns by header name, one agency's rows merged into one listing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import lru_cache
from itertools import islice, zip_longest
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from monitor.domain import Problem, Publication
from monitor.errors import ParseError
from monitor.sources.cells import CUT_OFF, clean, plain_number
from monitor.sources.column_map import MIB, ColumnMap, ParseLimits, ParseOptions, fold_header, list_headers
from monitor.sources.csv_text import DELIMITERS, decode_text, is_terminated, mend_quotes
from monitor.sources.footers import find_note
from monitor.sources.format import FillOptions, Format
from monitor.sources.headings import (
    HEADING_TITLE,
    NO_STATE,
    CellsAbove,
    find_heading_above,
    is_rest_of_name,
    is_row_of_units,
    read_heading,
)
from monitor.sources.json_body import is_json
from monitor.sources.listing import ListingReader
from monitor.sources.sheets import OTHER_KINDS, SHEET_TITLE, read_any_sheets
from monitor.sources.sniff import (
    find_workbook_kind,
    is_html,
    is_kml,
    is_zip,
    is_zipped_workbook,
    refuse_empty_and_pages,
    refuse_other_kinds,
)
from monitor.sources.table_proposal import propose

if TYPE_CHECKING:
    from monitor.sources.workbook import WorkbookSheet

_HEADER_ROWS = 20  # a title and notes may precede the headers
_NO_LINKS: Mapping[int, str] = MappingProxyType({})
_FEW_LONG = 0.05  # of the rows


Row = tuple[int, Sequence[Any], Mapping[int, str], str]
"""A row below the header: its number in the file from 1, the cells of the table's columns, links by position,
and what is damaged.
"""


@dataclass(frozen=True, slots=True)
class MappedTable:
    """The headers of the mapped columns, as the configuration writes them, and the rows below. ``left``
    describes the columns that are not read, ``sheet`` is the title of the sheet, ``heading`` the state that
    stands above the headers.
    """

    titles: tuple[str, ...]
    rows: Iterator[Row]
    left: str = ""
    sheet: str = ""
    heading: str = ""


class TableOptions(FillOptions):
    """``sheets``: which sheets of a workbook are the list, "all" that have the headers, or their titles.

    Without it, exactly one sheet must have them. Hidden sheets never count.
    """

    sheets: str | tuple[str, ...] = ()


def parse(body: bytes, options: ParseOptions) -> Publication:
    """Parse an XLSX or CSV into a publication; raises ParseError if it is neither, lacks a column, or has no
    row.
    """
    columns = options.columns or ColumnMap()
    refuse_other_kinds(body)
    refuse_empty_and_pages(body)
    kind = find_workbook_kind(body)
    reader = ListingReader.of_columns(options)
    if kind:
        tables = _read_workbook(body, kind, columns, options)
    else:
        tables = [_read_csv(body, columns, options.limits, reader.problems)]
    chosen = TableOptions.model_validate(options.settings)
    for table in tables:
        TableReader(table, columns, chosen, reader).read()
    if kind in OTHER_KINDS and columns.url:
        reader.report_links_left(f"the links of a workbook in the {kind.upper()} format are not read")
    if not reader.listings:
        raise ParseError("The table has its headers and no row with a name that can be read.")
    publication = reader.merge(chosen.group_by)
    return replace(publication, unterminated=kind is None and not is_terminated(body))


class TableReader:
    """Gives a table's rows to the reader of listings, without those that are no agencies."""

    def __init__(
        self, table: MappedTable, columns: ColumnMap, options: FillOptions, reader: ListingReader
    ) -> None:
        self._table, self._reader = table, reader
        names = list_headers(columns.name)
        self._name_at = next(at for at, title in enumerate(table.titles) if title in names)
        self._sheet_at = table.titles.index(SHEET_TITLE) if SHEET_TITLE in table.titles else None
        others = [at for at in range(len(table.titles)) if at not in (self._name_at, self._sheet_at)]
        self._others, self._other_at = len(others), others[-1] if others else 0
        self._empty_if_alone = len(table.titles) - 1
        self._repeated = {title.casefold() for title in _fold_wanted(columns).values()}
        self._above = CellsAbove(options.fill_down, table.titles) if options.fill_down else None
        self._under_headings = HEADING_TITLE in list_headers(columns.state)
        self._has_given = bool(self._above) or self._under_headings or self._sheet_at is not None
        self._titles = (*table.titles, HEADING_TITLE) if self._under_headings else table.titles
        self._heading = table.heading

    def read(self) -> None:
        """Read every row once."""
        report, name_at = self._reader.report, self._name_at
        if self._table.left:
            report("odd table", self._table.left)
        # a row with only a name, which may be a title
        titled: tuple[int, Sequence[str], str] | None = None
        for at, (number, cells, links, damage) in enumerate(self._table.rows):
            texts = _read_texts(cells)
            if not at and is_row_of_units(texts):
                report("row of units", f'"{", ".join(filter(None, texts))[:80]}" is no agency', number)
            elif texts[name_at].casefold() in self._repeated and _is_header_again(texts, self._table, number):
                about = _describe_other_headers(texts, self._table.titles)
                about += f'; "{titled[1][name_at][:80]}" above it is no agency' if titled else ""
                titled = None
                report("header repeated", f"the row repeats the headers{about}", number)
            else:
                if titled:
                    self._read_alone(*titled)
                    titled = None
                if self._is_alone(texts) and not links and damage in ("", CUT_OFF):
                    if not self._is_beside_rows(number, texts[name_at]):
                        titled = (number, texts, damage)
                elif not (self._under_headings and self._is_sum_of_state(number, texts)):
                    self._read_row(number, texts, links, damage)
        if titled:
            self._read_alone(*titled)

    def _is_alone(self, texts: Sequence[str]) -> bool:
        """Whether only the name is filled in, in a table where that means something."""
        if not self._others:
            return self._under_headings and bool(texts[self._name_at])
        if not texts[self._name_at] or texts[self._other_at]:
            return False  # counted only if a second cell is empty too
        return texts.count("") == self._empty_if_alone

    def _is_beside_rows(self, number: int, text: str) -> bool:
        """Whether a text alone in its row is a heading of the rows below, or the end of the name above."""
        if text == NO_STATE:
            self._heading = ""
            return True
        if state := read_heading(text):
            self._heading = state
            self._reader.report("heading", f'"{text}" is a heading and no agency', number)
            return True
        if is_rest_of_name(text) and self._reader.extend_name(number, text):
            self._reader.report("wrapped name", f'"{text}" is the end of the name above it', number)
            return True
        return False

    def _is_sum_of_state(self, number: int, texts: Sequence[str]) -> bool:
        """Whether a row is a state with numbers beside it, as in a pivot table: a heading."""
        name_at = self._name_at
        others = [text for at, text in enumerate(texts) if text and at != name_at]
        sums = read_heading(texts[name_at]) and all(text.isdigit() for text in others)
        return bool(sums) and self._is_beside_rows(number, texts[name_at])

    def _read_alone(self, number: int, texts: Sequence[str], damage: str) -> None:
        """Read a row with only a name, which is no title of a table below: an agency, or a status."""
        if read_heading(name := texts[self._name_at]) is None:
            self._read_row(number, texts, damage=damage)
        else:
            self._reader.report("heading", f'"{name}" is a heading and no agency', number)

    def _read_row(
        self, number: int, texts: Sequence[str], links: Mapping[int, str] = _NO_LINKS, damage: str = ""
    ) -> None:
        if self._has_given:
            texts = self._complete(texts)
        self._reader.read(number, self._titles, texts, links=links, damage=damage)

    def _complete(self, texts: Sequence[str]) -> Sequence[str]:
        """Add the cells that the rows around and the sheet give to a row: an agency's, but not a note's."""
        texts = texts[: len(self._table.titles)]
        name = texts[self._name_at]
        others = [text for at, text in enumerate(texts) if at != self._name_at]
        given = any(texts) and find_note(name, others) is None
        completed = list(self._above.fill(texts) if self._above and name and given else texts)
        if self._sheet_at is not None and given:
            completed[self._sheet_at] = self._table.sheet
        return [*completed, self._heading if given else ""] if self._under_headings else completed


def _read_texts(cells: Sequence[Any]) -> Sequence[str]:
    """Convert cells to texts. Most rows need no cleaning, which one check of all their cells shows."""
    try:
        together = "|".join(cells)
    except TypeError:  # a workbook has numbers and dates
        return [_text(cell) for cell in cells]
    spaced = "  " in together or " |" in together or "| " in together or together != together.strip()
    if spaced or ".0" in together or not together.isprintable():
        return [_text(cell) for cell in cells]
    return cells


def _text(value: object) -> str:
    """Format a cell on one line: a whole number without ".0", a moment at midnight as a day."""
    if isinstance(value, str):
        return plain_number(clean(value))
    if isinstance(value, datetime):
        midnight = not (value.hour or value.minute or value.second)
        return value.date().isoformat() if midnight else value.isoformat(" ")
    return "" if value is None else plain_number(str(value))


def repeats_header(texts: Sequence[str], titles: Sequence[str]) -> bool:
    """Whether a row repeats the headers, as at the top of each printed page."""
    filled = [(text, title) for text, title in zip(texts, titles, strict=False) if text]
    return len(filled) > 1 and all(fold_header(text) == fold_header(title) for text, title in filled)


def _is_title(text: str, title: str) -> bool:
    return bool(text) and fold_header(text) == fold_header(title)


def _describe_other_headers(texts: Sequence[str], titles: Sequence[str]) -> str:
    """Describe the headers of a second table that are not those of the first; "" if there are none."""
    others = [
        f'"{text[:40]}" in the place of "{title[:40]}"'
        for text, title in zip(texts, titles, strict=False)
        if text and not _is_title(text, title)
    ]
    return f", with {', '.join(others)}" if others else ""


def _is_header_again(texts: Sequence[str], table: MappedTable, number: int) -> bool:
    """Whether a row repeats the headers. Raises ParseError if they are in another order: the rows below would
    be misread.
    """
    if repeats_header(texts, table.titles):
        return True
    if len(texts) > 2 and 2 * sum(map(_is_title, texts, table.titles)) > len(texts):
        return True  # of a second table, with other words for some columns
    filled = {fold_header(text) for text in texts if text}
    if len(filled) > 1 and filled <= set(map(fold_header, table.titles)):
        raise ParseError(f"Row {number:,} begins a second table, with its columns in another order.")
    return False


@lru_cache(maxsize=16)  # cached, because each possible header row is compared with it
def _fold_wanted(columns: ColumnMap) -> Mapping[str, str]:
    """Map the normalized form of every configured header to the header."""
    named = [getattr(columns, field.name) for field in fields(columns) if field.name != "attributes"]
    titles = [*columns.attributes, *(title for headers in named for title in list_headers(headers))]
    return {fold_header(title): title for title in titles if title}


def find_headers(top: Sequence[Sequence[object]], columns: ColumnMap) -> tuple[int, dict[int, str]] | None:
    """The position of the last row of headers among the first rows, and position to configured header.

    Headers may occupy two rows: the second is used if it has configured ones in addition to those of the
    first, and alone if the first only groups its columns.
    """
    wanted = _fold_wanted(columns)
    for at, row in enumerate(top):
        header = find_header(row, columns)
        if at + 1 < len(top):
            both = find_header(_join_rows(row, top[at + 1], wanted), columns)
            if both and len(both) > len(header or ()):
                lower = find_header(top[at + 1], columns)
                return at + 1, lower if lower and len(lower) >= len(both) else both
        if header:
            return at, header
    return None


def _join_rows(
    upper: Sequence[object], lower: Sequence[object], wanted: Mapping[str, str]
) -> Iterator[object]:
    """Join two rows: the configured header of each column, the upper one if both are configured."""
    for above, below in zip_longest(upper, lower):
        yield above if fold_header(above) in wanted else below


def find_header(row: Iterable[object], columns: ColumnMap) -> dict[int, str] | None:
    """Map positions to configured headers, if this row has those of name and state; the first of duplicates
    is used.
    """
    folded = _fold_wanted(columns)
    positions: dict[str, int] = {}
    for position, header in enumerate(row):
        if title := folded.get(fold_header(header)):
            positions.setdefault(title, position)
    in_headings = HEADING_TITLE in list_headers(columns.state)
    wanted = filter(None, (list_headers(columns.name), () if in_headings else list_headers(columns.state)))
    if not all(any(title in positions for title in headers) for headers in wanted):
        return None
    return {position: title for title, position in positions.items()}


def describe_left(row: Sequence[object], header: Mapping[int, str]) -> str:
    """Describe columns with the same header as one that is read, as with two tables side by side; "" if there
    are none.
    """
    read = {fold_header(row[at]) for at in header if at < len(row)} - {""}
    again = [at for at, cell in enumerate(row) if at not in header and fold_header(cell) in read]
    if not again:
        return ""
    columns = ", ".join(str(at + 1) for at in again[:10])
    return f"only the first columns of their headers are read, not {columns}"


def _pick(row: Sequence[object], header: Mapping[int, str]) -> list[Any]:
    """Pick the cells of the header's columns; a short row has fewer."""
    width = len(row)
    return [row[position] if position < width else None for position in header]


def _no_headers(columns: ColumnMap, rows: Iterable[Iterable[object]]) -> ParseError:
    fields_wanted = filter(None, (list_headers(columns.name), list_headers(columns.state)))
    wanted = " and ".join(" or ".join(f'"{header}"' for header in headers) for headers in fields_wanted)
    widest = max(
        ([clean(str(cell)) for cell in row if cell is not None] for row in rows), key=len, default=[]
    )
    there = ", ".join(header[:40] for header in widest[:20] if header) or "none"
    return ParseError(f"No column is headed {wanted}; the headers are: {there}.")


def _read_workbook(body: bytes, kind: str, columns: ColumnMap, options: ParseOptions) -> list[MappedTable]:
    """The tables of the chosen sheets. Their rows are numbered on from sheet to sheet."""
    chosen = TableOptions.model_validate(options.settings).sheets
    titles = tuple(filter(None, (chosen,) if isinstance(chosen, str) else chosen))
    wanted = {fold_header(title) for title in titles}
    tables: dict[str, MappedTable] = {}
    tops: list[tuple[object, ...]] = []
    unfit: list[str] = []
    beside: list[str] = []
    seen: list[str] = []
    before = 0
    for sheet in read_any_sheets(body, kind, options.limits):
        seen.append(sheet.title)
        top = [row for row in sheet.rows[:_HEADER_ROWS] if row[0] <= _HEADER_ROWS]
        found = find_headers([_widen(sheet, row) for _, row in top], columns)
        if titles and chosen != "all" and fold_header(sheet.title) not in wanted:
            beside += [sheet.title] * (found is not None)
        elif found:
            at, header = found
            rows = _read_sheet(sheet, header, top[at][0], before, list_headers(columns.since))
            left = "; ".join(filter(None, (describe_left(top[at][1], header), *sheet.notes)))
            heading = find_heading_above(row for _, row in top[:at])
            tables[sheet.title] = MappedTable(tuple(header.values()), rows, left, sheet.title, heading)
        else:
            tops.extend(row for _, row in top)
            if chosen == "all" and sum(sum(map(bool, row)) > 1 for _, row in top) > 1:
                unfit.append(sheet.title)
        before += sheet.height
    there_are = {fold_header(title) for title in seen}
    if not tables and (chosen == "all" or wanted & there_are or not titles):
        raise _no_headers(columns, tops)
    if titles and chosen != "all":
        for title in titles:
            if fold_header(title) not in map(fold_header, tables):
                there = ", ".join(f'"{name[:40]}"' for name in seen[:20])
                raise ParseError(
                    f'No visible sheet "{title}" has the headers; the visible sheets are {there}.'
                )
        if beside:
            _add_left(
                tables, "sheets with the headers that options.sheets does not name are not read", beside
            )
    elif unfit:
        _add_left(tables, "sheets without the headers are not read", unfit)
    elif len(tables) > 1 and chosen != "all":
        fitting = ", ".join(f'"{name[:40]}"' for name in list(tables)[:20])
        raise ParseError(
            f'The sheets {fitting} all have the headers; name those of the list, or "all", as options.sheets.'
        )
    return list(tables.values())


def _add_left(tables: dict[str, MappedTable], what: str, titles: Sequence[str]) -> None:
    """Add to the first table that sheets of the workbook are not read."""
    named = ", ".join(f'"{title[:40]}"' for title in titles[:20])
    first, table = next(iter(tables.items()))
    tables[first] = replace(table, left="; ".join(filter(None, (table.left, f"{what}: {named}"))))


def _widen(sheet: WorkbookSheet, row: Sequence[object]) -> tuple[object, ...]:
    """A row of headers with that of the sheet's own title behind the last column."""
    return (*row, *[None] * (sheet.width - len(row)), SHEET_TITLE)


def _read_sheet(
    sheet: WorkbookSheet, header: dict[int, str], after: int, before: int, dates: Sequence[str]
) -> Iterator[Row]:
    dated = [at for at, title in enumerate(header.values()) if title in dates] if sheet.days_later else []
    for number, row in sheet.rows:
        if number <= after:
            continue
        links = _NO_LINKS
        if sheet.links:
            linked = ((at, sheet.link(number, position + 1)) for at, position in enumerate(header))
            links = {at: link for at, link in linked if link}
        cells = _pick(row, header)
        for at in dated:
            if isinstance(cells[at], int | float):
                cells[at] += sheet.days_later
        yield before + number, cells, links, ""


def _read_csv(body: bytes, columns: ColumnMap, limits: ParseLimits, problems: list[Problem]) -> MappedTable:
    """Read a CSV, with the delimiter with which the headers are found."""
    if len(body) > limits.decoded:
        raise ParseError(f"The body is larger than {limits.decoded / MIB:g} MiB.")
    text = mend_quotes(decode_text(body, problems))
    tops: list[list[str]] = []
    for delimiter in DELIMITERS:
        top: list[list[str]] = []
        with suppress(ParseError):  # with a wrong delimiter, quotes are in the wrong places
            top.extend(islice(_csv_rows(text, delimiter), _HEADER_ROWS))
        if found := find_headers(top, columns):
            at, header = found
            width = max(len(top[at]), *(position + 1 for position in header))
            rows = list(_csv_rows(text, delimiter))
            _refuse_cut(text, rows, width)
            marked = _mark_uneven(rows[at + 1 :], header, width, at + 2)
            heading = find_heading_above(top[:at])
            return MappedTable(
                tuple(header.values()), marked, describe_left(top[at], header), heading=heading
            )
        tops.extend(top)
    raise _no_headers(columns, tops)


def _mark_uneven(
    rows: Sequence[list[str]], header: Mapping[int, str], width: int, number: int
) -> Iterator[Row]:
    """The rows that are not empty, from row ``number`` on; one with more cells than the header is damaged: it
    has an unquoted comma at an unknown position. One with fewer is cut off.

    If many rows are that long, the header is too short instead; if many are short, that is how the program
    writes them.
    """
    long = [row for row in rows if len(row) > width and any(cell.strip() for cell in row[width:])]
    few = len(long) <= max(_FEW_LONG * len(rows), 1)
    marked = set(map(id, long)) if few else set()
    short = sum(0 < len(row) < width for row in rows)
    cut = CUT_OFF if 0 < short <= max(_FEW_LONG * len(rows), 1) < len(rows) else ""
    last = max(header)
    # the result for a single position is not a tuple
    pick = itemgetter(*header, *[last] * (len(header) == 1))
    for at, cells in enumerate(rows, start=number):
        if not cells:
            continue
        damage = ""
        if marked and id(cells) in marked:
            damage = f"the row has {len(cells)} cells and the header {width}: a comma may lack its quotes"
        elif cut and len(cells) < width:
            damage = cut
        yield at, pick(cells) if len(cells) > last else _pick(cells, header), _NO_LINKS, damage


def _csv_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        yield from reader
    except csv.Error as error:
        raise ParseError(f"The CSV is broken at line {reader.line_num:,}: {error}.") from None


def _refuse_cut(text: str, rows: list[list[str]], width: int) -> None:
    """Raise ParseError if the last row is truncated: shorter than the header and without a line end."""
    if rows and 0 < len(rows[-1]) < width and not text.endswith(("\n", "\r")):
        raise ParseError(f"The CSV is cut off at character {len(text):,}.")


def _recognizes(body: bytes) -> bool:
    """Whether a body is a workbook, or a text of no other known kind."""
    if is_zip(body):
        return is_zipped_workbook(body)
    return not (is_kml(body) or is_json(body) or is_html(body))


FORMAT = Format(
    "table",
    parse,
    recognizes=_recognizes,
    propose=propose,
    required_columns=("name",),
    given_titles=(HEADING_TITLE, SHEET_TITLE),
    options=TableOptions,
)
