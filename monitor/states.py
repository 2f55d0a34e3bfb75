"""The states of listings: USPS codes, English names, and reading publishers' spellings."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

from rapidfuzz import fuzz, process

T = TypeVar("T")

STATES: dict[str, str] = {
    "AL": "Alabama",
    "AK": "Alaska",
    "AZ": "Arizona",
    "AR": "Arkansas",
    "CA": "California",
    "CO": "Colorado",
    "CT": "Connecticut",
    "DE": "Delaware",
    "FL": "Florida",
    "GA": "Georgia",
    "HI": "Hawaii",
    "ID": "Idaho",
    "IL": "Illinois",
    "IN": "Indiana",
    "IA": "Iowa",
    "KS": "Kansas",
    "KY": "Kentucky",
    "LA": "Louisiana",
    "ME": "Maine",
    "MD": "Maryland",
    "MA": "Massachusetts",
    "MI": "Michigan",
    "MN": "Minnesota",
    "MS": "Mississippi",
    "MO": "Missouri",
    "MT": "Montana",
    "NE": "Nebraska",
    "NV": "Nevada",
    "NH": "New Hampshire",
    "NJ": "New Jersey",
    "NM": "New Mexico",
    "NY": "New York",
    "NC": "North Carolina",
    "ND": "North Dakota",
    "OH": "Ohio",
    "OK": "Oklahoma",
    "OR": "Oregon",
    "PA": "Pennsylvania",
    "RI": "Rhode Island",
    "SC": "South Carolina",
    "SD": "South Dakota",
    "TN": "Tennessee",
    "TX": "Texas",
    "UT": "Utah",
    "VT": "Vermont",
    "VA": "Virginia",
    "WA": "Washington",
    "WV": "West Virginia",
    "WI": "Wisconsin",
    "WY": "Wyoming",
    "DC": "District of Columbia",
    "PR": "Puerto Rico",
    "GU": "Guam",
    "VI": "Virgin Islands",
    "AS": "American Samoa",
    "MP": "Northern Mariana Islands",
}
"""USPS code -> English name: 50 states, the District and the five inhabited territories (USPS Publication 28,
appendix B).
"""

SIMILARITY, LEAD = 88.0, 4.0
"""A misspelling is read as its near match from this similarity on (0 to 100), if no other state comes closer
than the lead.

Tuned on real lists: "PENNSLYVANIA" is read as Pennsylvania (91.7); "Carolina" is read as neither of the two.
"""

# Associated Press and older customary abbreviations, and the names that the places use for themselves. Dots
# are removed before the lookup.
_ABBREVIATIONS = {
    "AL": "ala",
    "AK": "alas",
    "AZ": "ariz",
    "AR": "ark",
    "CA": "calif|cal",
    "CO": "colo|col",
    "CT": "conn",
    "DE": "del",
    "FL": "fla|flor",
    "GA": "georgia state",
    "HI": "haw|hawai'i|hawai\u02bbi",
    "ID": "ida",
    "IL": "ill|ills",
    "IN": "ind",
    "IA": "iowa state",
    "KS": "kan|kans|kas",
    "KY": "ken|kent",
    "LA": "louis",
    "MD": "mary",
    "MA": "mass",
    "MI": "mich",
    "MN": "minn",
    "MS": "miss",
    "MO": "mizz",
    "MT": "mont",
    "NE": "neb|nebr",
    "NV": "nev",
    "NH": "n hamp|n hampshire",
    "NJ": "n jersey",
    "NM": "n mex|n mexico|new mex",
    "NY": "n york|new york state",
    "NC": "n car|n carolina|no carolina",
    "ND": "n dak|n dakota|no dakota",
    "OK": "okla",
    "OR": "ore|oreg",
    "PA": "penn|penna",
    "RI": "r isl|state of rhode island and providence plantations",
    "SC": "s car|s carolina|so carolina",
    "SD": "s dak|s dakota|so dakota",
    "TN": "tenn",
    "TX": "tex",
    "VA": "virg",
    "WA": "wash|washington state",
    "WV": "w va|w virginia|w virg|west va",
    "WI": "wis|wisc",
    "WY": "wyo",
    "DC": "washington dc|washington d c|dist of columbia|district of columbia (dc)",
    "VI": (
        "us virgin islands|u s virgin islands|united states virgin islands|usvi|virgin islands of the "
        "united states"
    ),
    "AS": "amer samoa",
    "MP": "cnmi|n mariana islands|northern marianas|commonwealth of the northern mariana islands|saipan",
}

_SPACES_AND_DOTS = re.compile(r"[\s.,_]+")
_TWICE = re.compile(r"([^()]+?)(?: ?[-\u2013\u2014/:] ?| ?\()([^()]+?)\)?")
_FORMAL = re.compile(r"^(?:the )?(?:state|commonwealth|territory) of (?:the )?")


@dataclass(frozen=True, slots=True)
class StateReading:
    """A state as read: its USPS ``code``, and whether it was written so (``exact``) or is the near match of a
    misspelling.
    """

    code: str
    exact: bool


def group_by_state(members: Iterable[T], state_of: Callable[[T], str | None]) -> dict[str | None, list[T]]:
    """Group members by state, in the order of the states' names; None, for those without a state, is last."""
    found: defaultdict[str | None, list[T]] = defaultdict(list)
    for member in sorted(members, key=lambda member: STATES.get(state_of(member) or "", "~")):
        found[state_of(member)].append(member)
    return found


