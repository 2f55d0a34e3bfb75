"""What happens to a message, an address and a lane when a channel does not accept."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitor import subscribers
from monitor.channels import EVERYTHING, OperatorAddress
from monitor.channels.outline import open_outline
from monitor.domain import Envelope
from monitor.errors import Permanent, Transient
from monitor.ops.health_facts import load_facts
from monitor.ops.health_report import report_status
from monitor.storage import people, schema
from monitor.storage.deliveries import configured_addresses, dead_letters, endings
from monitor.storage.deliveries.backlog import read_backlog
from monitor.storage.deliveries.operator_rows import load_failures
from monitor.storage.engine import reading, transaction
from tests.conftest import own
from tests.outbox.world import GARY, HAMMOND, STATE_POLICE, Recorder, World, one_due

HOUR = timedelta(hours=1)
STEP = HOUR if os.environ.get("MONITOR_TORTURE") else 4 * HOUR
"""How far the clock goes between two drains of a wait of days."""


def test_a_dead_letter_can_be_queued_again_with_all_its_attempts(world: World) -> None:
    one_due(world, "@indiana", channel="telegram")
    channel = Recorder(name="telegram")
    channel.will("@indiana", Permanent("554 no"))
    assert world.send(channel).failed == 1
    with transaction(world.engine) as conn:
        assert dead_letters.requeue(conn, world.now, [1, 99]) == (1,)
        assert dead_letters.requeue(conn, world.now) == ()
    assert world.rows()[0].attempts == 0
    assert world.send(channel).sent == 1


def test_nothing_is_queued_again_for_somebody_who_has_left(world: World) -> None:
    person = one_due(world, "@indiana", channel="telegram")
    channel = Recorder(name="telegram")
    channel.will("@indiana", Permanent("554 no"))
    assert world.send(channel).failed == 1
    with transaction(world.engine) as conn:
        assert read_backlog(conn).failed == len(load_failures(conn)) == 1
        endings.end(conn, person, world.now)
        assert dead_letters.requeue(conn, world.now) == ()
        assert read_backlog(conn).failed == len(load_failures(conn)) == 0, "there is nothing to decide"
        ((letter, state, _),) = dead_letters.load_letters(conn)
    assert (letter.error, state) == ("554 no", "failed"), "it is still listed"


def test_who_has_ended_at_their_server_is_no_trouble_of_the_operators(world: World) -> None:
    one_due(world, "@indiana", channel="telegram")
    channel = Recorder(name="telegram")
    channel.will("@indiana", Permanent("403 the bot was blocked", address_gone=True))
    assert world.send(channel).failed == 1
    with reading(world.engine) as conn:
        assert read_backlog(conn).failed == 0


def test_an_ambiguous_failure_is_marked_before_it_is_tried_again(world: World) -> None:
    one_due(world)
    channel = Recorder()
    channel.will("a@a.example", Transient("lost after DATA", ambiguous=True), Transient("451 later"))
    world.send(channel)
    assert bool(world.rows()[0].ambiguous)
    world.later(hours=1)
    world.send(channel)
    assert bool(world.rows()[0].ambiguous), "a later definite refusal does not undo it"


def test_an_address_that_is_gone_is_suppressed_and_its_subscriber_ends(world: World) -> None:
    person = one_due(world)
    world.publish(GARY)
    world.fan_out()
    channel = Recorder(concurrency=1)
    channel.will("a@a.example", *[Permanent("550 5.1.1 no such mailbox", address_gone=True)] * 2)
    world.send(channel)
    assert world.states() == ["due", "due"], "it may be the server that refuses us"
    assert channel.attempts == 1
    world.person("b@b.example", "46402")
    world.publish(GARY)
    world.fan_out()
    assert world.send(channel).sent == 1
    assert world.states() == ["failed", "dropped", "failed", "sent"]
    assert list(channel.told) == ["b@b.example"]
    with reading(world.engine) as conn:
        subscriber = people.get(conn, person)
        assert subscriber is not None
        assert (subscriber.state, people.load_sealed_addresses(conn, [person])) == ("ended", {})
        assert subscriber.outline is None
        hashed = world.keys.lookup("email", "a@a.example")
        assert people.load_reason(conn, "email", hashed) == "550 5.1.1 no such mailbox"


def test_the_operators_own_chat_is_never_suppressed_for_a_mistake_in_its_rights(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    one_due(world, "@indiana", channel="telegram", origin="config")
    channel = Recorder(name="telegram")
    channel.will("@indiana", Permanent("403 the bot is not a member", address_gone=True))
    assert world.send(channel).retried == 1
    assert world.rows(schema.SuppressionRow) == []
    assert world.rows(schema.SubscriberRow)[0].state == "active"
    assert "a configured chat refuses messages" in caplog.text
    assert "@indiana" not in caplog.text


def strike_on(world: World, channel: Recorder, *days: int) -> str:
    """Refusals on these days, while another domain accepts; returns the first subscriber's state."""
    start = world.now
    for day in days:
        world.now = max(start + timedelta(days=day), world.now + timedelta(minutes=1))
        world.publish(HAMMOND)
        world.fan_out()
        channel.will("a@a.example", Permanent("550 5.2.1 disabled", strike=True))
        world.send(channel)
    return str(world.rows(schema.SubscriberRow)[0].state)


