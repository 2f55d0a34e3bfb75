"""Backups are whole, verified, without keys, and restored on either database; a move compares every row."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.engine import Connection, Engine

from monitor import subscribers
from monitor.cli import root
from monitor.errors import KeyFileError, StoreError
from monitor.formatting import format_minute
from monitor.keys import KeyFile
from monitor.ops import backup as backups
from monitor.outbox import clone_guard
from monitor.storage import database_facts, heartbeats, key_exchange, transfer
from monitor.storage import engine as db
from monitor.storage.lists import baseline
from monitor.storage.schema import metadata
from monitor.storage.transfer import Progress
from monitor.subscribers import Tombstones
from tests.peers.postgres import Postgres
from tests.subscribers.conftest import ANN, member
from tests.web.story import SOURCE, tell


def quietly(label: str, length: int) -> Progress:
    return lambda _: None


@pytest.fixture
def service(engine: Engine, tmp_path: Path, now: datetime) -> KeyFile:
    """A service with a history and two subscribers, in the folder ``data``."""
    folder = tmp_path / "data"
    clone_guard.bind_folder(engine, folder)
    with db.transaction(engine) as conn:
        keys = key_exchange.unlock(conn, folder)
    tell(engine)
    member(engine, keys, now)
    member(engine, keys, now, "bob@example.org")
    return keys


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, postgres: Postgres, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'elsewhere.db'}"
        return
    name = f"empty_{secrets.token_hex(6)}"
    yield postgres.create(name)
    postgres.drop(name)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(root, arguments)


def config(tmp_path: Path, url: str, name: str = "config.toml", folder: str = "data") -> list[str]:
    path = tmp_path / name
    path.write_text(f'[data]\nfolder = "{tmp_path / folder}"\n[database]\nurl = "{url}"\n')
    return ["--config", str(path)]


def digests(engine: Engine) -> dict[str, transfer.TableDigest]:
    with db.reading(engine) as conn:
        return transfer.compute_digests(conn)


def read_estimate(conn: Connection) -> int:
    """How many versions of listings the planner believes in."""
    if conn.dialect.name == "postgresql":
        query = "SELECT reltuples FROM pg_class WHERE oid = 'listing'::regclass"
    else:
        query = "SELECT max(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE tbl = 'listing'"
    return int(conn.exec_driver_sql(query).scalar_one())


def sleep_for_hours(engine: Engine) -> None:
    """Let the last heartbeat be old."""
    with db.transaction(engine) as conn:
        conn.execute(sa.text("DELETE FROM heartbeat"))


def test_a_backup_is_whole_and_holds_no_key(
    engine: Engine, service: KeyFile, database_url: str, tmp_path: Path, now: datetime
) -> None:
    before = digests(engine)
    result = run("backup", "--to", str(tmp_path / "copies"), "--json", *config(tmp_path, database_url))
    assert result.exit_code == 0, result.output
    said = json.loads(result.output)
    folder = Path(said["folder"])
    assert sorted(file.name for file in folder.iterdir()) == ["manifest.json", "monitor.db"]
    assert all(file.stat().st_mode & 0o077 == 0 for file in [folder, folder / "monitor.db"])
    manifest = backups.read_manifest(folder)
    assert (manifest.key, manifest.rows) == (service.fingerprint, said["rows"])
    assert manifest.tables == before
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    assert (tmp_path / "data" / "monitor.key").read_bytes().splitlines()[1] not in content
    with db.reading(engine) as conn:
        assert database_facts.get(conn, database_facts.LAST_BACKUP) is not None


def test_a_backup_is_restored_on_either_database(
    engine: Engine, service: KeyFile, database_url: str, empty_url: str, tmp_path: Path, now: datetime
) -> None:
    stones = Tombstones(tmp_path / "data")
    folder, manifest = backups.write_backup(engine, tmp_path / "data", tmp_path / "copies", now, quietly)
    stones.add(
        "email", service.first_lookup("email", "bob@example.org"), now + timedelta(days=1)
    )  # after the backup

    there = tmp_path / "data"
    result = run("restore", str(folder), "--yes", *config(tmp_path, empty_url))
    assert result.exit_code == 0, result.output
    assert f"rows, made at {format_minute(now)} by version" in result.output
    restored = db.connect(empty_url)
    now_there = digests(restored)
    assert {name for name in now_there if now_there[name] != manifest.tables[name]} <= {
        "subscriber", "subscription", "delivery", "meta", "progress", "past_status", "past_subscription",
    }  # fmt: skip
    with db.reading(restored) as conn, db.reading(engine) as original:
        assert database_facts.load_identity(conn) != database_facts.load_identity(original)
        assert baseline.load_listings(conn, SOURCE) == baseline.load_listings(original, SOURCE)
        assert read_estimate(conn) == now_there["listing"].rows
    left = [one.masked for one in subscribers.load_subscribers(restored, service)]
    assert len(left) == 1, "an erasure after the backup is applied again"
    assert clone_guard.check(restored, there).reason is not None
    restored.dispose()


def test_a_restored_database_counts_its_ids_on(
    engine: Engine, service: KeyFile, empty_url: str, tmp_path: Path, now: datetime
) -> None:
    folder, _ = backups.write_backup(engine, tmp_path / "data", tmp_path / "copies", now, quietly)
    assert run("restore", str(folder), "--yes", *config(tmp_path, empty_url)).exit_code == 0
    restored = db.connect(empty_url)
    member(restored, service, now, "new@example.org")
    with db.reading(restored) as conn:
        rows = conn.scalars(sa.text("SELECT id FROM subscriber ORDER BY id")).all()
    assert len(rows) == len(set(rows)) == 3
    restored.dispose()


def test_a_used_database_is_replaced_only_on_purpose_and_kept(
    sqlite_engine: Engine, sqlite_url: str, tmp_path: Path, now: datetime
) -> None:
    data = tmp_path / "data"
    with db.transaction(sqlite_engine) as conn:
        keys = key_exchange.unlock(conn, data)
    member(sqlite_engine, keys, now)
    folder, _ = backups.write_backup(sqlite_engine, data, tmp_path / "copies", now, quietly)
    member(sqlite_engine, keys, now, "later@example.org")
    options = config(tmp_path, sqlite_url)
    refused = run("restore", str(folder), "--yes", *options)
    assert (refused.exit_code, "--replace" in refused.output) == (2, True)
    assert run("restore", str(folder), "--yes", "--replace", *options).exit_code == 0
    assert len(subscribers.load_subscribers(sqlite_engine, keys)) == 1
    (kept,) = (data / "backups").iterdir()
    assert backups.read_manifest(kept).tables["subscriber"].rows == 2


@pytest.mark.parametrize("file", ["monitor.db", "manifest.json"])
def test_a_changed_byte_is_refused(
    sqlite_engine: Engine, sqlite_url: str, tmp_path: Path, now: datetime, file: str
) -> None:
    folder, _ = backups.write_backup(sqlite_engine, tmp_path / "data", tmp_path / "copies", now, quietly)
    content = bytearray((folder / file).read_bytes())
    position = content.index(b'"monitor.db": "') + 20 if file == "manifest.json" else len(content) // 2
    content[position] ^= 1
    (folder / file).write_bytes(content)
    with pytest.raises(StoreError, match="use another backup"):
        backups.read_manifest(folder)
    result = run("restore", str(folder), "--yes", *config(tmp_path, f"sqlite:///{tmp_path / 'new.db'}"))
    assert result.exit_code == 1


def test_another_key_is_refused_before_anything_is_written(
    sqlite_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    with db.transaction(sqlite_engine) as conn:
        keys = key_exchange.unlock(conn, data)
    member(sqlite_engine, keys, now)
    folder, manifest = backups.write_backup(sqlite_engine, data, tmp_path / "copies", now, quietly)
    with pytest.raises(KeyFileError, match=keys.fingerprint):
        backups.refuse_another_key(manifest, other)
    KeyFile.load(other, create=True)
    with pytest.raises(KeyFileError, match=keys.fingerprint):
        backups.refuse_another_key(manifest, other)
    new = f"sqlite:///{tmp_path / 'new.db'}"
    result = run("restore", str(folder), "--yes", *config(tmp_path, new, folder="other"))
    assert result.exit_code == 1
    assert keys.fingerprint in result.output


def test_neither_restore_nor_move_works_beside_a_service(
    sqlite_engine: Engine, sqlite_url: str, tmp_path: Path, now: datetime
) -> None:
    folder, _ = backups.write_backup(sqlite_engine, tmp_path / "data", tmp_path / "copies", now, quietly)
    with db.transaction(sqlite_engine) as conn:
        heartbeats.write_beat(conn, "sender", "another", datetime.now(now.tzinfo))
    options = config(tmp_path, sqlite_url)
    for call in (
        ["restore", str(folder), "--replace", "--yes"],
        ["move", "--to", f"sqlite:///{tmp_path / 'new.db'}", "--yes"],
    ):
        result = run(*call, *options)
        assert (result.exit_code, "stop it on every machine" in result.output) == (1, True)


def test_a_move_takes_every_row_and_sends_nothing_before_resume(
    engine: Engine, service: KeyFile, database_url: str, empty_url: str, tmp_path: Path
) -> None:
    sleep_for_hours(engine)
    before = digests(engine)
    options = config(tmp_path, database_url)
    result = run("move", "--to", empty_url, "--yes", *options)
    assert result.exit_code == 0, result.output
    announced, reported = re.findall(r"([\d,]+) rows (?:from|of)", result.output)
    assert announced == reported
    moved = db.connect(empty_url)
    assert digests(moved) == before == digests(engine)
    data = tmp_path / "data"
    assert clone_guard.check(engine, data).reason is None
    assert clone_guard.check(moved, data).reason is not None
    there = config(tmp_path, empty_url, "there.toml")
    assert run("resume", "--yes", *there).exit_code == 0
    assert clone_guard.check(moved, data).reason is None
    assert clone_guard.check(engine, data).reason is not None, "from then on the old one is silent"
    moved.dispose()
    refused = run("move", "--to", empty_url, "--yes", *options)
    assert (refused.exit_code, "not empty" in refused.output) == (2, True)


def test_a_move_that_cannot_be_is_refused_before_it_asks_or_changes_the_target(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    """Into itself, an unused database was "copied"; one of an older version was migrated, then refused."""
    options = config(tmp_path, f"sqlite:///{tmp_path / 'one.db'}")
    assert run("init", *options).exit_code == 0
    itself = run("move", "--to", f"sqlite:///{tmp_path / 'data' / '..' / 'one.db'}", "--yes", *options)
    assert (itself.exit_code, "is the database in use" in itself.output) == (2, True)
    older = tmp_path / "older.db"
    with closing(sqlite3.connect(older)) as conn:
        conn.execute("CREATE TABLE subscriber (id INTEGER)")
        conn.execute("INSERT INTO subscriber VALUES (1)")
        conn.commit()
    used = run("move", "--to", f"sqlite:///{older}", *options)
    assert (used.exit_code, "is not empty: name an empty database" in used.output) == (2, True)
    assert "[y/N]" not in used.output
    with closing(sqlite3.connect(older)) as conn:
        assert conn.execute("SELECT name FROM sqlite_master").fetchall() == [("subscriber",)]


def test_rows_that_a_database_changes_are_noticed_and_deleted_again(
    sqlite_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    with db.transaction(sqlite_engine) as conn:
        keys = key_exchange.unlock(conn, tmp_path / "data")
    member(sqlite_engine, keys, now)
    target = db.connect(f"sqlite:///{tmp_path / 'target.db'}")
    metadata.create_all(target)
    with db.transaction(target) as conn:
        conn.exec_driver_sql(
            "CREATE TRIGGER worse AFTER INSERT ON subscriber BEGIN "
            "UPDATE subscriber SET language = 'xx' WHERE id = new.id; END"
        )
    with pytest.raises(StoreError, match="rows of subscriber"):
        transfer.transfer(sqlite_engine, target)
    with db.reading(target) as conn:
        assert transfer.is_unused(conn)
    target.dispose()


def test_writers_go_on_during_a_backup(
    sqlite_engine: Engine, sqlite_url: str, tmp_path: Path, now: datetime
) -> None:
    """Another connection writes at each report of progress; the copy is of the moment at which it began."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with db.transaction(sqlite_engine) as conn:
        conn.exec_driver_sql("INSERT INTO meta VALUES ('filling', hex(zeroblob(20000000)))")
    written = 0

    def steps(label: str, length: int) -> Progress:
        def progress(_: int) -> None:
            nonlocal written
            if label == "copying":
                with sqlite3.connect(path, timeout=1) as other:
                    other.execute("INSERT INTO meta VALUES (?, '')", (f"written {written}",))
                other.close()
                written += 1

        return progress

    folder, _ = backups.write_backup(sqlite_engine, tmp_path / "data", tmp_path / "copies", now, steps)
    assert written > 5
    copy = sqlite3.connect(folder / "monitor.db")
    assert copy.execute("SELECT count(*) FROM meta WHERE name LIKE 'written%'").fetchone() == (0,)
    copy.close()


