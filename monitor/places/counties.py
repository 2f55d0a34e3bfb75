"""Sheriffs, county police, constables, parishes, prosecutors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from monitor.domain import Confidence, Placement, PlacementReason
from monitor.places import agency_kinds
from monitor.places.areas import counties_of, main_counties, sites
from monitor.places.names import squeeze, word_set, words
from monitor.places.query import Query, counties_by_key, counties_said, county_rows, place, titles
from monitor.places.spelling import near_keys
from monitor.places.town_zips import town_rows

_CONSTABLE_WORDS = word_set(
    "constable constables office of the precinct pct district ward deputy no number sheriff"
)

_OF_CITIES = word_set("attorney jail")
"""Offices of counties that cities have too."""

MAIN_PART = 4  # at least one in this many of a county agency's ZIPs must be in the county


def county_agency(query: Query) -> Placement | None:
    """Sheriff, county police, prosecutor: all ZIPs with at least 2 % of their land in the county."""
    for part in query.name.parts:
        found = counties_said(query.table, part)
        says_county = "county" in part or "parish" in part
        if not says_county and not any(w in agency_kinds.COUNTY_OFFICES for w in part):
            continue  # a Pennsylvania borough is a town; "Haines Borough Police" is a known government
        if found and "regional" in part and "police" in part:
            return None  # "Northern York County Regional Police" serves towns of the county
        if found:
            if agency_kinds.is_surely_institution(part) and not any(
                w in agency_kinds.COUNTY_OFFICES for w in part
            ):
                # the county only distinguishes an institution ("Johnson County Community College")
                return None
            return _covers(query, found)
    first = query.name.parts[0] if query.name.parts else ()
    jail = "jail" in first and "regional" not in first  # Rappahannock Regional Jail serves other counties
    if any(w in agency_kinds.COUNTY_OFFICES for w in first) or jail:
        return _office_without_the_word(query)
    return None


def constable(query: Query) -> Placement | None:
    """A constable of a township, borough, ward or precinct whose listing gives the county: the part of it.

    Pennsylvania's constables are elected by municipality, although they call themselves state constables.
    """
    said = query.name.words
    if not query.counties or not any(w in ("constable", "constables") for w in said):
        return None
    if any(counties_said(query.table, part) for part in query.name.parts):
        return None
    table, county_zips = query.table, county_rows(query.table, query.counties)
    for core in _constable_places(query):
        for site in sites(table, squeeze(core)):
            if not counties_of(table, site) & query.counties:
                continue
            rows = county_zips & set(town_rows(table, site)) if site.located else set()
            if rows:
                reason = PlacementReason("part_about", titles(table, sorted(query.counties)), site.name)
                return place(query, rows, "county_part", Confidence.APPROXIMATE, reason)
    reason = PlacementReason("part", titles(table, sorted(query.counties)))
    return place(query, county_zips, "county_part", Confidence.APPROXIMATE, reason)


def _constable_places(query: Query) -> list[agency_kinds.Words]:
    """The rest of a constable's name without office, state, precinct and number: its municipality."""
    text = re.sub(r"\bSo\.? (?=[A-Z][a-z])", "South ", query.name.text)
    own = (*agency_kinds.state_words(query.state), "state")
    said = words(text)
    said = said[1:] if said[:1] == (query.state.lower(),) else said  # "PA State Constable"
    left = tuple(w for w in said if w not in own and w not in _CONSTABLE_WORDS and not w[:1].isdigit())
    behind = left[:-1] if left and left[-1] in agency_kinds.DESIGNATORS else ()
    before = left[1:] if left and left[0] in agency_kinds.DESIGNATORS else ()  # "City of Reading"
    return [core for core in (left, behind, before) if core]


def within_county_given(query: Query, placement: Placement) -> Placement:
    """Check a placement against the county in the listing.

    ZIPs outside the county are dropped if they are the larger part. If none lies inside, a county in the name
    is a conflict; otherwise the agency is somewhere in the given county.
    """
    if placement.statewide or not query.counties or not placement.places[0].isdigit():
        return placement
    table = query.table
    inside = set(table.zips.pick(county_rows(table, query.counties)))
    kept = tuple(zip_code for zip_code in placement.places if zip_code in inside)
    if len(kept) * MAIN_PART >= len(placement.places):
        return placement
    if kept:  # a neighbor's ZIPs that only reach into the county
        return replace(placement, places=kept, confidence=Confidence.APPROXIMATE)
    if placement.how in ("county", "county_part", "consolidated", "misspelt_county", "regional_jail"):
        confidence = Confidence.CONFLICT if placement.confidence is Confidence.EXACT else placement.confidence
        reason = PlacementReason("other_county", placement.reason.names)
        return replace(placement, confidence=confidence, reason=reason)
    address = query.address
    if address is not None and counties_of(table, address) & query.counties:
        rows = {r for r in town_rows(table, address) if table.zips[r] in inside}
        reason = PlacementReason("address", (address.name,))
        near = place(query, rows, "address_city", Confidence.APPROXIMATE, reason)
        if near is not None:
            return near
    somewhere = given_county(query)
    return replace(somewhere, confidence=Confidence.CONFLICT) if somewhere else placement


