"""The list is sensitive: what is known is sealed, can be had by its owner and nobody else, and is gone when
it must be gone.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from monitor import app, config, subscribers
from monitor.cli import root
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import migrate
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.key_exchange import unlock
from monitor.storage.people.tables import SubscriberRow
from monitor.subscribers import Tombstones
from tests.subscribers.conftest import ANN, ask, deliveries, member, token, who
from tests.subscribers.town import Town, link, text


def test_an_export_goes_to_the_address_itself(small_town: Town, tmp_path: Path) -> None:
    town = small_town
    town.member(places="60601, IL")
    run = CliRunner().invoke(root, ["subscribers", "export", ANN, "--config", str(tmp_path / "config.toml")])
    assert run.exit_code == 0, run.output
    assert "60601" not in run.output
    town.now = app.now() + timedelta(seconds=1)
    town.deliver()
    address, mail = town.postbox.mails[-1]
    assert address == ANN
    for word in ("60601, Illinois", "frequency: at_once", "origin: site", "language: en"):
        assert word in text(mail)
    unknown = CliRunner().invoke(
        root, ["subscribers", "export", "no@example.org", "--config", str(tmp_path / "config.toml")]
    )
    assert unknown.exit_code == 2


def test_an_export_is_for_who_has_confirmed(sqlite_engine: Engine, keys: KeyFile, now: datetime) -> None:
    """Otherwise anybody could have mail sent to anybody."""

    def export() -> bool:
        return subscribers.export(sqlite_engine, keys, channel="email", address="Ann@Example.org", now=now)

    assert not export()
    ask(sqlite_engine, keys, now)
    assert not export()
    assert deliveries(sqlite_engine, "notice") == []
    subscribers.confirm(sqlite_engine, keys, token(keys, Purpose.CONFIRM, who(sqlite_engine, keys)), now)
    assert export()
    assert deliveries(sqlite_engine, "notice") == [("notice", "due", "export 2026-03-01T12:00:00")]


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
    settings = town.settings.model_copy(update={"database": config.DatabaseSection(url=f"sqlite:///{copy}")})
    app.open_keys(settings, restored)
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
                "Zuzanna",
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

    clean = purge()
    assert clean["found"] == []
    assert {"monitor.db", "monitor.db-wal", "monitor.log"} <= set(clean["searched"])  # type: ignore[call-overload]
    log.write_text(f"GET {url} by xStays@Example.org;\n")
    assert purge()["found"] == [
        {"where": "monitor.log", "what": "a subscriber's address in the clear"},
        {"where": "monitor.log", "what": "a token"},
    ]
    log.write_text("")
    with db.transaction(town.engine) as conn:
        conn.execute(
            sa.update(DeliveryRow).values(last_error=town.keys.lookup("email", "zuzanna.canary@example.org"))
        )
    assert purge()["found"] == [{"where": "monitor.db", "what": "the hash of an erased address"}]
    with db.transaction(town.engine) as conn:
        conn.execute(sa.update(DeliveryRow).values(last_error=None))
    assert purge()["found"] == []
    # another program has deleted a row, and its bytes stay on a free page
    path = db.sqlite_path(town.engine)
    assert path is not None
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA secure_delete = OFF")
        other.execute("CREATE TABLE other (text)")
        other.execute("INSERT INTO other VALUES (?)", ["to zuzanna " * 1000])
        other.execute("DROP TABLE other")
        other.commit()
    assert purge()["found"] == [{"where": "monitor.db", "what": "a word that must not be there"}]


def test_a_copy_that_still_holds_somebody_erased_is_found_also_after_a_rotation(
    sqlite_engine: Engine, now: datetime, tmp_path: Path
) -> None:
    with db.transaction(sqlite_engine) as conn:
        key = unlock(conn, tmp_path)
    member(sqlite_engine, key, now)
    path = db.sqlite_path(sqlite_engine)
    assert path is not None
    copy = tmp_path / "monitor-0001-20260301T120000Z.db"
    with closing(sqlite3.connect(path)) as conn_:
        conn_.execute(f"VACUUM INTO '{copy}'")
    stones = Tombstones(tmp_path)
    subscribers.erase(sqlite_engine, key, channel="email", address=ANN, now=now, tombstones=stones)
    for _ in range(2):
        found = subscribers.scan_for_leaks(sqlite_engine, key, stones).found
        assert [(trace.where, trace.what) for trace in found] == [
            (copy.name, "the hash of an erased address")
        ]
        subscribers.rotate(sqlite_engine, tmp_path, now)
        key = KeyFile.load(tmp_path, create=False)
    # people are told how long copies live
    made = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert migrate.forget_copies(sqlite_engine, tmp_path, made) == 0
    assert migrate.forget_copies(sqlite_engine, tmp_path, made + timedelta(days=1)) == 1
    assert subscribers.scan_for_leaks(sqlite_engine, key, stones).found == ()


def test_the_proof_reads_a_server_as_well(
    postgres_engine: Engine, keys: KeyFile, now: datetime, tmp_path: Path
) -> None:
    one = member(postgres_engine, keys, now)
    stones = Tombstones(tmp_path)
    proof = subscribers.scan_for_leaks(postgres_engine, keys, stones)
    assert proof.found == ()
    assert {"subscriber", "delivery", "rate_window"} <= set(proof.searched)
    assert "write-ahead log" in (proof.unseen or "")  # a server shows its rows: it is not called proved
    with db.transaction(postgres_engine) as conn:
        conn.execute(
            sa.update(DeliveryRow).values(last_error=f"to {ANN} with {token(keys, Purpose.CONFIRM, one)}")
        )
    found = subscribers.scan_for_leaks(postgres_engine, keys, stones).found
    assert {(trace.where, trace.what) for trace in found} == {
        ("delivery", "a subscriber's address in the clear"),
        ("delivery", "a token"),
    }


test_the_proof_reads_a_server_as_well = pytest.mark.postgres(test_the_proof_reads_a_server_as_well)


def test_nothing_about_a_person_is_stored_but_what_the_page_says(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    member(engine, keys, now)
    stored = {column.name for column in SubscriberRow.__table__.columns}  # type: ignore[attr-defined]
    assert stored == {
        "id", "channel", "address", "address_hash", "state", "origin", "language", "frequency", "timezone",
        "local_hour",
        "paused_until", "digest_at", "digest_since", "receipts", "nonce", "confirm_until", "created_at",
        "confirmed_at",
        "ended_at", "strikes", "first_strike_at", "number", "outline", "quiet_from", "quiet_to", "own_line",
    }  # fmt: skip
