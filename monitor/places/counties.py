"""Sheriffs, county police, constables, parishes, prosecutors."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.domain import Confidence, Placement, PlacementReason
from monitor.places import kinds
from monitor.places.areas import counties_of, main_counties, sites, town_rows
from monitor.places.names import squeeze
from monitor.places.query import Query, counties_by_key, counties_said, county_rows, place, titles
from monitor.places.spelling import near_keys


def county_agency(query: Query) -> Placement | None:
    """Sheriff, county police, constable, parish, prosecutor: every ZIP with at least 2 % of its land in the county."""
    for part in query.name.parts:
        found = counties_said(query.table, part)
        says_county = "county" in part or "parish" in part
        if not says_county and not any(w in kinds.COUNTY_OFFICES for w in part):
            continue  # a Pennsylvania borough is a town; "Haines Borough Police" is a known government
        if found and "regional" in part and "police" in part:
            return None  # "Northern York County Regional Police" serves towns of the county
        if found:
            if kinds.is_surely_institution(part) and not any(w in kinds.COUNTY_OFFICES for w in part):
                return None  # the county only tells apart an institution ("Johnson County Community College")
            return _covers(query, found)
    first = query.name.parts[0] if query.name.parts else ()
    if any(w in kinds.COUNTY_OFFICES for w in first) or "jail" in first:
        return _office_without_the_word(query)
    return None


def _covers(query: Query, counties: Iterable[int]) -> Placement | None:
    table, said = query.table, query.name.words
    chosen = list(counties)
    rows = county_rows(table, chosen)
    if any(w in said for w in ("constable", "constables")) and any(w in said for w in kinds.PRECINCTS):
        reason = PlacementReason("precinct", titles(table, chosen))
        return place(query, rows, "county", Confidence.APPROXIMATE, reason)
    if kinds.is_part_of_county(said):
        return _covers_part(query, rows, titles(table, chosen))
    return place(query, rows, "county", Confidence.EXACT, PlacementReason("covers", titles(table, chosen)))


def _covers_part(query: Query, rows: set[int], counties: tuple[str, ...]) -> Placement | None:
    """One of a county's districts ("King County Fire District 2"): about its address, else anywhere in the county."""
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
    for core in kinds.variants(name.core):
        hit = counties_by_key(table, squeeze(core))
        if hit:
            if city and "attorney" in name.words and not any(table.counties[c].independent for c in hit):
                return None  # "Los Angeles City Attorney"
            given = [c for c in hit if c in query.counties] or [c for c in hit if c == _seat(query)]
            chosen = given or [c for c in hit if table.counties[c].independent == city] or hit
            return _covers(query, chosen[:1])
    if not name.core and query.counties:
        return _covers(query, sorted(query.counties))
    return None


def _seat(query: Query) -> int | None:
    """The county or independent city that the address lies in for the most part: Richmond, Virginia, is not in Richmond County."""
    return main_counties(query.table, query.address)[0] if query.address and query.address.located else None


def county_by_name(query: Query) -> Placement | None:
    """An agency named like a county and no town ("Anne Arundel Police Department")."""
    table = query.table
    if kinds.is_institution(query.name.words) or query.name.designator:
        return None
    for core in kinds.variants(query.name.core):
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
    """A misspelt county before the word, by a bounded edit distance inside the state; only when one alone comes near."""
    table, name = query.table, query.name
    for part in name.parts:
        if "county" in part:
            at = part.index("county")
        elif any(w in kinds.COUNTY_OFFICES for w in part):
            at = next(n for n, w in enumerate(part) if w in kinds.COUNTY_OFFICES)
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
