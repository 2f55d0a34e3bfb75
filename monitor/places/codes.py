"""What people can subscribe to: a ZIP, a county, a town, a radius, a state, or all.

A county, a town and a radius have a key of letters, digits and hyphens, so that it fits into paths, buttons
and links: "county-17031" (FIPS), "town-MI-Detroit", "radius-60601-10" (miles). This module is cheap to
import: it does not load the table.
"""

from __future__ import annotations

import re
import unicodedata

from monitor.errors import UsageError
from monitor.places.fips import STATE_OF_FIPS
from monitor.states import STATES, read_state

MILITARY = {"AA": "Armed Forces Americas", "AE": "Armed Forces Europe", "AP": "Armed Forces Pacific"}
"""The three "states" of military and diplomatic post offices (USPS Publication 28, appendix B)."""

EVERYWHERE = "US"

RADII = (10, 25)
"""The radiuses around a ZIP that can be followed, in miles."""

_ZIP = re.compile(r"([0-9]{5})(?:[-\s]?[0-9]{4})?")
_COUNTY = re.compile(r"(?:county|fips)[-\s]?(\d{5})", re.IGNORECASE | re.ASCII)
_TOWN = re.compile(r"town-([A-Z]{2})-([A-Za-z0-9]+(?:--?[A-Za-z0-9]+)*)", re.ASCII)
_RADIUS_KEY = re.compile(r"radius-(\d{5})-(\d{1,3})", re.IGNORECASE | re.ASCII)
_WORDS_FOR = {"ten": 10, "diez": 10, "twentyfive": 25, "veinticinco": 25}
_RADIUS_OF = re.compile(
    r"(?:within |in |a menos de |en un radio de |a )?(?P<miles>\d{1,4}|ten|diez|twenty[- ]?five|veinticinco)"
    r"[- ]?(?:miles?|mi|millas?)\b\.? ?(?:radius )?"
    r"(?:of|from|around|about|near|del|de|alrededor de|a la redonda de)? ?(?:the |el )?"
    r"(?:zip code |zip |código postal )?(?P<middle>\S.*)",
    re.IGNORECASE | re.ASCII,
)
_MIDDLE = re.compile(r"(\d{5})(?:-\d{4})?(?: \(.*\))?", re.ASCII)  # "60602 (Chicago, IL)"
_DISTANCE = re.compile(
    r"\b\d{1,4}[- ]?(?:miles|mi|millas?|km|kms|kilomet(?:er|re)s?|kil[oó]metros?)\b"
    r"(?!\.? ?\d{1,3}(?!\d))"  # "Carr 2 Km 15" is an address
    r"|\b\d{1,4}[- ]?mile (?=radius|of|from|around|about|near)"
    r"|\b[a-z]+[- ](?:miles|millas|kilomet(?:er|re)s|kil[oó]metros)"
    r" (?:of|from|around|about|near|del?|a|alrededor)\b",
    re.IGNORECASE,
)
_PREFIXES = (
    "005:NY 006-007:PR 008:VI 009:PR 010-027:MA 028-029:RI 030-038:NH 039-049:ME 050-054:VT 055:MA "
    "056-059:VT 060-069:CT "
    "070-089:NJ 090-098:AE 100-149:NY 150-196:PA 197-199:DE 200:DC 201:VA 202-205:DC 206-212:MD "
    "214-219:MD 220-246:VA "
    "247-268:WV 270-289:NC 290-299:SC 300-319:GA 320-339:FL 340:AA 341-342:FL 344:FL 346-347:FL 349:FL "
    "350-352:AL 354-369:AL "
    "370-385:TN 386-397:MS 398-399:GA 400-418:KY 420-427:KY 430-459:OH 460-479:IN 480-499:MI 500-516:IA "
    "520-528:IA "
    "530-532:WI 534-535:WI 537-549:WI 550-551:MN 553-567:MN 569:DC 570-577:SD 580-588:ND 590-599:MT "
    "600-620:IL 622-629:IL "
    "630-631:MO 633-641:MO 644-658:MO 660-662:KS 664-679:KS 680-681:NE 683-693:NE 700-701:LA 703-708:LA "
    "710-714:LA "
    "716-729:AR 730-731:OK 733:TX 734-741:OK 743-749:OK 750-799:TX 800-816:CO 820-831:WY 832-838:ID "
    "840-847:UT 850-853:AZ "
    "855-857:AZ 859-860:AZ 863-865:AZ 870-871:NM 873-884:NM 885:TX 889-891:NV 893-895:NV 897-898:NV "
    "900-908:CA 910-928:CA "
    "930-961:CA 962-966:AP 967-968:HI 969:GU 970-979:OR 980-986:WA 988-994:WA 995-999:AK"
)


def _expand(text: str) -> dict[str, str]:
    found = {}
    for part in text.split():
        span, state = part.split(":")
        first, _, last = span.partition("-")
        for number in range(int(first), int(last or first) + 1):
            found[f"{number:03d}"] = state
    return found


_STATE_OF_PREFIX = _expand(_PREFIXES)
_STATE_OF_ZIP = {"96799": "AS", "96950": "MP", "96951": "MP", "96952": "MP", "06390": "NY"}


def state_of_zip(code: str) -> str | None:
    """The state or military region of a ZIP by its first three digits; None if unassigned.

    Source: USPS Publication 65.
    """
    return _STATE_OF_ZIP.get(code) or _STATE_OF_PREFIX.get(code[:3])


