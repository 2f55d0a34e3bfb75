"""Pages of the record stay at most 100 kB, with lists as long and lives as eventful as they come."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.domain import Change, Kind, Listing, State
from monitor.places import load
from monitor.storage import engine as db
from monitor.storage.engine import transaction
from monitor.storage.lists import baseline, changes
from monitor.storage.lists.baseline import NewVersion
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.tables import ChangesetRow, FetchRow
from monitor.web import create_app
from monitor.web.presenters import agency_path
from tests.peers.browser import served
from tests.web.story import SOURCE, Clock, site

LARGEST = 100_000
"""Bytes of a page, uncompressed."""
LISTED, RENEWED, NEW, LEFT, LIVES = 2616, 500, 700, 300, 90
END = date(2026, 3, 1)
STATES = ("TX", "FL", "PA", "GA", "NC", "VA", "OH", "NY")
"""Each has about as many agencies as Texas has on the longest real list (412)."""


def entry(number: int, model: str = "Jail Enforcement Model", signed: int = 0) -> Listing:
    """An entry as the longest real list has them, with its agreement and an addendum."""
    counties = load().table.state(STATES[number % 8]).counties
    county = counties[number // 8 % len(counties)]
    name = county.title.lower().replace(" ", "-")
    folder = f"https://www.publisher.example/doclib/about/offices/agreements/{name}"
    return Listing(
        name=f"{county.title} Sheriff's Office Number {number}",
        key=f"a{number}",
        state=STATES[number % 8],
        county=county.title,
        since=date(2025, 1, 1) + timedelta(days=number % 400 + signed),
        attributes=(("Type of agency", "County"), ("Support type", model), ("Status", "Active")),
        url=f"{folder}-sheriffs-office-{number}-{model.replace(' ', '-').lower()}-{signed}.pdf",
        documents=(f"{folder}-{number}-addendum-{signed}.pdf",),
    )


@pytest.fixture(scope="session")
def address(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A list over a year: most entries stay, some are renewed, many join and leave, and one is renewed every
    few days.
    """
    path = tmp_path_factory.mktemp("sizes") / "monitor.db"
    shutil.copyfile(sqlite_template, path)
    engine = db.connect(f"sqlite:///{path}")
    now = write(engine)
    with served(create_app(site(engine, Clock(now), folder=path.parent / "public"))) as at:
        yield at
    engine.dispose()


def write(engine: Engine) -> datetime:
    """Write the list, and return the time of its end."""
    began = datetime(2025, 3, 1, 12, tzinfo=UTC)
    later = datetime(2026, 2, 1, 12, tzinfo=UTC)
    now = later + timedelta(days=28)
    old = [entry(each) for each in range(LISTED)]
    with transaction(engine) as conn:
        conn.execute(
            sa.insert(FetchRow),
            [
                {"source": SOURCE, "at": at, "outcome": "good", "reason": "", "hash": "ab" * 32}
                for at in (began + timedelta(hours=each) for each in range(0, 24 * 363, 3))
            ],
        )
        info = baseline.load_info(conn, SOURCE)
        baseline.advance(conn, info, number=1, last_good_at=began)
        baseline.begin_versions(conn, SOURCE, [NewVersion(each, each.key) for each in old], 1, began)
        for life in range(1, LIVES + 1):  # the busiest agency of all
            at = began + timedelta(days=3 * life)
            before, after = entry(0, signed=life - 1), entry(0, signed=life)
            info = baseline.load_info(conn, SOURCE)
            baseline.end_versions(conn, SOURCE, [before.key], life + 1, at)
            baseline.begin_versions(conn, SOURCE, [NewVersion(after, after.key)], life + 1, at)
            baseline.advance(conn, info, number=life + 1, last_good_at=at)
            conn.execute(
                sa.insert(ChangesetRow).values(
                    id=life, source=SOURCE, number=life + 1, at=at, fanned_out_at=at
                )
            )
            changed = Change(Kind.CHANGED, before=before, after=after, fields=("since", "url"))
            changes.write(conn, [published(changed, at, life)])
        number = LIVES + 2
        renewed = [entry(each, "Task Force Model", 30) for each in range(1, RENEWED + 1)]
        left = [each.key for each in old[RENEWED + 1 : RENEWED + 1 + LEFT]]
        new = [entry(LISTED + each) for each in range(NEW)]
        info = baseline.load_info(conn, SOURCE)
        baseline.end_versions(conn, SOURCE, [*(each.key for each in renewed), *left], number, later)
        baseline.begin_versions(
            conn, SOURCE, [NewVersion(each, each.key) for each in (*renewed, *new)], number, later
        )
        baseline.advance(conn, info, number=number, last_good_at=later)
        conn.execute(
            sa.insert(ChangesetRow).values(
                id=number, source=SOURCE, number=number, at=later, fanned_out_at=later
            )
        )
        added = [Change(Kind.ADDED, after=each) for each in new[:276]]
        changes.write(conn, [published(each, later, number) for each in added])
    return now


