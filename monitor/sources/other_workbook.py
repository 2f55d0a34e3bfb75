"""Reads XLS and XLSB bytes into sheets of cells: calamine reads the values, and what it omits is read
separately.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import python_calamine

from monitor.errors import ParseError
from monitor.sources.archive import open_archive
from monitor.sources.column_map import ParseLimits
from monitor.sources.listing import MOST_ROWS, TOO_LONG
from monitor.sources.sniff import PROTECTED
from monitor.sources.workbook_sheet import (
    DAYS_TO_1904,
    MAX_COLUMNS,
    NOTE_FAR,
    Range,
    SheetExtras,
    SheetRow,
    WorkbookSheet,
    describe_hidden,
    fill_cells,
)
from monitor.sources.xls_extras import read_xls_extras
from monitor.sources.xlsb_extras import read_xlsb_extras


def read_other_sheets(body: bytes, kind: str, limits: ParseLimits) -> Iterator[WorkbookSheet]:
    """The visible sheets of a workbook of this ``kind`` ("xls", "xlsb") in their order.

    Raises ParseError if it is damaged, protected or too large. Packed content is first unpacked within the
    limits, before calamine, which has no limits, reads it.
    """
    if kind == "xls":
        extras, since_1904 = read_xls_extras(body)
    else:
        with open_archive(body, limits, limits.entries) as archive:
            parts = {name: archive.read(name) for name in archive.names}
        extras, since_1904 = read_xlsb_extras(parts)
    later = DAYS_TO_1904 if since_1904 else 0
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(body))
        if len(book.sheets_metadata) != len(extras):
            raise ParseError(f"The workbook ({kind.upper()}) is damaged: its sheets are not where it says.")
        sheets = [
            _read_sheet(book.get_sheet_by_name(sheet.name), extra, later)
            for sheet, extra in zip(book.sheets_metadata, extras, strict=True)
            if sheet.visible is python_calamine.SheetVisibleEnum.Visible
            and sheet.typ is python_calamine.SheetTypeEnum.WorkSheet
        ]
    except python_calamine.PasswordError:
        raise ParseError(PROTECTED) from None
    except (python_calamine.CalamineError, ValueError, OSError) as error:
        raise ParseError(f"The workbook ({kind.upper()}) is damaged: {str(error)[:200]}.") from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what calamine raises for what it did not expect
            raise
        raise ParseError(f"The workbook ({kind.upper()}) is damaged.") from None
    yield from sheets


def _read_sheet(sheet: Any, extras: SheetExtras, days_later: int) -> WorkbookSheet:
    """A sheet's rows that have a value, without the empty cells at their ends."""
    if sheet.total_height > MOST_ROWS * 5:  # a repeated row is one element but may stand for a million rows
        raise ParseError(TOO_LONG)
    rows: list[SheetRow] = []
    far = False
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        values = [None if cell == "" else cell for cell in cells[:MAX_COLUMNS]]
        far |= any(cell != "" for cell in cells[MAX_COLUMNS:])
        while values and values[-1] is None:
            values.pop()
        if values:
            if len(rows) == MOST_ROWS:
                raise ParseError(TOO_LONG)
            rows.append((number, tuple(values)))
    merged: list[Range] = extras.merged or [
        (left + 1, top + 1, bottom + 1)
        for (top, left), (bottom, _) in sheet.merged_cell_ranges or ()
        if bottom > top and left < MAX_COLUMNS
    ]
    notes = [NOTE_FAR] * far + describe_hidden(extras.hidden)
    filled = fill_cells(rows, merged, extras.unvalued)
    return WorkbookSheet(sheet.name, filled, tuple(notes), extras.links, days_later)
