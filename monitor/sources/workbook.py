"""Reads XLSX bytes into sheets of cells: openpyxl streams the values, and the links that its read-only mode
omits are read separately.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import openpyxl
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from monitor.errors import ParseError
from monitor.sources.archive import Archive, open_archive
from monitor.sources.column_map import ParseLimits
from monitor.sources.workbook_extras import read_extras
from monitor.sources.workbook_parts import (
    WORKBOOK,
    find_sheet_paths,
    is_strict,
    make_transitional,
    refuse_doctype,
    refuse_too_much,
)
from monitor.sources.workbook_rows import find_struck_styles, read_rows, read_unmarked
from monitor.sources.workbook_sheet import DAYS_TO_1904, SheetExtras, WorkbookSheet, fill_cells

_WORDINESS = 4
"""A workbook's XML is this many times longer than other formats of the same list: 150,000 rows are over 64
MiB.
"""


def read_sheets(body: bytes, limits: ParseLimits) -> Iterator[WorkbookSheet]:
    """Read the visible sheets of a workbook in their order; raises ParseError if it is damaged, too large, or
    not a workbook.

    All parts are first unpacked within the limits, before openpyxl, which has no limits, reads them.
    """
    roomy = replace(limits, decoded=_WORDINESS * limits.decoded)
    with open_archive(body, roomy, limits.entries) as archive:
        if WORKBOOK not in archive.names:
            raise ParseError("The ZIP is not a workbook (XLSX).")
        parts = {name: archive.read(name) for name in archive.names if name.endswith((".xml", ".rels"))}
        _unpack_rest(archive, parts)
    for name, part in parts.items():
        refuse_doctype(name, part)
    refuse_too_much(parts)
    if is_strict(parts):
        parts, body = make_transitional(parts)
    paths = find_sheet_paths(parts)
    struck = find_struck_styles(parts.get("xl/styles.xml", b""))
    unmarked = read_unmarked(parts)
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
                extras = read_extras(parts, path) if path in parts else SheetExtras()
                part = parts.pop(sheet._worksheet_path, b"")  # it may be large, and is read once
                notes: list[str] = []
                found = list(read_rows(book, sheet, part, notes, struck, unmarked))
                rows = fill_cells(found, extras.merged, extras.unvalued)
                later = DAYS_TO_1904 if book.epoch == CALENDAR_MAC_1904 else 0
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
