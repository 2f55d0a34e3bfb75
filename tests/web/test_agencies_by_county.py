"""A state with hundreds of agencies is folded by county: each agency is there, and the page stays small."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import httpx
import pytest
from markupsafe import Markup

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.pictures.map_data import COUNTY, MapAgency
from monitor.storage import engine as db
from monitor.storage.lists.coverage import Cover
from monitor.web import create_app
from monitor.web.agencies_by_county import fold_by_county
from monitor.web.map_texts import CountyLine
from monitor.web.part_cache import PartCache
from monitor.web.place_coverage import PlaceEntry
from tests.web import past

MOST_BYTES = 100 * 1024


@pytest.fixture(scope="module")
def texas(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of Texas with two lists of 2,616 agencies."""
    path = tmp_path_factory.mktemp("folded") / "monitor.db"
    shutil.copyfile(sqlite_template, path)
    engine = db.connect(f"sqlite:///{path}")
    past.write_past(engine, lists=2, days=2)
    app = create_app(past.make_site(engine, 2))

    async def ask() -> str:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return (await client.get("/state/TX")).text

    page = asyncio.run(ask())
    engine.dispose()
    return page


def test_a_state_with_four_hundred_agencies_has_each_once_and_stays_small(texas: str) -> None:
    assert len(texas.encode()) <= MOST_BYTES
    counts = [int(count) for count in re.findall(r"<p>(\d+) agencies of Texas are listed", texas)]
    lists = re.findall(r'<ul class="names">.*?</ul>', texas, re.DOTALL)
    assert len(counts) == len(lists) == 2
    for number, (count, names) in enumerate(zip(counts, lists, strict=True)):
        links = re.findall(rf'href="(/agency/list{number}/[^"]+)"', names)
        assert len(links) == len(set(links)) == count > 100


def test_the_map_leads_to_the_counties_of_its_list_on_the_page(texas: str) -> None:
    targets = set(re.findall(r'<a href="#(county-\d{5})"><path class="c"', texas))
    ids = re.findall(r'<li id="(county-\d{5})">', texas)
    assert len(ids) == len(set(ids)) > 100
    assert targets == set(ids)


def entry(name: str, *, value: str = "", sure: Confidence = Confidence.EXACT) -> PlaceEntry:
    placement = Placement(("46320",), "county", sure, PlacementReason("covers", ("Lake County",)))
    listing = Listing(name=name, key=name, state="IN", attributes=(("Model", value),))
    return PlaceEntry(Cover("list", name, listing, placement), f"/agency/{name}")


def test_values_stand_beside_agencies_only_where_they_differ() -> None:
    entries = [entry("Lake County Sheriff", value="A"), entry("Gary Police", value="B"), entry("Zoo Police")]
    sheriff, gary = (MapAgency(each.path, each.path, "IN", COUNTY, ("18089",)) for each in entries[:2])
    county = CountyLine("18089", "Lake County", (sheriff,), (gary,))

    def value_of(cover: Cover) -> str:
        return cover.listing.attributes[0][1]

    folded = fold_by_county(entries, [county], value_of, str)
    assert folded.common == ""
    assert [(each.fips, each.name) for each in folded.counties] == [("18089", "Lake County"), ("", "")]
    assert [each.values for each in folded.counties[0].agencies] == ["A", "B"]
    assert [each.name for each in folded.counties[1].agencies] == ["Zoo Police"]
    more = [*entries[:2], *(entry(f"{name} Police", value="A") for name in ("Hobart", "Dyer"))]
    usual = fold_by_county(more, [county], value_of, str)
    assert (usual.common, usual.usual) == ("", "A")
    assert [each.values for each in usual.counties[0].agencies] == ["", "B"]
    assert fold_by_county([*more, entries[2]], [county], value_of, str).usual == ""  # one has no value
    same = fold_by_county(entries[:1], [county], value_of, str)
    assert (same.common, same.counties[0].name, same.counties[0].agencies[0].values) == ("A", "", "")


def test_a_name_from_outside_stays_text_and_an_estimate_says_so() -> None:
    folded = fold_by_county([entry("<b>O'Brien & Sons", sure=Confidence.APPROXIMATE)], [], lambda _: "", str)
    (agency,) = folded.counties[0].agencies
    assert agency.name == Markup("&lt;b&gt;O'Brien &amp; Sons")
    assert agency.estimate


def test_cached_parts_are_made_once_and_bounded() -> None:
    parts, made = PartCache(largest=25), []

    def part(name: str) -> Markup:
        return parts.of(name, lambda: made.append(name) or Markup(name * 10))  # type: ignore[func-returns-value]

    assert part("a") == part("a") == "a" * 10
    part("b")
    part("a")
    assert made == ["a", "b"]
    part("c")  # the one that was not asked for for longest goes
    part("a")
    assert made == ["a", "b", "c"]
    part("b")
    assert made == ["a", "b", "c", "b"]
