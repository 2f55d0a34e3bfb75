"""The workbooks of the demo: the cells and links of thirteen releases of one list, packed together, since the
releases repeat nearly everything. A workbook is written for each when the demo starts; it has the content of
the published one, but other bytes and no layout.

The packed file is JSON lines: ``{"workbook", "saved"}`` begins a file, ``{"sheet"}`` a sheet of it, and each
list is a row. A cell is null, a text, a date as a spreadsheet's serial number (ECMA-376 part 1, 18.17.4.1),
or [value, link].
"""

from __future__ import annotations

import json
import lzma
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from openpyxl.utils.cell import get_column_letter

from monitor.package_texts import read_texts

PACKED = Path(__file__).with_name("files") / "workbooks.jsonl.xz"
_MADE = (1980, 1, 1, 0, 0, 0)  # the time of every part, so that the bytes are always the same
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_DATE = 14  # the built-in number format "mm-dd-yy" (18.8.30)
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts>'
    '<fills count="1"><fill><patternFill/></fill></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
    f'<cellXfs count="2"><xf/><xf numFmtId="{_DATE}" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


@dataclass(slots=True)
class _Worksheet:
    title: str
    rows: list[list[Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Workbook:
    name: str
    saved: str
    sheets: list[_Worksheet] = field(default_factory=list)


def unpack_files(folder: Path) -> Path:
    """Write all files of the demo into a new folder, and return it."""
    folder.mkdir(parents=True)
    for name, text in read_texts("demo", "files/*.kml").items():
        (folder / Path(name).name).write_bytes(text.encode())
    for book in _load_workbooks():
        path = folder / book.name
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in _render_parts(book).items():
                entry = zipfile.ZipInfo(name, _MADE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, _DECLARATION + content)
    return folder


def _load_workbooks() -> Iterator[_Workbook]:
    book: _Workbook | None = None
    with lzma.open(PACKED, "rt", encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if "workbook" in line:
                if book is not None:
                    yield book
                book = _Workbook(line["workbook"], line["saved"])
            elif book is not None and isinstance(line, dict):
                book.sheets.append(_Worksheet(line["sheet"]))
            elif book is not None:
                book.sheets[-1].rows.append(line)
    if book is not None:
        yield book


def _render_parts(book: _Workbook) -> dict[str, str]:
    """Render the XML of each part of a workbook, by its name."""
    parts: dict[str, str] = {}
    targets = [("styles", "styles.xml")]
    types = [("xl/workbook.xml", "sheet.main"), ("xl/styles.xml", "styles")]
    sheets = ""
    for number, worksheet in enumerate(book.sheets, 1):
        name = f"worksheets/sheet{number}.xml"
        types.append((f"xl/{name}", "worksheet"))
        targets.append(("worksheet", name))
        sheets += f'<sheet name={quoteattr(worksheet.title)} sheetId="{number}" r:id="rId{len(targets)}"/>'
        parts[f"xl/{name}"], links = _render_sheet(worksheet)
        if links:
            outside = "".join(
                _relation(n, "hyperlink", link, outside=True) for n, link in enumerate(links, 1)
            )
            parts[f"xl/worksheets/_rels/sheet{number}.xml.rels"] = _relations(outside)
    parts["xl/workbook.xml"] = (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>'
    )
    parts["xl/styles.xml"] = _STYLES
    parts["xl/_rels/workbook.xml.rels"] = _relations(
        "".join(_relation(n, kind, target) for n, (kind, target) in enumerate(targets, 1))
    )
    parts["docProps/core.xml"] = (
        f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties"'
        ' xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f'<dcterms:modified xsi:type="dcterms:W3CDTF">{book.saved}</dcterms:modified></cp:coreProperties>'
    )
    parts["_rels/.rels"] = _relations(
        _relation(1, "officeDocument", "xl/workbook.xml")
        + f'<Relationship Id="rId2" Target="docProps/core.xml"'
        f' Type="{_PACKAGE}/relationships/metadata/core-properties"/>'
    )
    parts["[Content_Types].xml"] = (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/docProps/core.xml"'
        ' ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>'
        + "".join(f'<Override PartName="/{part}" ContentType="{_TYPE}.{kind}+xml"/>' for part, kind in types)
        + "</Types>"
    )
    return dict(sorted(parts.items(), key=lambda part: part[0] != "[Content_Types].xml"))


def _render_sheet(worksheet: _Worksheet) -> tuple[str, list[str]]:
    """Render a sheet, and list the URLs that its cells link to."""
    rows, links, addresses = "", "", list[str]()
    for number, row in enumerate(worksheet.rows, 1):
        cells = ""
        for column, cell in enumerate(row, 1):
            name = f"{get_column_letter(column)}{number}"
            value = cell
            if isinstance(cell, list):
                value, address = cell
                addresses.append(address)
                links += f'<hyperlink ref="{name}" r:id="rId{len(addresses)}"/>'
            if isinstance(value, str):
                text = f'<is><t xml:space="preserve">{escape(value)}</t></is>'
                cells += f'<c r="{name}" t="inlineStr">{text}</c>'
            elif value is not None:
                cells += f'<c r="{name}" s="1"><v>{value}</v></c>'
        rows += f'<row r="{number}">{cells}</row>'
    linked = f"<hyperlinks>{links}</hyperlinks>" if links else ""
    data = f"<sheetData>{rows}</sheetData>{linked}"
    return f'<worksheet xmlns="{_MAIN}" xmlns:r="{_OFFICE}">{data}</worksheet>', addresses


def _relations(inner: str) -> str:
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{inner}</Relationships>'


def _relation(number: int, kind: str, target: str, *, outside: bool = False) -> str:
    mode = ' TargetMode="External"' if outside else ""
    return f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target={quoteattr(target)}{mode}/>'
