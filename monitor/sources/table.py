"""Tables, XLSX or CSV: columns by header name, one agency's rows merged into one listing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from monitor.domain import Problem, Publication
from monitor.errors import ParseError
from monitor.sources.cells import clean, plain_number
from monitor.sources.column_map import MIB, ColumnMap, ParseLimits, ParseOptions, fold_header, list_headers
from monitor.sources.format import Format, RowsOptions
from monitor.sources.listing import ListingReader
from monitor.sources.sniff import is_kml, is_zip, refuse_empty_and_pages, refuse_other_workbooks

if TYPE_CHECKING:
    from monitor.sources.workbook import WorkbookSheet

_HEADER_ROWS = 10  # a title and notes may stand above the headers
_NO_LINKS: Mapping[int, str] = MappingProxyType({})
_DELIMITERS = (",", ";", "\t")
SHEET_TITLE = "(sheet)"
"""The header under which the configuration finds the title of the sheet, for workbooks with a sheet per
state.
"""


class _Row(NamedTuple):
    """A row below the header: its number in the file from 1, the cells of the table's columns, and links by
    position.
    """

    number: int
    cells: list[object]
    links: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class _Table:
    """The headers of the mapped columns, as the configuration writes them, and the rows below."""

    titles: tuple[str, ...]
    rows: Iterator[_Row]


class TableOptions(RowsOptions):
    """``sheets``: which sheets of a workbook are the list, "all" that have the headers, or their titles.

    Without it there must be one that has them. Hidden sheets never count.
    """

    sheets: str | tuple[str, ...] = ()


def parse(body: bytes, options: ParseOptions) -> Publication:
    """The publication that an XLSX or CSV is; ParseError if it is none, lacks a column, or has no row."""
    columns = options.columns or ColumnMap()
    refuse_empty_and_pages(body)
    refuse_other_workbooks(body)
    reader = ListingReader(columns, by_city=columns.city is not None)
    if is_zip(body):
        tables = _read_workbook(body, columns, options)
    else:
        tables = [_read_csv(body, columns, options.limits, reader.problems)]
    for table in tables:
        for number, cells, links in table.rows:
            reader.read(number, table.titles, [_text(cell) for cell in cells], links=links)
    if not reader.listings:
        raise ParseError("The table has its headers and no row with a name that can be read.")
    publication = reader.merge(TableOptions.model_validate(options.settings).group_by)
    return replace(publication, unterminated=not is_zip(body) and not is_terminated(body))


def is_terminated(body: bytes) -> bool:
    """Whether the last line of a text has its end, in any encoding."""
    return body.rstrip(b"\0")[-1:] in (b"\n", b"\r")


def _text(value: object) -> str:
    """A cell on one line: a whole number without its ".0", a moment at midnight as its day."""
    if isinstance(value, str):
        return plain_number(clean(value))
    if isinstance(value, datetime):
        midnight = not (value.hour or value.minute or value.second)
        return value.date().isoformat() if midnight else value.isoformat(" ")
    return "" if value is None else plain_number(str(value))


def find_header(row: Iterable[object], columns: ColumnMap) -> dict[int, str] | None:
    """Position to configured header, if this row has those of name and state; the first of two like ones
    counts.
    """
    named = [getattr(columns, field.name) for field in fields(columns) if field.name != "attributes"]
    titles = [*columns.attributes, *(title for headers in named for title in list_headers(headers))]
    folded = {fold_header(title): title for title in titles if title}
    positions: dict[str, int] = {}
    for position, header in enumerate(row):
        if title := folded.get(fold_header(header)):
            positions.setdefault(title, position)
    wanted = filter(None, (list_headers(columns.name), list_headers(columns.state)))
    if not all(any(title in positions for title in headers) for headers in wanted):
        return None
    return {position: title for title, position in positions.items()}


def _pick(row: Sequence[object], header: Mapping[int, str]) -> list[object]:
    """The cells of the header's columns; a short row has no more."""
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


