"""The time machine: a whole list at any moment, two moments compared, an agency's whole life."""

from __future__ import annotations

import csv
import re
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser
from sqlalchemy.engine import Engine

from monitor.domain import Listing
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, log_rows
from monitor.storage.lists.baseline import NewVersion
from monitor.web import create_app
from monitor.web.list_differences import ListDifference, cut_pages, fold_differences, fold_kinds
from tests.peers.browser import served, visit
from tests.peers.processes import PATIENCE
from tests.web.conftest import Running
from tests.web.story import SOURCE, START, Clock, site

LIST = f"/list/{SOURCE}"
NO_DATES = "This list gives no dates of joining, so it cannot be said who joined in 2025."
AT = f"{START + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"


def names(text: str) -> list[str]:
    """The agencies in the table of a page."""
    return [unescape(name) for name in re.findall(r'<tr><td><a href="/agency/[^"]+">([^<]+)</a>', text)]


def test_the_list_of_a_moment_is_the_list_of_then(web: Running) -> None:
    now, then = names(web.get(LIST).text), names(web.get(f"{LIST}?at={AT}").text)
    assert "Gary Police Department" in now
    assert "Springfield Police Department" not in now
    assert "Springfield Police Department" in then
    assert "Chicago Police Department" in then
    assert len(then) == 6
    page = web.get(f"{LIST}?at={AT}").text
    assert "As it was on" in page
    assert 'rel="next"' in page
    assert 'rel="prev"' not in page


def test_a_list_that_cannot_be_read_is_not_called_as_it_is_now(web: Running) -> None:
    today = f"{LIST}?at={web.clock.now:%Y-%m-%d}"
    for page in (LIST, today):
        seen = web.get(page).text
        assert "as it is now" in seen.lower()
        assert "Last good check: " in seen
    web.clock.now += timedelta(hours=9)
    for page in (LIST, today):
        blind = web.get(page).text
        assert "as it is now" not in blind.lower()
        assert "As it was at our last good check; it had read like this since " in blind
        assert "We cannot see this list right now." in blind
    assert "We cannot see this list" not in web.get(f"{LIST}?at={AT}").text


def test_a_moment_leads_to_the_poll_that_it_means(web: Running) -> None:
    later = f"{START + timedelta(hours=1, minutes=20):%Y-%m-%dT%H:%M:%SZ}"
    answer = web.get(f"{LIST}?at={later}&state=IN")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{LIST}?at={AT.replace(':', '%3A')}&state=IN"
    assert web.get(f"{LIST}?at={AT}").status_code == 200
    assert web.get(f"{LIST}?at=2001-01-01").status_code == 404
    wrong = web.get(f"{LIST}?at=soon")
    assert wrong.status_code == 400
    assert "is written 2026-03-01 and means its end (UTC)" in wrong.text
    assert "se escribe 2026-03-01" in web.get(f"{LIST}?at=soon&lang=es").text
    assert web.get("/list/none").status_code == 404


def test_a_chosen_day_stays_the_day_that_was_chosen(web: Running) -> None:
    web.clock.now += timedelta(days=3)
    chosen = "2026-03-02"
    page = web.get(f"{LIST}?at={chosen}&state=IN")
    assert page.status_code == 200
    assert "As it was at the end of Mar 2, 2026 (UTC); it had read like this since" in page.text
    assert f'name="at" value="{chosen}"' in page.text
    assert "at the end of Mar 2, 2026 (UTC), as recorded by" in page.text
    assert f"https://watch.example{LIST}?at={chosen}&amp;state=IN" in page.text
    compared = web.get(f"/compare/{SOURCE}?from={AT}&to={chosen}").text
    assert "the end of Mar 2, 2026 (UTC)" in compared
    assert f'name="to" value="{chosen}"' in compared
    assert "It reads like this since" in compared
    assert "Jan 1, 2099 (UTC) is not over yet. As it was at our last" in web.get(f"{LIST}?at=2099-01-01").text
    web.clock.now -= timedelta(days=3)
    today = web.get(f"{LIST}?at=2099-01-01").text
    assert "Jan 1, 2099 (UTC) is not over yet: this is the list as it is now." in today
    assert "at the end of Jan 1, 2099 (UTC), as recorded" not in today


def test_a_day_before_the_first_reading_says_what_is_the_oldest(web: Running) -> None:
    for path in (f"{LIST}?at=2001-01-01", f"/compare/{SOURCE}?from=2001-01-01", "/map?at=2001-01-01"):
        page = web.get(path)
        assert page.status_code == 404
        assert "There is no such page" not in page.text
        assert "The oldest that we have of" in page.text
        (oldest,) = re.findall(r'<a class="button" href="([^"]+)"', page.text)
        assert oldest.startswith(("/list/", "/map?"))
        if oldest.startswith("/list/"):
            assert web.get(unescape(oldest)).status_code == 200
    assert "There is no such page" in web.get("/map?at=2099-01-01").text