def read_state(text: str) -> StateReading | None:
    """Read the state that a text names, by code, name, customary abbreviation or unique near match; None if
    it names none.

    Letter case, dots and spaces do not matter; a near match needs `SIMILARITY` and `LEAD`.
    """
    code = read_exact_state(text)
    return StateReading(code, exact=True) if code else _read_near(text)


def read_exact_state(text: str) -> str | None:
    """Read the state that a text names without a slip, as `read_state` does."""
    return _EXACT.get(text) or _read_exact(text)  # what well-kept lists write needs no cleaning


@lru_cache(maxsize=4096)
def _read_exact(text: str) -> str | None:
    plain = _plain(text)
    code = _EXACT.get(plain) or _EXACT.get(plain.replace(" ", "")) or _EXACT.get(_FORMAL.sub("", plain))
    if not code and (both := _TWICE.fullmatch(plain)):  # "IN - Indiana", "Indiana (IN)"
        named = {_EXACT.get(part.strip()) for part in (both[1], both[2])}
        code = next(iter(named)) if len(named) == 1 else None
    return code


@lru_cache(maxsize=4096)
def _read_near(text: str) -> StateReading | None:
    plain = _plain(text)
    return _near(_FORMAL.sub("", plain)) if plain else None


_ISO = re.compile(r"us-[a-z]{2}")  # ISO 3166-2: "US-IN"


def _plain(text: str) -> str:
    plain = _SPACES_AND_DOTS.sub(" ", text).strip().casefold()
    return plain[3:] if _ISO.fullmatch(plain) else plain


def _near(plain: str) -> StateReading | None:
    """Compares full names only: among abbreviations and codes, one letter makes another state."""
    best, second = process.extract(plain, _NAMES, scorer=fuzz.ratio, limit=2)
    if best[1] < SIMILARITY or best[1] - second[1] < LEAD:
        return None
    return StateReading(best[2], exact=False)


_NAMES = MappingProxyType({code: name.casefold() for code, name in STATES.items()})

_EXACT = MappingProxyType(
    {code: code for code in STATES}
    | {name: code for code, name in STATES.items()}
    | {name.upper(): code for code, name in STATES.items()}
    | {code.casefold(): code for code in STATES}
    | {name.casefold(): code for code, name in STATES.items()}
    | {name.casefold().replace(" ", ""): code for code, name in STATES.items()}
    | {
        abbreviation: code
        for code, abbreviations in _ABBREVIATIONS.items()
        for abbreviation in abbreviations.split("|")
    }
)
