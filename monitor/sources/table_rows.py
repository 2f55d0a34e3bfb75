"""Passes the rows of a table to the reader of listings, except those that are not agencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor.errors import ParseError
from monitor.sources.cells import CUT_OFF, clean, format_number, plain_number
from monitor.sources.column_map import ColumnMap, fold_header, list_headers
from monitor.sources.footers import find_note
from monitor.sources.format import FillOptions
from monitor.sources.headings import (
    HEADING_TITLE,
    NO_STATE,
    CellsAbove,
    is_rest_of_name,
    is_row_of_units,
    read_heading,
)
from monitor.sources.listing import ListingReader
from monitor.sources.sheets import SHEET_TITLE
from monitor.sources.table_headers import fold_wanted

Row = tuple[int, Sequence[Any], Mapping[int, str], str]
"""A row below the header: its number in the file from 1, the cells of the table's columns, links by position,
and what is damaged.
"""


@dataclass(frozen=True, slots=True)
class MappedTable:
    """The headers of the mapped columns, as the configuration writes them, and the rows below. ``left``
    describes the columns that are not read, ``sheet`` is the title of the sheet, ``heading`` the state above
    the headers.
    """

    titles: tuple[str, ...]
    rows: Iterator[Row]
    left: str = ""
    sheet: str = ""
    heading: str = ""


class TableReader:
    """Passes a table's rows to the reader of listings, except those that are not agencies."""

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
        self._repeated = {title.casefold() for title in fold_wanted(columns).values()}
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
        may_be_alone, other_at = not self._others, self._other_at
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
                alone = (may_be_alone or not texts[other_at]) and self._is_alone(texts)
                if alone and not links and damage in ("", CUT_OFF):
                    if not self._is_beside_rows(number, texts[name_at]):
                        titled = (number, texts, damage)
                elif not (self._under_headings and self._is_sum_of_state(number, texts)):
                    if self._has_given:
                        texts = self._complete(texts)
                    self._reader.read(number, self._titles, texts, links=links, damage=damage)
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
        """Read a row with only a name that is not the title of a table below: an agency or a status."""
        if read_heading(name := texts[self._name_at]) is None:
            texts = self._complete(texts) if self._has_given else texts
            self._reader.read(number, self._titles, texts, damage=damage)
        else:
            self._reader.report("heading", f'"{name}" is a heading and no agency', number)

    def _complete(self, texts: Sequence[str]) -> Sequence[str]:
        """Add the cells that the rows around it and the sheet give to a row, if it is an agency and not a
        note.
        """
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
    if isinstance(value, float):
        return format_number(value)
    return "" if value is None else str(value)


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


def pick_cells(row: Sequence[object], header: Mapping[int, str]) -> list[Any]:
    """Pick the cells of the header's columns; a short row has fewer."""
    width = len(row)
    return [row[position] if position < width else None for position in header]
