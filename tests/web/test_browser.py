"""The site in a real Chromium: accessible, on a phone and in the dark, in both languages, and deaf to hostile
names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser
from sqlalchemy.engine import Engine

from monitor.domain import Policy
from monitor.fetch import Fetcher
from monitor.web import create_app
from tests.peers.browser import served, visit
from tests.peers.http import Server
from tests.peers.processes import PATIENCE
from tests.web.conftest import Running
from tests.web.story import Clock, Publisher, site

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/zip/46320",
    "/zip/46320+47901",
    "/zip/99999",
    "/state/IN",
    "/changes",
    "/changes/1",
    "/about",
    "/privacy",
    "/list/list?sort=since",
    "/compare/list",
    "/change/1",
    "/absence/list?day=2026-03-01&who=46402",
    "/data",
    "/api",
)


@pytest.mark.parametrize("language", ["en", "es"])
def test_every_page_is_accessible_in_light_and_dark_and_fits_a_phone(
    web: Running, browser: Browser, language: str
) -> None:
    path = re.search(r'href="(/agency/[^"]+)"', web.get("/zip/46320").text)
    assert path
    with visit(browser, web.address + "/nowhere", language=language) as seen:
        assert seen.violations() == []
        seen.complaints.clear()  # the browser notes the 404 itself
        for page in (*PAGES, path[1]):
            seen.page.goto(web.address + page)
            assert seen.page.get_attribute("html", "lang") == language
            # what is folded is looked at as well
            seen.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            assert seen.violations() == [], page
            assert not seen.overflows(), page
            assert seen.complaints == [], page
        assert all(address.startswith(web.address) for address in seen.requests)


def test_a_page_of_a_blind_list_and_the_answers_of_the_field_are_accessible(
    web: Running, browser: Browser
) -> None:
    web.clock.now += timedelta(days=2)
    with visit(browser, web.address + "/zip/90210") as seen:
        assert seen.violations() == []
        for text in ("Hammond, IN", "Springfield", "1234"):
            seen.page.goto(web.address)
            seen.page.fill("#q", text)
            seen.page.click("button")
            assert seen.page.url == web.address + "/find"
            assert seen.violations() == [], text
            assert not seen.overflows(), text


def test_the_whole_way_works_without_scripts(web: Running, browser: Browser) -> None:
    with visit(browser, web.address + "/", scripts=False, phone=True) as seen:
        page = seen.page
        page.get_by_label("ZIP code, town, county or agency").fill("Hammond, IN")
        page.get_by_role("button", name="Look up").click()
        page.get_by_role("link", name="All of Hammond").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Hammond, IN"
        page.get_by_text("Its 4 ZIP codes, one by one").wait_for()
        page.get_by_role("link", name="Hammond Police Department").first.click()
        assert page.get_by_role("heading", level=1).inner_text() == "Hammond Police Department"
        page.get_by_role("link", name="Español").click()
        assert page.get_by_role("heading", name="Historial").is_visible()
        page.get_by_role("link", name="Cambios").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Qué cambió"


HOSTILE = (
    "<script>window.hit=1;alert(1)</script> Police",
    '"><img src=x onerror="window.hit=1;alert(2)"> Police',
    "'-alert(3)-' Police",
    "</title></head><body onload=alert(4)> Police",
    "{{ 7*7 }}{% raw %} Police",
    "javascript:alert(5) Police",
    "Police \u202etxet desrever\u202c Department",
    "Police\u2066\u2067\u200b\ufeff\u2028Department",
    "Police\x0bDep\x1bartment\x85X",
    "%(site)s %s %d Police",
    '=HYPERLINK("https://evil.example") Police',
    "Ω≈ç√∫ 警察署 🚓 Police",
    "A" * 9_990 + " Police",
    "Police " + "wide " * 1_990,
    "<svg/onload=alert(6)> &lt;b&gt; Police",
)


@pytest.fixture
def hostile(sqlite_engine: Engine) -> Iterator[str]:
    """A site whose list is full of names that nobody should have."""
    rows = [
        {
            "Agency": f"{name} {number}",
            "State": "Indiana",
            "County": name[:50],
            "Since": "2026-01-05",
            "Type": name[:300],
        }
        for number in range(200)
        for name in [HOSTILE[number % len(HOSTILE)]]
    ]
    policy = Policy(additions=120, additions_share=0.0, group_share=1000.0)
    with Server() as server, Fetcher(attempts=1) as fetcher:
        publisher = Publisher(server, sqlite_engine, fetcher, policy)
        publisher.says(rows[:1])
        publisher.says(rows[:100])  # published
        publisher.says(rows)  # held
        now = publisher.now
    with served(create_app(site(sqlite_engine, Clock(now)))) as address:
        yield address


def test_two_hundred_hostile_names_neither_run_nor_break_a_page(hostile: str, browser: Browser) -> None:
    with visit(browser, hostile + "/state/IN") as seen:
        agencies = seen.page.eval_on_selector_all(
            "a[href*='/agency/']", "links => links.map(link => link.getAttribute('href'))"
        )
    assert len(agencies) >= 100
    with visit(browser, hostile + "/", phone=True) as seen:
        for path in (
            "/",
            "/state/IN",
            "/state/IN?lang=es",
            "/changes",
            "/changes/1",
            "/zip/46320",
            *list(dict.fromkeys(agencies))[: len(HOSTILE)],
        ):
            seen.page.goto(hostile + path)
            assert seen.complaints == [], path
            assert seen.page.evaluate("window.hit") is None
            assert not seen.overflows(), path
            text = seen.page.inner_text("body")
            assert not re.search(
                "[\u202a-\u202e\u2066-\u2069\u200b\ufeff\x00-\x08\x0b\x1b\x85\u2028]", text
            ), path
            assert "49" not in seen.page.inner_text("h1")
        assert all(request.startswith(hostile) for request in seen.requests)


def test_hostile_names_leave_a_feed_well_formed(hostile: str, browser: Browser) -> None:
    import httpx
    from lxml import etree

    body = httpx.get(f"{hostile}/feed.atom", trust_env=False, timeout=PATIENCE).content
    titles = [entry.findtext("{*}title") for entry in etree.fromstring(body).iterfind("{*}entry")]
    assert len(titles) > 80  # all of the changeset
    assert any("<" in title or "{{" in title or "%(" in title for title in titles)
    assert all(len(title) < 200 for title in titles)
