"""XLSX bytes to sheets of cells: openpyxl streams the values, and the links that its read-only mode leaves
out are read beside.
"""

from __future__ import annotations

import io
import posixpath
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import openpyxl
from lxml import etree
from openpyxl.utils.cell import get_column_letter, range_boundaries

from monitor.errors import ParseError
from monitor.sources.archive import Archive, open_archive
from monitor.sources.column_map import ParseLimits

MAX_ROWS, MAX_COLUMNS = 1_048_576, 100
"""More rows than this no XLSX has; columns after these are not looked at, so that one stray cell does not
widen a million rows.
"""

_MAX_LINKED = 100_000  # cells that get a link, so that a link over a whole sheet stays cheap
_WORKBOOK = "xl/workbook.xml"
_DOCTYPE = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
_FORMULA = re.compile(r'HYPERLINK\(\s*"([^"]+)"', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WorkbookSheet:
    """One sheet: rows of cell values as openpyxl gives them, and the link of a cell by its name ("G2")."""

    title: str
    rows: tuple[tuple[object, ...], ...]
    links: dict[str, str]

    @property
    def width(self) -> int:
        """The number of columns of the widest row."""
        return max(map(len, self.rows), default=0)

    def link(self, row: int, column: int) -> str | None:
        """The link of a cell; both count from 1."""
        return self.links.get(f"{get_column_letter(column)}{row}")


def read_sheets(body: bytes, limits: ParseLimits) -> Iterator[WorkbookSheet]:
    """The visible sheets of a workbook in their order; ParseError where it is damaged, too much, or no
    workbook.

    All parts are unpacked once within the limits before openpyxl, which has none, may see them.
    """
    with open_archive(body, limits, limits.parts) as archive:
        if _WORKBOOK not in archive.names:
            raise ParseError("The zip is no workbook (XLSX).")
        parts = {name: archive.read(name) for name in archive.names if name.endswith((".xml", ".rels"))}
        _unpack_rest(archive, parts)
    for name, part in parts.items():
        _refuse_doctype(name, part)
    paths = _sheet_paths(parts)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that hold no values
            book = openpyxl.load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
            read = []
            for sheet in book.worksheets:
                if sheet.sheet_state != "visible":
                    continue
                sheet.reset_dimensions()  # what a file declares as its extent may be anything
                cells = sheet.iter_rows(max_row=MAX_ROWS, max_col=MAX_COLUMNS, values_only=True)
                read.append((sheet.title, tuple(_trim(cells))))
            book.close()
    except ParseError:
        raise
    except Exception:  # openpyxl meets a damaged part with any exception of any library below it
        raise ParseError("The workbook is damaged.") from None
    for title, rows in read:
        path = paths.get(title, "")
        yield WorkbookSheet(title, rows, _links(parts, path) if path in parts else {})


def _unpack_rest(archive: Archive, parts: dict[str, bytes]) -> None:
    for name in archive.names:
        if name not in parts:
            for _ in archive.chunks(name):
                pass


def _trim(rows: Iterable[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    """Rows without the empty cells at their ends; without the empty rows at the end of the sheet."""
    empty = 0
    for row in rows:
        width = len(row)
        while width and row[width - 1] is None:
            width -= 1
        if not width:
            empty += 1
            continue
        yield from ((),) * empty
        empty = 0
        yield row[:width]


def _refuse_doctype(name: str, part: bytes) -> None:
    if any(mark in part for mark in _DOCTYPE):
        raise ParseError(f"The workbook's part {name} has a DOCTYPE; it is refused.")


def _elements(part: bytes, *names: str) -> Iterator[etree._Element]:
    """The elements with these local names, in document order, each forgotten when the next one comes."""
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


def _links(parts: dict[str, bytes], path: str) -> dict[str, str]:
    """The links of a sheet's cells by cell name: those kept beside the cells, and those of HYPERLINK
    formulas.
    """
    relations = _relations(parts, path)
    links: dict[str, str] = {}
    for element in _elements(parts[path], "f", "hyperlink"):
        if etree.QName(element).localname == "f":
            cell, match = element.getparent(), _FORMULA.match(element.text or "")
            if match and cell is not None:
                links[cell.get("r", "")] = match.group(1)
        elif target := relations.get(_relation_id(element)):
            for name in islice(_cells(element.get("ref", "")), _MAX_LINKED - len(links)):
                links[name] = target
    return links


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
