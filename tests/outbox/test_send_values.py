"""Who must not get a claimed delivery any more, when that is looked up; a drain that has nothing to do."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from monitor.outbox.send import _find_drop_reason, find_stalled, is_worth_a_query
from monitor.storage.deliveries.queue import DeliveryStatus
from tests.outbox.world import HAMMOND, Recorder, World

LEFT, SUPPRESSED = "the subscriber has left", "the address is suppressed"
UNCONFIRMED = "the subscriber has not confirmed"


@pytest.mark.parametrize(
    ("state", "subscriber", "suppressed", "kind", "reason"),
    [
        ("due", "active", False, "alert", None),
        ("due", "paused", False, "alert", None),
        ("due", "pending", False, "confirm", None),
        ("due", "pending", False, "alert", UNCONFIRMED),
        ("due", "ended", False, "alert", LEFT),
        ("due", "ended", True, "confirm", LEFT),
        ("dropped", "active", False, "alert", LEFT),
        ("dropped", "active", True, "alert", LEFT),
        ("due", "active", True, "alert", SUPPRESSED),
        ("due", "pending", True, "alert", SUPPRESSED),
    ],
)
def test_why_somebody_must_not_get_a_message_any_more(
    state: str, subscriber: str, suppressed: bool, kind: str, reason: str | None
) -> None:
    standing = DeliveryStatus(state, "owner", subscriber, suppressed, kind)
    assert _find_drop_reason(standing) == reason


def test_a_row_that_is_gone_is_of_somebody_who_has_left() -> None:
    assert _find_drop_reason(None) == LEFT


@pytest.mark.parametrize(("concurrency", "least"), [(1, 0), (2, 1), (4, 2), (8, 4), (9, 4), (20, 10)])
def test_recipients_are_looked_up_once_half_of_a_channel_is_free(concurrency: int, least: int) -> None:
    worth = [room for room in range(concurrency + 1) if is_worth_a_query(room, concurrency)]
    assert worth == list(range(least, concurrency + 1))


@pytest.mark.parametrize(
    ("minutes", "stalled"), [([], None), ([1.9], None), ([2], 2), ([0, 3, 1, 5, 4], 5), ([0, 1], None)]
)
def test_a_message_without_an_answer_for_two_minutes_has_stalled(
    minutes: list[float], stalled: float | None, now: datetime
) -> None:
    begun = [now - timedelta(minutes=ago) for ago in minutes]
    assert find_stalled(begun, now) == (None if stalled is None else now - timedelta(minutes=stalled))


def test_a_drain_that_does_nothing_counts_what_is_due_only_where_it_is_asked(sqlite_world: World) -> None:
    """The count walks the whole outbox; what was done is followed by it in any case."""
    world = sqlite_world
    for name in ("a", "b"):
        world.person(f"{name}@a.example", "IN")
    world.person("@indiana", "IN", channel="telegram")
    world.publish(HAMMOND)
    world.fan_out()
    nothing = Recorder(name="webhook")
    assert world.send(nothing, counts_due=True).due == 3
    assert world.send(nothing).due == 3
    assert world.send(nothing, counts_due=False).due == 0
    done = world.send(Recorder(), counts_due=False)
    assert (done.sent, done.due) == (2, 1)
