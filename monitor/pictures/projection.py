"""Map projections: from degrees to a picture's own grid.

Albers' equal-area conic, as the Census prints the country, because a reader compares areas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WIDTH, HEIGHT = 4875, 3300  # of the nation's grid: five steps to a pixel of a 975 px picture

Degrees = tuple[float, float]
"""(latitude, longitude), WGS 84."""


@dataclass(frozen=True, slots=True)
class Albers:
    """An equal-area conic projection.

    ``center`` is (latitude, longitude) in degrees and falls on ``at`` of the grid; ``parallels`` are the two
    latitudes without distortion; ``scale`` is the steps of the grid to an Earth radius.
    """

    center: Degrees
    parallels: tuple[float, float]
    scale: float
    at: tuple[float, float] = (0.0, 0.0)

    def project(self, point: Degrees) -> tuple[float, float]:
        """Compute (x, y) in the grid, y downward. Longitude differences are taken the short way around."""
        first, second = (math.radians(each) for each in self.parallels)
        if abs(first + second) < 1e-6:
            raise ValueError("the two parallels must not mirror each other at the equator")
        n = (math.sin(first) + math.sin(second)) / 2
        c = math.cos(first) ** 2 + 2 * n * math.sin(first)

        def radius(latitude: float) -> float:
            return math.sqrt(max(c - 2 * n * math.sin(math.radians(latitude)), 0.0)) / n

        turn = (point[1] - self.center[1] + 180) % 360 - 180
        angle, length, middle = n * math.radians(turn), radius(point[0]), radius(self.center[0])
        return (
            self.at[0] + self.scale * length * math.sin(angle),
            self.at[1] + self.scale * (length * math.cos(angle) - middle),
        )


_K = 6500.0  # of the lower 48, in steps to an Earth radius
NATION: dict[str, Albers] = {
    "AK": Albers((58.5, -156.0), (55, 65), 0.35 * _K, (2437 - 0.307 * _K, 1525 + 0.201 * _K)),
    "HI": Albers((19.9, -160.0), (8, 18), _K, (2437 - 0.205 * _K, 1525 + 0.212 * _K)),
    "PR": Albers((18.2, -66.4), (17.9, 18.5), 1.5 * _K, (3020, 3120)),
    "VI": Albers((18.05, -64.8), (17.8, 18.3), 2.4 * _K, (3520, 3120)),
    "GU": Albers((13.45, 144.8), (13.3, 13.6), 3.4 * _K, (3880, 3120)),
    "MP": Albers((14.7, 145.45), (14.3, 15.1), 1.8 * _K, (4240, 3160)),
    "AS": Albers((-14.25, -170.2), (-14.2, -14.4), 3 * _K, (4570, 3120)),
}
"""States and territories that the nation's map shows apart, each with a projection of its own."""

_MAINLAND = Albers((38.7, -96.6), (29.5, 45.5), _K, (2437, 1525))


def project_nation(state: str, point: Degrees) -> tuple[float, float]:
    """Compute where a point of a state lies in the nation's grid."""
    return NATION.get(state, _MAINLAND).project(point)
