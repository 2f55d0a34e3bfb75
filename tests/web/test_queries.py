"""What the pages ask the database, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.db import reading, transaction
from monitor.domain import Kind
from monitor.store import pages
from monitor.tables import Delivery, Subscriber
from tests.web.story import HOUR, SOURCE, START, tell


def test_the_story_is_the_same_on_both_databases(engine: Engine) -> None:
    ended = tell(engine)
    with reading(engine) as conn:
        latest = pages.latest(conn)
        assert [row.change.subject.name.split()[0] for row in latest] == [
            "Hammond",
            "Chicago",
            "Springfield",
            "Gary",
        ]
        assert [
            row.change.subject.name.split()[0] for row in pages.latest(conn, places=["46402"], within=["IN"])
        ] == ["Gary"]
        assert [row.changeset for row in pages.latest(conn, places=["IL"], limit=1)] == [3]
        found = pages.summaries(conn, before=4, limit=2)
        assert [(each.id, each.counts, each.total, len(each.first)) for each in found] == [
            (3, {Kind.CHANGED: 1}, 1, 1),
            (2, {Kind.REMOVED: 1}, 1, 1),
        ]
        one = pages.changeset(conn, 1)
        assert one is not None
        (gary,) = one.first
        assert "46402" in pages.places_of(conn, [gary.id or 0])[gary.id or 0]
        assert pages.changeset(conn, 99) is None
        assert pages.changeset(conn, 1, skip=1) is not None
        assert len(pages.withdrawn(conn)) == 2
        assert len(pages.agencies(conn, SOURCE)) == 7
        (was, now) = pages.versions(conn, SOURCE, latest[1].agency)
        assert (was.listing.name, was.to_at) == ("Chicago Police Department", now.from_at)
        assert [row.change.kind for row in pages.history(conn, SOURCE, latest[1].agency)] == [Kind.CHANGED]
        assert pages.first_read(conn, SOURCE) == START + HOUR
        assert [count for _, count in pages.counts(conn, SOURCE)] == [6, 7, 6]
        gaps = pages.gaps(conn, SOURCE, since=START, longest=3 * HOUR, now=ended)
        assert [(gap.since, gap.until, gap.failed, gap.rejected) for gap in gaps] == [
            (START + 8 * HOUR, START + 14 * HOUR, 5, 0)
        ]
        (later, *_) = pages.gaps(conn, SOURCE, since=ended, longest=3 * HOUR, now=ended + 9 * HOUR)
        assert (later.since, later.until) == (START + 14 * HOUR, None)


def test_a_delivery_is_overdue_only_while_nobody_sends(engine: Engine) -> None:
    minute = timedelta(minutes=1)
    with transaction(engine) as conn:
        conn.execute(
            sa.insert(Subscriber).values(
                id=1, channel="email", state="active", origin="site", nonce="x", created_at=START
            )
        )
        row = {"kind": "notice", "subscriber_id": 1, "state": "due", "created_at": START, "due_at": START}
        conn.execute(sa.insert(Delivery).values(id=1, period="a", **row))
        conn.execute(sa.insert(Delivery).values(id=2, period="b", **{**row, "due_at": START + 30 * minute}))

    def overdue(*channels: str) -> int:
        with reading(engine) as conn:
            return pages.overdue(conn, channels, before=START + 15 * minute, now=START + 30 * minute)

    assert (overdue("email"), overdue("telegram"), overdue()) == (1, 0, 0)
    with transaction(engine) as conn:
        conn.execute(sa.update(Delivery).where(sa.column("id") == 2).values(lease_until=START + 40 * minute))
    assert overdue("email") == 0
