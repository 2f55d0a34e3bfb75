"""Reads ODS bytes into sheets of cells (OpenDocument 1.3, part 3, chapter 9): values, links, merged cells and
hidden rows, which stand together in one XML.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import date, datetime

from lxml import etree

from monitor.errors import ParseError
from monitor.sources.archive import open_archive
from monitor.sources.cells import ERROR_VALUES
from monitor.sources.column_map import ParseLimits
from monitor.sources.listing import MOST_ROWS, TOO_LONG
from monitor.sources.sniff import PROTECTED
from monitor.sources.workbook_parts import refuse_doctype
from monitor.sources.workbook_sheet import (
    HYPERLINK,
    MAX_COLUMNS,
    MOST_CELLS,
    NO_VALUE,
    NOTE_FAR,
    SheetExtras,
    SheetRow,
    WorkbookSheet,
    describe_hidden,
    describe_struck,
    fill_cells,
)

_CONTENT, _MANIFEST = "content.xml", "META-INF/manifest.xml"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_ERROR = re.compile(r"(?:Err|Fehler|Erreur):\d{3}")
_BESIDE_TEXT = (f"{_OFFICE}annotation", "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}frame")
_MOST_REPEATED = 1_048_576


def read_ods(body: bytes, limits: ParseLimits) -> Iterator[WorkbookSheet]:
    """Read the visible sheets of a workbook in their order; raises ParseError if it is damaged, protected or
    too large. All parts are first unpacked within the limits.
    """
    with open_archive(body, limits, limits.entries) as archive:
        parts = {name: archive.read(name) for name in archive.names}
    if b"encryption-data" in parts.get(_MANIFEST, b""):
        raise ParseError(PROTECTED)
    if _CONTENT not in parts:
        raise ParseError("The workbook (ODS) is damaged: it has no content.xml.")
    refuse_doctype(_CONTENT, parts[_CONTENT])
    try:
        yield from _OdsReader().read(parts[_CONTENT])
    except etree.XMLSyntaxError:
        raise ParseError("The workbook (ODS) is damaged.") from None


class _OdsReader:
    """Reads the sheets of a document in one pass; each row is freed before the next one."""

    def __init__(self) -> None:
        self._hidden_styles: set[str] = set()  # of sheets
        self._struck_styles: set[str] = set()  # of cells
        self._cells = 0
        self._begin()

    def _begin(self) -> None:
        self._number = self._hidden = self._struck = 0
        self._far = False
        self._rows: list[SheetRow] = []
        self._extras = SheetExtras()

    def read(self, content: bytes) -> Iterator[WorkbookSheet]:
        """Yield the visible sheets."""
        tags = (f"{_STYLE}style", f"{_TABLE}table-row", f"{_TABLE}table")
        parser = etree.iterparse(
            io.BytesIO(content), tag=tags, resolve_entities=False, no_network=True, huge_tree=False
        )
        for _, element in parser:
            if element.tag == tags[0]:
                self._read_style(element)
            elif element.tag == tags[1]:
                if next(element.iterancestors(f"{_TABLE}table-cell"), None) is not None:
                    continue  # of a table within a cell
                self._read_row(element)
                element.clear()
            elif _is_sheet(element):
                if element.get(f"{_TABLE}style-name") not in self._hidden_styles:
                    yield self._make_sheet(element.get(f"{_TABLE}name", ""))
                self._begin()
                element.clear()

    def _read_style(self, style: etree._Element) -> None:
        name, family = style.get(f"{_STYLE}name", ""), style.get(f"{_STYLE}family")
        if family == "table":
            properties = style.find(f"{_STYLE}table-properties")
            if properties is not None and properties.get(f"{_TABLE}display") == "false":
                self._hidden_styles.add(name)
        elif family == "table-cell":
            properties = style.find(f"{_STYLE}text-properties")
            through = None if properties is None else properties.get(f"{_STYLE}text-line-through-style")
            if through not in (None, "none"):
                self._struck_styles.add(name)

    def _make_sheet(self, title: str) -> WorkbookSheet:
        notes = [NOTE_FAR] * self._far + describe_hidden(self._hidden) + describe_struck(self._struck)
        rows = fill_cells(self._rows, self._extras.merged, {})
        return WorkbookSheet(title, rows, tuple(notes), self._extras.links)

    def _read_row(self, row: etree._Element) -> None:
        repeated = _count(row, "number-rows-repeated")
        number = self._number + 1
        self._number += repeated
        values: list[object] = []
        at = 0  # the number of the last column
        struck = written = 0
        for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
            columns = _count(cell, "number-columns-repeated")
            is_covered = cell.tag.endswith("covered-table-cell")
            value = None if is_covered else _read_value(cell)
            if at >= MAX_COLUMNS:
                self._far |= value is not None
                continue
            values += [value] * min(columns, MAX_COLUMNS - at)
            if value is not None:
                written += 1
                struck += cell.get(f"{_TABLE}style-name") in self._struck_styles
                self._read_extras(cell, number, at + 1)
            at += columns
        while values and values[-1] is None:
            values.pop()
        if not values:
            return
        self._hidden += repeated * (row.get(f"{_TABLE}visibility", "visible") != "visible")
        self._struck += repeated * (struck == written)
        self._cells += repeated * len(values)
        if len(self._rows) + repeated > MOST_ROWS:
            raise ParseError(TOO_LONG)
        if self._cells > MOST_CELLS:
            raise ParseError(f"The workbook has more than {MOST_CELLS:,} cells.")
        cells = tuple(values)
        self._rows += [(number + each, cells) for each in range(repeated)]

    def _read_extras(self, cell: etree._Element, row: int, column: int) -> None:
        """Keep the link of a cell, and that it is merged with those below."""
        spanned = _count(cell, "number-rows-spanned")
        if spanned > 1:
            self._extras.merged.append((column, row, row + spanned - 1))
        link = next((each.get(_LINK) for each in cell.iter(f"{_TEXT}a")), None)
        if link is None and (found := HYPERLINK.search(cell.get(f"{_TABLE}formula") or "")):
            link = found[1]
        if link:
            self._extras.links[row, column] = link


def _is_sheet(table: etree._Element) -> bool:
    parent = table.getparent()
    return parent is not None and parent.tag == f"{_OFFICE}spreadsheet"


def _count(element: etree._Element, name: str) -> int:
    """The number in an attribute of a row or cell, at least 1."""
    given = element.get(_TABLE + name) or "1"
    return min(max(int(given), 1), _MOST_REPEATED) if given.isdecimal() and len(given) < 10 else 1


def _read_value(cell: etree._Element) -> object:
    """The value of a cell, as openpyxl gives it: None if it is empty, an error as its text."""
    kind = cell.get(f"{_OFFICE}value-type")
    formula = cell.get(f"{_TABLE}formula")
    if kind is None and not len(cell):
        return NO_VALUE if formula else None
    text = _read_text(cell) if kind in (None, "string") or formula else ""
    if formula and (text.upper() in ERROR_VALUES or _ERROR.fullmatch(text)):
        return text if text[0] == "#" else "#ERROR!"
    if kind in ("float", "percentage", "currency"):
        return _read_number(cell.get(f"{_OFFICE}value", ""))
    if kind == "boolean":
        return cell.get(f"{_OFFICE}boolean-value") == "true"
    if kind == "date":
        return _read_day(cell.get(f"{_OFFICE}date-value", ""))
    if kind == "time":
        return cell.get(f"{_OFFICE}time-value") or None
    return text or cell.get(f"{_OFFICE}string-value") or None


def _read_number(text: str) -> object:
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        return text or None


def _read_day(text: str) -> object:
    """A date or a moment; the text itself if it is neither."""
    try:
        return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    except ValueError:
        return text or None


def _read_text(cell: etree._Element) -> str:
    """The text of a cell, with its lines, without comments and pictures."""
    return "\n".join("".join(_iterate_texts(each)) for each in cell.iterchildren(f"{_TEXT}p", f"{_TEXT}h"))


def _iterate_texts(element: etree._Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag == f"{_TEXT}s":
            yield " "
        elif child.tag in (f"{_TEXT}line-break", f"{_TEXT}tab"):
            yield "\n" if child.tag.endswith("line-break") else "\t"
        elif isinstance(child.tag, str) and child.tag not in _BESIDE_TEXT:
            yield from _iterate_texts(child)
        yield child.tail or ""