def _read_workbook(body: bytes, columns: ColumnMap, options: ParseOptions) -> list[_Table]:
    """The tables of the chosen sheets. Their rows are numbered on from sheet to sheet."""
    from monitor.sources.workbook import read_sheets  # openpyxl takes long to import

    chosen = TableOptions.model_validate(options.settings).sheets
    titles = (chosen,) if isinstance(chosen, str) else chosen
    tables: dict[str, _Table] = {}
    tops: list[tuple[object, ...]] = []
    seen: list[str] = []
    before = 0
    for sheet in read_sheets(body, options.limits):
        seen.append(sheet.title)
        if chosen == "all" or not titles or sheet.title in titles:
            top = [row for row in sheet.rows[:_HEADER_ROWS] if row[0] <= _HEADER_ROWS]
            for number, row in top:
                if header := _find_header_on(sheet, row, columns):
                    rows = _read_sheet(sheet, header, number, before)
                    tables[sheet.title] = _Table(tuple(header.values()), rows)
                    break
            else:
                tops.extend(row for _, row in top)
        before += sheet.height
    if not tables:
        raise _no_headers(columns, tops)
    if titles and chosen != "all":
        for title in titles:
            if title not in tables:
                there = ", ".join(f'"{name[:40]}"' for name in seen[:20])
                raise ParseError(
                    f'No visible sheet "{title}" has the headers; the visible sheets are {there}.'
                )
    elif len(tables) > 1 and chosen != "all":
        fitting = ", ".join(f'"{name[:40]}"' for name in list(tables)[:20])
        raise ParseError(
            f'The sheets {fitting} all have the headers; name those of the list, or "all", as options.sheets.'
        )
    return list(tables.values())


def _find_header_on(sheet: WorkbookSheet, row: Sequence[object], columns: ColumnMap) -> dict[int, str] | None:
    """As `find_header`; the sheet's own title stands behind the last column, headed "(sheet)"."""
    return find_header((*row, *[None] * (sheet.width - len(row)), SHEET_TITLE), columns)


def _read_sheet(sheet: WorkbookSheet, header: dict[int, str], after: int, before: int) -> Iterator[_Row]:
    width = sheet.width
    for number, row in sheet.rows:
        if number <= after:
            continue
        links = _NO_LINKS
        if sheet.links:
            linked = ((at, sheet.link(number, position + 1)) for at, position in enumerate(header))
            links = {at: link for at, link in linked if link}
        cells = _pick(row, header)
        if any(cell is not None for cell in cells):
            for at, position in enumerate(header):
                if position == width:
                    cells[at] = sheet.title
        yield _Row(before + number, cells, links)


def _read_csv(body: bytes, columns: ColumnMap, limits: ParseLimits, problems: list[Problem]) -> _Table:
    """The delimiter is the one by which the headers are found."""
    if len(body) > limits.decoded:
        raise ParseError(f"The body is larger than {limits.decoded / MIB:g} MiB.")
    text = _decode(body, problems)
    tops: list[list[str]] = []
    for delimiter in _DELIMITERS:
        top: list[list[str]] = []
        with suppress(ParseError):  # by a wrong delimiter quotes stand in wrong places
            top.extend(islice(_csv_rows(text, delimiter), _HEADER_ROWS))
        for number, row in enumerate(top, start=1):
            if header := find_header(row, columns):
                whole = enumerate(_refuse_cut(text, _csv_rows(text, delimiter), len(row)), start=1)
                below = (_Row(at, _pick(cells, header), {}) for at, cells in whole if cells and at > number)
                return _Table(tuple(header.values()), below)
        tops.extend(top)
    raise _no_headers(columns, tops)


def _decode(body: bytes, problems: list[Problem]) -> str:
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in body[:4096]:
        raise ParseError("The body is neither a workbook (XLSX) nor text.")
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "cp1252":
            problems.append(Problem("wrong encoding", "the text is not UTF-8; it is read as Windows-1252"))
        return text
    raise ParseError("The text is in no encoding that can be read (UTF-8, Windows-1252, UTF-16).")


def _csv_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise ParseError(f"The CSV is broken: {error}.") from None


def _refuse_cut(text: str, rows: Iterable[list[str]], width: int) -> Iterator[list[str]]:
    """The rows; ParseError if the last one breaks off: shorter than the header and without the end of a
    line.
    """
    row: list[str] = []
    for row in rows:
        yield row
    if 0 < len(row) < width and not text.endswith(("\n", "\r")):
        raise ParseError(f"The CSV is cut off at character {len(text):,}.")


FORMAT = Format(
    "table",
    parse,
    recognizes=lambda body: not is_kml(body),
    required_columns=("name",),
    options=TableOptions,
)
