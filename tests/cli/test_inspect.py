"""`monitor parse`, `diff` and `replay`: files in, no database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.cli import root
from tests.polling.publisher import agencies, agency, csv

CONFIG = """
[sources.list]
title = "The list"
format = "table"
url = "https://list.example/list.csv"
[sources.list.columns]
name = "Agency"
state = "State"
county = "County"
since = "Since"
attributes = ["Type"]
"""
Run = Callable[..., Result]
ICE = "data/ice_287g/participatingAgencies{}.xlsx"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "config.toml").write_text(CONFIG)

    def command(*words: str | Path) -> Result:
        options = ["--config", str(tmp_path / "config.toml")]
        return CliRunner(env={"MONITOR_TEST_POSTGRES": None}).invoke(
            root, [*map(str, words), *options], catch_exceptions=False
        )

    return command


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str, list[dict[str, str]] | bytes], Path]:
    def write(name: str, rows: list[dict[str, str]] | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(rows if isinstance(rows, bytes) else csv(rows))
        return path

    return write


Files = Callable[[str, Any], Path]


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def names(listings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(listing["name"], listing["state"]) for listing in listings]


# --- parse ----------------------------------------------------------------------------------------


def test_parse_prints_a_listing_a_line_and_problems_on_stderr(run: Run, files: Files) -> None:
    file = files("list.csv", [*agencies(3), agency(4, State="Nowhere")])

    result = run("parse", file, "--source", "list", "--json")

    assert result.exit_code == 0
    found = lines(result)
    assert len(found) == 4
    assert found[0] == {
        "name": agency(0)["Agency"], "city": None, "county": "County 0", "state": "IL",
        "since": "2015-01-01", "url": None,
        "attributes": {"Type": "Jail"}, "folder": None, "key": f"IL|{agency(0)['Agency'].lower()}",
    }  # fmt: skip
    assert list(found[0]) == [
        "name",
        "city",
        "county",
        "state",
        "since",
        "url",
        "attributes",
        "folder",
        "key",
    ]
    assert "Nowhere" in result.stderr
    assert "4 listings" in run("parse", file, "--source", "list").stdout


@pytest.mark.parametrize("body", [b"", b"<html><p>log in</p></html>", b"Agency,State\n", b"PK\x03\x04cut"])
def test_parse_refuses_what_is_no_publication(run: Run, files: Files, body: bytes) -> None:
    result = run("parse", files("list.csv", body), "--source", "list")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "list.csv" in result.stderr


@pytest.mark.shared
def test_parse_reads_real_maps_to_the_last_placemark(run: Run, shared: Path) -> None:
    for name, count in (("first_60d69dd", 488), ("59b957a", 1364), ("1a034a3", 1364)):
        found = lines(
            run("parse", shared / f"data/mymaps/infraclub_{name}.kml", "--source", "ring", "--json")
        )
        assert len(found) == count
        assert len({listing["key"] for listing in found}) == count


# --- diff -----------------------------------------------------------------------------------------


def test_diff_says_what_would_be_announced(run: Run, files: Files) -> None:
    before = files("before.csv", agencies(30))
    after = files("after.csv", [agency(0, Type="Warrants"), *agencies(28, 1), agency(77)])

    (found,) = lines(run("diff", before, after, "--source", "list", "--json"))

    assert list(found) == ["added", "removed", "changed", "verdict", "reason"]
    assert names(found["added"]) == [(agency(77)["Agency"], "IN")]
    assert names(found["removed"]) == [(agency(29)["Agency"], "IN")]
    (changed,) = found["changed"]
    assert list(changed) == ["before", "after", "fields"]
    assert (changed["fields"], changed["after"]["attributes"]) == (["Type"], {"Type": "Warrants"})
    assert (found["verdict"], found["reason"]) == ("publish", "")
    shown = run("diff", before, after, "--source", "list").stdout
    assert "verdict: publish" in shown
    assert agency(77)["Agency"] in shown


def test_diff_of_equal_files_is_empty_and_quiet_differences_are_left_out(run: Run, files: Files) -> None:
    before = files("before.csv", agencies(30))
    after = files("after.csv", [agency(0, Agency=agency(0)["Agency"].upper()), *agencies(29, 1)])
    for file in (before, after):
        (found,) = lines(run("diff", before, file, "--source", "list", "--json"))
        assert found == {"added": [], "removed": [], "changed": [], "verdict": "publish", "reason": ""}


def test_diff_holds_a_flood_and_rejects_a_loss(run: Run, files: Files) -> None:
    few, many = files("few.csv", agencies(60)), files("many.csv", agencies(160))

    (flood,) = lines(run("diff", few, many, "--source", "list", "--json"))
    (loss,) = lines(run("diff", many, few, "--source", "list", "--json"))

    assert (flood["verdict"], len(flood["added"])) == ("hold", 100)
    assert "100" in flood["reason"]
    assert (loss["verdict"], len(loss["removed"])) == ("reject", 100)
    assert loss["reason"]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("before", "after", "added", "removed", "changed", "verdict"),
    [
        ("-20250224233101", "-20250226183301", 35, 0, 39, "publish"),
        ("03122026am", "03132026am", 0, 2, 0, "publish"),
        ("05142026am", "05182026am", 10, 2, 1, "publish"),
        ("-20250226183301", "-20250410231052", 167, 0, 29, "hold"),
    ],
)
def test_diff_of_real_workbooks(
    run: Run, shared: Path, before: str, after: str, added: int, removed: int, changed: int, verdict: str
) -> None:
    (found,) = lines(
        run("diff", shared / ICE.format(before), shared / ICE.format(after), "--source", "ice-287g", "--json")
    )
    counts = tuple(len(found[key]) for key in ("added", "removed", "changed"))
    assert (*counts, found["verdict"]) == (added, removed, changed, verdict)


# --- replay ---------------------------------------------------------------------------------------


def test_replay_prints_a_line_for_what_became_known_and_a_summary(
    run: Run, files: Files, tmp_path: Path
) -> None:
    files("a.csv", agencies(60))
    files("b.csv", [agency(0, Type="Warrants"), *agencies(58, 1), agency(77)])
    files("broken.csv", b"<html>")
    files("flood.csv", [agency(0, Type="Warrants"), *agencies(58, 1), agency(77), *agencies(100, 200)])
    files("loss.csv", agencies(20))
    manifest = files(
        "manifest.csv",
        b"time,file\n2026-03-01T00:00:00Z,a.csv\n2026-03-02T00:30:00Z,b.csv\n2026-03-03T00:00:00,broken.csv\n"
        b"2026-03-04T00:00:00+00:00,loss.csv\n2026-03-05T00:00:00Z,flood.csv\n",
    )

    result = run("replay", "list", manifest, "--json")

    assert result.exit_code == 0
    *events, last = lines(result)
    assert [(event["time"], event["verdict"]) for event in events] == [
        ("2026-03-02T01:00:00+00:00", "published"),
        ("2026-03-02T02:00:00+00:00", "published"),
        ("2026-03-04T00:00:00+00:00", "rejected"),
        ("2026-03-05T00:00:00+00:00", "held"),
        ("2026-03-06T00:00:00+00:00", "published"),
    ]
    assert list(events[0]) == ["time", "verdict", "reason", "added", "removed", "changed"]
    assert events[0]["added"] == [{"name": agency(77)["Agency"], "state": "IN"}]
    assert events[0]["changed"] == [
        {
            "before": {"name": agency(0)["Agency"], "state": "IL"},
            "after": {"name": agency(0)["Agency"], "state": "IL"},
        }
    ]
    assert events[1]["removed"] == [{"name": agency(59)["Agency"], "state": "TX"}]
    assert all(event["reason"] for event in events[2:4])
    assert list(last) == ["summary"]
    summary = last["summary"]
    keys = ("source", "files", "unreadable", "rejected", "waiting", "polls")
    assert {key: summary[key] for key in keys} == {
        "source": "list", "files": 5, "unreadable": 1, "rejected": 1, "waiting": 0, "polls": 5 * 24 + 1,
    }  # fmt: skip
    assert (summary["added"], summary["removed"], summary["changed"], summary["held"]) == (101, 1, 1, 100)
    assert "broken.csv" in summary["problems"][0]

    shown = run("replay", "list", manifest)
    assert shown.stdout.count("\n") == 6
    assert "broken.csv" in shown.stderr
    assert not list(tmp_path.glob("**/*.db"))


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"time,file\n", "names no file"),
        (b"time,file\nyesterday,a.csv\n", "line 2"),
        (b"time,file\n2026-03-01T00:00:00Z,none.csv\n", "none.csv"),
        (b"when,what\n2026-03-01T00:00:00Z,a.csv\n", "time,file"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused_before_anything_is_polled(
    run: Run, files: Files, manifest: bytes, message: str
) -> None:
    files("a.csv", agencies(3))
    result = run("replay", "list", files("manifest.csv", manifest))
    assert result.exit_code == 2
    assert message in result.stderr
