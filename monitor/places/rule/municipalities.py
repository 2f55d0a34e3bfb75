"""Municipalities, townships, boroughs and joint departments."""

from __future__ import annotations

import math

from monitor.domain import Confidence, Placement, PlacementReason
from monitor.places import agency_kinds
from monitor.places.areas import (
    NamedPlace,
    closest,
    counties_around,
    counties_of,
    main_counties,
    radius_km,
    sites,
)
from monitor.places.county_names import counties_by_key, county_rows, county_titles
from monitor.places.names import key, squeeze, word_set
from monitor.places.packaged_table import distance
from monitor.places.rule.listing_in_state import ListingInState, place
from monitor.places.rule.spelling import near_keys
from monitor.places.town_zips import town_rows

# up to this distance, a department may serve both the place in its name and the one in its address
BOTH_KM = 25.0
PARTNERS_KM = 30.0  # towns farther apart do not share a police department
GOOD_PART = 20  # percent of its land
GOOD_PIECE = 0.1  # of an independent city's land that a ZIP holds; Charlottesville's ZIPs are mostly rural
TOWN_PEOPLE = 5000  # with so many people, a town is meant rather than a township without a known place
MUCH = 10  # a place with this many times as many people makes another place of the name unlikely
LONGER = 5  # letters that a village may have more than its township: "ville", "burg"
BESIDE_KM = 8.0  # ZIPs of the address city so near to the named place are served as well
COUNTY_KM, BESIDE_COUNTY_KM = (
    15.0,
    40.0,
)  # taken for the distance of a township in the county of the address, or in one beside
ADDRESS_KM = 8.0  # how far from its address the ZIP of a township may lie
FEW = 3  # a post town of so few ZIPs is taken whole for a township around it
_COUNTY_WORK = frozenset(("jail", "jails", "court", "detention", "juvenile"))
_JOINTS = frozenset(("and", "regional", "joint", "tri", "area", "twp", "boro", "consolidated"))
_DIRECTIONS = word_set("north south east west upper lower new old little great middle")


def name_is_city(subject: ListingInState) -> Placement | None:
    """The agency's name without its kind is the address city: the agency serves that city."""
    site = subject.address
    if site is None or not subject.city or agency_kinds.is_named_after_a_town(subject.name):
        return None
    city = tuple(subject.city.split())
    keys = {squeeze(v) for v in agency_kinds.variants(city)}
    cores = agency_kinds.variants(subject.name.core)
    begins = city[1:2] == ("of",) and subject.name.parts[0][: len(city)] == city  # "Township of Washington"
    if not begins and not any(squeeze(core) in keys for core in cores):
        return None
    if (
        not begins
        and subject.name.designator == "twp"
        and site.name != (own := _township_beside(subject, site, cores)).name
    ):
        return _town(subject, own, "name", Confidence.EXACT if own.known else Confidence.APPROXIMATE)
    if subject.counties and not subject.counties & counties_of(subject.table, site):
        return _town(subject, site, "name_is_city", Confidence.CONFLICT, "other_county")
    unsure = (
        _rivals(subject, site) if not site.rows else _post_towns(subject) > 1 or _is_outgrown(subject, site)
    )
    return _town(subject, site, "name_is_city", Confidence.APPROXIMATE if unsure else Confidence.EXACT)


def _township_beside(
    subject: ListingInState, city: NamedPlace, cores: list[agency_kinds.Words]
) -> NamedPlace:
    """Choose between a city and the township around it: the township if the hand-kept list has it, or if it
    has a post office and the city has none ("Monroe Township" in New Jersey).
    """
    whole = sites(subject.table, squeeze(cores[0])) if cores else ()
    posted = key(city.name) in subject.table.by_city
    return next((s for s in whole if (s.known or (s.rows and not posted)) and s != city), city)


def municipal(subject: ListingInState) -> Placement | None:
    """Find the place named in the agency's name, and check it against the address city."""
    site = named_site(subject)
    if site is None:
        return None
    address = subject.address
    if address is None or address == site:
        return _named_only(subject, site)
    if not site.located:
        return _township(subject, site) or _address_instead(subject, address)
    table = subject.table
    own, theirs = set(town_rows(table, site)), set(town_rows(table, address))
    sure = Confidence.APPROXIMATE if _is_beside_another(subject, site, address) else Confidence.EXACT
    if own & theirs:
        return _town(subject, site, "name", sure)
    here, there = site.point, address.point
    if site.known and here and there and distance(here, there) <= BOTH_KM:
        return _town(subject, site, "name", sure)
    if here and there and radius_km(address.population) + BOTH_KM >= distance(here, there) > BOTH_KM:
        # a suburb with the mailing address of a large city: Horizon City and El Paso
        return _town(subject, site, "name", Confidence.APPROXIMATE)
    if here is None or there is None:
        return place(
            subject,
            own | theirs,
            "name_and_address",
            Confidence.APPROXIMATE,
            PlacementReason("either", (site.name,), address.name),
        )
    if distance(here, there) > BOTH_KM:
        return _address_instead(subject, address)
    beside = sorted(theirs, key=lambda r: distance(table.point(r) or there, here))
    if subject.name.designator != "twp" or len(beside) > FEW:
        beside = [r for r in beside[:2] if distance(table.point(r) or there, here) <= BESIDE_KM] or beside[:1]
    reason = PlacementReason("with_address", (site.name,), address.name)
    return place(subject, own | set(beside), "name_and_address", Confidence.APPROXIMATE, reason)


