"""The sheets of a workbook of any kind, and the header for their titles."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.sources.column_map import ParseLimits
from monitor.sources.workbook_sheet import WorkbookSheet

SHEET_TITLE = "(sheet)"
"""The header under which the configuration finds the title of the sheet, for workbooks with a sheet per
state.
"""


def read_any_sheets(body: bytes, kind: str, limits: ParseLimits) -> Iterator[WorkbookSheet]:
    """The visible sheets of a workbook; the libraries that read them take long to import."""
    if kind == "ods":
        from monitor.sources.ods import read_ods

        return read_ods(body, limits)
    if kind in ("xls", "xlsb"):
        from monitor.sources.other_workbook import read_other_sheets

        return read_other_sheets(body, kind, limits)
    from monitor.sources.workbook import read_sheets

    return read_sheets(body, limits)
