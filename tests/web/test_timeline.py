"""Much at once: a changeset of hundreds, a hold of hundreds, and a past of many pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser
from sqlalchemy.engine import Connection, Engine

from monitor.domain import Change, Kind, Listing, Placement, State
from monitor.states import STATES
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import changes, timeline
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.coverage import Coverage
from monitor.storage.lists.tables import ChangesetRow, FetchRow, SourceRow
from monitor.web import create_app
from monitor.web.held_changes import HeldChanges
from tests.peers.browser import served, visit
from tests.web.story import HOUR, SOURCE, Clock, locate, site
from tests.web.test_pages import words


def rows(
    count: int, state: State, at: datetime, *, changeset: int | None = None, held: bool = True
) -> list[StoredChange]:
    """Agencies that were added, one in each state in turn, and every so often one whose state nobody gave."""
    codes = [*STATES, None]
    found = []
    for number in range(count):
        listing = Listing(
            name=f"Town {number:03} Police Department",
            state=codes[number % len(codes)],
            attributes=(("Type", "Jail"),),
        )
        found.append(
            StoredChange(
                SOURCE,
                Change(Kind.ADDED, after=listing),
                f"{listing.state}|{at}|{number}",
                state,
                at - HOUR,
                at - 2 * HOUR,
                was_held=held,
                ended_at=None if state is State.HELD else at,
                release_at=at + 24 * HOUR if state is State.HELD else None,
                changeset=changeset,
            )
        )
    return found


def publish(conn: Connection, number: int, at: datetime, count: int, *, held: bool = False) -> int:
    conn.execute(
        sa.insert(ChangesetRow).values(id=number, source=SOURCE, number=number, at=at, fanned_out_at=at)
    )
    changes.write(conn, rows(count, State.PUBLISHED, at, changeset=number, held=held))
    return number


@pytest.fixture
def large(sqlite_engine: Engine, now: datetime) -> Iterator[str]:
    """A site with a changeset of 600 and a hold of 300."""
    with transaction(sqlite_engine) as conn:
        conn.execute(
            sa.insert(SourceRow).values(
                name=SOURCE, number=1, fingerprint="", columns=[], folders=[], last_good_at=now
            )
        )
        conn.execute(sa.insert(FetchRow).values(source=SOURCE, at=now, outcome="good", reason=""))
        publish(conn, 1, now, 600, held=True)
        publish(conn, 2, now, 45)  # enough to be sorted by state, and quick to examine
        changes.write(conn, rows(300, State.HELD, now))
    with served(create_app(site(sqlite_engine, Clock(now)))) as address:
        yield address


def test_a_changeset_of_hundreds_is_an_index_of_states_whose_every_link_leads_to_its_agencies(
    large: str, client: httpx.Client
) -> None:
    first = client.get(f"{large}/changes/1").text
    index = re.findall(r'<li><a href="([^"#]*)#(\w+)">([^<]+) <span class="soft">(\d+)</span>', first)
    names = [name.strip() for _, _, name, _ in index]
    assert names[:-1] == sorted(STATES.values())
    assert names[-1] == "No state given"
    assert sum(int(count) for *_, count in index) == 600
    pages = {"": first} | {
        f"/changes/1?page={page}": client.get(f"{large}/changes/1?page={page}").text for page in (2, 3, 4)
    }
    counted: Counter[str] = Counter()
    for page in pages.values():
        for section in page.split("<section aria-")[1:]:
            anchor = re.match(r'labelledby="(\w+)"', section)
            assert anchor
            counted[anchor[1]] += section.count('<li id="c')
    assert counted == {anchor: int(count) for _, anchor, _, count in index}
    assert all(f'<h3 id="{anchor}">' in pages[where] for where, anchor, *_ in index)
    seen = Counter(re.findall(r'<li id="(c\d+)"', "".join(pages.values())))
    assert len(seen) == 600
    assert set(seen.values()) == {1}
    said = words(first)
    assert said.count("Announced after a wait") == 1
    assert said.count("All this happened between our checks") == 1
    assert "Not there at our check" not in said
    assert client.get(f"{large}/changes/1?page=5").status_code == 404
    shorter = words(client.get(f"{large}/changes/2").text)
    assert shorter.count("Type: Jail") == shorter.count("For each of them: Camera Co adds: Type: Jail.") == 1


def test_the_outline_of_a_state_stands_only_beside_changes_of_that_state_alone(
    sqlite_engine: Engine, now: datetime, large: str, client: httpx.Client
) -> None:
    """The first of many agencies is in Alabama, the others in every state."""
    assert '<svg class="mini' not in client.get(large).text
    with transaction(sqlite_engine) as conn:
        publish(conn, 3, now + HOUR, 1)
    page = client.get(f"{large}/?lang=en").text  # not the one that is kept
    assert page.count('<svg class="mini added"') == 1


def test_a_feed_does_not_end_within_a_changeset(large: str, client: httpx.Client) -> None:
    newest = client.get(f"{large}/feed.atom").text
    assert set(re.findall(r"<id>https://watch.example/changes/(\d)#c\d+", newest)) == {"1", "2"}
    assert newest.count("<entry>") == 45 + 500


def test_a_hold_of_hundreds_is_told_by_state_and_named_on_each_state_s_page(
    large: str, client: httpx.Client
) -> None:
    page = client.get(f"{large}/changes").text
    said = words(page)
    assert "Not confirmed: 300 agencies appeared at once" in said
    assert "All 300, by state" in said
    assert page.count('/state/TX#held"') == 1
    assert said.count("Police Department") < 20
    texas = words(client.get(f"{large}/state/TX").text)
    assert "Not confirmed: 300 agencies appeared at once" in texas
    assert "that concern this place" in texas


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_a_changeset_of_hundreds_is_accessible_and_fits_a_phone(large: str, browser: Browser) -> None:
    with visit(browser, f"{large}/changes/2") as seen:
        assert seen.violations() == []
        seen.page.get_by_role("link", name=re.compile("^Hawaii")).first.click()
        assert seen.page.url.endswith("#HI")
        assert not seen.overflows()
        seen.page.goto(f"{large}/changes")
        seen.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert seen.violations() == []


def test_what_is_held_is_placed_once_and_again_when_the_list_moves(
    sqlite_engine: Engine, now: datetime
) -> None:
    placed: list[str] = []

    def counting(source: str, listing: Listing) -> Placement:
        placed.append(listing.name)
        return locate(source, listing)

    with transaction(sqlite_engine) as conn:
        conn.execute(
            sa.insert(SourceRow).values(name=SOURCE, number=1, fingerprint="", columns=[], folders=[])
        )
        changes.write(conn, rows(60, State.HELD, now))
    waiting = HeldChanges([SOURCE], Coverage(sqlite_engine, [SOURCE], counting))
    with reading(sqlite_engine) as conn:
        (texas,) = waiting.here(conn, ["TX"])
        for code in STATES:
            waiting.here(conn, [code])
    assert len(placed) == 60
    assert [row.change.subject.state for row in texas.rows] == ["TX"]
    assert texas.hold.count == 60
    with transaction(sqlite_engine) as conn:
        (row,) = texas.rows
        conn.execute(
            sa.update(changes.tables.ChangeRow).where(sa.column("id") == row.id).values(state="withdrawn")
        )
        conn.execute(sa.update(SourceRow).values(number=2))
    with reading(sqlite_engine) as conn:
        assert waiting.here(conn, ["TX"]) == ()
        assert waiting.all(conn)[0].count == 59


def test_a_past_of_many_pages_is_walked_without_a_repetition_or_a_loss(
    sqlite_engine: Engine, now: datetime, client: httpx.Client
) -> None:
    day = timedelta(days=1)
    with transaction(sqlite_engine) as conn:
        conn.execute(
            sa.insert(SourceRow).values(
                name=SOURCE, number=1, fingerprint="", columns=[], folders=[], last_good_at=now
            )
        )
        for number in range(1, 46):
            # some at one moment, so that a page's end falls between them
            publish(conn, number, now - (number // 3) * day, 1)
        for number in range(12):
            changes.write(conn, rows(number + 1, State.WITHDRAWN, now - (3 * number + 1) * HOUR))
        for number in range(8):
            conn.execute(
                sa.insert(FetchRow).values(
                    source=SOURCE, at=now - 3 * number * day, outcome="good", reason=""
                )
            )
    found: list[str] = []
    pages = 0
    with served(create_app(site(sqlite_engine, Clock(now)))) as address:
        path = "/changes"
        while path:
            text = client.get(address + path).text
            found += re.findall(r'href="(/changes/\d+)"', text)
            found += re.findall(r"<strong>Withdrawn:</strong>\s+(\S+ [ac]\w+)", text)
            found += re.findall(r"<p>Between (<time.*?</time>)", text)
            following = re.search(r'href="(/changes\?before=\d+)" rel="next"', text)
            path = following[1] if following else ""
            pages += 1
        assert "There is nothing earlier." in client.get(f"{address}/changes?before=1").text
        assert client.get(f"{address}/changes?before=99999999999999999").status_code == 200
    assert pages == 4
    assert (
        len([each for each in found if each.startswith("/changes/")])
        == len(set(found) & {f"/changes/{n}" for n in range(1, 46)})
        == 45
    )
    assert len([each for each in found if each.endswith("agencies")]) == 11
    assert len([each for each in found if each.startswith("<time")]) == 7


def test_what_was_withdrawn_is_counted_whole_however_few_are_named(engine: Engine, now: datetime) -> None:
    with transaction(engine) as conn:
        changes.write(conn, rows(70, State.WITHDRAWN, now) + rows(5, State.WITHDRAWN, now - HOUR))
        changes.write(conn, rows(3, State.WITHDRAWN, now, held=False))  # never shown
    with reading(engine) as conn:
        found = timeline.load_withdrawn(conn, named=10)
        assert [(hold.count, len(hold.rows)) for hold in found] == [(70, 10), (5, 5)]
        assert [hold.count for hold in timeline.load_withdrawn(conn, before=now)] == [5]
