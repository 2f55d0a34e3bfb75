"""A compact format for shapes that share borders: a border is stored once for the shapes on both sides.

A block of shapes is five runs of whole numbers, each run preceded by its length in bytes. Numbers are in
LEB128; those that can be negative are folded first (0, -1, 1, -2 as 0, 1, 2, 3). The runs are:

- shapes: of each its number less that of the one before, the count of its rings, and of each ring the count
  of its arcs.
- choices: which arc is next. 0 is a new one. At the beginning of a ring, n is an arc that was drawn once:
  (n - 1) // 2 counts from the last one made back, and n is odd if it is drawn the same way again. Within a
  ring, n counts those arcs that were drawn once and have an end where the ring is, from the latest back.
- starts: of each ring that begins with a new arc, x and y less those of the beginning of the ring before.
- lengths: the count of the steps of each new arc.
- steps: dx and dy of each.

`tools/pack_arcs.py` writes blocks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from monitor.places.table_format import unfold

Point = tuple[int, int]


def unpack_shapes(block: bytes) -> dict[int, str]:
    """Unpack the shapes of a block: an SVG path of relative steps for each number, "" for one without
    rings.
    """
    shapes, choices, starts, lengths, steps = _read_runs(block)
    arcs: list[_Arc] = []
    meeting: defaultdict[Point, list[tuple[_Arc, bool]]] = defaultdict(list)  # with whether it would go back
    paths: dict[int, str] = {}
    number, begun = 0, (0, 0)

    def read_arc(at: Point) -> _Arc:
        moves = [(unfold(next(steps)), unfold(next(steps))) for _ in range(next(lengths))]
        arc = _Arc(at, moves)
        arcs.append(arc)
        meeting[arc.start].append((arc, False))
        meeting[arc.end].append((arc, True))
        return arc

    def take_again(arc: _Arc) -> None:
        meeting[arc.start].remove((arc, False))
        meeting[arc.end].remove((arc, True))

    for step in shapes:
        number += step
        path = ""
        for _ in range(next(shapes)):
            at: Point | None = None
            texts = []
            for _ in range(next(shapes)):
                choice, back = next(choices), False
                if choice:
                    if at is None:
                        arc, back = arcs[-1 - (choice - 1) // 2], choice % 2 == 0
                    else:
                        arc, back = meeting[at][-choice]
                    take_again(arc)
                elif at is None:
                    arc = read_arc((begun[0] + unfold(next(starts)), begun[1] + unfold(next(starts))))
                else:
                    arc = read_arc(at)
                if at is None:
                    begun = arc.end if back else arc.start
                at = arc.start if back else arc.end
                texts.append(arc.backward if back else arc.forward)
            path += _render_ring(begun, " ".join(filter(None, texts)))
        paths[number] = path
    return paths


@dataclass(eq=False)
class _Arc:
    """A line from ``start`` by ``moves``."""

    start: Point
    moves: list[Point]

    @cached_property
    def end(self) -> Point:
        return self.start[0] + sum(dx for dx, _ in self.moves), self.start[1] + sum(
            dy for _, dy in self.moves
        )

    @cached_property
    def forward(self) -> str:
        return " ".join(f"{dx} {dy}" for dx, dy in self.moves)

    @cached_property
    def backward(self) -> str:
        return " ".join(f"{-dx} {-dy}" for dx, dy in reversed(self.moves))


def _render_ring(begun: Point, moves: str) -> str:
    """Render a ring; one in which nothing is left is a square of one step."""
    head = f"M{begun[0]} {begun[1]}"
    return f"{head}l{moves}z".replace(" -", "-") if moves else f"{head}h1v1z"


def _read_runs(block: bytes) -> list[Iterator[int]]:
    runs: list[Iterator[int]] = []
    at = 0
    while at < len(block):
        size, at = read_number(block, at)
        runs.append(_read_numbers(block[at : at + size]))
        at += size
    return runs


def _read_numbers(run: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in run:
        value |= (byte & 127) << shift
        if byte < 128:
            yield value
            value = shift = 0
        else:
            shift += 7


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Read one number in LEB128; also where the next one begins."""
    value = shift = 0
    while data[at] >= 128:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1
