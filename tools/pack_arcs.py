"""Packs shapes that share their borders into the blocks that `monitor.pictures.shared_arcs` describes."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass

from tools.table_encoder import fold

Point = tuple[int, int]


@dataclass(frozen=True)
class DrawnArc:
    """An arc as one ring draws it: its ``key`` is the same in each ring that has it, ``points`` go as it was
    stored, ``back`` draws them from the last to the first.
    """

    key: Hashable
    points: tuple[Point, ...]
    back: bool

    def drawn(self) -> tuple[Point, ...]:
        """The points in the order in which the ring has them."""
        return self.points[::-1] if self.back else self.points


Ring = list[DrawnArc]


class ArcPacker:
    """Collects the shapes of one block. An arc that is in more than two rings is stored again for the third.

    Raises ValueError for a ring that is not in one piece, and for an arc that has other points in another
    ring.
    """

    def __init__(self) -> None:
        self._shapes, self._choices, self._starts, self._lengths, self._steps = (
            bytearray() for _ in range(5)
        )
        self._number = 0
        self._begun = (0, 0)
        self._count = 0  # of new arcs
        self._made: dict[Hashable, tuple[int, tuple[Point, ...]]] = {}  # drawn once: its place, its points
        self._meeting: defaultdict[Point, list[tuple[Hashable, bool]]] = defaultdict(list)

    def add(self, number: int, rings: list[Ring]) -> None:
        """Add a shape; numbers must not fall."""
        self._put(self._shapes, number - self._number, len(rings), *map(len, rings))
        self._number = number
        for ring in rings:
            at: Point | None = None
            for arc in ring:
                points = arc.drawn()
                if at not in (None, points[0]):
                    raise ValueError(f"a ring of shape {number} is broken")
                if arc.key in self._made:
                    self._draw_again(arc.key, points, at)
                else:
                    self._draw_new(arc.key, points, at)
                if at is None:
                    self._begun = points[0]
                at = points[-1]

    def pack(self) -> bytes:
        """The block."""
        block = bytearray()
        for run in (self._shapes, self._choices, self._starts, self._lengths, self._steps):
            self._put(block, len(run))
            block += run
        return bytes(block)

    def _draw_new(self, key: Hashable, points: tuple[Point, ...], at: Point | None) -> None:
        self._put(self._choices, 0)
        if at is None:
            self._put(self._starts, *(fold(a - b) for a, b in zip(points[0], self._begun, strict=True)))
        moves = [
            (bx - ax, by - ay) for (ax, ay), (bx, by) in itertools.pairwise(points) if (ax, ay) != (bx, by)
        ]
        self._put(self._lengths, len(moves))
        self._put(self._steps, *(fold(side) for move in moves for side in move))
        self._made[key] = self._count, points
        self._count += 1
        self._meeting[points[0]].append((key, False))
        self._meeting[points[-1]].append((key, True))

    def _draw_again(self, key: Hashable, points: tuple[Point, ...], at: Point | None) -> None:
        place, first = self._made.pop(key)
        back = points != first
        if back and points != first[::-1]:
            raise ValueError("an arc has other points in its second ring")
        if at is None:
            self._put(self._choices, 2 * (self._count - 1 - place) + 1 + back)
        else:
            self._put(self._choices, self._meeting[at][::-1].index((key, back)) + 1)
        self._meeting[first[0]].remove((key, False))
        self._meeting[first[-1]].remove((key, True))

    @staticmethod
    def _put(run: bytearray, *values: int) -> None:
        for value in values:
            if value < 0:
                raise ValueError("the numbers of shapes must not fall")
            while value >= 128:
                run.append(value & 127 | 128)
                value >>= 7
            run.append(value)
