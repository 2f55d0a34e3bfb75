"""The packaged outlines of states and counties, as SVG paths: built by tools/build_outlines.py."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO

from monitor.pictures.projection import Albers


@dataclass(frozen=True, slots=True)
class StateOutline:
    """One state in a grid of its own: ``width`` by ``height`` steps; ``counties`` are paths by FIPS code."""

    view: Albers
    width: int
    height: int
    counties: dict[str, str]


@cache
def _archive() -> dict[str, bytes]:
    packed = files("monitor.pictures").joinpath("outlines.zip").read_bytes()
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _pairs(text: str) -> dict[str, str]:
    return dict(line.split("\t", 1) for line in text.splitlines())


@cache
def load_nation() -> dict[str, str]:
    """Load each state's path in the nation's grid (`projection.WIDTH` by `HEIGHT`), by USPS code."""
    return _pairs(_archive()["nation.tsv"].decode())


@cache
def load_counties_json() -> bytes:
    """Load the paths of all counties in the nation's grid, by FIPS code, as JSON for the map's script."""
    return json.dumps(_pairs(_archive()["counties.tsv"].decode()), separators=(",", ":")).encode()


@cache
def load_state(code: str) -> StateOutline | None:
    """Load one state's outline; None for a code that has no shape."""
    body = _archive().get(f"{code}.tsv")
    if body is None or len(code) != 2:
        return None
    counties = _pairs(body.decode())
    lat, lon, low, high, scale, x, y, width, height = map(float, counties.pop("view").split())
    return StateOutline(Albers((lat, lon), (low, high), scale, (x, y)), int(width), int(height), counties)
