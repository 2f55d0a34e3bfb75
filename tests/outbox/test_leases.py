"""What a sender claims at once, for how long, and what it knows of a claimed row at the moment of sending."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.channels import EVERYTHING
from monitor.core.retry import CHANNEL_PAUSE
from monitor.outbox import leases as module
from monitor.outbox.clone_guard import NAME, CloneGuard
from monitor.outbox.leases import ClaimedBatch, Leases
from monitor.outbox.outcomes import Outcome, OutcomeKind
from monitor.storage import schema
from monitor.storage.deliveries import pauses, queue
from monitor.storage.deliveries.pauses import PauseSpan
from monitor.storage.engine import transaction
from tests.outbox.world import GARY, HAMMOND, World

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
TWO_MINUTES = timedelta(minutes=2)
"""After a crash, so long nothing else may be restored or sent; `docs/backup.md` says so."""
Lease = Callable[..., Leases]


@pytest.fixture
def world(sqlite_world: World) -> World:
    """None of this depends on the kind of database."""
    return sqlite_world


@pytest.fixture
def lease(world: World) -> Iterator[Lease]:
    """Makes leases of one more sender."""
    made: list[Leases] = []

    def make(owner: str = "one", channel: str = "email") -> Leases:
        guard = CloneGuard(world.engine, world.folder)
        made.append(Leases(world.engine, world.keys, guard, channel=channel, owner=owner))
        return made[-1]

    yield make
    for each in made:
        each.close()


def owe(world: World, *addresses: str, **fields: Any) -> None:
    for address in addresses:
        world.person(address, "IN", **fields)
    world.publish(HAMMOND)
    world.fan_out()


def take(world: World, leases: Leases) -> ClaimedBatch:
    return leases.take(world.now, world.now)


def held(world: World) -> dict[int, tuple[str, timedelta]]:
    """Who holds which deliveries, and for how long from now."""
    return {row.id: (row.owner, row.lease_until - world.now) for row in world.rows() if row.owner is not None}


def beats(world: World) -> list[str]:
    return [row.part for row in world.rows(schema.HeartbeatRow)]


def test_a_lease_lasts_two_minutes_from_the_claim_and_from_each_renewal(world: World, lease: Lease) -> None:
    owe(world, "a@a.example", "b@a.example")
    one, other = lease("one"), lease("other")
    assert take(world, one).ids == (1, 2)
    assert held(world) == {1: ("one", TWO_MINUTES), 2: ("one", TWO_MINUTES)}
    assert take(world, other) == ClaimedBatch()
    world.later(minutes=1)
    one.renew([1], world.now)
    assert held(world) == {1: ("one", TWO_MINUTES), 2: ("one", TWO_MINUTES / 2)}
    one.release([1])
    assert held(world) == {2: ("one", TWO_MINUTES / 2)}
    assert take(world, other).ids == (1,)


def test_where_nothing_is_due_nothing_is_written(world: World, lease: Lease) -> None:
    one = lease()
    assert take(world, one) == ClaimedBatch()
    assert beats(world) == []
    owe(world, "a@a.example")
    take(world, one)
    assert beats(world) == ["sender"]


def test_a_message_that_waits_long_for_its_answer_is_named_with_the_heartbeat(
    world: World, lease: Lease
) -> None:
    one = lease()
    one.renew([], world.now)
    assert beats(world) == ["sender"]
    one.renew([], world.now, world.now - DAY)
    (stalled,) = [row for row in world.rows(schema.HeartbeatRow) if "sending on email" in row.part]
    assert stalled.at == world.now - DAY
    one.renew([], world.now)
    assert beats(world) == ["sender"]


@pytest.mark.parametrize(("quiet", "taken"), [((), (1, 2)), ((1,), (2,)), ((1, 2), ())])
def test_who_is_in_quiet_hours_waits_and_nobody_else(
    world: World, lease: Lease, quiet: tuple[int, ...], taken: tuple[int, ...]
) -> None:
    """It is noon; a third person has quiet hours at night."""
    owe(world, "a@a.example", "b@a.example")
    night = world.person("night@a.example", "60601")
    for hours, who in (((11, 13), quiet), ((22, 6), (night,))):
        values = {"quiet_from": hours[0], "quiet_to": hours[1], "timezone": "UTC"}
        world.write(sa.update(schema.SubscriberRow).where(schema.SubscriberRow.id.in_(who)).values(**values))
    assert tuple(sorted(take(world, lease()).ids)) == taken
    assert {row.id for row in world.rows() if row.due_at > world.now} == set(quiet)


def test_after_the_pause_of_a_channel_one_process_tries_one_message(world: World, lease: Lease) -> None:
    owe(world, *(f"p{number}@a.example" for number in range(3)))
    with transaction(world.engine) as conn:
        pauses.set_pause(conn, "email", EVERYTHING, world.now + DAY, "421 away")
        pauses.set_pause(conn, "telegram", "-100", world.now + 2 * DAY, "429")
        pauses.set_pause(conn, "email", "b.example", world.now + 2 * DAY, "421")
    lanes = {"b.example": world.now + 2 * DAY}
    assert take(world, lease()) == ClaimedBatch(paused={EVERYTHING: world.now + DAY} | lanes)
    world.later(days=1)
    probing = take(world, lease("one"))
    assert (len(probing.ids), probing.paused) == (1, lanes)
    assert probing.probe is not None
    assert probing.probe.reason == "421 away"
    others = take(world, lease("other"))
    assert others == ClaimedBatch(paused={EVERYTHING: world.now + CHANNEL_PAUSE} | lanes)


@pytest.mark.parametrize(
    ("ages", "batch", "ids"),
    [
        ((DAY, DAY), 1, {1, 2}),
        ((DAY, DAY - SECOND), 1, {1}),
        ((DAY - SECOND, DAY - SECOND), 1, {1}),
        ((DAY, SECOND, DAY), 2, {1, 2, 3}),
        ((DAY, DAY, SECOND), 1, {1, 2}),
    ],
)
def test_everything_of_a_day_ago_is_claimed_with_the_first_of_it(
    world: World, lease: Lease, monkeypatch: pytest.MonkeyPatch, ages: tuple[timedelta, ...], batch: int,
    ids: set[int],
) -> None:  # fmt: skip
    """One person's alerts, which go out together when they are old; those due first are claimed first."""
    monkeypatch.setattr(module, "BATCH", batch)
    world.person("a@a.example", "IN")
    for number, age in enumerate(ages):
        world.publish(GARY)
        world.fan_out()
        values = {"created_at": world.now - age, "due_at": world.now - DAY + number * SECOND}
        world.write(sa.update(schema.DeliveryRow).where(schema.DeliveryRow.id == number + 1).values(**values))
    assert set(take(world, lease()).ids) == ids
    assert held(world).keys() == ids


