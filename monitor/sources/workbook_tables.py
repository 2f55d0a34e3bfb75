"""The tables of a workbook's sheets that are the list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from monitor.errors import ParseError
from monitor.sources.column_map import ColumnMap, ParseLimits, fold_header, list_headers
from monitor.sources.headings import find_heading_above
from monitor.sources.listing import NO_LINKS
from monitor.sources.sheets import SHEET_TITLE, read_any_sheets
from monitor.sources.table_headers import HEADER_ROWS, describe_left, find_headers, no_headers
from monitor.sources.table_rows import MappedTable, Row, pick_cells
from monitor.sources.workbook_sheet import WorkbookSheet


@dataclass
class _Examined:
    """The sheets of a workbook that were examined: the tables by the titles of their sheets; titles of sheets
    that fit but are not named, and of those that lack the headers; all titles; rows in which no headers were.
    """

    tables: dict[str, MappedTable] = field(default_factory=dict)
    beside: list[str] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    tops: list[tuple[object, ...]] = field(default_factory=list)


def read_workbook(
    body: bytes, kind: str, columns: ColumnMap, chosen: str | tuple[str, ...], limits: ParseLimits
) -> list[MappedTable]:
    """The tables of the chosen sheets. Their rows are numbered on from sheet to sheet."""
    wanted = () if chosen == "all" else tuple(filter(None, (chosen,) if isinstance(chosen, str) else chosen))
    found = _find_tables(read_any_sheets(body, kind, limits), columns, wanted)
    if wanted:
        _refuse_missing(found, columns, wanted)
        what, titles = "sheets with the headers that options.sheets does not name are not read", found.beside
    elif not found.tables:
        raise no_headers(columns, found.tops)
    elif chosen == "all":
        what, titles = "sheets without the headers are not read", found.unfit
    elif len(found.tables) > 1:
        fitting = ", ".join(f'"{name[:40]}"' for name in list(found.tables)[:20])
        raise ParseError(
            f'The sheets {fitting} all have the headers; name those of the list, or "all", as options.sheets.'
        )
    else:
        what, titles = "", []
    if titles:
        _add_left(found.tables, what, titles)
    return list(found.tables.values())


def _find_tables(sheets: Iterable[WorkbookSheet], columns: ColumnMap, wanted: tuple[str, ...]) -> _Examined:
    """Find the tables of the sheets with these titles, or without them of all."""
    found = _Examined()
    folded = set(map(fold_header, wanted))
    before = 0
    for sheet in sheets:
        found.seen.append(sheet.title)
        top = [row for row in sheet.rows[:HEADER_ROWS] if row[0] <= HEADER_ROWS]
        headers = find_headers([_widen(sheet, row) for _, row in top], columns)
        if wanted and fold_header(sheet.title) not in folded:
            found.beside += [sheet.title] * (headers is not None)
        elif headers:
            at, header = headers
            rows = _read_sheet(sheet, header, top[at][0], before, list_headers(columns.since))
            below = (row for number, row in sheet.rows if number > top[at][0])
            left = "; ".join(filter(None, (describe_left(top[at][1], header, below), *sheet.notes)))
            heading = find_heading_above(row for _, row in top[:at])
            found.tables[sheet.title] = MappedTable(tuple(header.values()), rows, left, sheet.title, heading)
        else:
            found.tops.extend(row for _, row in top)
            if sum(sum(map(bool, row)) > 1 for _, row in top) > 1:
                found.unfit.append(sheet.title)
        before += sheet.height
    return found


def _refuse_missing(found: _Examined, columns: ColumnMap, wanted: tuple[str, ...]) -> None:
    """Raise ParseError if a sheet that the configuration names is missing or has no headers."""
    if not found.tables and not {*map(fold_header, wanted)}.isdisjoint(map(fold_header, found.seen)):
        raise no_headers(columns, found.tops)
    for title in wanted:
        if fold_header(title) not in map(fold_header, found.tables):
            there = ", ".join(f'"{name[:40]}"' for name in found.seen[:20])
            raise ParseError(f'No visible sheet "{title}" has the headers; the visible sheets are {there}.')


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
        links = NO_LINKS
        if sheet.links:
            linked = ((at, sheet.links.get((number, position + 1))) for at, position in enumerate(header))
            links = {at: link for at, link in linked if link}
        cells = pick_cells(row, header)
        for at in dated:
            if isinstance(cells[at], int | float):
                cells[at] += sheet.days_later
        yield before + number, cells, links, ""
