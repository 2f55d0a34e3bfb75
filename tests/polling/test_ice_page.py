"""ICE's page as it is: the link in two forms, in any order, beside the pending list and other downloads.

The settings are those that the program ships with; only the page's host is a local one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path

import openpyxl
import pytest
from sqlalchemy.engine import Engine

from monitor import app, config
from monitor.core.freshness import Freshness, freshness
from monitor.domain import Kind
from monitor.fetch import Fetcher
from monitor.polling import PolledSource, PollOutcome, PollResult, poll
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, changes, overview
from monitor.storage.lists.printed_counts import load_printed_count
from tests.peers.http import Answer, Server

HEADERS = ("STATE", "LAW ENFORCEMENT AGENCY", "TYPE", "COUNTY", "SUPPORT TYPE", "SIGNED", "MOA", "ADDENDUM")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PAGE = "/identify-and-arrest/287g"
DOCLIB = "/doclib/about/offices/ero/287g/participatingAgencies05142026am.xlsx"
SINGULAR = "/doclib/about/offices/ero/287g/ParticipatingAgency091826am.xlsx"
DOWNLOAD = "/file-download/download/public/209157"
PENDING = "/file-download/download/public/209158"
REPORT = "/file-download/download/public/100"


def workbook(*names: str, headers: tuple[str, ...] = HEADERS) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(headers)
    for name in names:
        row = ("INDIANA", name, "County", "Lake County", "Jail Enforcement", "3/1/2025", "link", "")
        sheet.append(row[: len(headers)])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


FIRST = workbook("Lake County Sheriff's Office", "Porter County Sheriff's Office")
SECOND = workbook("Lake County Sheriff's Office", "Porter County Sheriff's Office", "Gary Police Department")
PENDING_LIST = workbook("Hobart Police Department", headers=HEADERS[:5])


@pytest.fixture
def site() -> Iterator[Server]:
    with Server() as server:
        server.put(DOCLIB, FIRST, content_type=XLSX, etag='"1"')
        server.put(SINGULAR, SECOND, content_type=XLSX, etag='"2"')
        answer(server, DOWNLOAD, SECOND, "ParticipatingAgency091826am.xlsx")
        answer(server, PENDING, PENDING_LIST, "PendingAgencies091826am.xlsx")
        answer(server, REPORT, b"%PDF-1.7 annual report", "287g-annual-report.pdf")
        yield server


def answer(server: Server, path: str, body: bytes, name: str) -> None:
    """The download form: no name in the address, no ETag, and a name in the answer."""
    headers = {"Content-Type": XLSX, "Content-Disposition": f'attachment; filename="{name}"'}
    server.script(path, [Answer(body=body, headers=headers)])


def publish(server: Server, href: str, words: str = "View participating agencies") -> None:
    server.page(
        PAGE,
        f'<a href="{REPORT}">Annual report</a><p><a href="{href}">{words}</a> '
        f'<a href="{PENDING}">View pending agencies</a></p>',
    )


@pytest.fixture
def watch(site: Server, tmp_path: Path) -> PolledSource:
    path = tmp_path / "config.toml"
    path.write_text(f'[sources.ice-287g]\npage = "{site.url(PAGE)}"\n')
    return app.polled_source(config.load(path, {}), "ice-287g")


def polled(engine: Engine, watch: PolledSource, now: datetime) -> PollResult:
    with Fetcher(sleep=lambda _: None) as fetcher:
        return poll(engine, watch, fetcher, now=now)


def names(engine: Engine) -> list[str]:
    with reading(engine) as conn:
        return sorted(listing.name for listing in baseline.load_listings(conn, "ice-287g"))


@pytest.mark.parametrize("order", list(permutations((DOCLIB, DOWNLOAD, SINGULAR))))
def test_the_list_is_found_in_each_form_on_any_day(
    sqlite_engine: Engine, site: Server, watch: PolledSource, now: datetime, order: tuple[str, ...]
) -> None:
    for day, href in enumerate(order):
        publish(site, href)
        result = polled(sqlite_engine, watch, now + timedelta(days=day))
        assert result.outcome not in {PollOutcome.FAILED, PollOutcome.REJECTED}, result.reason
    assert "Hobart Police Department" not in names(sqlite_engine)
    assert not site.asked(PENDING)


def test_a_mislabeled_link_to_the_pending_list_is_refused(
    sqlite_engine: Engine, site: Server, watch: PolledSource, now: datetime
) -> None:
    publish(site, DOCLIB)
    polled(sqlite_engine, watch, now)
    site.page(PAGE, f'<a href="{PENDING}">View participating agencies</a>')
    result = polled(sqlite_engine, watch, now + timedelta(days=1))
    assert result.outcome is PollOutcome.FAILED
    assert "is named PendingAgencies091826am.xlsx" in result.reason
    assert len(names(sqlite_engine)) == 2


def test_another_download_under_the_same_words_is_passed_over(
    sqlite_engine: Engine, site: Server, watch: PolledSource, now: datetime
) -> None:
    answer(site, "/file-download/download/public/7", b"%PDF-1.7 a guide", "guide.pdf")
    site.page(
        PAGE,
        '<a href="/file-download/download/public/7">Guide for participating agencies</a>'
        f'<a href="{DOWNLOAD}">View participating agencies</a>',
    )
    assert polled(sqlite_engine, watch, now).outcome is PollOutcome.BASELINE
    assert len(names(sqlite_engine)) == 3


def test_a_page_without_the_list_says_what_it_links(
    sqlite_engine: Engine, site: Server, watch: PolledSource, now: datetime
) -> None:
    site.page(PAGE, f'<a href="{REPORT}">Annual report</a><a href="{PENDING}">View pending agencies</a>')
    result = polled(sqlite_engine, watch, now)
    assert result.outcome is PollOutcome.FAILED
    assert 'it links "Annual report" (100), "View pending agencies" (209158)' in result.reason


@pytest.fixture
def pending(site: Server, tmp_path: Path, watch: PolledSource) -> PolledSource:
    """The second list of the same page, as it comes with the program."""
    path = tmp_path / "config.toml"
    path.write_text(
        "".join(f'[sources.{name}]\npage = "{site.url(PAGE)}"\n' for name in ("ice-287g", "ice-287g-pending"))
    )
    return app.polled_source(config.load(path, {}), "ice-287g-pending")


def listed(engine: Engine, source: str) -> list[str]:
    with reading(engine) as conn:
        return sorted(listing.name for listing in baseline.load_listings(conn, source))


def test_the_pending_list_is_a_list_of_its_own_and_its_absence_is_normal(
    sqlite_engine: Engine, site: Server, pending: PolledSource, now: datetime
) -> None:
    def state(at: datetime) -> Freshness:
        with reading(sqlite_engine) as conn:
            found = overview.load_overview(conn, pending.name)
        return freshness(found.last_good_at, found.last_fetch_at, pending.every, at)

    site.page(PAGE, f'<a href="{DOWNLOAD}">View participating agencies</a>')
    absent = polled(sqlite_engine, pending, now)
    assert absent.outcome is PollOutcome.ABSENT
    assert not state(now).blind
    publish(site, DOWNLOAD)
    assert polled(sqlite_engine, pending, now + timedelta(hours=1)).outcome is PollOutcome.BASELINE
    assert listed(sqlite_engine, pending.name) == ["Hobart Police Department"]
    site.page(PAGE, f'<a href="{DOWNLOAD}">View participating agencies</a>')
    for hour in range(2, 50):
        assert polled(sqlite_engine, pending, now + timedelta(hours=hour)).outcome is PollOutcome.ABSENT
    assert listed(sqlite_engine, pending.name) == ["Hobart Police Department"]
    assert not state(now + timedelta(hours=49)).blind
    site.page(PAGE, "<h1>Sign in</h1>")
    site.script(PAGE, [Answer(500)])
    assert polled(sqlite_engine, pending, now + timedelta(hours=50)).outcome is PollOutcome.FAILED
    assert state(now + timedelta(hours=60)).blind


def test_who_signs_is_told_once_on_the_list_to_which_they_moved(
    sqlite_engine: Engine, site: Server, watch: PolledSource, pending: PolledSource, now: datetime
) -> None:
    many = [f"Town {n} Police Department" for n in range(9)]
    answer(site, PENDING, workbook(*many, "Hobart Police Department", headers=HEADERS[:5]), "Pending1.xlsx")
    publish(site, DOWNLOAD)
    polled(sqlite_engine, watch, now)
    polled(sqlite_engine, pending, now)
    # seven of ten sign on one day: on so small a list a removal of so many would be rejected
    names = ("Lake County Sheriff's Office", "Porter County Sheriff's Office", "Gary Police Department")
    answer(site, DOWNLOAD, workbook(*names, *many[:7]), "ParticipatingAgency091926am.xlsx")
    left = workbook(*many[7:], "Hobart Police Department", headers=HEADERS[:5])
    answer(site, PENDING, left, "Pending2.xlsx")
    for hour in range(1, 60):
        polled(sqlite_engine, watch, now + timedelta(hours=hour))
        result = polled(sqlite_engine, pending, now + timedelta(hours=hour))
        assert result.outcome is PollOutcome.UNCHANGED, result.reason
        assert result.removed == 0
    assert len(listed(sqlite_engine, pending.name)) == 3
    with reading(sqlite_engine) as conn:
        told = [
            row for row in changes.load_published(conn, source=watch.name) if row.change.kind is Kind.ADDED
        ]
        assert sorted(row.change.subject.name for row in told) == many[:7]
        assert changes.load_published(conn, source=pending.name) == ()
        keys = {row.change.subject.key for row in told}
        assert baseline.was_listed(conn, pending.name, keys, now + timedelta(days=3)) == keys


def test_the_count_that_the_page_prints_is_kept_and_its_time_is_that_of_its_first_sight(
    sqlite_engine: Engine, site: Server, watch: PolledSource, now: datetime
) -> None:
    def count() -> tuple[datetime, int] | None:
        with reading(sqlite_engine) as conn:
            return load_printed_count(conn, "ice-287g")

    publish(site, DOCLIB)
    polled(sqlite_engine, watch, now)
    assert count() is None  # the page prints none
    shown = "As of today, ICE has signed&nbsp;<b>1,135</b> Memorandums of Agreement for 287(g) programs."
    page = f'<p>{shown}</p><a href="{DOCLIB}">View participating agencies</a>'
    for day, number in ((1, "1,135"), (2, "1,135"), (3, "1,140")):
        site.page(PAGE, page.replace("1,135", number))
        polled(sqlite_engine, watch, now + timedelta(days=day))  # the workbook itself is unchanged
        assert count() == (now + timedelta(days=min(day, 1) if day < 3 else 3), int(number.replace(",", "")))
    site.page(PAGE, page.replace("1,135", "many"))
    polled(sqlite_engine, watch, now + timedelta(days=4))
    assert count() == (now + timedelta(days=3), 1140)
