"""Feeds as a feed reader sees them; alive and ready as an operator does."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from lxml import etree
from sqlalchemy.engine import Engine

from monitor.formatting import format_minute
from monitor.storage import database_facts, heartbeats
from monitor.storage import engine as db
from monitor.storage.engine import reading, transaction
from monitor.storage.lists.tables import ChangesetRow
from monitor.web import create_app
from tests.peers.browser import served
from tests.web.conftest import Running
from tests.web.story import Clock, site

ATOM = {"a": "http://www.w3.org/2005/Atom"}


def entries(web: Running, path: str) -> list[tuple[str, str]]:
    root = etree.fromstring(web.get(path).content)
    return [
        (entry.findtext("a:id", namespaces=ATOM), entry.findtext("a:title", namespaces=ATOM))
        for entry in root.iterfind("a:entry", ATOM)
    ]


def test_a_feed_is_valid_where_it_matters(web: Running) -> None:
    answer = web.get("/feed.atom")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    root = etree.fromstring(answer.content)
    for element in (root, *root.iterfind("a:entry", ATOM)):
        for needed in ("id", "title", "updated"):
            assert element.findtext(f"a:{needed}", namespaces=ATOM), needed
        assert datetime.fromisoformat(element.findtext("a:updated", namespaces=ATOM)).tzinfo
    assert root.findtext("a:author/a:name", namespaces=ATOM) == "Watch"
    ids = [identity for identity, _ in entries(web, "/feed.atom")]
    assert len(set(ids)) == len(ids) == 4
    assert ids[-1] == "https://watch.example/changes/1#c1"


def test_a_place_has_only_its_own_changes_with_the_same_ids(web: Running) -> None:
    assert [title for _, title in entries(web, "/zip/46402/feed.atom")] == [
        "Gary Police Department (IN) added to The camera list"
    ]
    assert {title.split(" (")[0] for _, title in entries(web, "/state/IL/feed.atom")} == {
        "Chicago Police Department", "Springfield Police Department",
    }  # fmt: skip
    assert set(entries(web, "/zip/46402/feed.atom")) < set(entries(web, "/feed.atom"))


def test_a_place_without_changes_has_an_empty_feed(web: Running) -> None:
    assert entries(web, "/zip/90210/feed.atom") == []
    assert web.get("/zip/9/feed.atom").status_code == 404
    assert web.get("/state/XX/feed.atom").status_code == 404


def test_held_changes_are_in_no_feed(web: Running) -> None:
    assert "Akron" not in web.get("/feed.atom").text


def test_a_feed_that_is_known_is_not_sent_again(web: Running) -> None:
    tag = web.get("/feed.atom").headers["etag"]
    web.clock.now += timedelta(hours=1)
    again = web.get("/feed.atom", **{"if-none-match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")


def test_a_feed_speaks_the_language_of_its_link(web: Running) -> None:
    root = etree.fromstring(web.get("/feed.atom?lang=es").content)
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang") == "es"


def ready(web: Running) -> tuple[int, dict[str, Any]]:
    answer = web.get("/readyz")
    return answer.status_code, answer.json()


def test_alive_and_ready(web: Running) -> None:
    assert web.get("/healthz").json()["alive"] is True
    status, said = ready(web)
    assert (status, said["ready"], said["reasons"]) == (200, True, [])
    assert said["checks"]["migrations"]["revision"] == said["checks"]["migrations"]["head"]


def test_a_blind_source_is_not_ready_but_alive(web: Running) -> None:
    web.clock.now += timedelta(hours=4)
    status, said = ready(web)
    assert status == 503
    assert said["reasons"] == ["list was not read since 2026-03-02T02:00:00+00:00"]
    assert web.get("/healthz").status_code == 200


def test_a_database_without_migrations_is_not_ready(
    tmp_path: Path, client: httpx.Client, now: datetime
) -> None:
    engine = db.connect(f"sqlite:///{tmp_path / 'empty.db'}")
    with served(create_app(site(engine, Clock(now)))) as address:
        web = Running(address, Clock(now), engine, now, client)
        status, said = ready(web)
        assert status == 503
        assert "the database is at revision none" in said["reasons"][0]
        assert web.get("/healthz").status_code == 200
        page = web.get("/changes")
        assert page.status_code == 503
        assert "We cannot read our own records right now" in page.text
    engine.dispose()


def test_a_database_that_is_away_is_a_reason_in_json_that_names_no_host(
    client: httpx.Client, now: datetime
) -> None:
    engine = db.connect("postgresql://watch@127.0.0.1:1/records")  # nobody listens there

    def signing_up() -> str | None:
        with reading(engine) as conn:
            return database_facts.get(conn, "anything")

    with served(create_app(replace(site(engine, Clock(now)), checks={"sign-up": signing_up}))) as address:
        status, said = ready(Running(address, Clock(now), engine, now, client))
    assert (status, said["ready"], said["reasons"]) == (503, False, ["the database cannot be read"])


@pytest.mark.parametrize("stuck", [True, False])
def test_work_that_nobody_does_and_a_part_that_says_no_are_reasons(
    sqlite_engine: Engine, now: datetime, client: httpx.Client, stuck: bool
) -> None:
    if stuck:
        with transaction(sqlite_engine) as conn:
            conn.execute(sa.insert(ChangesetRow).values(source="list", number=1, at=now))
    parts = site(sqlite_engine, Clock(now))
    parts = replace(parts, checks={"mail": lambda: None if stuck else "no mail transport"})
    with served(create_app(parts)) as address:
        status, said = ready(Running(address, Clock(now), sqlite_engine, now, client))
    assert status == 503
    assert said["reasons"] == (
        ["changesets wait to be fanned out and no sender is working"] if stuck else ["no mail transport"]
    )


def test_a_closed_fence_is_not_ready_and_names_no_folder(
    sqlite_engine: Engine, now: datetime, client: httpx.Client
) -> None:
    parts = replace(site(sqlite_engine, Clock(now)), fenced=lambda: "another database sent from /srv/data")
    with served(create_app(parts)) as address:
        status, said = ready(Running(address, Clock(now), sqlite_engine, now, client))
    assert status == 503
    assert said["reasons"] == ["nothing is sent: run `monitor resume` and confirm to start sending"]
    assert said["checks"]["fence"]["ok"] is False


def test_a_bot_that_falls_silent_is_not_ready(
    sqlite_engine: Engine, now: datetime, client: httpx.Client
) -> None:
    clock = Clock(now)
    with served(create_app(replace(site(sqlite_engine, clock), bot=True))) as address:
        web = Running(address, clock, sqlite_engine, now, client)
        assert ready(web)[0] == 200  # it never was at work, and nothing else is
        with transaction(sqlite_engine) as conn:
            heartbeats.write_beat(conn, "bot", "here/1", now)
        assert ready(web)[0] == 200
        clock.now += timedelta(minutes=3)
        status, said = ready(web)
        assert status == 503
        assert said["reasons"] == [f"the bot answers nobody, last seen {format_minute(now)}"]
