"""The table of a CSV: its delimiter, its headers, and rows that have too many cells or too few."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from operator import itemgetter

from monitor.domain import Problem
from monitor.errors import ParseError
from monitor.sources.cells import CUT_OFF
from monitor.sources.column_map import MIB, ColumnMap, ParseLimits
from monitor.sources.csv_text import DELIMITERS, decode_text, mend_quotes
from monitor.sources.headings import (
    find_heading_above,
)
from monitor.sources.listing import NO_LINKS
from monitor.sources.table_headers import HEADER_ROWS, describe_left, find_headers, no_headers
from monitor.sources.table_rows import MappedTable, Row, pick_cells

_FEW_LONG = 0.05  # of the rows


def read_csv(body: bytes, columns: ColumnMap, limits: ParseLimits, problems: list[Problem]) -> MappedTable:
    """Read a CSV, with the delimiter with which the headers are found."""
    if len(body) > limits.decoded:
        raise ParseError(f"The body is larger than {limits.decoded / MIB:g} MiB.")
    text = mend_quotes(decode_text(body, problems))
    tops: list[list[str]] = []
    for delimiter in DELIMITERS:
        top: list[list[str]] = []
        with suppress(ParseError):  # with a wrong delimiter, quotes are in the wrong places
            top.extend(islice(_csv_rows(text, delimiter), HEADER_ROWS))
        if found := find_headers(top, columns):
            at, header = found
            width = max(len(top[at]), *(position + 1 for position in header))
            rows = list(_csv_rows(text, delimiter))
            _refuse_cut(text, rows, width)
            marked = _mark_uneven(rows[at + 1 :], header, width, at + 2)
            heading = find_heading_above(top[:at])
            return MappedTable(
                tuple(header.values()),
                marked,
                describe_left(top[at], header, rows[at + 1 :]),
                heading=heading,
            )
        tops.extend(top)
    raise no_headers(columns, tops)


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
        yield at, pick(cells) if len(cells) > last else pick_cells(cells, header), NO_LINKS, damage


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
