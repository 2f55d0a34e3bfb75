"""Builds the packaged outlines of states and counties, byte for byte the same from the same files.

    python tools/build_outlines.py ATLAS_2023 ATLAS_2017 [OUTPUT]

Both are us-atlas "counties-10m.json" (TopoJSON of the Census' cartographic boundaries), plain or .xz; ISC
license, the boundaries are a work of the United States government. Connecticut's eight counties, which the
table of places has, are only in the older file; two of Alaska's only in the newer. A county that the table of
places has and neither file has is an error.
"""

from __future__ import annotations

import argparse
import heapq
import io
import json
import lzma
import sys
import zipfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from monitor.pictures.projection import Albers, Degrees, project_nation
from monitor.places.fips import FIPS, STATE_OF_FIPS
from monitor.places.packaged_table import packaged

PACKAGED = Path(__file__).parents[1] / "monitor" / "pictures" / "outlines.zip"
STATE_WIDTH, STATE_HEIGHT = 1600, 1500  # steps of a state's grid, at most
MARGIN = 16  # steps around a state
SMALLEST = {"county": 3.0, "state": 6.0}  # square steps of the nation's grid: rings below are left out
# Far, empty islands would make the rest of a state too small to see.
VIEWS: dict[str, tuple[float, float, float, float]] = {  # south, north, west, east
    "HI": (18.7, 22.4, -160.4, -154.6),
    "AS": (-14.5, -14.0, -171.0, -169.3),
    "MP": (13.9, 20.7, 144.8, 146.2),
}

NATION_VIEWS = VIEWS | {"MP": (13.9, 15.4, 144.8, 146.2), "AK": (51.0, 72.0, -180.0, -129.0)}

Ring = list[Degrees]
Grid = tuple[int, int]


class Atlas:
    """A TopoJSON file: its shapes by code, each as rings of (latitude, longitude)."""

    def __init__(self, path: Path) -> None:
        raw = path.read_bytes()
        self._topology: dict[str, Any] = json.loads(lzma.decompress(raw) if path.suffix == ".xz" else raw)
        (sx, sy), (tx, ty) = self._topology["transform"]["scale"], self._topology["transform"]["translate"]
        self._arcs: list[Ring] = []
        for arc in self._topology["arcs"]:
            x = y = 0
            points = []
            for dx, dy in arc:
                x, y = x + dx, y + dy
                points.append((y * sy + ty, x * sx + tx))
            self._arcs.append(points)

    def rings(self, kind: str) -> dict[str, list[list[int]]]:
        """Each shape's rings as lists of arcs; "counties" or "states"."""
        found = {}
        for shape in self._topology["objects"][kind]["geometries"]:
            polygons = [shape["arcs"]] if shape["type"] == "Polygon" else shape.get("arcs", [])
            found[str(shape["id"])] = [ring for polygon in polygons for ring in polygon]
        return found

    def arc(self, number: int) -> Ring:
        """An arc in its direction; a negative number means backward (TopoJSON 1.0, section 2.1.4)."""
        return self._arcs[number] if number >= 0 else self._arcs[~number][::-1]


def simplify(points: list[tuple[float, float]], smallest: float) -> list[tuple[float, float]]:
    """Leave out the points that make triangles smaller than so many square steps (Visvalingam).

    Ends stay, so arcs that meet still meet.
    """
    if len(points) < 3 or smallest <= 0:
        return points
    before = list(range(-1, len(points) - 1))
    after = list(range(1, len(points) + 1))

    def area(n: int) -> float:
        (ax, ay), (bx, by), (cx, cy) = points[before[n]], points[n], points[after[n]]
        return abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) / 2

    sizes = {n: area(n) for n in range(1, len(points) - 1)}
    heap = [(size, n) for n, size in sizes.items()]
    heapq.heapify(heap)
    gone = set()
    while heap:
        size, n = heapq.heappop(heap)
        if n in gone or size != sizes[n]:
            continue
        if size >= smallest:
            break
        gone.add(n)
        left, right = before[n], after[n]
        after[left], before[right] = right, left
        for each in (left, right):
            if each in sizes and each not in gone:
                sizes[each] = max(area(each), size)
                heapq.heappush(heap, (sizes[each], each))
    return [point for n, point in enumerate(points) if n not in gone]


class Pen:
    """Writes shapes of an atlas as SVG paths in one grid. An arc is simplified once, for both its sides."""

    def __init__(
        self, atlas: Atlas, project: Callable[[Degrees], tuple[float, float]], smallest: float
    ) -> None:
        self._atlas, self._project, self._smallest = atlas, project, smallest
        self._made: dict[int, list[Grid]] = {}

    def path(
        self,
        rings: list[list[int]],
        keep: float = 0.0,
        view: tuple[float, float, float, float] | None = None,
    ) -> str:
        """The path of a shape: the largest ring, and those of ``keep`` square steps or more.

        ``view`` (south, north, west, east) leaves out what lies outside; the path may then be empty.
        """
        if view is not None:
            south, north, west, east = view
            starts = [(ring, self._atlas.arc(ring[0])[0]) for ring in rings]
            rings = [r for r, (lat, lon) in starts if south <= lat <= north and west <= lon <= east]
        if not rings:
            return ""
        drawn = [self._ring(ring) for ring in rings]
        largest = max(map(size_of, drawn))
        return "".join(steps(ring) for ring in drawn if size_of(ring) >= min(keep, largest))

    def _ring(self, arcs: list[int]) -> list[Grid]:
        points: list[Grid] = []
        for number in arcs:
            forward = number if number >= 0 else ~number
            if forward not in self._made:
                drawn = simplify([self._project(p) for p in self._atlas.arc(forward)], self._smallest)
                self._made[forward] = [(round(x), round(y)) for x, y in drawn]
            arc = self._made[forward]
            points += arc if number >= 0 else arc[::-1]
        return [p for n, p in enumerate(points) if n == 0 or p != points[n - 1]]


