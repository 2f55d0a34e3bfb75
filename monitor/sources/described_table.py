"""The table in a placemark's description, as map programs write it: a row has a title and a value.

Each byte is examined once, so that a text of only "<" takes linear time.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from monitor.sources.cells import clean, unescape_text

_ROW = re.compile(r"<tr\b", re.IGNORECASE)
_CELL = re.compile(r"<t[dh]\b[^<>]*>", re.IGNORECASE)
_CELL_END = re.compile(r"</t(?:[dhr]|able)\b|<table\b", re.IGNORECASE)
_LINK = re.compile(r"""<a\b[^<>]*?\bhref\s*=\s*["']([^"'<>]+)""", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


class DescribedCell(NamedTuple):
    """A value of the table with its title and its first link, "" without one."""

    title: str
    text: str
    link: str


def has_table(description: str) -> bool:
    """Whether a description holds an HTML table."""
    return ("<t" in description or "<T" in description) and _CELL.search(description) is not None


def read_table(description: str) -> list[DescribedCell]:
    """Read the cells of the tables: rows of a title and a value, or a row of titles above one of values.

    The first value of a title is used; empty for a table that is used only for layout.
    """
    rows = [[_CELL_END.split(cell, maxsplit=1)[0] for cell in _CELL.split(row)[1:]]
            for row in _ROW.split(description)]  # fmt: skip
    rows = [row for row in rows if row]
    wide = [row for row in rows if len(row) > 2]
    if len(wide) == 2 and len(wide[0]) == len(wide[1]):
        pairs = list(zip(*wide, strict=True))
    else:
        pairs = [(row[0], row[1]) for row in rows if len(row) == 2]
    cells: dict[str, DescribedCell] = {}
    for head, value in pairs:
        title = clean(_read_text(head)).rstrip(": ")
        link = _LINK.search(value)
        if title:
            cells.setdefault(
                title, DescribedCell(title, _read_text(value), unescape_text(link[1]) if link else "")
            )
    return list(cells.values())


def _read_text(cell: str) -> str:
    return unescape_text(_TAG.sub(" ", cell)).strip()