def test_only_the_newest_backups_are_kept(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> None:
    to = tmp_path / "copies"
    made = [
        backups.write_backup(sqlite_engine, tmp_path, to, now + timedelta(days=day), quietly)[0]
        for day in range(4)
    ]
    (to / "monitor-backup-of-somebody-else").mkdir()
    assert backups.delete_old_backups(to, 2) == made[:2]
    assert sorted(to.iterdir()) == [*made[2:], to / "monitor-backup-of-somebody-else"]


def test_keys_go_to_another_folder_than_the_backup(
    sqlite_engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    KeyFile.load(tmp_path / "data", create=True)
    options = config(tmp_path, sqlite_url)
    copies = str(tmp_path / "copies")
    assert run("backup", "--to", copies, "--keys", copies, *options).exit_code == 2
    result = run("backup", "--to", copies, "--keys", str(tmp_path / "apart"), *options)
    assert result.exit_code == 0, result.output
    copy = tmp_path / "apart" / "monitor.key"
    assert copy.read_bytes() == (tmp_path / "data" / "monitor.key").read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert ANN not in result.output


def test_no_leaves_nothing_behind(sqlite_engine: Engine, tmp_path: Path, now: datetime) -> None:
    folder, _ = backups.write_backup(sqlite_engine, tmp_path / "data", tmp_path / "b", now, quietly)
    options = config(tmp_path, f"sqlite:///{tmp_path / 'new' / 'monitor.db'}", folder="new")
    refused = CliRunner().invoke(root, ["restore", str(folder), *options], input="n\n")
    assert (refused.exit_code, "Restore it now?" in refused.output) == (1, True)
    assert not (tmp_path / "new").exists()
    assert run("init", *options).exit_code == 0
    moved = CliRunner().invoke(
        root, ["move", "--to", f"sqlite:///{tmp_path / 'moved.db'}", *options], input="n\n"
    )
    assert moved.exit_code == 1
    assert not (tmp_path / "moved.db").exists()


def test_a_folder_that_cannot_be_written_or_read_is_said_in_one_line(
    sqlite_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    (tmp_path / "file").write_text("")
    options = config(tmp_path, f"sqlite:///{tmp_path / 'one.db'}")
    assert run("init", *options).exit_code == 0
    refused = run("backup", "--to", str(tmp_path / "file" / "below"), *options)
    assert refused.exit_code == 1
    assert "Errno" not in refused.output
    assert "(not a directory): name a folder that this user may write" in refused.output
    folder, _ = backups.write_backup(sqlite_engine, tmp_path / "data", tmp_path / "b", now, quietly)
    (folder / "manifest.json").write_text("{")
    damaged = run("restore", str(folder), *options)
    assert (damaged.exit_code, damaged.output.endswith("manifest.json is damaged: use another backup\n")) == (
        1,
        True,
    )


def test_a_restore_of_a_missing_folder_says_where_backups_are(tmp_path: Path) -> None:
    options = config(tmp_path, f"sqlite:///{tmp_path / 'one.db'}")
    assert run("init", *options).exit_code == 0
    none = run("restore", str(tmp_path / "gone"), *options)
    assert (
        none.exit_code,
        f"there is no folder {tmp_path / 'gone'}: there is no backup in" in none.output,
    ) == (
        2,
        True,
    )
    assert run("backup", *options).exit_code == 0
    (made,) = (tmp_path / "data" / "backups").iterdir()
    one = run("restore", str(tmp_path / "gone"), *options)
    assert (one.exit_code, f"the newest of 1 backup in {made.parent} is {made.name}" in one.output) == (
        2,
        True,
    )
