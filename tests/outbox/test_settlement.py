"""What a group of outcomes writes: rows, pauses, addresses, and what is owed for a retraction meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.channels import EVERYTHING
from monitor.channels.kinds import lookup
from monitor.core.retry import CHANNEL_PAUSE, LONGEST_PAUSE, WAITS
from monitor.outbox.outcomes import Outcome, OutcomeKind, PauseRequest
from monitor.outbox.retract import retract
from monitor.outbox.settle import settle
from monitor.storage import people, schema
from monitor.storage.deliveries import pauses, queue, refusals
from monitor.storage.engine import reading, transaction
from tests.outbox.world import CHICAGO, GARY, HAMMOND, World

HOUR = timedelta(hours=1)
LANE = "mail.example"


@pytest.fixture
def world(sqlite_world: World) -> World:
    """None of this depends on the kind of database."""
    return sqlite_world


def owe(world: World, *addresses: str, channel: str = "email", **fields: Any) -> list[Outcome]:
    """Queue one alert for each address, claimed by "test"; as outcomes of accepted messages."""
    for address in addresses:
        world.person(address, "IN", channel=channel, **fields)
    world.publish(HAMMOND)
    world.fan_out()
    world.write(sa.update(schema.DeliveryRow).values(owner="test", lease_until=world.now + HOUR))
    with reading(world.engine) as conn:
        claimed = queue.load_claimed(conn, [row.id for row in world.rows() if row.state == "due"])
    return [
        Outcome(kind=OutcomeKind.SENT, ids=(each.id,), deliveries=(each,), lane=LANE, moment=world.now)
        for each in claimed
    ]


def write(world: World, *outcomes: Outcome, channel: str = "email") -> tuple[PauseRequest, ...]:
    with transaction(world.engine) as conn:
        return settle(conn, world.keys, channel, "test", outcomes, world.now).pauses


def pause(world: World, name: str = EVERYTHING, channel: str = "email") -> None:
    with transaction(world.engine) as conn:
        pauses.set_pause(conn, channel, name, world.now + HOUR, "421 away")


def paused(world: World) -> dict[str, timedelta]:
    """The lanes that pause, and for how long."""
    with reading(world.engine) as conn:
        return {each.name: each.until - world.now for each in pauses.read_pauses(conn, world.now)}


def test_each_kind_of_outcome_leaves_its_row_as_it_says(world: World) -> None:
    sent, again, failed, dropped, soon, later, released = owe(world, *(f"p{n}@{LANE}" for n in range(7)))
    write(
        world,
        sent,
        replace(again, kind=OutcomeKind.AGAIN, at=world.now + HOUR, error="451", ambiguous=True),
        replace(failed, kind=OutcomeKind.FAILED, error="554"),
        replace(dropped, kind=OutcomeKind.DROPPED, error="left"),
        replace(soon, kind=OutcomeKind.POSTPONED, at=world.now + HOUR),
        replace(later, kind=OutcomeKind.POSTPONED, at=world.now + 2 * HOUR),
        replace(released, kind=OutcomeKind.RELEASED),
    )
    rows = [
        (row.state, row.attempts, row.last_error, row.due_at - world.now, bool(row.ambiguous), row.settled_at)
        for row in world.rows()
    ]
    now, none = world.now, timedelta()
    assert rows == [
        ("sent", 1, None, none, False, now),
        ("due", 1, "451", HOUR, True, None),
        ("failed", 1, "554", none, False, now),
        ("dropped", 0, "left", none, False, now),
        ("due", 0, None, HOUR, False, None),
        ("due", 0, None, 2 * HOUR, False, None),
        ("due", 0, None, none, False, None),
    ]
    assert {row.owner for row in world.rows()} == {None}


@pytest.mark.parametrize(("probe", "left"), [(True, set()), (False, {EVERYTHING})])
def test_only_an_answer_to_the_probe_ends_the_pause_of_a_channel(
    world: World, probe: bool, left: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="monitor")
    (sent,) = owe(world, "a@mail.example")
    pause(world)
    write(world, replace(sent, ends_pause=probe))
    assert paused(world).keys() == left
    assert ("takes messages again" in caplog.text) is probe


def test_an_answer_that_ends_no_pause_does_not_say_so(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="monitor")
    (sent,) = owe(world, "a@mail.example")
    pause(world, channel="telegram")
    write(world, replace(sent, ends_pause=True))
    assert "takes messages again" not in caplog.text
    assert paused(world).keys() == {EVERYTHING}


@pytest.mark.parametrize(
    ("lane", "trouble", "grows", "length"),
    [
        (EVERYTHING, timedelta(), True, CHANNEL_PAUSE),
        (EVERYTHING, timedelta(minutes=40), True, timedelta(minutes=10)),
        (EVERYTHING, timedelta(hours=40), True, LONGEST_PAUSE),
        (EVERYTHING, timedelta(hours=40), False, CHANNEL_PAUSE),
        (LANE, timedelta(minutes=40), True, timedelta(minutes=10)),
        (LANE, timedelta(hours=10), True, timedelta(hours=2, minutes=30)),
        (LANE, timedelta(hours=40), True, WAITS[-1]),
        (LANE, timedelta(hours=40), False, CHANNEL_PAUSE),
    ],
)
def test_what_goes_on_refusing_us_is_asked_less_and_less_often(
    world: World, lane: str, trouble: timedelta, grows: bool, length: timedelta
) -> None:
    """A server at least every quarter of an hour, one mail domain at least every four hours."""
    (sent,) = owe(world, "a@mail.example")
    with transaction(world.engine) as conn:
        pauses.extend_span(conn, "email", lane, world.now - trouble, world.now)
    wanted = PauseRequest(lane, world.now + CHANNEL_PAUSE, "550 no", grows=grows)
    again = replace(sent, kind=OutcomeKind.AGAIN, at=world.now + HOUR, pause=wanted)
    assert write(world, again) == (replace(wanted, until=world.now + length),)
    assert paused(world) == {lane: length}
    with reading(world.engine) as conn:
        (span,) = pauses.load_spans(conn, "email", world.now)
    assert (span.name, span.since, span.until) == (lane, world.now - trouble, world.now + length)


def test_a_wait_that_the_server_named_is_not_shortened(world: World) -> None:
    (sent,) = owe(world, "a@mail.example")
    wanted = PauseRequest(EVERYTHING, world.now + 5 * HOUR, "421", grows=True)
    write(world, replace(sent, kind=OutcomeKind.AGAIN, at=world.now + HOUR, pause=wanted))
    assert paused(world) == {EVERYTHING: 5 * HOUR}


def test_a_pause_that_does_not_count_leaves_no_span(world: World) -> None:
    (sent,) = owe(world, "a@mail.example")
    wanted = PauseRequest(LANE, world.now + HOUR, "403", grows=False, counts=False)
    write(world, replace(sent, kind=OutcomeKind.AGAIN, at=world.now + HOUR, pause=wanted))
    assert paused(world) == {LANE: HOUR}
    assert world.rows(schema.PauseSpanRow) == []


def test_a_lane_that_takes_fewer_messages_is_slowed_down_to_what_it_took(world: World) -> None:
    slow, usual = owe(world, "a@mail.example", "b@mail.example")
    again = replace(slow, kind=OutcomeKind.AGAIN, at=world.now + HOUR)
    write(world, replace(again, slower=4.0), replace(usual, lane="other.example"))
    assert [row.name for row in world.rows(schema.LaneRateRow)] == [LANE]


def test_a_retraction_while_messages_were_under_way_is_owed_to_who_was_told_of_it(world: World) -> None:
    told, other = owe(world, "told@mail.example", "other@mail.example")
    world.publish(GARY, CHICAGO)
    hammond, gary, chicago = (row.id for row in world.rows(schema.ChangeRow))
    for change in (hammond, gary):
        retract(world.engine, change, {"en": "An error."}, now=world.now)
    world.write(sa.delete(schema.DeliveryRow).where(schema.DeliveryRow.kind == "retraction"))
    write(
        world,
        replace(told, told=frozenset({hammond, chicago})),
        replace(other, told=frozenset({chicago})),
    )
    owed = [(row.subscriber_id, row.about) for row in world.rows() if row.kind == "retraction"]
    assert owed == [(told.deliveries[0].subscriber, str(hammond))]


@pytest.mark.parametrize(
    ("reference", "answers"), [("4711", [(None, "4711"), (1, "4711")]), (None, [(None, None), (1, None)])]
)
def test_what_went_together_is_known_by_its_first_delivery(
    world: World, reference: str | None, answers: list[tuple[int | None, str | None]]
) -> None:
    (first,) = owe(world, "a@mail.example")
    world.publish(GARY)
    world.fan_out()
    with reading(world.engine) as conn:
        both = queue.load_claimed(conn, [row.id for row in world.rows()])
    write(world, replace(first, ids=(1, 2), deliveries=both, reference=reference))
    assert [(row.sent_with, row.reference) for row in world.rows()] == answers


@pytest.mark.parametrize(("channel", "doubted"), [("email", True), ("telegram", False)])
def test_only_refusals_of_mail_servers_are_doubted(world: World, channel: str, doubted: bool) -> None:
    sent, refused = owe(world, "a", "b", channel=channel)
    again = replace(
        refused,
        kind=OutcomeKind.AGAIN,
        at=world.now + HOUR,
        verdict=refusals.STRIKE,
        answer="550",
        error="550",
    )
    write(world, replace(sent, lane="other.example"), again, channel=channel)
    assert bool(world.rows(schema.RefusalRow)) is doubted


def test_whose_own_rows_may_change_is_locked_before_anything_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those with a refusal that is open, or with strikes, or of whose address something is known."""
    locked: list[set[int]] = []
    real = people.lock

    def lock(conn: Connection, subscribers: Collection[int]) -> None:
        locked.append(set(subscribers))
        real(conn, subscribers)

    monkeypatch.setattr(people, "lock", lock)
    plain, gone, strike, moved, struck, doubted = owe(world, *(f"p{n}" for n in range(6)))
    with_strikes = replace(struck, deliveries=(replace(struck.deliveries[0], strikes=1),))
    open_one = replace(
        doubted, kind=OutcomeKind.AGAIN, at=world.now + HOUR, verdict=refusals.STRIKE, answer="x", error="x"
    )
    write(world, open_one)
    write(
        world,
        plain,
        replace(gone, kind=OutcomeKind.FAILED, gone=True, error="gone"),
        replace(strike, kind=OutcomeKind.FAILED, strike=True, error="strike"),
        replace(moved, moved_to="elsewhere"),
        with_strikes,
    )

    def who(*outcomes: Outcome) -> set[int]:
        return {outcome.deliveries[0].subscriber for outcome in outcomes}

    assert locked[0] == set()
    assert locked[1] == who(gone, strike, moved, struck, doubted)


def test_what_an_answer_says_of_an_address_is_done_to_that_subscriber_alone(world: World) -> None:
    gone, struck, moved, plain = owe(world, "g", "s", "m", "p", channel="telegram")
    write(
        world,
        replace(gone, kind=OutcomeKind.FAILED, gone=True, error="gone"),
        replace(struck, kind=OutcomeKind.FAILED, strike=True, error="strike"),
        replace(moved, moved_to="n"),
        plain,
        channel="telegram",
    )
    rows = world.rows(schema.SubscriberRow)
    assert [row.state for row in rows] == ["ended", "active", "active", "active"]
    assert [row.strikes for row in rows] == [0, 1, 0, 0]
    hashes = [lookup(world.keys, "telegram", name) for name in ("s", "n", "p")]
    assert [row.address_hash for row in rows[1:]] == hashes
