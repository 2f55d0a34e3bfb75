"""Reads what stands behind an agency's name in one text: its state, its town with the state, a date.

"Gary PD - IN", "Gary PD (Gary, IN)", "Gary PD, Indiana", "IN - Gary PD", "Gary PD, IN (signed 3/4/2025)".
"""

from __future__ import annotations

import re

from monitor.sources.cells import NAME_LENGTH, read_address, read_date
from monitor.states import read_state

_END = re.compile(r"(.*\S)(?:\s*[(\[]([^()\[\]]{2,60})[)\]]|\s+[-\u2013\u2014|]\s*(.{2,60}))", re.DOTALL)
"""What stands behind a name in brackets or behind a dash."""
_STATE = r"[A-Z]{2}|[A-Z][a-z]+(?: (?:of )?[A-Z][a-z]+){0,2}"
_AFTER_COMMA = re.compile(rf"(.*[^\s,])\s*,\s*({_STATE})")
_TOWN = re.compile(
    r"(\S.* (?:police|pd|sheriff['\u2019]?s?|so|marshal['\u2019]?s?)\b[^,]*?)\s*,\s*([^\W\d][^,]{1,60})",
    re.IGNORECASE,
)
"""An agency with the town behind it: "Gary Police Department, Gary"."""
_OF_COUNTY = re.compile(r"\S (?:county|parish)\b", re.IGNORECASE)
_NO_TOWN = re.compile(
    r"\d|\b(?:county|parish|precinct|ward|zone|troop|region|division|district|unit|bureau|station|campus|jail"
    r"|airport|of|police|sheriff)\b",
    re.IGNORECASE,
)
_IN_FRONT = re.compile(rf"({_STATE})\s*(?:[-\u2013\u2014|]\s+|:\s*)(\S.*)")
_DATED = re.compile(r"(?:signed|since|joined|effective|as of|on)\W+(?:on )?", re.IGNORECASE)
_LONGEST = 2 * NAME_LENGTH
_SEPARATORS = frozenset("-\u2013\u2014|,([:")


def split_ends(text: str) -> tuple[str, str, str]:
    """Split a text into the name, the state or the town with its state, and the date; "" for what is not
    there.
    """
    name, date = text, ""
    if _SEPARATORS.isdisjoint(text) or len(text) > _LONGEST:
        return text, "", ""
    if (found := _END.fullmatch(name)) and (date := find_date(found[2] or found[3])):
        name = found[1]
    name, state = split_state(name)
    if state and not date and (found := _END.fullmatch(name)) and (date := find_date(found[2] or found[3])):
        name = found[1]
    return name, state, date


def split_state(text: str) -> tuple[str, str]:
    """Split a text into the name, and the state or the town with its state; "" if none stands there."""
    if _SEPARATORS.isdisjoint(text) or len(text) > _LONGEST:
        return text, ""
    if (found := _END.fullmatch(text)) and is_place(end := found[2] or found[3]):
        return found[1], end
    if (found := _AFTER_COMMA.fullmatch(text)) and _is_state(found[2]):
        if (town := _TOWN.fullmatch(found[1])) and _says_where(town[1], town[2]):
            return town[1], f"{town[2]}, {found[2]}"
        return found[1], found[2]
    if (found := _IN_FRONT.fullmatch(text)) and _is_state(found[1]):
        return found[2], found[1]
    return text, ""


def _says_where(name: str, town: str) -> bool:
    """Whether a name is its agency's alone without the town behind it: "City Police" and "State Police" are
    those of several, which would become one.
    """
    if _NO_TOWN.search(town):
        return False
    return town.casefold() in name.casefold() or _OF_COUNTY.search(name) is not None


def find_date(text: str) -> str:
    """The text of a date, without words such as "signed"; "" if it is none."""
    said = _DATED.sub("", text, count=1)
    return said if read_date(said) else ""


def is_place(text: str) -> bool:
    """Whether a text is a state, or a town with one."""
    if _is_state(text):
        return True
    address = read_address(text) if "," in text else None
    return address is not None and bool(address.city and address.state) and address.exact


def _is_state(text: str) -> bool:
    reading = read_state(text)
    return reading is not None and reading.exact