@pytest.mark.parametrize("days", [(0, 0, 8), (0, 8, 8), (0, 4, 8), (0, 0, 0, 0, 9)])
def test_three_strikes_over_seven_days_suppress_the_address(world: World, days: tuple[int, ...]) -> None:
    world.person("a@a.example", "IN")
    world.person("b@b.example", "IN")
    assert strike_on(world, Recorder(), *days) == "ended"
    assert len(world.rows(schema.SuppressionRow)) == 1


@pytest.mark.parametrize("days", [(0, 1), (0, 9), (0, 0, 0), (0, 0, 0, 0, 0), (0, 1, 2, 3, 6)])
def test_fewer_strikes_or_strikes_within_seven_days_do_not(
    sqlite_world: World, days: tuple[int, ...]
) -> None:
    sqlite_world.person("a@a.example", "IN")
    sqlite_world.person("b@b.example", "IN")
    assert strike_on(sqlite_world, Recorder(), *days) == "active"
    assert sqlite_world.rows(schema.SuppressionRow) == []


def test_an_accepted_message_clears_the_strikes(world: World) -> None:
    world.person("a@a.example", "IN")
    world.person("b@b.example", "IN")
    channel = Recorder()
    strike_on(world, channel, 0, 1)
    assert world.rows(schema.SubscriberRow)[0].strikes == 2
    world.publish(HAMMOND)
    world.fan_out()
    assert world.send(channel).sent == 2
    assert (
        world.rows(schema.SubscriberRow)[0].strikes,
        world.rows(schema.SubscriberRow)[0].first_strike_at,
    ) == (
        0,
        None,
    )


def test_a_chat_that_moved_gets_the_same_message_at_its_new_id_and_keeps_it(world: World) -> None:
    person = one_due(world, "-100", channel="telegram")
    channel = Recorder(name="telegram")
    channel.will("-100", Permanent("migrated", moved_to="-100200"))
    assert world.send(channel).sent == 1
    assert channel.told == {"-100200": ["added Hammond Police Department because IN"]}
    with reading(world.engine) as conn:
        subscriber = people.get(conn, person)
        assert subscriber is not None
        sealed = people.load_sealed_addresses(conn, [person])[person]
        assert world.keys.open("telegram", sealed) == "-100200"
        assert subscriber.outline is not None
        outline = open_outline(world.keys, "telegram", subscriber.outline)
        assert outline.address == world.keys.first_lookup("telegram", "-100200")
        found = people.find(conn, "telegram", world.keys.lookup("telegram", "-100200"))
    assert found == subscriber


def test_a_chat_that_moves_to_one_that_is_subscribed_already_leaves_it_what_it_followed(world: World) -> None:
    old = world.person("-100", "46320", channel="telegram")
    new = world.person("-100200", "46402", channel="telegram")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(name="telegram")
    channel.will("-100", Permanent("migrated", moved_to="-100200"))
    assert world.send(channel).sent == 1
    with reading(world.engine) as conn:
        gone = people.get(conn, old)
        assert gone is not None
        assert gone.state == "ended"
        assert [follow.place for follow in people.load_follows(conn, new)] == ["46320", "46402"]


def test_what_a_chat_was_owed_is_owed_to_the_one_that_it_moved_to(world: World) -> None:
    world.person("-100", "IN", channel="telegram")
    world.publish(HAMMOND)
    world.fan_out()
    world.publish(GARY)
    world.fan_out()
    world.write(
        sa.update(schema.DeliveryRow).where(schema.DeliveryRow.id == 2).values(due_at=world.now + HOUR)
    )
    world.person("-100200", "46402", channel="telegram")
    channel = Recorder(name="telegram")
    channel.will("-100", Permanent("migrated", moved_to="-100200"))
    assert world.send(channel).sent == 1
    world.later(hours=1)
    assert world.send(channel).sent == 1
    assert {chat: len(told) for chat, told in channel.told.items()} == {"-100200": 2}


