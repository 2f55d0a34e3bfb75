"""`monitor poll`, `listings`, `changes` and `holds`, as an operator and a program use them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from monitor.cli import root
from monitor.fetch import Fetcher
from monitor.polling import poll
from monitor.storage import engine as db
from monitor.storage.columns import metadata
from tests.peers.http import Answer, Server
from tests.polling.publisher import START, Publication, agencies, agency
from tests.polling.publisher import csv as table

CONFIG = """
[data]
folder = "data"
[database]
url = "{database}"
[site]
timezone = "America/Chicago"
[sources.ring]
enabled = false
[sources.ice-287g]
enabled = false
[sources.list]
title = "The list"
format = "table"
url = "{url}"
[sources.list.columns]
name = "Agency"
state = "State"
county = "County"
since = "Since"
attributes = ["Type"]
"""
Run = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def run(database_url: str, server: Server, tmp_path: Path, kept_parser: None) -> Run:
    """A command with the configuration of one small list."""
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(database=database_url, url=server.url("/list.csv")))

    def command(*words: str) -> Result:
        return CliRunner(env={"MONITOR_TEST_POSTGRES": None}).invoke(
            root, [*words, "--config", str(config)], catch_exceptions=False
        )

    return command


@pytest.fixture
def publication(database_url: str, server: Server) -> Iterator[Publication]:
    """The same list in the same database, polled on a clock of the test's own."""
    engine = db.connect(database_url)
    with Fetcher(attempts=1) as fetcher:
        yield Publication(server, engine, fetcher)
    engine.dispose()


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_poll_says_a_line_per_source_with_these_keys_and_writes_the_deliveries(
    run: Run, server: Server, database_url: str
) -> None:
    server.put("/list.csv", table(agencies(30)))
    first = run("poll", "--json")
    server.put("/list.csv", table([*agencies(30), agency(77)]))
    second = run("poll", "list", "--json")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert lines(first) == [
        {
            "source": "list", "outcome": "baseline", "added": 0, "removed": 0, "changed": 0, "pending": 0,
            "held": 0, "reason": "",
        }
    ]  # fmt: skip
    (line,) = lines(second)
    assert list(line) == ["source", "outcome", "added", "removed", "changed", "pending", "held", "reason"]
    assert (line["outcome"], line["added"]) == ("published", 1)
    engine = db.connect(database_url)
    with engine.connect() as conn:
        assert conn.scalar(sa.select(metadata.tables["changeset"].c.fanned_out_at)) is not None
        places = set(conn.scalars(sa.select(metadata.tables["change_place"].c.place)))
    engine.dispose()
    assert {"US", "IN"} <= places
    assert "list: unchanged" in run("poll").stdout


def test_poll_exits_with_1_when_a_source_failed_or_was_rejected_and_polls_the_others(
    run: Run, server: Server, tmp_path: Path
) -> None:
    with (tmp_path / "config.toml").open("a") as file:
        file.write(
            f'[sources.another]\ntitle = "Another"\nformat = "table"\nurl = "{server.url("/another.csv")}"\n'
            '[sources.another.columns]\nname = "Agency"\nstate = "State"\n'
        )
    server.put("/another.csv", table(agencies(5)))
    server.script("/list.csv", [Answer(404)])

    result = run("poll", "--json")

    assert result.exit_code == 1
    assert {line["source"]: line["outcome"] for line in lines(result)} == {
        "list": "failed",
        "another": "baseline",
    }
    server.put("/list.csv", table(agencies(60)))
    assert run("poll", "list").exit_code == 0
    server.put("/list.csv", table(agencies(30)))
    assert run("poll", "list").exit_code == 1


@pytest.mark.parametrize(
    "words",
    [("poll", "lst"), ("listings", "lst"), ("changes", "--source", "lst"), ("holds", "--source", "lst")],
)
def test_a_source_that_is_not_configured_is_refused_with_the_nearest_one(
    run: Run, words: tuple[str, ...]
) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert "list" in result.stderr


def test_listings_are_those_of_now_or_of_a_moment(run: Run, publication: Publication) -> None:
    publication.seen(agencies(3))
    then = publication.now
    publication.seen(agencies(4))

    now = lines(run("listings", "list", "--format", "json"))
    before = lines(run("listings", "list", "--at", then.isoformat(), "--format", "json"))

    assert [len(now), len(before)] == [4, 3]
    assert list(now[0]) == ["name", "city", "county", "state", "since", "url", "attributes", "folder", "key"]
    assert now[0]["attributes"] == {"Type": "Jail"}
    # A date is its beginning in the zone of the site: March 1 in Chicago begins before the first poll,
    # March 2 after the last.
    assert lines(run("listings", "list", "--at", "2026-03-01", "--format", "json")) == []
    assert len(lines(run("listings", "list", "--at", "2026-03-02", "--format", "json"))) == 4
    assert "4 listings" in run("listings", "list").stdout