def _covers(query: Query, counties: Iterable[int]) -> Placement | None:
    table, said = query.table, query.name.words
    chosen = list(counties)
    rows = county_rows(table, chosen)
    of_part = any(w in agency_kinds.PRECINCTS or w == "twp" for w in said)
    if of_part and any(w in said for w in ("constable", "constables")):
        reason = PlacementReason("precinct", titles(table, chosen))
        return place(query, rows, "county", Confidence.APPROXIMATE, reason)
    if agency_kinds.is_part_of_county(said):
        return _covers_part(query, rows, titles(table, chosen))
    return place(query, rows, "county", Confidence.EXACT, PlacementReason("covers", titles(table, chosen)))


def _covers_part(query: Query, rows: set[int], counties: tuple[str, ...]) -> Placement | None:
    """A district of a county ("King County Fire District 2"): about its address, else the county."""
    address = query.address
    near = rows & set(town_rows(query.table, address)) if address is not None else set()
    reason = (
        PlacementReason("part_about", counties, address.name)
        if address is not None and near
        else PlacementReason("part", counties)
    )
    return place(query, near or rows, "county_part", Confidence.APPROXIMATE, reason)


def _office_without_the_word(query: Query) -> Placement | None:
    """A sheriff or constable whose name does not say "county"."""
    table, name = query.table, query.name
    city = name.designator == "city" or "city" in name.words
    for core in agency_kinds.variants(name.core):
        hit = counties_by_key(table, squeeze(core))
        if hit:
            if (
                city
                and not _OF_CITIES.isdisjoint(name.words)
                and not any(table.counties[c].independent for c in hit)
            ):
                return None  # "Los Angeles City Attorney", "Jackson City Jail"
            given = [c for c in hit if c in query.counties] or [c for c in hit if c == _seat(query)]
            if query.counties and not given and name.designator:
                return None  # "Greene Township Constable" in Erie County is not of Greene County
            chosen = given or [c for c in hit if table.counties[c].independent == city] or hit
            return _covers(query, chosen[:1])
    if not name.core and query.counties:
        return _covers(query, sorted(query.counties))
    return None


def _seat(query: Query) -> int | None:
    """The county or independent city that holds most of the address: Richmond, Virginia, is in no county."""
    return main_counties(query.table, query.address)[0] if query.address and query.address.located else None


def county_by_name(query: Query) -> Placement | None:
    """An agency named like a county and no town ("Anne Arundel Police Department")."""
    table = query.table
    if agency_kinds.is_institution(query.name.words) or query.name.designator:
        return None
    for core in agency_kinds.variants(query.name.core):
        found = counties_by_key(table, squeeze(core))[:1]
        near = query.address is None or counties_of(table, query.address) & set(found)
        if found and near and not sites(table, squeeze(core)):
            return place(
                query,
                county_rows(table, found),
                "county_by_name",
                Confidence.APPROXIMATE,
                PlacementReason("covers_estimate", titles(table, found)),
            )
    return None


def given_county(query: Query) -> Placement | None:
    """The county that stands in the listing or in the name, as an estimate."""
    table = query.table
    found = sorted(query.counties) or [c for part in query.name.parts for c in counties_said(table, part)]
    reason = PlacementReason("in_somewhere", titles(table, found))
    return (
        place(query, county_rows(table, found), "given_county", Confidence.APPROXIMATE, reason)
        if found
        else None
    )


def misspelt_county(query: Query) -> Placement | None:
    """A misspelled county, by a bounded edit distance within the state; only if exactly one is near."""
    table, name = query.table, query.name
    for part in name.parts:
        if "county" in part:
            at = part.index("county")
        elif any(w in agency_kinds.COUNTY_OFFICES for w in part):
            at = next(n for n, w in enumerate(part) if w in agency_kinds.COUNTY_OFFICES)
        else:
            continue
        for length in range(min(4, at), 0, -1):
            near = near_keys(squeeze(part[at - length : at]), table.by_county)
            if len(near) == 1:
                found = list(table.by_county[near[0]])
                reason = PlacementReason("misspelt", titles(table, found))
                return place(
                    query, county_rows(table, found), "misspelt_county", Confidence.APPROXIMATE, reason
                )
    return None