def test_a_configured_group_that_moved_is_followed_there_and_stays_as_it_is_configured(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    subscribers.follow_channels(
        world.engine, world.keys, own({"IN": "-100"}), ["ring"], world.now, channel="telegram"
    )
    world.publish(HAMMOND)
    world.publish(GARY)
    world.fan_out()
    channel = Recorder(name="telegram", concurrency=1)
    moved = Permanent("migrated", moved_to="-100200")
    channel.will("-100", moved, moved)
    channel.will("-100200", None, Transient("flood"))
    assert world.send(channel).retried == 1
    subscribers.follow_channels(
        world.engine, world.keys, own({"IN": "-100"}), ["ring"], world.now, channel="telegram"
    )  # a restart
    world.later(hours=1)
    channel.will("-100", moved)
    assert world.send(channel).sent == 1, "the restart has not lost it"
    assert len(channel.told["-100200"]) == 2
    assert "a configured group has another id now (subscriber 1)" in caplog.text
    assert "100200" not in caplog.text


@pytest.mark.parametrize(
    "refused",
    [
        Permanent("Telegram: Forbidden: bot was kicked from the channel chat", address_gone=True),
        Permanent("Telegram: Bad Request: not enough rights to send text messages to the chat"),
        Permanent("Telegram: Bad Request: TOPIC_CLOSED"),
    ],
)
def test_what_a_configured_chat_refuses_for_three_days_is_a_dead_letter(
    world: World, refused: Permanent
) -> None:
    """The Bot API itself has answered so to rightful administrators for hours (October 2023)."""
    subscribers.follow_channels(
        world.engine, world.keys, own({"IN": "@lakes"}), ["ring"], world.now, channel="telegram"
    )
    world.publish(HAMMOND)
    world.publish(GARY)
    world.fan_out()
    channel = Recorder(name="telegram", concurrency=1)
    channel.will("@lakes", *[refused] * 500)
    start = world.now
    assert world.send(channel).retried == 1
    assert len(world.rows(schema.LaneRow)) == 1, "the other message waits without a try"
    while "due" in world.states():
        world.now += STEP
        world.send(channel)
    assert timedelta(days=2, hours=20) < world.now - start <= timedelta(days=3, hours=5)
    assert world.states() == ["failed", "failed"]
    assert world.rows(schema.SubscriberRow)[0].state == "active"
    channel.answers.clear()
    world.later(days=1)
    with transaction(world.engine) as conn:
        assert dead_letters.requeue(conn, world.now) == (1, 2), "once the bot is back, nothing is lost"
    world.send(channel)
    assert world.states() == ["sent", "sent"]


def test_a_chat_that_must_wait_holds_up_nobody_else_and_waits_also_after_a_restart(world: World) -> None:
    world.person("-1", "IN", channel="telegram")
    world.person("-2", "IN", channel="telegram")
    world.publish(HAMMOND)
    world.publish(GARY)
    world.fan_out()
    channel = Recorder(name="telegram", concurrency=1)
    channel.will("-1", Transient("flood", retry_after=timedelta(minutes=10), lane="-1"))
    drained = world.send(channel)
    assert (drained.sent, drained.retried, drained.due) == (2, 1, 2)
    assert list(channel.told) == ["-2"]
    postponed = [row for row in world.rows() if row.state == "due" and row.attempts == 0]
    assert [row.due_at for row in postponed] == [world.now + timedelta(minutes=10)]
    world.publish(STATE_POLICE)
    world.fan_out()
    world.later(minutes=5)
    assert world.send(channel).sent == 1, "a new sender reads the pause from the database"
    world.later(minutes=5)
    assert world.send(channel).sent == 3
    assert len(channel.told["-1"]) == 3


def test_a_mail_domain_that_refuses_us_pauses_and_nobody_is_suppressed(world: World) -> None:
    for name in ("a", "b", "c"):
        world.person(f"{name}@big.example", "IN")
    world.person("d@other.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=1)
    channel.will("a@big.example", Transient("421 4.7.0 too much from you", lane="big.example"))
    drained = world.send(channel)
    assert (drained.sent, drained.retried, drained.due) == (1, 1, 3)
    assert channel.attempts == 2
    (lane,) = world.rows(schema.LaneRow)
    assert (lane.name, lane.reason) == ("big.example", "421 4.7.0 too much from you")
    assert world.rows(schema.SuppressionRow) == []
    world.later(minutes=20)
    assert world.send(channel).sent == 3
    assert world.rows(schema.LaneRow) == []


@pytest.mark.parametrize(("lane", "what"), [("big.example", "a part of it"), (EVERYTHING, "the channel")])
def test_a_pause_is_logged_once_without_whom_it_concerns(
    world: World, caplog: pytest.LogCaptureFixture, lane: str, what: str
) -> None:
    for name in ("a", "b"):
        world.person(f"{name}@big.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=2)
    channel.will("a@big.example", Transient("451 later", lane=lane))
    channel.will("b@big.example", Transient("451 later", lane=lane))
    caplog.set_level("INFO", logger="monitor")
    world.send(channel)
    (line,) = [each.getMessage() for each in caplog.records if "pauses" in each.getMessage()]
    assert line.startswith(f"email: {what} pauses until {world.now.date()}T")
    assert line.endswith(": 451 later")


def test_a_message_that_cannot_be_made_does_not_show_that_the_server_is_back(world: World) -> None:
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder()
    channel.will("a@a.example", Transient("cannot be reached", lane=EVERYTHING))
    assert world.send(channel).retried == 1
    world.write(sa.update(schema.SubscriberRow).values(address=b"not what any key has sealed"))
    world.later(minutes=20)
    assert world.send(channel).retried == 1
    assert [row.name for row in world.rows(schema.LaneRow)] == [EVERYTHING]


def test_a_server_that_is_away_costs_few_attempts_and_loses_nothing(world: World) -> None:
    for number in range(50):
        world.person(f"p{number}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=4)
    channel.will("*", *[Transient("connection refused", lane="*")] * 50)
    drained = world.send(channel)
    assert channel.attempts == 4
    assert (drained.retried, drained.due) == (4, 50)
    assert world.send(channel).retried == 0
    channel.answers.clear()
    world.later(minutes=2)
    assert world.send(channel).sent == 50


def test_a_message_accepted_after_its_subscriber_has_left_is_known_as_sent(world: World) -> None:
    person = one_due(world)
    channel = Recorder()

    async def leave(envelope: Envelope) -> None:
        with transaction(world.engine) as conn:
            endings.end(conn, person, world.now)

    channel.before = leave
    assert world.send(channel).sent == 1
    assert world.states() == ["sent"]


def test_a_configured_webhook_that_answers_410_ends_until_it_is_changed_or_revived(world: World) -> None:
    def follow(target: str) -> None:
        own = [OperatorAddress("IN", "desk", target=target)]
        subscribers.follow_channels(world.engine, world.keys, own, ["ring"], world.now, channel="webhook")

    def problems() -> list[str]:
        state = report_status(
            load_facts(world.engine, {}, configured=["webhook"], fenced=None, now=world.now)
        )
        return [problem for problem in state["problems"] if "desk ended" in problem]

    def post() -> int:
        world.later(hours=1)
        world.publish(HAMMOND)
        world.fan_out()
        return world.send(channel).sent

    follow("https://desk.example/1")
    channel = Recorder(name="webhook")
    assert (post(), problems()) == (1, [])
    channel.will("desk", *[Permanent("the webhook answered 410: it is gone", address_gone=True)] * 3)
    world.publish(HAMMOND)  # two are due: the first answer ends it, and the other is not tried
    assert post() == 0
    tried = channel.attempts
    follow("https://desk.example/1")  # a restart
    world.later(days=1)
    assert post() == 0
    assert channel.attempts == tried
    (problem,) = problems()
    assert "410" in problem
    assert "monitor webhooks revive desk" in problem
    channel.answers.clear()
    follow("https://desk.example/2")  # another address under the same name
    assert (post(), problems()) == (1, [])
    channel.will("desk", Permanent("the webhook answered 410: it is gone", address_gone=True))
    assert post() == 0
    with transaction(world.engine) as conn:
        assert configured_addresses.revive(conn, "webhook", "desk")
        assert not configured_addresses.revive(conn, "webhook", "desk")
    follow("https://desk.example/2")
    assert (post(), problems()) == (1, [])
    subscribers.follow_channels(world.engine, world.keys, [], ["ring"], world.now, channel="webhook")
    follow("https://desk.example/2")
    assert post() == 1
