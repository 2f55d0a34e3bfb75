"""`monitor simulate`: what a publication would do, with nothing sent, stored or recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.engine import Engine

from monitor.cli import root
from monitor.storage import schema
from monitor.storage.engine import reading, transaction
from tests.peers.http import Server
from tests.polling.publisher import agencies, agency, csv

CONFIGURATION = """
[data]
folder = "data"
[database]
url = "{url}"
[mailbox]
folder = "mailbox"
[sources.list]
title = "The list"
format = "table"
url = "{list}"
[sources.list.columns]
name = "Agency"
state = "State"
county = "County"
since = "Since"
attributes = ["Type"]
"""

COUNTS = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM \"{name}\"" for name in schema.metadata.tables)
"""One statement for all tables: each simulation asks twice."""


class Simulated:
    """A service that has read sixty agencies, and the commands run on it."""

    def __init__(self, folder: Path, url: str, engine: Engine, server: Server) -> None:
        self.folder, self.engine, self.server = folder, engine, server
        self.config = folder / "config.toml"
        server.put("/list.csv", csv(agencies(60)))
        self.config.write_text(CONFIGURATION.format(url=url, list=server.url("/list.csv")))
        assert self.monitor("poll", "list").exit_code == 0

    def monitor(self, *arguments: str) -> Result:
        command, *rest = arguments
        return CliRunner().invoke(root, [command, "--config", str(self.config), *rest])

    def simulate(self, rows: list[dict[str, str]], *more: str) -> dict[str, object]:
        file = self.folder / "next.csv"
        file.write_bytes(csv(rows))
        return self.said("--file", str(file), *more)

    def said(self, *arguments: str) -> dict[str, object]:
        before = self.rows()
        result = self.monitor("simulate", "list", "--json", *arguments)
        assert result.exit_code == 0, result.output
        assert self.rows() == before, "nothing is stored"
        assert not list(self.folder.glob("mailbox/*")), "nothing is sent"
        assert not list(self.folder.glob("data/.simulate*")), "the copy is gone"
        said: dict[str, object] = json.loads(result.stdout)
        return said

    def rows(self) -> dict[str, int]:
        with reading(self.engine) as conn:
            return {row[0]: row[1] for row in conn.exec_driver_sql(COUNTS)}


@pytest.fixture
def simulated(engine: Engine, tmp_path: Path, kept_parser: None) -> Iterator[Simulated]:
    with prepared(engine, tmp_path) as simulated:
        yield simulated


@pytest.fixture
def simulated_on_sqlite(sqlite_engine: Engine, tmp_path: Path, kept_parser: None) -> Iterator[Simulated]:
    """For what does not depend on the kind of database: every simulation works on a copy, in SQLite."""
    with prepared(sqlite_engine, tmp_path) as simulated:
        yield simulated


@contextmanager
def prepared(engine: Engine, folder: Path) -> Iterator[Simulated]:
    with Server() as server:
        url = engine.url.render_as_string(hide_password=False).replace("sqlite+pysqlite", "sqlite")
        yield Simulated(folder, url, engine, server)


def test_a_file_shows_who_would_be_told_and_one_message_of_each_kind(simulated: Simulated) -> None:
    monitor = simulated.monitor
    monitor("subscribers", "add", "email", "anna@example.org", "IL", "--source", "list")
    monitor("subscribers", "add", "email", "bert@example.org", "US", "--source", "list", "--language", "es")
    monitor("subscribers", "add", "telegram", "-100123", "IL", "--source", "list")
    monitor("subscribers", "add", "email", "carl@example.org", "TX", "--source", "list")
    monitor("subscribers", "add", "email", "dora@example.org", "IL", "--source", "list")
    people = schema.SubscriberRow
    with transaction(simulated.engine) as conn:
        conn.execute(sa.update(people).where(people.c.id == 5).values(frequency="daily", timezone="UTC"))
    added = agency(100)  # in Illinois
    said = simulated.simulate([*agencies(60), added])
    assert (said["outcome"], said["added"]) == ("published", 1)
    (change,) = said["changes"]  # type: ignore[misc]
    assert (change["kind"], change["name"], change["verdict"]) == ("added", added["Agency"], "published")
    assert change["places"] > 0
    assert said["told"] == [
        {"channel": "email", "at_once": 2, "later": 1},
        {"channel": "telegram", "at_once": 1, "later": 0},
    ]
    samples = said["samples"]
    assert isinstance(samples, list)
    assert [(each["channel"], each["language"]) for each in samples] == [
        ("email", "en"), ("email", "es"), ("telegram", "en"),
    ]  # fmt: skip
    assert all(added["Agency"] in each["text"] for each in samples)
    assert "<b>" in samples[2]["text"]
    assert "anna" not in json.dumps(said)


def test_what_is_held_is_said_and_who_would_be_told_anyway(simulated_on_sqlite: Simulated) -> None:
    simulated = simulated_on_sqlite
    simulated.monitor("subscribers", "add", "email", "anna@example.org", "US", "--source", "list")
    said = simulated.simulate(agencies(160))
    assert (said["outcome"], said["held"], said["told"], said["samples"]) == ("held", 100, [], [])
    anyway = simulated.simulate(agencies(160), "--anyway")
    assert (anyway["added"], anyway["told"]) == (100, [{"channel": "email", "at_once": 1, "later": 0}])
    rejected = simulated.simulate(agencies(5))
    assert rejected["outcome"] == "rejected"
    assert rejected["reason"]
    anyway = simulated.simulate(agencies(5), "--anyway")
    assert anyway["removed"] == 55
    waits = simulated.simulate(agencies(59))
    assert (waits["outcome"], waits["told"]) == ("pending", [])
    assert simulated.simulate(agencies(59), "--anyway")["removed"] == 1


def test_the_publisher_another_address_and_a_hold_can_be_asked_about(simulated: Simulated) -> None:
    simulated.monitor("subscribers", "add", "email", "anna@example.org", "US", "--source", "list")
    assert simulated.said()["outcome"] == "unchanged"
    simulated.server.put("/other.csv", csv([*agencies(60), agency(100)]))
    assert simulated.said("--url", simulated.server.url("/other.csv"))["added"] == 1
    assert simulated.said("--url", simulated.server.url("/nothing"))["outcome"] == "failed"
    simulated.server.put("/list.csv", csv(agencies(160)))
    simulated.monitor("poll", "list")
    held = json.loads(simulated.monitor("holds", "--json").stdout.splitlines()[0])
    said = simulated.said("--hold", held["id"])
    assert (said["added"], said["held"]) == (1, 99)
    assert said["told"] == [{"channel": "email", "at_once": 1, "later": 0}]
    assert simulated.monitor("simulate", "list", "--hold", "99999").exit_code == 2
    both = ("--hold", held["id"], "--url", "https://a.example")
    assert simulated.monitor("simulate", "list", *both).exit_code == 2
    assert simulated.monitor("simulate", "unknown").exit_code == 2


def test_a_person_reads_the_same(simulated_on_sqlite: Simulated) -> None:
    simulated = simulated_on_sqlite
    simulated.monitor("subscribers", "add", "email", "anna@example.org", "US", "--source", "list")
    file = simulated.folder / "next.csv"
    file.write_bytes(csv([*agencies(60), agency(100)]))
    shown = simulated.monitor("simulate", "list", "--file", str(file)).output
    assert "list: published (1 added)" in shown
    assert "email    1        0" in shown
    assert "--- email, en: " in shown
    assert "Nothing was sent." in shown
