"""Normalizes agency names for comparison: case and punctuation removed, abbreviations written out."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from rapidfuzz import fuzz

from monitor.domain import Listing
from monitor.states import STATES

_ABBREVIATIONS = {
    "bocc": "board of county commissioners",
    "bd": "board",
    "cnty": "county",
    "co": "county",
    "comm": "commission",
    "const": "constable",
    "corr": "corrections",
    "cso": "county sheriff office",
    "da": "district attorney",
    "dept": "department",
    "depts": "department",
    "depart": "department",
    "departments": "department",
    "dpt": "department",
    "dist": "district",
    "div": "division",
    "doc": "department of corrections",
    "dps": "department of public safety",
    "fd": "fire department",
    "ft": "fort",
    "hwy": "highway",
    "isd": "independent school district",
    "metro": "metropolitan",
    "mt": "mount",
    "mtn": "mountain",
    "natl": "national",
    "offc": "office",
    "ofc": "office",
    "offices": "office",
    "pct": "precinct",
    "pd": "police department",
    "sheriffs": "sheriff",
    "so": "sheriff office",
    "spd": "school police department",
    "st": "saint",
    "ste": "sainte",
    "twp": "township",
    "univ": "university",
    "vlg": "village",
}
_ARTICLES = re.compile(r"^(?:the )?(?:(?:city|town|county|village|township|borough|parish) of )?(?=.)")
_PLACE_WORDS = frozenset("beach borough city county falls heights parish park town township village".split())  # noqa: SIM905
_AGENCY_WORDS = frozenset(
    [
        "agency", "board", "bureau", "center", "commission", "commissioners", "constable", "correctional",
        "corrections", "department", "detention", "division", "enforcement", "facility", "jail", "law",
        "marshal", "of", "office", "patrol", "police", "public", "safety", "service", "services", "sheriff",
        "state", "the", "trustees",
    ]
)  # fmt: skip
"""Words for the kind of an agency: the rest of a name says which place it belongs to."""
_INITIALS = re.compile(r"\b(\w)\.(?=\w\b)")

_QUOTES = {ord(c): None for c in "'\u2018\u2019\u02bc`\u00b4"}
_ASCII = (
    {i: (chr(i).lower() if chr(i).isalnum() else " ") for i in range(128)} | _QUOTES | {ord("&"): " and "}
)


def normalize(text: str) -> str:
    """Remove what readers do not see as a difference: case, accents, punctuation, white space; "&" becomes
    "and".

    An apostrophe and the periods of initials are dropped ("Sheriff's" is "sheriffs", "P.D." is "pd"); any
    other punctuation separates words.
    """
    if "." in text:
        text = _INITIALS.sub(r"\1", text)
    if text.isascii():
        return " ".join(text.translate(_ASCII).split())
    decomposed = unicodedata.normalize("NFKD", text.translate(_QUOTES)).casefold().replace("&", " and ")
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in bare).split())


def expand(name: str, state: str | None) -> str:
    """Normalize a name for comparison: abbreviations written out, its own state's name and a leading "city
    of" removed.

    A state's name that is part of a place name stays: Oklahoma County, Virginia Beach, Kansas City.
    """
    return expand_normalized(normalize(name), state)


def expand_normalized(text: str, state: str | None) -> str:
    """`expand` for a name that is already normalized."""
    text = _ARTICLES.sub("", text)
    own = STATES.get(state or "", "").lower()
    if own and text.startswith(own + " "):
        rest = text[len(own) + 1 :]
        if rest.split(" ", 1)[0] not in _PLACE_WORDS:
            text = rest
    return " ".join(_ABBREVIATIONS.get(word, word) for word in text.split())


def named_place(expanded: str) -> frozenset[str]:
    """The words of an expanded name that name its place, not its kind."""
    return frozenset(expanded.split()) - _AGENCY_WORDS


def spellings(listing: Listing) -> frozenset[str]:
    """Compute the signatures of a name: two usual spellings of one name share at least one of them.

    Abbreviations are written out and word order does not count: "City of St. Cloud Police Dept" is "St. Cloud
    Police Department", "City of Woodland Hills" is "Woodland Hills City".
    """
    return _spell(listing.name, listing.state, listing.state_text)


@lru_cache(maxsize=4096)  # most names of a list are those of its last publication
def _spell(text: str, state: str | None, state_text: str | None) -> frozenset[str]:
    name = normalize(text)
    place = state or normalize(state_text or "")
    short = sorted(expand_normalized(name, state).split())
    words = sorted(_ABBREVIATIONS.get(word, word) for word in name.split() if word not in ("of", "the"))
    return frozenset(f"{place}|{' '.join(text)}" for text in (short, words))


_LEAST_ALIKE = 85  # of 100: "municipality" and "municipal" are 86, "northern" and "southern" 75
_LEAST_LETTERS = 6  # in shorter words, one letter makes another word


def is_one_word_apart(one: str, other: str) -> bool:
    """Whether two normalized texts differ only in the spelling of one long word, which is not a number."""
    if one == other:
        return True
    here, there = one.split(), other.split()
    if len(here) != len(there):
        return False
    differing = [pair for pair in zip(here, there, strict=True) if pair[0] != pair[1]]
    if len(differing) != 1:
        return False
    before, after = differing[0]
    if min(len(before), len(after)) < _LEAST_LETTERS or not (before + after).isalpha():
        return False
    return fuzz.ratio(before, after) >= _LEAST_ALIKE
