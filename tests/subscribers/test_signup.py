"""Signing up: asked before anything is sent for good, never a way to bomb a mailbox, nor to ask who is
subscribed.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.channels.email import EmailKind
from monitor.core.tokens import Purpose
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.people.tables import ConfirmationRow, RateWindowRow, SignupRow, SubscriberRow
from monitor.subscribers import LinkState, SignupAnswer, SignupLimits
from monitor.subscribers.signup import MOST_IN_A_DOMAIN, MOST_IN_A_MAILBOX, network_of, schedule
from tests.subscribers.conftest import ANN, ask, count, deliveries, member, token, who, wish

DAY = timedelta(days=1)


def test_a_form_makes_somebody_pending_who_is_asked_once(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    assert ask(engine, keys, now, ANN, "60601", "IL", sources=("ring", "ice-287g")) is SignupAnswer.TAKEN
    one = who(engine, keys)
    assert one is not None
    assert (one.state, one.origin, one.confirm_until) == ("pending", "site", now + timedelta(hours=48))
    with db.reading(engine) as conn:
        assert {(f.source, f.place) for f in people.load_follows(conn, one.id)} == {
            ("ring", "60601"), ("ring", "IL"), ("ice-287g", "60601"), ("ice-287g", "IL"),
        }  # fmt: skip
    assert [kind for kind, *_ in deliveries(engine)] == ["confirm"]
    assert count(engine, SignupRow) == 0


def test_nothing_is_decided_within_the_request(engine: Engine, keys: KeyFile, now: datetime) -> None:
    subscribers.request(engine, keys, wish(), channel="email", client="192.0.2.7", now=now)
    assert who(engine, keys) is None
    assert deliveries(engine) == []
    with db.reading(engine) as conn:
        row = conn.execute(sa.select(SignupRow.__table__)).mappings().one()  # type: ignore[attr-defined]
    assert b"ann" not in row["sealed"]


def test_a_yes_makes_active_and_welcomes_once(engine: Engine, keys: KeyFile, now: datetime) -> None:
    ask(engine, keys, now)
    link = token(keys, Purpose.CONFIRM, who(engine, keys))
    assert subscribers.load_link(engine, keys, Purpose.CONFIRM, link, now).found is LinkState.OPEN
    assert who(engine, keys).state == "pending"  # type: ignore[union-attr]

    first = subscribers.confirm(engine, keys, link, now + timedelta(hours=47))
    again = subscribers.confirm(engine, keys, link.upper(), now + timedelta(hours=49))

    assert (first.found, again.found) == (LinkState.OPEN, LinkState.DONE)
    assert who(engine, keys).state == "active"  # type: ignore[union-attr]
    assert deliveries(engine, "welcome") == [("welcome", "due", "welcome")]
    assert count(engine, ConfirmationRow) == 0


def test_two_clicks_at_once_welcome_once(engine: Engine, keys: KeyFile, now: datetime) -> None:
    ask(engine, keys, now)
    link = token(keys, Purpose.CONFIRM, who(engine, keys))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: subscribers.confirm(engine, keys, link, now), range(6)))
    assert len(deliveries(engine, "welcome")) == 1


def test_a_link_that_has_expired_starts_again(engine: Engine, keys: KeyFile, now: datetime) -> None:
    ask(engine, keys, now)
    link = token(keys, Purpose.CONFIRM, who(engine, keys))
    later = now + timedelta(hours=48)
    assert subscribers.confirm(engine, keys, link, later).found is LinkState.EXPIRED
    assert subscribers.renew(engine, keys, link, later).found is LinkState.EXPIRED
    assert len(deliveries(engine, "confirm")) == 2
    assert subscribers.confirm(engine, keys, link, later).found is LinkState.OPEN


@pytest.mark.parametrize("purpose", [Purpose.MANAGE, Purpose.UNSUBSCRIBE, Purpose.BOUNCE])
def test_a_link_for_something_else_confirms_nothing(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, purpose: Purpose
) -> None:
    ask(sqlite_engine, keys, now)
    link = token(keys, purpose, who(sqlite_engine, keys))
    assert subscribers.confirm(sqlite_engine, keys, link, now).found is LinkState.UNKNOWN
    assert (
        subscribers.confirm(sqlite_engine, keys, "1xaaaaaaaaaaaaaaaaaaaaaaaaaa", now).found
        is LinkState.UNKNOWN
    )
    assert subscribers.confirm(sqlite_engine, keys, "", now).found is LinkState.UNKNOWN


def test_an_address_is_asked_once_a_day_and_three_times_ever(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    sent = []
    for hours in range(0, 24 * 12, 6):
        moment = now + timedelta(hours=hours)
        before = _ever_asked(engine)
        ask(engine, keys, moment, "Ann@Example.org" if hours % 12 else ANN)
        if _ever_asked(engine) > before:
            sent.append(moment - now)
        _purge(engine, moment)
    assert sent == [timedelta(0), DAY, 2 * DAY]


def _ever_asked(engine: Engine) -> int:
    with db.reading(engine) as conn:
        return conn.scalar(sa.select(sa.func.sum(ConfirmationRow.count))) or 0


def _purge(engine: Engine, now: datetime) -> None:
    from monitor.subscribers.retention import purge

    purge(engine, now)


def test_the_newest_form_that_a_mail_shows_counts(engine: Engine, keys: KeyFile, now: datetime) -> None:
    """No mail leaves for a second form within a day: it changes nothing, or somebody else could decide what
    the first mail's link confirms.
    """
    ask(engine, keys, now, ANN, "60601")
    ask(engine, keys, now + timedelta(hours=1), ANN, "46320", frequency="weekly", language="es")
    one = who(engine, keys)
    assert one is not None
    assert (one.frequency, one.language) == ("at_once", "en")
    with db.reading(engine) as conn:
        assert [f.place for f in people.load_follows(conn, one.id)] == ["60601"]
    assert len(deliveries(engine, "confirm")) == 1

    ask(engine, keys, now + timedelta(hours=25), ANN, "46320", frequency="daily")
    one = who(engine, keys)
    assert one is not None
    assert (one.frequency, one.timezone, one.local_hour) == ("daily", "America/New_York", 8)
    with db.reading(engine) as conn:
        assert [f.place for f in people.load_follows(conn, one.id)] == ["46320"]
    assert len(deliveries(engine, "confirm")) == 2


def test_who_leaves_after_a_reminder_may_sign_up_again_at_once(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    one = member(engine, keys, now)
    ask(engine, keys, now + DAY)  # somebody types their address: a reminder, which counts
    assert len(deliveries(engine, "confirm")) == 2
    subscribers.leave(engine, keys, token(keys, Purpose.UNSUBSCRIBE, one), now + DAY)
    ask(engine, keys, now + DAY + timedelta(hours=1))
    again = who(engine, keys)
    assert again is not None
    assert again.state == "pending"
    assert len(deliveries(engine, "confirm")) == 3


def test_who_leaves_without_having_confirmed_is_not_asked_more_often(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    ask(engine, keys, now)
    subscribers.leave(engine, keys, token(keys, Purpose.UNSUBSCRIBE, who(engine, keys)), now)
    ask(engine, keys, now + timedelta(hours=1))
    assert len(deliveries(engine, "confirm")) == 1


def test_a_stranger_cannot_change_what_somebody_follows(engine: Engine, keys: KeyFile, now: datetime) -> None:
    one = member(engine, keys, now, ANN, "60601")
    ask(engine, keys, now + DAY, ANN, "46320", language="es", frequency="daily")
    after = who(engine, keys)
    assert after is not None
    assert (after.state, after.language, after.frequency) == ("active", "en", "at_once")
    with db.reading(engine) as conn:
        assert [f.place for f in people.load_follows(conn, one.id)] == ["60601"]
    # told that they are subscribed, and no more often than anybody else
    for hours in range(25, 24 * 9, 12):
        ask(engine, keys, now + timedelta(hours=hours))
    assert len(deliveries(engine, "confirm")) == 1 + 3


def test_a_suppressed_address_may_ask_again_after_30_days_and_is_asked_once(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    hashed = keys.lookup("email", ANN)
    with db.transaction(engine) as conn:
        people.suppress(conn, "email", hashed, "no such mailbox (5.1.1)", now)
    ask(engine, keys, now + 29 * DAY)
    assert deliveries(engine) == []
    assert who(engine, keys) is None
    ask(engine, keys, now + 30 * DAY)
    assert [kind for kind, *_ in deliveries(engine)] == ["confirm"]
    ask(engine, keys, now + 32 * DAY)
    assert [kind for kind, *_ in deliveries(engine)] == ["confirm"]
    with db.reading(engine) as conn:
        assert people.load_reason(conn, "email", hashed) is None


def test_limits_hold_per_network_and_for_the_site_and_raise_an_alarm_once(
    engine: Engine, keys: KeyFile, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    limits = SignupLimits(network=5, site=12)

    def post(number: int, client: str) -> SignupAnswer:
        return subscribers.request(
            engine,
            keys,
            wish(f"victim{number}@example.org"),
            channel="email",
            client=client,
            now=now,
            limits=limits,
        )

    first = [post(n, "198.51.100.7") for n in range(8)]
    assert first == [SignupAnswer.TAKEN] * 5 + [SignupAnswer.NETWORK_BUSY] * 3
    others = [post(n, f"203.0.{n}.9") for n in range(10)]
    assert others == [SignupAnswer.TAKEN] * 7 + [SignupAnswer.SITE_BUSY] * 3
    subscribers.admit(engine, keys, now)
    assert len(deliveries(engine, "confirm")) == 7  # of 12 forms for 7 addresses
    alarms = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(alarms) == 2
    assert not any("198.51" in text or "victim" in text for text in caplog.messages)
    later = now + timedelta(hours=1)
    assert (
        subscribers.request(
            engine, keys, wish(), channel="email", client="198.51.100.7", now=later, limits=limits
        )
        is SignupAnswer.TAKEN
    )
    with db.reading(engine) as conn:
        assert "198.51" not in repr(conn.execute(sa.select(RateWindowRow.__table__)).all())  # type: ignore[attr-defined]


def test_ten_thousand_posts_cannot_bomb_anybody(sqlite_engine: Engine, keys: KeyFile, now: datetime) -> None:
    limits = SignupLimits(network=10_000, site=120)
    for n in range(1_000):
        subscribers.request(
            sqlite_engine, keys, wish(f"victim{n % 7}@example.org"), channel="email",
            client=f"10.{n % 250}.1.1",
            now=now + timedelta(seconds=n), limits=limits,
        )  # fmt: skip
    subscribers.admit(sqlite_engine, keys, now + timedelta(hours=1))
    with db.reading(sqlite_engine) as conn:
        per_victim = conn.execute(
            sa.select(sa.func.count()).select_from(DeliveryRow).group_by(DeliveryRow.subscriber_id)  # type: ignore[arg-type]
        )
        assert [row[0] for row in per_victim] == [1] * 7
        assert conn.scalar(sa.select(sa.func.max(RateWindowRow.count))) <= 1_000  # type: ignore[operator]


@pytest.mark.parametrize("state", ["unknown", "pending", "active", "suppressed", "undeliverable"])
def test_the_same_work_is_done_for_every_state_of_an_address(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, state: str
) -> None:
    engine, later = sqlite_engine, now + timedelta(hours=1)
    into(engine, keys, now, state)
    statements: list[str] = []

    @sa.event.listens_for(engine, "before_cursor_execute")
    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    answer = subscribers.request(engine, keys, wish(), channel="email", client="192.0.2.7", now=later)
    assert answer is SignupAnswer.TAKEN
    assert [text.split()[0] for text in statements] == ["BEGIN", "INSERT", "INSERT", "INSERT"]


def into(engine: Engine, keys: KeyFile, now: datetime, state: str) -> None:
    """Bring ann's address into a state."""
    hashed = keys.lookup("email", ANN)
    if state == "pending":
        ask(engine, keys, now)
    elif state == "active":
        member(engine, keys, now)
    elif state == "suppressed":
        with db.transaction(engine) as conn:
            people.suppress(conn, "email", hashed, "gone", now)
    elif state == "undeliverable":
        one = member(engine, keys, now)
        with db.transaction(engine) as conn:
            people.update(conn, one.id, strikes=2, first_strike_at=now)


