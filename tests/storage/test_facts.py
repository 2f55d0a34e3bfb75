"""Facts: one identity per database, heartbeats, the send mark, lanes."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.storage import engine as db
from monitor.storage import facts
from monitor.storage.tables import HeartbeatRow

MINUTE = timedelta(minutes=1)


def test_a_database_has_one_identity_for_good(engine: Engine) -> None:
    with db.transaction(engine) as conn:
        first = facts.identity(conn)
    with db.transaction(engine) as conn:
        assert facts.identity(conn) == first
        assert facts.known_identity(conn) == first


def test_looking_gives_a_database_no_identity(engine: Engine) -> None:
    with db.reading(engine) as conn:
        assert facts.known_identity(conn) is None


def test_a_fact_is_written_over(engine: Engine) -> None:
    with db.transaction(engine) as conn:
        facts.put(conn, "colour", "red")
        facts.put(conn, "colour", "blue")
        assert (facts.get(conn, "colour"), facts.get(conn, "shape")) == ("blue", None)


def test_the_heartbeat_of_a_part_is_the_newest_of_its_processes(engine: Engine, now: datetime) -> None:
    with db.transaction(engine) as conn:
        assert facts.heartbeat(conn, "sender") is None
        facts.beat(conn, "sender", "a", now)
        facts.beat(conn, "sender", "b", now - MINUTE)
        facts.beat(conn, "poller", "c", now + MINUTE)
        assert facts.heartbeat(conn, "sender") == now
        facts.beat(conn, "sender", "b", now + MINUTE)
        assert facts.heartbeat(conn, "sender") == now + MINUTE


def test_heartbeats_of_processes_that_ended_do_not_pile_up(engine: Engine, now: datetime) -> None:
    with db.transaction(engine) as conn:
        facts.beat(conn, "bot", "long ago", now)
        for n in range(200):  # every drain has a name of its own
            facts.beat(conn, "sender", f"here/{n}", now + n * MINUTE)
    with db.reading(engine) as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(HeartbeatRow)) == 62
        assert facts.heartbeat(conn, "bot") == now
        assert facts.heartbeat(conn, "sender") == now + 199 * MINUTE


def test_the_send_mark_only_grows(engine: Engine) -> None:
    with db.transaction(engine) as conn:
        assert facts.send_mark(conn) == 0
        assert facts.advance_send_mark(conn, 3) == 3
        assert facts.advance_send_mark(conn, 4_000_000_000) == 4_000_000_003
        assert facts.send_mark(conn) == 4_000_000_003


def test_a_lane_pauses_until_the_later_of_two_ends(engine: Engine, now: datetime) -> None:
    with db.transaction(engine) as conn:
        facts.set_lane(conn, "email", "example.org", now + 2 * MINUTE, "5.7.1")
        facts.set_lane(conn, "email", "example.org", now + MINUTE, "4.7.0")
        facts.set_lane(conn, "telegram", "12", now + MINUTE, "retry after")
        assert facts.lanes(conn, now) == (
            facts.Pause("email", "example.org", now + 2 * MINUTE, "5.7.1"),
            facts.Pause("telegram", "12", now + MINUTE, "retry after"),
        )
        assert [each.channel for each in facts.lanes(conn, now + MINUTE)] == ["email"]
        facts.forget_lanes(conn, now + MINUTE)
        assert [each.channel for each in facts.lanes(conn, now)] == ["email"]
