"""Reads what publishers write in a cell: text, dates, addresses, links. Untrusted text is sanitized here."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from html import unescape
from typing import NamedTuple

from monitor.domain import TOWNS
from monitor.states import STATES, read_state

NAME_LENGTH, TEXT_LENGTH = 200, 2000
"""The most characters of a name, place or link's words, and of an attribute."""

_LONGEST_DATE = 100
"""The most characters of a date, with a time and a zone in words."""

CUT_OFF = "#CUT!"
"""What stands for the cells that a row lacks at its end."""
ERROR_VALUES = frozenset(
    {
        "#VALUE!",
        "#REF!",
        "#N/A",
        "#NA",  # occurs in ICE's workbooks, typed by hand
        "#NAME?",
        "#NULL!",
        "#DIV/0!",
        "#NUM!",
        "#ERROR!",
        "#SPILL!",
        "#CALC!",
        "#GETTING_DATA",
        CUT_OFF,
    }
)
"""The error values that a spreadsheet shows instead of a value, and `CUT_OFF`."""

# Control characters (white space among them becomes a space first), invisible format characters and bidi
# controls: they could disguise a name, or reverse the rest of a line. The joiners U+200C and U+200D are kept:
# some scripts need them.
_WHITE = re.compile(r"\s+")
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """The text on one line with single spaces, without control, invisible and bidi characters (delivery.md,
    "Text from outside").
    """
    if text.isprintable():
        text = text.strip()
        return _WHITE.sub(" ", text) if "  " in text else text
    return _WHITE.sub(" ", _SURROGATES.sub("\ufffd", _UNSEEN.sub("", _WHITE.sub(" ", text)))).strip()


def clean_all(texts: list[str]) -> list[str]:
    """Clean texts, at a fraction of the cost if most are clean already."""
    together = "".join(texts)
    if together.isprintable() and "  " not in together:
        return list(map(str.strip, texts))
    return list(map(clean, texts))


_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_MARKUP = re.compile(
    r"</?(?:a|b|big|br|center|div|em|font|i|li|p|small|span|strong|sub|sup|u|ul)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_TIMES_ESCAPED = 2  # "&amp;amp;": escaped twice by two programs


def read_markup(text: str) -> str:
    """Remove HTML markup from a cleaned text: character references resolved, tags removed.

    A reference needs its semicolon ("Parks&Recreation" has none), and a "<" that does not begin a tag is
    kept.
    """
    for _ in range(_TIMES_ESCAPED):
        if "&" not in text or (resolved := _REFERENCE.sub(lambda match: unescape(match[0]), text)) == text:
            break
        text = resolved
    if "<" in text:
        text = _MARKUP.sub(" " if "<br" in text.casefold() else "", text)
    return clean(text)


_LONG_REFERENCE = re.compile(r"&#(?:\d{8,}|[xX][0-9a-fA-F]{8,});?")


def unescape_text(text: str) -> str:
    """The text with its HTML character references resolved.

    A number with too many digits becomes U+FFFD; Python refuses to parse one with thousands of digits.
    """
    return unescape(_LONG_REFERENCE.sub("\ufffd", text) if "&#" in text else text)


_NO_NAMES = frozenset(
    ("n/a", "na", "n.a.", "none", "null", "nil", "tbd", "tba", "-", "--", "?", "unknown", "nan")
)


def is_missing(text: str) -> bool:
    """Whether a cleaned text has no value: empty, or a spreadsheet's error value."""
    return not text or (text[0] == "#" and text.upper() in ERROR_VALUES)


SHORT_NAME = 8
"""All texts that stand for no name are shorter, except error values."""


def is_missing_name(text: str) -> bool:
    """Whether a cleaned text in the column of names is missing, or stands for no name: "N/A", "TBD", "-"."""
    return is_missing(text) or (len(text) < SHORT_NAME and text.casefold() in _NO_NAMES)


_WHOLE = re.compile(r"(-?\d+)\.0+")


def plain_number(text: str) -> str:
    """Format "1.0" as "1": a spreadsheet's integers may be floats in one export and not in the next."""
    if text.endswith("0") and "." in text and (whole := _WHOLE.fullmatch(text)):
        return whole.group(1)
    return text


def format_number(number: int | float) -> str:
    """Format a number as people write it: "1" for 1.0, and without an exponent if it is whole."""
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)