def test_filters_that_cannot_work_say_so(web: Running) -> None:
    assert "There is no state “ZZ”; all states are shown." in web.get(f"{LIST}?state=ZZ").text
    assert "“last” is not a year; all years are shown." in web.get(f"{LIST}?joined=last").text
    compared = web.ask("GET", f"/compare/{SOURCE}?state=ZZ", follow_redirects=True).text
    assert "There is no state “ZZ”; all states are shown." in compared
    assert NO_DATES not in web.get(f"{LIST}?joined=2025").text
    evil = web.get(f"{LIST}?state=<b>x").text
    assert "“&lt;b&gt;x”" in evil


def test_a_list_without_dates_says_that_nobody_joined_in_a_year_is_not_known(
    sqlite_engine: Engine, web: Running, tmp_path: Path
) -> None:
    undated = NewVersion(Listing(name="Gary Police Department", key="gary", state="IN"), "gary")
    with transaction(sqlite_engine) as conn:
        baseline.advance(conn, baseline.BaselineInfo(SOURCE), number=1, last_good_at=START)
        baseline.begin_versions(conn, SOURCE, [undated], 1, START)
    clock = Clock(START + timedelta(hours=1))
    with served(create_app(site(sqlite_engine, clock, folder=tmp_path))) as address:
        running = Running(address, clock, sqlite_engine, START, web.client)
        page = running.get(f"{LIST}?joined=2025").text
        assert NO_DATES in page
        assert NO_DATES not in running.get(LIST).text


def test_every_page_of_the_record_says_how_to_cite_it(web: Running) -> None:
    with reading(web.engine) as conn:
        entries = log_rows.load_head(conn).size
    for path in ("/state/IN", "/zip/46320", "/map", "/map/IN", "/numbers", "/changes", "/county/18089"):
        page = " ".join(re.sub(r"<[^>]+>", " ", web.get(path).text).split())
        assert "Cite this" in page, path
        assert f"(record of {entries} entries), https://watch.example{path}" in unescape(page), path
        spanish = web.get(path, **{"Accept-Language": "es"}).text
        assert "Cómo citar esto" in spanish, path


def test_search_filter_and_sort(web: Running) -> None:
    assert names(web.get(f"{LIST}?q=sheriff").text) == ["Lake County Sheriff's Office"]
    assert set(names(web.get(f"{LIST}?state=IN&joined=2025").text)) == {
        "Lake County Sheriff's Office", "Indiana State Police", "Zyxwv Task Force",
    }  # fmt: skip
    by_date = names(web.get(f"{LIST}?sort=since").text)
    assert by_date[0] == "Gary Police Department"
    assert names(web.get(f"{LIST}?q=nobody").text) == []
    page = web.get(f"{LIST}?state=IN&joined=2025").text
    (csv,) = re.findall(r'href="(/data/[^"]+agencies\.csv[^"]*)"', page)
    assert web.get(unescape(csv)).text.count("\r\n") == 4
    assert 'aria-sort="ascending"' in page


def test_who_joined_in_a_year_and_left_again_is_said_and_offered(web: Running) -> None:
    page = web.get(f"{LIST}?joined=2025").text
    assert "1 more joined in 2025 and has left the list since." in page
    assert "Springfield Police Department" not in names(page)
    (offered,) = re.findall(r'<a href="([^"]+)">Show them too</a>', page)
    every = web.get(unescape(offered)).text
    assert set(names(every)) - set(names(page)) == {"Springfield Police Department"}
    assert re.search(r"no longer listed: (<time [^>]*>)?Mar(ch)? 1, 2026", every)
    assert "left=1" in re.findall(r'href="(/data/[^"]+agencies\.csv[^"]*)"', every)[0]
    assert "have left" not in web.get(f"{LIST}?joined=2026").text
    assert "ya no figura: " in web.get(f"{unescape(offered)}&lang=es").text


@pytest.fixture
def large(sqlite_engine: Engine) -> Engine:
    """Four thousand agencies with long names."""
    versions = [
        NewVersion(
            Listing(
                name=f"Agency {each:05} of {'a very long name ' * 12}",
                key=f"{each}",
                state="TX",
                county="A county " * 20,
                since=date(2025, 1, 1),
            ),
            f"{each}",
        )
        for each in range(4000)
    ]
    with transaction(sqlite_engine) as conn:
        baseline.advance(conn, baseline.BaselineInfo(SOURCE), number=1, last_good_at=START)
        baseline.begin_versions(conn, SOURCE, versions, 1, START)
    return sqlite_engine


def test_no_page_of_a_list_is_larger_than_100_kb(large: Engine, web: Running, tmp_path: Path) -> None:
    clock = Clock(START + timedelta(hours=1))
    with served(create_app(site(large, clock, folder=tmp_path))) as address:
        running = Running(address, clock, large, START, web.client)
        found: list[str] = []
        for page in (1, 2, 40):
            text = running.get(f"{LIST}?page={page}").text
            assert len(text.encode()) <= 100_000
            found += names(text)
        assert len(set(found)) == len(found) == 100 + 100 + 100
        assert names(running.get(f"{LIST}?page=9999").text) == names(running.get(f"{LIST}?page=40").text)


def difference(number: int, state: str | None) -> ListDifference:
    return ListDifference(f"{number}", None, Listing(name=f"Agency {number}", key=f"{number}", state=state))


