"""A relay that refuses the sender's account in the words of refused recipients: nobody is lost for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitor.channels.email import replies
from monitor.errors import Permanent, Transient
from monitor.ops.health_facts import load_facts
from monitor.ops.health_report import report_status
from monitor.outbox.verdicts import ALIKE
from monitor.storage import schema
from monitor.storage.deliveries import pauses, refusals
from monitor.storage.engine import reading, transaction
from tests.outbox.wordings import ALL, MADE_UP, OF_A_RECIPIENT, SEEN
from tests.outbox.world import CHICAGO, HAMMOND, Recorder, World

TORTURE = bool(os.environ.get("MONITOR_TORTURE"))
DOMAINS = [f"d{number}.example" for number in range(10)]
MANY = 90 if TORTURE else 30
"""People at all of the domains together: three at each are a wave, and each costs its sixty tries."""
DAY = timedelta(days=1)
DRAINS = 12 if TORTURE else 4
"""Drains a day: no pause and no retry is shorter for being looked at more often."""


class Relay(Recorder):
    """A recorder that refuses everybody in one wording while ``reply`` is set, but for domains it spares."""

    reply: tuple[str, int, str] | None = None
    spares: tuple[str, ...] = ()

    async def send(self, message, envelope) -> None:  # type: ignore[no-untyped-def]
        if self.reply is not None and not envelope.address.endswith(self.spares or ("nobody",)):
            self.attempts += 1
            phase, code, text = self.reply
            raise replies.refusal(phase, code, text.format(envelope.address), envelope.address)
        await super().send(message, envelope)


def town(world: World, people: int) -> list[str]:
    """So many people at ten domains."""
    everybody = [f"p{number}@{DOMAINS[number % 10]}" for number in range(people)]
    world.crowd(everybody, "IN")
    return everybody


def days(world: World, channel: Relay, count: int) -> Iterator[int]:
    """Days of drains, each beginning with a change. Who waits moves the clock."""

    async def sleep(seconds: float) -> None:
        world.later(seconds=seconds)

    for day in range(count):
        world.publish(HAMMOND)
        world.fan_out()
        yield day
        for _ in range(DRAINS):
            world.send(channel, sleep=sleep)
            world.later(hours=24 / DRAINS)


@pytest.mark.parametrize(
    "wording",
    ALL
    if TORTURE
    else [
        *SEEN,
        *MADE_UP,
        "several lines without a code",
        "German",
        "no text",
        "IP 192.0.2.7 blacklisted, delist at example.invalid",
    ],
)
def test_many_people_and_a_relay_that_refuses_the_account_for_three_days(
    sqlite_world: World, wording: str
) -> None:
    world = sqlite_world
    everybody = town(world, MANY)
    channel = Relay()
    for day in days(world, channel, 5):
        # a day on which all is well, three on which nothing is taken, and one more
        channel.reply = ALL[wording] if day in {1, 2, 3} else None
    assert world.rows(schema.SuppressionRow) == []
    assert {row.state for row in world.rows(schema.SubscriberRow)} == {"active"}
    assert {row.strikes for row in world.rows(schema.SubscriberRow)} == {0}
    assert [row.state for row in world.rows() if row.state != "sent"] == []
    assert set(channel.told) == set(everybody)
    assert {sum(text.count("Hammond") for text in told) for told in channel.told.values()} == {5}
    assert {len(told) for told in channel.told.values()} <= {3, 4}, "late ones go in one message"


def test_a_refusal_is_marked_if_its_own_domain_took_a_message_after_it(sqlite_world: World) -> None:
    world = sqlite_world
    for address in ("gone@d0.example", "there@d0.example"):
        world.person(address, "IN")
    channel = Relay(concurrency=1)
    channel.reply, channel.spares = ("RCPT", 550, "5.1.1 no such user here"), ("there@d0.example",)
    world.publish(HAMMOND)
    world.fan_out()
    world.send(channel)
    assert [(row.state, row.alone) for row in world.rows(schema.RefusalRow)] == [("open", True)]


def test_a_refusal_is_not_marked_while_its_domain_takes_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    world.person("gone@d0.example", "IN")
    channel = Relay()
    channel.reply = ("RCPT", 550, "5.1.1 no such user here")
    world.publish(HAMMOND)
    world.fan_out()
    world.send(channel)
    assert [(row.state, row.alone) for row in world.rows(schema.RefusalRow)] == [("open", False)]


def test_a_relay_that_delivers_to_its_own_domain_and_refuses_the_rest_has_refused_us(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    town(world, 40)
    channel = Relay(concurrency=1)
    channel.reply, channel.spares = ("RCPT", 550, "5.1.1 no such user here"), (DOMAINS[0],)
    for _ in days(world, channel, 1):
        pass
    assert world.rows(schema.SuppressionRow) == []
    channel.reply = None
    for _ in range(4):
        world.later(minutes=30)
        world.send(channel)
    assert [row.state for row in world.rows() if row.state != "sent"] == []


def test_a_wave_pauses_the_channel_and_says_so(sqlite_world: World) -> None:
    world = sqlite_world
    town(world, 90)
    channel = Relay()
    channel.reply = ("RCPT", 550, "no")
    world.publish(HAMMOND)
    world.fan_out()
    world.send(channel)
    assert channel.attempts <= 50 + 4
    assert {row.state for row in world.rows()} == {"due"}
    state = report_status(load_facts(world.engine, {}, configured=["email"], fenced=None, now=world.now))
    assert [problem for problem in state["problems"] if ALIKE in problem]
    tried = channel.attempts
    minutes = 1 if TORTURE else 5
    for _ in range(0, 8 * 60, minutes):
        world.later(minutes=minutes)
        world.send(channel)
    assert channel.attempts - tried <= 8 * 4 + 15, "one message at a time, at most every quarter of an hour"


def test_one_probe_a_minute_while_a_relay_is_away_and_everything_at_its_return(sqlite_world: World) -> None:
    world = sqlite_world
    everybody = town(world, 90)
    channel = Relay(concurrency=8)
    channel.will("*", *[Transient("connection refused", lane="*")] * 10_000)
    world.publish(HAMMOND)
    world.fan_out()
    world.send(channel)
    tried = channel.attempts
    assert tried <= 8
    minutes = 120 if TORTURE else 30
    for _ in range(minutes):
        world.later(minutes=1)
        for _ in range(2):  # two processes, or two rounds
            world.send(channel)
    assert channel.attempts - tried == minutes
    channel.answers.clear()
    world.later(minutes=1)
    world.send(channel)
    assert set(channel.told) == set(everybody), "within a minute of its return"


def test_a_refusal_by_one_mailbox_holds_up_nobody_else_of_its_domain(sqlite_world: World) -> None:
    world = sqlite_world
    world.crowd((f"p{number}@big.example" for number in range(200)), "IN")
    channel = Relay(concurrency=4)
    error = replies.refusal("RCPT", 550, "5.7.1 recipient rejects this sender", "p7@big.example")
    channel.will("p7@big.example", *[error] * 100)
    world.publish(HAMMOND)
    world.fan_out()
    assert world.send(channel).sent == 199
    assert world.rows(schema.LaneRow) == []
    for _ in range(3 * DRAINS):
        world.later(hours=24 / DRAINS)
        world.send(channel)
    assert world.rows(schema.SuppressionRow) == []


def test_what_a_whole_domain_refuses_for_our_reputation_pauses_it_and_waits(sqlite_world: World) -> None:
    world = sqlite_world
    world.crowd((f"p{number}@{DOMAINS[number % 3]}" for number in range(90)), "IN")
    channel = Relay(concurrency=4)
    channel.reply = ("message", 550, "5.7.26 Unauthenticated email is not accepted from this domain")
    channel.spares = tuple(DOMAINS[1:])
    world.publish(HAMMOND)
    world.fan_out()
    world.send(channel)
    assert len(channel.told) == 60
    lanes = [row.name for row in world.rows(schema.LaneRow)]
    assert lanes == [DOMAINS[0]]
    for _ in range(4 * DRAINS):
        world.later(hours=24 / DRAINS)
        world.send(channel)
    channel.reply = None
    world.later(hours=4)
    world.send(channel)
    assert len(channel.told) == 90


def test_bad_addresses_among_good_ones_are_found_and_nobody_else_pays(world: World) -> None:
    everybody = town(world, 30)
    gone = everybody[::7]
    channel = Recorder(concurrency=2)
    for address in gone:
        channel.will(address, *[Permanent("550 5.1.1", address_gone=True, answer="RCPT 550 5.1.1")] * 20)
    world.publish(HAMMOND)
    world.fan_out()
    for _ in range(8):
        world.send(channel)
        world.later(hours=1)
    assert set(channel.told) == set(everybody) - set(gone)
    assert len(world.rows(schema.SuppressionRow)) == len(gone)


def test_a_wave_that_was_believed_can_be_undone(world: World) -> None:
    """Answers that come one at a time, between acceptances, are believed; the operator knows better."""
    world.person("a@a.example", "IN")
    world.person("b@b.example", "IN")
    channel, failed = Recorder(concurrency=1), 0
    refused = Permanent("550 5.2.1 disabled", strike=True, answer="RCPT 550 5.2.1")
    for _ in range(2):
        channel.will("a@a.example", refused)
        world.publish(HAMMOND)
        world.fan_out()
        drained = world.send(channel)
        failed += drained.failed
        assert drained.retried == 0
        world.later(hours=5)
    assert sorted(world.states()) == ["failed", "failed", "sent", "sent"]
    assert failed == 2, "those that were believed while it ran count too"
    with reading(world.engine) as conn:
        (wave,) = refusals.load_waves(conn, world.now - DAY)
    assert (wave.answer, wave.people, wave.confirmed) == ("RCPT 550 5.2.1", 1, 2)
    with transaction(world.engine) as conn:
        assert refusals.restore(conn, "email", wave.answer, world.now) == (1, 2)
        assert refusals.restore(conn, "email", wave.answer, world.now) == (0, 0)
    assert world.rows(schema.SubscriberRow)[0].strikes == 0
    world.send(channel)
    assert len(channel.told["a@a.example"]) == 2


def test_pauses_that_overlap_count_once(world: World) -> None:
    start = world.now
    hour = timedelta(hours=1)
    spans = [
        pauses.PauseSpan("*", start, start + 2 * hour),
        pauses.PauseSpan("a.example", start + hour, start + 3 * hour),
        pauses.PauseSpan("b.example", start, start + 9 * hour),
    ]
    names = ("*", "a.example")
    assert pauses.time_paused(spans, names, start, start + 9 * hour) == 3 * hour
    assert pauses.time_paused(spans, names, start + 2 * hour, start + 9 * hour) == hour
    assert pauses.time_paused(spans, names, start, start + hour / 2) == hour / 2
    with transaction(world.engine) as conn:
        for minutes in range(0, 60, 5):
            at = start + timedelta(minutes=minutes)
            assert pauses.extend_span(conn, "email", "*", at, at + timedelta(minutes=1)) == start
        (span,) = pauses.load_spans(conn, "email", start - hour)
    assert (span.since, span.until) == (start, start + timedelta(minutes=56))


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize("wording", ALL if TORTURE else [*SEEN, *OF_A_RECIPIENT])
def test_one_or_two_people_and_a_relay_that_refuses_the_account_for_three_days(
    sqlite_world: World, wording: str, people: int
) -> None:
    """Too few for a wave: what is refused while nothing is taken is owed still."""
    world = sqlite_world
    everybody = town(world, people)
    channel = Relay()
    for day in days(world, channel, 6):
        channel.reply = ALL[wording] if day in {1, 2, 3, 4} else None
    assert world.rows(schema.SuppressionRow) == []
    assert {row.state for row in world.rows(schema.SubscriberRow)} == {"active"}
    assert [row.state for row in world.rows() if row.state != "sent"] == []
    assert set(channel.told) == set(everybody)
    assert {sum(text.count("Hammond") for text in told) for told in channel.told.values()} == {6}


@pytest.mark.parametrize("gone", [True, False])
def test_a_message_that_only_the_relay_can_explain_is_given_up_in_the_end(
    sqlite_world: World, gone: bool
) -> None:
    world = sqlite_world
    (address,) = town(world, 1)
    refused = Permanent("550 5.1.1", address_gone=gone, answer="RCPT 550 5.1.1")
    channel = Recorder()
    channel.will(address, *[refused] * 1000)
    world.publish(HAMMOND)
    world.fan_out()
    for _ in range(34):
        world.send(channel)
        world.later(days=1)
        if world.now < world.rows()[0].created_at + timedelta(days=30):
            assert world.states() == ["due"]
    assert world.states() == ["failed"], "a dead letter, which the operator sees"
    assert world.rows(schema.SuppressionRow) == []


def test_somebody_who_was_refused_and_accepted_is_not_ended_by_the_next_acceptance(world: World) -> None:
    world.person("a@a.example", "IN")
    world.person("b@b.example", "IL")
    channel = Recorder()
    channel.will("a@a.example", Permanent("550 5.1.1", address_gone=True, answer="RCPT 550 5.1.1"))
    world.publish(HAMMOND)
    world.fan_out()
    world.send(channel)
    world.later(hours=5)
    assert world.send(channel).sent == 1
    world.publish(CHICAGO)
    world.fan_out()
    assert world.send(channel).sent == 1
    assert [row.state for row in world.rows(schema.RefusalRow)] == ["taken back"]
    assert world.rows(schema.SuppressionRow) == []


def test_a_refusal_of_days_ago_is_no_proof_once_the_relay_takes_mail_again(world: World) -> None:
    """Only one person was written to while the account was refused, and the next message is another's."""
    world.person("a@a.example", "IN")
    world.person("b@b.example", "IL")
    channel = Recorder()
    refused = Permanent("550 5.1.1", address_gone=True, answer="RCPT 550 5.1.1")
    channel.will("a@a.example", refused)
    world.publish(HAMMOND)
    world.fan_out()
    world.send(channel)
    world.later(minutes=59)
    world.publish(CHICAGO)
    world.fan_out()
    channel.will("b@b.example", refused)
    world.send(channel)
    world.later(hours=2)
    assert world.send(channel).sent == 2
    assert world.rows(schema.SuppressionRow) == []


def test_a_stale_refusal_is_tried_again_at_once_and_counts_at_the_next_message(world: World) -> None:
    world.person("a@a.example", "IN")
    world.person("b@b.example", "IL")
    channel = Recorder()
    refused = Permanent("550 5.1.1", address_gone=True, answer="RCPT 550 5.1.1")
    channel.will("a@a.example", *[refused] * 20)
    world.publish(HAMMOND)
    world.fan_out()
    for _ in range(3):
        world.send(channel)
        world.later(hours=4)
    world.later(minutes=-239)  # a retry is not due yet
    tried = channel.attempts
    world.write(sa.update(schema.RefusalRow).values(at=world.now - timedelta(hours=2)))
    world.publish(CHICAGO)
    world.fan_out()
    assert world.send(channel).sent == 1
    world.send(channel)
    assert channel.attempts - tried == 2, "the other's message, and one more try"
    assert world.rows(schema.SuppressionRow) == []
    world.later(days=9)
    world.publish(CHICAGO)
    world.fan_out()
    world.send(channel)
    assert len(world.rows(schema.SuppressionRow)) == 1
