"""A process that ends at any statement of a fan-out or of the digests: everybody is owed everything once."""

from __future__ import annotations

import itertools
import os
import signal
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitor.storage import schema
from monitor.storage.deliveries.tables import DigestChangesetRow
from monitor.storage.engine import reading
from tests.outbox.crashes import Killed
from tests.outbox.killed_writer import LATER, write_all, write_until_killed
from tests.outbox.world import HAMMOND, World
from tests.peers.forks import PATIENCE, running
from tests.peers.statements import ending_at


def end_here() -> None:
    """As a kill: nothing that comes after is done, and the database takes back what is not committed."""
    raise Killed


def dies_in_this_process(world: World, number: int) -> bool:
    try:
        with ending_at(world.engine, number, end_here):
            write_all(world.engine, world.now)
    except Killed:
        world.engine.dispose()  # its connections end with a process
        return True
    return False


def dies_by_kill(world: World, number: int) -> bool:
    url = world.engine.url.render_as_string(hide_password=False)
    with running(write_until_killed, url, number, world.now) as writer:
        writer.join(PATIENCE)
        assert writer.exitcode in {0, -signal.SIGKILL}
        return writer.exitcode != 0


@pytest.mark.parametrize(
    "dies",
    [
        dies_in_this_process,
        pytest.param(
            dies_by_kill,
            marks=pytest.mark.skipif(
                not os.environ.get("MONITOR_TORTURE"), reason="minutes long: make torture-delivery"
            ),
        ),
    ],
)
def test_an_end_at_any_statement_of_fan_out_and_digests_loses_and_doubles_nothing(
    world: World, dies: Callable[[World, int], bool]
) -> None:
    at_once = [world.person(f"p{number}@a.example", "IN") for number in range(3)]
    collected = [
        world.person(
            f"d{number}@a.example",
            "IN",
            frequency="daily",
            timezone="UTC",
            local_hour=(world.now + timedelta(hours=1)).hour,
            digest_at=world.now + timedelta(hours=1),
            digest_since=world.now,
        )
        for number in range(3)
    ]
    changesets = []
    for number in itertools.count():
        changesets.append(world.publish(HAMMOND))
        died = dies(world, number)
        world.now += LATER
        write_all(world.engine, world.now)  # the next process
        world.now += timedelta(days=1) - LATER
        if not died:
            break
    assert number > 20, "statements of a fan-out and of digests"
    for _ in range(2):  # what was collected at the last moments
        write_all(world.engine, world.now)
        world.now += timedelta(days=1)
    owed = Counter((row.subscriber_id, row.changeset_id) for row in world.rows() if row.kind == "alert")
    assert owed == Counter(itertools.product(at_once, changesets))
    with reading(world.engine) as conn:
        rows = conn.execute(sa.select(DigestChangesetRow.c.subscriber_id, DigestChangesetRow.c.changeset_id))
        told = Counter((subscriber, changeset) for subscriber, changeset in rows)
    assert told == Counter(itertools.product(collected, changesets))
    assert {row.fanned_out_at is not None for row in world.rows(schema.ChangesetRow)} == {True}
