"""`monitor locate`, `covers` and `unplaced`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.engine import Engine

from monitor.cli import root
from monitor.domain import Listing
from monitor.storage import engine as db
from monitor.storage.lists import baseline
from tests.conftest import NOW

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, sqlite_url: str) -> Run:
    (tmp_path / "overrides.csv").write_text(
        "source,key,name,state,places,note\n,,Lost Police,IN,46320,it is in Hammond\n"
    )
    (tmp_path / "config.toml").write_text(
        f'[database]\nurl = "{sqlite_url}"\n[data]\nfolder = "{tmp_path}"\n[places]\n'
        'overrides = "overrides.csv"\n'
    )

    def command(*words: str | Path) -> Result:
        options = ["--config", str(tmp_path / "config.toml")]
        return CliRunner(env={"MONITOR_TEST_POSTGRES": None}).invoke(
            root, [*map(str, words), *options], catch_exceptions=False
        )

    return command


@pytest.fixture
def accepted(sqlite_engine: Engine) -> None:
    agencies = (
        Listing(name="Hammond Police Department", key="a", city="Hammond", state="IN"),
        Listing(name="Lake County Sheriff", key="b", state="IN"),
        Listing(name="Indiana State Police", key="c", state="IN"),
        Listing(name="Narcotics Enforcement Team", key="d", state="IN"),
        Listing(name="Lost Police", key="e", state="IN"),
        Listing(name="Somewhere Police", key="f"),
        Listing(name="Gary Police Department", key="g", city="Gary", state="IN"),
    )
    with db.transaction(sqlite_engine) as conn:
        known = baseline.load_info(conn, "ring")
        baseline.advance(conn, known, number=1)
        baseline.begin_versions(conn, "ring", [baseline.NewVersion(li, li.key) for li in agencies], 1, NOW)


def test_locate_answers_with_places_how_confidence_and_reason(run: Run) -> None:
    result = run("locate", "Hammond PD", "--state", "IN", "--city", "Hammond", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert list(answer) == ["places", "how", "confidence", "reason"]
    assert "46320" in answer["places"]
    assert (answer["confidence"], answer["reason"]) == ("exact", "covers Hammond")


def test_locate_speaks_to_people_without_json(run: Run) -> None:
    result = run("locate", "Indiana State Police", "--state", "Indiana")
    assert "Indiana State Police: covers all of Indiana" in result.stdout
    assert "confidence: exact" in result.stdout


def test_locate_refuses_what_is_no_state_or_point_in_one_line(run: Run) -> None:
    for words, said in (
        (("--state", "Atlantis"), '"Atlantis" is not a state'),
        (("--state", "IN", "--point", "north"), '"north" is not a point'),
    ):
        result = run("locate", "Hammond PD", *words)
        assert result.exit_code == 2
        assert said in result.stderr
    nobody = run("locate")
    assert (nobody.exit_code, nobody.stderr) == (
        2,
        "monitor: give the name of one agency, or --file with many\n",
    )


def test_many_agencies_are_located_in_the_order_of_their_rows(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "agencies.csv"
    file.write_text(
        "name,city,county,state,latitude,longitude\n"
        "Hammond Police Department,Hammond,,IN,,\n"
        "Cook County Sheriff,,,Illinois,,\n"
        ",,,,,\n"
        "Somewhere Police,,,Atlantis,,\n"
        "General Hospital Police,Chicago,,IL,41.787,-87.588\n"
    )
    result = run("locate", "--file", file, "--json")
    rows: list[dict[str, Any]] = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["how"] for row in rows] == ["name_is_city", "county", "no_state", "no_state", "institution"]
    assert "60637" in rows[4]["places"]


def test_the_columns_may_be_few_and_in_any_order(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "agencies.csv"
    file.write_text("State,Name\nIN,Hammond Police Department\n")
    (row,) = [json.loads(line) for line in run("locate", "--file", file).stdout.splitlines()]
    assert "46320" in row["places"]
    file.write_text("agency,state\nHammond,IN\n")
    result = run("locate", "--file", file)
    assert result.exit_code == 2
    assert "no column called name" in result.stderr


def test_a_quote_within_a_cell_does_not_stop_the_other_rows(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "agencies.csv"
    file.write_bytes(b'\xef\xbb\xbfname,state\r\n"Bob" Police,IN\r\nGary PD,IN,too,many\r\nGary PD\r\n')
    rows = [json.loads(line) for line in run("locate", "--file", file).stdout.splitlines()]
    assert [row["how"] for row in rows] == ["not_placed", "name", "no_state"]


def test_a_quote_that_is_never_closed_is_said_and_not_swallowed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "agencies.csv"
    file.write_text('name,state\n"Hammond Police,IN\nGary Police,IN\n')
    result = run("locate", "--file", file)
    assert result.exit_code == 2
    assert "not readable as CSV" in result.stderr


def test_locate_knows_the_places_that_were_assigned(run: Run, accepted: None, tmp_path: Path) -> None:
    words = ("locate", "Narcotics Enforcement Team", "--state", "IN", "--json")
    assert json.loads(run(*words).output)["confidence"] == "state_only"
    assert run("place", "set", "ring", "Narcotics Enforcement Team", "46402").exit_code == 0
    assert json.loads(run(*words).output)["places"] == ["46402"]
    assert json.loads(run(*words, "--source", "ring").output)["how"] == "override"
    assert json.loads(run(*words, "--source", "ice-287g").output)["confidence"] == "state_only"
    file = tmp_path / "agencies.csv"
    file.write_text("name,state\nNarcotics Enforcement Team,IN\nNarcotics Enforcement Team,OH\n")
    answers = [json.loads(line) for line in run("locate", "--file", file).output.splitlines()]
    assert [answer["how"] for answer in answers] == ["override", "not_placed"]
    assert run("place", "remove", "ring", "Narcotics Enforcement Team").exit_code == 0
    assert json.loads(run(*words).output)["confidence"] == "state_only"


@pytest.mark.usefixtures("accepted")
def test_covers_lists_who_covers_a_zip_and_why(run: Run) -> None:
    answer = json.loads(run("covers", "46320-1234", "--json").stdout)
    assert list(answer) == [
        "zip",
        "kind",
        "towns",
        "counties",
        "state",
        "states",
        "notices",
        "agencies",
        "statewide",
        "not_placed",
    ]
    assert (answer["zip"], answer["towns"], answer["counties"], answer["state"]) == (
        "46320",
        ["Hammond"],
        ["Lake County"],
        "IN",
    )
    assert [a["name"] for a in answer["agencies"]] == [
        "Hammond Police Department",
        "Lake County Sheriff",
        "Lost Police",
    ]
    assert [a["reason"] for a in answer["agencies"]][1:] == [
        "covers Lake County",
        "placed by the operator: it is in Hammond",
    ]
    assert [a["name"] for a in answer["statewide"]] == ["Indiana State Police"]
    assert [a["name"] for a in answer["not_placed"]] == ["Narcotics Enforcement Team"]


@pytest.mark.usefixtures("accepted")
def test_covers_speaks_to_people_without_json(run: Run) -> None:
    said = run("covers", "46320").stdout
    assert "46320: Hammond; Lake County; IN" in said
    assert "Indiana State Police" in said
    assert "1 more in IN could not be placed" in said


def test_covers_before_the_first_poll_says_that_nothing_was_read(run: Run) -> None:
    result = run("covers", "46320")
    assert result.exit_code == 0
    assert "run `monitor poll` first" in result.stdout


@pytest.mark.parametrize(
    ("zip_code", "said"), [("463", "has 3 digits"), ("IN", "is not a ZIP code"), ("4632", "has 4 digits")]
)
def test_covers_refuses_what_is_no_zip_with_the_reason(run: Run, zip_code: str, said: str) -> None:
    result = run("covers", zip_code)
    assert result.exit_code == 2
    assert said in result.stderr


def test_covers_takes_military_and_unknown_zips_with_a_notice(run: Run) -> None:
    assert "military or diplomatic" in json.loads(run("covers", "09012", "--json").stdout)["notices"][0]
    unknown = json.loads(run("covers", "60000", "--json").stdout)
    assert (unknown["kind"], unknown["state"]) == (None, "IL")
    assert "not a ZIP code that we know" in unknown["notices"][0]


@pytest.mark.usefixtures("accepted")
def test_unplaced_lists_what_the_operator_can_place(run: Run) -> None:
    rows = [json.loads(line) for line in run("unplaced", "--json").stdout.splitlines()]
    assert [(row["source"], row["key"], row["name"], row["state"]) for row in rows] == [
        ("ring", "d", "Narcotics Enforcement Team", "IN"),
        ("ring", "f", "Somewhere Police", None),
    ]
    assert all(row["reason"] for row in rows)
    assert "Narcotics Enforcement Team" in run("unplaced").stdout


def test_broken_overrides_are_refused_with_every_problem(run: Run, tmp_path: Path) -> None:
    (tmp_path / "overrides.csv").write_text("source,key,name,state,places,note\n,,A,IN,123,\n,,B,,46320,\n")
    result = run("locate", "Hammond PD", "--state", "IN")
    assert result.exit_code == 2
    assert "line 2" in result.stderr
    assert "line 3" in result.stderr


def test_find_answers_with_kind_label_places_and_suggestions(run: Run) -> None:
    answer = json.loads(run("find", "Hammond, IN", "--json").stdout)
    assert list(answer) == ["kind", "label", "places", "suggestions"]
    assert (answer["kind"], answer["label"]) == ("town", "Hammond, IN")
    assert "46320" in answer["places"]
    assert answer["suggestions"] == []
    typo = json.loads(run("find", "Detriot", "--json").stdout)
    assert (typo["kind"], typo["places"], typo["suggestions"][0]) == ("typo", [], "Detroit, MI")
    digits = json.loads(run("find", "6032", "--json").stdout)
    assert digits["kind"] == "none"
    assert run("find", "6032", "--json").exit_code == 1
    assert "five digits" in digits["label"]


def test_find_speaks_to_people_without_json(run: Run) -> None:
    answer = run("find", "Springfield").stdout
    assert answer.startswith('question: "Springfield" is not clear; write one of the suggestions\n')
    assert "suggestions: Springfield, MO; Springfield, MA" in answer
    assert run("find", "Harlem").stdout.startswith("neighborhood: Harlem (Manhattan), NY\nplaces:      10026")


def test_find_names_what_it_did_not_find_beside_the_rest(run: Run) -> None:
    answer = json.loads(run("find", "Xyzzy and Hammond, IN", "--json").stdout)
    assert (answer["kind"], answer["places"]) == ("question", [])
    assert (answer["suggestions"], answer["unknown"]) == (["Hammond, IN"], ["Xyzzy"])
    assert "not found:   Xyzzy\n" in run("find", "Xyzzy and Hammond, IN").stdout


def test_find_of_nothing_fails_and_says_what_to_write(run: Run) -> None:
    result = run("find", "Qwxzt")
    assert (result.exit_code, result.stdout) == (1, "")
    assert '"Qwxzt" is not found. We found no town of that name. Write it with its state' in result.stderr


@pytest.mark.usefixtures("accepted")
def test_find_knows_the_agencies_of_the_lists(run: Run) -> None:
    answer = json.loads(run("find", "lost police", "--json").stdout)
    assert (answer["kind"], answer["label"], answer["places"]) == ("agency", "Lost Police, IN", ["46320"])
    listed = run("find", "Hammond police, IN")
    assert "listed:      Hammond Police Department, IN (ring)" in listed.stdout
    assert run("find", "Narcotics Enforcement Team").stdout.startswith("state: Indiana")
