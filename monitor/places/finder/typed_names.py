"""Reads the words of a typed name: the state behind it, the words of its government, and the names of towns
that it may end in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitor.states import read_exact_state

LONGEST = 200
"""The most characters of the field that are examined."""

_UNIT = re.compile(
    r"^(?:(?:#|apt|apartment|suite|ste|unit|floor|fl|room|rm|lot|space|spc|trailer|trlr|building|bldg)\b\.?"
    r"|#)\W*(?:[a-z]?\d[\w-]*|[a-z])?$",
    re.IGNORECASE,
)
"""An apartment, which "Space City" is none."""
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th) \D+$", re.IGNORECASE)
_NUMBER = re.compile(r"^\d|\d(?!\d*(?:st|nd|rd|th)\b)", re.IGNORECASE)
"""The number of a house or road; "Lower 9th Ward" is no address."""
_STREET = re.compile(
    r"^(?:st|street|ave|avenue|rd|road|dr|drive|blvd|boulevard|ln|lane|ct|court|way|pl|place|hwy|highway|pkwy"
    r"|cir|circle|ter|terrace|plaza|plz|sq|square|calle|avenida)\.?$",
    re.IGNORECASE,
)
_GOVERNMENT_OF = re.compile(r"^(?:city|town|village|township|borough) of (?=\S)", re.IGNORECASE)
LEAD_IN = re.compile(
    r"^(?:(?:the )?(?:city|town|village|township|borough|ciudad|pueblo|municipio) (?:of|de)"
    r"|charter township of|cuidad de|(?:i live|i am|i'?m|vivo|estoy)(?: in| near| en| cerca de)|soy de"
    r"|near me in|(?:close|next) to|(?:just )?outside(?: of)?"
    r"|(?:just )?(?:north|south|(?:north|south)?(?:east|west)) of"
    r"|around|by|downtown|greater|(?:el )?centro de|(?:la )?isla de) (?=\S)",
    re.IGNORECASE,
)
"""What people write before the name of a town."""
ARTICLE = re.compile(r"^the (?=\S)", re.IGNORECASE)
SIDE = re.compile(r"^(?:(?:north|south)(?:east|west)?|east|west|[ns][ew])(?:ern)? (?=\S)", re.IGNORECASE)
"""The side of a town; of an unknown name it may be the beginning: "West Palm"."""
_CROSSING = re.compile(
    r"^(?:(?:the )?(?:corner|intersection) of|(?:la )?esquina (?:de|con)) [^,]*? (?:&|and|at|y|con) (?=\S)"
    r"|^[^,&;]*(?:\b(?:st|street|ave|avenue|rd|road|blvd|boulevard|hwy|highway|dr|drive|ln|lane|pkwy)\b\.?"
    r"|\b\d+(?:st|nd|rd|th)) (?:&|and|at|y|con) (?=\S)",
    re.IGNORECASE,
)
GOVERNMENT_BEHIND = re.compile(r"(?<=\S) (?:city|town|village|township|twp|borough|boro)$", re.IGNORECASE)
AREA = re.compile(
    r"(?<=\w)(?:(?: metro(?:politan)?)? (?:area|region|suburbs)| metro(?:politan)?)$"
    r"|^(?:near|cerca de) (?=\w{4})",
    re.IGNORECASE,
)
ROAD = re.compile(
    r"^(?:p\.? ?o\.? )?box \w+$|\b(?:apartado|road|rd|street|avenue|ave|highway|hwy|route|rte|calle|exit)\b",
    re.IGNORECASE,
)
"""What an address without a number in front holds: "PO Box 12", "County Road 480"."""
LONGEST_NAME = 5  # words of a town's name: "Village of Oak Creek" and the like


def put_crossing_as_address(text: str) -> str:
    """Rewrite a crossing of two streets as an address: "Main St & 1st Ave, Hackensack" becomes "1 1st Ave,
    Hackensack".
    """
    return _CROSSING.sub("1 ", text)


def state_at_the_end(typed: str) -> tuple[str, str | None]:
    """Split a text before the name or code of a state at its end."""
    words = typed.replace(",", " , ").split()
    for count in (4, 3, 2, 1):  # "District of Columbia", "N. Mariana Islands"
        tail = words[-count:]
        if len(words) > count and "," not in tail and (code := read_exact_state(" ".join(tail))):
            return " ".join(words[:-count]).replace(" , ", ", ").strip(" ,"), code
    return typed, read_exact_state(typed)


def names_at_the_end(text: str, *, within: bool) -> Iterator[str]:
    """The names at the end of a text, or of one of its parts between commas: the last part first, and the
    longest name of each first. ``within`` a state, the end of a street address counts too.
    """
    parts = [part for part in map(str.strip, text.split(",")) if part and not _UNIT.match(part)]
    for part in reversed(parts[-3:]):
        if government := _GOVERNMENT_OF.match(part):
            yield part[government.end() :]
        if _ORDINAL.match(part):
            yield part  # "3rd Ward"
        words = part.split()
        numbered = _NUMBER.search(part) is not None
        for count in range(min(len(words), LONGEST_NAME), 0, -1):
            # an address ends in a town; any other part is a name as a whole, or none: "Fort Jackson, SC"
            address = numbered or (within and any(map(_STREET.match, words[:-count])))
            if count < len(words) and not address:
                continue
            name = " ".join(words[-count:])
            if _NUMBER.search(name) is None and not (numbered and _STREET.match(words[-1])):
                yield name
