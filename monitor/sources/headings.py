"""Rows of a table that belong to those around them: headings, rests of wrapped names, and cells that are
empty because they repeat the one above.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from monitor.sources.cells import clean
from monitor.sources.column_map import fold_header
from monitor.states import STATES

HEADING_TITLE = "(heading)"
"""The header under which the configuration finds the heading above a row, for tables whose states are
headings between the agencies.
"""

NO_STATE = "(no state)"
"""A heading of our own, where that of a state ends and another one begins."""

_LONGEST = 60  # the characters of a heading with a state and other words
_STATES = {name.casefold(): name for name in STATES.values()} | {
    "washington dc": STATES["DC"],
    "washington, dc": STATES["DC"],
    "washington, d.c.": STATES["DC"],
    "us virgin islands": STATES["VI"],
    "u.s. virgin islands": STATES["VI"],
}
_COUNT = re.compile(
    r"\s*(?:[-\u2013\u2014:,]?\s*[(\[]?\s*(?:\d+(?: (?:agencies|agency|total|departments?|records?|rows?))?"
    r"|cont(?:inued|'?d|\.)?)\s*[)\]]?)?\s*:?$",
    re.IGNORECASE,
)
"""What stands behind a heading: "(3)", "- 3 agencies", "(continued)", ":"."""
_OF_AGENCIES = r"(?:(?:participating|partner|law enforcement|police) ){0,2}(?:agencies|departments|partners)"
_ABOUT = re.compile(
    rf"{_OF_AGENCIES} (?:in|from) (?:the )?(?P<of>.+)|(?P<its>.+?) {_OF_AGENCIES}"
    r"|(?P<name>.+?) ?(?:\((?P<code>[a-z]{2})\)|[-\u2013\u2014] (?P<behind>[a-z]{2}))"
    r"|(?P<before>[a-z]{2}) ?[-\u2013\u2014:] (?P<named>.+)"
)
"""A state's name with other words: "agencies in Ohio", "Ohio law enforcement agencies", "Ohio (OH)"."""
_EDIT = re.compile(r"\s*\[\s*edit(?:\s*\|[^\]]*)?\s*\]$", re.IGNORECASE)
"""What a wiki adds to a heading."""
_STATUS = re.compile(
    r"(?:currently )?(?:active|inactive|pending|approved|current|former|expired|terminated|withdrawn"
    r"|suspended|new|removed|cancel+ed|participating|non-?participating)"
    r"(?: (?:agencies|departments|agreements|list|participants|partners))?",
    re.IGNORECASE,
)
_REST = re.compile(
    r"(?:(?:sheriff['\u2019]?s?|police|marshal['\u2019]?s?|public safety|of) )*"
    r"(?:office|department|dept\.?|division|bureau|police|safety|agency|district)",
    re.IGNORECASE,
)


def read_heading(text: str) -> str | None:
    """The state that a heading names, "" for one that names a status ("PENDING"); None for other texts."""
    text = _EDIT.sub("", text) if text[-1:] == "]" else text
    stem = text[: found.start()].casefold() if (found := _COUNT.search(text)) else text.casefold()
    if state := _STATES.get(stem.removeprefix("state of ").removeprefix("state: ")):
        return state
    if len(stem) <= _LONGEST and (about := _ABOUT.fullmatch(stem)):
        name = about["of"] or about["its"] or about["name"] or about["named"]
        code = about["code"] or about["behind"] or about["before"]
        if (state := _STATES.get(name)) and (code is None or STATES.get(code.upper()) == state):
            return state
    return "" if _STATUS.fullmatch(stem) else None


def find_heading_above(rows: Iterable[Iterable[object]]) -> str:
    """The state that stands alone in its row above the headers of a table; "" if none does."""
    state = ""
    for row in rows:
        filled = {text for cell in row if cell is not None and (text := clean(str(cell)))}
        state = (read_heading(filled.pop()) if len(filled) == 1 else "") or state
    return state


def is_rest_of_name(text: str) -> bool:
    """Whether a text alone in its row is the end of the name above it: "Office", "Police Department"."""
    return _REST.fullmatch(text) is not None


_UNIT = re.compile(
    r"\(.*\)|\[.*\]|m{1,2}[/.-]d{1,2}[/.-]y{2,4}|yyyy-mm-dd|(?:free )?text|string|date|number|integer"
    r"|(?:two|2)[- ]letters?(?: code)?|(?:usps|postal|state) (?:code|abbreviation)|usps|abbr(?:eviation|\.)?"
    r"|url|hyperlink|optional|required|-+|=+",
    re.IGNORECASE,
)


def is_row_of_units(texts: Sequence[str]) -> bool:
    """Whether a row below the headers describes the kind of values in each column."""
    filled = [text for text in texts if text]
    return len(filled) > 1 and all(map(_UNIT.fullmatch, filled))


class CellsAbove:
    """Fills in the empty cells of a table's columns with the cell above them.

    ``columns`` are the headers of the columns, ``titles`` those of the table.
    """

    def __init__(self, columns: Iterable[str], titles: Sequence[str]) -> None:
        wanted = set(map(fold_header, columns))
        self._above = {at: "" for at, title in enumerate(titles) if fold_header(title) in wanted}

    def fill(self, texts: Sequence[str]) -> Sequence[str]:
        """The row with its empty cells filled in. Call it for each row in order."""
        if not self._above:
            return texts
        filled = list(texts)
        for at, above in self._above.items():
            filled[at] = self._above[at] = filled[at] or above
        return filled
