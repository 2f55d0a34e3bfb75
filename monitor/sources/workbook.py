"""Reads XLSX bytes into sheets of cells: openpyxl streams the values, and the links that its read-only mode
omits are read separately.
"""

from __future__ import annotations

import io
import posixpath
import re
import warnings
import zipfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

import openpyxl
from lxml import etree
from openpyxl.utils.cell import coordinate_to_tuple, get_column_letter, range_boundaries
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet._reader import INLINE_STRING, WorkSheetParser

from monitor.errors import ParseError
from monitor.sources.archive import Archive, open_archive
from monitor.sources.cells import FOOTNOTE
from monitor.sources.column_map import ParseLimits
from monitor.sources.listing import MOST_ROWS

MAX_ROWS, MAX_COLUMNS = 1_048_576, 100
"""The most rows of an XLSX; and the most columns that are read, so that one stray cell does not widen a
million rows.
"""

NOTE_FAR = f"columns after the {MAX_COLUMNS}th are not read"
_MAX_LINKED = 100_000  # the most cells that get a link, so that a link over a whole sheet stays cheap
_MOST_CELLS, _MOST_OTHERS = 3_000_000, 500_000  # cells, and elements that are not in rows
_FOLDERS = 2  # openpyxl reads only parts above this depth; all others contain pictures, notes and the like
_ROWS_START = re.compile(rb"<(?:\w+:)?sheetData\b")
_ROWS_END = re.compile(rb"</(\w+:)?sheetData\s*>")
_WORDINESS = 4
"""A workbook's XML is this many times longer than other formats of the same list: 150,000 rows are over 64
MiB.
"""
_TEXT, _RUN = (INLINE_STRING.removesuffix("is") + name for name in ("t", "r"))
_WORKBOOK = "xl/workbook.xml"
_DOCTYPE = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
_FORMULA = re.compile(r'HYPERLINK\(\s*"([^"]+)"\s*(?:[,;]\s*"([^"]*)"|[,;)])', re.IGNORECASE)
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
"""An escaped character that XML cannot contain (ECMA-376 part 1, 22.9.2.19)."""
_STRICT = (
    (b"http://purl.oclc.org/ooxml/spreadsheetml/", b"http://schemas.openxmlformats.org/spreadsheetml/2006/"),
    (
        b"http://purl.oclc.org/ooxml/officeDocument/",
        b"http://schemas.openxmlformats.org/officeDocument/2006/",
    ),
    (b"http://purl.oclc.org/ooxml/drawingml/", b"http://schemas.openxmlformats.org/drawingml/2006/"),
)
"""The namespaces of strict documents (ISO/IEC 29500-1) and the transitional ones (29500-4), which openpyxl
knows.
"""
_DAYS_TO_1904 = 1462  # between the two date systems (ECMA-376 part 1, 18.17.4.1)
NO_VALUE = "#CALC!"
"""Replaces a formula without a stored value; it is read like a spreadsheet's own errors."""