def test_many_differences_are_folded_by_state_and_very_many_are_counted() -> None:
    states = ["WY", "AL", None]
    few = [difference(n, states[n % 3]) for n in range(40)]
    assert fold_differences(few).members == few
    many = [difference(n, states[n % 3]) for n in range(41)]
    folded = fold_differences(many)
    assert (folded.total, list(folded.folded)) == (41, ["AL", "WY", None])
    assert sorted(each.agency for part in folded.folded.values() for each in part) == sorted(
        each.agency for each in many
    )
    counted = fold_differences([difference(n, states[n % 3]) for n in range(301)])
    assert counted.counts == {"AL": 100, "WY": 101, None: 100}
    assert not counted.folded
    assert not counted.members
    pages = cut_pages([difference(n, "AL") for n in range(301)])
    assert [len(page) for page in pages] == [280, 21]
    together = fold_kinds([difference(n, states[n % 3]) for n in range(281)])
    assert (together["left"].total, bool(together["joined"].counts)) == (0, True)


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_a_comparison_names_each_agency_or_leads_to_its_state(
    large: Engine, web: Running, tmp_path: Path, browser: Browser
) -> None:
    with transaction(large) as conn:
        opened = [
            NewVersion(Listing(name=f"New {n}", key=f"n{n}", state=("IL", "IN")[n % 2]), f"n{n}")
            for n in range(350)
        ]
        closed = [f"{n}" for n in range(60)]
        at = START + timedelta(minutes=30)
        baseline.advance(conn, baseline.BaselineInfo(SOURCE, number=1), number=2, last_good_at=at)
        baseline.end_versions(conn, SOURCE, closed, 2, at)
        baseline.begin_versions(conn, SOURCE, opened, 2, at)
    app = create_app(site(large, Clock(START + timedelta(hours=1)), folder=tmp_path))
    with served(app) as address, visit(browser, f"{address}/compare/{SOURCE}") as seen:
        assert seen.violations() == []
        assert not seen.overflows()
        assert seen.page.get_by_role("link", name="New 7", exact=True).count() == 0
        seen.page.get_by_role("link", name="Indiana", exact=True).click()
        assert seen.page.get_by_role("link", name="New 7", exact=True).is_visible()


def test_two_moments_are_compared(web: Running) -> None:
    moved = web.get(f"/compare/{SOURCE}?from={AT}")
    assert moved.status_code == 307
    page = web.get(moved.headers["location"])
    assert page.status_code == 200
    joined, left, changed = re.split(r"Only at the earlier moment|At both, with another entry", page.text)
    assert "Gary Police Department" in joined
    assert "Springfield Police Department" in left
    assert "Chicago Police Department → Chicago Police Dept and Bureau" in changed
    assert "Type: Jail → Task force" in changed or "Jail → Task force" in changed
    only = web.get(moved.headers["location"] + "&state=IL").text
    assert "Gary Police Department" not in only
    assert "Springfield Police Department" in only
    assert web.ask("GET", f"/compare/{SOURCE}", follow_redirects=True).status_code == 200
    assert web.get("/compare/none").status_code == 404


def test_two_moments_are_compared_from_the_earlier_to_the_later_one(web: Running) -> None:
    """Only then is "only at the later moment" of the later one, in whichever order they were asked for."""
    later = f"{web.told_at:%Y-%m-%d}"
    asked = web.get(f"/compare/{SOURCE}?from={later}&to={AT}")
    assert (asked.status_code, unquote(asked.headers["location"])) == (
        307,
        f"/compare/{SOURCE}?from={AT}&to={later}",
    )


def test_an_agency_has_its_whole_life_and_a_citation(web: Running) -> None:
    path = re.findall(r'href="(/agency/[^"]+chicago[^"]+)"', web.get(LIST).text)[0]
    page = web.get(path).text
    assert "How the entry read" in page
    assert "Chicago Police Department" in page
    assert "Cite this" in page
    assert f"https://watch.example{path}" in page
    for path in (LIST, f"{LIST}?at={AT}", "/change/1"):
        assert "Cite this" in web.get(path).text
    assert f"https://watch.example{LIST}?at=" in web.get(LIST).text


@pytest.mark.xdist_group("browser")
def test_a_stranger_finds_the_csv_of_a_state_and_a_year_in_six_steps(web: Running, browser: Browser) -> None:
    """From the front page, by what it says, without a script: three links, two choices and a button."""
    context = browser.new_context(java_script_enabled=False, accept_downloads=True)
    context.set_default_timeout(PATIENCE * 1000)
    try:
        page = context.new_page()
        page.goto(web.address)
        page.get_by_role("link", name="Data", exact=True).click()
        page.get_by_role("link", name="Look at the list, filter it").click()
        page.locator("select[name=state]").select_option("IN")
        page.locator("select[name=joined]").select_option("2025")
        page.locator("main form button").first.click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download these as CSV").click()
        rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    finally:
        context.close()
    assert [(row["state"], row["since"][:4]) for row in rows] == [("IN", "2025")] * 3
