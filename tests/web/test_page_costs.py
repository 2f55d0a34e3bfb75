"""What pages cost the database: statements that do not grow with the lists, steps that do not grow with the
years. Both are counted, never timed, on pages that are made again.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from fastapi.routing import APIRoute

from monitor.storage import engine as db
from monitor.storage.maintenance import refresh_statistics
from monitor.web import Site, api_v1, create_app
from monitor.web.application import ROOMS
from monitor.web.presenters import agency_path
from tests.web import past

AT = "2026-05-31"
"""A day of the past that every list has."""
PAGES = {
    # page: statements at 2, 20 and 100 lists; steps of SQLite for two lists after a month and three years
    "/zip/75201": (8, 500),
    "/zip/75201+75202+75203": (8, 800),
    "/zip/75201/brief": (12, 500),
    "/zip/75201/feed.atom": (8, 1_500),
    "/zip/75201/feed.json": (8, 1_500),
    "/zip/75201/meetings.ics": (4, 100),
    "/county/48113": (8, 4_000),
    "/county/48113/brief": (15, 1_500),
    "/county/48113/feed.atom": (8, 4_000),
    "/county/48113/feed.json": (8, 4_000),
    "/county/48113/meetings.ics": (4, 100),
    "/town/TX-Dallas": (8, 4_000),
    "/town/TX-Dallas/brief": (15, 1_500),
    "/town/TX-Dallas/feed.atom": (8, 4_000),
    "/town/TX-Dallas/feed.json": (8, 4_000),
    "/town/TX-Dallas/meetings.ics": (4, 100),
    "/radius/75201-25": (8, 5_500),
    "/radius/75201-25/brief": (15, 1_500),
    "/radius/75201-25/feed.atom": (8, 5_500),
    "/radius/75201-25/feed.json": (8, 5_500),
    "/radius/75201-25/meetings.ics": (4, 100),
    "/state/TX": (8, 1_500),
    "/state/WY": (8, 1_500),
    "/state/TX/brief": (110, 20_000),
    "/state/WY/feed.atom": (8, 4_000),
    "/state/TX/feed.json": (8, 15_000),
    "/state/TX/meetings.ics": (4, 100),
    "/": (10, 4_000),
    "/find?q=Dallas": (10, 4_000),  # leads to the home page
    "/changes": (12, 18_000),
    "/changes/2": (8, 9_000),
    "/agency": (12, 1_500),
    "/letter": (10, 1_500),
    "/feed.atom": (8, 3_000),
    "/feed.json": (8, 3_000),
    "/map": (6, 1_000),
    f"/map?at={AT}": (8, 1_000),
    "/map/TX": (6, 1_000),
    "/map/TX.svg": (6, 1_000),
    "/map/TX.png": (6, 1_000),
    "/map/values.json?list=list0": (6, 1_000),
    "/embed/map": (6, 1_000),
    "/embed/TX": (6, 1_000),
    "/numbers": (8, 1_500),
    "/numbers/list0/months.csv": (8, 1_500),
    "/card/state/TX.png": (6, 1_000),
    "/card/agency": (6, 1_000),
    "/card/changes/2.png": (8, 1_500),
    "/list/list0": (15, 1_000),
    f"/list/list0?at={AT}T11:00:00Z": (15, 1_000),
    "/compare/list0": (15, 1_000),
    f"/compare/list0?from={AT}&state=TX": (15, 1_000),
    "/change/3": (10, 2_000),
    "/absence/list0": (4, 100),
    f"/absence/list0?day={AT}&who=75201": (12, 150_000),  # it reads the list of that day
    "/about": (4, 500),
    "/privacy": (4, 500),
    "/data": (10, 1_500),
    "/api": (4, 100),
    "/data/catalog.jsonld": (4, 500),
    "/data/dataset.jsonld": (10, 1_500),
    "/data/record.sqlite": (8, 1_000),
    "/data/list0/agencies.csv": (12, 1_500),
    "/data/list0/changes.csv": (12, 1_500),
    "/data/list0/polls.csv": (12, 1_500),
    "/data/list0/datapackage.json": (40, 3_000),
    "/api/v1/lists": (12, 1_500),
    "/api/v1/agencies?source=list0": (12, 110_000),  # a page of a list is cut from the whole
    "/api/v1/agencies/list0": (12, 1_500),
    "/api/v1/changes?source=list0": (10, 20_000),  # a hundred steps
    "/api/v1/changes?source=list0&since=1": (10, 20_000),
    "/api/v1/changes?source=list0&since=12": (10, 20_000),
    "/api/v1/polls?source=list0": (8, 5_000),
    "/api/v1/zip/75201": (8, 1_500),
    "/api/v1/log": (8, 500),
    "/api/v1/changelog.json": (4, 100),
    "/api/v1/openapi.json": (4, 100),
    "/robots.txt": (0, 100),
    "/manifest.webmanifest": (0, 100),
    "/app-icon-192.png": (0, 100),
    "/push-worker.js": (0, 100),
    "/healthz": (0, 100),
}
NOT_COUNTED = {
    "/find": "a form's POST",
    "/static/{version}/{name}": "files of the program",
    "/readyz": "for the operator's own probe: it asks after each list what `monitor status` asks",
    "/log/checkpoint": "one row, nothing before it was signed",
    "/log/key": "one row",
    "/log/tile/{path:path}": "256 rows at most",
    "/log/consistency/{first:int}/{size:int}": "a hash for each level of the tree, each of 128 rows at most",
    "/data/dump/{name}": "a file that was written at night",
    "/api/v1/bodies/{sha256}": "one body and those that it differs from, whose number is bounded",
    "/evidence/change/{name}": "one at a time, built once (tests/record)",
    "/evidence/day/{source}/{name}": "one at a time, built once (tests/record)",
    "/evidence/agreement/{name}": "one at a time, built once (tests/record)",
    "/evidence/document/{name}": "one body",
}
"""Public addresses that are no pages of the counted kind, and why."""
_STEP = 10  # instructions of SQLite's virtual machine between two counts


@dataclass
class Counter:
    """Counts statements and, in tens, instructions of SQLite's virtual machine."""

    statements: int = 0
    steps: int = 0

    def count_statement(self, *_: object) -> None:
        self.statements += 1

    def count_steps(self) -> int:
        self.steps += _STEP
        return 0

    def attach(self, connection: sqlite3.Connection, _: object) -> None:
        connection.set_progress_handler(self.count_steps, _STEP)


