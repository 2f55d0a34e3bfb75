"""`monitor import`: what it prints, writes and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.cli import root
from tests.cli.test_evidence import CONFIG
from tests.peers.http import Answer, Server
from tests.polling.publisher import agencies, agency, csv

Run = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        server.script("/list.csv", [Answer(body=csv([*agencies(59), agency(77)]))])
        yield server


@pytest.fixture
def run(database_url: str, server: Server, tmp_path: Path, kept_parser: None) -> Run:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(database=database_url, url=server.url("/list.csv")))
    files = tmp_path / "files"
    files.mkdir()
    for day, rows in (("2021-01-13", agencies(60)), ("2022-02-14", [*agencies(60), agency(70)])):
        (files / f"list-{day}.csv").write_bytes(csv(rows))
    (files / "list-2022-03-15.csv").write_bytes(csv([*agencies(60), agency(70)]))

    def command(*words: str) -> Result:
        return CliRunner().invoke(root, [*words, "--config", str(config)])

    return command


def read(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_dry_run_writes_nothing_and_an_import_can_be_taken_back(run: Run, tmp_path: Path) -> None:
    words = ("import", "list", str(tmp_path / "files"), "--captured-by", "An Archive")
    looked = read(run(*words, "--dry-run", "--json"))
    assert (looked["dry_run"], looked["files"], looked["added"], looked["listings"]) == (True, 3, 1, 61)
    assert [(each["kind"], each["file"]) for each in looked["conflicts"]] == [
        ("equal content", "list-2022-03-15.csv")
    ]
    assert run("changes").stdout.count("\n") <= 1
    printed = run(*words)
    assert (printed.exit_code, printed.stdout.splitlines()[0].split()) == (0, ["conflict", "file", "what"])
    assert "3 files from 2021-01-13 to 2022-03-15: 1 added, 0 removed, 0 changed published" in printed.stdout
    again = run(*words)
    assert again.exit_code == 2
    assert "a past of list from 2021-01-13 to 2022-03-15 was imported on" in again.stderr

    assert run("poll").exit_code == 0
    listed = [json.loads(line) for line in run("changes", "--json").stdout.splitlines()]
    assert sorted(each["kind"] for each in listed) == ["added", "added", "removed", "removed"]
    late = run("import", "list", str(tmp_path / "files"), "--captured-by", "X", "--undo")
    assert (late.exit_code, "--undo takes no files" in late.stderr) == (2, True)
    assert read(run("import", "list", "--undo", "--json"))["undone"] is True
    assert run("changes", "--json").stdout == ""
    assert read(run(*words, "--json"))["dry_run"] is False


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("import", "list"), "name the files"),
        (("import", "list", "nowhere"), "there is no file nowhere"),
        (("import", "list", "{files}"), "--captured-by"),
        (("import", "other", "{files}", "--captured-by", "X"), "other"),
        (("import", "list", "--undo"), "no past of list was imported"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run: Run, tmp_path: Path, words: tuple[str, ...], problem: str
) -> None:
    result = run(*(word.format(files=tmp_path / "files") for word in words))
    assert result.exit_code == 2
    assert problem in result.stderr
    assert result.stderr.count("\n") == 1


def test_what_own_polls_have_seen_is_not_imported(run: Run, tmp_path: Path) -> None:
    assert run("poll").exit_code == 0
    (tmp_path / "files" / "list-2099-01-01.csv").write_bytes(csv(agencies(60)))
    result = run("import", "list", str(tmp_path / "files"), "--captured-by", "X")
    assert result.exit_code == 2
    assert "list-2099-01-01.csv was captured at 2099-01-01 12:00 UTC, and its first own poll" in result.stderr
