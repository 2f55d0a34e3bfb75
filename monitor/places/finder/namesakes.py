"""Decides which of several places with the same name is meant, or asks: by population, kind and ZIPs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from monitor.places.areas import PEOPLE_PER_ZIP
from monitor.places.finder.offices import campus_areas, county_areas
from monitor.places.finder.result import FinderResult, label_area
from monitor.places.gazetteer import Gazetteer, TownZips

CHOICES = 60
"""The most towns to choose from, the largest first."""

CITY = 250_000
"""The population from which a city with a state's name may be meant: Washington, not Louisiana, MO."""

SMALL_TOWN = 10_000
"""The population below which a town may also be a part of the state in its name (West, Texas), or a slip for
a city.
"""

MUCH = 10
"""Times as many people (or ZIPs of a county) as the next of its name make a place the one that is meant."""

MORE = 3
"""Times as many people in a county as in the town of its name make a question of the name."""

LARGE_COUNTY, LARGE_TOWN = 20, 50_000
"""ZIPs from which a county is offered beside towns of its name (Westchester County, NY); beside a city only a
county that is much larger.
"""

FAR_COUNTY = 10
"""ZIPs from which a county elsewhere is asked about: Terrebonne, Oregon, and the parish in Louisiana."""

MANY_ZIPS = 5
"""From so many ZIPs on a town of unknown population is estimated by them."""


def choose(towns: tuple[TownZips, ...], states: tuple[str, ...], gazetteer: Gazetteer) -> FinderResult:
    """Make a result of these choices; the first one is meant if it is clearly the most likely."""
    towns = _with_counties(towns[:CHOICES], gazetteer) + towns[CHOICES:]
    if len(towns) + len(states) == 1:
        sure = True
    elif states or not towns:
        sure = len(states) == 1 and not any(area.meant or area.population >= CITY for area in towns)
    else:
        first, second = towns[:2]
        alike = all(area.kind == first.kind for area in towns)  # not Hollywood, Florida, and the neighborhood
        larger = estimate_population(first) >= MUCH * max(estimate_population(second), 1)
        guessed = first.kind == "town" and not first.population and not second.population
        sure = (first.meant and not second.meant) or (alike and larger and not guessed)
    return FinderResult(towns=towns[:CHOICES], states=states, more=len(towns) > CHOICES, sure=sure)


def estimate_population(area: TownZips) -> int:
    """The population; if unknown (San Juan, PR), estimated by the number of ZIPs."""
    many = area.kind == "town" and len(area.zips) >= MANY_ZIPS
    return area.population or (PEOPLE_PER_ZIP * len(area.zips) if many else 0)


def _with_counties(towns: tuple[TownZips, ...], gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """Distinguish towns with the same name and state by county: "Springfield (Delaware County)"."""
    count = Counter(map(label_area, towns))
    return tuple(
        replace(town, name=f"{town.name} ({county})")
        if count[label_area(town)] > 1 and (county := county_of(town, gazetteer))
        else town
        for town in towns
    )


def county_of(town: TownZips, gazetteer: Gazetteer) -> str:
    """The county with the largest share of most of a town's ZIPs; "" if no share is known."""
    table = gazetteer.table.state(town.state)
    within = (table.shares.counties(table.row[zip_code]) for zip_code in town.zips)
    count = Counter(counties[0] for counties in within if counties)
    return table.counties[count.most_common(1)[0][0]].title if count else ""


def add_namesakes(result: FinderResult, rest: str, state: str | None, gazetteer: Gazetteer) -> FinderResult:
    """A question with the large counties and the universities with that name after its towns."""
    largest = estimate_population(result.towns[0])
    of_city = largest >= LARGE_TOWN
    others = (
        *(
            county
            for county in county_areas(rest, state, gazetteer, explicit=False)
            if len(county.zips) >= LARGE_COUNTY
            and (not of_city or PEOPLE_PER_ZIP * len(county.zips) >= MORE * largest)
        ),
        *(() if of_city else campus_areas(rest, state, gazetteer)),
    )
    return replace(result, towns=distinct_areas((*result.towns, *others))[:CHOICES])


def add_larger_namesakes(result: FinderResult, name: str, gazetteer: Gazetteer) -> FinderResult:
    """A question if many more people live in a county with that name than in the town, or if a small town is
    not the town of the university or airport with its name: "Cook" is a town in Minnesota, "Cornell" one in
    Wisconsin. A city within its own county takes precedence over the county.
    """
    town = result.towns[0]
    if town.kind != "town" or town.meant:
        return result
    large = tuple(
        county
        for county in county_areas(name, None, gazetteer, explicit=False)
        if not name.lower().endswith(" city")  # Arkansas City is no county
        and len(county.zips) >= (LARGE_COUNTY if set(county.zips) & set(town.zips) else FAR_COUNTY)
        and PEOPLE_PER_ZIP * len(county.zips) >= MORE * estimate_population(town)
        and (estimate_population(town) < LARGE_TOWN or set(county.zips).isdisjoint(town.zips))
    )
    elsewhere = tuple(
        campus
        for campus in campus_areas(name, None, gazetteer)
        if estimate_population(town) < LARGE_TOWN and set(campus.zips).isdisjoint(town.zips)
    )
    if not large and not elsewhere:
        return result
    return replace(result, towns=distinct_areas((*result.towns, *large, *elsewhere))[:CHOICES], sure=False)


def distinct_areas(towns: tuple[TownZips, ...]) -> tuple[TownZips, ...]:
    """The areas with distinct sets of ZIPs in each state: small places with the same name often share a post
    office.
    """
    seen: dict[tuple[str, tuple[str, ...]], TownZips] = {}
    for town in towns:
        if town.zips:
            seen.setdefault((town.state, town.zips), town)
    return tuple(seen.values())
