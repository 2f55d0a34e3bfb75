"""The packaged outlines of states and counties, as SVG paths: built by tools/build_outlines.py."""

from __future__ import annotations

import itertools
import json
import lzma
from array import array
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from monitor.pictures.projection import Albers, Degrees
from monitor.pictures.shared_arcs import unpack_shapes
from monitor.places.fips import STATE_OF_FIPS


@dataclass(frozen=True, slots=True)
class StateOutline:
    """One state in a grid of its own: ``width`` by ``height`` steps; ``counties`` are paths by FIPS code."""

    view: Albers
    width: int
    height: int
    counties: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Packed:
    """The packaged file: the place of each block in ``blocks``, and each state's view as numbers."""

    blocks: bytes
    places: dict[str, tuple[int, int]]
    views: dict[str, list[float]]

    def unpack(self, name: str, digits: int) -> dict[str, str]:
        """Unpack the paths of a block by FIPS codes of so many digits."""
        start, end = self.places[name]
        return {f"{n:0{digits}}": path for n, path in unpack_shapes(self.blocks[start:end]).items()}


@cache
def _load_packed() -> _Packed:
    whole = lzma.decompress(files("monitor.pictures").joinpath("outlines.xz").read_bytes())
    head, _, blocks = whole.partition(b"\n")
    said = json.loads(head)
    return _Packed(blocks, said["blocks"], said["views"])


@cache
def load_nation() -> dict[str, str]:
    """Load each state's path in the nation's grid (`projection.WIDTH` by `HEIGHT`), by USPS code."""
    paths = _load_packed().unpack("nation", 2)
    return dict(sorted((STATE_OF_FIPS[fips], path) for fips, path in paths.items()))


COARSE = 12
"""Steps of the nation's grid in one step of its coarse outlines: one pixel on a map 400 pixels wide."""


@cache
def load_coarse_nation() -> dict[str, str]:
    """Load each state's path in steps of `COARSE`, with fewer points, by USPS code; a quarter as long."""
    return {code: _coarsen(path) for code, path in load_nation().items()}


def _coarsen(path: str) -> str:
    """Round a path to steps of `COARSE`, without duplicate points: whole steps, or tenths for a shape that
    would otherwise vanish.
    """
    for tenths in (10, 1):
        coarse = []
        for text in path.split("M")[1:]:
            points = [
                (round(x * 10 / COARSE / tenths), round(y * 10 / COARSE / tenths)) for x, y in _ring(text)
            ]
            kept = [point for at, point in enumerate(points) if not at or point != points[at - 1]]
            if len(kept) > 2:
                first, *steps = [kept[0]] + [
                    (bx - ax, by - ay) for (ax, ay), (bx, by) in itertools.pairwise(kept)
                ]
                numbers = [" ".join(f"{each * tenths / 10:g}" for each in pair) for pair in (first, *steps)]
                coarse.append(f"M{numbers[0]}l{' '.join(numbers[1:]).replace(' -', '-')}z")
        if coarse:
            break
    return "".join(coarse)


@dataclass(frozen=True, slots=True)
class SmallOutline:
    """A state's shape alone: an SVG path and the view box around it."""

    view_box: str
    path: str


@cache
def load_small_outline(code: str) -> SmallOutline | None:
    """Load a state's outline for a small picture beside its name; None for a code without an outline."""
    path = load_coarse_nation().get(code)
    if not path:
        return None
    points = [point for text in load_nation()[code].split("M")[1:] if "l" in text for point in _ring(text)]
    (left, right), (top, bottom) = (
        (min(side) / COARSE, max(side) / COARSE) for side in zip(*points, strict=True)
    )
    return SmallOutline(f"{left:.1f} {top:.1f} {right - left:.1f} {bottom - top:.1f}", path)


@cache
def load_counties_json() -> bytes:
    """Load the paths of all counties in the nation's grid, by FIPS code, as JSON for the map's script."""
    return json.dumps(_load_packed().unpack("counties", 5), separators=(",", ":")).encode()


def find_county(state: str, point: Degrees) -> str | None:
    """Find the county of a state in whose outline a point lies, by FIPS code; None at sea and abroad."""
    outline = load_state(state)
    if outline is None:
        return None
    x, y = outline.view.project(point)
    for fips, rings in _rings(state).items():
        if sum(_is_inside(ring, x, y) for ring in rings) % 2:
            return fips
    return None


@cache
def _rings(state: str) -> dict[str, list[tuple[array[int], array[int]]]]:
    """The rings of each county as columns of x and y, whose last point is the first: as tuples of points
    those of all states would take 5 MB.
    """
    outline = load_state(state)
    assert outline is not None
    found: dict[str, list[tuple[array[int], array[int]]]] = {}
    for fips, path in outline.counties.items():
        rings = [_ring(text) for text in path.split("M")[1:] if "l" in text]
        found[fips] = [
            (array("i", (x for x, _ in (*ring, ring[0]))), array("i", (y for _, y in (*ring, ring[0]))))
            for ring in rings
        ]
    return found


def _ring(text: str) -> list[tuple[int, int]]:
    head, _, tail = text.rstrip("z").partition("l")
    x, y = map(int, head.replace("-", " -").split())
    steps = [int(each) for each in tail.replace("-", " -").split()]
    found = [(x, y)]
    for dx, dy in zip(steps[::2], steps[1::2], strict=True):
        x, y = x + dx, y + dy
        found.append((x, y))
    return found


def _is_inside(ring: tuple[array[int], array[int]], x: float, y: float) -> bool:
    """Whether a ray to the right from a point crosses a ring an odd number of times."""
    inside = False
    xs, ys = ring
    for (ax, bx), (ay, by) in zip(itertools.pairwise(xs), itertools.pairwise(ys), strict=True):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            inside = not inside
    return inside


@cache
def load_state(code: str) -> StateOutline | None:
    """Load one state's outline; None for a code without one."""
    packed = _load_packed()
    if code not in packed.views:
        return None
    lat, lon, low, high, scale, x, y, width, height = packed.views[code]
    view = Albers((lat, lon), (low, high), scale, (x, y))
    return StateOutline(view, int(width), int(height), packed.unpack(code, 5))
