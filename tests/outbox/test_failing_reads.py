"""A database that fails for a moment, at any query of a fan-out or a drain: that is no fault of a message, of
a change or of an agency, and nobody is told less for it.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.domain import Listing, Placement
from monitor.errors import StoreError
from monitor.outbox import insert_due_digests
from monitor.storage import schema
from monitor.storage.lists.coverage import Coverage
from tests.outbox.world import GARY, HAMMOND, PLACEMENTS, Recorder, World


@contextmanager
def failing_query(engine: Engine, number: int) -> Iterator[list[str]]:
    """The query of this number, counted from 0, fails: SQLite is locked, PostgreSQL ends the connection.
    Yields all queries.
    """
    seen: list[str] = []

    def execute(cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith(("SELECT", "WITH")):
            seen.append(statement)
            if len(seen) == number + 1:
                if engine.dialect.name == "sqlite":
                    raise sqlite3.OperationalError("database is locked")
                cursor.connection.close()  # the driver raises its own error next

    sa.event.listen(engine, "do_execute", execute)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "do_execute", execute)


def test_a_query_that_fails_counts_against_no_message_and_leaves_as_one_kind_of_error(world: World) -> None:
    at_once = [world.person(f"p{number}@d{number}.example", "IN") for number in range(2)]
    world.person(
        "daily@a.example",
        "IN",
        frequency="daily",
        timezone="UTC",
        local_hour=world.now.hour,
        digest_at=world.now + timedelta(hours=1),
        digest_since=world.now,
    )
    channel, failures, tried_again = Recorder(concurrency=2), 0, set()
    for number in itertools.count():
        world.publish(HAMMOND, GARY)
        world.fan_out()
        world.later(hours=25)
        insert_due_digests(world.engine, world.now)
        with failing_query(world.engine, number) as seen:
            try:
                world.send(channel)
            except StoreError:
                failures += 1
            else:
                tried_again |= set(seen[number : number + 1])
        assert {row.attempts for row in world.rows() if row.state != "sent"} <= {0}
        assert set(world.states()) <= {"due", "sent"}
        world.later(minutes=3)  # a lease that could not be given back runs out
        world.send(channel)
        if len(seen) <= number:
            break
    assert failures > 5
    # only a group's settling is tried again; with a row that cannot be read before its mail, the drain ends
    assert {query.split()[1] for query in tried_again} <= {"refusal.id,", "acceptance.at", "change.id"}
    assert set(world.states()) == {"sent"}
    told = Counter(handed.address for handed in channel.accepted)
    assert told["p0@d0.example"] == told["p1@d1.example"] == number + 1
    assert len(world.rows()) == len(channel.accepted) == (number + 1) * (len(at_once) + 1)


def test_a_fan_out_that_cannot_read_where_agencies_are_waits_and_tells_the_same_people(world: World) -> None:
    world.person("zip@a.example", "46320")
    world.person("state@a.example", "IN")
    world.publish(HAMMOND)
    away = True

    def locate(source: str, listing: Listing) -> Placement:
        if away:
            raise StoreError("the database is locked by another program")
        return PLACEMENTS[listing.name]

    coverage = Coverage(world.engine, ("ring",), locate)
    for place in (locate, coverage.placement):
        with pytest.raises(StoreError):
            world.fan_out(place)
    assert world.rows() == []
    away = False
    assert world.fan_out(coverage.placement) == 2


def test_a_query_of_a_fan_out_that_fails_changes_nobodys_alerts(world: World) -> None:
    world.person("zip@a.example", "46320")
    world.person("state@a.example", "IN")
    for number in itertools.count():
        world.publish(HAMMOND)
        with failing_query(world.engine, number) as seen, suppress(StoreError):
            world.fan_out()
        world.fan_out()
        assert len(world.rows()) == 2 * (number + 1)
        if len(seen) <= number:
            break
    assert number > 2
    assert {row.fanned_out_at is not None for row in world.rows(schema.ChangesetRow)} == {True}
