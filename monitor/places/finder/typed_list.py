"""Splits several places in one text: "60601 and 60602", "Hammond and Gary, IN", "Gary IN Hammond IN"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitor.places.codes import EVERYWHERE, parse_known_place, state_of_zip
from monitor.places.finder.offices import is_agency
from monitor.places.finder.one_place import LookUp
from monitor.places.finder.result import FinderResult
from monitor.places.names import key
from monitor.states import STATES

_REMARK = re.compile(r"((?<!\d)\d{5}(?:-\d{4})?)\s*\([^()\n]*\)", re.ASCII)  # "60601 (home)"
_BOX_OR_UNIT = re.compile(
    r"(?:p\.?\s*o\.?\s*box|apartado(?: postal)?|apt\.?|apartment|suite|ste\.?|unit|lot|space|trailer|bldg\.?"
    r"|building|#)\s*\S*\d\S*$",
    re.IGNORECASE,
)
_COUNTRY = re.compile(
    r"USA?|U\.S\.(?:A\.)?|United States(?: of America)?|Estados Unidos|EE\. ?UU\.", re.IGNORECASE
)
_AND = re.compile(r"\s+(?:and|And|AND|y|Y|or|o)\s+(?=\S)")  # "OR" and "Or" may be Oregon
_AND_AFTER_CODE = re.compile(r"(?:(?<=\d{5})|,)\s*\b(?:and|y|or|o)\s+")

_TWO_STATES = re.compile(r"^([^,/&\d]+?),? ([A-Z]{2})(?: ?[/&-] ?| (?:and|or|y|o) )([A-Z]{2})$")
"""One name in two states: "Bristol TN/VA"."""

MOST_JOINED = 6
"""The most names that "and" may join to one, or that have one state behind the last."""

_CODE = re.compile(r"\d{5}(-\d{4})?|[A-Za-z]{2}", re.ASCII)
_ONE_OF = {"count": "County", "parish": "Parish"}
_COUNTIES = re.compile(r" (count(?=ies$)|parish(?=es$))(?:ies|es)$", re.IGNORECASE)


def split_places(text: str, look_up: LookUp) -> list[str]:
    """Split a text into places at lines, commas and "and", and ZIP codes also at spaces. "IL 60601" is one
    ZIP code, as on an envelope.
    """
    twice = _TWO_STATES.match(text.strip())
    if twice and {twice[2], twice[3]} <= STATES.keys():
        text = f"{twice[1]}, {twice[2]}\n{twice[1]}, {twice[3]}"
    found: list[str] = []
    for part in _parts(text, look_up):
        words = part.split()
        if _ends_address(part):
            del words[:-1]
        if len(words) > 1 and all(map(_CODE.fullmatch, words)) and not look_up(part).sure:
            found += words  # "LA CA" is Los Angeles
        elif words:
            found += (
                name
                for each in _split_at_and(" ".join(words), look_up)
                for name in _split_after_states(each, look_up)
            )
    return found


def _parts(text: str, look_up: LookUp) -> Iterator[str]:
    """Split a text at lines and commas, but keep one place whole ("Hammond, IN", "Queens, NY"). A street
    before its town is left out, and so is the country after it.
    """
    text = _AND_AFTER_CODE.sub("\n", _REMARK.sub(r"\1", text))
    lines = [line for each in re.split(r"(?:[;/+\n]|&(?!\w\b))+", text) if (line := each.strip())]
    for number, line in enumerate(lines):
        if _is_address(line, look_up):
            yield line
            continue
        parts = [part for each in line.split(",") for part in _split_after_place(each.strip()) if part]
        while parts:
            part = parts.pop(0)
            if _is_street(part, look_up) and _names_town(parts or lines[number + 1 :]):
                continue
            length = _count_parts(part, parts, look_up)
            if length:
                yield _ends_address(parts[length - 1]) or f"{part}, {parts[length - 1]}"
                del parts[:length]
                if parts and _COUNTRY.fullmatch(parts[0]):
                    del parts[0]
            else:
                yield part


def _is_address(line: str, look_up: LookUp) -> bool:
    """Whether a line is a whole address that ends in its ZIP code: "1600 Main St, Springfield, IL 62701"."""
    number = re.match(r"\s*(\d{1,4}|\d{6})[a-z]?\s+\S*[a-z]", line, re.IGNORECASE | re.ASCII)
    return number is not None and look_up(line).kind == "zip"


def _is_street(part: str, look_up: LookUp) -> bool:
    """Whether a part is a house number with its street, a post office box or an apartment."""
    if _BOX_OR_UNIT.match(part):
        return True
    number = re.match(r"(\d{1,4}|\d{6})[a-z]?\s+\S*[a-z]", part, re.IGNORECASE | re.ASCII)
    return number is not None and look_up(part).problem == "no_town"


def _names_town(parts: list[str]) -> bool:
    """Whether the parts after a street continue with its town or its ZIP code, and not with a state alone."""
    rest = [part for part in parts if not _BOX_OR_UNIT.match(part)]
    known = parse_known_place(rest[0]) if rest else EVERYWHERE
    with_state = len(rest) > 1 and parse_known_place(rest[1]) is not None  # "Washington, D.C."
    return bool(rest) and (known is None or not known.isalpha() or with_state)


def _count_parts(name: str, following: list[str], look_up: LookUp) -> int:
    """Count how many of the following parts are one place: "Hammond", then "IN", "IN 46320" or "Lake County",
    "IN".
    """
    if not following or not any(map(str.isalpha, name)):
        return 0
    if _is_name_with_state(name, following[0], look_up):
        return 1
    code = _ends_address(following[0])
    if code is not None and not re.search(r"\d{5}", name):
        known, state = parse_known_place(name), state_of_zip(code)
        if known in (None, state) or (known, state) == ("WA", "DC"):  # "Washington, DC 20001"
            return 1
    if (
        len(following) > 1
        and parse_known_place(name) is None
        and _is_name_with_state(following[0], following[1], look_up)
    ):
        county = look_up(f"{following[0]}, {following[1]}")
        town = look_up(f"{name}, {following[1]}")
        if county.kind == "county" and town.kind == "town":
            return 2 * (not set(county.towns[0].zips).isdisjoint(town.towns[0].zips))
    return 0


def _ends_address(part: str) -> str | None:
    """The ZIP code of a part that is a ZIP code after its state: "IL 60601", "New York 12207"; None for any
    other.
    """
    state, _, code = part.rpartition(" ")
    code = code.strip()[:5] if re.fullmatch(r"\s*\d{5}(-\d{4})?", code, re.ASCII) else ""
    return code if code and parse_known_place(state.strip()) == state_of_zip(code) else None


def _is_name_with_state(name: str, following: str, look_up: LookUp) -> bool:
    """Whether two parts are one place: "Hammond, IN", and "Washington, DC" although both are states."""
    if not any(map(str.isalpha, name)) or not (parse_known_place(following) or "").isalpha():
        return False
    known = parse_known_place(name)
    abbreviated = known in STATES and key(name) != key(STATES[known])  # "Kent, Connecticut" is no Kentucky
    short = len(name) > 2 and (
        abbreviated or len(following.replace(".", "")) == 2 or parse_known_place(following) == "DC"
    )
    return known is None or (known.isalpha() and short and look_up(f"{name}, {following}").sure)


def _split_after_place(part: str) -> list[str]:
    """Split the "IL and Gary" of "Chicago, IL and Gary, IN"; a name without a state is not split here."""
    first, *others = _AND.split(part, maxsplit=1)
    return [first, *others] if others and parse_known_place(first) is not None else [part]


def _split_at_and(text: str, look_up: LookUp) -> list[str]:
    """Split "Hammond and Gary, IN" into two places of one state; "King and Queen County, VA" is one."""
    pieces = _AND.split(text)
    if len(pieces) == 1:
        return [text]
    result = look_up(text)
    if any(map(_AND.search, _labels(result))):
        return [text]
    whole = result.kind in ("agency", "state", "none")  # "Texas Parks and Wildlife Department"
    last, state = _split_state(pieces[-1])
    kind = _COUNTIES.search(last)
    if kind is not None:  # "Cook and Lake Counties, IL"
        pieces[-1] = last[: kind.start()]
        pieces = [f"{piece} {_ONE_OF[kind[1].lower()]}" for piece in pieces]
        pieces[-1] += f", {state}" if state else ""
    if len(pieces) > MOST_JOINED:
        return pieces
    found = [
        f"{piece}, {state}"
        if state and _is_without_state(piece) and _is_sure(f"{piece}, {state}", look_up)
        else piece
        for piece in pieces
    ]
    labels = (_labels(look_up(piece)) for piece in found)
    if result.kind == "none" and not is_agency(
        text
    ):  # "Hammond and Xyzzy", not "Parks and Wildlife Department"
        return found if any(labels) else [text]
    return found if not whole or all(labels) else [text]


def _split_state(text: str) -> tuple[str, str]:
    """Split a name from the state after its comma, or from the two letters of a state at its end; "" if there
    is none.
    """
    name, comma, state = text.rpartition(",")
    if comma:
        return name, state.strip()
    name, _, state = text.rpartition(" ")
    return (name, state) if name and state.isupper() and state in STATES else (text, "")


def _split_after_states(text: str, look_up: LookUp) -> list[str]:
    """Split "Gary IN Hammond IN" if each part is surely a place in its state."""
    if "," in text:
        return [text]
    pieces: list[list[str]] = [[]]
    for word in text.split():
        pieces[-1].append(word)
        if len(pieces[-1]) > 1 and word.upper() in STATES:
            pieces.append([])
    names = [" ".join(piece) for piece in pieces if piece]
    return (
        names
        if 1 < len(names) == len(pieces) - 1 and all(_is_sure(name, look_up) for name in names)
        else [text]
    )


def _is_without_state(piece: str) -> bool:
    return "," not in piece and parse_known_place(piece) is None


def _is_sure(text: str, look_up: LookUp) -> bool:
    return look_up(text).sure


def _labels(result: FinderResult) -> list[str]:
    """The labels of the places that were found or asked about."""
    return [label for label in (result.label, *result.suggestions) if label]
