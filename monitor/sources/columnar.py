"""JSON whose rows do not name their values, in three forms: an array for each title, {"name": [...], "state":
[...]}; rows beside their titles, {"columns": [...], "data": [[...]]}, as pandas, CKAN and Socrata write them;
and rows below a row of titles, [["name", "state"], ["Gary PD", "IN"]].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

from monitor.errors import ParseError
from monitor.sources.cells import clean

_TITLES = ("columns", "fields", "headers", "header", "cols", "columnnames", "fieldnames", "titles", "keys")
"""Keys beside rows with the titles of their columns."""
_ABOUT = ("meta", "view", "metadata", "schema", "result", "header")
"""Objects beside rows with a key of titles."""
_NAMES = ("name", "label", "title", "fieldName", "field", "id", "key", "alias")
"""The keys of a column's title in its description."""
_MOST_COLUMNS, _MOST_LEVELS = 1000, 4
_MOST_ABOVE = 20  # rows above those of titles
_CELLS = frozenset(("c", "f"))
"""Keys of a row's cells."""
HasName = Callable[[Iterable[str]], bool]
"""Whether one of the titles is that of the agency's name."""


def read_columnar(
    found: object, around: Iterable[Mapping[str, Any]], has_name: HasName
) -> list[object] | None:
    """Read the records of rows or columns; None if their titles are not known. `around` are the objects that
    contain them. A row with more values than titles is not changed. Raises ParseError if columns differ in
    length.
    """
    if isinstance(found, list) and isinstance(next(iter(found), None), dict) and _CELLS & found[0].keys():
        found = [_list_cells(row) for row in found]
    if isinstance(found, list) and is_mostly(found, list):
        for titles in _list_titles(around):
            if has_name(titles) and any(isinstance(row, list) and len(row) == len(titles) for row in found):
                return [_name_values(titles, row) for row in found]
        for at, first in enumerate(found[:_MOST_ABOVE]):
            titles = _read_row_of_titles(first)
            if titles and has_name(titles):
                return [_name_values(titles, row) for row in found[at + 1 :]]
    elif isinstance(found, dict) and 1 < len(found) <= _MOST_COLUMNS and has_name(found):
        return _read_columns(found)
    return None


def _read_row_of_titles(row: object) -> tuple[str, ...]:
    """The titles in the row above others; () if that row has none."""
    if not isinstance(row, list) or not all(isinstance(title, str) and clean(title) for title in row):
        return ()
    titles = tuple(map(clean, row))
    return titles if len(set(titles)) == len(titles) > 1 else ()


def _list_cells(row: object) -> object:
    """The values of a row of cells, {"c": [{"v": ...}]}, the form of Google's visualizations and BigQuery."""
    for key in _CELLS:
        cells = row.get(key) if isinstance(row, dict) else None
        if isinstance(cells, list) and all(cell is None or isinstance(cell, dict) for cell in cells):
            return [cell.get("v") if isinstance(cell, dict) else None for cell in cells]
    return row


def is_mostly(found: list[object], kind: type) -> bool:
    """Whether most values of an array are of a type."""
    return 2 * sum(isinstance(each, kind) for each in found) > len(found)


def _name_values(titles: tuple[str, ...], row: object) -> object:
    if not isinstance(row, list) or len(row) > len(titles):
        return row
    return dict(zip_longest(titles, row))


def _list_titles(around: Iterable[Mapping[str, Any]], level: int = 0) -> Iterator[tuple[str, ...]]:
    """The titles of columns in objects, or in objects that describe them."""
    for place in around:
        for key, value in place.items():
            folded = key.lower().replace("_", "")
            if folded in _TITLES and isinstance(value, list) and (titles := _read_titles(value)):
                yield titles
            if folded in _ABOUT and isinstance(value, dict) and level < _MOST_LEVELS:
                yield from _list_titles([value], level + 1)


def _read_titles(value: list[object]) -> tuple[str, ...]:
    """The titles of columns, from texts or descriptions; () if one has no title."""
    titles: list[str] = []
    for each in value:
        given = (each.get(name) for name in _NAMES) if isinstance(each, dict) else (each,)
        title = next((clean(text) for text in given if isinstance(text, str) and clean(text)), "")
        if not title:
            return ()
        titles.append(title)
    return tuple(titles)


def _read_columns(found: Mapping[str, Any]) -> list[object] | None:
    """The records of arrays below titles, or of objects whose keys are the rows' numbers."""
    columns = list(found.values())
    if all(isinstance(column, dict) for column in columns):
        numbers = list(columns[0])
        if numbers and all(number.isdecimal() for number in numbers):
            if any(list(column) != numbers for column in columns):
                raise ParseError("The columns of the JSON have different rows.")
            return [{title: column[number] for title, column in found.items()} for number in numbers]
    elif all(isinstance(column, list) for column in columns):
        if any(isinstance(each, dict) for column in columns for each in column):
            return None
        if len({len(column) for column in columns}) > 1:
            lengths = ", ".join(f"{title[:40]} {len(column):,}" for title, column in list(found.items())[:5])
            raise ParseError(f"The columns of the JSON have different numbers of values: {lengths}.")
        return [dict(zip(found, row, strict=True)) for row in zip(*columns, strict=True)]
    return None