def test_a_list_that_was_not_read_yet_is_not_said_to_be_empty(run: Run, publication: Publication) -> None:
    assert run("listings", "list").stderr == "list was never read\n"
    publication.seen(agencies(3))
    early = run("listings", "list", "--at", "2026-03-01")
    assert early.stderr.startswith("list was read for the first time on 2026-03-01 ")
    assert run("listings", "list").stderr == ""


def test_listings_as_csv_are_no_formulas(run: Run, publication: Publication) -> None:
    publication.seen(
        [agency(1, Agency="=HYPERLINK(1)", Type="@x"), agency(2, County="+1"), agency(3, Agency="-2")]
    )

    found = list(csv.DictReader(io.StringIO(run("listings", "list", "--format", "csv").stdout)))

    assert list(found[0]) == ["name", "city", "county", "state", "since", "url", "folder", "key", "Type"]
    cells = {cell for row in found for cell in row.values()}
    assert {"'=HYPERLINK(1)", "'@x", "'+1", "'-2"} <= cells
    assert not any(cell[:1] in "=+-@" for cell in cells if cell)


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01", "2026-03-01T10:00:00"])
def test_a_time_that_is_none_or_has_no_zone_is_refused(run: Run, publication: Publication, time: str) -> None:
    publication.seen(agencies(3))
    result = run("listings", "list", "--at", time)
    assert result.exit_code == 2
    assert time in result.stderr


def test_changes_carry_the_interval_in_which_they_happened(run: Run, publication: Publication) -> None:
    publication.seen(agencies(30))
    publication.seen([*agencies(29), agency(77)])
    added = publication.now
    publication.poll()

    found = lines(run("changes", "--json"))

    assert list(found[0]) == [
        "id", "source", "kind", "before", "after", "fields", "not_before", "not_after", "published_at",
        "was_held", "reason",
        "changeset", "how", "confidence", "placement", "retracted_at", "retraction",
    ]  # fmt: skip
    assert [change["kind"] for change in found] == ["added", "removed"]
    assert found[0]["before"] is None
    assert found[0]["after"]["name"] == agency(77)["Agency"]
    assert found[1]["not_before"] == (added - timedelta(hours=1)).isoformat()
    assert found[1]["not_after"] == added.isoformat()
    assert found[1]["published_at"] == (added + timedelta(hours=1)).isoformat()
    assert len(lines(run("changes", "--json", "--since", (added + timedelta(minutes=1)).isoformat()))) == 1
    assert len(lines(run("changes", "--json", "--source", "another"))) == 0
    assert agency(77)["Agency"] in run("changes").stdout


def test_changes_of_a_place_are_those_that_concern_it(run: Run, publication: Publication) -> None:
    publication.seen(agencies(30))
    publication.seen(
        [*agencies(30), agency(77), agency(78, Agency="Ohio State Highway Patrol", State="Ohio")]
    )
    assert lines(run("changes", "--json", "--place", "US")) == []  # not located before the fan-out
    run("poll")

    def told(place: str) -> list[str]:
        return [change["after"]["name"] for change in lines(run("changes", "--json", "--place", place))]

    assert len(told("US")) == 2
    assert told("indiana") == [agency(77)["Agency"]]
    assert told("OH") == ["Ohio State Highway Patrol"]
    assert told("44101") == ["Ohio State Highway Patrol"]  # a ZIP of Ohio: it serves the whole state
    assert told("46320") == []
    assert run("changes", "--place", "Ohayo").exit_code == 2


def held(publication: Publication) -> None:
    publication.seen(agencies(60))
    publication.seen(agencies(160))


def test_holds_say_why_and_when_they_release_themselves(run: Run, publication: Publication) -> None:
    assert run("holds").stdout == "nothing is held\n"
    held(publication)

    found = lines(run("holds", "--json"))

    assert len(found) == 100
    assert list(found[0]) == [
        "id", "type", "source", "kind", "before", "after", "fields", "reason", "since", "release_at",
    ]  # fmt: skip
    assert found[0]["type"] == "change"
    assert found[0]["since"] == publication.now.isoformat()
    assert found[0]["release_at"] == (publication.now + timedelta(days=1)).isoformat()
    assert found[0]["reason"] in run("holds").stdout
    assert lines(run("holds", "--source", "another", "--json")) == []


