"""Finds the ZIPs of a town by mailing city, distance and population."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain

from monitor.places.known import mailing, mailing_of
from monitor.places.names import key
from monitor.places.packaged_table import BUILDING, Point, StateTable, Town, distance, list_names

NEAREST_KM = 25.0  # the largest distance of a place without a ZIP from the nearest one
PEOPLE_PER_ZIP = 5000  # to rank places whose population is not known
SAME_PLACE_KM = 16.0  # so far the post town may lie from the populated place of its name
WITHIN = 0.7  # of a ZIP's own radius: the town lies inside it
INSIDE = 0.8  # of the radius: nearer to the middle a ZIP is the town's whatever its mailing city
ABOUT_KM = 12.0  # where the ZIPs about the middle of a town are looked for
AROUND_KM = 6.0  # how far from a place the ZIPs are whose counties it may lie in
BY_HAND_KM = 5.0  # the ZIP nearest to a town's center belongs to it even if the list does not name it
BESIDE_KM = 1.0  # a ZIP whose center is hardly farther than the nearest one's

# A ZIP is assigned by depth: the distance of its center from the center of a town, in units of the town's
# radius. Depth up to which a mailing city's ZIPs may be the town's, and the kilometers beyond its radius.
REACH, REACH_KM = 3.0, 9.0
LISTED = 1.75  # deeper a ZIP that the hand-kept list gives to another municipality is that one's
FILLS = 0.5  # of a ZIP's radius: a smaller neighbor does not fill the ZIP that it lies in
OUTSKIRTS = 1.25  # from this depth on weaker evidence gives a ZIP to a neighbor
POSTED = 0.4  # depth up to which a neighbor with ZIPs of its own has the ZIP as well
NEIGHBOUR, NEIGHBOUR_OUTSIDE = 0.7, 1.0  # the same for one without, and on the outskirts
SUBURB = 0.8  # the same for a suburb without a government, only on the outskirts
ENCLAVE, RIM = 0.5, 0.85  # the same inside the town's radius beyond the rim, if it is half as deep
FAR, NEARER = (
    2.0,
    0.8,
)  # deeper a small town loses its ZIP to any place without ZIPs of its own that is so much nearer
SMALL = 50_000  # people of a small town
NEIGHBOUR_PEOPLE = 1000  # smaller places have no ZIP of another town's
CITY = (
    35_000  # towns from this size on take no ZIP from a larger one's mailing city that is less deep in theirs
)
LARGE = 80_000  # cities from this size on reach into the wide ZIPs on their edge that lie deepest in them
DEEP = 0.4  # unless it lies in their middle
# Depth up to which a town takes ZIPs that lie deepest in it, having none or some of its own, and where
# others are looked for.
CLAIM, CLAIM_BESIDE, CLAIM_KM = 1.6, 1.0, 30.0
OWN_DEPTH = 1.2  # up to which a ZIP with a city's name is not to be taken by a town that has ZIPs of its own
_HALF = 0.5

SAME, FAR_OFF = "=", ">"  # in what is packaged of a town's ZIPs


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """One possible place of a name: with a point, or known only by its county (a township)."""

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


def centre(table: StateTable, rows: tuple[int, ...]) -> Point | None:
    """The center of ZIPs; ZIPs with an area of their own are preferred."""
    inside = _areal(table, rows) or list(rows)
    points = [p for p in map(table.point, inside) if p]
    if not points:
        return None
    return sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)


@lru_cache(maxsize=16384)
def sites(table: StateTable, name_key: str) -> tuple[NamedPlace, ...]:
    """All places of a name in the state: post towns first, then by population, then townships."""
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
        found.append(NamedPlace(table.cities[table.city[rows[0]]], centre(table, rows), 0, rows))
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
    """The places with their ZIPs from the packaged table, as `pack_towns` wrote them."""
    texts = iter(packaged.split(";"))
    for site in found:
        text = next(texts, "") if site.located else ""
        yield _with_rows(site, _read_rows(table, site, text)) if text else site


def _with_rows(site: NamedPlace, rows: tuple[int, ...]) -> NamedPlace:
    """Does what `replace` would do, in a third of its time."""
    return NamedPlace(site.name, site.point, site.population, site.rows, site.county, site.known, rows)


def _read_rows(table: StateTable, site: NamedPlace, text: str) -> tuple[int, ...]:
    """Read the ZIPs of a town in the encoding of `_write_rows`."""
    if text == SAME:
        return tuple(sorted(site.rows))
    added, _, left_out = text.partition("-")
    own = (
        [row for at, row in enumerate(site.rows) if at not in set(map(int, left_out.split(",")))]
        if left_out
        else list(site.rows)
    )
    near = _others_near(table, site) if added else []
    for number in filter(None, added.split(",")):
        own.append(int(number[1:]) if number[0] == FAR_OFF else near[int(number)])
    return tuple(sorted(own))


def _write_rows(table: StateTable, site: NamedPlace) -> str:
    """Encode the ZIPs of a town as the difference from those of its mailing city.

    Other ZIPs are given by their rank of distance from its center, or by their row if they are far away.
    """
    rows = town_rows(table, site)
    if not rows or set(rows) == set(site.rows):
        return SAME if rows else ""
    near = {row: at for at, row in enumerate(_others_near(table, site))}
    added = sorted(near.get(row, row + len(table.zips)) for row in rows if row not in site.rows)
    numbers = (str(at) if at < len(table.zips) else f"{FAR_OFF}{at - len(table.zips)}" for at in added)
    left_out = ",".join(str(at) for at, row in enumerate(site.rows) if row not in rows)
    return ",".join(numbers) + (f"-{left_out}" if left_out else "")


def _others_near(table: StateTable, site: NamedPlace) -> list[int]:
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
        middle = centre(table, rows)
        same = next((s for s in found if s.point and middle and _is_near(s, s.point, middle)), None)
        same = same or next((s for s in found if not s.population and not _areal(table, s.rows)), None)
        if same is not None:
            boxes = (
                r
                for r in same.rows
                if _is_one_receivers(table, r, same)
                and not (middle and _away(table, r, middle) > NEAREST_KM)  # of a namesake's post office
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
    """The counties that a place lies in, as far as is known."""
    if site.county is not None:
        return frozenset((site.county,))
    rows = site.rows or tuple(r for _, r in closest(table, site.point, 1) if site.point)
    return frozenset(chain.from_iterable(map(table.shares.counties, rows)))


def counties_around(table: StateTable, site: NamedPlace) -> frozenset[int]:
    """The counties of a place and of the ZIPs about it; the nearest center may be across a county line."""
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


def town_rows(table: StateTable, site: NamedPlace) -> tuple[int, ...]:
    """The ZIPs of a town.

    From the packaged table, or the manually maintained list; otherwise those of its mailing city that are
    near enough for its size, those around its center, and the post office nearest to it.
    """
    if site.packaged is not None:
        return site.packaged
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
    beside = {
        row for away, row in near if away <= limit * INSIDE and not _other_town_nearer(table, row, site, away)
    }
    beside.update(row for _, row in near[:1])
    if areal:
        beside.update(row for away, row in areal if away <= areal[0][0] + BESIDE_KM)
        beside.add(min(areal, key=lambda pair: pair[0] / max(table.radius[pair[1]], 3))[1])
    if mail and site.population >= CITY:
        beside = {row for row in beside if not _is_its_own_citys(table, row, site, limit)}
    if not mail or site.population >= CITY:
        claim = limit * (CLAIM_BESIDE if mail else CLAIM)
        beside.update(
            row
            for away, row in areal
            if away <= claim
            and not _is_deeper_elsewhere(table, row, site, away / limit)
            and not (mail and _is_near_its_own_city(table, row))
        )
    chosen |= beside
    if not chosen:
        chosen = set(site.rows) or {row for _, row in closest(table, site.point, 3)}
    return tuple(sorted(chosen))


def pack_towns(table: StateTable) -> str:
    """The ZIPs of every town and post town of a state, for the packaged table."""
    return "|".join(
        ";".join(_write_rows(table, site) for site in sites(table, name) if site.located)
        for name in list_names(table.towns, table.by_city)
    )


def _related(table: StateTable, site: NamedPlace, near: list[tuple[float, int]]) -> tuple[int, ...]:
    """The ZIPs of the Census relation, if the table was built with it, and the town's own PO boxes."""
    rows = {row for row, _ in table.relation.get(key(site.name), ())}
    if not rows & {row for _, row in near}:
        return ()
    return tuple(sorted(rows | {row for row in site.rows if table.radius[row] < 0}))