_US_DATE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?:[ ,T].*)?")
_ISO_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T].*)?")
_COMPACT_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\.0+)?")
_WRITTEN = (
    "%B %d, %Y",
    "%b %d, %Y",
    "%B %d %Y",
    "%b %d %Y",
    "%d %B %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b-%d-%Y",
)
_WEEKDAY = re.compile(r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?,? ", re.IGNORECASE)
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b", re.IGNORECASE)
_COMMA = re.compile(r"\s*,\s*")
_SEPTEMBER = re.compile(r"\bsept\b", re.IGNORECASE)  # the Associated Press abbreviation
_SINCE_1970 = re.compile(r"(?:/Date\()?(\d{13}|\d{10})(?:\.0+)?(?:(?:[+-]\d{4})?\)/)?")
"""Milliseconds or seconds since 1970, a common form of dates in JSON: 2001 to 2286."""
_YEAR = re.compile(r"(?:19|20|21)\d{2}(?:\.0+)?")
_MONTH = re.compile(
    r"(?:(?:19|20|21)\d{2}[-/.](?:0?[1-9]|1[0-2])|(?:0?[1-9]|1[0-2])[-/.](?:19|20|21)\d{2}"
    r"|[A-Za-z]{3,9}\.?,? (?:19|20|21)\d{2})"
)
_LEAST_SERIAL = 2200  # a day of 1906; smaller numbers are years
_SERIAL_EPOCH = date(1899, 12, 30)  # ECMA-376 part 1, 18.17.4.1: serial 61 is 1900-03-01
_EARLIEST, _LATEST = date(1900, 1, 1), date(2199, 12, 31)


def read_date(text: str) -> date | None:
    """Read an American date (month first), an ISO date, a written one or a spreadsheet's serial number; None
    if it is not a date.
    """
    return _read_date(text) if len(text) <= _LONGEST_DATE else None


def read_day_first(text: str) -> date | None:
    """Like `read_date`, but the day is before the month in a date of three numbers: 25/12/2024."""
    match = _US_DATE.fullmatch(text)
    return read_date(f"{match[2]}/{match[1]}/{match[3]}" if match else text)


@lru_cache(maxsize=8192)
def _read_date(text: str) -> date | None:
    try:
        if match := _US_DATE.fullmatch(text):
            month, day, year = int(match[1]), int(match[2]), int(match[3])
            return _likely(date(year + 2000 if len(match[3]) == 2 else year, month, day))
        if match := _ISO_DATE.fullmatch(text):
            return _likely(date(int(match[1]), int(match[2]), int(match[3])))
        if match := _SINCE_1970.fullmatch(text):
            moment = int(match[1]) / (1000 if len(match[1]) == 13 else 1)
            return _likely(datetime.fromtimestamp(moment, UTC).date())
        if text[:1].isdigit() and len(text) <= 12 and (number := float(text)) < 110_000:
            return _likely(_SERIAL_EPOCH + timedelta(days=int(number))) if number >= _LEAST_SERIAL else None
        if match := _COMPACT_DATE.fullmatch(text):
            return _likely(date(int(match[1]), int(match[2]), int(match[3])))
    except ValueError:
        pass
    if not any(map(str.isalpha, text)):
        return None
    text = _ORDINAL.sub("", _SEPTEMBER.sub("Sep", _WEEKDAY.sub("", text.replace(".", ""), count=1)))
    text = _COMMA.sub(", ", text)
    for form in _WRITTEN:
        try:
            return _likely(datetime.strptime(text, form).date())  # noqa: DTZ007  a day has no zone
        except ValueError:
            continue
    return None


def is_part_of_date(text: str) -> bool:
    """Whether a text is a year, or a month and year: less than a full date, but not an error."""
    return bool(_YEAR.fullmatch(text) or _MONTH.fullmatch(text))


def _likely(day: date) -> date | None:
    return day if _EARLIEST <= day <= _LATEST else None


_ADDRESS = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
_HOST = re.compile(r"https?://[A-Za-z0-9_.:-]+(?:/|\Z)")  # fast path: the beginning of nearly all
_SLIPS = re.compile(r"(?:chrome-extension://[a-z]+/)?(https?):/{1,2}(?=\w)", re.IGNORECASE)


def read_web_address(text: str) -> str | None:
    """Return the cleaned text if it is an http or https URL; otherwise None.

    Spaces become %20, and two mistakes of real publishers are corrected: "https:/host", and a browser's PDF
    viewer prefix.
    """
    if " " in text or not _HOST.match(text):
        text = _SLIPS.sub(r"\1://", text, count=1).replace(" ", "%20")
        if not _ADDRESS.fullmatch(text):
            return None
    return text if len(text) <= TEXT_LENGTH else None


_WITHIN = re.compile(r"https?://[^\s\"'<>()\[\]{}|]+", re.IGNORECASE)


def find_web_address(text: str) -> str | None:
    """Return the URL that a cleaned text is, or the only one in it: a formula ("=HYPERLINK(...)"), a link in
    HTML, "MOA (https://list.example/moa.pdf)".
    """
    if (whole := read_web_address(text)) or "://" not in text:
        return whole
    inside = {match[0].rstrip(".,;") for match in _WITHIN.finditer(unescape_text(text[: 2 * TEXT_LENGTH]))}
    return read_web_address(inside.pop()) if len(inside) == 1 else None


FOOTNOTE = re.compile(r"\s*[\[(]?(?:\d{1,2}|[a-z]|[*\u2020\u2021\u00a7]+)[\])]?\s*")
"""A footnote mark in superscript, which is not part of a name."""
FOOTNOTE_SIGNS = "*\u2020\u2021\u00a7\u00b9\u00b2\u00b3\u2070\u2074\u2075\u2076\u2077\u2078\u2079"
"""Marks of footnotes, which are no part of a name that they follow."""


_NUMBER = r"([-+]?\d{1,3}(?:\.\d+)?)"
_WELL_KNOWN = re.compile(
    rf"(?:SRID=4326; ?)?POINT(?: Z)? ?\( ?{_NUMBER} {_NUMBER}(?: {_NUMBER})? ?\)", re.IGNORECASE
)
_PAIR = re.compile(rf"(?:.* )?\(?{_NUMBER} ?([,;]) ?{_NUMBER}\)?")


def read_point(text: str) -> tuple[float, float] | None:
    """Read latitude and longitude in degrees of a cleaned text: "41.6, -87.3", "Gary, IN (41.6, -87.3)". In
    well-known text, "POINT (-87.3 41.6)", and in the array of a GeoJSON, "-87.3; 41.6", the longitude is
    first. None if it is no point on Earth, and for 0, 0, which programs write for none.
    """
    if found := _WELL_KNOWN.fullmatch(text):
        longitude, latitude = float(found[1]), float(found[2])
    elif found := _PAIR.fullmatch(text[-NAME_LENGTH:]):
        latitude, longitude = float(found[1]), float(found[3])
        if found[2] == ";":
            latitude, longitude = longitude, latitude
    else:
        return None
    exists = abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude or longitude)
    return (latitude, longitude) if exists else None


