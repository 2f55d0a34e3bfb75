"""The canary takes the way of an alert, once an interval, and its absence is a problem."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import app
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.ops import health
from monitor.ops.health import HealthFinding
from monitor.outbox import insert_due_canary
from monitor.storage import people
from monitor.storage.engine import reading
from monitor.storage.schema import DeliveryRow
from tests.outbox.world import HAMMOND, World
from tests.subscribers.town import Town, text

DAY = timedelta(days=1)
ADDRESS = "canary@watch.example"


@pytest.fixture
def world(engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime) -> World:
    return World(engine, keys, tmp_path / "data", now)


def queue_canary(world: World, address: str = ADDRESS, every: timedelta = DAY) -> int:
    return insert_due_canary(world.engine, world.keys, "email", address, every, world.now)


def find(world: World, every: timedelta = DAY) -> list[HealthFinding]:
    facts = health.load_facts(
        world.engine, {}, configured=["email"], fenced=None, now=world.now, canary_every=every
    )
    return list(health.check_canary(facts))


def settle(world: World, state: str = "sent") -> None:
    world.write(
        sa.update(DeliveryRow).where(DeliveryRow.c.state == "due").values(state=state, settled_at=world.now)
    )


def test_one_is_queued_an_interval_and_none_while_one_waits(world: World) -> None:
    assert find(world) == [], "there was none yet"
    assert queue_canary(world) == 1
    assert queue_canary(world) == 0
    world.later(days=3)
    assert queue_canary(world) == 0, "a relay that is away gets one, not three"
    settle(world)
    assert queue_canary(world) == 1
    settle(world)
    world.later(hours=23)
    assert queue_canary(world) == 0
    world.later(hours=1)
    assert queue_canary(world) == 1
    assert [row.kind for row in world.rows()] == ["canary"] * 3


def test_its_absence_is_found_and_its_acceptance_ends_that(world: World) -> None:
    queue_canary(world)
    world.later(days=1, hours=6)
    assert find(world) == []
    world.later(minutes=1)
    (found,) = find(world)
    assert found.notify
    assert "no test message ([operator] canary) was accepted since 2026-03-01" in found.problem
    settle(world)
    assert find(world) == []
    world.later(days=2)
    assert len(find(world)) == 1
    assert find(world, every=2 * DAY) == []


def test_a_message_that_failed_for_good_is_no_acceptance(world: World) -> None:
    queue_canary(world)
    settle(world, "failed")
    world.later(days=2)
    assert queue_canary(world) == 1
    assert len(find(world)) == 1


def test_another_address_begins_anew(world: World) -> None:
    queue_canary(world)
    settle(world)
    assert queue_canary(world, "other@watch.example") == 1
    world.later(days=1, hours=7)
    assert len(find(world)) == 1


def test_who_has_alerts_at_this_address_keeps_them(world: World) -> None:
    world.person(ADDRESS, "IN")
    assert queue_canary(world) == 1
    world.publish(HAMMOND)
    assert world.fan_out() == 1
    with reading(world.engine) as conn:
        assert people.count_living(conn) == 1


def test_it_arrives_by_the_relay_as_an_alert_does(small_town: Town) -> None:
    town = small_town
    own = town.settings.operator.model_copy(update={"canary": ADDRESS})
    town.settings = town.settings.model_copy(update={"operator": own})
    town.deliver()
    town.deliver()
    ((to, mail),) = town.postbox.mails
    assert to == ADDRESS
    assert mail["Subject"] == "[Map Monitor] test message of 2026-03-01 12:00 UTC"
    assert "took the way of an alert" in " ".join(text(mail).split())
    assert mail["List-Unsubscribe"]
    town.later(days=1)
    town.deliver()
    assert len(town.postbox.mails) == 2
    assert not any(
        "test message" in problem.problem for problem in health.find_problems(town.components.load_health())
    )


@pytest.mark.parametrize("address", ["no address", "-100123"])
def test_an_address_that_nothing_reaches_is_refused(small_town: Town, address: str) -> None:
    own = small_town.settings.operator.model_copy(update={"canary": address})
    with pytest.raises(UsageError):
        app.canary_address(small_town.settings.model_copy(update={"operator": own}))