def _away(table: StateTable, row: int, point: Point) -> float:
    here = table.point(row)
    return distance(here, point) if here else 0.0


def reach_km(limit: float) -> float:
    """The largest distance of a ZIP with a town's mailing name from the center of a town with that radius."""
    return max(REACH_KM, min(limit * REACH, limit + REACH_KM))


def _belongs(table: StateTable, row: int, site: NamedPlace, limit: float) -> bool:
    """Whether a ZIP of the mailing city is the town's: near enough for its size, and not a neighbor's."""
    here = table.point(row)
    if here is None or site.point is None:
        return True
    away = distance(here, site.point)
    core = max(limit, table.radius[row] / 10 * WITHIN)
    if away > max(reach_km(limit), limit + table.radius[row] / 10 * WITHIN):
        return (
            site.population >= LARGE
            and away <= reach_km(limit) + table.radius[row] / 10
            and not _is_deeper_elsewhere(table, row, site, away / limit)
        )
    listed = _listed(table).get(row)
    if listed and away > limit * LISTED and key(site.name) not in listed:
        return False
    has = _has_enclave if away <= core else _has
    return not any(
        has(table, town, row, distance(town.point, here), site, away / limit)
        for town in table.towns_near(here, away, NEIGHBOUR_PEOPLE)
        if town.point != site.point and key(town.name) != key(site.name)
    )


