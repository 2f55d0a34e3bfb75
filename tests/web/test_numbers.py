"""The numbers page: every figure with its table, files and how it is counted."""

from __future__ import annotations

import csv
import shutil
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from monitor.storage import engine as db
from monitor.storage.engine import reading
from monitor.storage.lists.listing_periods import load_listing_periods, load_published_count
from monitor.storage.lists.printed_counts import put_printed_count
from monitor.web import create_app
from monitor.web.numbers import FIGURES
from tests.peers.browser import served, visit
from tests.web.conftest import Running
from tests.web.story import HOUR, SOURCE, START, Clock, site
from tests.web.test_pages import words


def rows(web: Running, name: str) -> list[dict[str, str]]:
    answer = web.get(f"/numbers/{SOURCE}/{name}.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    return list(csv.DictReader(StringIO(answer.text)))


def test_a_rename_is_no_new_stay_and_a_removal_ends_one(web: Running) -> None:
    with reading(web.engine) as conn:
        periods = {period.agency: period for period in load_listing_periods(conn, SOURCE)}
        published = load_published_count(conn, SOURCE)
    assert len(periods) == 7
    ended = [period for period in periods.values() if period.to_at is not None]
    assert [(period.from_at, period.to_at) for period in ended] == [(START + HOUR, START + 3 * HOUR)]
    assert sum(period.from_at == START + HOUR for period in periods.values()) == 6
    assert published == (START + 14 * HOUR, 10)  # four of them are held


def test_the_page_says_what_the_story_was(web: Running) -> None:
    said = words(web.get("/numbers").text)
    assert "6 agencies listed" in said
    assert "1 joined, 1 left; 6 were there at our first check" in said
    assert "Half of them were seen within 1 day of the publisher's date" in said
    assert "The publisher gives a date for each agency: 7 in all." in said
    assert "has 10 entries; we count 6 agencies" in said
    assert said.count("How it is counted") == len(FIGURES)
    assert web.get("/numbers?list=other").status_code == 404
    assert rows(web, "months") == [
        {"month": "2026-03", "joined": "1", "left": "1", "net": "0", "listed_at_end": "6"}
    ]
    assert sum(int(row["joined"]) for row in rows(web, "dates")) == 7
    assert rows(web, "published") == [{"entries_published": "10", "agencies_counted": "6"}]
    assert {row["state"]: row["agencies"] for row in rows(web, "states") if row["agencies"] != "0"} == {
        "IN": "5",
        "IL": "1",
    }


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_has_its_files(web: Running, name: str) -> None:
    svg = web.get(f"/numbers/{SOURCE}/{name}.svg")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert svg.text.startswith("<svg xmlns=")
    png = web.get(f"/numbers/{SOURCE}/{name}.png").content
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert rows(web, name)
    for path in (f"/numbers/{SOURCE}/{name}.gif", f"/numbers/other/{name}.csv", f"/numbers/{SOURCE}/x.csv"):
        assert web.get(path).status_code == 404


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
@pytest.mark.parametrize("language", ["en", "es"])
def test_the_page_is_accessible_and_fits_320_pixels(web: Running, browser: Browser, language: str) -> None:
    web.clock.now += timedelta(days=100)
    with visit(browser, web.address + "/numbers", language=language) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert seen.violations() == []
        assert not seen.overflows()
        seen.page.set_viewport_size({"width": 320, "height": 640})
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not seen.page.evaluate(wide)
        assert seen.complaints == []


def test_the_number_that_the_publisher_prints_stands_beside_ours(
    told: tuple[Path, datetime], tmp_path: Path
) -> None:
    path, ended = told
    shutil.copyfile(path, tmp_path / "monitor.db")
    engine = db.connect(f"sqlite:///{tmp_path / 'monitor.db'}")
    with db.transaction(engine) as conn:
        put_printed_count(conn, SOURCE, 12, ended)
    app = create_app(site(engine, Clock(ended + timedelta(minutes=7))))
    with served(app) as address, httpx.Client(base_url=address, trust_env=False, timeout=600) as client:
        page = words(client.get("/numbers").text)
        assert "The publisher itself prints 12, since Mar 1, 2026 or before." in page
        assert "Printed by the publisher 12" in page
        lines = client.get(f"/numbers/{SOURCE}/published.csv").text.splitlines()
        assert lines[0].endswith("entries_published,agencies_counted,printed_by_publisher")
        assert lines[1].endswith("10,6,12")
        assert "Indicado por quien publica" in client.get("/numbers?lang=es").text
    engine.dispose()