def published(change: Change, at: datetime, changeset: int) -> StoredChange:
    return StoredChange(
        SOURCE,
        change,
        change.subject.key,
        State.PUBLISHED,
        at,
        not_before=at - timedelta(hours=3),
        ended_at=at,
        changeset=changeset,
    )


def ask(client: httpx.Client, address: str, path: str, language: str = "en") -> str:
    answer = client.get(address + path, headers={"Accept-Language": language}, follow_redirects=True)
    assert answer.status_code == 200, path
    assert len(answer.content) <= LARGEST, (path, len(answer.content))
    return answer.text


@pytest.mark.parametrize("language", ["en", "es"])
def test_no_page_of_the_record_is_larger_than_100_kb(
    address: str, client: httpx.Client, language: str
) -> None:
    its = agency_path(SOURCE, "a0")
    for path in (
        f"/list/{SOURCE}",
        f"/list/{SOURCE}?at=2025-06-01&page=9",
        f"/compare/{SOURCE}?from=2025-03-02&to={END}",
        f"/changes/{LIVES + 2}",
        "/changes",
        its,
        f"/absence/{SOURCE}?day=2026-01-31&who=sheriff",
        "/change/1",
    ):
        ask(client, address, path, language)


def test_every_difference_of_a_year_is_on_some_page(address: str, client: httpx.Client) -> None:
    first = ask(client, address, f"/compare/{SOURCE}?from=2025-03-02&to={END}")
    assert set(re.findall(r"state=([A-Z]{2})", first)) == set(STATES)
    found: list[str] = []
    for state in STATES:
        path = f"/compare/{SOURCE}?from=2025-03-02&to={END}&state={state}"
        first = ask(client, address, path)
        pages = max(map(int, re.findall(r"&amp;page=(\d+)", first)), default=1)
        for page in range(1, pages + 1):
            text = ask(client, address, f"{path}&page={page}")
            found += re.findall(r'<li><p class="name"><a href="(/agency/[^"]+)"', text)
    assert len(found) == len(set(found)) == NEW + LEFT + RENEWED + 1
    assert pages > 1


def test_of_a_long_life_every_version_is_on_some_page(address: str, client: httpx.Client) -> None:
    path = agency_path(SOURCE, "a0")
    page = ask(client, address, path)
    pages = max(map(int, re.findall(r"\?page=(\d+)", page)))
    texts = [page, *(ask(client, address, f"{path}?page={number}") for number in range(2, pages + 1))]
    proofs = [number for text in texts for number in re.findall(r'href="/change/(\d+)"', text)]
    assert len(proofs) == len(set(proofs)) == LIVES
    documents = {
        each for text in texts for each in re.findall(r'href="(https://[^"]+addendum-\d+\.pdf)"', text)
    }
    assert len(documents) == LIVES + 1
    assert sum("There at our first check" in text for text in texts) == 1
    assert client.get(f"{address}{path}?page={pages + 1}").status_code == 404
    (whole,) = re.findall(r'href="(/api/v1/agencies/[^"]+)"', page)
    assert len(client.get(address + whole).json()["versions"]) == LIVES + 1
