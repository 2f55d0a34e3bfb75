"""A sheet of a workbook of any kind: its cells, of which merged ones are filled."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from monitor.errors import ParseError

MAX_ROWS, MAX_COLUMNS = 1_048_576, 100
"""The most rows of an XLSX; and the most columns that are read, so that one stray cell does not widen a
million rows.
"""
MAX_LINKED = 100_000
"""The most cells that get a link, so that a link over a whole sheet stays cheap."""
MOST_CELLS = 3_000_000
"""The most cells of a workbook."""
NOTE_FAR = f"columns after the {MAX_COLUMNS}th are not read"
DAYS_TO_1904 = 1462
"""The days between the two date systems (ECMA-376 part 1, 18.17.4.1)."""

SheetRow = tuple[int, tuple[object, ...]]
"""A row's number and its cells."""
CellPosition = tuple[int, int]
"""The row and column of a cell, from 1."""
Range = tuple[int, int, int]
"""A column, and the first and last row of merged cells; all count from 1."""

HYPERLINK = re.compile(r'HYPERLINK\(\s*"([^"]+)"\s*(?:[,;]\s*"([^"]*)"|[,;)])', re.IGNORECASE)
"""A formula that links a cell: the whole address, and the text of the link where that is not computed."""

NO_VALUE = "#CALC!"
"""Replaces a formula without a stored value; it is read like a spreadsheet's own errors."""


@dataclass
class SheetExtras:
    """The parts of a sheet that the libraries omit: links by cell, vertically merged cells, and the texts of
    formulas without a value and of errors by row and column.
    """

    links: dict[CellPosition, str] = field(default_factory=dict)
    merged: list[Range] = field(default_factory=list)
    unvalued: dict[int, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    hidden: int = 0
    """The number of hidden rows that have a value."""

    def link_range(self, address: str, top: int, left: int, bottom: int, right: int) -> None:
        """Link the cells of a range, which count from 1, as far as links are kept."""
        cells = ((row, column) for row in range(top, bottom + 1) for column in range(left, right + 1))
        for cell in islice(cells, MAX_LINKED - len(self.links)):
            self.links[cell] = address


@dataclass(frozen=True, slots=True)
class WorkbookSheet:
    """One sheet: rows that have a value, with their numbers from 1, as cell values of openpyxl; and the link
    of a cell by its position. ``notes`` describe what is not read of the sheet, or is read although it is
    hidden.
    """

    title: str
    rows: tuple[SheetRow, ...]
    notes: tuple[str, ...] = ()
    links: dict[CellPosition, str] = field(default_factory=dict)
    days_later: int = 0
    """The offset of day numbers: old Macintosh workbooks count from 1904."""

    @property
    def width(self) -> int:
        """The number of columns of the widest row."""
        return max((len(cells) for _, cells in self.rows), default=0)

    @property
    def height(self) -> int:
        """The number of the last row."""
        return self.rows[-1][0] if self.rows else 0


def refuse_far_cells(rows: int, columns: int) -> None:
    """Raise ParseError for a sheet from which calamine would make too many cells: it makes those between."""
    if rows * columns > MOST_CELLS:
        raise ParseError(
            f"The workbook has a sheet of {rows:,} rows and {columns:,} columns, perhaps for one cell far "
            "from its table: ask the publisher for an XLSX or a CSV."
        )


def describe_hidden(rows: int) -> list[str]:
    """The note that so many rows are hidden."""
    return [f"rows that are hidden, and read like the others: {rows:,}"] * (rows > 0)


def describe_struck(rows: int) -> list[str]:
    """The note that so many rows are struck through."""
    return [f"rows that are struck through, and read like the others: {rows:,}"] * (rows > 0)


def fill_cells(
    rows: list[SheetRow], merged: Sequence[Range], unvalued: dict[int, dict[int, str]]
) -> tuple[SheetRow, ...]:
    """Fill merged cells with the value of their first one, and formulas without a value with their text.

    Raises ParseError if merged cells overlap a million times.
    """
    if not merged and not unvalued:
        return tuple(rows)
    cells = {number: list(values) for number, values in rows}
    for number, texts in unvalued.items():
        for column, text in texts.items():
            _fill(cells.setdefault(number, []), column, text)
    numbers = sorted(cells)
    filled = 0
    for column, top, bottom in merged:
        first = cells.get(top, [])
        value = first[column - 1] if column <= len(first) else None
        if value is None:
            continue
        below = numbers[bisect_right(numbers, top) : bisect_right(numbers, bottom)]
        filled += len(below)
        if filled > MOST_CELLS:
            raise ParseError(f"The workbook has more than {MOST_CELLS:,} merged cells.")
        for number in below:
            _fill(cells[number], column, value)
    return tuple((number, tuple(cells[number])) for number in numbers)


def _fill(values: list[object], column: int, value: object) -> None:
    """Put a value in an empty cell."""
    values += [None] * (column - len(values))
    if values[column - 1] is None:
        values[column - 1] = value