def size_of(ring: list[Grid]) -> float:
    """The area of a ring in square steps."""
    pairs = zip(ring, ring[1:] + ring[:1], strict=True)
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairs)) / 2


def steps(ring: list[Grid]) -> str:
    """One ring as a relative SVG path."""
    (x, y), *rest = ring
    text = f"M{x} {y}l"
    parts = []
    for px, py in rest:
        parts.append(f"{px - x} {py - y}")
        x, y = px, py
    return (text + " ".join(parts)).replace(" -", "-") + "z" if parts else f"M{x} {y}h1v1z"


def view_of(state: str, points: list[Degrees]) -> tuple[Albers, int, int]:
    """A state's projection, and the width and height of its grid."""
    south, north, west, east = VIEWS.get(state, (-90.0, 90.0, -360.0, 360.0))
    if state == "AK":  # across the date line
        points = [(lat, lon - 360 if lon > 0 else lon) for lat, lon in points]
    shown = [(lat, lon) for lat, lon in points if south <= lat <= north and west <= lon <= east]
    lats, lons = [p[0] for p in shown], [p[1] for p in shown]
    low, high = min(lats), max(lats)
    sixth = (high - low) / 6
    center = ((low + high) / 2, (min(lons) + max(lons)) / 2)
    plain = Albers(center, (low + sixth, high - sixth), 1.0)
    grid = [plain.project(p) for p in shown]
    left, right = min(p[0] for p in grid), max(p[0] for p in grid)
    top, bottom = min(p[1] for p in grid), max(p[1] for p in grid)
    room = 2 * MARGIN
    scale = min((STATE_WIDTH - room) / (right - left), (STATE_HEIGHT - room) / (bottom - top))
    scale = float(f"{scale:.6g}")
    at = (round(MARGIN - scale * left, 1), round(MARGIN - scale * top, 1))
    kept = (round(center[0], 4), round(center[1], 4))
    lines = (round(low + sixth, 4), round(high - sixth, 4))
    final = Albers(kept, lines, scale, at)
    return final, round(scale * (right - left) + room), round(scale * (bottom - top) + room)


def members(new: Atlas, old: Atlas) -> dict[str, str]:
    """The members of the archive by name: ``nation.tsv``, ``counties.tsv`` and one for each state."""
    states = {
        STATE_OF_FIPS[code]: rings for code, rings in new.rings("states").items() if code in STATE_OF_FIPS
    }
    wanted = {county.fips for state in FIPS for county in packaged().state(state).counties}
    counties: dict[str, tuple[Atlas, list[list[int]]]] = {
        **{code: (old, rings) for code, rings in old.rings("counties").items() if code[:2] == FIPS["CT"]},
        **{code: (new, rings) for code, rings in new.rings("counties").items() if code[:2] != FIPS["CT"]},
    }
    if missing := sorted(wanted - set(counties)):
        raise SystemExit(f"counties of the table of places without a shape: {', '.join(missing)}")
    of_state: dict[str, dict[str, tuple[Atlas, list[list[int]]]]] = defaultdict(dict)
    for code, shape in sorted(counties.items()):
        if code in wanted:
            of_state[STATE_OF_FIPS[code[:2]]][code] = shape
    made: dict[str, str] = {}
    nation, small = [], []
    for state in sorted(states):
        rings = states[state]
        project = partial(project_nation, state)
        nation.append(
            f"{state}\t{Pen(new, project, 45.0).path(rings, SMALLEST['state'], NATION_VIEWS.get(state))}\n"
        )
        pens = {id(atlas): Pen(atlas, project, 12.0) for atlas in (new, old)}
        for code, (atlas, shape) in of_state[state].items():
            path = pens[id(atlas)].path(shape, SMALLEST["county"], NATION_VIEWS.get(state))
            small.append(f"{code}\t{path}\n")
        outline = [point for ring in rings for arc in ring for point in new.arc(arc)]
        view, width, height = view_of(state, outline)
        numbers = (*view.center, *view.parallels, view.scale, *view.at, width, height)
        own = {id(atlas): Pen(atlas, view.project, 2.0) for atlas in (new, old)}
        made[f"{state}.tsv"] = "".join(
            [
                "view\t" + " ".join(map(str, numbers)) + "\n",
                *(
                    f"{code}\t{own[id(atlas)].path(shape, 2.0)}\n"
                    for code, (atlas, shape) in of_state[state].items()
                ),
            ]
        )
    return {"nation.tsv": "".join(nation), "counties.tsv": "".join(small), **made}


def pack(made: dict[str, str]) -> bytes:
    """A zip archive whose bytes depend on nothing but the members: fixed times, order and settings."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_LZMA) as archive:
        for name, text in made.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_LZMA, 3, 0o644 << 16
            archive.writestr(entry, text.encode())
    return whole.getvalue()


def main() -> None:
    """Build the archive and print its size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("newer", type=Path)
    parser.add_argument("older", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=PACKAGED)
    given = parser.parse_args()
    packed = pack(members(Atlas(given.newer), Atlas(given.older)))
    given.output.write_bytes(packed)
    print(f"{given.output}: {len(packed):,} bytes")


if __name__ == "__main__":
    main()
