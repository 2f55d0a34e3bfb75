"""Proposes how a workbook or the text of a table is read."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

from monitor.errors import ParseError
from monitor.sources.column_choice import ColumnSample, choose_columns, is_exact_state
from monitor.sources.column_map import ParseLimits
from monitor.sources.csv_text import DELIMITERS, decode_text
from monitor.sources.format import Proposal
from monitor.sources.samples import SAMPLE, find_sample, format_cell
from monitor.sources.sheets import SHEET_TITLE, read_any_sheets
from monitor.sources.sniff import find_workbook_kind, refuse_empty_and_pages, refuse_other_kinds
from monitor.sources.table_headers import HEADER_ROWS


def propose(body: bytes, limits: ParseLimits) -> Proposal:
    """Propose how a table is read; raises ParseError if no row of headers is found."""
    kind = find_workbook_kind(body)
    if kind:
        return _propose_workbook(body, kind, limits)
    refuse_other_kinds(body)
    refuse_empty_and_pages(body)
    return _propose_text(body)


def _propose_workbook(body: bytes, kind: str, limits: ParseLimits) -> Proposal:
    samples: dict[str, ColumnSample] = {}
    for sheet in read_any_sheets(body, kind, limits):
        rows = [
            (number, [format_cell(cell) for cell in cells])
            for number, cells in sheet.rows[: SAMPLE + HEADER_ROWS]
        ]
        linked = {column - 1 for _, column in sheet.links}
        if sample := find_sample([row for _, row in rows], len(sheet.rows)):
            samples[sheet.title] = replace(sample, linked=frozenset(linked))
    if not samples:
        raise ParseError("No visible sheet has a row of headers with an agency's name below.")
    sheets = _choose_sheets(samples)
    chosen = samples[sheets[0]]
    choice = choose_columns(chosen, of_table=True)
    columns, notes, settings = choice.columns, choice.notes, dict(choice.settings)
    others = [title for title in samples if title not in sheets]
    if len(sheets) > 1:
        fitting = any(samples[title].titles == chosen.titles for title in others)
        settings["sheets"] = sheets if fitting else "all"
        if columns.state is None and all(map(is_exact_state, sheets)):
            columns = replace(columns, state=SHEET_TITLE)
            stated = (note for note in notes if "--state" not in note)
            notes = (*stated, f"each of the {len(sheets)} sheets is a state")
        else:
            notes = (*notes, f"the sheets {', '.join(sheets)[:200]} are read as one list")
    elif others:
        settings["sheets"] = sheets
        left = ", ".join(f'"{title}"' for title in others)
        notes = (*notes, f'only the sheet "{sheets[0]}" is read, which is the largest; there are also {left}')
    return Proposal("table", columns, settings, notes)


def _choose_sheets(samples: dict[str, ColumnSample]) -> list[str]:
    """The largest sheet that is the list as it is now, or all with its titles if each is of a state or of a
    time.
    """
    current = [title for title in samples if not _ASIDE.search(title)] or list(samples)
    largest = max(current, key=lambda title: samples[title].size)
    alike = [title for title in current if samples[title].titles == samples[largest].titles]
    parts = all(map(is_exact_state, alike)) or all(map(_TIME.fullmatch, alike))
    return alike if len(alike) > 1 and parts else [largest]


_ASIDE = re.compile(
    r"archiv|former|\bold\b|expired|terminat|pending|withdrawn|removed|histor|template|instruction|read ?me"
    r"|\bcopy\b|legend|lookup|inactive|previous",
    re.IGNORECASE,
)
"""Titles of sheets that are not the list as it is now."""
_TIME = re.compile(
    r"(?:(?:fy|cy|year) ?)?(?:19|20)\d\d|q[1-4]\W*(?:(?:19|20)?\d\d)?"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?\W*(?:(?:19|20)?\d\d)?",
    re.IGNORECASE,
)
"""Titles of sheets for the agencies of a time."""


def _propose_text(body: bytes) -> Proposal:
    text = decode_text(body, [])
    best, most = None, 0
    for delimiter in DELIMITERS:
        rows: list[list[str]] = []
        try:
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
                rows.append([format_cell(cell) for cell in row])
                if len(rows) == SAMPLE + HEADER_ROWS:
                    break
        except csv.Error:
            continue
        sample = find_sample(rows, text.count("\n"))
        if sample and _is_even(rows, len(sample.titles)) and len(sample.titles) > most:
            best, most = sample, len(sample.titles)
    if best and len(best.titles) == 1:
        _refuse_unseparated(text, best)
    if best is None:
        _refuse_unseparated(text, None)
        raise ParseError("No row of headers with an agency's name below is found in the text.")
    choice = choose_columns(best, of_table=True)
    return Proposal("table", choice.columns, choice.settings, choice.notes)


def _is_even(rows: list[list[str]], width: int) -> bool:
    """Whether most rows have as many cells as the headers, or one alone as notes have: with a wrong delimiter
    they have any number.
    """
    written = [row for row in rows if any(row)]
    even = sum(len(row) in (1, width) or (len(row) > width and not any(row[width:])) for row in written)
    return width == 1 or even >= _MOST_EVEN * len(written)


_MOST_EVEN = 0.8  # of the rows
_YAML = re.compile(r"(?:- )?[\w ]{1,30}:(?: .*)?|- .*")
_GAP = re.compile(r"\S {3,}\S")


def _refuse_unseparated(text: str, sample: ColumnSample | None) -> None:
    """Raise ParseError if a text that is read as one column, or without headers, seems to have several."""
    written = [row for row in text.splitlines()[: SAMPLE + HEADER_ROWS] if row.strip()]
    if 2 * sum(_GAP.search(row) is not None for row in written) > len(written):
        raise ParseError("The columns of the text are separated by spaces; save it as a CSV.")
    if len(written) > 2 and all(map(_YAML.fullmatch, map(str.strip, written))):
        raise ParseError("The text seems to be YAML or an outline, which is not read: save it as JSON.")
    if sample is None:
        return
    texts = [sample.titles[0], *(row[0] for row in sample.rows)]
    if any(all(mark in text for text in texts) for mark in DELIMITERS):
        raise ParseError("The text has no row of headers, or each of its lines is in quotes as a whole.")
    for mark in "^~":
        if all(mark in text for text in texts):
            raise ParseError(f'The columns of the text are separated by "{mark}"; save it with commas.')
