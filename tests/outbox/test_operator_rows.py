"""What the operator does with single messages, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from monitor.storage.deliveries import operator_rows
from monitor.storage.engine import reading, transaction
from monitor.storage.schema import DeliveryRow
from tests.outbox.world import HAMMOND, Recorder, World

LATER = timedelta(hours=4)


def test_retrying_and_dropping_touch_the_named_messages_only(world: World) -> None:
    for name in ("ann", "bea", "cem", "dan"):
        world.person(f"{name}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    rows = DeliveryRow
    waits = {"attempts": 2, "due_at": world.now + LATER}
    world.write(sa.update(rows).where(rows.c.id.in_([1, 2])).values(**waits))
    world.write(sa.update(rows).where(rows.c.id == 3).values(state="failed", settled_at=world.now))
    with transaction(world.engine) as conn:
        assert operator_rows.retry(conn, world.now, [1, 3, 77]) == (1, 3)
        assert operator_rows.drop_by_operator(conn, [4, 77], world.now) == (4,)
        assert operator_rows.drop_by_operator(conn, [4], world.now) == ()
    with reading(world.engine) as conn:
        found = {each.id: each for each in operator_rows.load_details(conn, [1, 2, 3, 4])}
        assert operator_rows.load_changes(conn, found[1]) == (1,)
    assert [found[id].state for id in (1, 2, 3, 4)] == ["due", "due", "due", "dropped"]
    assert found[1].due_at == world.now
    assert found[2].due_at == world.now + LATER
    assert (found[3].due_at, found[3].attempts) == (world.now, 0)
    assert found[4].last_error == operator_rows.DROPPED_BY_OPERATOR
    channel = Recorder()
    assert world.send(channel).sent == 2
    assert len(channel.accepted) == 2


def test_a_message_that_was_due_before_keeps_its_turn(world: World) -> None:
    world.person("ann@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    earlier = world.now - LATER
    world.write(sa.update(DeliveryRow).values(attempts=1, due_at=earlier))
    with transaction(world.engine) as conn:
        assert operator_rows.retry(conn, world.now) == (1,)
        assert operator_rows.load_details(conn, [1])[0].due_at == earlier
