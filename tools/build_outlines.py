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
import itertools
import json
import lzma
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from monitor.pictures.projection import Albers, Degrees, project_nation
from monitor.places.fips import FIPS, STATE_OF_FIPS
from monitor.places.packaged_table import packaged
from tools.pack_arcs import ArcPacker, DrawnArc, Ring

PACKAGED = Path(__file__).parents[1] / "monitor" / "pictures" / "outlines.xz"
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

Line = list[Degrees]
Grid = tuple[int, int]


class Atlas:
    """A TopoJSON file: its shapes by code, each as rings of (latitude, longitude)."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        raw = path.read_bytes()
        self._topology: dict[str, Any] = json.loads(lzma.decompress(raw) if path.suffix == ".xz" else raw)
        (sx, sy), (tx, ty) = self._topology["transform"]["scale"], self._topology["transform"]["translate"]
        self._arcs: list[Line] = []
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

    def arc(self, number: int) -> Line:
        """An arc in its direction; a negative number means backward (TopoJSON 1.0, section 2.1.4)."""
        return self._arcs[number] if number >= 0 else self._arcs[~number][::-1]


def simplify(points: list[tuple[float, float]], smallest: float) -> list[tuple[float, float]]:
    """Leave out the points that make triangles smaller than ``smallest`` square steps (Visvalingam).

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
    """Draws shapes of an atlas in one grid. An arc is simplified once, for both its sides."""

    def __init__(
        self, atlas: Atlas, project: Callable[[Degrees], tuple[float, float]], smallest: float
    ) -> None:
        self._atlas, self._project, self._smallest = atlas, project, smallest
        self._made: dict[int, tuple[Grid, ...]] = {}

    def draw(
        self,
        rings: list[list[int]],
        keep: float = 0.0,
        view: tuple[float, float, float, float] | None = None,
    ) -> list[Ring]:
        """Draw a shape: the largest ring, and those of ``keep`` square steps or more.

        ``view`` (south, north, west, east) leaves out what lies outside; there may then be no ring.
        """
        if view is not None:
            south, north, west, east = view
            starts = [(ring, self._atlas.arc(ring[0])[0]) for ring in rings]
            rings = [r for r, (lat, lon) in starts if south <= lat <= north and west <= lon <= east]
        drawn = [[self._draw_arc(number) for number in ring] for ring in rings]
        sizes = [size_of([point for arc in ring for point in arc.drawn()]) for ring in drawn]
        least = min(keep, max(sizes, default=0.0))
        return [ring for ring, size in zip(drawn, sizes, strict=True) if size >= least]

    def _draw_arc(self, number: int) -> DrawnArc:
        forward = number if number >= 0 else ~number
        if forward not in self._made:
            points = simplify([self._project(p) for p in self._atlas.arc(forward)], self._smallest)
            self._made[forward] = tuple((round(x), round(y)) for x, y in points)
        return DrawnArc((self._atlas.name, forward), self._made[forward], number < 0)


def size_of(ring: list[Grid]) -> float:
    """The area of a ring in square steps."""
    pairs = zip(ring, ring[1:] + ring[:1], strict=True)
    return abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairs)) / 2


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


def build(new: Atlas, old: Atlas) -> bytes:
    """Build the packaged file."""
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
    nation, small = ArcPacker(), ArcPacker()
    blocks: dict[str, bytes] = {}
    views: dict[str, list[float]] = {}
    for state in sorted(states, key=lambda state: FIPS[state]):
        rings = states[state]
        project, seen = partial(project_nation, state), NATION_VIEWS.get(state)
        nation.add(int(FIPS[state]), Pen(new, project, 45.0).draw(rings, SMALLEST["state"], seen))
        outline = [point for ring in rings for arc in ring for point in new.arc(arc)]
        view, width, height = view_of(state, outline)
        pens = {id(atlas): Pen(atlas, project, 12.0) for atlas in (new, old)}
        own = {id(atlas): Pen(atlas, view.project, 2.0) for atlas in (new, old)}
        large = ArcPacker()
        for code, (atlas, shape) in of_state[state].items():
            small.add(int(code), pens[id(atlas)].draw(shape, SMALLEST["county"], seen))
            large.add(int(code), own[id(atlas)].draw(shape, 2.0))
        views[state] = [*view.center, *view.parallels, view.scale, *view.at, width, height]
        blocks[state] = large.pack()
    return pack({"nation": nation.pack(), "counties": small.pack(), **blocks}, views)


def pack(blocks: dict[str, bytes], views: dict[str, list[float]]) -> bytes:
    """Compress a line of JSON that says where each block is, and the blocks."""
    ends = list(itertools.accumulate(map(len, blocks.values())))
    places = {name: [end - len(blocks[name]), end] for name, end in zip(blocks, ends, strict=True)}
    head = json.dumps({"blocks": places, "views": views}, separators=(",", ":")).encode()
    settings = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 1, "pb": 0}]
    return lzma.compress(head + b"\n" + b"".join(blocks.values()), filters=settings)


def main() -> None:
    """Build the archive and print its size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("newer", type=Path)
    parser.add_argument("older", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=PACKAGED)
    given = parser.parse_args()
    packed = build(Atlas(given.newer), Atlas(given.older))
    given.output.write_bytes(packed)
    print(f"{given.output}: {len(packed):,} bytes")


if __name__ == "__main__":
    main()
