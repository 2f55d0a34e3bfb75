"""From a town to its ZIPs: mailing city, distance and population together, since mailing cities reach beyond city limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from monitor.gazetteer.known import mailing
from monitor.gazetteer.names import key
from monitor.gazetteer.table import Point, StateTable, Town, distance

NEAREST_KM = 25.0  # how far a place without a ZIP may lie from the nearest
PEOPLE_PER_ZIP = 5000  # to rank places whose population is not known
SAME_PLACE_KM = 16.0  # so far the post town may lie from the populated place of its name
LARGE, LARGE_REACH = 500_000, 1.2  # cities of so many people are rarely round
WITHIN = 0.7  # of a ZIP's own radius: the town lies inside it
NEARER = 0.8  # another town without a post office of its own, so much nearer, has the ZIP
INSIDE = 0.8  # of the radius: nearer to the middle a ZIP is the town's whatever its mailing city
REACH_KM = 9.0  # so far a mailing city may reach beyond the radius of a small town
ABOUT_KM = 12.0  # where the ZIPs about the middle of a town are looked for
BY_HAND_KM = 5.0  # the ZIP nearest to a town's middle is its own also where the list does not name it
BESIDE_KM = 1.0  # a ZIP whose centre is hardly farther than the nearest one's


@dataclass(frozen=True, slots=True)
class Site:
    """One place that a name may mean: with a point, or known only to lie in a county (a township)."""

    name: str
    point: Point | None
    population: int = 0
    rows: tuple[int, ...] = ()  # ZIPs whose mailing city bears the name
    county: int | None = None
    known: bool = False  # the rows are the whole answer, from the hand-kept list of mailing names

    @property
    def located(self) -> bool:
        """Whether more than its county is known."""
        return self.point is not None or bool(self.rows)


def radius_km(population: int) -> float:
    """The radius of a town as large as its population suggests: between 1.5 and 35 km.

    American towns hold 300 to 1,500 people to the square kilometre, more the larger they are.
    """
    density = 350 + 60 * math.sqrt(max(population, 0)) / 10
    return min(35.0, max(1.5, math.sqrt(population / (math.pi * min(density, 1800)))))


def centre(table: StateTable, rows: tuple[int, ...]) -> Point | None:
    """The middle of ZIPs, those with an area of their own before the others."""
    inside = [r for r in rows if table.radius[r] >= 0] or list(rows)
    points = [p for p in map(table.point, inside) if p]
    if not points:
        return None
    return sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)


@lru_cache(maxsize=16384)
def sites(table: StateTable, name_key: str) -> tuple[Site, ...]:
    """Every place of that name in the state: the post town first, then by population; townships known by county last."""
    towns = table.towns.get(name_key, ())
    shared: dict[Town, list[int]] = {t: [] for t in towns}
    astray: list[int] = []  # the post town is another place than the populated places of that name
    for row in table.by_city.get(name_key, ()):
        here = table.point(row)
        nearest = min(towns, key=lambda t: distance(t.point, here)) if here and towns else None
        if nearest and here and distance(nearest.point, here) <= _same_place_km(nearest, table.radius[row]):
            shared[nearest].append(row)
        else:
            astray.append(row)
    found = [Site(t.name, t.point, t.population, tuple(shared[t])) for t in towns]
    if astray and not any(s.rows for s in found):
        rows = tuple(astray)
        found.append(Site(table.cities[table.city[rows[0]]], centre(table, rows), 0, rows))
    found = _with_mailing_names(table, name_key, found)
    found.sort(key=_rank)
    for county, _ in table.subdivisions.get(name_key, ()):
        if not any(county in counties_of(table, s) for s in found):
            found.append(Site(name_key.capitalize(), None, 0, (), county))
    return tuple(found)


def _rank(site: Site) -> tuple[bool, bool, int, Point]:
    """Post towns first, then what is known by hand, then the larger before the smaller."""
    people = site.population or PEOPLE_PER_ZIP * len(site.rows)
    return not site.rows, site.known and not site.population, -people, site.point or (0.0, 0.0)


def _with_mailing_names(table: StateTable, name_key: str, found: list[Site]) -> list[Site]:
    """Puts the hand-kept areas in the place of what they describe better, or before it."""
    for name, mail in mailing(table.state, name_key):
        rows = tuple(dict.fromkeys(r for m in mail for r in _mail_rows(table, m)))
        middle = centre(table, rows)
        same = next((s for s in found if s.point and middle and _is_near(s, s.point, middle)), None)
        if same is not None:
            found[found.index(same)] = replace(same, rows=rows, known=True)
        elif rows:
            found.append(Site(name, middle, 0, rows, known=True))
    return found


def _is_near(site: Site, point: Point, middle: Point) -> bool:
    return distance(point, middle) <= max(ABOUT_KM, radius_km(site.population))


def _mail_rows(table: StateTable, mail: str) -> tuple[int, ...]:
    if mail.isdigit():
        return (table.row[mail],) if mail in table.row else ()
    return table.by_city.get(key(mail), ())


def _same_place_km(town: Town, zip_radius: int) -> float:
    """How far the centre of a mailing city's ZIP may lie from the town of its name; wide ZIPs have theirs far out."""
    return max(SAME_PLACE_KM, 1.5 * radius_km(town.population), 1.2 * zip_radius / 10)


