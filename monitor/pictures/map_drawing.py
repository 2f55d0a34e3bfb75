"""Maps as SVG: the nation by shades, a state by counties and towns. Pure: values and labels in, text out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from monitor.pictures.map_data import COUNTY, STATE, TOWN, MapAgency, NationValues, StateValues
from monitor.pictures.outlines import COARSE, load_coarse_nation, load_nation, load_state
from monitor.pictures.projection import HEIGHT, NATION, WIDTH, Degrees, project_nation

NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
MOST_DOTS = 600
"""More towns than this in one state are shown as clusters, one for each cell of a grid."""

_CELLS = 24  # across the longer side, for clusters
_INSETS = {code: round(NATION[code].at[0]) for code in ("PR", "VI", "GU", "MP", "AS")}
_NATION_CENTER: dict[str, tuple[float, float]] = {}

# In the order of use: ground, line between, five shades, county, town, text.
_LIGHT = (
    "#ffffff",
    "#ffffff",
    "#e3e6ea",
    "#c3dbe8",
    "#86b6d0",
    "#3f83ad",
    "#0b4f6c",
    "#3f83ad",
    "#8a3d00",
    "#1a1e22",
)
STANDALONE_STYLE = (
    "svg{{background:{0};font-family:'Source Sans Pro','DejaVu Sans',Arial,sans-serif}}"
    "path{{stroke:{1};stroke-width:4;"
    "stroke-linejoin:round}}.s0,.n{{fill:{2}}}.s1{{fill:{3}}}.s2,.t{{fill:{4}}}.s3{{fill:{5}}}.s4{{fill:{6}}}.c{{fill:{7}}}"
    "circle{{fill:{8};stroke:{1};stroke-width:3}}.badge{{fill:{9}}}.blind{{fill:url(#hatch);stroke:none}}"
    ".here{{fill:none;stroke:{9};stroke-width:8}}text{{fill:{9}}}.dim{{opacity:.75}}"
).format(*_LIGHT)
"""Styles for a standalone SVG and for PNG; pages use the classes of their style sheet."""

HATCH = (
    '<defs><pattern id="hatch" width="60" height="60" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect class="hatch" width="18" height="60"/></pattern></defs>'
)


@dataclass(frozen=True, slots=True)
class MapLabels:
    """The texts of a map: ``title`` of the whole, and of each state or county by code.

    ``links`` are URLs by code; a code without one is not a link. ``blind``: the list could not be seen at
    that moment, so the map is hatched.
    """

    title: str
    titles: Mapping[str, str]
    links: Mapping[str, str] = field(default_factory=dict)
    blind: bool = False


def draw_nation(
    values: NationValues, labels: MapLabels, *, standalone: bool = False, small: bool = False
) -> str:
    """Render the nation: a shade for each state, a star where a state agency is listed.

    ``small``: for a page of which the map is a part; coarser, and without elements for the script.
    """
    scale = COARSE if small else 1
    parts = [_open(labels.title, WIDTH, HEIGHT, standalone, scale), f'<g transform="scale({scale})">']
    stars = []
    paths = load_coarse_nation() if small else load_nation()
    for code, path in paths.items():
        state = values.states[code]
        shape = (
            f'<path class="s{state.shade}" data-code="{code}" d="{path}">'
            f"<title>{escape(labels.titles.get(code, code))}</title></path>"
        )
        parts.append(_linked(shape, labels.links.get(code)))
        if state.of(STATE) or not (standalone or small):  # shown and hidden by the script
            stars.append(_star(code, *_middle(code), shown=bool(state.of(STATE))))
    if labels.blind:
        parts.append(f'<path class="blind" d="{"".join(paths.values())}"/>')
    parts.append("</g>")
    parts += [
        f'<text x="{x}" y="{HEIGHT - 330}" font-size="80" text-anchor="middle">{code}</text>'
        for code, x in _INSETS.items()
    ]
    parts.append(f'<g class="stars" aria-hidden="true">{"".join(stars)}</g>')
    parts.append("</svg>")
    return "".join(parts)


def draw_state(
    values: StateValues, labels: MapLabels, *, standalone: bool = False, codes: bool = True
) -> str:
    """Render a state: its counties colored by the agencies that serve them, a dot for each town with an
    agency.

    ``codes``: counties have their codes, for the script. Returns "" for a code without an outline.
    """
    outline = load_state(values.code)
    if outline is None:
        return ""
    parts = [_open(labels.title, outline.width, outline.height, standalone)]
    for fips, path in outline.counties.items():
        kind = {COUNTY: "c", TOWN: "t"}.get(values.counties.get(fips, ""), "n")
        code = f' data-code="{fips}"' if codes else ""
        shape = (
            f'<path class="{kind}"{code} d="{path}">'
            f"<title>{escape(labels.titles.get(fips, fips), quote=False)}</title></path>"
        )
        parts.append(_linked(shape, labels.links.get(fips)))
    if labels.blind:
        parts.append(f'<path class="blind" d="{"".join(outline.counties.values())}"/>')
    parts.append('<g class="dots">')
    for (x, y), agencies in group_towns(values).items():
        names = ", ".join(each.name for each in agencies[:4]) + (
            f" +{len(agencies) - 4}" if len(agencies) > 4 else ""
        )
        radius = 11 + min(5 * (len(agencies) - 1), 24)
        dot = f'<circle cx="{x}" cy="{y}" r="{radius}"><title>{escape(names, quote=False)}</title></circle>'
        link = labels.links.get(f"@{x},{y}") or (agencies[0].path if len(agencies) == 1 else None)
        parts.append(_linked(dot, None if standalone else link))
    parts.append("</g></svg>")
    return "".join(parts)


def add_rings(drawing: str, code: str, here: Sequence[Degrees]) -> str:
    """Add a ring to a drawn state for each point that the reader asked for."""
    outline = load_state(code)
    if outline is None or not here:
        return drawing
    points = ((round(x), round(y)) for x, y in map(outline.view.project, here))
    rings = "".join(f'<circle class="here" cx="{x}" cy="{y}" r="42"/>' for x, y in points)
    return f"{drawing.removesuffix('</svg>')}{rings}</svg>"


def group_towns(values: StateValues) -> dict[tuple[int, int], list[MapAgency]]:
    """Group the towns of a state by their position in its grid; by cells if there are too many to
    distinguish.
    """
    outline = load_state(values.code)
    found: dict[tuple[int, int], list[MapAgency]] = defaultdict(list)
    if outline is None:
        return {}
    for agency in values.of(TOWN):
        if agency.point is not None:
            x, y = outline.view.project(agency.point)
            found[(round(x), round(y))].append(agency)
    if len(found) <= MOST_DOTS:
        return dict(found)
    cell = max(outline.width, outline.height) / _CELLS
    cells: dict[tuple[int, int], list[tuple[tuple[int, int], list[MapAgency]]]] = defaultdict(list)
    for (x, y), agencies in found.items():
        cells[(int(x / cell), int(y / cell))].append(((x, y), agencies))
    merged = {}
    for members in cells.values():
        count = len(members)
        at = (sum(p[0] for p, _ in members) // count, sum(p[1] for p, _ in members) // count)
        merged[at] = [agency for _, agencies in members for agency in agencies]
    return merged


def nation_point(agency: MapAgency) -> tuple[int, int] | None:
    """Compute where an agency lies in the nation's grid; None without a point."""
    if agency.point is None or agency.state is None:
        return None
    x, y = project_nation(agency.state, agency.point)
    return round(x), round(y)