@pytest.mark.parametrize("hour", [-1, 0, 23, 24])
def test_a_digest_may_come_at_each_hour_of_the_day_midnight_included(hour: int) -> None:
    if 0 <= hour < 24:
        assert schedule("daily", "America/Chicago", hour, "UTC") == ("America/Chicago", hour)
    else:
        with pytest.raises(UsageError):
            schedule("daily", "America/Chicago", hour, "UTC")


@pytest.mark.parametrize(
    "bad",
    [
        {"address": "ann"},
        {"address": "a@b.c\r\nRCPT TO:<x>"},
        {"places": ()},
        {"places": ("00000",)},
        {"sources": ()},
        {"frequency": "hourly"},
        {"frequency": "daily", "timezone": "Mars/Olympus"},
        {"frequency": "daily", "local_hour": 24},
        {"places": tuple(f"60{n:03d}" for n in range(251))},
    ],
)
def test_what_cannot_be_asked_for_changes_nothing(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, bad: dict[str, Any]
) -> None:
    arguments = {"address": ANN, "places": ("60601",), "sources": ("ring",)} | bad
    with pytest.raises(UsageError):
        subscribers.request(
            sqlite_engine,
            keys,
            subscribers.SignupRequest(**arguments),
            channel="email",
            client="192.0.2.7",
            now=now,
        )
    assert count(sqlite_engine, SignupRow) == count(sqlite_engine, RateWindowRow) == 0


