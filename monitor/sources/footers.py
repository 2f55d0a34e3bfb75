"""Rows below a table that are no agency: sums, dates, sources, notes."""

from __future__ import annotations

import re
from collections.abc import Iterable

_FOOTER = re.compile(
    r"(?:grand |sub)?totals?\b.*\d.*|(?:number|count) of \w+.*\d.*"
    r"|\d[\d,]* (?:total )?(?:agencies|departments|records|rows|entries|listings)"
    r"(?: (?:total|listed|in total))?\.?"
    r"|(?:(?:last|date|list) )?(?:updated|revised|modified|generated|printed|exported|published)\b[ :].*\d.*"
    r"|(?:data |list |information )?(?:current )?as of\b.*\d.*"
    r"|(?:data )?(?:sources?|notes?|disclaimer|legend|key|footnotes?)\s*:.*"
    r"|(?:\*+|\u2020|\u2021|\[\d\]|\(\d\))\s?(?:denotes|indicates|means|marks|=|notes?\b|th(?:is|ese|e)\b"
    r"|agenc(?:y|ies)\b|includes?\b|not\b|as of\b|pending\b|data\b|see\b|signed\b|agreements?\b).*"
    r"|page \d+(?: of \d+)?|copyright\b.*|(?:\u00a9|\(c\) )\s*.*|end of (?:list|report|file|table)\.?",
    re.IGNORECASE,
)
"""What stands below a table and in the column of the names: sums, dates, sources, notes."""
_SUM = re.compile(r"(?:grand |sub)?totals?\s*:?|sum\s*:?|count\s*:?", re.IGNORECASE)
LONGEST_SUM = 13
"""Characters of the longest name that is a sum: "Grand total :"."""
_NUMBER = re.compile(r"[\d,.]+")


def is_footer(name: str, others: Iterable[str]) -> bool:
    """Whether the row of this name is a note or a sum below the table; ``others`` are its other cells."""
    filled = list(filter(None, others))
    return bool(_SUM.fullmatch(name) or (not filled and _FOOTER.fullmatch(name))) and all(
        map(_NUMBER.fullmatch, filled)
    )