def test_a_claim_that_another_process_was_faster_with_counts_no_sends(
    world: World, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    owe(world, "a@a.example")
    one = lease()
    monkeypatch.setattr(queue, "claim", lambda *_, **__: {})
    assert take(world, one).ids == ()
    assert json.loads((world.folder / NAME).read_text())["sends"] == 0
    monkeypatch.undo()
    assert take(world, one).ids == (1,)
    assert json.loads((world.folder / NAME).read_text())["sends"] == 1


def test_a_claim_knows_the_pauses_of_the_last_weeks_and_when_the_server_last_took_mail(
    world: World, lease: Lease
) -> None:
    owe(world, "a@a.example")
    since, until = world.now - 3 * DAY, world.now - 2 * DAY
    with transaction(world.engine) as conn:
        for begin, end in ((since, until), (since - 90 * DAY, until - 90 * DAY)):
            conn.execute(
                sa.insert(schema.PauseSpanRow).values(channel="email", name="x", since=begin, until=end)
            )
        conn.execute(sa.insert(schema.AcceptanceRow).values(channel="email", at=until))
    taken = take(world, lease())
    assert (taken.spans, taken.accepted_at) == ((PauseSpan("x", since, until),), until)


def test_a_row_is_seen_as_it_is_at_this_moment_and_read_again_only_after_a_commit(
    world: World, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[tuple[int, ...]] = []
    real = queue.load_statuses_at_once

    def reading(commits: Any, ids: Any) -> Any:
        reads.append(tuple(ids))
        return real(commits, ids)

    monkeypatch.setattr(queue, "load_statuses_at_once", reading)
    owe(world, "a@a.example", "b@a.example", "c@a.example")
    one = lease()
    assert one.local
    take(world, one)

    def states(*ids: int, ahead: tuple[int, ...] = ()) -> dict[int, str]:
        return {id: status.state for id, status in one.read_statuses(ids, ahead).items()}

    assert states(1, ahead=(2,)) == {1: "due"}
    assert states(2) == {2: "due"}
    assert states(1, 2) == {1: "due", 2: "due"}
    assert reads == [(1, 2)]
    assert states(3) == {3: "due"}, "another row"
    assert states(3, 77) == {3: "due"}, "a row that is gone is left out"
    world.write(sa.update(schema.DeliveryRow).where(schema.DeliveryRow.id == 3).values(state="dropped"))
    assert states(3) == {3: "dropped"}, "somebody else has committed"


def test_a_sender_gives_its_own_connections_back(
    world: World, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lease()
    before = world.engine.pool.checkedout()  # type: ignore[attr-defined]
    one.close()
    assert world.engine.pool.checkedout() == before - 1  # type: ignore[attr-defined]


def test_accepted_messages_that_could_not_be_settled_are_settled_before_anything_else(
    world: World, lease: Lease
) -> None:
    owe(world, "a@a.example", "b@a.example")
    one = lease()
    take(world, one)
    with transaction(world.engine) as conn:
        first, second = queue.load_claimed(conn, [1, 2])
    sent = Outcome(kind=OutcomeKind.SENT, ids=(1,), deliveries=(first,), lane="a.example", moment=world.now)
    one.keep_unsettled([sent, replace(sent, kind=OutcomeKind.AGAIN, ids=(2,), deliveries=(second,))])
    assert one.unsettled_ids() == {1}
    assert lease("one", "telegram").unsettled_ids() == frozenset()
    one.settle_kept(world.now)
    assert world.states() == ["sent", "due"]
    assert one.unsettled_ids() == frozenset()
