"""What a limit of sign-ups turns away, whom it tells, and when it ends."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import people
from monitor.subscribers import LinkState, SignupAnswer, SignupLimits
from monitor.subscribers.signup import MOST_IN_A_DOMAIN, MOST_IN_A_MAILBOX
from tests.subscribers.conftest import ANN, ask, deliveries, member, token, who, wish

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TAKEN, NETWORK_BUSY, SITE_BUSY = SignupAnswer.TAKEN, SignupAnswer.NETWORK_BUSY, SignupAnswer.SITE_BUSY


@pytest.mark.parametrize(
    ("clients", "limits", "answer", "alarm"),
    [
        (["192.0.2.7"], SignupLimits(network=3, site=99), NETWORK_BUSY, "one network"),
        ([f"2001:db8:1:{n}00::1" for n in range(9)], SignupLimits(site=30), NETWORK_BUSY, "one network"),
        ([f"10.{n}.0.1" for n in range(9)], SignupLimits(site=3), SITE_BUSY, "the whole site"),
    ],
    ids=["a network", "a /48 of IPv6", "the site"],
)
def test_the_fourth_form_is_turned_away_and_the_operator_is_told_with_it_and_once(
    sqlite_engine: Engine,
    keys: KeyFile,
    now: datetime,
    caplog: pytest.LogCaptureFixture,
    clients: list[str],
    limits: SignupLimits,
    answer: SignupAnswer,
    alarm: str,
) -> None:
    answers, alarms = [], []
    for number in range(6):
        client = clients[number % len(clients)]
        answers.append(
            subscribers.request(
                sqlite_engine, keys, wish(), channel="email", client=client, now=now, limits=limits
            )
        )
        alarms.append(
            [text for text in caplog.messages if f"the hourly limit of {alarm} was reached" in text]
        )
    assert answers == [TAKEN] * 3 + [answer] * 3
    assert [len(each) for each in alarms] == [0, 0, 0, 1, 1, 1]
    assert len([each for each in caplog.records if each.levelname == "WARNING"]) == 1


def test_a_48_of_ipv6_gets_one_form_of_a_site_that_takes_less_than_ten(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    answers = [
        subscribers.request(
            sqlite_engine, keys, wish(), channel="email", client=f"2001:db8:1:{n}00::1", now=now,
            limits=SignupLimits(site=9),
        )
        for n in range(2)
    ]  # fmt: skip
    assert answers == [TAKEN, NETWORK_BUSY]


@pytest.mark.parametrize(
    ("addresses", "most", "alarm"),
    [
        ([f"ann+{n}@gmail.com" for n in range(14)], MOST_IN_A_MAILBOX, "fills a mailbox"),
        ([f"p{n}@small.example" for n in range(34)], MOST_IN_A_DOMAIN, "a domain got all"),
    ],
    ids=["mailbox", "domain"],
)
def test_a_mailbox_and_a_domain_take_so_many_confirmations_a_day(
    sqlite_engine: Engine,
    keys: KeyFile,
    now: datetime,
    caplog: pytest.LogCaptureFixture,
    addresses: list[str],
    most: int,
    alarm: str,
) -> None:
    """``now`` is noon in UTC; the day of the count ends twelve hours later."""
    alarms = []
    for number, address in enumerate(addresses):
        ask(sqlite_engine, keys, now + number // 12 * HOUR, address)
        alarms.append(len([text for text in caplog.messages if alarm in text]))
    assert len(deliveries(sqlite_engine, "confirm")) == most
    assert alarms == [0] * most + [1] * (len(addresses) - most)
    assert "gmail.com" not in caplog.text
    assert "small.example" not in caplog.text
    last = addresses[-1]
    ask(sqlite_engine, keys, now + 11 * HOUR, last)
    assert len(deliveries(sqlite_engine, "confirm")) == most
    ask(sqlite_engine, keys, now + 12 * HOUR, last)
    assert len(deliveries(sqlite_engine, "confirm")) == most + 1


def test_a_form_that_a_full_mailbox_is_not_asked_about_changes_nothing(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    """Their first mail shows what they confirm, however many forms come after it."""
    ask(sqlite_engine, keys, now, "ann@gmail.com", "60601")
    for number in range(MOST_IN_A_MAILBOX):
        ask(sqlite_engine, keys, now + DAY, f"ann+{number}@gmail.com")
    ask(sqlite_engine, keys, now + DAY, "ann@gmail.com", "46320", language="es")
    one = who(sqlite_engine, keys, "ann@gmail.com")
    assert one is not None
    assert (one.state, one.language) == ("pending", "en")
    with db.reading(sqlite_engine) as conn:
        assert [each.place for each in people.load_follows(conn, one.id)] == ["60601"]


def test_a_subscribed_address_is_reminded_again_30_days_after_its_last_reminder(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    member(sqlite_engine, keys, now)
    reminded = []
    for days in (1, 2, 3, 4, 31, 32, 33, 34, 35, 36):
        before = len(deliveries(sqlite_engine, "confirm"))
        ask(sqlite_engine, keys, now + days * DAY)
        if len(deliveries(sqlite_engine, "confirm")) > before:
            reminded.append(days)
    assert reminded == [1, 2, 3, 33, 34, 35]


@pytest.mark.parametrize(
    ("hours", "confirmed", "state", "mails"),
    [
        (47, False, LinkState.OPEN, 1),
        (48, False, LinkState.EXPIRED, 2),
        (47, True, LinkState.DONE, 1),
        (48, True, LinkState.DONE, 1),
    ],
)
def test_only_an_expired_link_is_sent_once_more(
    sqlite_engine: Engine,
    keys: KeyFile,
    now: datetime,
    hours: int,
    confirmed: bool,
    state: LinkState,
    mails: int,
) -> None:
    ask(sqlite_engine, keys, now)
    link = token(keys, Purpose.CONFIRM, who(sqlite_engine, keys))
    if confirmed:
        subscribers.confirm(sqlite_engine, keys, link, now)
    assert subscribers.renew(sqlite_engine, keys, link, now + hours * HOUR).found is state
    assert len(deliveries(sqlite_engine, "confirm")) == mails


@pytest.mark.parametrize(
    ("zone", "hour", "due"),
    [
        ("America/Chicago", 0, "2026-03-02T00:00-06:00"),
        ("America/Chicago", 7, "2026-03-01T07:00-06:00"),
        ("America/Chicago", 6, "2026-03-02T06:00-06:00"),
        ("UTC", 0, "2026-03-02T00:00+00:00"),
    ],
)
def test_the_first_digest_comes_at_the_hour_that_the_form_chose(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, zone: str, hour: int, due: str
) -> None:
    one = member(sqlite_engine, keys, now, ANN, frequency="daily", timezone=zone, local_hour=hour)
    assert one.digest_at == datetime.fromisoformat(due)
    assert one.digest_since is not None


def test_alerts_at_once_wait_for_no_digest(sqlite_engine: Engine, keys: KeyFile, now: datetime) -> None:
    one = member(sqlite_engine, keys, now)
    assert (one.digest_at, one.digest_since) == (None, None)
