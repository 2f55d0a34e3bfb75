"""A count over time as a picture and as a table.

Pure geometry: the template draws it, the style sheet colors it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

WIDTH, HEIGHT = 640, 200  # px of the picture's own grid
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 76, 12, 34
_POINTS = 160  # a step narrower than four pixels is not visible
_ROWS = 36  # of the table
_NARROWEST = 2  # px of a gap that can be seen

Counts = Sequence[tuple[datetime, int]]


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid: its height in the picture, and the count there."""

    y: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CountChart:
    """A step line of counts over time.

    ``line`` and ``area`` are SVG paths, ``floor`` its base line, ``last`` the point at its end; ``gaps`` are
    (left, width) of times without good polls; ``rows`` are (day, count), newest first. ``captured`` is the
    path of the time before our own polls, "" if there is none; ``line`` continues from there.
    """

    captured: str
    line: str
    area: str
    floor: int
    gaps: tuple[tuple[float, float], ...]
    ticks: tuple[Tick, ...]
    last: tuple[float, float]
    first_day: date
    last_day: date
    first: int
    count: int
    rows: tuple[tuple[date, int], ...]


def compute_chart(
    counts: Counts,
    now: datetime,
    timezone: str,
    gaps: Iterable[tuple[datetime, datetime]] = (),
    captured_until: datetime | None = None,
) -> CountChart | None:
    """Compute the picture of counts, each valid from its moment on, until ``now``; None while there is no
    history to show. Counts before ``captured_until`` were captured by others.
    """
    zone = ZoneInfo(timezone)
    if not counts or now <= counts[0][0]:
        return None
    started, span = counts[0][0], (now - counts[0][0]).total_seconds()
    low, high, step = scale_counts([count for _, count in counts])
    wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def x(at: datetime) -> float:
        return round(_LEFT + wide * (at - started).total_seconds() / span, 1)

    def y(count: int) -> float:
        return round(_TOP + tall * (high - count) / (high - low), 1)

    points = _thinned([(x(at), y(count)) for at, count in counts])
    whole = _trace(points, x(now))
    captured, line = "", whole
    if captured_until is not None and captured_until > started:
        turn = x(min(captured_until, now))
        before = [point for point in points if point[0] <= turn]
        captured = _trace(before, turn)
        line = _trace([(turn, before[-1][1]), *points[len(before) :]], x(now))
    floor = HEIGHT - _BOTTOM
    return CountChart(
        captured=captured,
        line=line,
        area=f"{whole}V{floor}H{points[0][0]}Z",
        floor=floor,
        gaps=tuple(
            (x(max(since, started)), round(x(until) - x(max(since, started)), 1))
            for since, until in gaps
            if until > started and x(until) - x(max(since, started)) >= _NARROWEST
        ),
        ticks=tuple(Tick(y(count), count) for count in range(low, high + 1, step)),
        last=(x(now), points[-1][1]),
        first_day=started.astimezone(zone).date(),
        last_day=now.astimezone(zone).date(),
        first=counts[0][1],
        count=counts[-1][1],
        rows=_rows(counts, zone),
    )


def _trace(points: Sequence[tuple[float, float]], end: float) -> str:
    """A step line through points, up to ``end`` on the right."""
    steps = "".join(f"H{px}V{py}" for px, py in points[1:])
    return f"M{points[0][0]} {points[0][1]}{steps}H{end}"


def scale_counts(counts: Sequence[int]) -> tuple[int, int, int]:
    """The lowest and highest line of the grid and the step between: three or four round numbers.

    It starts at zero: a cut axis exaggerates.
    """
    top = max(max(counts), 1)
    magnitude = 10 ** int(math.log10(top))
    steps = sorted({max(magnitude * tenths // 100, 1) for tenths in (10, 20, 25, 50, 100, 200)})
    step = next((step for step in steps if -(-top // step) <= 4), steps[-1])
    return 0, step * -(-top // step), step


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The last point of every few pixels."""
    width = (WIDTH - _LEFT - _RIGHT) / _POINTS
    kept: dict[int, tuple[float, float]] = {}
    for px, py in points[1:]:
        kept[int(px / width)] = (px, py)
    return [points[0], *kept.values()]


def _rows(counts: Counts, zone: ZoneInfo) -> tuple[tuple[date, int], ...]:
    """The last count of each day, or of each month where that would be too many, newest first."""
    by_day = {at.astimezone(zone).date(): count for at, count in counts}
    if len(by_day) > _ROWS:
        by_month = {(day.year, day.month): (day, count) for day, count in by_day.items()}
        by_day = dict(by_month.values())
    return tuple(sorted(by_day.items(), reverse=True))[:120]