def counties_of(table: StateTable, site: Site) -> frozenset[int]:
    """The counties that a place lies in, as far as is known."""
    if site.county is not None:
        return frozenset((site.county,))
    rows = site.rows or tuple(r for _, r in closest(table, site.point, 1) if site.point)
    return frozenset(c for r in rows for c, _ in table.shares[r])


def main_counties(table: StateTable, site: Site) -> list[int]:
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
    """The nearest ZIPs of a point, at most so many and so far."""
    if point is None:
        return []
    near = sorted(table.near(point, km))
    if areal:
        near = [pair for pair in near if table.radius[pair[1]] >= 0] or near
    return near[:count]


@lru_cache(maxsize=8192)
def town_rows(table: StateTable, site: Site) -> tuple[int, ...]:
    """The ZIPs of a town: as listed by hand; or those of its mailing city that lie near enough for its size, those about its middle, and the
    post office nearest to it."""
    if site.point is None:
        return site.rows
    if site.known:
        return tuple(sorted({*site.rows, *(row for _, row in closest(table, site.point, 1, BY_HAND_KM))}))
    limit = radius_km(site.population)
    near = sorted(table.near(site.point, max(limit, ABOUT_KM)))
    related = _related(table, site, near)
    if related:
        return related
    areal = [(away, row) for away, row in near if table.radius[row] >= 0]
    mail = sorted(
        (away, row)
        for away, row in ((_away(table, r, site.point), r) for r in site.rows)
        if table.radius[row] >= 0
    )
    chosen = {row for row in site.rows if _belongs(table, row, site, limit)}
    chosen.update(row for _, row in mail[:1])
    chosen.update(
        row for away, row in near if away <= limit * INSIDE and not _other_town_nearer(table, row, site, away)
    )
    chosen.update(row for _, row in near[:1])
    if areal:
        chosen.update(row for away, row in areal if away <= areal[0][0] + BESIDE_KM)
        chosen.add(min(areal, key=lambda pair: pair[0] / max(table.radius[pair[1]], 3))[1])
    if not chosen:
        chosen = set(site.rows) or {row for _, row in closest(table, site.point, 3)}
    return tuple(sorted(chosen))


def _related(table: StateTable, site: Site, near: list[tuple[float, int]]) -> tuple[int, ...]:
    """What the Census relation says, where the table was built with it: the land decides, and the town's own PO boxes come with it."""
    rows = {row for row, _ in table.relation.get(key(site.name), ())}
    if not rows & {row for _, row in near}:
        return ()
    return tuple(sorted(rows | {row for row in site.rows if table.radius[row] < 0}))


def _away(table: StateTable, row: int, point: Point) -> float:
    here = table.point(row)
    return distance(here, point) if here else 0.0


def _belongs(table: StateTable, row: int, site: Site, limit: float) -> bool:
    """Whether a ZIP of the mailing city is the town's: near enough for its size, and not nearer to another town."""
    here = table.point(row)
    if here is None or site.point is None:
        return True
    away = distance(here, site.point)
    reach = limit * LARGE_REACH if site.population >= LARGE else limit
    if away <= max(reach, table.radius[row] / 10 * WITHIN):
        return True
    if away > max(REACH_KM, limit * 1.3):
        return False
    return not any(
        town.point != site.point and town.population >= 1000 and key(town.name) not in table.by_city
        for town in table.towns_near(here, away * NEARER)
    )


def _other_town_nearer(table: StateTable, row: int, site: Site, km: float) -> bool:
    here = table.point(row)
    assert here is not None
    return any(town.point != site.point for town in table.towns_near(here, km))