class Address(NamedTuple):
    """A parsed postal address: ``state`` is a USPS code, ``state_text`` the text in its place if it is not a
    state.

    ``exact`` is False if the state is the near match of a misspelling, which is then ``state_text``.
    """

    city: str | None
    state: str | None
    state_text: str | None = None
    exact: bool = True


_COUNTRY = re.compile(
    r"u\.? ?s\.?(?: ?a\.?)?|united states(?: of america)?"
    r"|ee\.? ?uu\.?(?: ?a\.?)?|e\.? ?u\.? ?a\.?|estados unidos(?: de am[eé]rica)?",
    re.IGNORECASE,
)
"""The country, in the languages in which maps of the United States are exported."""

_ZIP = re.compile(r"(?:^|\s+)\d{5}(?:-\d{4})?$")
_COUNTRY_AT_THE_END = re.compile(
    r"\s+(?:u\.?s\.?a\.?|united states(?: of america)?|ee\.? ?uu\.?)$", re.IGNORECASE
)
_WELL_KEPT = {code: code for code in STATES} | {name: code for code, name in STATES.items()}
_TRAILING = {code.casefold(): code for code in STATES} | {
    name.casefold(): code for code, name in STATES.items()
}


def split_plain_address(text: str) -> tuple[str, str] | None:
    """Split "City, ST", the form of nearly every row; None for all others."""
    city, comma, tail = text.rpartition(", ")
    # no digit is above ":"
    if comma and (code := _WELL_KEPT.get(tail)) and city > ":" and not ("," in city or ";" in city):
        return city.rstrip(), code
    return None


def read_address(text: str) -> Address:
    """Read city and state of a cleaned American address: "City, ST", "1 Main St, City, ST 12345, USA", "City
    ST", "Kentucky", "City - ST", in any case.

    Several addresses ("Springfield, IL; Decatur, IL") are one with several towns, if they are in one state.
    """
    if ";" in text:
        return _read_addresses([piece for part in text.split(";") if (piece := part.strip())])
    if plain := split_plain_address(text):
        return Address(*plain)
    parts = [part for part in (piece.strip() for piece in text.split(",")) if part]
    if len(parts) > 1 and _COUNTRY.fullmatch(parts[-1]):
        parts.pop()
    if parts:
        parts[-1] = _ZIP.sub("", _COUNTRY_AT_THE_END.sub("", parts[-1]))
        if not parts[-1]:
            parts.pop()
    if not parts:
        return Address(None, None)
    *before, last = parts
    reading = read_state(last)
    if reading and reading.exact:
        city = before[-1] if before else ""
        if not city and reading.code == "DC":
            city = "Washington"
        return Address(_town(city), reading.code)
    for words in (3, 2, 1):  # "Charleston West Virginia" is not in Virginia
        pieces = last.rsplit(" ", words)
        if len(pieces) > words and (code := _TRAILING.get(" ".join(pieces[1:]).replace(".", "").casefold())):
            return Address(_town(pieces[0].rstrip(" -\u2013\u2014")), code)
    if not before:
        return Address(_town(last), None)
    if reading:
        return Address(_town(before[-1]), reading.code, last, exact=False)
    return Address(_town(before[-1]), None, last)


def _read_addresses(texts: list[str]) -> Address:
    """Combine several addresses. A state that only one of them names applies to all."""
    read = [read_address(text) for text in texts]
    states = {address.state for address in read if address.state}
    if len(states) != 1 or any(address.state_text for address in read):
        return Address(None, None, TOWNS.join(texts))
    towns = dict.fromkeys(address.city for address in read if address.city)
    return Address(TOWNS.join(towns) or None, states.pop())


def _town(text: str) -> str | None:
    """Return a town; None for a street with a number."""
    return None if not text or text[0].isdigit() else text
