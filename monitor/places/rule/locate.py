"""The placement rule: finds the places of a listing, step by step; the first step with a result decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.places.agency_kinds import (
    DESIGNATORS,
    KIND_WORDS,
    AgencyName,
    read_name,
    spoken,
    variants,
)
from monitor.places.areas import sites
from monitor.places.hand_kept_tables import mailing
from monitor.places.names import squeeze, word_set
from monitor.places.packaged_table import StateTable
from monitor.places.rule.counties import (
    constable,
    county_agency,
    county_by_name,
    given_county,
    misspelt_county,
    within_county_given,
)
from monitor.places.rule.institutions import institution, near_point
from monitor.places.rule.listing_in_state import ListingInState
from monitor.places.rule.municipalities import (
    address_city,
    branch,
    joint,
    misspelt_town,
    municipal,
    name_is_city,
    namesake,
    regional_jail,
)
from monitor.places.rule.statewide import known_government, state_wide

OFFICE_LIKE = KIND_WORDS | {"state", "college", "district"}
"""Words that end the place in an agency's name, but that are also part of some towns' names."""

Step = Callable[[ListingInState], Placement | None]

STEPS: tuple[Step, ...] = (
    known_government,
    constable,
    state_wide,
    county_agency,
    name_is_city,
    regional_jail,
    institution,
    municipal,
    county_by_name,
    misspelt_county,
    address_city,
    near_point,
    joint,
    branch,
    namesake,
    misspelt_town,
    given_county,
)


def locate_in(listing: Listing, table: StateTable) -> Placement:
    """Place a listing whose state is known; one that no step can place stays in its state."""
    subject = ListingInState(listing, table, _keep_town(read_name(listing.name, table.state), table))
    for step in STEPS:
        placement = step(subject)
        if placement is not None:
            return _less_sure(subject, within_county_given(subject, placement))
    return _state_only(subject)


def _less_sure(subject: ListingInState, placement: Placement) -> Placement:
    """Lower the confidence of a placement that follows only from a town's name: of a prison or a drug squad
    (Jessup Correctional Institution), of a regional jail, and of a town around a village, or a township
    around a city, with the same name.
    """
    if placement.how not in ("name", "name_is_city") or placement.confidence is not Confidence.EXACT:
        return placement
    said = subject.name.words
    called_after = not _OTHERS.isdisjoint(said) and _OWN.isdisjoint(said)
    regional = "regional" in said and not _SHARED.isdisjoint(said)
    if called_after or regional or _is_beside_its_name(subject, placement):
        return replace(placement, confidence=Confidence.APPROXIMATE)
    return placement


_OTHERS = word_set("correctional penitentiary prison reformatory detention narcotics drug")
_OWN = word_set("city town twp village boro police sheriff municipal")
_SHARED = word_set("jail authority detention correctional")
_TOWNS_AROUND_VILLAGES = frozenset(("NY", "WI"))
_FEW_ZIPS = 3  # of a township; more belong to the city of its name


def _is_beside_its_name(subject: ListingInState, placement: Placement) -> bool:
    """Whether the agency belongs to a town that is larger than the post town with its name, or to a township
    around the city with its name. The Town of Brookhaven has half a million people and Brookhaven 3,000;
    Lansing Township is not Lansing. The hand-kept list has the ZIPs of some of them.
    """
    town = subject.name.designator == "town" and subject.state in _TOWNS_AROUND_VILLAGES
    if not town and not (subject.name.designator == "twp" and len(placement.places) > _FEW_ZIPS):
        return False
    cores = variants(subject.name.core)
    return not any(len(mail) > 1 for core in cores for _, mail in mailing(subject.state, squeeze(core)))


def _keep_town(name: AgencyName, table: StateTable) -> AgencyName:
    """Restore the whole name of a town that contains words of offices or an article: College Station, State
    College, District Heights, The Villages.
    """
    said = name.parts[0] if name.parts else ()
    while len(said) > 2 and said[1] == "of" and said[0] in DESIGNATORS:
        said = said[2:]
    ends = [at for at, word in enumerate(said) if word in _ENDS_TOWN]
    town = said[: ends[0]] if ends else ()
    whole = town[:1] == ("the",) or any(word in OFFICE_LIKE for word in town)
    if len(town) < 2 or town == name.core or not whole:
        return name
    located = any(site.located for site in sites(table, squeeze(town)))
    return replace(name, core=town) if located else name


_ENDS_TOWN = ("police", "dept", "marshal", "sheriff", "public")


def _state_only(subject: ListingInState) -> Placement:
    state = subject.state
    core = subject.name.core
    exists = any(squeeze(c) in subject.table.unlocated for c in variants(core))
    reason = (
        PlacementReason("not_located", (state,), spoken(core))
        if exists
        else PlacementReason("somewhere", (state,))
    )
    return Placement((state,), "not_placed", Confidence.STATE_ONLY, reason)