def address_city(subject: ListingInState) -> Placement | None:
    """Use the address city, if the name does not name another place."""
    address = subject.address
    return _town(subject, address, "address_city", Confidence.APPROXIMATE, "address") if address else None


def branch(subject: ListingInState) -> Placement | None:
    """Find a town in a later part of the name ("Cuartel de la Policia - Patillas")."""
    for part in subject.name.parts[1:]:
        for core in (part, *agency_kinds.variants(agency_kinds.core_of(part)[0])):
            site = next((s for s in subject.fit(sites(subject.table, squeeze(core))) if s.located), None)
            if site is not None:
                return _town(subject, site, "branch", Confidence.APPROXIMATE, "branch")
    return None


def namesake(subject: ListingInState) -> Placement | None:
    """Find a village without a known point by the town that it is named after: North Hodge by Hodge."""
    table = subject.table
    for core in agency_kinds.variants(subject.name.core):
        if squeeze(core) in table.unlocated and core[0] in _DIRECTIONS:
            site = next((s for s in subject.fit(sites(table, squeeze(core[1:]))) if s.located), None)
            if site is not None:
                other = agency_kinds.spoken(core)
                return _town(subject, site, "namesake", Confidence.APPROXIMATE, "namesake", other)
    return None


def regional_jail(subject: ListingInState) -> Placement | None:
    """A jail or court of several counties ("Albemarle-Charlottesville Regional Jail")."""
    said = subject.name.words
    if "police" in said or not any(w in _COUNTY_WORK for w in said):
        return None
    counties = list(dict.fromkeys(c for piece in _all_pieces(subject) for c in _counties_in(subject, piece)))
    reason = PlacementReason("covers_estimate", county_titles(subject.table, counties))
    return place(
        subject, county_rows(subject.table, counties), "regional_jail", Confidence.APPROXIMATE, reason
    )


def joint(subject: ListingInState) -> Placement | None:
    """Split the name at "and", "regional", commas and hyphens, and find every part that is a town near the
    others.
    """
    found: list[NamedPlace] = []
    pieces = _all_pieces(subject)
    if len(pieces) == 1:
        found = _hyphenated(subject, pieces[0])
    else:
        for piece in pieces:
            site = _nearest_of_name(subject, piece, found)
            found += [site] if site is not None else []
    if not found:
        return None
    rows = {r for s in found for r in town_rows(subject.table, s)}
    names = tuple(dict.fromkeys(s.name for s in found))
    return place(subject, rows, "joint", Confidence.APPROXIMATE, PlacementReason("covers_estimate", names))


def _all_pieces(subject: ListingInState) -> list[agency_kinds.Words]:
    return [piece for part in subject.name.parts for piece in _pieces(agency_kinds.core_of(part)[0])]


def _counties_in(subject: ListingInState, piece: agency_kinds.Words) -> list[int]:
    """The counties that a part of a name means, as a whole or by its halves ("Albemarle-Charlottesville")."""
    table = subject.table
    whole = counties_by_key(table, squeeze(piece))
    if whole:
        return whole[:1]
    for at in range(1, len(piece)):
        first, second = (counties_by_key(table, squeeze(half)) for half in (piece[:at], piece[at:]))
        if first and second:
            return [first[0], second[0]]
    return []


def _pieces(core: agency_kinds.Words) -> list[agency_kinds.Words]:
    found: list[list[str]] = [[]]
    for word in core:
        if word in _JOINTS:
            found.append([])
        else:
            found[-1].append(word)
    return [tuple(piece) for piece in found if piece]


def _hyphenated(subject: ListingInState, piece: agency_kinds.Words) -> list[NamedPlace]:
    """Two towns in one name ("Batesburg-Leesville"): both must be known, and near each other."""
    for at in range(1, len(piece)):
        first = _nearest_of_name(subject, piece[:at], [])
        second = _nearest_of_name(subject, piece[at:], [first]) if first else None
        if first is not None and second is not None and first != second:
            return [first, second]
    return []


