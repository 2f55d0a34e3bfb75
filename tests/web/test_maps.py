"""The map's pages: whole without a script, at moments, as files and in frames, within their budgets."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from playwright.sync_api import Browser, Page

from monitor.pictures.map_data import StateValues
from monitor.pictures.map_drawing import MapLabels, draw_state
from monitor.places.fips import FIPS
from monitor.states import STATES
from monitor.storage.engine import reading
from monitor.storage.lists import baseline
from monitor.web import create_app, maps
from monitor.web.map_images import MapImages
from monitor.web.map_values import MapCache
from tests.peers.browser import served, visit
from tests.peers.processes import PATIENCE
from tests.web.conftest import Running
from tests.web.story import SOURCE, site
from tests.web.test_pages import words


def link_of(page: str, pattern: str) -> str:
    found = re.search(pattern, page)
    assert found, pattern
    return found[1].replace("&amp;", "&")


def test_the_nation_is_drawn_and_every_number_of_it_is_in_the_table(web: Running) -> None:
    page = web.get("/map").text
    rows = dict(re.findall(r'<tr data-row="(..)">(.*?)</tr>', page))
    assert set(rows) == set(FIPS)
    for code in FIPS:
        cells = re.findall(r'<td class="count">([^<]*)</td>', rows[code])
        title = link_of(page, rf'data-code="{code}" d="[^"]+"><title>([^<]*)')
        assert title.startswith(STATES[code])
        if cells[0] == "0":
            assert title.endswith("no agency listed")
        else:
            assert f"{cells[0]} agenc" in title
            assert cells[2].replace("<", "&lt;") in title
    assert re.findall(r'<td class="count">([^<]*)</td>', rows["IN"])[0] == "5"
    said = words(page)
    assert "Not on the map: 1" in said
    assert "Zyxwv Task Force" in said
    assert web.get("/map/US").headers["location"] == "/map"


def test_a_state_lists_its_counties_its_dots_and_what_is_not_on_the_map(web: Running) -> None:
    page = web.get("/map/IN").text
    said = words(page)
    assert "Indiana: 5 agencies" in said
    assert "1 agency serves all of Indiana: Indiana State Police" in said
    assert page.count("<circle") == 2  # Hammond and Gary
    lake = link_of(page, r'<div id="county-18089">(.*?)</div>')
    assert lake.index("Lake County Sheriff") < lake.index("Gary Police") < lake.index("Hammond Police")
    assert 'class="c" data-code="18089"' in page
    assert link_of(page, r'<a href="(#county-\d+)"><path class="c"') == "#county-18089"
    assert web.get("/map/in").headers["location"] == "/map/IN"
    for path in ("/map/ZZ", "/map/IN.gif", "/map/AA.svg", "/map?list=other", "/map?at=2026-13", "/map?at=x"):
        assert web.get(path).status_code == 404, path


def test_a_moment_shows_what_was_listed_then_and_two_show_what_differs(web: Running) -> None:
    web.clock.now += timedelta(days=40)
    now = words(web.get("/map").text)
    before = words(web.get("/map?at=2026-03-01").text)  # the story's first day has the whole past in it
    assert "listed at the end of Mar 1, 2026" in before
    month = web.get("/map?at=2026-03")
    assert month.status_code == 200
    assert "nobody could see this list then" in words(month.text)
    assert 'unseen" hidden' not in month.text
    assert '<path class="blind"' in month.text
    assert web.get("/map?at=2026-04").status_code == 404  # it is not over
    assert web.get("/map?at=2026-02").status_code == 404  # nobody looked
    both = words(web.get("/map?at=2026-03&to=now").text)
    assert "What differs between the two" in both
    assert both.count("None.") == 2
    assert "6 agencies" in now


def test_files_say_what_they_show_and_anybody_may_use_them(web: Running) -> None:
    for name in ("US.svg", "IN.svg"):
        answer = web.get(f"/map/{name}")
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "The camera list" in answer.text
        assert "https://watch.example/map" in answer.text
    png = web.get("/map/IN.png")
    assert png.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(png.content[16:20]) == 1200
    assert web.get("/map/IN.png").content == png.content
    # without the page, a picture says the rest itself
    state = web.get("/map/IN.svg").text
    for text in (
        "a town with an agency", "1 agency serves all of Indiana: Indiana State Police", "Not on the map: 1",
    ):  # fmt: skip
        assert f">{text}</text>" in state
    assert "Not on the map: 1" in web.get("/map/US.svg").text
    spanish = web.get("/map/IN.svg", **{"Accept-Language": "es"}).text
    assert "1 agencia atiende a todo el estado (Indiana): Indiana State Police" in spanish
    # letters are drawn: with no font the title's strip would be blank
    bare = re.sub(r"<text[^>]*>[^<]*</text>", "", web.get("/map/IN.svg").text)
    assert MapImages().png(bare) != png.content


def test_only_embeds_may_be_framed_and_only_by_whom_the_operator_names(web: Running) -> None:
    page = web.get("/map")
    assert page.headers["x-frame-options"] == "DENY"
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'; connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "iframe" not in page.text
    assert "script-src" not in web.get("/state/IN").headers["content-security-policy"]
    alone = web.get("/embed/IN")
    assert alone.headers["x-frame-options"] == "DENY"
    allowed = replace(site(web.engine, web.clock), embed=("https://news.example",))
    with served(create_app(allowed)) as address, httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        framed = client.get(f"{address}/embed/map")
        assert "frame-ancestors https://news.example" in framed.headers["content-security-policy"]
        assert "x-frame-options" not in framed.headers
        assert "<script" not in framed.text
        assert "&lt;iframe src=" in client.get(f"{address}/map/IN").text
        assert client.get(f"{address}/embed/ZZ").status_code == 404
        assert client.get(f"{address}/map").headers["x-frame-options"] == "DENY"


def test_maps_keep_their_budgets(web: Running) -> None:
    def size(path: str) -> int:
        return len(gzip.compress(web.get(path).content))

    page = web.get("/map").text
    assert size("/map") < 60_000
    assert all(size(f"/map/{code}") < 40_000 for code in ("TX", "AK", "VA", "GA"))
    script = link_of(page, r'<script src="([^"]+)" defer>')
    assert size(script) < 12_000
    assert size(link_of(page, r'data-outlines="([^"]+)"')) < 110_000
    assert "immutable" in web.get(link_of(page, r'data-outlines="([^"]+)"')).headers["cache-control"]


def test_pages_of_places_have_their_state_s_map(web: Running) -> None:
    state = web.get("/state/IN").text
    assert "<title>Lake County: " in state
    assert '/map/IN?list=list#county-18089"' in state
    place = web.get("/zip/46320").text
    assert place.count('class="here"') == 1
    assert "<title>Lake County: " in place
    assert 'class="map"' not in web.get("/zip/00000").text
    assert 'data-code="TX"' in web.get("/").text


def test_a_place_s_map_is_drawn_once_while_the_list_stands(
    web: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def draw(values: StateValues, labels: MapLabels, **given: bool) -> str:
        drawn.append(values.code)
        return draw_state(values, labels, **given)

    monkeypatch.setattr(maps, "draw_state", draw)
    app = create_app(site(web.engine, web.clock))
    with served(app) as address, httpx.Client(base_url=address, trust_env=False, timeout=600) as client:
        for path in ("/zip/46320", "/zip/46402", "/zip/46320", "/state/IN"):
            web.clock.now += timedelta(minutes=1)
            page = client.get(path).text
            assert page.count('class="here"') == path.startswith("/zip")
            assert "<title>Lake County: " in page
    assert drawn == ["IN"]


@pytest.fixture
def later(web: Running) -> Running:
    """Three months on, so that there are months to choose."""
    web.clock.now += timedelta(days=100)
    return web


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("language", ["en", "es"])
def test_maps_are_accessible_and_fit_320_pixels(later: Running, browser: Browser, language: str) -> None:
    with visit(browser, later.address + "/map", language=language) as seen:
        for path in ("/map", "/map/IN", "/map?at=2026-03&to=now", "/embed/map"):
            seen.page.goto(later.address + path)
            seen.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
            assert seen.violations() == [], path
            assert not seen.overflows(), path
            seen.page.set_viewport_size({"width": 320, "height": 640})
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not seen.page.evaluate(wide), path
            seen.page.set_viewport_size({"width": 1100, "height": 800})
        assert seen.complaints == []
        assert all(address.startswith(later.address) for address in seen.requests)


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_without_scripts_an_agency_is_found_from_the_map_by_keys(web: Running, browser: Browser) -> None:
    with visit(browser, web.address + "/map", scripts=False) as seen:
        page = seen.page
        page.focus("a[href*='/map/IN']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/map/IN?*")
        page.focus("dl.counties a")
        page.keyboard.press("Enter")
        page.wait_for_url("**/agency/**")
        page.goto(web.address + "/map/IN")
        page.click("path[data-code='18089']")
        assert page.url.endswith("#county-18089")


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_an_agency_is_twelve_presses_from_the_map(web: Running, browser: Browser) -> None:
    with visit(browser, web.address + "/map") as seen:
        page = seen.page
        presses = 0

        def press(key: str) -> None:
            nonlocal presses
            presses += 1
            page.keyboard.press(key)

        for key in ("Tab", "Enter", "Tab"):  # past the header, to the field
            press(key)
        page.keyboard.type("46320")
        press("Enter")
        page.wait_for_url("**/zip/46320")
        for key in ("Tab", "Enter"):
            press(key)
        while "/agency/" not in str(page.evaluate("document.activeElement.getAttribute('href') || ''")):
            press("Tab")
            assert presses < 12
        press("Enter")
        page.wait_for_url("**/agency/**")
        assert presses <= 12


def view_box(page: Page) -> list[float]:
    return [float(each) for each in str(page.get_attribute("svg.map", "viewBox")).split()]


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_keys_and_buttons_zoom_and_say_what_is_in_view(later: Running, browser: Browser) -> None:
    with visit(browser, later.address + "/map") as seen:
        page = seen.page
        whole = view_box(page)
        page.focus(".stage")
        for _ in range(3):
            page.keyboard.press("+")
        near = view_box(page)
        assert near[2] < whole[2] / 3
        page.wait_for_selector("path[data-county='18089'].c", state="attached")
        assert page.locator("path[data-county='18089'].c").count() == 1
        assert page.locator(".of-counties").is_visible()
        page.locator(".view li").nth(3).wait_for()
        page.keyboard.press("ArrowRight")
        assert view_box(page)[0] > near[0]
        page.get_by_role("button", name="Zoom out").click()
        assert view_box(page)[2] > near[2]
        page.get_by_role("button", name="Whole map").click()
        assert view_box(page) == whole
        assert page.locator("[data-county]").count() == 0
        assert seen.violations() == []
        assert seen.complaints == []


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_who_zooms_into_a_county_is_led_to_its_agencies(later: Running, browser: Browser) -> None:
    with visit(browser, later.address + "/map") as seen:
        page = seen.page
        page.focus(".stage")
        for _ in range(7):
            page.keyboard.press("+")
        page.locator(".view p", has_text=re.compile("^In view: 1$")).wait_for()  # it is larger than the view
        assert page.locator(".view li").inner_text().startswith("Kansas")
        for _ in range(4):
            page.keyboard.press("-")
        lake = page.locator("path[data-county='18089'].c")
        lake.wait_for(state="attached")
        page.evaluate("document.querySelector('.stage').scrollIntoView()")

        def middle() -> tuple[float, float]:
            """Where the county is, as shares of the drawing that is in view."""
            box, view = lake.bounding_box(), page.locator("svg.map").bounding_box()
            assert box
            assert view
            return (
                (box["x"] + box["width"] / 2 - view["x"]) / view["width"],
                (box["y"] + box["height"] / 2 - view["y"]) / view["height"],
            )

        for _ in range(40):
            x, y = middle()
            if 0.1 < x < 0.9 and 0.1 < y < 0.9:
                break
            page.keyboard.press(
                "ArrowRight"
                if x >= 0.9
                else "ArrowLeft"
                if x <= 0.1
                else "ArrowUp"
                if y <= 0.1
                else "ArrowDown"
            )
        box = lake.bounding_box()
        assert box
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_url(re.compile(r"/map/IN\?.*#county-18089$"))
        assert page.locator("#county-18089").is_visible()
        assert seen.complaints == []


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_the_slider_shows_a_month_and_keeps_it_in_the_address(later: Running, browser: Browser) -> None:
    with visit(browser, later.address + "/map") as seen:
        page = seen.page
        slider = page.get_by_role("slider")
        slider.focus()
        with page.expect_response("**/map/values.json?**"):
            page.keyboard.press("Home")
        page.wait_for_url("**at=2026-03-31**")
        page.locator(".heading", has_text="Mar 31, 2026").wait_for()
        assert page.locator(".unseen").is_visible()
        assert page.locator("svg.map .blind").count() > 40
        cells = page.locator("tr[data-row=IN] td").all_inner_texts()
        assert cells[0] == "5"
        unplaced = page.locator("p.unplaced a")
        assert unplaced.inner_text() == "Not on the map: 1"
        assert "at=2026-03-31" in (unplaced.get_attribute("href") or "")
        page.reload()
        assert page.locator(".heading").inner_text().endswith("Mar 31, 2026")
        assert seen.complaints == []
        assert f"list={SOURCE}" in page.url


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_fingers_pinch_and_pan_the_map_of_a_phone(web: Running, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    page.goto(web.address + "/map/IN")
    page.locator("svg.map").scroll_into_view_if_needed()
    box = page.locator("svg.map").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, max(box["y"], 0) + 150
    touch = context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        fingers = [{"x": px, "y": py, "id": n} for n, (px, py) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    whole = view_box(page)
    send("touchStart", (x - 20, y), (x + 20, y))
    for step in range(1, 9):
        send("touchMove", (x - 20 - 10 * step, y), (x + 20 + 10 * step, y))
    send("touchEnd")
    near = view_box(page)
    assert near[2] < whole[2] / 2
    before = page.url
    send("touchStart", (x, y))
    for step in range(1, 9):
        send("touchMove", (x - 8 * step, y - 4 * step))
    send("touchEnd")
    moved = view_box(page)
    assert moved[0] > near[0]
    assert moved[1] > near[1]
    assert page.url == before
    context.close()


def test_maps_of_many_moments_share_their_agencies(web: Running) -> None:
    maps = MapCache(site(web.engine, web.clock))
    with reading(web.engine) as conn:
        number = baseline.load_info(conn, SOURCE).number
        now = maps.of(conn, SOURCE, number)
        assert maps.of(conn, SOURCE, number) is now
        moments = [maps.of(conn, SOURCE, number, web.told_at - timedelta(minutes=n)) for n in range(1, 60)]
    agencies = {id(agency) for values in (now, *moments) for agency in values.agencies}
    assert len(agencies) == len(now.agencies)
    with reading(web.engine) as conn:
        assert maps.of(conn, SOURCE, number) is not now  # the oldest gave way
