"""Samples of a file that is not configured: the rows by which the meanings of its columns are judged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from monitor.sources.cells import TEXT_LENGTH, clean, format_number, plain_number, read_date, read_web_address
from monitor.sources.column_choice import AGENCY_WORDS, KNOWN, NAME, ColumnSample, is_exact_state, split_words
from monitor.sources.column_map import fold_header
from monitor.sources.headings import find_heading_above
from monitor.sources.json_body import flatten
from monitor.sources.name_ends import split_state
from monitor.sources.table_headers import HEADER_ROWS

_OF_AGENCY = re.compile(
    r"\S (?:police(?: dept\.?| department)?|pd|so|sheriff(?:['\u2019]?s)?(?: office| department| dept\.?)?)$",
    re.IGNORECASE,
)
_GENERAL = re.compile(
    r"\b(?:name|agenc(?:y|ies)|state|county|city|town|the|of|local|law|municipal|participating|which|type|your"
    r"|or|and|campus|university|police|partner|responsible|department|dept)\b",
    re.IGNORECASE,
)
"""Words of headers, which tell "Participating police department" from "Gary Police Department"."""
SAMPLE = 1000
"""The number of rows by which columns are judged."""


_USUAL_ROWS, _ROWS_BELOW = 20, 50


def sample_records(records: Sequence[object], size: int) -> ColumnSample:
    """Make a sample of JSON records, of ``size`` that there are."""
    rows = [dict(flatten(record)) for record in records if isinstance(record, Mapping)]
    titles = tuple(dict.fromkeys(title for row in rows for title in row))
    return ColumnSample(titles, [[row.get(title, "") for title in titles] for row in rows], size)


def find_sample(rows: list[list[str]], size: int) -> ColumnSample | None:
    """Find the table below the row that looks most like headers; None if no row does."""
    top = _find_header(rows[:_USUAL_ROWS], rows)
    if top is None:
        top = _find_header(rows[:HEADER_ROWS], rows)
    if top is None:
        return None
    titles = tuple(rows[top])
    below = [
        [row[at] if at < len(row) else "" for at in range(len(titles))] for row in rows[top + 1 :] if any(row)
    ]
    heading = find_heading_above(rows[:top])
    size = max(size - top - 1, len(below))
    return ColumnSample(titles, below[:SAMPLE], size, heading=heading) if below else None


def _find_header(first: list[list[str]], rows: list[list[str]]) -> int | None:
    """The position of the row that looks most like headers among the first ones; None if none does."""
    scores = [_score_header(row, rows[at + 1 : at + 1 + _ROWS_BELOW]) for at, row in enumerate(first)]
    best = max(scores, default=0)
    return scores.index(best) if best > 0 else None


def _is_agency(title: str) -> bool:
    """Whether a text is the name of an agency, with a word of its own before those for any office."""
    title, _ = split_state(title)
    found = _OF_AGENCY.search(title)
    return found is not None and any(map(str.isalpha, _GENERAL.sub("", title[: found.start() + 1])))


def _score_header(row: list[str], below: list[list[str]]) -> float:
    """Score how much a row looks like headers: typical header words, unique titles, and rows of the same
    width below. One title over several columns is repeated in each.
    """
    titles = [title for title, _ in groupby(row) if title]
    different = len({fold_header(title) for title in titles})
    if not titles or different < len(titles) != 2 * different:  # two tables may stand side by side
        return 0
    if any(map(_is_agency, titles)):
        return 0  # the first agency of a table without headers
    known = sum(bool(KNOWN.search(split_words(title))) for title in titles)
    values = sum(
        is_exact_state(x) or read_date(x) is not None or read_web_address(x) is not None for x in titles
    )
    wide = sum(bool(cells) and sum(map(bool, cells)) * 2 >= len(titles) for cells in below)
    named = NAME.search(" | ".join(map(split_words, titles))) or (known > 1 and _hold_agencies(below))
    if not named or not wide:
        return 0
    return 2 * known + len(titles) / 10 - 3 * values


def _hold_agencies(rows: list[list[str]]) -> bool:
    """Whether most rows have a cell that is called as agencies are."""
    named = sum(any(AGENCY_WORDS.search(text) for text in row) for row in rows)
    return 2 * named > len(rows)


def is_header(titles: Sequence[str]) -> bool:
    """Whether texts are headers of columns, one of them the agency's name, and no row of a table."""
    values = any(
        (is_exact_state(title) and not KNOWN.search(split_words(title)))  # "id" is no Idaho
        or read_date(title) is not None
        or read_web_address(title) is not None
        for title in titles
    )
    return not values and _score_header(list(titles), [list(titles)]) > 0


def format_cell(cell: object) -> str:
    """Format a cell as the beginning of its text on one line, which is enough to judge it by."""
    if isinstance(cell, float):
        return format_number(cell)
    return "" if cell is None else plain_number(clean(str(cell)[:TEXT_LENGTH]))
