"""Decides which ZIPs belong to a town: by mailing city, distance, population and neighboring towns."""

from __future__ import annotations

from functools import lru_cache

from monitor.places.areas import (
    ABOUT_KM,
    FAR_OFF,
    LARGE,
    SAME,
    NamedPlace,
    closest,
    km_away,
    others_near,
    radius_km,
    reach_km,
    sites,
)
from monitor.places.hand_kept_tables import mailing_of
from monitor.places.names import key
from monitor.places.packaged_table import StateTable, Town, distance, list_names

WITHIN = 0.7  # of a ZIP's own radius: the town lies inside it
INSIDE = 0.8  # of the radius: nearer to the middle a ZIP is the town's whatever its mailing city
BY_HAND_KM = 5.0  # the ZIP nearest to a town's center belongs to it even if the list does not name it
BESIDE_KM = 1.0  # a ZIP whose center is hardly farther than the nearest one's

# A ZIP is assigned by depth: the distance of its center from the center of a town, in units of the town's
# radius.
LISTED = 1.75  # deeper a ZIP that the hand-kept list gives to another municipality is that one's
FILLS = 0.5  # of a ZIP's radius: a smaller neighbor does not fill the ZIP that it lies in
OUTSKIRTS = 1.25  # from this depth on weaker evidence gives a ZIP to a neighbor
POSTED = 0.4  # depth up to which a neighbor with ZIPs of its own has the ZIP as well
NEIGHBOR, NEIGHBOR_OUTSIDE = 0.7, 1.0  # the same for one without, and on the outskirts
SUBURB = 0.8  # the same for a suburb without a government, only on the outskirts
ENCLAVE, RIM = 0.5, 0.85  # the same inside the town's radius beyond the rim, if it is half as deep
FAR, NEARER = (
    2.0,
    0.8,
)  # deeper a small town loses its ZIP to any place without ZIPs of its own that is so much nearer
SMALL = 50_000  # people of a small town
NEIGHBOR_PEOPLE = 1000  # smaller places have no ZIP of another town's
CITY = (
    35_000  # towns from this size on take no ZIP from a larger one's mailing city that is less deep in theirs
)
DEEP = 0.4  # unless it lies in their middle
# Depth up to which a town takes ZIPs that lie deepest in it, having none or some of its own, and where
# others are looked for.
CLAIM, CLAIM_BESIDE, CLAIM_KM = 1.6, 1.0, 30.0
OWN_DEPTH = 1.2  # up to which a ZIP with a city's name is not to be taken by a town that has ZIPs of its own
_HALF = 0.5


def town_rows(table: StateTable, site: NamedPlace) -> tuple[int, ...]:
    """The ZIPs of a town: from the packaged table or the hand-kept list; otherwise the ZIPs of its mailing
    city that are near enough for its size, those around its center, and the post office nearest to it.
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
        for away, row in ((km_away(table, r, site.point), r) for r in site.rows)
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


def _write_rows(table: StateTable, site: NamedPlace) -> str:
    """Encode the ZIPs of a town as the difference from those of its mailing city.

    Other ZIPs are given by their rank of distance from its center, or by their row if they are far away.
    """
    rows = town_rows(table, site)
    if not rows or set(rows) == set(site.rows):
        return SAME if rows else ""
    near = {row: at for at, row in enumerate(others_near(table, site))}
    added = sorted(near.get(row, row + len(table.zips)) for row in rows if row not in site.rows)
    numbers = (str(at) if at < len(table.zips) else f"{FAR_OFF}{at - len(table.zips)}" for at in added)
    left_out = ",".join(str(at) for at, row in enumerate(site.rows) if row not in rows)
    return ",".join(numbers) + (f"-{left_out}" if left_out else "")


def _related(table: StateTable, site: NamedPlace, near: list[tuple[float, int]]) -> tuple[int, ...]:
    """The ZIPs of the Census relation, if the table was built with it, and the town's own PO boxes."""
    rows = {row for row, _ in table.relation.get(key(site.name), ())}
    if not rows & {row for _, row in near}:
        return ()
    return tuple(sorted(rows | {row for row in site.rows if table.radius[row] < 0}))


def _belongs(table: StateTable, row: int, site: NamedPlace, limit: float) -> bool:
    """Whether a ZIP of the mailing city belongs to the town: it is near enough for the town's size, and does
    not belong to a neighbor.
    """
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
        for town in table.towns_near(here, away, NEIGHBOR_PEOPLE)
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
    """Whether a ZIP outside the town's radius belongs to a neighbor, by how deep it lies in each."""
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
    return theirs < (NEIGHBOR_OUTSIDE if depth > OUTSKIRTS else NEIGHBOR)


def _fills(table: StateTable, town: Town, row: int) -> bool:
    """Whether a neighbor is large enough for the ZIP to be its own, rather than being a village within it."""
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
        for town in table.towns_near(here, CLAIM_KM, NEIGHBOR_PEOPLE)
        if town.point != site.point and town.governed
    )


def _other_town_nearer(table: StateTable, row: int, site: NamedPlace, km: float) -> bool:
    here = table.point(row)
    assert here is not None
    return any(town.point != site.point for town in table.towns_near(here, km))
