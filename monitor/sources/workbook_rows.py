"""The rows of a sheet of an XLSX, streamed by openpyxl, without empty ones and the marks of footnotes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from lxml import etree
from openpyxl.utils.cell import coordinate_to_tuple
from openpyxl.worksheet._reader import INLINE_STRING, WorkSheetParser

from monitor.errors import ParseError
from monitor.sources.cells import FOOTNOTE
from monitor.sources.listing import MOST_ROWS, TOO_LONG
from monitor.sources.workbook_parts import iterate_elements
from monitor.sources.workbook_sheet import (
    MAX_COLUMNS,
    MAX_ROWS,
    NOTE_FAR,
    SheetRow,
    describe_hidden,
    describe_struck,
)

_ROWS_END = re.compile(rb"</(\w+:)?sheetData\s*>")
_TEXT, _RUN = (INLINE_STRING.removesuffix("is") + name for name in ("t", "r"))
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
"""An escaped character that XML cannot contain (ECMA-376 part 1, 22.9.2.19)."""


def _cut_after_rows(part: bytes) -> bytes:
    """Cut a sheet's XML after its rows: openpyxl would create objects from the rest, such as links."""
    ends = list(_ROWS_END.finditer(part))
    return part[: ends[-1].end()] + b"</" + (ends[-1][1] or b"") + b"worksheet>" if ends else part


def unescape_text(text: str) -> str:
    """Unescape the characters ("_x000D_") in a text of a workbook."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


class _CellParser(WorkSheetParser):
    """openpyxl's parser of a sheet without an object for each text within a cell, which takes most of the
    time for a workbook without shared strings.
    """

    def parse_cell(self, element: Any) -> dict[str, Any]:
        coordinate = element.get("r")
        if element.get("t") != "inlineStr" or not coordinate:
            cell: dict[str, Any] = super().parse_cell(element)
            return cell
        row, self.col_counter = coordinate_to_tuple(coordinate)
        texts = (
            element.iterfind(f"{INLINE_STRING}/{_TEXT}"),
            (
                text
                for run in element.iterfind(f"{INLINE_STRING}/{_RUN}")
                if not _is_footnote(run)
                for text in run.iterfind(_TEXT)
            ),
        )
        value = unescape_text("".join(text.text or "" for text in chain(*texts)))
        style = int(element.get("s") or 0)
        return {"row": row, "column": self.col_counter, "value": value or None, "style_id": style}


def _is_footnote(run: Any) -> bool:
    """Whether a part of a text is the mark of a footnote, in superscript."""
    raised = run.find(f"{_RUN}Pr/{_RUN.removesuffix('r')}vertAlign")
    if raised is None or raised.get("val") != "superscript":
        return False
    return FOOTNOTE.fullmatch("".join(text.text or "" for text in run.iterfind(_TEXT))) is not None


def read_unmarked(parts: dict[str, bytes]) -> dict[int, str]:
    """The shared texts that have the mark of a footnote, without it, by their position."""
    part = next((part for name, part in parts.items() if name.lower() == "xl/sharedstrings.xml"), b"")
    if b"superscript" not in part:
        return {}
    unmarked: dict[int, str] = {}
    for at, shared in enumerate(iterate_elements(part, "si")):
        if any(_is_footnote(run) for run in shared.iterfind(_RUN)):
            kept = (run for run in shared.iterfind(_RUN) if not _is_footnote(run))
            unmarked[at] = "".join(text.text or "" for run in kept for text in run.iterfind(_TEXT))
        shared.clear()
    return unmarked


def find_struck_styles(part: bytes) -> frozenset[int]:
    """The styles of cells whose text is struck through, by their position."""
    if b"strike" not in part:
        return frozenset()
    struck: list[bool] = []
    styles: list[int] = []
    for element in iterate_elements(part, "font", "xf"):
        around = element.getparent()
        kind = "" if around is None else etree.QName(around).localname
        if kind == "fonts":
            mark = element.find("{*}strike")
            struck.append(mark is not None and mark.get("val", "1") not in ("0", "false"))
        elif kind == "cellXfs":
            styles.append(int(element.get("fontId") or 0))
    return frozenset(at for at, font in enumerate(styles) if font < len(struck) and struck[font])


def read_rows(
    book: Any,
    sheet: Any,
    part: bytes,
    notes: list[str],
    struck: frozenset[int],
    unmarked: dict[int, str],
) -> Iterator[SheetRow]:
    """Yield the rows that have a value, without the empty cells at their ends; irregularities are appended
    to ``notes``.

    It does what openpyxl's `iter_rows` does, except for empty rows, of which that creates a million before a
    distant one. ``struck`` are styles, ``unmarked`` shared texts that replace those of openpyxl.
    """
    texts = [unmarked.get(at, text) for at, text in enumerate(sheet._shared_strings)]
    source = io.BytesIO(_cut_after_rows(part))
    del part
    parser = _CellParser(
        source,
        list(map(unescape_text, texts)),
        data_only=True,
        epoch=book.epoch,
        date_formats=book._date_formats,
        timedelta_formats=book._timedelta_formats,
    )
    last = count = hidden = crossed = 0
    far = False
    for number, cells in parser.parse():
        if number > MAX_ROWS:
            break
        if number <= last:
            continue  # a row number that was already used
        last = number
        values = {cell["column"]: cell["value"] for cell in cells if cell["value"] is not None}
        width = max((column for column in values if column <= MAX_COLUMNS), default=0)
        far |= len(values) > width and max(values, default=0) > MAX_COLUMNS
        if width:
            count += 1
            hidden += parser.row_dimensions.get(str(number), {}).get("hidden") in ("1", "true")
            if struck:
                styles = {cell["style_id"] for cell in cells if isinstance(cell["value"], str)}
                crossed += bool(styles) and styles <= struck
            if count > MOST_ROWS:
                raise ParseError(TOO_LONG)
            yield number, tuple(map(values.get, range(1, width + 1)))
    if far:
        notes.append(NOTE_FAR)
    notes += describe_hidden(hidden) + describe_struck(crossed)
