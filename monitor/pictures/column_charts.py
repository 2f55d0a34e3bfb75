"""Columns, histograms and falling curves as SVG. Pure: numbers and labels in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from monitor.pictures.count_chart import scale_counts

WIDTH, HEIGHT = 640, 240  # px of the picture's own grid
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 62, 14, 34
_LABELS = 4  # along the axis, at most
STANDALONE_STYLE = (
    "svg{background:#fff;font-family:'Source Sans Pro','DejaVu Sans',Arial,sans-serif}"
    ".gap{fill:#eceae4}.up{fill:#14506b}.down{fill:#a34a00}"
    ".grid{stroke:#d9d5cb}.line{fill:none;stroke:#14506b;stroke-width:2.5}text{fill:#545b63;font-size:13px}"
    ".end{text-anchor:end}.mid{text-anchor:middle}.title{fill:#1a1e22;font-size:15px}"
)


@dataclass(frozen=True, slots=True)
class Columns:
    """A picture of columns: ``up`` above the axis and ``down`` (may be empty) below it, one for each label.
    ``unseen`` (may be empty) are the indexes of columns with unknown numbers, which are shaded.
    """

    labels: tuple[str, ...]
    up: tuple[int, ...]
    down: tuple[int, ...] = ()
    titles: tuple[str, ...] = ()
    every_label: bool = False
    unseen: tuple[int, ...] = ()


def draw_columns(columns: Columns, title: str, *, standalone: bool = False) -> str:
    """Render columns with a grid of round numbers. The axis starts at zero, because a truncated axis
    exaggerates.
    """
    count = len(columns.labels)
    _, high, step = scale_counts(columns.up or (0,))
    low = max(columns.down, default=0)
    bottom = -(-low // step) * step if low else 0
    wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def y(value: float) -> float:
        return round(_TOP + tall * (high - value) / (high + bottom), 1)

    parts = [_open(title, standalone)]
    right = WIDTH - _RIGHT
    for value in range(-bottom, high + 1, step):
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y(value)}" y2="{y(value)}"/>'
            f'<text x="{right + 6}" y="{y(value) + 4}">{abs(value):,}</text>'
        )
    slot = wide / max(count, 1)
    thick = round(max(slot * 0.78, 0.6), 1)
    for first, width in _runs(columns.unseen):
        x, wide_gap = round(_LEFT + slot * first, 1), round(slot * width, 1)
        parts.append(f'<rect class="gap" x="{x}" y="{_TOP}" width="{wide_gap}" height="{tall}"/>')
    for n in range(count):
        x = round(_LEFT + slot * n + (slot - thick) / 2, 1)
        said = f"<title>{escape(columns.titles[n])}</title>" if columns.titles else ""
        if columns.up[n]:
            tall_up = round(y(0) - y(columns.up[n]), 1)
            parts.append(
                f'<rect class="up" x="{x}" y="{y(columns.up[n])}" width="{thick}" height="{tall_up}">'
                f"{said}</rect>"
            )
        if columns.down and columns.down[n]:
            tall_down = round(y(-columns.down[n]) - y(0), 1)
            parts.append(
                f'<rect class="down" x="{x}" y="{y(0)}" width="{thick}" height="{tall_down}">{said}</rect>'
            )
    for n in _shown(count, columns.every_label):
        anchor = (
            "mid" if columns.every_label or 0 < n < count - 1 else ("end" if n and count > 1 else "start")
        )
        at = {"mid": _LEFT + slot * (n + 0.5), "end": right, "start": _LEFT}[anchor]
        label, style = escape(columns.labels[n]), "mid slot" if columns.every_label else anchor
        parts.append(f'<text class="{style}" x="{at:.1f}" y="{HEIGHT - 10}">{label}</text>')
    parts.append("</svg>")
    return "".join(parts)


def draw_curve(
    steps: Sequence[tuple[int, float]], last: int, title: str, unit: str, *, standalone: bool = False
) -> str:
    """Render a share that falls in steps from 100 % on day 0 to ``last``. ``unit`` labels the axis."""
    wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    span = max(last, 1)

    def x(day: int) -> float:
        return round(_LEFT + wide * day / span, 1)

    def y(share: float) -> float:
        return round(_TOP + tall * (1 - share), 1)

    parts = [_open(title, standalone)]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(share)}" y2="{y(share)}"/>'
            f'<text x="{WIDTH - _RIGHT + 6}" y="{y(share) + 4}">{share:.0%}</text>'
        )
    line = f"M{x(0)} {y(1)}" + "".join(f"H{x(day)}V{y(share)}" for day, share in steps) + f"H{x(last)}"
    parts.append(f'<path class="line" d="{line}"/>')
    parts.append(f'<text x="{_LEFT}" y="{HEIGHT - 10}">0</text>')
    parts.append(f'<text class="end" x="{x(last)}" y="{HEIGHT - 10}">{last:,} {escape(unit)}</text></svg>')
    return "".join(parts)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Group consecutive indexes as (first, count), one shape each."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and sum(runs[-1]) == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((place, 1))
    return runs


def _shown(count: int, every: bool) -> list[int]:
    if every or count <= _LABELS:
        return list(range(count))
    return sorted({round(n * (count - 1) / (_LABELS - 1)) for n in range(_LABELS)})


def _open(title: str, standalone: bool) -> str:
    name = escape(title)
    if standalone:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -30 {WIDTH} {HEIGHT + 30}" width="{WIDTH}" '
            f'height="{HEIGHT + 30}"><title>{name}</title><style>{STANDALONE_STYLE}</style>'
            f'<text class="title" x="8" y="-8">{name}</text>'
        )
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}">'