def _open(title: str, width: int, height: int, standalone: bool, scale: int = 1) -> str:
    """The start of a drawing whose shapes are drawn ``scale`` times as large as they are given."""
    name = escape(title)
    hatch = HATCH.replace("rotate(45)", f"rotate(45) scale({1 / scale:.4f})") if scale > 1 else HATCH
    if standalone:
        return (
            f'<svg {NAMESPACE} viewBox="0 0 {width} {height}" width="{width // 4}" height="{height // 4}">'
            f"<title>{name}</title><style>{STANDALONE_STYLE}.hatch{{fill:#7a4e00}}</style>{hatch}"
        )
    return f'<svg class="map" viewBox="0 0 {width} {height}" role="group" aria-label="{name}">{hatch}'


def _linked(shape: str, link: str | None) -> str:
    return f'<a href="{escape(link)}">{shape}</a>' if link else shape


def _middle(code: str) -> tuple[float, float]:
    """The center of gravity of a state's largest ring, in the nation's grid."""
    known = _NATION_CENTER.get(code)
    if known is None:
        largest = max(load_nation()[code].split("M")[1:], key=len)
        head, _, tail = largest.partition("l")
        x, y = (float(each) for each in head.replace("-", " -").split())
        steps = [float(each) for each in tail.rstrip("z").replace("-", " -").split()]
        ring = [(x, y)]
        for dx, dy in zip(steps[::2], steps[1::2], strict=True):
            x, y = x + dx, y + dy
            ring.append((x, y))
        known = _NATION_CENTER[code] = _center(ring)
    return known


def _star(code: str, x: float, y: float, *, shown: bool) -> str:
    off = "" if shown else " off"
    star = f"M{x:.0f} {y - 38:.0f}l9 26 28 1-22 17 8 27-23-16-23 16 8-27-22-17 28-1z"
    return f'<path class="badge{off}" data-star="{code}" d="{star}"/>'


def _center(ring: list[tuple[float, float]]) -> tuple[float, float]:
    area = cx = cy = 0.0
    for (ax, ay), (bx, by) in zip(ring, ring[1:] + ring[:1], strict=True):
        cross = ax * by - bx * ay
        area += cross
        cx += (ax + bx) * cross
        cy += (ay + by) * cross
    return (cx / (3 * area), cy / (3 * area)) if area else ring[0]
