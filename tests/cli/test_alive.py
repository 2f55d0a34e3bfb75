"""`monitor status --alive`: a look at one file, and no import that costs anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.cli import alive
from monitor.ops import health
from tests.conftest import ROOT


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    return tmp_path


def test_a_sender_is_alive_for_two_minutes_after_its_heartbeat(here: Path) -> None:
    assert alive.answer(["status", "--alive"]) == 1
    alive.touch(here / "data")
    beat = (here / "data" / "alive").stat().st_mtime
    assert alive.answer(["status", "--alive"]) == 0
    assert alive.is_alive(here / "data", beat + 120)
    assert not alive.is_alive(here / "data", beat + 121)
    assert alive.SILENT_AFTER == health.SILENT_AFTER


def test_the_folder_is_the_configured_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("etc/state", "etc/env"):
        (here / folder).mkdir(parents=True)
    (here / "etc" / "own.toml").write_text('[data]\nfolder = "state"\n')
    alive.touch(here / "etc" / "state")
    assert alive.answer(["status", "--alive", "--config", "etc/own.toml"]) == 0
    monkeypatch.setenv("MONITOR_DATA__FOLDER", "env")
    assert alive.answer(["status", "--alive", "--config", "etc/own.toml"]) == 1
    alive.touch(here / "etc" / "env")
    assert alive.answer(["status", "--config", "etc/own.toml", "--alive"]) == 0


@pytest.mark.parametrize("line", [["status"], ["run", "--alive"], ["status", "--alive", "--json"], []])
def test_any_other_command_line_is_not_answered_here(line: list[str]) -> None:
    assert alive.answer(line) is None


def test_the_question_imports_nothing_that_costs(here: Path) -> None:
    code = (
        "import sys; sys.argv = ['monitor', 'status', '--alive']\n"
        "from monitor.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code)\n"
        "print(sorted({'sqlalchemy', 'pydantic', 'httpx', 'jinja2', 'alembic'} & set(sys.modules)))\n"
    )
    alive.touch(here / "data")
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines() == ["0", "[]"]
