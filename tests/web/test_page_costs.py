"""What pages cost the database: statements that do not grow with the lists, steps that do not grow with the
years. Both are counted, never timed, on pages that are made anew.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from monitor.storage import engine as db
from monitor.storage.statistics import refresh_statistics
from monitor.web import Site, create_app
from monitor.web.presenters import agency_path
from tests.web import past

PAGES = {
    # page: statements at 2, 20 and 100 lists; steps of SQLite for two lists after a month and three years
    "/zip/75201": (8, 500),
    "/zip/75201+75202+75203": (8, 800),
    "/county/48113": (8, 4_000),
    "/town/TX-Dallas": (8, 4_000),
    "/radius/75201-25": (8, 5_500),
    "/county/48113/feed.atom": (8, 4_000),
    "/state/TX": (8, 1_500),
    "/state/WY": (8, 1_500),
    "/": (10, 4_000),
    "/changes": (12, 18_000),
    "/changes/2": (8, 9_000),
    "/agency": (12, 1_500),
    "/letter": (10, 1_500),
    "/feed.atom": (8, 3_000),
    "/state/WY/feed.atom": (8, 4_000),
    "/zip/75201/feed.atom": (8, 1_500),
    "/map": (6, 1_000),
    "/map/TX": (6, 1_000),
    "/about": (4, 500),
    "/privacy": (4, 500),
}
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


Measure = Callable[..., dict[str, tuple[int, int]]]


@pytest.fixture(scope="module")
def measure(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """Statements and steps of every page, made anew, for lists with a past; each past is measured once."""
    known: dict[tuple[int, int, int, bool], dict[str, tuple[int, int]]] = {}

    def run(lists: int, *, days: int, listings: int, statistics: bool = False) -> dict[str, tuple[int, int]]:
        key = (lists, days, listings, statistics)
        if key not in known:
            path = tmp_path_factory.mktemp("past") / "monitor.db"
            shutil.copyfile(sqlite_template, path)
            engine = db.connect(f"sqlite:///{path}")
            past.write_past(engine, lists=lists, days=days, listings=listings)
            counter = Counter()
            sa.event.listen(engine, "before_cursor_execute", counter.count_statement)
            sa.event.listen(engine, "connect", counter.attach)
            if statistics:
                refresh_statistics(engine)
            engine.dispose()  # so that every connection counts
            known[key] = _ask(past.make_site(engine, lists), counter)
            engine.dispose()
        return known[key]

    return run


def _ask(site: Site, counter: Counter) -> dict[str, tuple[int, int]]:
    with db.reading(site.engine) as conn:
        agency = conn.scalar(sa.text("SELECT agency FROM listing WHERE source = 'list0' ORDER BY id LIMIT 1"))
    its = agency_path("list0", agency)
    paths = {page: {"/agency": its, "/letter": f"{its}/letter"}.get(page, page) for page in PAGES}
    return asyncio.run(_ask_twice(site, counter, paths))


async def _ask_twice(site: Site, counter: Counter, paths: dict[str, str]) -> dict[str, tuple[int, int]]:
    found = {}
    transport = httpx.ASGITransport(create_app(site))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for page, path in paths.items():
            assert (await client.get(path)).status_code == 200, path  # what pages keep is made now
            site.clock.now += timedelta(minutes=1)  # type: ignore[attr-defined]
            counter.statements = counter.steps = 0
            assert (await client.get(path)).status_code == 200, path
            found[page] = (counter.statements, counter.steps)
    return found


@pytest.mark.parametrize("lists", [2, 20, 100])
def test_statements_of_a_page_do_not_grow_with_the_lists(measure: Measure, lists: int) -> None:
    for page, (statements, _) in measure(lists, days=2, listings=12).items():
        assert 0 <= statements <= PAGES[page][0], (page, lists, statements)


@pytest.mark.parametrize(
    ("days", "statistics"), [(30, False), (past.THREE_YEARS, False), (past.THREE_YEARS, True)]
)
def test_steps_of_a_page_do_not_grow_with_the_years(measure: Measure, days: int, statistics: bool) -> None:
    """Nor do they with what the planner knows of the tables."""
    found = measure(2, days=days, listings=past.LISTINGS, statistics=statistics)
    over = {page: steps for page, (_, steps) in found.items() if steps > PAGES[page][1]}
    assert not over
    assert found["/zip/75201"][1] > 0  # it does count
