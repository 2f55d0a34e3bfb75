"""What people are told of the watch itself: that a list cannot be seen and can be again, and that we still look."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor import config
from monitor.storage import engine as db
from monitor.storage.lists.tables import FetchRow, SourceRow
from tests.subscribers.town import Town, Visitor, link, text

BLIND = "We cannot read it at the moment: Ring's Active Agency Map"
BACK = "We can read it again: Ring's Active Agency Map"


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
    heading = "We do not watch it any more: Ring's Active Agency Map"
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


def test_a_receipt_counts_checks_and_the_time_without_one(town: Town) -> None:
    town.member()
    start = town.now
    town.now = start + timedelta(days=92)
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
    assert "79 good checks - The last one: May 31, 2026, 7:00 pm CDT - 8 hours without one" in said
