"""What the pages ask the database, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.domain import Kind
from monitor.storage.deliveries import backlog
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import page_queries, timeline
from monitor.storage.people.tables import SubscriberRow
from tests.web.story import HOUR, SOURCE, START, tell


def test_the_story_is_the_same_on_both_databases(engine: Engine) -> None:
    ended = tell(engine)
    with reading(engine) as conn:
        latest = page_queries.load_latest(conn)
        assert [row.change.subject.name.split()[0] for row in latest] == [
            "Hammond",
            "Chicago",
            "Springfield",
            "Gary",
        ]
        assert [
            row.change.subject.name.split()[0]
            for row in page_queries.load_latest(conn, places=["46402"], within=["IN"])
        ] == ["Gary"]
        assert [row.changeset for row in page_queries.load_latest(conn, places=["IL"], limit=1)] == [3]
        (newest, *_) = timeline.load_summaries(conn)
        found = timeline.load_summaries(conn, before=newest.at, limit=2)
        assert [(each.id, each.counts, each.total, len(each.first)) for each in found] == [
            (3, {Kind.CHANGED: 1}, 1, 1),
            (2, {Kind.REMOVED: 1}, 1, 1),
        ]
        assert timeline.find_single_states(conn, [1, 2, 3, 4]) == {1: "IN", 2: "IL", 3: "IL", 4: "IN"}
        one = timeline.load_changeset(conn, 1)
        assert one is not None
        (gary,) = one.rows
        assert (one.states, one.interval, one.held) == ({"IN": 1}, (START + HOUR, START + 2 * HOUR), 0)
        assert "46402" in page_queries.load_places(conn, [gary.id or 0])[gary.id or 0]
        assert timeline.load_changeset(conn, 99) is None
        assert timeline.load_changeset(conn, 1, page=2) is None
        (gone,) = timeline.load_withdrawn(conn, named=1)
        assert (gone.count, len(gone.rows), gone.ended_at) == (2, 1, START + 8 * HOUR)
        assert timeline.load_withdrawn(conn, before=gone.ended_at) == ()
        assert len(page_queries.load_agencies(conn, SOURCE)) == 7
        (was, now) = page_queries.load_versions(conn, SOURCE, latest[1].agency)
        assert (was.listing.name, was.to_at) == ("Chicago Police Department", now.from_at)
        assert [row.change.kind for row in page_queries.load_history(conn, SOURCE, latest[1].agency)] == [
            Kind.CHANGED
        ]
        assert page_queries.load_first_read(conn, SOURCE) == START + HOUR
        assert [count for _, count in page_queries.load_counts(conn, SOURCE)] == [6, 7, 6]
        seen = timeline.load_gaps(conn, timeline.SourceGaps(SOURCE), 3 * HOUR)
        assert [(gap.since, gap.until, gap.failed, gap.rejected) for gap in seen.until(ended, 3 * HOUR)] == [
            (START + 8 * HOUR, START + 14 * HOUR, 5, 0)
        ]
        assert timeline.load_gaps(conn, seen, 3 * HOUR) == seen  # what is known is not found again
        (later, *_) = seen.until(ended + 9 * HOUR, 3 * HOUR)
        assert (later.since, later.until) == (START + 14 * HOUR, None)


def test_a_delivery_is_overdue_only_while_nobody_sends(engine: Engine) -> None:
    minute = timedelta(minutes=1)
    with transaction(engine) as conn:
        conn.execute(
            sa.insert(SubscriberRow).values(
                id=1, channel="email", state="active", origin="site", nonce="x", created_at=START
            )
        )
        row = {"kind": "notice", "channel": "email", "subscriber_id": 1, "state": "due"}
        row |= {"created_at": START, "due_at": START}
        conn.execute(sa.insert(DeliveryRow).values(id=1, period="a", **row))
        conn.execute(
            sa.insert(DeliveryRow).values(id=2, period="b", **{**row, "due_at": START + 30 * minute})
        )

    def overdue(*channels: str) -> int:
        with reading(engine) as conn:
            return backlog.count_overdue(conn, channels, before=START + 15 * minute, now=START + 30 * minute)

    assert (overdue("email"), overdue("telegram"), overdue()) == (1, 0, 0)
    with transaction(engine) as conn:
        conn.execute(
            sa.update(DeliveryRow).where(sa.column("id") == 2).values(lease_until=START + 40 * minute)
        )
    assert overdue("email") == 0
