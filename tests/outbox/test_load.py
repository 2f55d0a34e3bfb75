"""Messages that are no alerts, as values: what is built from the facts of a batch, and when nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from monitor.domain import Change, Confidence, Kind, Listing, SourceInfo
from monitor.errors import UsageError
from monitor.messages import Message
from monitor.messages.model import (
    AlreadySubscribed,
    Confirmation,
    Digest,
    Export,
    ListReadable,
    ListSwitchedOff,
    ListUnreadable,
    Receipt,
    Schedule,
)
from monitor.outbox.load import MessageFacts, MessageLoader, find_asked_at, load_message_facts
from monitor.outbox.notices import RECEIPT_AFTER
from monitor.storage.deliveries.fanout import Match, Published
from monitor.storage.deliveries.notices import UNNOTED, Checks
from monitor.storage.engine import reading
from monitor.storage.lists.coverage import Coverage
from monitor.storage.people import Follow, Subscriber
from tests.outbox.test_placement_renewal import accept
from tests.outbox.test_settle import CLAIMED
from tests.outbox.world import HAMMOND, World, locate

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
SUBSCRIBER = Subscriber(
    id=1, channel="email", outline=None, state="active", origin="site", language="en", nonce="n",
    created_at=NOW - 9 * HOUR,
)  # fmt: skip
RING = SourceInfo(name="ring", titles={"en": "Ring"}, every=HOUR, official_url="https://ring.example")
PARTICIPATING = SourceInfo(name="ice", titles={"en": "ICE"}, every=HOUR)
PENDING = SourceInfo(name="pending", titles={"en": "Pending"}, every=HOUR, leads_to="ice")
OTHER = SourceInfo(name="other", titles={"en": "Other"}, every=HOUR, leads_to="elsewhere")
OFF = replace(RING, name="off", titles={"en": "Off"}, enabled=False)
LISTS = {info.name: info for info in (RING, PARTICIPATING, PENDING, OTHER, OFF)}


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def loading(world: World) -> MessageLoader:
    return MessageLoader(
        LISTS, "https://watch.example", world.engine, Coverage(world.engine, LISTS, locate), world.clock
    )


def build(
    world: World,
    kind: str,
    about: str = "",
    *,
    source: str | None = None,
    published: Mapping[int, Mapping[int, Published]] | None = None,
    subscriber: Subscriber = SUBSCRIBER,
    **facts: Any,
) -> Message | None:
    """The message of one delivery to one subscriber of two lists."""
    given = {
        "subscribers": {1: subscriber},
        "follows": {1: (Follow("ring", "46320"), Follow("ring", "IN"))},
        "abouts": {1: (about, source)},
    } | facts
    delivery = replace(CLAIMED, kind=kind, channel="email", changeset=None, source=None)
    return loading(world).build_message(delivery, MessageFacts(**given), published or {}, NOW)


def published(number: int, kind: Kind = Kind.ADDED, *, at: datetime = NOW, **change: Any) -> Published:
    listing = Listing(name=f"Agency {number}", key=f"key {number}", state="IN")
    sides = {"after": listing} if kind is Kind.ADDED else {"before": listing}
    return Published(
        id=number, change=Change(kind, **sides, **change), reason=None, confidence=Confidence.EXACT,
        not_before=None, not_after=at, was_held=False,
    )  # fmt: skip


def match(change: int, place: str = "IN", asked_at: datetime = NOW) -> Match:
    return Match(change, place, asked_at)


# what somebody asked for at this moment


@pytest.mark.parametrize(
    ("state", "message"),
    [("pending", Confirmation), ("active", AlreadySubscribed), ("paused", AlreadySubscribed)],
)
def test_who_signs_up_again_is_told_what_they_have_and_asked_nothing(
    world: World, state: str, message: type[Message]
) -> None:
    said = build(world, "confirm", subscriber=replace(SUBSCRIBER, state=state))
    assert type(said) is message
    assert [(each.title, each.places) for each in said.follows] == [("Ring", ("46320", "IN"))]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fields", "schedule"),
    [
        (
            {"timezone": "America/Chicago", "local_hour": 8},
            Schedule(),
        ),  # shared by all who get alerts at once
        (
            {"frequency": "daily", "timezone": "America/Chicago", "local_hour": 8},
            Schedule("daily", "America/Chicago", 8),
        ),
    ],
)
def test_the_time_of_digests_is_said_to_those_who_get_some(
    world: World, fields: dict[str, Any], schedule: Schedule
) -> None:
    said = build(world, "confirm", subscriber=replace(SUBSCRIBER, **fields))
    assert said.schedule == schedule  # type: ignore[union-attr]


def test_an_export_names_all_that_is_stored_and_nothing_that_is_not(world: World) -> None:
    plain = build(world, "notice", "export", subscriber=replace(SUBSCRIBER, channel="telegram"))
    assert isinstance(plain, Export)
    assert dict(plain.facts) == {
        "channel": "telegram",
        "state": "active",
        "origin": "site",
        "language": "en",
        "frequency": "at_once",
        "receipts": "True",
        "created_at": "2026-03-01T03:00:00+00:00",
    }
    more = build(
        world, "notice", "export", subscriber=replace(SUBSCRIBER, strikes=2, local_hour=0, quiet_from=0)
    )
    assert isinstance(more, Export)
    assert dict(more.facts) | {"strikes": "2", "local_hour": "0", "quiet_from": "0"} == dict(more.facts)


# digests


def digest(world: World, *matches: Match, **more: Any) -> Message | None:
    changesets = {
        1: {1: published(1), 2: published(2)},
        2: {3: published(3)},
        3: {4: published(4)},
    }
    sources = {1: "ring", 2: "ring", 3: "ice"}
    return build(
        world, "digest", "daily", published=changesets, changesets={1: (1, 2, 3)}, sources=sources,
        matches={1: list(matches)}, **more,
    )  # fmt: skip


def test_a_digest_tells_what_concerns_somebody_one_alert_for_each_list(world: World) -> None:
    said = digest(world, match(4), match(3), match(1, "46320"), match(1, "IN"))
    assert isinstance(said, Digest)
    assert [
        (alert.source, [(told.change.subject.name, told.because) for told in alert.told])
        for alert in said.alerts
    ] == [
        ("ice", [("Agency 4", ("IN",))]),
        ("ring", [("Agency 1", ("46320", "IN")), ("Agency 3", ("IN",))]),
    ]
    assert {alert.late for alert in said.alerts} == {False}
    assert [alert.permalink for alert in said.alerts] == [
        "https://watch.example/change/4",
        "https://watch.example/changes",  # of two polls
    ]


def test_a_digest_of_which_nothing_concerns_somebody_any_more_is_not_sent(world: World) -> None:
    assert digest(world) is None
    assert digest(world, match(99)) is None


def test_somebody_asked_for_a_digest_when_they_asked_for_the_first_of_its_places() -> None:
    hits = [match(1, asked_at=NOW - HOUR), match(2, asked_at=NOW - 3 * HOUR), match(3)]
    facts = MessageFacts(subscribers={1: SUBSCRIBER}, matches={1: hits})
    assert find_asked_at(CLAIMED, facts) == NOW - 3 * HOUR
    assert find_asked_at(CLAIMED, replace(facts, matches={})) == SUBSCRIBER.created_at


# notices


@pytest.mark.parametrize(
    ("about", "source", "unseen", "message"),
    [
        ("blind", "ring", True, ListUnreadable),
        ("blind", "ring", False, None),  # it waited, and is not so any more
        ("back", "ring", True, None),
        ("back", "ring", False, ListReadable),
        ("blind", "off", True, ListSwitchedOff),
        ("blind", "gone", True, ListSwitchedOff),
        ("back", "gone", False, ListReadable),
    ],
)
def test_a_notice_of_a_list_is_sent_while_it_is_so(
    world: World, about: str, source: str, unseen: bool, message: type[Message] | None
) -> None:
    said = build(world, "notice", about, source=source, unseen=frozenset({source} if unseen else ()))
    if message is None:
        assert said is None
    else:
        assert type(said) is message
        known = LISTS.get(source)
        assert (said.title, said.official_url) == (  # type: ignore[union-attr]
            (known.title(), known.official_url) if known else (source, "")
        )


@pytest.mark.parametrize(
    ("kind", "about"), [("notice", "blind"), ("notice", "x"), ("x", ""), ("retraction", "7")]
)
def test_what_this_version_does_not_know_is_no_message(world: World, kind: str, about: str) -> None:
    with pytest.raises(ValueError, match="this version knows no"):
        build(world, kind, about)


def receipt(world: World, every: timedelta, *gaps: timedelta, source: str = "ring") -> Receipt:
    times = [(NOW - (number + 1) * 50 * HOUR, gap) for number, gap in enumerate(gaps)]
    checks = Checks(
        NOW - RECEIPT_AFTER, NOW, polls=9, good=8, last_good_at=NOW - HOUR,
        gaps=tuple((start, start + gap) for start, gap in times),
    )  # fmt: skip
    known = {"ring": replace(RING, every=every)}
    loader = MessageLoader(known, None, world.engine, Coverage(world.engine, known, locate), world.clock)
    facts = MessageFacts(
        subscribers={1: SUBSCRIBER}, follows={1: (Follow(source, "IN"),)}, abouts={1: ("receipt", None)},
        checks={source: checks},
    )  # fmt: skip
    said = loader.build_message(replace(CLAIMED, kind="notice"), facts, {}, NOW)
    assert isinstance(said, Receipt)
    return said


@pytest.mark.parametrize(
    ("source", "every", "longest"),
    [
        ("ring", timedelta(minutes=10), UNNOTED),
        ("ring", 4 * HOUR, 6 * HOUR),
        ("gone", timedelta(minutes=10), 1.5 * HOUR),  # as if it was read every hour
    ],
)
def test_a_receipt_counts_the_time_without_a_check_that_is_longer_than_usual(
    world: World, source: str, every: timedelta, longest: timedelta
) -> None:
    usual, long, longer = longest, longest + SECOND, longest + HOUR
    (checks,) = receipt(world, every, usual, long, longer, source=source).checks
    assert (checks.blind, checks.longest) == (long + longer, longest)
    assert (checks.good, checks.polls, checks.since, checks.until) == (8, 9, NOW - RECEIPT_AFTER, NOW)
    assert receipt(world, every, source=source).checks[0].blind == timedelta()


@pytest.mark.parametrize(
    ("now", "until"),
    [
        (datetime(2026, 3, 2, 0, 59, 59, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        (datetime(2026, 3, 2, 1, 0, 0, 5, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)),
        (datetime(2026, 3, 2, 23, 45, 6, 7, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)),
    ],
)
def test_a_receipt_reaches_to_the_last_midnight_that_the_signed_record_covers(
    world: World, now: datetime, until: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day's receipts are one content; what was polled is in the record an hour later."""
    person = world.person("a@a.example", "IN")
    claimed = replace(CLAIMED, kind="notice", subscriber=person)
    monkeypatch.setattr(
        "monitor.storage.deliveries.digests.load_abouts", lambda *_: {claimed.id: ("receipt", None)}
    )
    with reading(world.engine) as conn:
        checks = load_message_facts(conn, [claimed], now).checks["ring"]
    assert (checks.since, checks.until) == (until - RECEIPT_AFTER, until)


