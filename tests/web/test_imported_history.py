"""Pages and data of an imported past: each says who captured what, and that this service did not see it."""

from __future__ import annotations

import csv as tables
import io
import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import Engine

from monitor.domain import Kind
from monitor.errors import UsageError
from monitor.history import importing
from monitor.outbox import fan_out
from monitor.record.collect import collect_change
from monitor.storage import engine as db
from monitor.storage.engine import reading
from monitor.storage.lists import changes, imports
from monitor.web import create_app
from monitor.web.presenters import agency_path
from tests.history.test_import import BEGAN, DAY, NOW_LISTED, OWN, WATCH, judged, own_poll
from tests.peers.browser import served
from tests.polling.publisher import HOUR, agency
from tests.web.story import SOURCES, Clock, locate, site

BY = "Captured by An Archive, not seen by this service."


class Asked:
    """A served site whose list has an imported past and two own polls."""

    def __init__(self, address: str, client: httpx.Client, engine: Engine) -> None:
        self._address, self._client, self.engine = address, client, engine

    def text(self, path: str, language: str = "en") -> str:
        answer = self._client.get(
            self._address + path, headers={"Accept-Language": language}, follow_redirects=True
        )
        assert answer.status_code == 200, (path, answer.status_code)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())

    def raw(self, path: str) -> httpx.Response:
        return self._client.get(self._address + path, follow_redirects=True)


@pytest.fixture(scope="session")
def asked(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, client: httpx.Client
) -> Iterator[Asked]:
    """One site for all tests: they only look at it."""
    folder = tmp_path_factory.mktemp("imported")
    shutil.copyfile(sqlite_template, folder / "monitor.db")
    engine = db.connect(f"sqlite:///{folder / 'monitor.db'}")
    importing.write_past(engine, judged(folder / "files"), WATCH, now=OWN - DAY)
    own_poll(engine, folder, NOW_LISTED, OWN)
    own_poll(engine, folder, [*NOW_LISTED, agency(89)], OWN + HOUR)
    fan_out(engine, locate=locate, now=OWN + HOUR)
    with served(create_app(site(engine, Clock(OWN + 2 * HOUR), folder=folder / "public"))) as address:
        yield Asked(address, client, engine)
    engine.dispose()


def first_change(engine: Engine, origin: str, kind: Kind = Kind.ADDED) -> changes.StoredChange:
    with reading(engine) as conn:
        return next(
            row for row in changes.load_published(conn) if row.origin == origin and row.change.kind is kind
        )


def test_an_agency_that_came_with_the_import_says_so(asked: Asked) -> None:
    text = asked.text(agency_path("list", first_change(asked.engine, "imported").agency))
    assert re.search(rf"First seen Feb 17, 2022, 6:00 am CST ?\. {re.escape(BY)}", text)
    assert "captured by others" in text
    assert "Between the publications of" in text
    with reading(asked.engine) as conn:
        key = next(row.agency for row in changes.load_published(conn) if row.origin == "joined")
    assert "captured by An Archive and not seen by this service, and our first check of" in asked.text(
        agency_path("list", key)
    )
    spanish = asked.text(agency_path("list", first_change(asked.engine, "imported").agency), "es")
    assert "Capturado por An Archive; este servicio no lo vio." in spanish


def test_an_agency_of_the_oldest_capture_may_have_been_there_before(asked: Asked) -> None:
    removed = first_change(asked.engine, "imported", Kind.REMOVED)
    text = asked.text(agency_path("list", removed.agency))
    assert "It is the oldest publication that was imported; the agency may have been there before." in text
    assert "There on the oldest imported publication" in text
    assert "our first check" not in text


def test_a_changeset_and_a_change_of_the_import(asked: Asked) -> None:
    row = first_change(asked.engine, "imported")
    changeset = asked.text(f"/changes/{row.changeset}")
    assert "Imported into the record. Nobody was alerted." in changeset
    assert "Announced on" not in changeset
    assert BY in changeset
    change = asked.text(f"/change/{row.id}")
    assert "Last capture without the change" in change
    assert "Captured by An Archive · 0.csv" in change
    assert "First capture with the change" in change
    assert "this service did not see them" in change
    assert "How to check it yourself" not in change
    assert row.change.after is not None
    assert row.change.after.name in change
    assert row.id is not None
    with reading(asked.engine) as conn, pytest.raises(UsageError, match="was imported: An Archive captured"):
        collect_change(conn, row.id, SOURCES["list"], "Watch")
    joined = asked.text(f"/change/{first_change(asked.engine, 'joined').id}")
    assert "Last capture without the change" in joined
    assert "First check with the change" in joined


