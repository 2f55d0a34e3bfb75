"""The list is sensitive: what is known is sealed, can be had by its owner and nobody else, and is gone when it must be gone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from monitor import config, db, keys, subscribe, wiring
from monitor.cli import root
from monitor.errors import BusyError, KeyFileError
from monitor.keys import KeyFile
from monitor.store import facts, people
from monitor.subscribe import Found, Tombstones
from monitor.tables import Delivery, Subscriber
from monitor.tokens import Purpose
from tests.people.conftest import ANN, ask, member, token, who
from tests.people.town import Town, link, text


@pytest.fixture
def sealed(engine: Engine, tmp_path: Path) -> KeyFile:
    """The key of this database, in a file."""
    with db.transaction(engine) as conn:
        return keys.unlock(conn, tmp_path)


def unlocked(engine: Engine, folder: Path) -> KeyFile:
    with db.transaction(engine) as conn:
        return keys.unlock(conn, folder)


def test_a_rotated_key_opens_and_finds_everything(
    engine: Engine, sealed: KeyFile, now: datetime, tmp_path: Path
) -> None:
    one = member(engine, sealed, now)
    ask(engine, sealed, now, "asked@example.org")
    subscribe.request(
        engine,
        sealed,
        subscribe.Wish(address="waits@example.org", places=("IL",), sources=("ring",)),
        client=None,
        now=now,
    )
    with db.transaction(engine) as conn:
        people.suppress(conn, "email", sealed.lookup("email", "gone@example.org"), "gone", now)
    stones = Tombstones(tmp_path)
    stones.add(sealed, "email", "erased@example.org", now + timedelta(days=9))

    for _ in range(2):  # once more: a chain of three keys
        assert subscribe.rotate(engine, tmp_path, now) == 2
    new = unlocked(engine, tmp_path)

    assert new.fingerprint != sealed.fingerprint
    assert (tmp_path / "monitor.key").stat().st_mode & 0o777 == 0o600
    again = who(engine, new)
    assert again is not None
    assert again.sealed is not None
    assert (again.id, new.open("email", again.sealed)) == (one.id, ANN)
    assert who(engine, sealed) is None
    with pytest.raises(KeyFileError):
        sealed.open("email", again.sealed)
    with db.reading(engine) as conn:
        assert people.suppression(conn, "email", new.lookup("email", "gone@example.org")) == "gone"
    assert subscribe.admit(engine, new, now) == 1
    assert who(engine, new, "waits@example.org") is not None
    member(engine, new, now, "erased@example.org")
    assert subscribe.bury(engine, new, stones, now) == 1

    # links that only end something go on; all others are made anew
    assert (
        subscribe.look(engine, new, Purpose.MANAGE, token(sealed, Purpose.MANAGE, one), now).found
        is Found.UNKNOWN
    )
    assert subscribe.leave(engine, new, token(sealed, Purpose.UNSUBSCRIBE, one), now).found is Found.OPEN


@pytest.mark.parametrize("crash", ["before the database", "after the database"])
def test_a_crash_in_a_rotation_leaves_a_key_that_fits(
    engine: Engine,
    sealed: KeyFile,
    now: datetime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    crash: str,
) -> None:
    member(engine, sealed, now)
    with monkeypatch.context() as broken:
        broken.setattr(keys, "rebind" if crash == "before the database" else "finish_rotation", _power_cut)
        with pytest.raises(ConnectionAbortedError):
            subscribe.rotate(engine, tmp_path, now)
    found = who(engine, unlocked(engine, tmp_path))
    assert found is not None
    assert subscribe.rotate(engine, tmp_path, now) == 1


def _power_cut(*_: object) -> None:
    raise ConnectionAbortedError


def test_the_key_is_not_exchanged_under_a_running_service(
    sqlite_engine: Engine, now: datetime, tmp_path: Path
) -> None:
    unlocked(sqlite_engine, tmp_path)
    with db.transaction(sqlite_engine) as conn:
        facts.beat(conn, "sender", "here", now - timedelta(minutes=1))
    with pytest.raises(BusyError):
        subscribe.rotate(sqlite_engine, tmp_path, now)
    assert subscribe.rotate(sqlite_engine, tmp_path, now + timedelta(minutes=5)) == 0


def test_an_export_goes_to_the_address_itself(small_town: Town, tmp_path: Path) -> None:
    town = small_town
    town.member(places="60601, IL")
    run = CliRunner().invoke(root, ["subscribers", "export", ANN, "--config", str(tmp_path / "config.toml")])
    assert run.exit_code == 0, run.output
    assert "60601" not in run.output
    town.now = wiring.now() + timedelta(seconds=1)
    town.deliver()
    address, mail = town.postbox.mails[-1]
    assert address == ANN
    for word in ("60601, Illinois", "frequency: at_once", "origin: site", "language: en"):
        assert word in text(mail)
    unknown = CliRunner().invoke(
        root, ["subscribers", "export", "no@example.org", "--config", str(tmp_path / "config.toml")]
    )
    assert unknown.exit_code == 2


def test_erasing_by_command_outlives_a_restored_copy(small_town: Town, tmp_path: Path) -> None:
    town = small_town
    town.member()
    path = db.sqlite_path(town.engine)
    assert path is not None
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"VACUUM INTO '{copy}'")
    run = CliRunner().invoke(root, ["subscribers", "erase", ANN, "--config", str(tmp_path / "config.toml")])
    assert run.exit_code == 0, run.output
    restored = db.connect(f"sqlite:///{copy}")
    assert who(restored, town.keys) is not None
    settings = town.settings.model_copy(update={"database": config.Database(url=f"sqlite:///{copy}")})
    wiring.open_keys(settings, restored)
    assert who(restored, town.keys) is None
    restored.dispose()


def test_what_is_erased_is_proved_to_be_gone_from_the_very_bytes(small_town: Town, tmp_path: Path) -> None:
    town = small_town
    town.member("zuzanna.canary@example.org")
    town.member("stays@example.org")
    url = link(town.mail(), "unsubscribe")
    config_file = str(tmp_path / "config.toml")
    CliRunner().invoke(root, ["subscribers", "erase", "zuzanna.canary@example.org", "--config", config_file])
    log = tmp_path / "monitor.log"
    log.write_text("all is well\n")

    def purge(*more: str) -> dict[str, object]:
        run = CliRunner().invoke(
            root,
            [
                "purge",
                "--prove",
                "--log",
                str(log),
                "--word",
                "zuzanna",
                "--config",
                config_file,
                "--json",
                *more,
            ],
        )
        assert run.exit_code in {0, 1}, run.output
        found = json.loads(run.output.splitlines()[-1])
        assert run.exit_code == (1 if found["found"] else 0)
        return dict(found)

    assert purge()["found"] == []
    log.write_text(f"GET {url} by xStays@Example.org;\n")
    assert purge()["found"] == [
        {"where": "monitor.log", "what": "a subscriber's address in the clear"},
        {"where": "monitor.log", "what": "a token"},
    ]
    log.write_text("")
    with db.transaction(town.engine) as conn:
        conn.execute(
            sa.update(Delivery).values(last_error=town.keys.lookup("email", "zuzanna.canary@example.org"))
        )
    assert purge()["found"] == [{"where": "monitor.db", "what": "the hash of an erased address"}]


def test_the_proof_reads_a_server_as_well(
    postgres_engine: Engine, keys: KeyFile, now: datetime, tmp_path: Path
) -> None:
    one = member(postgres_engine, keys, now)
    stones = Tombstones(tmp_path)
    assert subscribe.prove(postgres_engine, keys, stones) == ()
    with db.transaction(postgres_engine) as conn:
        conn.execute(
            sa.update(Delivery).values(last_error=f"to {ANN} with {token(keys, Purpose.CONFIRM, one)}")
        )
    assert {(trace.where, trace.what) for trace in subscribe.prove(postgres_engine, keys, stones)} == {
        ("delivery", "a subscriber's address in the clear"),
        ("delivery", "a token"),
    }


test_the_proof_reads_a_server_as_well = pytest.mark.postgres(test_the_proof_reads_a_server_as_well)


def test_nothing_about_a_person_is_stored_but_what_the_page_says(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    member(engine, keys, now)
    stored = {column.name for column in Subscriber.__table__.columns}  # type: ignore[attr-defined]
    assert stored == {
        "id", "channel", "address", "address_hash", "state", "origin", "language", "frequency", "timezone", "local_hour",
        "paused_until", "digest_at", "digest_since", "receipts", "nonce", "confirm_until", "created_at", "confirmed_at",
        "ended_at", "strikes", "first_strike_at",
    }  # fmt: skip