SheetRow = tuple[int, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class WorkbookSheet:
    """One sheet: rows that have a value, with their numbers from 1, as cell values of openpyxl; and the link
    of a cell by its name ("G2"). ``notes`` describe what is not read of the sheet, or is read although it is
    hidden.
    """

    title: str
    rows: tuple[SheetRow, ...]
    notes: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
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

    def link(self, row: int, column: int) -> str | None:
        """The link of a cell; both count from 1."""
        return self.links.get(f"{get_column_letter(column)}{row}")


def read_sheets(body: bytes, limits: ParseLimits) -> Iterator[WorkbookSheet]:
    """Read the visible sheets of a workbook in their order; raises ParseError if it is damaged, too large, or
    not a workbook.

    All parts are first unpacked within the limits, before openpyxl, which has no limits, reads them.
    """
    roomy = replace(limits, decoded=_WORDINESS * limits.decoded)
    with open_archive(body, roomy, limits.entries) as archive:
        if _WORKBOOK not in archive.names:
            raise ParseError("The zip is no workbook (XLSX).")
        parts = {name: archive.read(name) for name in archive.names if name.endswith((".xml", ".rels"))}
        _unpack_rest(archive, parts)
    for name, part in parts.items():
        _refuse_doctype(name, part)
    _refuse_too_much(parts)
    if any(strict in parts[_WORKBOOK] for strict, _ in _STRICT):
        parts, body = _make_transitional(parts)
    paths = _sheet_paths(parts)
    struck = _find_struck_styles(parts.get("xl/styles.xml", b""))
    unmarked = _read_unmarked(parts)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions without values
            book = openpyxl.load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
            read = []
            sheets: list[Any] = book.worksheets
            for sheet in sheets:
                if sheet.sheet_state != "visible":
                    continue
                path = paths.get(sheet.title, "")
                extras = _read_extras(parts, path) if path in parts else _SheetExtras()
                part = parts.pop(sheet._worksheet_path, b"")  # it may be large, and is read once
                notes: list[str] = []
                found = list(_read_rows(book, sheet, part, notes, struck, unmarked))
                rows = fill_cells(found, extras.merged, extras.unvalued)
                later = _DAYS_TO_1904 if book.epoch == CALENDAR_MAC_1904 else 0
                read.append(WorkbookSheet(sheet.title, rows, tuple(notes), extras.links, later))
            book.close()
    except ParseError:
        raise
    except Exception:  # openpyxl may raise any exception of its libraries for a damaged part
        raise ParseError("The workbook is damaged.") from None
    yield from read


def _unpack_rest(archive: Archive, parts: dict[str, bytes]) -> None:
    for name in archive.names:
        if name not in parts:
            for _ in archive.chunks(name):
                pass


def _make_transitional(parts: dict[str, bytes]) -> tuple[dict[str, bytes], bytes]:
    """Convert the parts of a strict document to the namespaces of a transitional one; returns them and their
    zip.
    """
    for strict, transitional in _STRICT:
        parts = {name: part.replace(strict, transitional) for name, part in parts.items()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return parts, packed.getvalue()


def _refuse_too_much(parts: dict[str, bytes]) -> None:
    """Raise ParseError for a workbook from which openpyxl would create millions of objects."""
    cells = rows = strings = others = 0
    for name, part in parts.items():
        if name.startswith("xl/worksheets/") and name.endswith(".xml"):
            cells += part.count(b"<c") + part.count(b":c")
            rows += part.count(b"<row") + part.count(b":row")
            others += part[: _rows_start(part)].count(b"<")
        elif name.lower().endswith("sharedstrings.xml"):
            strings += part.count(b"<si") + part.count(b":si")
        elif name.count("/") < _FOLDERS or name == "xl/_rels/workbook.xml.rels":
            others += part.count(b"<")
    if rows > 2 * MAX_ROWS:
        raise ParseError(f"The workbook has more than {2 * MAX_ROWS:,} rows.")
    if max(cells, strings) > _MOST_CELLS:
        raise ParseError(f"The workbook has more than {_MOST_CELLS:,} cells.")
    if others > _MOST_OTHERS:
        raise ParseError(f"The workbook has more than {_MOST_OTHERS:,} elements beside its rows.")


def _rows_start(part: bytes) -> int:
    found = _ROWS_START.search(part)
    return found.start() if found else len(part)


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


def _read_unmarked(parts: dict[str, bytes]) -> dict[int, str]:
    """The shared texts that have the mark of a footnote, without it, by their position."""
    part = next((part for name, part in parts.items() if name.lower() == "xl/sharedstrings.xml"), b"")
    if b"superscript" not in part:
        return {}
    unmarked: dict[int, str] = {}
    for at, shared in enumerate(_elements(part, "si")):
        if any(_is_footnote(run) for run in shared.iterfind(_RUN)):
            kept = (run for run in shared.iterfind(_RUN) if not _is_footnote(run))
            unmarked[at] = "".join(text.text or "" for run in kept for text in run.iterfind(_TEXT))
        shared.clear()
    return unmarked


def _find_struck_styles(part: bytes) -> frozenset[int]:
    """The styles of cells whose text is struck through, by their position."""
    if b"strike" not in part:
        return frozenset()
    struck: list[bool] = []
    styles: list[int] = []
    for element in _elements(part, "font", "xf"):
        around = element.getparent()
        kind = "" if around is None else etree.QName(around).localname
        if kind == "fonts":
            mark = element.find("{*}strike")
            struck.append(mark is not None and mark.get("val", "1") not in ("0", "false"))
        elif kind == "cellXfs":
            styles.append(int(element.get("fontId") or 0))
    return frozenset(at for at, font in enumerate(styles) if font < len(struck) and struck[font])


def _read_rows(
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
                raise ParseError(f"The list has more than {MOST_ROWS:,} rows.")
            yield number, tuple(map(values.get, range(1, width + 1)))
    if far:
        notes.append(NOTE_FAR)
    if hidden:
        notes.append(f"rows that are hidden, and read like the others: {hidden:,}")
    if crossed:
        notes.append(f"rows that are struck through, and read like the others: {crossed:,}")


def _refuse_doctype(name: str, part: bytes) -> None:
    if any(mark in part for mark in _DOCTYPE):
        raise ParseError(f"The workbook's part {name} has a DOCTYPE; it is refused.")


def _elements(part: bytes, *names: str) -> Iterator[etree._Element]:
    """Yield the elements with these local names, in document order; each is freed before the next one."""
    tags = tuple("{*}" + name for name in (*names, "row"))
    try:
        for _, element in etree.iterparse(
            io.BytesIO(part),
            events=("end",),
            tag=tags,
            resolve_entities=False,
            no_network=True,
            huge_tree=False,
        ):
            if etree.QName(element).localname in names:
                yield element
            else:
                element.clear()
    except etree.XMLSyntaxError:
        raise ParseError("The workbook is damaged.") from None


def _relations(parts: dict[str, bytes], path: str) -> dict[str, str]:
    """The targets that a part refers to, by id (ECMA-376 part 2, 9.3)."""
    folder, name = posixpath.split(path)
    part = parts.get(f"{folder}/_rels/{name}.rels")
    return {x.get("Id", ""): x.get("Target", "") for x in _elements(part, "Relationship")} if part else {}


def _relation_id(element: etree._Element) -> str:
    return next((str(value) for name, value in element.items() if str(name).endswith("}id")), "")


def _sheet_paths(parts: dict[str, bytes]) -> dict[str, str]:
    """Sheet title to the path of its part."""
    relations = _relations(parts, _WORKBOOK)
    return {
        sheet.get("name", ""): posixpath.normpath(
            posixpath.join("/xl", relations.get(_relation_id(sheet), ""))
        ).lstrip("/")
        for sheet in _elements(parts[_WORKBOOK], "sheet")
    }


Range = tuple[int, int, int]
"""A column, and the first and last row of merged cells; all count from 1."""


@dataclass
class _SheetExtras:
    """The parts of a sheet that openpyxl's read-only mode omits: links by cell name, vertically merged cells,
    and the texts of formulas without a value by row and column.
    """

    links: dict[str, str] = field(default_factory=dict)
    merged: list[Range] = field(default_factory=list)
    unvalued: dict[int, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))


def _read_extras(parts: dict[str, bytes], path: str) -> _SheetExtras:
    """Read the extras of a sheet; links are stored beside the cells or in HYPERLINK formulas."""
    relations = _relations(parts, path)
    extras = _SheetExtras()
    formulas: list[etree._Element] = []
    for element in _elements(parts[path], "f", "hyperlink", "mergeCell", "row"):
        kind = etree.QName(element).localname
        if kind == "f":
            formulas.append(element)
        elif kind == "row":  # only now have its cells their values
            for formula in formulas:
                _read_formula(formula, extras)
            formulas.clear()
            element.clear()
        elif kind == "mergeCell":
            extras.merged += _read_range(element.get("ref", ""))
        elif target := relations.get(_relation_id(element)):
            for name in islice(_cells(element.get("ref", "")), _MAX_LINKED - len(extras.links)):
                extras.links[name] = target
    return extras


def _read_formula(formula: etree._Element, extras: _SheetExtras) -> None:
    cell, match = formula.getparent(), _FORMULA.match(formula.text or "")
    if cell is None:
        return
    name = cell.get("r", "")
    if match:
        extras.links[name] = match[1]
    if not any(child.text for child in cell if etree.QName(child).localname == "v"):
        try:
            row, column = coordinate_to_tuple(name)
        except ValueError:
            return
        if column <= MAX_COLUMNS:
            extras.unvalued[row][column] = (match[2] if match else None) or NO_VALUE


def _read_range(reference: str) -> Iterator[Range]:
    """Yield the cells of "B2:B5" that are merged with the one above them; none for a title over a whole
    table.
    """
    try:
        left, top, _, bottom = range_boundaries(reference)
    except ValueError:
        return
    if left and top and bottom and bottom > top and left <= MAX_COLUMNS:
        yield left, top, bottom


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
        if filled > _MOST_CELLS:
            raise ParseError(f"The workbook has more than {_MOST_CELLS:,} merged cells.")
        for number in below:
            _fill(cells[number], column, value)
    return tuple((number, tuple(cells[number])) for number in numbers)


def _fill(values: list[object], column: int, value: object) -> None:
    """Put a value in an empty cell."""
    values += [None] * (column - len(values))
    if values[column - 1] is None:
        values[column - 1] = value


def _cells(reference: str) -> Iterator[str]:
    """The names of the cells in "G2" or "G2:G5"."""
    try:
        left, top, right, bottom = range_boundaries(reference)
    except ValueError:
        return
    if left and top and right and bottom:
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                yield f"{get_column_letter(column)}{row}"
