"""What calamine omits of the sheets of an XLSB: links, errors, hidden rows, merged cells, and the date
system.

Each part is a stream of records ([MS-XLSB] 2.1.4): the kind and the length in seven bits a byte, and data.
"""

from __future__ import annotations

import posixpath
import re
import struct
from collections.abc import Iterator, Mapping
from struct import unpack_from

from monitor.errors import ParseError
from monitor.sources.workbook_parts import read_relations
from monitor.sources.workbook_sheet import MAX_COLUMNS, NO_VALUE, SheetExtras, refuse_far_cells
from monitor.sources.xls_extras import ERRORS, OF_BARE_LINK, OF_LINK

_WORKBOOK = "xl/workbook.bin"
_ROW, _CELL_ERROR, _FORMULA_TEXT, _FORMULA_ERROR, _LAST_CELL = 0, 3, 8, 11, 11
_WORKBOOK_PROPERTIES, _BUNDLED_SHEET, _DIMENSIONS, _MERGED, _LINK = 153, 156, 148, 176, 494
_HIDDEN = 0x10  # of a row's flags
_LINKED = re.compile(rb"\x17(..)(?=h\x00t\x00t\x00p\x00)", re.DOTALL)
"""The text of a link in a formula: its mark and its length."""


def read_xlsb_extras(parts: Mapping[str, bytes]) -> tuple[list[SheetExtras], bool]:
    """Read the extras of every sheet in the order of the file, and whether days count from 1904.

    Raises ParseError if the file is damaged.
    """
    since_1904 = False
    sheets: list[SheetExtras] = []
    read: dict[str, SheetExtras] = {}  # by part: many sheets may name one
    try:
        relations = read_relations(parts, _WORKBOOK)
        for kind, data in _records(parts.get(_WORKBOOK, b"")):
            if kind == _WORKBOOK_PROPERTIES:
                since_1904 = bool(unpack_from("<I", data)[0] & 1)
            elif kind == _BUNDLED_SHEET:
                target = relations.get(_read_string(data, 8), "")
                path = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
                if path not in read:
                    read[path] = _read_sheet(parts, path)
                sheets.append(read[path])
    except (struct.error, IndexError, ValueError):
        raise ParseError("The workbook (XLSB) is damaged.") from None
    return sheets, since_1904


def _records(part: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(part):
        kind = part[at]
        at += 1
        if kind & 0x80:
            kind = (kind & 0x7F) | (part[at] & 0x7F) << 7
            at += 1
        length = shift = 0
        while True:
            byte = part[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80 or shift > 21:
                break
        yield kind, part[at : at + length]
        at += length


def _read_string(data: bytes, at: int) -> str:
    """Read a text with its number of characters before it."""
    length = unpack_from("<I", data, at)[0]
    return data[at + 4 : at + 4 + 2 * length].decode("utf-16-le", "replace")


def _find_link(formula: bytes) -> str:
    """The address in a formula that is a link; "" without one."""
    found = _LINKED.search(formula) if OF_LINK in formula or OF_BARE_LINK in formula else None
    length = 2 * unpack_from("<H", found[1])[0] if found else 0
    return formula[found.end() : found.end() + length].decode("utf-16-le", "replace") if found else ""


def _read_sheet(parts: Mapping[str, bytes], path: str) -> SheetExtras:
    extras = SheetExtras()
    links = read_relations(parts, path)
    row, is_hidden, has_cells = 0, False, False
    last = widest = 0
    for kind, data in _records(parts.get(path, b"")):
        if kind == _ROW:
            extras.hidden += is_hidden and has_cells
            row, is_hidden, has_cells = unpack_from("<I", data)[0] + 1, bool(data[11] & _HIDDEN), False
        elif 0 < kind <= _LAST_CELL:
            has_cells |= kind > 1  # 1 is an empty cell
            column, code = unpack_from("<I4xB", data) if len(data) > 8 else (0, 0)
            last, widest = row if kind > 1 else last, max(widest, column + 1)
            if kind in (_CELL_ERROR, _FORMULA_ERROR):
                extras.unvalued[row][column + 1] = ERRORS.get(code, NO_VALUE)
            elif kind == _FORMULA_TEXT and (link := _find_link(data)):
                extras.links[row, column + 1] = link
        elif kind == _DIMENSIONS:
            top, bottom, left, right = unpack_from("<4I", data)
            refuse_far_cells(max(bottom - top, 0), max(right - left, 0))
        elif kind == _MERGED:
            top, bottom, left, _ = unpack_from("<4I", data)
            if bottom > top and left < MAX_COLUMNS:
                extras.merged.append((left + 1, top + 1, bottom + 1))
        elif kind == _LINK and (target := links.get(_read_string(data, 16))):
            top, bottom, left, right = unpack_from("<4I", data)
            extras.link_range(target, top + 1, left + 1, bottom + 1, right + 1)
    extras.hidden += is_hidden and has_cells
    refuse_far_cells(last, widest)
    return extras
