"""Facts: one identity per database, heartbeats, the send mark, lanes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.errors import BusyError
from monitor.storage import database_facts, heartbeats
from monitor.storage import engine as db
from monitor.storage.deliveries import pauses, send_mark
from monitor.storage.tables import HeartbeatRow

MINUTE = timedelta(minutes=1)


def test_a_database_has_one_identity_for_good(engine: Engine) -> None:
    with db.transaction(engine) as conn:
        first = database_facts.ensure_identity(conn)
    with db.transaction(engine) as conn:
        assert database_facts.ensure_identity(conn) == first
        assert database_facts.load_identity(conn) == first


def test_looking_gives_a_database_no_identity(engine: Engine) -> None:
    with db.reading(engine) as conn:
        assert database_facts.load_identity(conn) is None


def test_a_fact_is_written_over(engine: Engine) -> None:
    with db.transaction(engine) as conn:
        database_facts.put(conn, "colour", "red")
        database_facts.put(conn, "colour", "blue")
        assert (database_facts.get(conn, "colour"), database_facts.get(conn, "shape")) == ("blue", None)


def test_the_heartbeat_of_a_part_is_the_newest_of_its_processes(engine: Engine, now: datetime) -> None:
    with db.transaction(engine) as conn:
        assert heartbeats.load_latest(conn, "sender") is None
        heartbeats.write_beat(conn, "sender", "a", now)
        heartbeats.write_beat(conn, "sender", "b", now - MINUTE)
        heartbeats.write_beat(conn, "poller", "c", now + MINUTE)
        assert heartbeats.load_latest(conn, "sender") == now
        heartbeats.write_beat(conn, "sender", "b", now + MINUTE)
        assert heartbeats.load_latest(conn, "sender") == now + MINUTE


def test_a_process_that_has_ended_was_seen_and_works_no_more(engine: Engine, now: datetime) -> None:
    with db.transaction(engine) as conn:
        heartbeats.write_beat(conn, "sender", "here/1", now - MINUTE)
        heartbeats.write_beat(conn, "sender", "here/12", now - 2 * MINUTE)
        for _ in range(2):  # its number may be given to another process
            heartbeats.write_beat(conn, "sender", "here/1", now - MINUTE)
            heartbeats.write_beat(conn, "sender", "here/1/email/a", now)
            heartbeats.write_beat(conn, "bot", "here/1", now)
            heartbeats.end_beats(conn, "here/1")
        assert heartbeats.load_latest(conn, "sender") == now
        assert heartbeats.load_latest_unended(conn, "sender") == now - 2 * MINUTE
        assert heartbeats.load_latest(conn, "bot") == now
        assert heartbeats.load_latest_unended(conn, "bot") is None
        with pytest.raises(BusyError):
            heartbeats.refuse_beside_a_service(conn, now - MINUTE)  # here/12 has not ended
        heartbeats.refuse_beside_a_service(conn, now)
        heartbeats.write_beat(conn, "sender", "here/2", now + 61 * MINUTE)
        parts = list(conn.scalars(sa.select(HeartbeatRow.c.part).order_by(HeartbeatRow.c.part)))
    assert parts == ["ended bot", "sender"]


def test_heartbeats_of_processes_that_ended_do_not_pile_up(engine: Engine, now: datetime) -> None:
    with db.transaction(engine) as conn:
        heartbeats.write_beat(conn, "bot", "long ago", now)
        for n in range(200):  # every drain has a name of its own
            heartbeats.write_beat(conn, "sender", f"here/{n}", now + n * MINUTE)
    with db.reading(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(HeartbeatRow)) == 62
        assert heartbeats.load_latest(conn, "bot") == now
        assert heartbeats.load_latest(conn, "sender") == now + 199 * MINUTE


def test_the_send_mark_only_grows(engine: Engine) -> None:
    with db.transaction(engine) as conn:
        assert send_mark.read(conn) == 0
        assert send_mark.advance(conn, 3) == 3
        assert send_mark.advance(conn, 4_000_000_000) == 4_000_000_003
        assert send_mark.read(conn) == 4_000_000_003


def test_a_lane_pauses_until_the_later_of_two_ends(engine: Engine, now: datetime) -> None:
    with db.transaction(engine) as conn:
        pauses.set_pause(conn, "email", "example.org", now + 2 * MINUTE, "5.7.1")
        pauses.set_pause(conn, "email", "example.org", now + MINUTE, "4.7.0")
        pauses.set_pause(conn, "telegram", "12", now + MINUTE, "retry after")
        assert pauses.read_pauses(conn, now) == (
            pauses.Pause("email", "example.org", now + 2 * MINUTE, "5.7.1"),
            pauses.Pause("telegram", "12", now + MINUTE, "retry after"),
        )
        assert [each.channel for each in pauses.read_pauses(conn, now + MINUTE)] == ["email"]
        pauses.delete_expired(conn, now + MINUTE)
        assert [each.channel for each in pauses.read_pauses(conn, now)] == ["email"]
