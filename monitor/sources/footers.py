"""Recognizes rows below a table that are not agencies: sums, dates, sources, notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from monitor.sources.cells import is_missing

_FOOTER = re.compile(
    r"(?:grand |sub)?totals?\b.*\d.*|(?:number|count) of \w+.*\d.*"
    r"|\d[\d,]* (?:total )?(?:agencies|departments|records|rows|entries|listings)"
    r"(?: (?:total|listed|in total))?\.?"
    r"|(?:(?:last|date|list) )?(?:updated|revised|modified|generated|printed|exported|published)\b[ :].*\d.*"
    r"|(?:data |list |information )?(?:current )?as of\b.*\d.*"
    r"|(?:data )?(?:sources?|notes?|disclaimer|legend|key|footnotes?)\s*:.*"
    r"|(?:\*+|\u2020|\u2021|\[\d\]|\(\d\))\s?(?:denotes|indicates|means|marks|=|notes?\b|th(?:is|ese|e)\b"
    r"|agenc(?:y|ies)\b|includes?\b|not\b|as of\b|pending\b|data\b|see\b|signed\b|agreements?\b).*"
    r"|(?:for|with) (?:any |more |further |additional )?(?:questions?|information|info|details|inquiries)\b.*"
    r"|(?:questions?|comments?|inquiries)\s*(?:[:?]|(?:or|and) ).*"
    r"|(?:please |to )?(?:contact|call|e-?mail|visit|see)\b.*[@\d:/].*"
    r"|(?:prepared|compiled|provided|produced|created|downloaded|retrieved|maintained)"
    r" (?:(?:by|from|on|for)\b|\d{1,2}/\d{1,2}/\d{2}).*"
    r"|(?:this|the (?:above|following)) (?:list|table|report|data|document|information|file|spreadsheet)\b.*"
    r"|page \d+(?: of \d+)?|copyright\b.*|(?:\u00a9|\(c\) )\s*.*|end of (?:list|report|file|table)\.?"
    r"|continued(?: (?:on|from|below|above)\b.*)?",
    re.IGNORECASE,
)
"""Text below a table in the column of names: sums, dates, sources, notes."""
_SENTENCE = re.compile(r"(?:\S+ ){7,}[a-z]{4,}\.")
"""The end of a sentence, for a name that is alone in its row."""
_SUM = re.compile(r"(?:grand |sub)?totals?\s*:?|sum\s*:?|count\s*:?", re.IGNORECASE)
_SUM_BESIDE = re.compile(
    r"(?:grand |sub)?totals? (?:number of )?(?:\w+ ){0,2}\w+\s*:?|(?:number|count) of \w+(?: \w+){0,2}\s*:?",
    re.IGNORECASE,
)
"""A sum with its words, beside its number: "Total agencies"."""
LONGEST_SUM = 13
"""The most characters of a name that is a sum: "Grand total :"."""
_SUM_OF = re.compile(r"\S.{0,60} (?:sub)?totals?\s*:?|(?:sub)?totals? for .{1,60}", re.IGNORECASE)
"""A sum in words, beside a number: "Illinois Total", "Total for Cook County"."""
_MARKED = re.compile(
    r"[*\u2020\u2021\u00a7]+\s*\w.*|(?:foot)?notes?|legend|disclaimer|https?://\S+"
    r"|\(?\d{1,2}[.)] (?:\S+ ){2,}[a-z]{3,}\."
    r"|(?!.*\b(?:police|sheriff|constable|marshal|judicial|patrol|task force|dept|department|pd)\b)"
    r"\d{1,6} [\w .'-]{2,60}\b(?:street|st|avenue|ave|road|rd|boulevard|blvd|drive|dr|lane|ln|highway|hwy"
    r"|way|court|ct|place|pl|plaza|parkway|pkwy)\b.*|p\.? ?o\.? box \d.*"
    r"|(?:phone|tel|fax)?\W*\(?\d{3}\)?[ .-]?\d{3}[ .-]\d{4}\b.*",
    re.IGNORECASE,
)
"""Notes that are alone in their row: "* Jail model only", "NOTES", "1. Agencies are listed by state."; and
the addresses and telephones of the agencies above them. "29 Palms Drive Police Department" is an agency.
"""
_RULE = re.compile(r"[-=_*+~:|\u2013\u2014\u2500\u2502\u253c ]{2,}")
"""A line that is drawn with signs, such as that below the headers of a text."""
_NUMBER = re.compile(r"[\d,.]+")
_YEAR = re.compile(r"(?:19|20|21)\d\d")
_FRAME = "()[]-\u2013\u2014=_~ "
"""What stands around a note: "(end of list)", "-- continued --"."""


def find_note(name: str, others: Iterable[str]) -> str | None:
    """The note or sum that a row is instead of an agency, also outside of the column of names; None for an
    agency's row. ``others`` are its other cells.
    """
    others = list(others)
    if others and (words := _find_sum([name, *others])):
        return words
    if name and _RULE.fullmatch(name) and all(_RULE.fullmatch(text) for text in others if text):
        return name
    if not name and len(filled := [text for text in others if text]) == 1:
        name, others = filled[0], [""]
    return name if not is_missing(name) and is_footer(name, others) else None


def is_footer(name: str, others: Iterable[str]) -> bool:
    """Whether the row of this name is a note or a sum below the table; ``others`` are its other cells."""
    others = list(others)
    filled = list(filter(None, others))
    if len(filled) == 1 and _YEAR.fullmatch(filled[0]) and _FOOTER.fullmatch(f"{name}, {filled[0]}"):
        return True  # "Updated November 27, 2026" in a CSV without its quotes
    if len(filled) == 1 and name.endswith(":") and _FOOTER.fullmatch(f"{name} {filled[0]}"):
        return True  # "Last updated:" and the day in the next cell
    if filled:
        if not all(map(_NUMBER.fullmatch, filled)):
            return False
        return bool(_SUM.fullmatch(name) or _SUM_BESIDE.fullmatch(name))
    if _RULE.fullmatch(name) or _NUMBER.fullmatch(name):
        return True
    if _SUM.fullmatch(name) or _FOOTER.fullmatch(name) or (name[-1:] == ":" and _SUM_BESIDE.fullmatch(name)):
        return True
    if others and (_SENTENCE.fullmatch(name) or _MARKED.fullmatch(name)):
        return True
    return _FOOTER.fullmatch(name.strip(_FRAME)) is not None


def _find_sum(texts: Sequence[str]) -> str | None:
    """The words of a row that is a sum, in whichever column they are, beside numbers alone."""
    words = [text for text in texts if text and not _NUMBER.fullmatch(text)]
    numbers = any(text and _NUMBER.fullmatch(text) for text in texts)
    sums = len(words) == 1 and (_SUM_OF.fullmatch(words[0]) or (numbers and _SUM.fullmatch(words[0])))
    return words[0] if sums else None
