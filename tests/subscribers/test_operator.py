"""Whom the operator adds and removes, by command and by configuration, and what they follow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.channels import OperatorAddress
from monitor.channels.outline import seal_address
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries import configured_addresses
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.people import Follow
from monitor.storage.people.tables import SubscriberRow, SubscriptionRow
from monitor.subscribers import AddResult, FollowedChannels
from tests.conftest import own


def add(
    engine: Engine, keys: KeyFile, now: datetime, address: str = "ann@example.org", *places: str, **more: Any
) -> AddResult:
    arguments: dict[str, Any] = {
        "channel": "email",
        "sources": ["ring"],
        "origin": "operator",
        "now": now,
    } | more
    return subscribers.add(engine, keys, address=address, places=places or ("IL",), **arguments)


def follows(engine: Engine, subscriber: int) -> set[tuple[str, str, str | None]]:
    with db.reading(engine) as conn:
        return {(each.source, each.place, each.within) for each in people.load_follows(conn, subscriber)}


def owe(engine: Engine, subscriber: int, state: str, now: datetime, period: str) -> None:
    with db.transaction(engine) as conn:
        conn.execute(
            sa.insert(DeliveryRow).values(
                kind="notice", channel="email", period=period, subscriber_id=subscriber, state=state,
                created_at=now, due_at=now,
                attempts=0, ambiguous=False, owner="a sender", lease_until=now,
            )
        )  # fmt: skip


def test_the_operators_door_makes_active_at_once(engine: Engine, keys: KeyFile, now: datetime) -> None:
    added = add(engine, keys, now, "Ann@Example.org", "60601-1234", "il", sources=["ring", "ice-287g"])
    assert (added.new, added.follows, added.masked) == (True, 4, "A…@e….org")
    (listed,) = subscribers.load_subscribers(engine, keys)
    assert (listed.state, listed.origin, listed.created_at) == ("active", "operator", now)
    assert {(each.source, each.place, each.within) for each in listed.follows} == {
        ("ring", "60601", "IL"), ("ring", "IL", None), ("ice-287g", "60601", "IL"), ("ice-287g", "IL", None),
    }  # fmt: skip


def test_the_database_holds_no_address_in_the_clear(engine: Engine, keys: KeyFile, now: datetime) -> None:
    add(engine, keys, now, "zuzanna@example.org")
    with db.reading(engine) as conn:
        (row,) = conn.execute(sa.select(SubscriberRow.__table__)).mappings()  # type: ignore[attr-defined]
    assert "zuzanna" not in repr(dict(row)).lower()
    assert keys.open("email", row["address"]) == "zuzanna@example.org"


def test_an_address_that_is_there_follows_more(engine: Engine, keys: KeyFile, now: datetime) -> None:
    first = add(engine, keys, now, "ann@example.org", "IL")
    again = add(engine, keys, now, "ANN@EXAMPLE.ORG", "IL", "46320")
    assert (again.subscriber, again.new, again.follows) == (first.subscriber, False, 1)
    assert follows(engine, first.subscriber) == {("ring", "IL", None), ("ring", "46320", "IN")}


def test_one_list_is_never_added_to_another(engine: Engine, keys: KeyFile, now: datetime) -> None:
    added = add(engine, keys, now, "ann@example.org", "IL", sources=["ring"])
    assert follows(engine, added.subscriber) == {("ring", "IL", None)}


def test_two_doors_opened_at_once_let_one_in(engine: Engine, keys: KeyFile, now: datetime) -> None:
    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda _: add(engine, keys, now), range(8)))
    assert len({each.subscriber for each in added}) == 1
    assert sum(each.new for each in added) == 1


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("email", "ann"),
        ("email", "ann@example.org\r\nRCPT TO:<x@example.org>"),
        ("email", "a@b.c\r\nRCPT TO:<x>"),
        ("email", "ann@[127.0.0.1]"),
        ("email", "ann@localhost"),
        ("email", "Ann <ann@example.org>"),
        ("email", "ann@example.org\u202e"),
        ("email", ""),
        ("telegram", "example"),
        ("telegram", "@no"),
        ("telegram", "0"),
        ("telegram", "12; drop"),
    ],
)
def test_an_address_that_is_none_is_refused(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, channel: str, address: str
) -> None:
    with pytest.raises(UsageError):
        add(sqlite_engine, keys, now, address, channel=channel)
    assert subscribers.load_subscribers(sqlite_engine, keys) == ()


@pytest.mark.parametrize("places", [("60",), ("Narnia",), ("IL", "00000"), ("AE",)])
def test_a_place_that_is_none_is_refused(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, places: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError):
        add(sqlite_engine, keys, now, "ann@example.org", *places)
    assert subscribers.load_subscribers(sqlite_engine, keys) == ()


def test_a_suppressed_address_is_refused_with_the_reason(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    with db.transaction(engine) as conn:
        people.suppress(
            conn, "email", keys.lookup("email", "ann@example.org"), "no such mailbox (5.1.1)", now
        )
        people.suppress(conn, "email", keys.lookup("email", "ann@example.org"), "a later reason", now)
    with pytest.raises(UsageError, match=r"no such mailbox \(5\.1\.1\)") as caught:
        add(engine, keys, now, "Ann@example.org")
    assert "ann" not in str(caught.value).lower()
    assert subscribers.load_subscribers(engine, keys) == ()


@pytest.mark.parametrize("by", ["address", "number"])
def test_leaving_erases_the_address_and_drops_what_was_due(
    engine: Engine, keys: KeyFile, now: datetime, by: str
) -> None:
    added = add(engine, keys, now)
    owe(engine, added.subscriber, "due", now, "1")
    owe(engine, added.subscriber, "sent", now, "2")
    who: dict[str, Any] = (
        {"subscriber": added.subscriber}
        if by == "number"
        else {"channel": "email", "address": "ANN@example.org"}
    )

    assert subscribers.remove(engine, keys, now=now, **who)

    with db.reading(engine) as conn:
        row = conn.execute(sa.select(SubscriberRow.__table__)).mappings().one()  # type: ignore[attr-defined]
        deliveries = conn.execute(sa.select(DeliveryRow.__table__).order_by(DeliveryRow.id)).mappings().all()  # type: ignore[attr-defined, arg-type]
        assert conn.scalar(sa.select(sa.func.count()).select_from(SubscriptionRow)) == 0
        assert people.load_reason(conn, "email", keys.lookup("email", "ann@example.org")) is None
    assert (row["state"], row["address"], row["address_hash"], row["ended_at"]) == ("ended", None, None, now)
    assert [each["state"] for each in deliveries] == ["dropped", "sent"]
    assert deliveries[0]["owner"] is None
    assert not subscribers.remove(engine, keys, now=now, **who)


def test_whoever_left_may_come_back_as_somebody_new(engine: Engine, keys: KeyFile, now: datetime) -> None:
    first = add(engine, keys, now, "ann@example.org", "IL")
    subscribers.remove(engine, keys, now=now, subscriber=first.subscriber)
    again = add(engine, keys, now, "ann@example.org", "IN")
    assert again.new
    assert again.subscriber != first.subscriber
    assert follows(engine, again.subscriber) == {("ring", "IN", None)}


def test_removing_needs_to_know_whom(sqlite_engine: Engine, keys: KeyFile, now: datetime) -> None:
    with pytest.raises(UsageError):
        subscribers.remove(sqlite_engine, keys, now=now, address="ann@example.org")
    assert not subscribers.remove(sqlite_engine, keys, now=now, subscriber=99)


def test_a_pending_subscriber_is_made_active_by_the_operator(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    with db.transaction(engine) as conn:
        pending = people.add(
            conn, channel="email", address=seal_address(keys, "email", "ann@example.org"), state="pending",
            origin="site", nonce="n", now=now,
        )  # fmt: skip
    assert add(engine, keys, now).subscriber == pending
    assert [each.state for each in subscribers.load_subscribers(engine, keys)] == ["active"]


def channels(engine: Engine, keys: KeyFile) -> dict[int, set[str]]:
    return {
        each.subscriber: {follow.place for follow in each.follows}
        for each in subscribers.load_subscribers(engine, keys)
    }


def test_configured_channels_come_and_go_with_the_configuration(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    both = subscribers.follow_channels(
        engine, keys, own({"IL": "@illinois", "IN": "@indiana"}), ["ring"], now, channel="telegram"
    )
    assert (both.added, both.ended) == (2, 0)
    again = subscribers.follow_channels(
        engine, keys, own({"IL": "@Illinois", "IN": "@indiana"}), ["ring"], now, channel="telegram"
    )
    assert (again.added, again.ended) == (0, 0)
    before = channels(engine, keys)

    one = subscribers.follow_channels(
        engine, keys, own({"IL": "@illinois"}), ["ring"], now, channel="telegram"
    )
    assert (one.added, one.ended) == (0, 1)
    assert channels(engine, keys) == {number: places for number, places in before.items() if places == {"IL"}}


def test_one_chat_for_several_places_is_one_subscriber_and_follows_exactly_them(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    first = {"IL": "@lakes", "WI": "@lakes", "60601": "@lakes"}
    subscribers.follow_channels(engine, keys, own(first), ["ring", "ice-287g"], now, channel="telegram")
    assert list(channels(engine, keys).values()) == [{"IL", "WI", "60601"}]
    subscribers.follow_channels(
        engine, keys, own({"IL": "@lakes", "MI": "@lakes"}), ["ring"], now, channel="telegram"
    )
    (listed,) = subscribers.load_subscribers(engine, keys)
    assert listed.follows == (Follow("ring", "IL"), Follow("ring", "MI"))


def test_a_chat_added_by_hand_keeps_what_it_follows_when_it_leaves_the_configuration(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    by_hand = add(engine, keys, now, "@lakes", "MI", channel="telegram")
    subscribers.follow_channels(engine, keys, own({"IL": "@lakes"}), ["ring"], now, channel="telegram")
    subscribers.follow_channels(engine, keys, own({}), ["ring"], now, channel="telegram")
    assert follows(engine, by_hand.subscriber) >= {("ring", "MI", None)}


def test_a_suppressed_chat_is_reported_and_stays_out(engine: Engine, keys: KeyFile, now: datetime) -> None:
    with db.transaction(engine) as conn:
        people.suppress(conn, "telegram", keys.lookup("telegram", "@gone"), "the bot was removed", now)
    followed = subscribers.follow_channels(
        engine, keys, own({"IL": "@gone", "IN": "@here"}), ["ring"], now, channel="telegram"
    )
    assert (followed.added, followed.suppressed) == (1, ("IL",))


def test_a_webhook_that_has_ended_is_left_out_and_those_after_it_are_not(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    """Until its target changes, or the operator revives it."""

    def follow(gone: str) -> FollowedChannels:
        hooks = (
            OperatorAddress("IL", "gone", target=gone),
            OperatorAddress("IN", "gone", target=gone),
            OperatorAddress("WI", "stays", target="https://b.example"),
        )
        return subscribers.follow_channels(sqlite_engine, keys, hooks, ["ring"], now, channel="webhook")

    assert follow("https://a.example") == FollowedChannels(added=2, ended=0)
    subscribers.remove(sqlite_engine, keys, now=now, channel="webhook", address="gone")
    subscribers.remove(sqlite_engine, keys, now=now, channel="webhook", address="stays")
    with db.transaction(sqlite_engine) as conn:
        configured_addresses.note_end(conn, "webhook", "gone", "410", now)
    assert follow("https://a.example") == FollowedChannels(added=1, ended=0)
    assert list(channels(sqlite_engine, keys).values()) == [{"WI"}]
    assert follow("https://c.example") == FollowedChannels(added=1, ended=0)
    assert sorted(map(sorted, channels(sqlite_engine, keys).values())) == [["IL", "IN"], ["WI"]]


def test_only_who_was_subscribed_is_logged_as_ended(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="monitor")
    added = add(sqlite_engine, keys, now)
    for _ in range(2):
        subscribers.remove(sqlite_engine, keys, now=now, subscriber=added.subscriber)
    subscribers.remove(sqlite_engine, keys, now=now, subscriber=99)
    assert [text for text in caplog.messages if "ended" in text] == [f"subscriber {added.subscriber} ended"]


def test_a_wrong_chat_in_the_configuration_changes_nothing(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    with pytest.raises(UsageError):
        subscribers.follow_channels(
            sqlite_engine, keys, own({"IN": "@here", "IL": "not a chat"}), ["ring"], now, channel="telegram"
        )
    assert subscribers.load_subscribers(sqlite_engine, keys) == ()


def test_a_moved_chat_keeps_its_subscriber(engine: Engine, keys: KeyFile, now: datetime) -> None:
    added = add(engine, keys, now, "-100", "IL", channel="telegram")
    with db.transaction(engine) as conn:
        people.update_address(conn, added.subscriber, seal_address(keys, "telegram", "-200"))
    with db.reading(engine) as conn:
        found = people.find(conn, "telegram", keys.lookup("telegram", "-200"))
        assert people.find(conn, "telegram", keys.lookup("telegram", "-100")) is None
    assert found is not None
    assert found.id == added.subscriber


@pytest.mark.parametrize(
    ("channel", "address", "masked"),
    [
        ("email", "ann@example.org", "a…@e….org"),
        ("email", "a@b.c", "a…@b….c"),
        ("telegram", "@example_il", "@e…il"),
        ("telegram", "-1001234567890", "-…90"),
        ("telegram", "12", "…"),
    ],
)
def test_a_mask_shows_that_but_not_what(channel: str, address: str, masked: str) -> None:
    assert subscribers.mask(channel, address) == masked


@given(st.sampled_from(["email", "telegram", "mailbox"]), st.text())
def test_any_text_is_masked_or_refused(channel: str, text: str) -> None:
    try:
        address = subscribers.normalize_address(channel, text)
    except UsageError:
        return
    masked = subscribers.mask(channel, address)
    assert "…" in masked
    assert len(address) <= 4 or address not in masked
    assert subscribers.normalize_address(channel, address) == address


def test_an_international_domain_is_written_to_in_ascii() -> None:
    assert subscribers.normalize_address("email", "ann@bücher.de") == "ann@xn--bcher-kva.de"