@lru_cache(maxsize=128)
def _listed(table: StateTable) -> dict[int, frozenset[str]]:
    """The ZIPs that the manually maintained list assigns to municipalities, with their keys."""
    found: dict[int, frozenset[str]] = {}
    for name, mails in mailing_of(table.state):
        for row in (table.row[m] for m in mails if m in table.row):
            found[row] = found.get(row, frozenset()) | {name}
    return found


def _has_enclave(table: StateTable, town: Town, row: int, km: float, site: NamedPlace, depth: float) -> bool:
    """Whether a municipality without ZIPs fills a ZIP within the town's radius (Midwest City)."""
    theirs = km / radius_km(town.population)
    return (
        town.governed
        and key(town.name) not in table.by_city
        and _fills(table, town, row)
        and depth > RIM
        and theirs < min(ENCLAVE, depth * _HALF)
    )


def _has(table: StateTable, town: Town, row: int, km: float, site: NamedPlace, depth: float) -> bool:
    """Whether a neighbor has a ZIP outside the town's radius, by how deep it lies in each."""
    theirs = km / radius_km(town.population)
    posted = key(town.name) in table.by_city
    if (
        not posted
        and depth > FAR
        and site.population < SMALL
        and km <= (depth * radius_km(site.population) * NEARER)
    ):
        return True
    if theirs >= depth or not _fills(table, town, row):
        return False
    if posted:
        return town.governed and theirs < POSTED
    if not town.governed:
        return depth > OUTSKIRTS and theirs < SUBURB and town.population < site.population * _HALF
    return theirs < (NEIGHBOUR_OUTSIDE if depth > OUTSKIRTS else NEIGHBOUR)


def _fills(table: StateTable, town: Town, row: int) -> bool:
    """Whether a neighbor is large enough for a ZIP to be its own, rather than a village within it."""
    return radius_km(town.population) >= table.radius[row] / 10 * FILLS


def _is_its_own_citys(table: StateTable, row: int, site: NamedPlace, limit: float) -> bool:
    """Whether a ZIP lies deeper in its mailing city than in the town (60644: Chicago, not Oak Park)."""
    name, here = key(table.cities[table.city[row]]), table.point(row)
    if here is None or site.point is None or name == key(site.name) or row in site.rows:
        return False
    depth = distance(here, site.point) / limit
    bound = depth if depth >= DEEP else depth * _HALF
    return table.radius[row] >= 0 and any(
        distance(here, town.point) / radius_km(town.population) < bound
        for town in table.towns.get(name, ())
        if town.governed
    )


def _is_near_its_own_city(table: StateTable, row: int) -> bool:
    """Whether the town of a ZIP's mailing name surrounds it, or has no government ("Old Greenwich")."""
    here = table.point(row)
    towns = table.towns.get(key(table.cities[table.city[row]]), ())
    return here is None or not any(
        town.governed and distance(here, town.point) / radius_km(town.population) > OWN_DEPTH
        for town in towns
    )


def _is_deeper_elsewhere(table: StateTable, row: int, site: NamedPlace, depth: float) -> bool:
    """Whether a ZIP lies deeper in another municipality than in the town, which has none of its own."""
    here = table.point(row)
    return here is None or any(
        distance(here, town.point) / radius_km(town.population) < depth
        for town in table.towns_near(here, CLAIM_KM, NEIGHBOUR_PEOPLE)
        if town.point != site.point and town.governed
    )


def _other_town_nearer(table: StateTable, row: int, site: NamedPlace, km: float) -> bool:
    here = table.point(row)
    assert here is not None
    return any(town.point != site.point for town in table.towns_near(here, km))
