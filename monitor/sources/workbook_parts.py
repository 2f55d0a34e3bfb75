"""The parts of an XLSX: their XML as openpyxl expects it, within limits, and how they refer to each other."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping

from lxml import etree

from monitor.errors import ParseError
from monitor.sources.workbook_sheet import MAX_ROWS, MOST_CELLS

_MOST_OTHERS = 500_000  # elements that are not in rows
_FOLDERS = 2  # openpyxl reads only parts above this depth; all others contain pictures, notes and the like
_ROWS_START = re.compile(rb"<(?:\w+:)?sheetData\b")
WORKBOOK = "xl/workbook.xml"
_DOCTYPE = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
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


def is_strict(parts: dict[str, bytes]) -> bool:
    """Whether the parts are those of a strict document."""
    return any(strict in parts[WORKBOOK] for strict, _ in _STRICT)


def make_transitional(parts: dict[str, bytes]) -> tuple[dict[str, bytes], bytes]:
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


def refuse_too_much(parts: dict[str, bytes]) -> None:
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
    if max(cells, strings) > MOST_CELLS:
        raise ParseError(f"The workbook has more than {MOST_CELLS:,} cells.")
    if others > _MOST_OTHERS:
        raise ParseError(f"The workbook has more than {_MOST_OTHERS:,} elements beside its rows.")


def _rows_start(part: bytes) -> int:
    found = _ROWS_START.search(part)
    return found.start() if found else len(part)


def refuse_doctype(name: str, part: bytes) -> None:
    if any(mark in part for mark in _DOCTYPE):
        raise ParseError(f"The workbook's part {name} has a DOCTYPE; it is refused.")


def iterate_elements(part: bytes, *names: str) -> Iterator[etree._Element]:
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


def read_relations(parts: Mapping[str, bytes], path: str) -> dict[str, str]:
    """The targets that a part refers to, by id (ECMA-376 part 2, 9.3)."""
    folder, name = posixpath.split(path)
    part = parts.get(f"{folder}/_rels/{name}.rels")
    return (
        {x.get("Id", ""): x.get("Target", "") for x in iterate_elements(part, "Relationship")} if part else {}
    )


def find_relation_id(element: etree._Element) -> str:
    return next((str(value) for name, value in element.items() if str(name).endswith("}id")), "")


def find_sheet_paths(parts: dict[str, bytes]) -> dict[str, str]:
    """Sheet title to the path of its part."""
    relations = read_relations(parts, WORKBOOK)
    return {
        sheet.get("name", ""): posixpath.normpath(
            posixpath.join("/xl", relations.get(find_relation_id(sheet), ""))
        ).lstrip("/")
        for sheet in iterate_elements(parts[WORKBOOK], "sheet")
    }
