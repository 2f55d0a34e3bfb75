"""What people are told of the watch itself: that a list cannot be seen and can be again, and that we still
look.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import config
from monitor.domain import SourceInfo
from monitor.keys import KeyFile
from monitor.outbox import insert_due_notices
from monitor.storage import database_facts
from monitor.storage import engine as db
from monitor.storage.deliveries import notices
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.lists.tables import FetchRow, SourceRow
from tests.subscribers.conftest import member
from tests.subscribers.town import Town, Visitor, link, text

BLIND = "We cannot read this list right now: Ring's Active Agency Map"
BACK = "We can read this list again: Ring's Active Agency Map"


def checked(town: Town, *, good: bool, name: str = "ring") -> None:
    """A list is polled now."""
    with db.transaction(town.engine) as conn:
        known = conn.execute(
            sa.update(SourceRow).where(SourceRow.name == name).values(last_fetch_at=town.now)
        )  # type: ignore[arg-type]
        if not known.rowcount:
            first = {"name": name, "number": 1, "fingerprint": "", "columns": [], "folders": []}
            conn.execute(sa.insert(SourceRow).values(**first, last_fetch_at=town.now))
        if good:
            conn.execute(sa.update(SourceRow).where(SourceRow.name == name).values(last_good_at=town.now))  # type: ignore[arg-type]


def on(town: Town, *days: float, since: datetime) -> list[tuple[str, str]]:
    """(address, subject) of what arrives when what is due is sent on these days."""
    before = len(town.postbox.mails)
    for day in days:
        town.now = since + timedelta(days=day)
        town.deliver()
    return [(address, mail["Subject"]) for address, mail in town.postbox.mails[before:]]


def test_followers_hear_once_that_a_list_is_blind_and_once_that_it_is_back(town: Town) -> None:
    town.member()
    town.member("other@example.org", lists=["ice-287g"])
    start = town.now
    checked(town, good=True)
    assert on(town, 8, since=start) == []  # nobody has looked
    checked(town, good=False)
    assert on(town, 9, 10, since=start) == [("ann@example.org", BLIND)]
    town.member("late@example.org")
    town.now = start + timedelta(days=11)
    checked(town, good=True)
    assert on(town, 11, 12, since=start) == [("ann@example.org", BACK)]
    assert "our last good check was on Mar 12, 2026" in " ".join(text(town.mail()).split())


def test_whoever_pauses_hears_afterwards_of_what_is_still_so(small_town: Town) -> None:
    town = small_town
    start = town.now
    checked(town, good=True)
    for name, until in (("short", "2026-03-12"), ("long", "2026-03-25")):
        town.member(f"{name}@example.org")
        form = {"places": "60601", "lists": ["ring"], "pause": until}
        assert town.client.post(link(town.mail(), "manage"), data=form).status_code == 200
    town.now = start + timedelta(days=8)
    checked(town, good=False)
    assert on(town, 8, 10, since=start) == []
    assert on(town, 12, since=start) == [("short@example.org", BLIND)]
    checked(town, good=True)
    assert on(town, 12.1, since=start) == [("short@example.org", BACK)]
    assert on(town, 26, 30, since=start) == []


def test_followers_of_a_list_that_is_switched_off_are_told_and_stay_followers(small_town: Town) -> None:
    town = small_town
    town.member(lists=["ring", "ice-287g"])
    manage = link(town.mail(), "manage")
    start = town.now
    checked(town, good=True)
    watched = town.settings
    path = watched.data.folder.parent / "config.toml"
    path.write_text(f"{path.read_text()}[sources.ring]\nenabled = false\n")
    town.settings = config.load(path, {})
    heading = "We no longer watch this list: Ring's Active Agency Map"
    assert on(town, 6, 8, 9, since=start) == [("ann@example.org", heading)]
    with town.open() as address:
        town.client = Visitor(address)
        page = town.client.get(manage).text
        assert re.search(
            r'value="ring" checked> Ring.{1,5}s Active Agency Map .*We do not watch this list', page
        )
        assert town.client.post(manage, data={"places": "46320", "lists": ["ring"]}).status_code == 200
        assert 'value="ring" checked' in town.client.get(manage).text
        assert 'value="ring"' not in town.client.get("/subscribe").text
    town.settings = watched
    checked(town, good=True)
    assert on(town, 10, since=start) == [("ann@example.org", BACK)]


def test_followers_of_a_list_that_is_polled_rarely_are_told_when_it_is_blind_and_not_before(
    small_town: Town,
) -> None:
    town = small_town
    town.member()
    start = town.now
    checked(town, good=True)
    path = town.settings.data.folder.parent / "config.toml"
    path.write_text(f'{path.read_text()}[sources.ring]\nevery = "5d"\n')
    town.settings = config.load(path, {})
    town.now = start + timedelta(days=5)
    checked(town, good=False)
    assert on(town, 8, 14.9, since=start) == []
    assert on(town, 15.1, since=start) == [("ann@example.org", BLIND)]


SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def watched(every: timedelta = timedelta(hours=1)) -> dict[str, SourceInfo]:
    return {"ring": SourceInfo(name="ring", titles={"en": "Ring"}, every=every)}


def seen(engine: Engine, *, good: datetime, fetch: datetime) -> None:
    """When the list was last checked, and last checked with success."""
    with db.transaction(engine) as conn:
        conn.execute(sa.delete(SourceRow))
        first = {"name": "ring", "number": 1, "fingerprint": "", "columns": [], "folders": []}
        conn.execute(sa.insert(SourceRow).values(**first, last_fetch_at=fetch, last_good_at=good))


def told_blind(engine: Engine) -> datetime | None:
    with db.reading(engine) as conn:
        return notices.load_visibility(conn)["ring"].told_blind_at


def test_a_list_is_called_blind_seven_days_after_its_last_good_check_and_not_a_second_earlier(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    member(sqlite_engine, keys, now)
    seen(sqlite_engine, good=now, fetch=now + SECOND)
    assert insert_due_notices(sqlite_engine, watched(), now + 7 * DAY - SECOND) == 0
    assert told_blind(sqlite_engine) is None
    assert insert_due_notices(sqlite_engine, watched(), now + 7 * DAY) == 1
    assert told_blind(sqlite_engine) == now + 7 * DAY


def test_a_list_that_nobody_has_looked_at_since_its_last_good_check_is_not_blind(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    member(sqlite_engine, keys, now)
    seen(sqlite_engine, good=now, fetch=now)
    assert insert_due_notices(sqlite_engine, watched(), now + 30 * DAY) == 0
    assert told_blind(sqlite_engine) is None
    assert insert_due_notices(sqlite_engine, {}, now + 30 * DAY) == 1  # it is not watched any more


def test_a_list_is_back_with_a_good_check_after_the_notice_and_no_earlier_one(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    member(sqlite_engine, keys, now)
    seen(sqlite_engine, good=now, fetch=now + SECOND)
    blind = now + 8 * DAY
    assert insert_due_notices(sqlite_engine, watched(), blind) == 1
    with db.transaction(sqlite_engine) as conn:
        conn.execute(sa.update(DeliveryRow).values(state="sent", settled_at=blind))
        conn.execute(sa.update(SourceRow).values(last_good_at=blind))
    assert insert_due_notices(sqlite_engine, watched(), blind + DAY) == 0
    with db.transaction(sqlite_engine) as conn:
        conn.execute(sa.update(SourceRow).values(last_good_at=blind + SECOND))
    assert insert_due_notices(sqlite_engine, watched(), blind + DAY) == 1
    assert told_blind(sqlite_engine) is None


def test_receipts_are_looked_for_every_six_hours(sqlite_engine: Engine, keys: KeyFile, now: datetime) -> None:
    member(sqlite_engine, keys, now)
    before = now + 91 * DAY - HOUR
    assert insert_due_notices(sqlite_engine, {}, before) == 0
    assert (
        insert_due_notices(sqlite_engine, {}, before + 6 * HOUR - SECOND) == 0
    )  # it is due, and nobody looks yet
    assert insert_due_notices(sqlite_engine, {}, before + 6 * HOUR) == 1


def test_a_receipt_is_due_after_91_days_without_a_message_and_not_a_second_earlier(
    sqlite_engine: Engine, keys: KeyFile, now: datetime
) -> None:
    member(sqlite_engine, keys, now)
    assert insert_due_notices(sqlite_engine, {}, now + 91 * DAY - SECOND) == 0
    with db.transaction(sqlite_engine) as conn:
        database_facts.put(conn, "receipts looked for at", now.isoformat())  # as if nobody had looked since
    assert insert_due_notices(sqlite_engine, {}, now + 91 * DAY) == 1


def test_a_receipt_counts_checks_and_the_time_without_one(town: Town) -> None:
    town.member()
    start = town.now
    town.now = (start + timedelta(days=92)).replace(second=0, microsecond=0)
    hours = (
        *range(-96, -40),
        *range(-35, -13),
        -12,
    )  # six hours in which nobody looked, two around a failure
    outcomes = [(hour, "unchanged" if hour % 2 else "good") for hour in hours] + [(-13, "failed")]
    with db.transaction(town.engine) as conn:
        for hour, outcome in outcomes:
            at = town.now + timedelta(hours=hour)
            conn.execute(sa.insert(FetchRow).values(source="ring", at=at, outcome=outcome, reason=""))
    town.deliver()
    said = " ".join(text(town.mail()).split())
    assert "79 good checks - The last one: May 31, 2026, 7:00 pm CDT - 8 hours without a good check" in said
