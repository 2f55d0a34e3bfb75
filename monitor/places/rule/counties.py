"""Sheriffs, county police, constables, parishes, prosecutors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from monitor.domain import Confidence, Placement, PlacementReason
from monitor.places import agency_kinds
from monitor.places.areas import counties_of, main_counties, sites
from monitor.places.county_names import counties_by_key, counties_in_words, county_rows, county_titles
from monitor.places.names import squeeze, word_set, words
from monitor.places.rule.listing_in_state import ListingInState, place
from monitor.places.rule.spelling import near_keys
from monitor.places.town_zips import town_rows

_CONSTABLE_WORDS = word_set(
    "constable constables office of the precinct pct district ward deputy no number sheriff"
)

_OF_CITIES = word_set("attorney jail")
"""Offices of counties that cities have too."""

MAIN_PART = 4  # at least one in this many of a county agency's ZIPs must be in the county


def county_agency(subject: ListingInState) -> Placement | None:
    """Place a sheriff, county police or prosecutor: ZIPs with at least 2 % of their land in the county."""
    for part in subject.name.parts:
        found = counties_in_words(subject.table, part)
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
            return _covers(subject, found)
    first = subject.name.parts[0] if subject.name.parts else ()
    jail = "jail" in first and "regional" not in first  # Rappahannock Regional Jail serves other counties
    if any(w in agency_kinds.COUNTY_OFFICES for w in first) or jail:
        return _office_without_the_word(subject)
    return None


def constable(subject: ListingInState) -> Placement | None:
    """Place a constable of a township, borough, ward or precinct whose listing gives the county: the ZIPs of
    that part of it. Pennsylvania's constables are elected by municipality, although they call themselves
    state constables.
    """
    said = subject.name.words
    if not subject.counties or not any(w in ("constable", "constables") for w in said):
        return None
    if any(counties_in_words(subject.table, part) for part in subject.name.parts):
        return None
    table, county_zips = subject.table, county_rows(subject.table, subject.counties)
    for core in _constable_places(subject):
        for site in sites(table, squeeze(core)):
            if not counties_of(table, site) & subject.counties:
                continue
            rows = county_zips & set(town_rows(table, site)) if site.located else set()
            if rows:
                reason = PlacementReason(
                    "part_about", county_titles(table, sorted(subject.counties)), site.name
                )
                return place(subject, rows, "county_part", Confidence.APPROXIMATE, reason)
    reason = PlacementReason("part", county_titles(table, sorted(subject.counties)))
    return place(subject, county_zips, "county_part", Confidence.APPROXIMATE, reason)


def _constable_places(subject: ListingInState) -> list[agency_kinds.Words]:
    """The rest of a constable's name without office, state, precinct and number: its municipality."""
    text = re.sub(r"\bSo\.? (?=[A-Z][a-z])", "South ", subject.name.text)
    own = (*agency_kinds.state_words(subject.state), "state")
    said = words(text)
    said = said[1:] if said[:1] == (subject.state.lower(),) else said  # "PA State Constable"
    left = tuple(w for w in said if w not in own and w not in _CONSTABLE_WORDS and not w[:1].isdigit())
    behind = left[:-1] if left and left[-1] in agency_kinds.DESIGNATORS else ()
    before = left[1:] if left and left[0] in agency_kinds.DESIGNATORS else ()  # "City of Reading"
    return [core for core in (left, behind, before) if core]


def within_county_given(subject: ListingInState, placement: Placement) -> Placement:
    """Check a placement against the county in the listing.

    ZIPs outside the county are dropped if they are the larger part. If none lies inside, a county in the name
    is a conflict; otherwise the agency is somewhere in the given county.
    """
    if placement.statewide or not subject.counties or not placement.places[0].isdigit():
        return placement
    table = subject.table
    inside = set(table.zips.pick(county_rows(table, subject.counties)))
    kept = tuple(zip_code for zip_code in placement.places if zip_code in inside)
    if len(kept) * MAIN_PART >= len(placement.places):
        return placement
    if kept:  # a neighbor's ZIPs that only reach into the county
        return replace(placement, places=kept, confidence=Confidence.APPROXIMATE)
    if placement.how in ("county", "county_part", "consolidated", "misspelt_county", "regional_jail"):
        confidence = Confidence.CONFLICT if placement.confidence is Confidence.EXACT else placement.confidence
        reason = PlacementReason("other_county", placement.reason.names)
        return replace(placement, confidence=confidence, reason=reason)
    address = subject.address
    if address is not None and counties_of(table, address) & subject.counties:
        rows = {r for r in town_rows(table, address) if table.zips[r] in inside}
        reason = PlacementReason("address", (address.name,))
        near = place(subject, rows, "address_city", Confidence.APPROXIMATE, reason)
        if near is not None:
            return near
    somewhere = given_county(subject)
    return replace(somewhere, confidence=Confidence.CONFLICT) if somewhere else placement


