"""The pages of counties, towns and radiuses, their feeds, and the way to them from a ZIP's page."""

from __future__ import annotations

import json
import re
from typing import cast
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.places.followed_areas import load_area
from monitor.storage.lists.coverage import Cover
from monitor.web.list_status import ListStatus
from monitor.web.place_coverage import PlaceCoverage, PlaceEntry, put_widest_first
from tests.peers.browser import visit
from tests.web.conftest import Running


@pytest.mark.parametrize(
    ("path", "name", "spanish"),
    [
        ("/county/18089", "Lake County, IN", "Condado de Lake, IN"),
        ("/town/IN-Hammond", "Hammond, IN", "Hammond, IN"),
        ("/radius/60601-25", "25 miles around 60601", "25 millas alrededor de 60601"),
    ],
)
def test_an_area_has_a_page_with_its_agencies_changes_and_feeds(
    web: Running, path: str, name: str, spanish: str
) -> None:
    page = web.get(path)
    assert page.status_code == 200
    assert f"<h1>{name}</h1>" in page.text
    assert "Hammond Police Department" in page.text
    assert "Indiana State Police" in page.text  # the radius reaches into Indiana
    assert 'href="/zip/46320"' in page.text
    assert f"<h1>{spanish}</h1>" in web.get(f"{path}?lang=es").text
    changes = web.get("/zip/46320/feed.json").json()["items"]
    feed = web.get(f"{path}/feed.json").json()
    assert {item["id"] for item in changes} <= {item["id"] for item in feed["items"]}
    assert name in feed["title"]
    assert feed["home_page_url"].endswith(path)
    atom = ElementTree.fromstring(web.get(f"{path}/feed.atom").content)
    assert len(atom.findall("{http://www.w3.org/2005/Atom}entry")) == len(feed["items"])


def test_a_county_far_away_has_none_of_the_agencies(web: Running) -> None:
    page = web.get("/county/17031").text
    assert "Hammond Police Department" not in page
    assert "Indiana State Police" not in page
    assert json.loads(web.get("/county/56001/feed.json").text)["items"] == []


@pytest.mark.parametrize(
    ("path", "english", "spanish"),
    [
        ("/county/18089", "ZIP codes of Lake County, IN", "códigos postales del condado de Lake, IN"),
        ("/town/IN-Hammond", "ZIP codes of Hammond, IN", "códigos postales de Hammond, IN"),
        ("/radius/46320-10", "10 miles around 46320", "10 millas alrededor de 46320"),
    ],
)
def test_an_agency_of_a_zip_code_is_not_said_to_serve_the_county(
    web: Running, path: str, english: str, spanish: str
) -> None:
    """A neighbor's sheriff serves a ZIP code that reaches over the border."""
    assert re.search(
        rf"agenc(y that covers|ies that cover) {english} (is|are) on this list", web.get(path).text
    )
    assert re.search(rf"agencias? que cubren? {spanish} est", web.get(f"{path}?lang=es").text)
    brief = " ".join(web.get(f"{path}/brief").text.split())
    assert re.search(rf"agenc(y that serves|ies that serve) {english} (was|were) on this list", brief)


def test_agencies_that_serve_most_of_an_area_come_first() -> None:
    """A neighbor's sheriff, who serves its edge, does not stand before its own police."""
    area = load_area("county-18089")
    assert area is not None
    placed = Placement(area.zips, "county", Confidence.EXACT, PlacementReason("covers", ("Lake County",)))
    entries = [
        PlaceEntry(Cover("ice", name, Listing(name=name), placed), f"/agency/{name}", zips)
        for name, zips in (("Edge", area.zips[:1]), ("Half", area.zips[:20]), ("Whole", ()))
    ]
    coverage = PlaceCoverage(cast(ListStatus, None), tuple(entries), (), ())
    ordered = put_widest_first(coverage, area.zips)
    assert [each.cover.agency for each in ordered.local] == ["Whole", "Half", "Edge"]


def test_a_zip_leads_to_the_areas_around_it(web: Running) -> None:
    page = web.get("/zip/46320").text
    for path, name in (
        ("/town/IN-Hammond", "Hammond, IN"),
        ("/county/18089", "Lake County, IN"),
        ("/radius/46320-10", "10 miles around 46320"),
        ("/radius/46320-25", "25 miles around 46320"),
    ):
        assert f'<a href="{path}">{name}</a>' in page


@pytest.mark.parametrize(
    "path",
    ["/county/18999", "/county/1808", "/county/Lake", "/town/IN-Atlantis", "/town/XX-Hammond",
     "/town/Hammond", "/radius/46320-5", "/radius/99999-10", "/radius/46320", "/county/18089/brief/x"],
)  # fmt: skip
def test_what_is_no_area_is_not_found(web: Running, path: str) -> None:
    assert web.get(path).status_code == 404
    if path.count("/") == 2:
        assert web.get(f"{path}/feed.atom").status_code == 404
        assert web.get(f"{path}/brief").status_code == 404


def test_another_spelling_leads_to_the_one_address(web: Running) -> None:
    answer = web.get("/town/IN-HAMMOND")
    assert (answer.status_code, answer.headers["location"]) == (301, "/town/IN-Hammond")


@pytest.mark.parametrize("phone", [False, True])
def test_the_page_of_an_area_is_accessible_and_fits(web: Running, browser: Browser, phone: bool) -> None:
    with visit(browser, f"{web.address}/county/18089", phone=phone) as seen:
        assert seen.violations() == []
        assert not seen.overflows()


@pytest.mark.parametrize(
    ("path", "channels"),
    [
        ("/zip/46320", ["@example_lake (Lake County, IN)", "@example_in (Indiana)"]),
        ("/county/18089", ["@example_lake (Lake County, IN)", "@example_in (Indiana)"]),
        ("/state/IN", ["@example_in (Indiana)"]),
        ("/radius/60601-25", ["@example_in (Indiana)", "@example_il (Illinois)"]),
        ("/state/WY", []),
    ],
)
def test_a_page_links_to_the_channels_of_its_place_and_to_both_feeds(
    web: Running, path: str, channels: list[str]
) -> None:
    page = web.get(path).text
    assert re.findall(r'href="https://t.me/\w+"[^>]*>Channel ([^<]+)</a>', page) == channels
    assert f'href="{path}/feed.atom?lang=en"' in page
    assert f'href="{path}/feed.json?lang=en"' in page
