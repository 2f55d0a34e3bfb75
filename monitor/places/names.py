"""Normalizes names for comparison: letter case, accents, the usual abbreviations, and spaces."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Both spellings of a pair become the same word; rare and ambiguous ones ("No" for North) stay as they are.
_WORDS = {
    "saint": "st",
    "sainte": "ste",
    "mount": "mt",
    "mountain": "mtn",
    "fort": "ft",
    "township": "twp",
    "townships": "twp",
    "twnshp": "twp",
    "charter": "",
    "borough": "boro",
    "department": "dept",
    "departments": "dept",
    "dpt": "dept",
    "deptartment": "dept",
    "departmnet": "dept",
    "deparment": "dept",
    "depart": "dept",
    "co": "county",
    "cty": "county",
    "cnty": "county",
    "counties": "county",
    "n": "north",
    "s": "south",
    "e": "east",
    "w": "west",
    "univ": "university",
    "u": "university",
    "intl": "international",
    "natl": "national",
    "hts": "heights",
    "spgs": "springs",
    "spg": "spring",
    "hgts": "heights",
    "jct": "junction",
    "pk": "park",
    "bch": "beach",
    "vlg": "village",
    "vill": "village",
    "isd": "independent school district",
    "cisd": "consolidated independent school district",
    "usd": "unified school district",
    "pd": "police dept",
    "so": "sheriff office",
    "sheriffs": "sheriff",
    "shrf": "sheriff",
    "sherriff": "sheriff",
    "sherriffs": "sheriff",
    "sheriif": "sheriff",
    "dps": "dept of public safety",
    "lapd": "los angeles police dept",
    "lasd": "los angeles county sheriff",
    "sfpd": "san francisco police dept",
    "sbi": "state bureau of investigation",
    "gbi": "georgia bureau of investigation",
    "tbi": "tennessee bureau of investigation",
    "kbi": "kansas bureau of investigation",
    "fdle": "florida dept of law enforcement",
    "doc": "dept of corrections",
    "dnr": "dept of natural resources",
    "da": "district attorney",
    "hosp": "hospital",
    "sch": "school",
    "schls": "schools",
    "dist": "district",
    "metro": "metropolitan",
}
_APOSTROPHES = re.compile("['\u2018\u2019\u02bb\u02bc`\u00b4.]")
_NOT_WORD = re.compile(r"[^a-z0-9]+")


def write_digits_in_ascii(text: str) -> str:
    """Write the digits of every script as 0 to 9: keyboards for Chinese, Arabic and others have their own."""
    return text if text.isascii() else "".join(str(int(c)) if c.isdecimal() else c for c in text)


def remove_accents(text: str) -> str:
    """Remove accents; no two names of places differ only by an accent."""
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def spell_direction(found: re.Match[str]) -> str:
    """The word for a direction that a match has as its first group: "No" or "So"."""
    return "North " if found[1].lower() == "no" else "South "


def plain(text: str) -> str:
    """Lower case without accents, apostrophes and dots: "canon city", "prince georges", "ofallon"."""
    if not text.isascii():
        text = remove_accents(text).replace("\u2018", "'")
    return _APOSTROPHES.sub("", text.casefold()).replace("&", " and ")


def make_words(text: str) -> tuple[str, ...]:
    """The words of a name in their comparable spelling."""
    found: list[str] = []
    for word in _NOT_WORD.split(plain(text)):
        if word.endswith("borough") and word != "borough":
            word = word.removesuffix("ugh")  # Hillsborough is Hillsboro
        if word:
            found.extend(_WORDS.get(word, word).split())
    return tuple(found)


def make_key(text: str) -> str:
    """A name as it is compared, without spaces: "La Porte" is "Laporte", "Mt. Airy" is "Mount Airy"."""
    return "".join(make_words(text))


# Names that are looked up come again soon; the many of the packaged table are made into keys once.
words = lru_cache(maxsize=4096)(make_words)
key = lru_cache(maxsize=8192)(make_key)


def word_set(text: str) -> frozenset[str]:
    """Split a list of words that is easier to read as one text."""
    return frozenset(text.split())


def squeeze(parts: tuple[str, ...]) -> str:
    """Words, already in comparable spelling, as a key."""
    return "".join(parts)
