"""Notices, digests and canaries that fall due: the corners that a person's story does not come to."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from monitor.domain import SourceInfo
from monitor.outbox import insert_due_canary, insert_due_digests, insert_due_notices
from monitor.storage import schema
from monitor.storage.deliveries import canary_rows, notices
from monitor.storage.engine import transaction
from tests.outbox.world import HAMMOND, World

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RING = {"ring": SourceInfo(name="ring", titles={"en": "Ring"}, every=HOUR)}


@pytest.fixture
def world(sqlite_world: World) -> World:
    """None of this depends on the kind of database."""
    return sqlite_world


@pytest.mark.parametrize(("good", "fetched"), [(False, True), (True, False), (False, False)])
@pytest.mark.parametrize("told", [False, True])
def test_a_list_that_was_never_read_or_never_polled_is_neither_blind_nor_back(
    world: World, good: bool, fetched: bool, told: bool
) -> None:
    """As a list whose first polls fail, and one whose history was imported."""
    world.person("a@a.example", "IN")
    row = {"name": "ring", "number": 1, "fingerprint": "", "columns": [], "folders": []}
    times = {
        "last_good_at": world.now if good else None,
        "last_fetch_at": world.now if fetched else None,
    }
    world.write(sa.insert(schema.SourceRow).values(**row, **times))
    if told:
        with transaction(world.engine) as conn:
            assert notices.note_blind(conn, "ring", None, world.now)
    world.later(days=30)
    assert insert_due_notices(world.engine, RING, world.now) == 0
    assert world.rows() == []


@pytest.mark.parametrize(("hour", "due"), [(None, 0), (0, 0), (8, 8)])
def test_a_digest_of_somebody_without_an_hour_is_due_at_midnight(
    world: World, hour: int | None, due: int
) -> None:
    person = world.person(
        "a@a.example", "IN", frequency="daily", timezone="UTC", local_hour=hour, digest_at=world.now,
        digest_since=world.now - DAY,
    )  # fmt: skip
    world.publish(HAMMOND)
    world.fan_out()
    assert insert_due_digests(world.engine, world.now) == 1
    (row,) = world.rows(schema.SubscriberRow)
    next_day = datetime(world.now.year, world.now.month, world.now.day, due, tzinfo=world.now.tzinfo) + DAY
    assert (row.id, row.digest_at) == (person, next_day)


def test_the_canarys_subscriber_follows_nothing_and_gets_no_receipts(world: World) -> None:
    assert insert_due_canary(world.engine, world.keys, "email", "canary@watch.example", DAY, world.now) == 1
    (row,) = world.rows(schema.SubscriberRow)
    assert (row.origin, row.state, bool(row.receipts)) == ("canary", "active", False)
    assert world.rows(schema.SubscriptionRow) == []


def test_two_processes_that_look_at_once_queue_one_canary(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them looks before the other has written; their clocks differ by some minutes."""
    monkeypatch.setattr(canary_rows, "load_canary", lambda _: None)
    queued = []
    for later in (timedelta(), timedelta(minutes=5), DAY):
        queued.append(
            insert_due_canary(
                world.engine, world.keys, "email", "canary@watch.example", DAY, world.now + later
            )
        )
    assert queued == [1, 0, 1]