def parse_area(place: str) -> tuple[str, str, str] | None:
    """Split the key of an area: ("county", FIPS, state), ("town", state, name) or ("radius", ZIP, miles).

    None for any other place.
    """
    if (found := _TOWN.fullmatch(place)) is not None:
        return ("town", found[1], found[2]) if found[1] in STATES else None
    if (found := _RADIUS_KEY.fullmatch(place)) is not None:
        return "radius", found[1], found[2]
    found = _COUNTY.fullmatch(place)
    state = STATE_OF_FIPS.get(found[1][:2]) if found is not None else None
    return ("county", found[1], state) if found is not None and state is not None else None


def is_area(place: str) -> bool:
    """Whether a parsed place is a county, a town or a radius: many ZIPs under one key."""
    return "-" in place


def place_path(place: str) -> str:
    """The path of a place's page on the site: "/zip/60601", "/state/IL", "/county/17031", "/town/MI-Detroit".

    For "US", the path of all changes.
    """
    if is_area(place):
        return "/" + place.replace("-", "/", 1)
    if place == EVERYWHERE:
        return "/changes"
    return f"/zip/{place}" if place.isdigit() else f"/state/{place}"


def names_radius(text: str) -> bool:
    """Whether a text contains a distance, valid or not: "10 miles of 60601", "5 km around Chicago".

    "8 Mile Rd" is a street.
    """
    return _DISTANCE.search(text) is not None


def split_radius(text: str) -> tuple[int, str]:
    """Split a radius into its miles and the text for its center: (25, "Chicago"); 0 for a radius that cannot
    be followed and for any other text.
    """
    found = _RADIUS_OF.fullmatch(text)
    if found is None:
        return 0, ""
    said = re.sub(r"[- ]", "", found["miles"]).lower()
    miles = _WORDS_FOR.get(said) or int(said)
    return (miles, found["middle"]) if miles in RADII else (0, "")


def state_of_place(place: str) -> str | None:
    """The state of a parsed place; None for "US" and for a ZIP that is not in use."""
    match parse_area(place):
        case ("county", _, state) | ("town", state, _):
            return state
        case (_, zip_code, _):
            return state_of_zip(zip_code)
    if place.isdigit():
        return state_of_zip(place)
    return place if place in STATES else None


def parse_place(text: str) -> str:
    """Parse a place: a ZIP (ZIP+4 is cut), a state, "US", a county by its FIPS code or a radius.

    Raises UsageError with what is wrong. Names of counties and towns need the table: see `read_followed`.
    """
    typed = " ".join(unicodedata.normalize("NFKC", text).split())
    if not typed:
        raise UsageError("Give a place: a ZIP code such as 60601, a state such as IL, or US for everything.")
    match = _ZIP.fullmatch(typed)
    if match:
        return match[1]
    if (area := _parse_area_words(typed)) is not None:
        return area
    if re.fullmatch(r"[\d\s-]+", typed):
        raise UsageError(_digits_refused(typed))
    if typed.casefold() in ("us", "u.s.", "usa", "u.s.a.", "all", "everything", "united states"):
        return EVERYWHERE
    if typed.upper() in MILITARY:
        raise UsageError(
            f'"{typed}" is a military region, not a state: give the ZIP of the base, or US for everything.'
        )
    if names_radius(typed):
        raise UsageError(
            f"A radius is {' or '.join(map(str, RADII))} miles around a ZIP code: {RADII[0]} miles of 60601."
        )
    reading = read_state(typed)
    if reading is None:
        raise UsageError(
            f'"{typed}" is no place that we know. Give a ZIP code (60601), a town (Detroit, MI), a county '
            f"(Cook County, IL), a radius ({RADII[0]} miles of 60601), a state (IL or Illinois) or US."
        )
    if not reading.exact:
        raise UsageError(
            f'"{typed}" is not a state. If you mean {STATES[reading.code]}, '
            f'write "{STATES[reading.code]}" or "{reading.code}".'
        )
    return reading.code


def parse_known_place(text: str) -> str | None:
    """Parse a place as `parse_place` does; None for any other text, and for a ZIP that no state has."""
    try:
        place = parse_place(text[:100])
    except UsageError:
        return None
    return None if place.isdigit() and state_of_zip(place) is None else place


def _parse_area_words(typed: str) -> str | None:
    """The key of a county by its code, a radius in words, or a key as it is; None for anything else."""
    match parse_area(typed):
        case ("county", fips, _):
            return f"county-{fips}"
        case ("town", state, name):
            return f"town-{state}-{name}"
        case (_, middle, miles):
            return f"radius-{middle}-{int(miles)}" if int(miles) in RADII else None
    miles_around, said = split_radius(typed)
    around = _MIDDLE.fullmatch(said)
    return f"radius-{around[1]}-{miles_around}" if around is not None else None


def _digits_refused(typed: str) -> str:
    digits = re.sub(r"\D", "", typed)
    if len(digits) in (3, 4):
        return (
            f'"{typed}" has {len(digits)} digits and a ZIP code has five. '
            "If it starts with zeros, write them: "
            "they are never guessed, since it may as well be a slip."
        )
    return f'"{typed}" is not a ZIP code: write five digits (60601), or nine as ZIP+4 (60601-1234).'
