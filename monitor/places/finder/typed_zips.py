"""What the finder answers with ZIPs: those that were typed, a range of them, and radiuses around one."""

from __future__ import annotations

from monitor.places.areas import center
from monitor.places.finder.result import FinderResult
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.packaged_table import BUILDING, distance
from monitor.places.radius import zips_around

LONGEST_RANGE = 20
"""The most numbers between two ZIPs that are looked up for "60601 to 60605"."""


def zips_of(codes: list[str], gazetteer: Gazetteer) -> FinderResult:
    """The result for ZIPs that were typed, all of which must be known."""
    known = all(gazetteer.zip(code) is not None or gazetteer.state_of_zip(code) is not None for code in codes)
    return FinderResult(zips=tuple(sorted(set(codes)))) if known else FinderResult(problem="unknown_zip")


def zips_between(first: str, last: str, gazetteer: Gazetteer) -> FinderResult:
    """All ZIPs of a short range; the two ends of a long one, to choose from."""
    numbers = range(int(first), int(last) + 1)
    if 0 < len(numbers) <= LONGEST_RANGE:
        known = tuple(code for number in numbers if gazetteer.zip(code := f"{number:05}") is not None)
        return FinderResult(zips=known) if known else FinderResult(problem="unknown_zip")
    ends = tuple(
        TownZips(code, area.state, (code,), 0, "zip")
        for code in (first, last)
        if (area := gazetteer.zip(code)) is not None
    )
    return FinderResult(towns=ends) if ends else FinderResult(problem="unknown_zip")


def radius_area(code: str, miles: int, remark: str, gazetteer: Gazetteer) -> TownZips | None:
    """The radius around a ZIP as an area; None if the ZIP is not known."""
    zips = zips_around(gazetteer.table, code, miles)
    if not zips:
        return None
    name, key = f"{miles} miles around {code}{remark}", f"radius-{code}-{miles}"
    return TownZips(name, zips[code], tuple(sorted(zips)), 0, "radius", key=key)


def middle_zip(town: TownZips, gazetteer: Gazetteer) -> str | None:
    """The ZIP nearest to the middle of an area's ZIPs; None if nothing is known of where they are."""
    table = gazetteer.table.state(town.state)
    rows = tuple(table.row[code] for code in town.zips)
    middle = center(table, rows)
    points = {row: point for row in rows if (point := table.point(row)) is not None}
    if middle is None or not points:
        return None
    areal = [row for row in points if table.radius[row] >= BUILDING] or list(points)
    return table.zips[min(areal, key=lambda row: distance(points[row], middle))]