def _covers(subject: ListingInState, counties: Iterable[int]) -> Placement | None:
    table, said = subject.table, subject.name.words
    chosen = list(counties)
    rows = county_rows(table, chosen)
    of_part = any(w in agency_kinds.PRECINCTS or w == "twp" for w in said)
    if of_part and any(w in said for w in ("constable", "constables")):
        reason = PlacementReason("precinct", county_titles(table, chosen))
        return place(subject, rows, "county", Confidence.APPROXIMATE, reason)
    if agency_kinds.is_part_of_county(said):
        return _covers_part(subject, rows, county_titles(table, chosen))
    return place(
        subject, rows, "county", Confidence.EXACT, PlacementReason("covers", county_titles(table, chosen))
    )


def _covers_part(subject: ListingInState, rows: set[int], counties: tuple[str, ...]) -> Placement | None:
    """Place a district of a county ("King County Fire District 2"): around its address, or else the whole
    county.
    """
    address = subject.address
    near = rows & set(town_rows(subject.table, address)) if address is not None else set()
    reason = (
        PlacementReason("part_about", counties, address.name)
        if address is not None and near
        else PlacementReason("part", counties)
    )
    return place(subject, near or rows, "county_part", Confidence.APPROXIMATE, reason)


def _office_without_the_word(subject: ListingInState) -> Placement | None:
    """Place a sheriff or constable whose name does not contain "county"."""
    table, name = subject.table, subject.name
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
            given = [c for c in hit if c in subject.counties] or [c for c in hit if c == _seat(subject)]
            if subject.counties and not given and name.designator:
                return None  # "Greene Township Constable" in Erie County is not of Greene County
            chosen = given or [c for c in hit if table.counties[c].independent == city] or hit
            return _covers(subject, chosen[:1])
    if not name.core and subject.counties:
        return _covers(subject, sorted(subject.counties))
    return None


def _seat(subject: ListingInState) -> int | None:
    """The county or independent city that holds most of the address: Richmond, Virginia, is in no county."""
    return (
        main_counties(subject.table, subject.address)[0]
        if subject.address and subject.address.located
        else None
    )


def county_by_name(subject: ListingInState) -> Placement | None:
    """Place an agency with the name of a county that is not the name of a town ("Anne Arundel Police
    Department").
    """
    table = subject.table
    if agency_kinds.is_institution(subject.name.words) or subject.name.designator:
        return None
    for core in agency_kinds.variants(subject.name.core):
        found = counties_by_key(table, squeeze(core))[:1]
        near = subject.address is None or counties_of(table, subject.address) & set(found)
        if found and near and not sites(table, squeeze(core)):
            return place(
                subject,
                county_rows(table, found),
                "county_by_name",
                Confidence.APPROXIMATE,
                PlacementReason("covers_estimate", county_titles(table, found)),
            )
    return None


def given_county(subject: ListingInState) -> Placement | None:
    """Place an agency in the county that the listing or the name gives, as an estimate."""
    table = subject.table
    found = sorted(subject.counties) or [
        c for part in subject.name.parts for c in counties_in_words(table, part)
    ]
    reason = PlacementReason("in_somewhere", county_titles(table, found))
    return (
        place(subject, county_rows(table, found), "given_county", Confidence.APPROXIMATE, reason)
        if found
        else None
    )


def misspelt_county(subject: ListingInState) -> Placement | None:
    """A misspelled county, by a bounded edit distance within the state; only if exactly one is near."""
    table, name = subject.table, subject.name
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
                reason = PlacementReason("misspelt", county_titles(table, found))
                return place(
                    subject, county_rows(table, found), "misspelt_county", Confidence.APPROXIMATE, reason
                )
    return None
