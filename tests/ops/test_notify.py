"""The operator is told each condition once, and again when it is over, by the first way that works."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from monitor import app, config
from monitor.app import Components
from monitor.channels import Channel
from monitor.errors import StoreError, UsageError
from monitor.messages import render
from monitor.messages.model import NoticeDecision, OperatorNotice, Sender
from monitor.ops.health import HealthFinding, paused_key
from monitor.ops.notify import GROWN_AFTER, MEMBERS, PAUSED_RETRY, NoticeWay, OperatorNotifier
from monitor.storage import database_facts
from monitor.storage import engine as db
from tests.subscribers.town import Postbox, Server, mail_server, text

BLIND = HealthFinding(
    "sources", "ring was not read since Monday", "blind ring", notify=True, remedy="monitor poll ring"
)
SMALL = HealthFinding("sources", "ring: the last poll failed", "failed ring")
CONFIGURATION = """
[site]
name = "Watch"
[email]
host = "127.0.0.1"
port = {port}
security = "none"
from = "Watch <alerts@watch.example>"
[operator]
notify = ["first@ops.example", "second@ops.example"]
"""


@pytest.fixture
def relay() -> Iterator[tuple[Postbox, Server]]:
    postbox = Postbox()
    server = mail_server(postbox)
    server.start()
    yield postbox, server
    server.stop()


class Conditions:
    """What is found; ``error`` instead, while the database cannot be read."""

    def __init__(self) -> None:
        self.found: list[HealthFinding] = []
        self.error: StoreError | None = None

    def __call__(self) -> list[HealthFinding]:
        if self.error:
            raise self.error
        return self.found


@pytest.fixture
def conditions() -> Conditions:
    return Conditions()


@pytest.fixture
def ways(relay: tuple[Postbox, Server], tmp_path: Path) -> list[NoticeWay]:
    path = tmp_path / "config.toml"
    path.write_text(CONFIGURATION.format(port=relay[1].port))
    return app.notice_ways(config.load(path, {}))


@pytest.fixture
def notifier(
    engine: Engine, ways: list[NoticeWay], conditions: Conditions, now: datetime
) -> OperatorNotifier:
    return OperatorNotifier(engine, conditions, ways, domain="watch.example", clock=lambda: now)


def look(notifier: OperatorNotifier, times: int = 2) -> None:
    for _ in range(times):
        asyncio.run(notifier.look())


def test_a_condition_is_told_once_and_again_when_it_is_over(
    notifier: OperatorNotifier, conditions: Conditions, relay: tuple[Postbox, Server]
) -> None:
    mails = relay[0].mails
    conditions.found = [BLIND, SMALL]
    look(notifier, 1)
    assert mails == [], "a condition that one look finds may be over at the next"
    look(notifier, 5)
    ((to, mail),) = mails
    assert to == "first@ops.example"
    assert mail["Subject"] == "[Watch] ring was not read since Monday"
    assert "Run: monitor poll ring" in text(mail)
    assert "List-Unsubscribe" not in mail, "nobody reads an address that ends notices"
    assert "the last poll failed" not in text(mail)
    conditions.found = []
    look(notifier, 5)
    assert [mail["Subject"] for _, mail in mails[1:]] == ["[Watch] over: ring was not read since Monday"]
    conditions.found = [BLIND]
    look(notifier, 5)
    assert len(mails) == 3


def test_a_condition_that_concerns_more_is_told_again(
    engine: Engine,
    ways: list[NoticeWay],
    conditions: Conditions,
    relay: tuple[Postbox, Server],
    now: datetime,
) -> None:
    mails = relay[0].mails
    time = now

    def start_notifier() -> OperatorNotifier:
        return OperatorNotifier(engine, conditions, ways, domain="watch.example", clock=lambda: time)

    def hold(*ids: str) -> None:
        problem = f"ring: {len(ids)} changes are held"
        conditions.found = [HealthFinding("holds", problem, "held ring", notify=True, members=frozenset(ids))]

    notifier = start_notifier()
    hold("1", "2")
    look(notifier, 5)
    assert len(mails) == 1
    hold("2")
    look(notifier, 5)
    assert len(mails) == 1, "fewer is no news"
    hold("2", "3")
    look(notifier, 5)
    assert len(mails) == 1, "one more waits for a day"
    time += GROWN_AFTER
    look(notifier, 1)
    assert len(mails) == 1
    look(notifier, 5)
    assert [mail["Subject"] for _, mail in mails[1:]] == ["[Watch] ring: 2 changes are held"]
    again = start_notifier()
    look(again, 5)
    assert len(mails) == 2, "a restart tells nothing again"
    hold("2", "3", "4")
    look(again, 5)
    time += GROWN_AFTER - timedelta(minutes=1)
    look(start_notifier(), 5)
    assert len(mails) == 2, "a restart does not forget when it was told"
    time += timedelta(minutes=1)
    look(again, 5)
    assert len(mails) == 3
    with db.transaction(engine) as conn:
        database_facts.put(conn, MEMBERS, "{}")  # as an earlier version leaves it
    later = start_notifier()
    look(later, 5)
    assert len(mails) == 3
    conditions.found = []
    look(later, 5)
    assert mails[-1][1]["Subject"] == "[Watch] over: ring: 3 changes are held"
    hold("4")
    look(later, 5)
    assert len(mails) == 5


def test_a_list_that_grows_at_each_poll_is_told_a_few_times_and_not_at_each(
    engine: Engine,
    ways: list[NoticeWay],
    conditions: Conditions,
    relay: tuple[Postbox, Server],
    now: datetime,
) -> None:
    """One more held change at each hourly poll, for three days; then a whole list at once."""
    mails, time = relay[0].mails, now
    notifier = OperatorNotifier(engine, conditions, ways, domain="watch.example", clock=lambda: time)
    ids: set[str] = set()

    def poll(*more: str) -> None:
        ids.update(more)
        problem = f"ring: {len(ids)} changes are held"
        members = frozenset(ids)
        conditions.found = [HealthFinding("holds", problem, "held ring", notify=True, members=members)]
        look(notifier, 2)

    for hour in range(72):
        poll(f"hour {hour}")
        time += timedelta(hours=1)
    counts = [int(str(mail["Subject"]).split()[2]) for _, mail in mails]
    assert counts == [1, 2, 4, 8, 16, 32, 56], "each time it doubled, and a day after the last one"
    poll(*(f"wave {number}" for number in range(100)))
    assert len(mails) == len(counts) + 1, "many at once are told at once"


def test_a_restart_tells_nothing_again(
    engine: Engine,
    ways: list[NoticeWay],
    notifier: OperatorNotifier,
    conditions: Conditions,
    relay: tuple[Postbox, Server],
    now: datetime,
) -> None:
    conditions.found = [BLIND]
    look(notifier)
    again = OperatorNotifier(engine, conditions, ways, domain="watch.example", clock=lambda: now)
    look(again, 5)
    assert len(relay[0].mails) == 1
    conditions.found = []
    look(again, 5)
    assert len(relay[0].mails) == 2


def test_the_next_way_is_tried_and_a_notice_waits_when_none_works(
    notifier: OperatorNotifier, conditions: Conditions, relay: tuple[Postbox, Server]
) -> None:
    postbox = relay[0]
    postbox.refused = {"first@ops.example": "550 5.1.1 nobody", "second@ops.example": "450 4.2.0 later"}
    conditions.found = [BLIND]
    look(notifier, 4)
    assert postbox.mails == []
    del postbox.refused["second@ops.example"]
    look(notifier, 4)
    assert [to for to, _ in postbox.mails] == ["second@ops.example"]


def test_a_server_that_is_away_is_not_asked_again_by_notices_while_the_outbox_asks_it(
    engine: Engine,
    ways: list[NoticeWay],
    conditions: Conditions,
    relay: tuple[Postbox, Server],
    now: datetime,
) -> None:
    postbox, opened = relay[0], list[int]()

    def counting(number: int, way: NoticeWay) -> NoticeWay:
        def open_way() -> Channel:
            opened.append(number)
            return way.open()

        return replace(way, open=open_way)

    counted = [counting(number, way) for number, way in enumerate(ways)]
    notifier = OperatorNotifier(engine, conditions, counted, domain="watch.example", clock=lambda: now)
    began = now
    postbox.refused = dict.fromkeys(("first@ops.example", "second@ops.example"), "450 4.3.2 away")
    paused = HealthFinding("outbox", "email: nothing is sent before noon", paused_key("email"), notify=True)
    conditions.found = [BLIND, paused]
    look(notifier, 10)
    assert opened == [0, 1], "each way once, and then the outbox finds out when the server is back"
    now = began + PAUSED_RETRY
    look(notifier, 10)
    assert opened == [0, 1, 0, 1]
    postbox.refused = {}
    conditions.found = [BLIND]
    look(notifier, 1)
    assert [to for to, _ in postbox.mails] == ["first@ops.example"]


def test_a_database_that_is_away_is_told_and_nothing_is_taken_for_over(
    notifier: OperatorNotifier, conditions: Conditions, relay: tuple[Postbox, Server]
) -> None:
    conditions.found = [BLIND]
    look(notifier)
    conditions.error = StoreError("the disk that holds the database is full")
    look(notifier, 5)
    conditions.error = None
    look(notifier, 5)
    assert [mail["Subject"] for _, mail in relay[0].mails] == [
        "[Watch] ring was not read since Monday",
        "[Watch] the disk that holds the database is full",
        "[Watch] over: the disk that holds the database is full",
    ]


def test_what_cannot_be_written_stays_in_memory(
    sqlite_engine: Engine,
    ways: list[NoticeWay],
    conditions: Conditions,
    relay: tuple[Postbox, Server],
    now: datetime,
) -> None:
    notifier = OperatorNotifier(sqlite_engine, conditions, ways, domain="watch.example", clock=lambda: now)
    with db.reading(sqlite_engine) as conn:
        conn.exec_driver_sql("PRAGMA query_only = ON")  # of the one connection in the pool
    conditions.found = [BLIND]
    look(notifier, 5)
    assert len(relay[0].mails) == 1
    with db.reading(sqlite_engine) as conn:
        assert database_facts.get(conn, "told to the operator") is None


def test_an_address_that_no_channel_reaches_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[operator]\nnotify = ["-1001234567890"]\n')
    with pytest.raises(UsageError, match="telegram, which is not configured"):
        app.notice_ways(config.load(path, {}))


def test_an_address_that_is_not_valid_names_its_key(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[email]\nhost = "127.0.0.1"\nsecurity = "none"\nfrom = "a@watch.example"\n'
        '[operator]\nnotify = ["ops@-.example"]\n'
    )
    with pytest.raises(UsageError, match=r"^\[operator\] notify: "):
        app.notice_ways(config.load(path, {}))


def test_a_service_finds_its_own_conditions(
    sqlite_url: str, relay: tuple[Postbox, Server], tmp_path: Path, now: datetime
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        CONFIGURATION.format(port=relay[1].port)
        + f'backup_after = "1d"\ndisk_low = 999999999999\n[database]\nurl = "{sqlite_url}"\n[data]\n'
        f'folder = "{tmp_path}"\n'
    )
    with Components.open(config.load(path, {}), lambda: now + timedelta(days=30)) as components:
        notifier = components.open_notifier()
        assert notifier is not None
        look(notifier)
    ((_, mail),) = relay[0].mails
    assert "no backup was made yet. Run: monitor backup" in text(mail).replace("\n", " ").replace("  ", " ")
    assert "MB are free" in text(mail)


def test_a_condition_that_ends_with_a_period_has_one_before_its_command() -> None:
    waits = "ring: 6 changes are held: they wait a day."
    sender = Sender(site_name="Watch", contact="", timezone="UTC")
    shown = render(OperatorNotice(opened=((waits, "monitor holds list"),)), sender)
    assert "they wait a day. Run: monitor holds list" in " ".join(shown.text.split())
    assert "they wait a day.\n" in render(OperatorNotice(opened=((waits, ""),)), sender).text


def test_a_command_that_the_problem_names_is_named_once() -> None:
    rejected = "ring: a publication was rejected: {} (see `monitor holds`)"
    sender = Sender(site_name="Watch", contact="", timezone="UTC")
    for reason, end in (
        ("it is too small", "(see `monitor holds`)"),
        ("small " * 80, "…. Run: monitor holds"),
    ):
        shown = render(OperatorNotice(opened=((rejected.format(reason), "monitor holds"),)), sender)
        text = " ".join(shown.text.split())
        assert end in text
        assert text.count("monitor holds") == 1


def test_only_a_notice_with_links_has_a_place_for_them() -> None:
    sender = Sender(site_name="Watch", contact="", timezone="UTC")
    decision = NoticeDecision("a", url="https://watch.example/decide/TOKEN")
    for notice in (
        OperatorNotice(opened=(("a", ""),), decisions=(decision,)),
        OperatorNotice(opened=(), ended=("a",)),
    ):
        html = render(notice, sender).html
        assert html is not None
        assert ('class="links"' in html) is bool(notice.decisions)


def test_a_long_problem_is_cut_after_a_word_where_it_names_a_link_or_a_button() -> None:
    problem = "list: 405 changes are held until 2026-12-04 05:00 UTC: 405 agencies appeared at once: " + (
        "Ashtabula County, Hammond and others. What still stands is announced."
    )
    decision = NoticeDecision(problem, url="https://watch.example/decide/TOKEN")
    notice = OperatorNotice(opened=((problem, "monitor holds"),), decisions=(decision,))
    shown = render(notice, Sender(site_name="Watch", contact="", timezone="UTC"))
    ((button, _),) = shown.buttons
    labels = [button, shown.subject.removeprefix("[Watch] "), *re.findall(r"Decide: [^\n]*…", shown.text)]
    assert len(labels) == 3
    for label in labels:
        start = label.removeprefix("Decide: ")
        assert start.endswith("…")
        assert problem.startswith(start[:-1])
        assert problem[len(start) - 1] in " .,:;", label
