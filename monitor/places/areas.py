"""Finds the places of a name in a state: by mailing city, distance and population."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain

from monitor.places.hand_kept_tables import mailing
from monitor.places.names import key
from monitor.places.packaged_table import BUILDING, Point, StateTable, Town, distance

NEAREST_KM = 25.0  # the largest distance of a place without a ZIP from the nearest one
PEOPLE_PER_ZIP = 5000  # to rank places whose population is not known
SAME_PLACE_KM = 16.0  # so far the post town may lie from the populated place of its name
ABOUT_KM = 12.0  # where the ZIPs about the middle of a town are looked for
AROUND_KM = 6.0  # how far from a place the ZIPs are whose counties it may lie in

# Depth (`town_zips`) up to which a mailing city's ZIPs may be a town's, and the kilometers beyond its radius.
REACH, REACH_KM = 3.0, 9.0
LARGE = 80_000  # cities from this size on reach into the wide ZIPs on their edge that lie deepest in them

SAME, FAR_OFF = "=", ">"  # in what is packaged of a town's ZIPs


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """A possible place with a name: with a point, or known only by its county (a township)."""

    name: str
    point: Point | None
    population: int = 0
    rows: tuple[int, ...] = ()  # ZIPs whose mailing city bears the name
    county: int | None = None
    known: bool = False  # the rows are complete, from the manually maintained list of mailing names
    packaged: tuple[int, ...] | None = field(default=None, compare=False)  # what `town_rows` works out

    @property
    def located(self) -> bool:
        """Whether more than its county is known."""
        return self.point is not None or bool(self.rows)


def radius_km(population: int) -> float:
    """Estimate the radius of a town from its population: between 1.5 and 35 km.

    American towns have 300 to 1,500 people per square kilometer, more the larger they are.
    """
    density = 350 + 60 * math.sqrt(max(population, 0)) / 10
    return min(35.0, max(1.5, math.sqrt(population / (math.pi * min(density, 1800)))))


def center(table: StateTable, rows: tuple[int, ...]) -> Point | None:
    """The center of ZIPs; ZIPs with an area of their own are preferred."""
    inside = _areal(table, rows) or list(rows)
    points = [p for p in map(table.point, inside) if p]
    if not points:
        return None
    return sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)


@lru_cache(maxsize=16384)
def sites(table: StateTable, name_key: str) -> tuple[NamedPlace, ...]:
    """All places with a name in the state: post towns first, then by population, then townships."""
    by_hand = mailing(table.state, name_key)
    named = table.find_name(name_key)
    if named is None and not by_hand:
        return ()
    towns, posted, subdivisions = (named.towns, named.posted, named.subdivisions) if named else ((), (), ())
    shared: list[list[int]] = [[] for _ in towns]
    astray: list[int] = []  # the post town is another place than the populated places of that name
    for row in posted if towns else ():
        here = table.point(row)
        away, at = _nearest(towns, here) if here else (math.inf, 0)
        if away <= SAME_PLACE_KM or away <= _same_place_km(towns[at], table.radius[row]):
            shared[at].append(row)
        else:
            astray.append(row)
    if not towns:
        astray.extend(posted)
    found = [
        NamedPlace(town.name, town.point, town.population, tuple(rows))
        for town, rows in zip(towns, shared, strict=True)
    ]
    if astray and not any(s.rows for s in found):
        rows = tuple(astray)
        found.append(NamedPlace(table.cities[table.city[rows[0]]], center(table, rows), 0, rows))
    if by_hand:
        found = _with_mailing_names(table, by_hand, found)
    found.sort(key=_rank)
    held = {county for site in found for county in counties_of(table, site)} if subdivisions else set()
    for county, _ in subdivisions:
        if county not in held:
            held.add(county)
            found.append(NamedPlace(name_key.capitalize(), None, 0, (), county))
    return tuple(_with_packaged_zips(table, named.town_zips, found) if named else found)


def _nearest(towns: tuple[Town, ...], here: Point) -> tuple[float, int]:
    """The town whose point is the nearest: kilometers and its position."""
    if len(towns) == 1:
        return distance(towns[0].point, here), 0
    return min((distance(town.point, here), at) for at, town in enumerate(towns))


def _with_packaged_zips(table: StateTable, packaged: str, found: list[NamedPlace]) -> Iterator[NamedPlace]:
    """The places with their ZIPs from the packaged table, as `town_zips.pack_towns` wrote them."""
    texts = iter(packaged.split(";"))
    for site in found:
        text = next(texts, "") if site.located else ""
        yield _with_rows(site, _read_rows(table, site, text)) if text else site


def _with_rows(site: NamedPlace, rows: tuple[int, ...]) -> NamedPlace:
    """Does the same as `replace`, in a third of the time."""
    return NamedPlace(site.name, site.point, site.population, site.rows, site.county, site.known, rows)


def _read_rows(table: StateTable, site: NamedPlace, text: str) -> tuple[int, ...]:
    """Read the ZIPs of a town in the encoding of `town_zips.pack_towns`."""
    if text == SAME:
        return tuple(sorted(site.rows))
    added, _, left_out = text.partition("-")
    own = (
        [row for at, row in enumerate(site.rows) if at not in set(map(int, left_out.split(",")))]
        if left_out
        else list(site.rows)
    )
    near = others_near(table, site) if added else []
    for number in filter(None, added.split(",")):
        own.append(int(number[1:]) if number[0] == FAR_OFF else near[int(number)])
    return tuple(sorted(own))


def others_near(table: StateTable, site: NamedPlace) -> list[int]:
    """The ZIPs around a place that do not have its name, the nearest first."""
    own = set(site.rows)
    return [row for row in table.rank_near(site.point) if row not in own] if site.point else []


def _rank(site: NamedPlace) -> tuple[bool, bool, int, Point]:
    """The sort key: post towns first, then manually listed places, then by descending population."""
    people = site.population or PEOPLE_PER_ZIP * len(site.rows)
    return not site.rows, site.known and not site.population, -people, site.point or (0.0, 0.0)


def _with_mailing_names(
    table: StateTable, by_hand: tuple[tuple[str, tuple[str, ...]], ...], found: list[NamedPlace]
) -> list[NamedPlace]:
    """Replace places by the manually listed areas that describe them better, or insert these before them."""
    for name, mail in by_hand:
        rows = tuple(dict.fromkeys(r for m in mail for r in _mail_rows(table, m)))
        middle = center(table, rows)
        same = next((s for s in found if s.point and middle and _is_near(s, s.point, middle)), None)
        same = same or next((s for s in found if not s.population and not _areal(table, s.rows)), None)
        if same is not None:
            boxes = (
                r
                for r in same.rows
                if _is_one_receivers(table, r, same)
                and not (middle and km_away(table, r, middle) > NEAREST_KM)  # of a namesake's post office
            )
            found[found.index(same)] = replace(
                same,
                point=same.point if same.population else middle,
                rows=tuple(dict.fromkeys((*rows, *boxes))),
                known=True,
            )
        elif rows:
            found.append(NamedPlace(name, middle, 0, rows, known=True))
    return found


def _is_one_receivers(table: StateTable, row: int, site: NamedPlace) -> bool:
    """Whether a ZIP is PO boxes, or one building or campus within the town."""
    size, here = table.radius[row], table.point(row)
    if size < 0 or here is None or site.point is None:
        return size < 0
    return size < BUILDING and distance(here, site.point) <= radius_km(site.population)


def _areal(table: StateTable, rows: tuple[int, ...]) -> list[int]:
    return [r for r in rows if table.radius[r] >= 0]


def _is_near(site: NamedPlace, point: Point, middle: Point) -> bool:
    return distance(point, middle) <= max(ABOUT_KM, radius_km(site.population))


def _mail_rows(table: StateTable, mail: str) -> tuple[int, ...]:
    if mail.isdigit():
        return (table.row[mail],) if mail in table.row else ()
    return table.by_city.get(key(mail), ())


def _same_place_km(town: Town, zip_radius: int) -> float:
    """The most km from a town to the center of a ZIP of its mailing name; wide ZIPs have theirs far out."""
    reach = reach_km(radius_km(town.population))
    beyond = zip_radius / 10 if town.population >= LARGE else 0.0
    return max(SAME_PLACE_KM, reach + beyond, 1.2 * zip_radius / 10)


def counties_of(table: StateTable, site: NamedPlace) -> frozenset[int]:
    """The counties of a place, as far as they are known."""
    if site.county is not None:
        return frozenset((site.county,))
    rows = site.rows or tuple(r for _, r in closest(table, site.point, 1) if site.point)
    return frozenset(chain.from_iterable(map(table.shares.counties, rows)))


def counties_around(table: StateTable, site: NamedPlace) -> frozenset[int]:
    """The counties of a place and of the ZIPs around it, because the nearest center may be across a county
    line.
    """
    rows = (r for _, r in closest(table, site.point, 8, AROUND_KM, areal=True))
    return counties_of(table, site).union(*map(table.shares.counties, rows))


def main_counties(table: StateTable, site: NamedPlace) -> list[int]:
    """The counties of a located place, the one that holds most of its ZIPs first."""
    rows = site.rows or tuple(r for _, r in closest(table, site.point, 1))
    weight: dict[int, int] = {}
    for row in rows:
        for county, percent in table.shares[row]:
            weight[county] = weight.get(county, 0) + percent
    return sorted(weight, key=lambda c: (-weight[c], c)) or [-1]


def closest(
    table: StateTable, point: Point | None, count: int, km: float = NEAREST_KM, areal: bool = False
) -> list[tuple[float, int]]:
    """The nearest ZIPs of a point, at most ``count`` and within ``km``."""
    if point is None:
        return []
    near = sorted(table.near(point, km))
    if areal:
        near = [pair for pair in near if table.radius[pair[1]] >= 0] or near
    return near[:count]


def km_away(table: StateTable, row: int, point: Point) -> float:
    """The kilometers of a ZIP from a point; 0 if its center is not known."""
    here = table.point(row)
    return distance(here, point) if here else 0.0


def reach_km(limit: float) -> float:
    """The largest distance of a ZIP with a town's mailing name from the center of a town with that radius."""
    return max(REACH_KM, min(limit * REACH, limit + REACH_KM))
