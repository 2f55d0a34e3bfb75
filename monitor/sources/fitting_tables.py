"""The tables of an HTML page that have the configured headers, as one list."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice
from typing import TYPE_CHECKING

from monitor.errors import ParseError
from monitor.sources.column_map import (
    ColumnMap,
    list_headers,
)
from monitor.sources.headings import HEADING_TITLE, NO_STATE, find_heading_above, read_heading
from monitor.sources.html_document import (
    Cell,
    TableHeading,
    find_headings,
    find_tables,
    is_struck,
    is_unseen,
    read_grid,
    rows_of,
)
from monitor.sources.listing import MOST_ROWS
from monitor.sources.table_headers import HEADER_ROWS, describe_left, find_headers
from monitor.sources.workbook_sheet import describe_hidden, describe_struck

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_MOST_NAMED = 5
_USUAL_ROWS = 20


class FittingTables:
    """The tables of a page that have the configured headers, as one list."""

    def __init__(self, columns: ColumnMap) -> None:
        self._columns = columns
        self._names = list_headers(columns.name)
        self._under_headings = HEADING_TITLE in list_headers(columns.state)
        self.titles: tuple[str, ...] = ()
        self.rows: list[list[Cell]] = []
        self.others: set[str] = set()  # the texts of tables without the headers
        self._left: list[str] = []
        self._headings: list[str] = []
        self._spread: list[str] = []
        self._unseen = self._struck = 0

    def read(self, document: HtmlElement, base: str) -> None:
        """Read every table of a document that has the headers near its top, or else those that have them
        farther down: one list is not to grow by another because more rows are searched for headers.

        Raises ParseError if two that fit have other columns.
        """
        for most in (_USUAL_ROWS, HEADER_ROWS):
            self._read_tables(document, base, most)
            if self.titles:
                return

    def _read_tables(self, document: HtmlElement, base: str, most: int) -> None:
        """Read the tables that have the headers in their first ``most`` rows."""
        above_tables = find_headings(document)
        for table in find_tables(document):
            grid = read_grid(table, base)
            top = list(islice(grid, most))
            found = find_headers([[text for text, _ in row] for row in top], self._columns)
            if not found:
                self.others.update(text for row in top for text, _ in row)
                continue
            at, header = found
            self._begin(header, top[: at + 1], above_tables[table])
            below = ([text for text, _ in row] for row in top[at + 1 :] if not is_spread(row))
            self._left.append(describe_left(without_spread(top[at]), header, below))
            self._read_rows(chain(top[at + 1 :], grid), header)
            for element in rows_of(table):
                self._unseen += is_unseen(element)
                self._struck += is_struck(element)

    def _begin(self, header: dict[int, str], top: list[list[Cell]], above: TableHeading) -> None:
        """Begin a table: its columns, and what stands above it, also in its first rows."""
        self.titles = self.titles or tuple(header.values())
        if set(header.values()) != set(self.titles):
            raise ParseError("has two tables that fit, and they have other columns")
        state = above.state or find_heading_above([text for text, _ in row] for row in top[:-1])
        self._headings.append(state if above.nearest in ("", above.state) else above.nearest)
        if self._under_headings and (state or self.rows):  # without a heading it is not of the state above
            self._add_heading(state or NO_STATE)

    def _add_heading(self, text: str) -> None:
        self.rows.append([(text * (title in self._names), None) for title in self.titles])

    def _read_rows(self, rows: Iterable[list[Cell]], header: dict[int, str]) -> None:
        places = {title: place for place, title in header.items()}
        for row in rows:
            if is_spread(row):
                text = next(text for text, _ in row if text)
                if self._under_headings and read_heading(text):
                    self._add_heading(text)
                else:
                    self._spread.append(text[:80])
                continue
            picked = [row[places[title]] if places[title] < len(row) else ("", None) for title in self.titles]
            if any(text for text, _ in picked):
                self.rows.append(picked)
            if len(self.rows) > MOST_ROWS:
                raise ParseError(f"has more than {MOST_ROWS:,} rows")

    def list_notes(self) -> list[str]:
        """What is not read, or is read although it looks otherwise."""
        notes = [note for note in dict.fromkeys(self._left) if note]
        notes += describe_hidden(self._unseen) + describe_struck(self._struck)
        if len(parts := dict.fromkeys(self._headings)) > 1 and not all(map(read_heading, parts)):
            named = ", ".join(f'"{part[:80]}"' for part in list(parts)[:_MOST_NAMED] if part)
            notes.append(f"tables under several headings are read as one list: {named}")
        if self._spread:
            count = len(self._spread) - _MOST_NAMED
            more = f" and {count:,} more" if count > 0 else ""
            named = ", ".join(f'"{text}"' for text in self._spread[:_MOST_NAMED])
            notes.append(f"one cell over several columns is no agency: {named}{more}")
        return notes


def without_spread(row: list[Cell]) -> list[str]:
    """The texts of a row, those of cells over several columns once."""
    return ["" if at and cell is row[at - 1] else cell[0] for at, cell in enumerate(row)]


def is_spread(row: list[Cell]) -> bool:
    """Whether a row is only one cell over several columns: a heading, a sum, a note, a pager."""
    filled = [cell for cell in row if cell[0]]
    return len(filled) > 1 and all(cell is filled[0] for cell in filled)
