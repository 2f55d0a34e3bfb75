"""Commands beside the service on a database of an earlier version: none of them upgrades it by looking."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor import app
from monitor.cli import root
from monitor.config import load
from monitor.storage import migrate
from monitor.storage.engine import connect
from tests.storage.test_migrate import scripts_at


def run(*arguments: str) -> Result:
    return CliRunner().invoke(root, arguments)


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration, a key, and a database at revision 0001."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(
        '[fetch]\nattempts = 1\n[sources.ring]\nurl = "http://127.0.0.1:9/x"\n'
        "[sources.ice-287g]\nenabled = false\n"
    )
    assert run("init").exit_code == 0
    database = tmp_path / "data" / "monitor.db"
    for file in database.parent.glob("monitor.db*"):
        file.unlink()
    engine = connect(load(None).database_url)
    migrate.upgrade(engine, folder=tmp_path, now=app.now(), scripts=scripts_at(tmp_path / "first", "0001"))
    engine.dispose()
    return database


def content(database: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in database.parent.glob("*.db")  # the log and the shared memory of SQLite come and go
    }


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("status", "--json"),
        ("changes",),
        ("holds",),
        ("listings", "ring"),
        ("outbox",),
        ("purge",),
    ],
)
def test_looking_at_an_older_database_upgrades_nothing_and_says_what_does(
    older: Path, command: tuple[str, ...]
) -> None:
    before = content(older)
    said = run(*command)
    assert said.exit_code == 1
    assert "is of an earlier version of this program (revision 0001; this one needs" in said.output
    assert "`monitor init` upgrades it after a copy" in said.output
    assert content(older) == before


def test_check_and_doctor_tell_it_too_and_init_upgrades_after_a_copy(older: Path) -> None:
    before = content(older)
    for command in (("check",), ("doctor",)):
        said = run(*command)
        assert said.exit_code == 1
        assert "is of an earlier version" in said.output
    assert content(older) == before

    assert run("init").exit_code == 0
    assert len(list(older.parent.glob("monitor-0001-*.db"))) == 1
    assert "is of an earlier version" not in run("status").output
    assert run("purge", "--help").exit_code == 0
