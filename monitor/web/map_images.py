"""Maps and charts as files of their own: an SVG with its title, legend and source; the same as PNG."""

from __future__ import annotations

import hashlib
import re
import textwrap
import threading
from collections import OrderedDict
from collections.abc import Sequence
from html import escape
from importlib.resources import files

MOST_KEPT = 32
"""PNGs in memory; each has 50 to 200 kB."""
_WIDTH = 1200  # the width of a PNG in pixels
# a line of notes: its characters, and its height in hundredths of the width
_NOTE_LETTERS, _NOTE_HEIGHT = 110, 2.2
_FONT = "Source Sans Pro"


class MapImages:
    """Renders SVG documents as PNGs, one at a time, and caches the newest. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def png(self, svg: str, width: int = _WIDTH) -> bytes:
        """Render an SVG as PNG, ``width`` pixels wide."""
        key = f"{width} {hashlib.sha256(svg.encode()).hexdigest()}"
        with self._lock:
            known = self._kept.get(key)
            if known is None:
                known = self._kept[key] = _render(svg, width)
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            return known


def _render(svg: str, width: int) -> bytes:
    """Uses one packaged font, so that the result is the same on every machine, even without installed
    fonts.
    """
    import resvg_py  # imported here: 4 MB that a site without pictures does not need

    folder = files("font_source_sans_pro") / "files"
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            width=width,
            skip_system_fonts=True,
            font_files=[str(folder / f"SourceSansPro-{weight}.ttf") for weight in ("Regular", "Semibold")],
            font_family=_FONT,
            sans_serif_family=_FONT,
        )
    )


def wrap_image(
    drawing: str,
    title: str,
    source: str,
    legend: Sequence[tuple[str, str]],
    star: str = "",
    notes: Sequence[str] = (),
) -> str:
    """Put title, legend (style class and text of each entry), the star's meaning, notes and source around a
    standalone drawing. The class "dot" is a circle.
    """
    found = re.search(r'viewBox="0 0 (\d+) (\d+)" width="\d+" height="\d+"', drawing)
    if found is None:
        return drawing
    width, height = int(found[1]), int(found[2])
    unit = width / 100
    lines = [line for note in notes for line in textwrap.wrap(note, _NOTE_LETTERS)]
    top, low = round(unit * 7), round(unit * (8 + _NOTE_HEIGHT * len(lines)))
    size = min(unit * 2.6, width / max(len(title), 1) / 0.62)
    words = [f'<text x="{unit * 2:.0f}" y="{-unit * 2.6:.0f}" font-size="{size:.0f}">{escape(title)}</text>']
    for place, (style, text) in enumerate(legend):
        x = unit * (2 + 96 / len(legend) * place)
        shape = (
            f'<circle cx="{x + unit * 1.5:.0f}" cy="{height + unit * 2.1:.0f}" r="{unit * 0.7:.0f}"/>'
            if style == "dot"
            else f'<rect class="{style}" x="{x:.0f}" y="{height + unit * 1.2:.0f}" width="{unit * 3:.0f}" '
            f'height="{unit * 1.8:.0f}"/>'
        )
        words.append(
            f'{shape}<text x="{x + unit * 3.6:.0f}" y="{height + unit * 2.7:.0f}" '
            f'font-size="{unit * 1.6:.0f}">{escape(text)}</text>'
        )
    words += [
        f'<text x="{unit * 2:.0f}" y="{height + unit * (5.2 + _NOTE_HEIGHT * number):.0f}" '
        f'font-size="{unit * 1.6:.0f}">{escape(line)}</text>'
        for number, line in enumerate(lines)
    ]
    words.append(
        f'<text class="dim" x="{unit * 2:.0f}" y="{height + low - unit * 1.6:.0f}" '
        f'font-size="{unit * 1.4:.0f}">{escape(source)}</text>'
    )
    if star:
        foot = height + low - unit * 1.6
        words.append(
            f'<path class="badge" d="{_star(width * 0.6, foot - unit * 0.4, unit)}"/>'
            f'<text class="dim" x="{width * 0.6 + unit * 1.6:.0f}" y="{foot:.0f}" '
            f'font-size="{unit * 1.4:.0f}">{escape(star)}</text>'
        )
    whole = height + top + low
    frame = f'viewBox="0 {-top} {width} {whole}" width="{_WIDTH}" height="{round(_WIDTH * whole / width)}"'
    return drawing.replace(found[0], frame, 1).replace("</svg>", "".join(words) + "</svg>")


def _star(x: float, y: float, unit: float) -> str:
    """Draw a star as a path, because not all fonts have one."""
    points = [(0, -1), (0.29, -0.4), (0.95, -0.31), (0.47, 0.15), (0.59, 0.81), (0, 0.5)]
    ring = points + [(-px, py) for px, py in reversed(points[1:-1])]
    return "M" + "L".join(f"{x + px * unit:.0f} {y + py * unit:.0f}" for px, py in ring) + "z"
