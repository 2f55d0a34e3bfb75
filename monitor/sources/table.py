"""Tables, XLSX or CSV: columns by header name, one agency's rows merged into one listing."""

from __future__ import annotations

from dataclasses import replace

from monitor.domain import Publication
from monitor.errors import ParseError
from monitor.sources.column_map import ColumnMap, ParseOptions
from monitor.sources.csv_table import read_csv
from monitor.sources.csv_text import is_terminated
from monitor.sources.format import FillOptions, Format
from monitor.sources.headings import (
    HEADING_TITLE,
)
from monitor.sources.json_body import is_json
from monitor.sources.listing import ListingReader
from monitor.sources.sheets import SHEET_TITLE
from monitor.sources.sniff import (
    find_workbook_kind,
    is_html,
    is_kml,
    is_zip,
    is_zipped_workbook,
    refuse_empty_and_pages,
    refuse_other_kinds,
)
from monitor.sources.table_proposal import propose
from monitor.sources.table_rows import TableReader
from monitor.sources.workbook_tables import read_workbook


class TableOptions(FillOptions):
    """``sheets``: which sheets of a workbook are the list, "all" that have the headers, or their titles.

    Without it, exactly one sheet must have them. Hidden sheets never count.
    """

    sheets: str | tuple[str, ...] = ()


def parse(body: bytes, options: ParseOptions) -> Publication:
    """Parse an XLSX or CSV into a publication; raises ParseError if it is neither, lacks a column, or has no
    row.
    """
    columns = options.columns or ColumnMap()
    refuse_other_kinds(body)
    refuse_empty_and_pages(body)
    kind = find_workbook_kind(body)
    reader = ListingReader.of_columns(options)
    chosen = TableOptions.model_validate(options.settings)
    if kind:
        tables = read_workbook(body, kind, columns, chosen.sheets, options.limits)
    else:
        tables = [read_csv(body, columns, options.limits, reader.problems.found)]
    for table in tables:
        TableReader(table, columns, chosen, reader).read()
    if not reader.listings:
        raise ParseError("The table has its headers and no row with a name that can be read.")
    publication = reader.merge(chosen.group_by)
    return replace(publication, unterminated=kind is None and not is_terminated(body))


def _recognizes(body: bytes) -> bool:
    """Whether a body is a workbook, or a text of no other known kind."""
    if is_zip(body):
        return is_zipped_workbook(body)
    return not (is_kml(body) or is_json(body) or is_html(body))


FORMAT = Format(
    "table",
    parse,
    recognizes=_recognizes,
    propose=propose,
    endings=(".csv", ".tsv", ".tab", ".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"),
    required_columns=("name",),
    given_titles=(HEADING_TITLE, SHEET_TITLE),
    options=TableOptions,
)