def test_forms_taken_in_by_two_processes_are_decided_once(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    for n in range(30):
        subscribers.request(
            engine, keys, wish(f"p{n}@example.org"), channel="email", client=f"10.{n}.0.1", now=now
        )
    with ThreadPoolExecutor(3) as pool:
        decided = list(pool.map(lambda _: subscribers.admit(engine, keys, now), range(3)))
    assert sum(decided) == 30
    assert count(engine, SubscriberRow) == len(deliveries(engine, "confirm")) == 30


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2ff:3::4", "2001:db8:1:200::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("testclient", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_client_counts_by_its_network(client: str | None, network: str) -> None:
    assert network_of(client) == network


@given(st.text() | st.ip_addresses().map(str))
def test_any_client_has_a_network(client: str) -> None:
    assert network_of(client)


def test_one_mailbox_is_not_bombed_under_many_spellings(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    for number in range(15):
        dotted = "a.n.n" if number % 2 else "ann"
        ask(sqlite_engine, keys, now, f"{dotted}+{number}@gmail.com")
    assert len(deliveries(sqlite_engine, "confirm")) == MOST_IN_A_MAILBOX
    ask(sqlite_engine, keys, now, "bob+1@gmail.com")
    ask(sqlite_engine, keys, now + timedelta(hours=3), "ann+later@gmail.com")  # the same day
    assert len(deliveries(sqlite_engine, "confirm")) == MOST_IN_A_MAILBOX + 1
    ask(sqlite_engine, keys, now + DAY, "ann+x@gmail.com")
    assert len(deliveries(sqlite_engine, "confirm")) == MOST_IN_A_MAILBOX + 2


@pytest.mark.parametrize(
    "variants",
    [
        ("ann+1@small.example", "ann+2@small.example"),
        ("ann-1@small.example", "ann-two@small.example"),
        ("a.nn@small.example", "an.n@small.example"),
        ("ann@a.small.example", "ann@b.small.example"),
        ("ann@a.small.co.uk", "ann@b.small.co.uk"),
        ("ANN+x@Small.example", "a.n-n@small.example.", "ann@x.y.small.example"),
    ],
)
def test_variants_of_a_mailbox_share_its_limit(variants: tuple[str, ...]) -> None:
    assert len({EmailKind().mailbox(variant) for variant in variants}) <= 2
    assert EmailKind().mailbox(variants[0]).startswith("ann@small.")
    assert EmailKind().mailbox(variants[0]) == EmailKind().mailbox(variants[-1])


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("anybody@small.example", "small.example"),
        ("anybody@mail.small.example", "small.example"),
        ("anybody@small.co.uk", "small.co.uk"),
        ("anybody@ci.springfield.il.us", "springfield.il.us"),
        ("anybody@gmail.com", None),
        ("anybody@students.big.edu", None),
        ("anybody@yahoo.com.mx", None),
    ],
)
def test_a_domain_that_is_no_large_provider_is_limited_as_one(address: str, domain: str | None) -> None:
    assert EmailKind().shared_domain(address) == domain


def test_one_domain_is_not_bombed_by_its_catch_all(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    engine, limits = sqlite_engine, SignupLimits(network=1_000, site=1_000)

    def post(domain: str, moment: datetime) -> None:
        for number in range(MOST_IN_A_DOMAIN + 5):
            made_up = wish(f"{random.Random(number).getrandbits(64):x}@{domain}")
            subscribers.request(
                engine, keys, made_up, channel="email", client="192.0.2.7", now=moment, limits=limits
            )
        subscribers.admit(engine, keys, moment)

    post("small.example", now)
    assert len(deliveries(engine, "confirm")) == MOST_IN_A_DOMAIN
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    assert "small.example" not in caplog.text
    post("gmail.com", now)
    assert len(deliveries(engine, "confirm")) == 2 * MOST_IN_A_DOMAIN + 5
    post("small.example", now + DAY)
    assert len(deliveries(engine, "confirm")) == 2 * MOST_IN_A_DOMAIN + 5 + MOST_IN_A_DOMAIN


def test_one_ipv6_48_gets_a_tenth_of_the_site(engine: Engine, keys: KeyFile, now: datetime) -> None:
    limits = SignupLimits(network=20, site=200)

    def post(number: int, client: str) -> SignupAnswer:
        return subscribers.request(
            engine, keys, wish(f"p{number}@gmail.com"), channel="email", client=client, now=now, limits=limits
        )

    hostile = [post(n, f"2001:db8:1:{n << 8:x}::1") for n in range(256)]
    assert hostile.count(SignupAnswer.TAKEN) == 20
    assert hostile.count(SignupAnswer.NETWORK_BUSY) == 236
    assert post(999, "2001:db8:2:100::1") is SignupAnswer.TAKEN
    assert post(998, "192.0.2.7") is SignupAnswer.TAKEN


@given(st.text(), st.text())
def test_any_address_has_a_mailbox(local: str, domain: str) -> None:
    mailbox = EmailKind().mailbox(f"{local}@{domain}")
    assert EmailKind().mailbox(mailbox) == mailbox