def _nearest_of_name(
    subject: ListingInState, piece: agency_kinds.Words, beside: list[NamedPlace]
) -> NamedPlace | None:
    """The place of that name that fits the listing and lies near the first of the others."""
    anchor = next((s.point for s in (*beside, subject.address) if s is not None and s.point), None)
    for core in agency_kinds.variants(piece):
        for site in subject.fit(sites(subject.table, squeeze(core))):
            if site.located and (
                anchor is None or site.point is None or distance(site.point, anchor) <= PARTNERS_KM
            ):
                return site
    return None


def misspelt_town(subject: ListingInState) -> Placement | None:
    """Find a misspelled town, by a bounded edit distance within the state, if only one name is near."""
    table = subject.table
    for text in (*agency_kinds.variants(subject.name.core), tuple(subject.city.split())):
        wanted = squeeze(text)
        if wanted in table.unlocated:
            return None  # not a misspelling: such a place exists
        near = sorted(set(near_keys(wanted, table.towns)) | set(near_keys(wanted, table.by_city)))
        if len(near) != 1:
            continue
        site = next((s for s in subject.fit(sites(table, near[0])) if s.located), None)
        if site is not None:
            return _town(subject, site, "misspelt_town", Confidence.APPROXIMATE, "misspelt")
    return None


def named_site(subject: ListingInState) -> NamedPlace | None:
    """Find the place in the agency's name that fits the listing best."""
    cores = agency_kinds.variants(subject.name.core)
    if cores and squeeze(cores[0]) in subject.table.unlocated:
        cores = cores[:1]  # Junction City is a village of its own, and not Junction
    found = list(dict.fromkeys(s for core in cores for s in sites(subject.table, squeeze(core))))
    if not found:
        return None
    found = subject.fit(found)
    if subject.point is not None:
        return found[0]
    if subject.counties:
        inside = [s for s in found if counties_of(subject.table, s) & subject.counties]
        found = inside or found
    address = subject.address
    if address is not None and address.point is not None:
        return min(found, key=lambda s: _away_from(subject, s, address))
    if subject.counties:
        return found[0]
    by_hand = subject.name.designator in ("twp", "town")
    return min(found, key=lambda s: not s.known if by_hand else not s.located)


def _away_from(subject: ListingInState, site: NamedPlace, address: NamedPlace) -> float:
    """Kilometers from the address to a place; a township in the county of the address counts as near."""
    if site.point is not None and address.point is not None:
        away = distance(site.point, address.point)
        apart = subject.name.designator == "twp" and not counties_of(subject.table, site) & counties_around(
            subject.table, address
        )
        return away + BESIDE_COUNTY_KM if apart and away > COUNTY_KM else away
    main, *others = main_counties(subject.table, address)
    others += sorted(counties_around(subject.table, address))
    if site.county == main:
        return COUNTY_KM
    return BESIDE_COUNTY_KM if site.county in others else math.inf


def _named_only(subject: ListingInState, site: NamedPlace) -> Placement | None:
    """Find the place by the name alone, or by the name and a county."""
    if subject.counties and site.located and not counties_of(subject.table, site) & subject.counties:
        return _town(subject, site, "name", Confidence.CONFLICT, "other_county")
    if not site.located:
        return _township(subject, site)
    sure = not _rivals(subject, site) and not (subject.listing.city and subject.address is None)
    return _town(subject, site, "name", Confidence.EXACT if sure else Confidence.APPROXIMATE)


def _is_beside_another(subject: ListingInState, site: NamedPlace, address: NamedPlace) -> bool:
    """Whether a township of that name also lies in another county near the address. The post office of
    Boyertown, for example, serves both Douglass Townships.
    """
    if subject.name.designator != "twp" or subject.counties or subject.point is not None:
        return False
    table = subject.table
    about = counties_around(table, address) - counties_of(table, site)
    cores = agency_kinds.variants(subject.name.core)
    return any(
        counties_of(table, s) & about for core in cores for s in sites(table, squeeze(core)) if s != site
    )


def _is_outgrown(subject: ListingInState, site: NamedPlace) -> bool:
    """Whether a populated place of that name lies elsewhere while the post town has no population."""
    if site.population or subject.point is not None or subject.counties:
        return False
    others = sites(subject.table, squeeze(tuple(subject.city.split())))
    return any(s.population and s.located for s in others if s != site)


def _post_towns(subject: ListingInState) -> int:
    """Count the places with the address city's name that have ZIPs of their own."""
    if subject.point is not None or subject.counties:
        return 1
    return sum(bool(s.rows) for s in sites(subject.table, squeeze(tuple(subject.city.split()))))


