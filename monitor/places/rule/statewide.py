"""Agencies of a whole state, and governments with manually maintained areas."""

from __future__ import annotations

from monitor.domain import Confidence, Placement, PlacementReason
from monitor.places import agency_kinds
from monitor.places.areas import sites
from monitor.places.county_names import counties_in_words, county_rows
from monitor.places.hand_kept_tables import campus, consolidated
from monitor.places.names import key, squeeze, word_set
from monitor.places.rule.listing_in_state import ListingInState, place

_TERRITORIES = frozenset(("AS", "GU", "MP", "PR", "VI"))
_OFFICES = frozenset(("dept", "state", "division", "bureau", "office", "board", "commission"))


ACRONYMS: dict[str, frozenset[str]] = {
    state: word_set(text)
    for state, text in {
        "AL": "alea", "AK": "ast", "AZ": "azdps", "AR": "asp", "CA": "chp cdcr cdfw", "CO": "csp cbi cpw",
        "CT": "csp", "DE": "dsp", "FL": "fhp fwc fdle", "GA": "gsp gbi", "ID": "isp", "IL": "isp idnr",
        "IN": "isp", "IA": "isp dci", "KS": "khp kbi", "KY": "ksp", "LA": "lsp", "ME": "msp",
        "MD": "msp mdta", "MA": "msp", "MI": "msp", "MN": "msp bca", "MS": "mhp mbi", "MO": "mshp",
        "MT": "mhp", "NE": "nsp", "NV": "nhp nsp", "NH": "nhsp", "NJ": "njsp", "NM": "nmsp", "NY": "nysp",
        "NC": "ncshp ncdps", "ND": "ndhp", "OH": "oshp bci", "OK": "ohp osbi obn", "OR": "osp", "PA": "psp",
        "RI": "risp", "SC": "schp sled scdnr", "SD": "sdhp", "TN": "thp tbi twra", "TX": "txdps tpwd tabc",
        "UT": "uhp", "VT": "vsp", "VA": "vsp", "WA": "wsp wdfw", "WV": "wvsp", "WI": "wsp", "WY": "whp",
    }.items()
}  # fmt: skip
"""The initials by which a state's own agencies are known."""


def known_government(subject: ListingInState) -> Placement | None:
    """Look up the manually maintained table of consolidated governments, which serve whole counties."""
    row = consolidated(subject.name, subject.state)
    if row is None or agency_kinds.is_surely_institution(subject.name.parts[0]):
        return None
    if any("airport" in part for part in subject.name.parts[1:]):
        return None  # San Francisco's airport lies in San Mateo County
    table = subject.table
    found = [c for stem in row.counties for c in table.by_county.get(key(stem), ())]
    reason = PlacementReason("covers", (row.area,))
    return place(subject, county_rows(table, found), "consolidated", Confidence.EXACT, reason)


def state_wide(subject: ListingInState) -> Placement | None:
    """Place state police, highway patrol, a department of corrections, an attorney general and the like: the
    state.
    """
    parts = subject.name.parts
    branch = not subject.name.core and any(_always(part) for part in parts[1:])
    if not parts or not (branch or _names_state(subject, parts[0])):
        return None
    state = subject.state
    return Placement(
        (state,), "state_wide", Confidence.EXACT, PlacementReason("state", (state,)), statewide=True
    )


def _names_state(subject: ListingInState, first: agency_kinds.Words) -> bool:
    if agency_kinds.is_surely_institution(first) and not agency_kinds.contains(first, ("dept", "of")):
        return False
    if agency_kinds.contains(first, ("community", "college")) or counties_in_words(subject.table, first):
        return False
    school = campus(first, subject.state)
    if school is not None and school.name[-1] == "state":  # "Bridgewater State Police" is of the university
        return False
    if _always(first) or first[0] in ACRONYMS.get(subject.state, ()):
        return True
    after = agency_kinds.state_led(subject.name, subject.state)
    if after is not None:
        return _after_the_state(subject, after)
    if subject.state in _TERRITORIES and subject.name.core in ((), agency_kinds.state_words(subject.state)):
        return agency_kinds.contains(first, ("public", "safety")) or subject.name.core != ()
    bare = not subject.name.core and first[:1] in (("dept",), ("division",), ("office",), ("bureau",))
    return bare and any(w in agency_kinds.STATE_SUBJECTS for w in first)


def _always(part: agency_kinds.Words) -> bool:
    said = f" {' '.join(part)} "
    return any(phrase in said for phrase in agency_kinds.ALWAYS_STATE)


def _after_the_state(subject: ListingInState, after: agency_kinds.Words) -> bool:
    """Whether the name of the state is followed by an office of the state: not so in "New York City Police"
    and "Iowa City Police".
    """
    if not after:
        return True
    if after[0] == "state" and agency_kinds.is_surely_institution(after):
        return False
    if after[0] in _OFFICES or (after[0] == "police" and subject.state in _TERRITORIES):
        return True
    named_like_a_town = any(
        sites(subject.table, squeeze(core)) for core in agency_kinds.variants(subject.name.core)
    )
    return after[0] in agency_kinds.STATE_FUNCTIONS and not named_like_a_town