def test_alerts_need_no_facts_and_people_who_are_gone_have_none(world: World) -> None:
    with reading(world.engine) as conn:
        assert load_message_facts(conn, [CLAIMED], NOW) == MessageFacts()
        facts = load_message_facts(conn, [replace(CLAIMED, kind="confirm", subscriber=77)], NOW)
    assert (facts.subscribers, facts.checks, facts.matches) == ({}, {}, {})


# alerts that know another list


def moved(world: World, *changes: Published, source: str = "ice") -> list[str | None]:
    alert = loading(world).build_alert(source, "en", [(change, ("IN",)) for change in changes])
    assert not alert.late
    return [told.came_from for told in alert.told]


def test_an_agency_that_was_on_the_list_that_leads_here_has_moved(world: World) -> None:
    held = [Listing(name=f"Agency {number}", key=f"key {number}", state="IN") for number in (1, 2, 4)]
    accept(world, *held, source="pending")
    accept(world, Listing(name="Agency 3", key="key 3", state="IN"), HAMMOND, source="other")
    later = world.now + HOUR
    old = structs.replace(held[2], name="Agency 4, earlier")
    back = published(4, at=later, previous=old)
    new = [published(number, at=later) for number in (1, 2, 3)]
    assert moved(world, *new, back) == ["Pending", "Pending", None, None]
    assert moved(world, back) == [None], "it is back on this list, and came from nowhere"
    assert moved(world, published(1, Kind.REMOVED, at=later)) == [None]
    before = published(1, at=world.now - HOUR)
    assert moved(world, before) == [None], "it was listed there only later"
    assert moved(world, before, published(2, at=later))[1] == "Pending"
    assert moved(world, published(1, at=later), source="ring") == [None]


def test_a_sample_needs_a_list_that_is_monitored(world: World) -> None:
    off = {"off": OFF}
    loader = MessageLoader(off, None, world.engine, Coverage(world.engine, off, locate), world.clock)
    with pytest.raises(UsageError):
        loader._alerts.sample("en", NOW)