def test_what_is_held_together_is_summed_up_and_listed_by_a_flag(run: Run, publication: Publication) -> None:
    held(publication)
    found = lines(run("holds", "--json"))

    summary = run("holds").stdout.splitlines()
    assert summary[0].startswith("list: 100 held since ")
    assert "released: 2" in summary[0]
    assert summary[1] == f"  {found[0]['reason']}"
    shown = [line.split()[0] for line in summary if " + " in line]
    assert shown == [hold["id"] for hold in found[:5]]
    assert "  and 95 more: monitor holds list --source list --all" in summary
    assert len(summary) < 15

    every = run("holds", "list", "--source", "list", "--all").stdout.splitlines()[1:]
    assert [line.split()[0] for line in every] == [hold["id"] for hold in found]


def test_the_name_of_a_list_is_taken_for_no_command(run: Run, publication: Publication) -> None:
    assert run("holds", "--source", "list").stdout == "nothing is held\n"
    assert run("holds", "--source", "list", "list").stdout == "nothing is held\n"
    assert run("holds", "--source=list", "--json").stdout == ""
    refused = run("holds", "--source", "reject")
    assert refused.exit_code == 2
    assert "reject" in refused.stderr
    assert "--source" in run("holds", "--source", "list", "list", "--help").stdout


def test_holds_can_be_approved_and_rejected_by_id_or_all(run: Run, publication: Publication) -> None:
    held(publication)
    ids = [hold["id"] for hold in lines(run("holds", "--json"))]

    (outcome,) = lines(run("holds", "approve", ids[0], ids[1], "--json"))
    assert list(outcome) == ["source", "outcome", "added", "removed", "changed", "pending", "held", "reason"]
    assert (outcome["outcome"], outcome["added"], outcome["held"]) == ("published", 2, 98)
    assert lines(run("holds", "reject", ids[2], "--json")) == [{"rejected": [ids[2]]}]
    assert len(lines(run("holds", "--json"))) == 97
    (outcome,) = lines(run("holds", "approve", "--source", "list", "--all", "--json"))
    assert outcome["added"] == 97
    assert len(lines(run("changes", "--json", "--place", "US"))) == 99  # fanned out as well


def test_a_rejected_publication_is_held_under_its_hash_until_it_is_approved(
    run: Run, publication: Publication
) -> None:
    publication.seen(agencies(60))
    publication.seen(agencies(30))

    (hold,) = lines(run("holds", "--json"))
    assert list(hold) == [
        "id", "type", "source", "hash", "listings", "reason", "since", "last_seen_at", "release_at",
    ]  # fmt: skip
    ends = (publication.now + timedelta(days=3)).isoformat()
    assert (hold["type"], hold["listings"], hold["release_at"]) == ("publication", 30, ends)
    assert hold["id"] == hold["hash"][:12]
    assert "its changes are judged one by one" in " ".join(run("holds").stdout.split())

    def problems() -> list[str]:
        found: list[str] = json.loads(run("status", "--json").stdout)["problems"]
        return [problem for problem in found if "rejected" in problem]

    assert len(problems()) == 1
    (outcome,) = lines(run("holds", "approve", hold["id"], "--json"))
    assert (outcome["outcome"], outcome["removed"]) == ("published", 30)
    assert lines(run("holds", "--json")) == []
    assert problems() == [], "at once, not only from the next poll on"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("approve",), "ID"),
        (("reject", "--all"), "--source"),
        (("approve", "1", "--all"), "either"),
        (("approve", "12345"), "no change 12345"),
        (("reject", "zzz"), "neither"),
        (("approve", "--all", "--source", "list"), "nothing is held"),
    ],
)
def test_what_cannot_be_approved_is_refused(run: Run, words: tuple[str, ...], message: str) -> None:
    result = run("holds", *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_polls_beside_each_other_share_one_history(run: Run, publication: Publication) -> None:
    publication.publish(agencies(30))
    assert lines(run("poll", "--json"))[0]["outcome"] == "baseline"
    outcome = poll(
        publication.engine, publication.watch, publication.fetcher, now=START + timedelta(days=3650)
    )
    assert outcome.outcome.value == "unchanged"


@pytest.mark.parametrize(
    "words", [["poll"], ["listings"], ["changes"], ["holds", "list"], ["parse"], ["diff"], ["replay"]]
)
def test_help_names_the_keys_of_the_json(words: list[str]) -> None:
    result = CliRunner().invoke(root, [*words, "--help"])
    assert result.exit_code == 0
    assert "JSON" in result.stdout
