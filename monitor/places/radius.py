"""The ZIPs around a ZIP, over state lines."""

from __future__ import annotations

from functools import lru_cache

from monitor.places.codes import RADII
from monitor.places.packaged_table import Point, Table, distance
from monitor.states import STATES

KM_PER_MILE = 1.609344
_SLACK = 1.1  # an equirectangular map is not exact


def zips_around(table: Table, zip_code: str, miles: int) -> dict[str, str]:
    """Find the ZIPs whose centers are within ``miles`` of a ZIP's center, each with its state.

    Empty if the location of the ZIP is not known, or for a radius that is not in `RADII`.
    """
    found = table.find(zip_code)
    middle = found[0].point(found[1]) if found else None
    if found is None or middle is None or miles not in RADII:
        return {}
    around = {zip_code: found[0].state}
    for code in STATES:
        around |= _of_state(table, code, middle, miles * KM_PER_MILE)
    return around


def _of_state(table: Table, code: str, middle: Point, km: float) -> dict[str, str]:
    state = table.state(code)
    if not _may_reach(table, code, middle, km):
        return {}
    return {
        state.zips[row]: code for _, row in state.near(middle, km, misplaced=True) if state.home(row) == code
    }


def _may_reach(table: Table, code: str, middle: Point, km: float) -> bool:
    """Whether any ZIP of the state can be so near: its corners are looked at before its rows."""
    south, west, north, east = _corners(table, code)
    nearest = min(max(middle[0], south), north), min(max(middle[1], west), east)
    return distance(middle, nearest) <= km * _SLACK


@lru_cache(maxsize=128)
def _corners(table: Table, code: str) -> tuple[float, float, float, float]:
    """The southern, western, northern and eastern ends of a state's ZIPs, in degrees."""
    state = table.state(code)
    points = [point for point in map(state.point, range(len(state.zips))) if point is not None]
    lats, lons = [point[0] for point in points] or [0.0], [point[1] for point in points] or [0.0]
    return min(lats), min(lons), max(lats), max(lons)