def _rivals(subject: ListingInState, site: NamedPlace) -> bool:
    """Whether another place with the same name in the state could be meant. A much smaller one does not count
    if the first has a post office, unless the name says township.
    """
    if subject.point is not None or subject.counties:
        return False
    others = {
        s for core in agency_kinds.variants(subject.name.core) for s in sites(subject.table, squeeze(core))
    } - {site}
    if site.rows and site.population >= TOWN_PEOPLE and subject.name.designator != "twp":
        return any(s.population * MUCH >= site.population for s in others)
    return bool(others)


def _address_instead(subject: ListingInState, address: NamedPlace) -> Placement | None:
    other = agency_kinds.spoken(subject.name.core)
    return _town(subject, address, "address_city", Confidence.CONFLICT, "address_instead", other)


def _town(
    subject: ListingInState,
    site: NamedPlace,
    how: str,
    confidence: Confidence = Confidence.EXACT,
    rule: str = "covers",
    other: str = "",
) -> Placement | None:
    """The ZIPs of a town: for an independent city by land, for others by mailing city, distance and
    population.
    """
    table = subject.table
    if confidence is Confidence.EXACT and _is_astray(subject, site):
        confidence, rule = Confidence.CONFLICT, "point_astray"
    independent = [c for c in table.by_county.get(key(site.name), ()) if table.counties[c].independent]
    if independent:
        rows = _city_rows(subject, independent[0])
        reason = PlacementReason(rule, (table.counties[independent[0]].title,), other)
        return place(subject, rows, how, confidence, reason)
    rows = set(town_rows(table, site))
    if (
        subject.point is not None
        and site.point is not None
        and distance(subject.point, site.point) <= BOTH_KM
    ):
        rows.update(r for _, r in closest(table, subject.point, 1))
    return place(subject, rows, how, confidence, PlacementReason(rule, (site.name,), other))


def _is_astray(subject: ListingInState, site: NamedPlace) -> bool:
    """Whether the listing's point is farther from the town than any of its stations could be."""
    if subject.point is None or site.point is None:
        return False
    return distance(subject.point, site.point) > BOTH_KM + radius_km(site.population)


def _city_rows(subject: ListingInState, city: int) -> set[int]:
    """The ZIPs that lie mostly in an independent city or cover much of it; if there are none, all of its
    ZIPs.
    """
    table = subject.table
    rows = table.counties[city].zips
    shares = {r: dict(table.shares[r])[city] for r in rows}
    land = {r: shares[r] * max(table.radius[r], 0) ** 2 for r in rows}
    least = sum(land.values()) * GOOD_PIECE
    main = {r for r in rows if shares[r] >= GOOD_PART or land[r] > least}
    return main or set(rows)


def _township(subject: ListingInState, site: NamedPlace) -> Placement | None:
    """Place a township of which only the county is known: the ZIPs near its point, the part of the address
    city in the county, the village with its name in the county, or else the whole county.
    """
    table, county = subject.table, site.county
    assert county is not None
    title = table.counties[county].title
    inside = set(table.counties[county].zips)
    if subject.point is not None:
        rows = [r for _, r in closest(table, subject.point, 2, 12.0, areal=True)]
        return place(
            subject,
            rows,
            "township",
            Confidence.APPROXIMATE,
            PlacementReason("in_near_point", (title,)),
        )
    address = subject.address
    if address is not None:
        rows = [r for r in town_rows(table, address) if r in inside]
        beside = closest(table, address.point, len(table.zips), ADDRESS_KM, areal=True)
        rows = rows or [r for _, r in beside if r in inside][:1]
        if rows:
            reason = PlacementReason("in_with_address", (title,), address.name)
            return place(subject, rows, "township", Confidence.APPROXIMATE, reason)
        return None
    village = _namesake(subject, county)
    if village is not None:
        rows = [r for r in town_rows(table, village) if r in inside]
        reason = PlacementReason("in_near", (title,), village.name)
        return place(subject, rows, "township", Confidence.APPROXIMATE, reason)
    reason = PlacementReason("in_somewhere", (title,))
    return place(subject, inside, "township_county", Confidence.APPROXIMATE, reason)


def _namesake(subject: ListingInState, county: int) -> NamedPlace | None:
    """Find a village with the township's name in the county: Lampeter for West Lampeter."""
    core = agency_kinds.variants(subject.name.core)[-1]
    while len(core) > 1 and core[0] in _DIRECTIONS:
        core = core[1:]
    stem = squeeze(core)
    table = subject.table
    names = (n for known in (table.by_city, table.towns) for n in known)
    for name in (n for n in names if n.startswith(stem) and len(n) <= len(stem) + LONGER):
        site = next((s for s in sites(table, name) if s.located and county in counties_of(table, s)), None)
        if site is not None:
            return site
    return None
