"""Finds the headers of a table by the configuration's, and describes columns that are not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from itertools import islice, zip_longest

from monitor.errors import ParseError
from monitor.sources.cells import clean
from monitor.sources.column_choice import AGENCY_WORDS
from monitor.sources.column_map import ColumnMap, fold_header, list_headers
from monitor.sources.headings import HEADING_TITLE

HEADER_ROWS = 100
"""The rows in which headers are looked for: a title, notes and a legend may precede them."""
_MOST_JUDGED = 100  # rows by which columns without a header are judged


@lru_cache(maxsize=16)  # cached, because each possible header row is compared with it
def fold_wanted(columns: ColumnMap) -> Mapping[str, str]:
    """Map the normalized form of every configured header to the header."""
    named = [getattr(columns, field.name) for field in fields(columns) if field.name != "attributes"]
    titles = [*columns.attributes, *(title for headers in named for title in list_headers(headers))]
    return {fold_header(title): title for title in titles if title}


def find_headers(top: Sequence[Sequence[object]], columns: ColumnMap) -> tuple[int, dict[int, str]] | None:
    """The position of the last row of headers among the first rows, and position to configured header.

    Headers may occupy two rows: the second is used if it has configured ones in addition to those of the
    first, and alone if the first only groups its columns.
    """
    wanted = fold_wanted(columns)
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
    folded = fold_wanted(columns)
    positions: dict[str, int] = {}
    for position, header in enumerate(row):
        if title := folded.get(fold_header(header)):
            positions.setdefault(title, position)
    in_headings = HEADING_TITLE in list_headers(columns.state)
    wanted = filter(None, (list_headers(columns.name), () if in_headings else list_headers(columns.state)))
    if not all(any(title in positions for title in headers) for headers in wanted):
        return None
    return {position: title for title, position in positions.items()}


def describe_left(
    row: Sequence[object], header: Mapping[int, str], below: Iterable[Sequence[object]] = ()
) -> str:
    """Describe columns with the same header as one that is read, as with two tables side by side, and those
    without a header that hold agencies in the rows ``below``; "" if there are none.
    """
    read = {fold_header(row[at]) for at in header if at < len(row)} - {""}
    again = [at for at, cell in enumerate(row) if at not in header and fold_header(cell) in read]
    counts = Counter(
        at
        for cells in islice(below, _MOST_JUDGED)
        for at, cell in enumerate(cells)
        if at not in header and isinstance(cell, str) and AGENCY_WORDS.search(cell)
    )
    untitled = [at for at in sorted(counts) if counts[at] > 1 and _is_untitled(row, at)]
    said = []
    if again:
        said.append(f"only the first columns of their headers are read, not {_number(again)}")
    if untitled:
        said.append(f"columns without a header that hold agencies are not read: {_number(untitled)}")
    return "; ".join(said)


def _is_untitled(row: Sequence[object], at: int) -> bool:
    return at >= len(row) or not fold_header(row[at])


def _number(positions: Sequence[int]) -> str:
    return ", ".join(str(at + 1) for at in positions[:10])


def no_headers(columns: ColumnMap, rows: Sequence[Iterable[object]]) -> ParseError:
    """The error that no row has the configured headers, with the widest of these rows."""
    fields_wanted = filter(None, (list_headers(columns.name), list_headers(columns.state)))
    wanted = " and ".join(" or ".join(f'"{header}"' for header in headers) for headers in fields_wanted)
    widest = max(
        ([clean(str(cell)) for cell in row if cell is not None] for row in rows), key=len, default=[]
    )
    there = ", ".join(header[:40] for header in widest[:20] if header) or "none"
    where = f" in the first {HEADER_ROWS} rows" if len(rows) >= HEADER_ROWS else ""
    return ParseError(f"No column is headed {wanted}{where}; the headers are: {there}.")
