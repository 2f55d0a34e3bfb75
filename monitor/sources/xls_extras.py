"""What calamine omits of the sheets of an XLS: links, errors, formulas without a value, hidden rows, and the
date system.

The workbook is a stream of records in a compound file ([MS-CFB], [MS-XLS] 2.4).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator, Sequence
from struct import unpack_from

from monitor.errors import ParseError
from monitor.sources.sniff import PROTECTED
from monitor.sources.workbook_sheet import NO_VALUE, SheetExtras, refuse_far_cells

_MOST_SECTORS = 1_000_000
_END_OF_CHAIN = 0xFFFFFFFA  # from here on, numbers of sectors have other meanings
_ENTRY = 128  # bytes of an entry of the directory
_FIRST_SECTORS = 109  # of the table of sectors, which the header names
_BOF, _EOF, _BOUNDSHEET, _DATEMODE, _FILEPASS = 0x809, 0x0A, 0x85, 0x22, 0x2F
_ROW, _FORMULA, _BOOLERR, _HLINK, _DIMENSIONS = 0x208, 0x06, 0x205, 0x1B8, 0x200
_OF_ERROR, _OF_BLANK = 2, 3  # kinds of a formula's value that is no number
_HIDDEN = 0x20  # of a row's flags
ERRORS = {
    0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!",
    0x2A: "#N/A",
}  # fmt: skip
_URL_MONIKER = bytes.fromhex("e0c9ea79f9bace118c8200aa004ba90b")
_LINKED = re.compile(rb"\x17(.)(?=\x00https?://)", re.DOTALL)
"""The text of a link in a formula: its mark and its length."""
OF_LINK = b"\x42\x02\x67\x01"  # HYPERLINK with two arguments
OF_BARE_LINK = b"\x42\x01\x67\x01"


def read_xls_extras(body: bytes) -> tuple[list[SheetExtras], bool]:
    """Read the extras of every sheet in the order of the file, and whether days count from 1904.

    Raises ParseError if the file is damaged or protected.
    """
    try:
        stream = _CompoundFile(body).read_stream(("Workbook", "Book"))
        return _read_workbook(stream)
    except (struct.error, IndexError, ValueError):
        raise ParseError("The workbook (XLS) is damaged.") from None


class _CompoundFile:
    """The sectors of a compound file ([MS-CFB]). Raises ParseError or `struct.error` if it is damaged."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._size = 1 << unpack_from("<H", body, 30)[0]
        self._small_size = 1 << unpack_from("<H", body, 32)[0]
        if not (128 <= self._size <= 4096 and 8 <= self._small_size <= 512):
            raise ParseError("The workbook (XLS) is damaged.")
        self._directory, self._least, self._small_table = unpack_from("<I4xI", body, 48) + unpack_from(
            "<I", body, 60
        )
        self._following = [each for number in self._list_tables() for each in _numbers(self._sector(number))]

    def read_stream(self, names: Collection[str]) -> bytes:
        """Read the first stream with one of these names."""
        directory = self._read(self._directory)
        root = 0
        for at in range(0, len(directory) - _ENTRY + 1, _ENTRY):
            length = unpack_from("<H", directory, at + 64)[0]
            name = directory[at : at + length].decode("utf-16-le", "replace").rstrip("\0")
            start, size = unpack_from("<II", directory, at + 116)
            if at == 0:
                root = start
            elif name in names:
                return (self._read(start) if size >= self._least else self._read_small(root, start))[:size]
        raise ParseError("The workbook (XLS) is damaged, or the file holds something else.")

    def _list_tables(self) -> list[int]:
        """The sectors with the table of sectors: the header names the first ones, a chain the others."""
        tables = list(unpack_from(f"<{_FIRST_SECTORS}I", self._body, 76))
        more, count = unpack_from("<I", self._body, 68)[0], 0
        while more < _END_OF_CHAIN and count < _MOST_SECTORS // self._size:
            *named, more = _numbers(self._sector(more))
            tables += named
            count += 1
        tables = [number for number in tables if number < _END_OF_CHAIN]
        if len(tables) > len(self._body) // (self._size * self._size // 4) + 2:
            raise ParseError(
                "The workbook (XLS) is damaged: it names more tables of sectors than it can have."
            )
        return tables

    def _sector(self, number: int) -> bytes:
        return self._body[(number + 1) * self._size : (number + 2) * self._size]

    def _read(self, start: int) -> bytes:
        return b"".join(map(self._sector, _chain(start, self._following)))

    def _read_small(self, root: int, start: int) -> bytes:
        """Read a small stream, whose sectors are parts of the root's stream."""
        small, size = self._read(root), self._small_size
        chain = _chain(start, _numbers(self._read(self._small_table)))
        return b"".join(small[each * size : (each + 1) * size] for each in chain)


def _numbers(data: bytes) -> tuple[int, ...]:
    return unpack_from(f"<{len(data) // 4}I", data)