def test_lists_maps_and_numbers_of_the_past_say_who_captured_them(asked: Asked) -> None:
    past = asked.text(f"/list/list?at={(BEGAN + 500 * DAY).date()}")
    assert BY in past
    assert "59 agencies in all" in past
    assert BY not in asked.text("/list/list")
    compared = asked.text(f"/compare/list?from={(BEGAN + 500 * DAY).date()}")
    assert compared.count(BY) == 1
    assert BY in asked.text("/map?list=list&at=2022-12")
    assert "was captured by others (An Archive) and not seen by this service" in asked.text(
        "/numbers?list=list"
    )
    home = asked.raw("/").text
    assert 'class="line captured"' in home
    assert "Dashed: from publications that others captured" in home
    assert "2021" in asked.text("/")


def test_months_that_nobody_watched_have_no_numbers_and_are_hatched(asked: Asked) -> None:
    with reading(asked.engine) as conn:
        looks = imports.load_looks(conn, "list")
    watched = {f"{at:%Y-%m}" for at in looks}
    rows = list(tables.DictReader(io.StringIO(asked.raw("/numbers/list/months.csv").text)))
    assert {row["month"] for row in rows if row["joined"]} == watched
    assert all(set(list(row.values())[1:]) == {""} for row in rows if row["month"] not in watched)
    assert 0 < len(watched) < len(rows)
    page = asked.text("/numbers?list=list")
    assert "Joined and left, as publications showed it" in page
    assert "as we saw it" not in page
    assert "our first check." not in page.split("How it is counted", maxsplit=1)[0]
    assert "nobody looked" in page
    assert "Shaded: times in which nobody looked at the list." in page
    assert 'class="gap"' in asked.raw("/numbers?list=list").text
    unseen = next(row["month"] for row in rows if not row["joined"])
    assert 'class="blind"' in asked.raw(f"/map?list=list&at={unseen}").text
    assert "Nobody saw this list then." in asked.text(f"/list/list?at={unseen}-15")
    own = f"{OWN + HOUR:%Y-%m-%d}"
    assert "Nobody saw this list then." not in asked.text(f"/list/list?at={own}")


def test_feeds_have_no_entry_of_the_import(asked: Asked) -> None:
    for path in ("/feed.json", "/state/TX/feed.json"):
        items = json.loads(asked.raw(path).text)["items"]
        assert len(items) <= 1
    (item,) = json.loads(asked.raw("/feed.json").text)["items"]
    assert agency(89)["Agency"] in item["title"]


def test_data_says_where_rows_come_from(asked: Asked) -> None:
    def rows(name: str) -> list[dict[str, str]]:
        return list(tables.DictReader(io.StringIO(asked.raw(f"/data/list/{name}").text, newline="")))

    found = rows("changes.csv")
    origins = [row["origin"] for row in found]
    assert origins == sorted(origins, key=["imported", "joined", "own"].index)
    assert {row["captured_by"] for row in found if row["origin"] != "own"} == {"An Archive"}
    assert [row["captured_by"] for row in found if row["origin"] == "own"] == [""]
    versions = rows("versions.csv")
    assert {row["captured_by"] for row in versions if int(row["from_number"]) < 0} == {"An Archive"}
    assert {row["captured_by"] for row in versions if int(row["from_number"]) > 0} == {""}
    assert len(rows("polls.csv")) == 2
    steps, address = [], "/api/v1/changes?since=0&limit=500"
    while address:
        answer = asked.raw(address).json()
        steps += answer["changes"]
        address = "" if answer["next"] is None else answer["next"].removeprefix("https://watch.example")
    copy: dict[str, object] = {}
    for step in steps:
        copy[step["agency"]] = step["after"]
    assert sum(after is not None for after in copy.values()) == len(NOW_LISTED) + 1


def test_a_day_before_the_first_own_poll_is_proved_by_nobody(asked: Asked) -> None:
    day = (BEGAN + timedelta(days=500)).date()
    assert asked.raw(f"/evidence/day/list/{day}.zip").status_code == 404
    absence = asked.text(f"/absence/list?day={day}&who=Police")
    assert "How to check it yourself" not in absence
    assert (
        "Unchecked. On this day nobody checked the list. The nearest looks are imported: An Archive captured "
        "the list on " in absence
    )
    before_own = (OWN - timedelta(days=1)).date()
    last = asked.text(f"/absence/list?day={before_own}&who=Police")
    assert "Unchecked. On this day nobody checked the list. The nearest look is imported: An Archive" in last
    assert "Listed." in absence
    assert BY in absence
    first = asked.text(f"/absence/list?day={BEGAN.date()}&who=Police")
    said = "Imported. On this day others captured the list (An Archive); this service did not see it."
    assert said in first
