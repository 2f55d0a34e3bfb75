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
from monitor.places.counties import (
    constable,
    county_agency,
    county_by_name,
    given_county,
    misspelt_county,
    within_county_given,
)
from monitor.places.institutions import institution, near_point
from monitor.places.municipalities import (
    address_city,
    branch,
    joint,
    misspelt_town,
    municipal,
    name_is_city,
    namesake,
    regional_jail,
)
from monitor.places.names import squeeze, word_set
from monitor.places.packaged_table import StateTable
from monitor.places.query import Query
from monitor.places.statewide import known_government, state_wide

OFFICE_LIKE = KIND_WORDS | {"state", "college", "district"}
"""Words that end the place in an agency's name, but that are also part of some towns' names."""

Step = Callable[[Query], Placement | None]

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
    query = Query(listing, table, _keep_town(read_name(listing.name, table.state), table))
    for step in STEPS:
        placement = step(query)
        if placement is not None:
            return _less_sure_of_prisons(query, within_county_given(query, placement))
    return _state_only(query)


def _less_sure_of_prisons(query: Query, placement: Placement) -> Placement:
    """A prison or a drug squad that is called after a town is not the town's own: Jessup Correctional
    Institution.
    """
    said = query.name.words
    named_so = placement.how in ("name", "name_is_city") and placement.confidence is Confidence.EXACT
    if named_so and not _OTHERS.isdisjoint(said) and _OWN.isdisjoint(said):
        return replace(placement, confidence=Confidence.APPROXIMATE)
    return placement


_OTHERS = word_set("correctional penitentiary prison reformatory detention narcotics drug")
_OWN = word_set("city town twp village boro police sheriff municipal")


def _keep_town(name: AgencyName, table: StateTable) -> AgencyName:
    """The name with the whole town in it, where words of offices belong to the town: College Station, State
    College, District Heights.
    """
    said = name.parts[0] if name.parts else ()
    while len(said) > 2 and said[1] == "of" and said[0] in DESIGNATORS:
        said = said[2:]
    ends = [at for at, word in enumerate(said) if word in _ENDS_TOWN]
    town = said[: ends[0]] if ends else ()
    if len(town) < 2 or town == name.core or not any(word in OFFICE_LIKE for word in town):
        return name
    located = any(site.located for site in sites(table, squeeze(town)))
    return replace(name, core=town) if located else name


_ENDS_TOWN = ("police", "dept", "marshal", "sheriff")


def _state_only(query: Query) -> Placement:
    state = query.state
    core = query.name.core
    exists = any(squeeze(c) in query.table.unlocated for c in variants(core))
    reason = (
        PlacementReason("not_located", (state,), spoken(core))
        if exists
        else PlacementReason("somewhere", (state,))
    )
    return Placement((state,), "not_placed", Confidence.STATE_ONLY, reason)