def _chain(number: int, following: Sequence[int]) -> Iterator[int]:
    for _ in range(min(_MOST_SECTORS, len(following))):
        if number >= _END_OF_CHAIN:
            return
        yield number
        number = following[number]


def _records(stream: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The records of one sheet, or of the workbook's own part, without those of charts within it."""
    depth = 0
    while at + 4 <= end:
        kind, length = unpack_from("<HH", stream, at)
        depth += (kind == _BOF) - (kind == _EOF)
        if depth == 1:
            yield kind, stream[at + 4 : at + 4 + length]
        elif depth == 0:
            return
        at += 4 + length


def _read_workbook(stream: bytes) -> tuple[list[SheetExtras], bool]:
    places: list[int] = []
    since_1904 = False
    for kind, data in _records(stream, 0, len(stream)):
        if kind == _FILEPASS:
            raise ParseError(PROTECTED)
        if kind == _BOUNDSHEET:
            places.append(unpack_from("<I", data)[0])
        elif kind == _DATEMODE:
            since_1904 = unpack_from("<H", data)[0] == 1
    if len(set(places)) < len(places):
        raise ParseError("The workbook (XLS) is damaged: two of its sheets are one.")
    ends = [*sorted(places)[1:], len(stream)]
    following = dict(zip(sorted(places), ends, strict=True))
    return [_read_sheet(stream, at, following[at]) for at in places], since_1904


def _read_sheet(stream: bytes, start: int, end: int) -> SheetExtras:
    extras = SheetExtras()
    hidden: set[int] = set()
    filled: set[int] = set()
    formulas = _Formulas(extras)
    widest = 0
    for kind, data in _records(stream, start, end):
        if kind == _ROW:
            if unpack_from("<H", data, 12)[0] & _HIDDEN:
                hidden.add(unpack_from("<H", data)[0] + 1)
        elif kind == _BOOLERR:
            row, column, code, is_error = unpack_from("<HH2xBB", data)
            if is_error:
                extras.unvalued[row + 1][column + 1] = ERRORS.get(code, NO_VALUE)
        elif kind == _FORMULA:
            formulas.read(data)
        elif kind == _HLINK:
            _read_link(data, extras)
        elif kind == _DIMENSIONS:
            # of Excel 95 the numbers of rows are shorter
            top, bottom, left, right = unpack_from("<IIHH" if len(data) >= 14 else "<4H", data)
            refuse_far_cells(max(bottom - top, 0), max(right - left, 0))
        if kind in _CELLS:
            row, column = unpack_from("<HH", data)
            filled.add(row + 1)
            widest = max(widest, column + 1)
    formulas.finish()
    extras.hidden = len(hidden & filled)
    refuse_far_cells(max(filled, default=0), widest)
    return extras


class _Formulas:
    """Reads the formulas of a sheet: their errors, empty values and links."""

    def __init__(self, extras: SheetExtras) -> None:
        self._extras = extras
        self._blank: list[tuple[int, int]] = []  # with an empty text
        self._has_values = False

    def read(self, data: bytes) -> None:
        """Read a record of a formula."""
        row, column, of, code, mark = unpack_from("<HH2xBxB3xH", data)
        if mark == 0xFFFF and of == _OF_ERROR:
            self._extras.unvalued[row + 1][column + 1] = ERRORS.get(code, NO_VALUE)
        elif mark == 0xFFFF and of == _OF_BLANK:
            self._blank.append((row + 1, column + 1))
        else:
            self._has_values = True
        if link := _find_link(data[22:]):
            self._extras.links[row + 1, column + 1] = link

    def finish(self) -> None:
        """If no formula has a value, a program wrote them without computing any: none is an empty text."""
        if not self._has_values:
            for row, column in self._blank:
                self._extras.unvalued[row][column] = NO_VALUE


_CELLS = frozenset((0x06, 0xFD, 0x203, 0x204, 0x205, 0x27E, 0xBD, 0xD6))
"""Records of cells with a value: formula, shared and own text, numbers, booleans."""


def _find_link(formula: bytes) -> str:
    """The address in a formula that is a link; "" without one."""
    if OF_LINK not in formula and OF_BARE_LINK not in formula:
        return ""
    found = _LINKED.search(formula)
    return formula[found.end() + 1 : found.end() + 1 + found[1][0]].decode("latin-1") if found else ""


def _read_link(data: bytes, extras: SheetExtras) -> None:
    """Keep the address of a link ([MS-OSHARED] 2.3.7.1) for its cells."""
    top, bottom, left, right = unpack_from("<4H", data)
    at = data.find(_URL_MONIKER, 24)
    if at < 0:
        return  # a file, or a place in the workbook
    length = unpack_from("<I", data, at + 16)[0]
    url = data[at + 20 : at + 20 + length].decode("utf-16-le", "replace").partition("\0")[0]
    extras.link_range(url, top + 1, left + 1, bottom + 1, right + 1)