Measure = Callable[..., Iterator[dict[str, tuple[int, int]]]]


@pytest.fixture(scope="module")
def measure(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """Statements and steps of every page, made again, for lists with a past: once for each of ``statistics``,
    whether the planner has them. The past, and the files that are made of it, are the same for both.
    """

    def run(
        lists: int, *, days: int, listings: int, statistics: Sequence[bool] = (False,)
    ) -> Iterator[dict[str, tuple[int, int]]]:
        path = tmp_path_factory.mktemp("past") / "monitor.db"
        shutil.copyfile(sqlite_template, path)
        engine = db.connect(f"sqlite:///{path}")
        past.write_past(engine, lists=lists, days=days, listings=listings)
        counter = Counter()
        sa.event.listen(engine, "before_cursor_execute", counter.count_statement)
        sa.event.listen(engine, "connect", counter.attach)
        for refreshed in statistics:
            if refreshed:
                refresh_statistics(engine)
            engine.dispose()  # so that every connection counts
            yield _ask(past.make_site(engine, lists, path.parent / "public"), counter)
        engine.dispose()

    return run


def _ask(site: Site, counter: Counter) -> dict[str, tuple[int, int]]:
    with db.reading(site.engine) as conn:
        agency = conn.scalar(sa.text("SELECT agency FROM listing WHERE source = 'list0' ORDER BY id LIMIT 1"))
    its = agency_path("list0", agency)
    named = {
        "/agency": its,
        "/letter": f"{its}/letter",
        "/card/agency": f"/card{its}.png",
        "/api/v1/agencies/list0": f"/api/v1/agencies/list0/{quote(agency)}",
    }
    paths = {page: named.get(page, page) for page in PAGES}
    return asyncio.run(_ask_twice(site, counter, paths))


async def _ask_twice(site: Site, counter: Counter, paths: dict[str, str]) -> dict[str, tuple[int, int]]:
    found = {}
    transport = httpx.ASGITransport(create_app(site))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for page, path in paths.items():
            first = await client.get(path, follow_redirects=True)  # what pages keep is made now
            assert first.status_code == 404 if path.endswith(".ics") else first.status_code < 400, path
            path = first.url.raw_path.decode()
            site.clock.now += timedelta(minutes=1)  # type: ignore[attr-defined]
            counter.statements = counter.steps = 0
            assert (await client.get(path)).status_code == first.status_code, path
            found[page] = (counter.statements, counter.steps)
    return found


@pytest.mark.parametrize("lists", [2, 20, 100])
def test_statements_of_a_page_do_not_grow_with_the_lists(measure: Measure, lists: int) -> None:
    (found,) = measure(lists, days=2, listings=12)
    for page, (statements, _) in found.items():
        assert 0 <= statements <= PAGES[page][0], (page, lists, statements)


@pytest.mark.parametrize(
    ("days", "statistics"), [(30, (False,)), (past.THREE_YEARS, (False, True))], ids=["month", "years"]
)
def test_steps_of_a_page_do_not_grow_with_the_years(
    measure: Measure, days: int, statistics: tuple[bool, ...]
) -> None:
    """Nor do they with what the planner knows of the tables."""
    measured = list(measure(2, days=days, listings=past.LISTINGS, statistics=statistics))
    for refreshed, found in zip(statistics, measured, strict=True):
        over = {page: steps for page, (_, steps) in found.items() if steps > PAGES[page][1]}
        assert not over, refreshed
        assert found["/zip/75201"][1] > 0  # it does count


def test_every_public_address_is_counted_or_says_why_not() -> None:
    known = [page.partition("?")[0] for page in PAGES]
    known += [
        "/agency/list0/x",
        "/agency/list0/x/letter",
        "/card/agency/list0/x.png",
        "/api/v1/agencies/list0/x",
    ]
    api = [route for route in api_v1.router.routes if isinstance(route, APIRoute)]
    assert len(api) > 10
    for route in [*(route for room in ROOMS for route in room.router.routes), *api]:
        counted = "GET" in (route.methods or ()) and any(map(route.path_regex.match, known))
        assert counted or route.path in NOT_COUNTED or route.methods == {"HEAD"}, route.path
