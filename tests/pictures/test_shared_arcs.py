"""Shapes that share their borders come back as they were packed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.pictures.shared_arcs import Point, unfold, unpack_shapes
from tools.pack_arcs import ArcPacker, DrawnArc, Ring, fold

SIDE = 3
CORNERS = range(SIDE + 1)


def render(ring: Ring) -> str:
    """The path of a ring from its points, without the packed form."""
    points = [point for arc in ring for point in arc.drawn()]
    steps = [(bx - ax, by - ay) for (ax, ay), (bx, by) in itertools.pairwise(points)]
    moves = " ".join(f"{dx} {dy}" for dx, dy in steps if (dx, dy) != (0, 0))
    (x, y) = points[0]
    return f"M{x} {y}l{moves}z".replace(" -", "-") if moves else f"M{x} {y}h1v1z"


def arc(key: str, *points: Point, back: bool = False) -> DrawnArc:
    return DrawnArc(key, points, back)


def pack(shapes: dict[int, list[Ring]]) -> bytes:
    packer = ArcPacker()
    for number, rings in shapes.items():
        packer.add(number, rings)
    return packer.pack()


def test_shapes_with_a_shared_border_a_hole_and_an_island_of_nothing() -> None:
    border: tuple[Point, ...] = ((10, 0), (9, -5), (10, 10))
    lake: tuple[Point, ...] = ((3, 3), (4, 3), (4, 4), (3, 3))
    shapes: dict[int, list[Ring]] = {
        1001: [
            [arc("b", *border), arc("left", (10, 10), (0, 10), (0, 0), (10, 0))],
            [arc("lake", *lake)],
        ],
        1003: [[arc("b", *border, back=True), arc("right", (10, 0), (300, 0), (300, 10), (10, 10))]],
        1005: [],
        2001: [[arc("lake", *lake, back=True)], [arc("speck", (-700, 5), (-700, 5))]],
    }
    paths = unpack_shapes(pack(shapes))
    assert paths == {number: "".join(map(render, rings)) for number, rings in shapes.items()}
    assert paths[1001] == "M10 0l-1-5 1 15-10 0 0-10 10 0zM3 3l1 0 0 1-1-1z"
    assert paths[1005] == ""
    assert paths[2001].endswith("M-700 5h1v1z")


@given(st.data())
def test_any_division_of_a_square(data: st.DataObject) -> None:
    number = st.integers(-4000, 4000)
    point = st.tuples(number, number)
    corners = {(x, y): data.draw(point) for x in CORNERS for y in CORNERS}

    def draw_side(a: Point, b: Point) -> tuple[Point, ...]:
        return (corners[a], *data.draw(st.lists(point, max_size=3)), corners[b])

    sides: dict[tuple[Point, Point], tuple[Point, ...]] = {}
    shapes: dict[int, list[Ring]] = {}
    for x, y in itertools.product(range(SIDE), range(SIDE)):
        around = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)]
        turn = data.draw(st.integers(0, 3))
        ring: Ring = []
        for each in range(4):
            a, b = around[(each + turn) % 4], around[(each + turn + 1) % 4]
            back = (b, a) in sides
            key = (b, a) if back else (a, b)
            if not back:
                sides[key] = draw_side(a, b)
            ring.append(DrawnArc(key, sides[key], back))
        shapes[len(shapes) * 7] = [ring]
    assert unpack_shapes(pack(shapes)) == {n: render(ring) for n, (ring,) in shapes.items()}


def test_a_third_ring_with_the_same_arc_stores_it_again() -> None:
    line: tuple[Point, ...] = ((0, 0), (5, 0), (5, 5), (0, 0))
    shapes: dict[int, list[Ring]] = {n: [[arc("a", *line)]] for n in range(5)}
    assert unpack_shapes(pack(shapes)) == {n: render(ring) for n, (ring,) in shapes.items()}


def test_what_cannot_be_packed_is_refused() -> None:
    with pytest.raises(ValueError, match="broken"):
        pack({1: [[arc("a", (0, 0), (1, 1)), arc("b", (2, 2), (0, 0))]]})
    with pytest.raises(ValueError, match="other points"):
        pack({1: [[arc("a", (0, 0), (1, 1))]], 2: [[arc("a", (0, 0), (2, 1))]]})
    with pytest.raises(ValueError, match="fall"):
        pack({2: [], 1: []})


def test_numbers_are_folded_and_unfolded() -> None:
    assert [fold(value) for value in (0, -1, 1, -2, 2, 300)] == [0, 1, 2, 3, 4, 600]
    assert all(unfold(fold(value)) == value for value in range(-1000, 1000))
