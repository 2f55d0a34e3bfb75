"""Outlines: every county of the table of places has a shape, where it is, and the archive is reproducible."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.pictures.outlines import find_county, load_counties_json, load_nation, load_state
from monitor.pictures.projection import HEIGHT, WIDTH, project_nation
from monitor.places.fips import FIPS
from monitor.places.packaged_table import packaged
from tests.conftest import ROOT

ARCHIVE = ROOT / "monitor" / "pictures" / "outlines.xz"
PATH = re.compile(r"(?:M\d+ -?\d+|M-\d+-?\d+|M-?\d+(?: |-)\d+)(?:l[-\d ]+|h1v1)z")


def box(path: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a relative path."""
    xs, ys = [], []
    for ring in path.split("M")[1:]:
        head, _, tail = ring.rstrip("z").partition("l")
        x, y = (int(each) for each in re.findall(r"-?\d+", head)[:2])
        numbers = [int(each) for each in re.findall(r"-?\d+", tail)]
        xs.append(x)
        ys.append(y)
        for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
            x, y = x + dx, y + dy
            xs.append(x)
            ys.append(y)
    return min(xs), min(ys), max(xs), max(ys)


@pytest.mark.parametrize("state", FIPS)
def test_every_county_of_the_table_of_places_has_a_shape_around_its_zips(state: str) -> None:
    outline, table = load_state(state), packaged().state(state)
    assert outline is not None
    own = [county for county in table.counties if county.fips[:2] == FIPS[state]]
    assert set(outline.counties) == {county.fips for county in own}
    for path in outline.counties.values():
        assert re.fullmatch(rf"(?:{PATH.pattern})+", path)
    own_rows = range(len(table.zips) - len(table.homes))
    inside = total = 0
    for row in own_rows:
        point, shares = table.point(row), table.shares[row]
        if point is None or not shares or table.counties[shares[0][0]].fips[:2] != FIPS[state]:
            continue
        x, y = outline.view.project(point)
        left, top, right, bottom = box(outline.counties[table.counties[shares[0][0]].fips])
        total += 1
        inside += left - 8 <= x <= right + 8 and top - 8 <= y <= bottom + 8
    # the center of a ZIP with much water or several counties may lie beyond its main county
    assert inside >= 0.93 * total, (inside, total)


def test_the_nation_has_all_states_and_territories_in_its_grid_and_apart() -> None:
    nation = load_nation()
    assert set(nation) == set(FIPS)
    boxes = {}
    for state, path in nation.items():
        left, top, right, bottom = boxes[state] = box(path)
        assert left > -60 or state == "AK", state
        assert top >= 0, state
        assert right <= WIDTH, state
        assert bottom <= HEIGHT, state
    insets = ("PR", "VI", "GU", "MP", "AS", "HI", "AK")
    for one in insets:
        for other in set(insets) - {one}:
            a, b = boxes[one], boxes[other]
            assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1], (one, other)
    x, y = project_nation("TX", (29.76, -95.37))  # Houston
    left, top, right, bottom = boxes["TX"]
    assert left < x < right
    assert top < y < bottom
    assert len(load_counties_json()) > 200_000


def test_no_other_name_is_a_state() -> None:
    assert load_state("US") is None
    assert load_state("nation") is None
    assert load_state("../x") is None


@pytest.mark.shared
def test_the_tool_builds_the_packaged_bytes(shared: Path, tmp_path: Path) -> None:
    geo, built = shared / "data" / "geo", tmp_path / "outlines.xz"
    atlas = [str(geo / f"us-atlas-{year}-counties-10m.json.xz") for year in (2023, 2017)]
    tool = str(ROOT / "tools" / "build_outlines.py")
    subprocess.run([sys.executable, tool, *atlas, str(built)], check=True, capture_output=True)
    assert built.read_bytes() == ARCHIVE.read_bytes()
    assert built.stat().st_size < 135_000


def test_a_point_is_found_in_the_county_around_it() -> None:
    assert find_county("TX", (32.75, -97.33)) == "48439"  # Fort Worth
    assert find_county("IN", (41.583, -87.5)) == "18089"
    assert find_county("VA", (38.03, -78.48)) == "51540"  # Charlottesville, in no county
    assert find_county("CT", (41.76, -72.68)) == "09003"
    assert find_county("IN", (30.0, -87.5)) is None
    assert find_county("ZZ", (30.0, -87.5)) is None
