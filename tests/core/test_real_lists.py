"""The accidents and the genuine changes of real 287(g) workbooks ("What may be believed", last paragraph)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from monitor.core import guard
from monitor.domain import Kind, Publication, State
from monitor.sources import ColumnMap, ParseOptions, parse
from tests.core.simulation import DAY, HOUR, Source

SPEC = ParseOptions(
    "ice-287g",
    "table",
    ColumnMap(
        name="LAW ENFORCEMENT AGENCY",
        state="STATE",
        county="COUNTY",
        since="SIGNED",
        url="MOA",
        attributes=("SUPPORT TYPE", "TYPE", "ADDENDUM"),
    ),
)
HISTORY = {
    "ParticipatingEntities-20210113002027": "2021-01-13",
    "ParticipatingEntities-20250219163339": "2025-02-19",
    "participatingAgencies-20250221214937": "2025-02-21",
    "participatingAgencies-20250224233101": "2025-02-24",
    "participatingAgencies-20250226183301": "2025-02-26",
    "participatingAgencies-20250410231052": "2025-04-10",
    "participatingAgencies04292025pm": "2025-04-29",
    "participatingAgencies02172026pm": "2026-02-17",
    "participatingAgencies02272026am": "2026-02-27",
    "participatingAgencies03022026am": "2026-03-02",
    "participatingAgencies03122026am": "2026-03-12",
    "participatingAgencies03132026am": "2026-03-13",
    "participatingAgencies05142026am": "2026-05-14",
    "participatingAgencies05182026am": "2026-05-18",
}


@cache
def release(shared: Path, words: str) -> Publication:
    (path,) = (shared / "data" / "ice_287g").glob(f"*{words}*.xlsx")
    return parse(path.read_bytes(), SPEC)


def names(source: Source, kind: Kind) -> list[tuple[str, str | None]]:
    return [(x.change.subject.name, x.change.subject.state) for x in source.events if x.change.kind is kind]


def renames(source: Source) -> set[tuple[str, str]]:
    return {
        (x.change.before.name, x.change.after.name)
        for x in source.events
        if x.change.renamed and x.change.before and x.change.after
    }


def test_a_misspelt_state_hides_no_true_removal_and_makes_no_event(shared: Path) -> None:
    source = Source(release(shared, "02172026pm"))
    assert source.poll(release(shared, "02272026am")) is None
    source.wait(2 * HOUR)
    assert sorted(names(source, Kind.REMOVED)) == [
        ("Carroll County Sheriff\u2019s Office", "MD"),
        ("Cecil County Sheriff's Office", "MD"),
        ("Harford County Sheriff's Office", "MD"),
        ("St. Mary's County Sheriff's Office", "MD"),
        ("Wicomico County Corrections Center", "MD"),
    ]
    assert ("Carroll County Sheriff's Office", "KY") in names(source, Kind.ADDED)
    assert renames(source) == {
        (
            "Department of Public Safety-Crime Information Center",
            "Arkansas Department of Public Safety-Crime Information Center",
        )
    }
    pennsylvania = {x.change.subject.name for x in source.events if x.change.subject.state == "PA"}
    told = len(source.events)
    assert source.poll(release(shared, "03022026am"), after=3 * DAY) is None
    source.settle()
    assert Counter(x.change.kind for x in source.events[told:]) == {Kind.ADDED: 6}
    new = {x.name for x in release(shared, "02272026am").listings} - {
        x.name for x in release(shared, "02172026pm").listings
    }
    assert pennsylvania <= new


def test_a_day_of_additions_is_published_at_once_and_two_of_them_are_only_spelled_differently(
    shared: Path,
) -> None:
    """37 keys are new, of which two differ from a listing of the same agency in the apostrophe only."""
    before, after = release(shared, "20250224"), release(shared, "20250226")
    assert (len(before.listings), len(after.listings)) == (143, 180)
    source = Source(before)
    source.poll(after)
    assert Counter(x.change.kind for x in source.events) == {Kind.ADDED: 35, Kind.CHANGED: 39}
    assert {x.change.fields for x in source.events if x.change.kind is Kind.CHANGED} == {("SUPPORT TYPE",)}
    assert not source.standing


def test_a_bulk_of_additions_is_held_and_released_after_a_day(shared: Path) -> None:
    source = Source(release(shared, "20250226"))
    source.poll(release(shared, "20250410"))
    assert len(source.stands(State.HELD)) == 167
    assert renames(source) >= {
        ("Gulf County BOCC", "Gulf County Board of County Commissioners"),
        ("Department of Corrections", "Alaska Department of Corrections"),
    }
    source.wait(23 * HOUR)
    assert not names(source, Kind.ADDED)
    source.wait(HOUR)
    assert len(names(source, Kind.ADDED)) == 167
    assert set(source.accepted) == set(source.last.listings)


def test_two_removals_are_clean_and_changed_links_are_quiet(shared: Path) -> None:
    source = Source(release(shared, "03122026am"))
    source.poll(release(shared, "03132026am"))
    assert sum(one.change.quiet for one in source.judgments) == 5
    assert not source.events
    source.wait(HOUR)
    assert sorted(names(source, Kind.REMOVED)) == [
        ("Lewisville Police Department", "IN"),
        ("Palmyra Police Department", "WI"),
    ]
    assert len(source.events) == 2


def test_ten_added_two_removed_one_changed(shared: Path) -> None:
    source = Source(release(shared, "05142026am"), now=datetime(2026, 5, 18, tzinfo=UTC))
    source.poll(release(shared, "05182026am"))
    source.settle()
    assert Counter(x.change.kind for x in source.events) == {Kind.ADDED: 10, Kind.REMOVED: 2, Kind.CHANGED: 1}


@pytest.mark.parametrize(
    ("before", "after", "column"),
    [
        ("20250219", "20250221", "TYPE"),
        ("20250226", "20250410", "county"),
        ("04292025pm", "02172026pm", "ADDENDUM"),
    ],
)
def test_a_column_that_appears_is_no_loud_change(shared: Path, before: str, after: str, column: str) -> None:
    source = Source(release(shared, before))
    assert source.poll(release(shared, after)) is None
    assert column in source.last.columns - source.first.columns
    assert not any(column in one.change.fields for one in source.judgments if not one.change.quiet)


def test_a_then_b_then_a_is_two_changes(shared: Path) -> None:
    a, b = release(shared, "03132026am"), release(shared, "03122026am")
    source = Source(a)
    source.poll(b)
    source.insist(a)
    source.settle()
    assert Counter(names(source, Kind.ADDED)) == Counter(names(source, Kind.REMOVED))
    assert Counter(x.change.kind for x in source.events) == {Kind.ADDED: 2, Kind.REMOVED: 2}
    assert set(source.accepted) == set(a.listings)


def test_the_whole_history_ends_at_its_last_release_and_rejects_none(shared: Path) -> None:
    times = [datetime.fromisoformat(f"{day}T21:00+00:00") for day in HISTORY.values()]
    source = Source(release(shared, next(iter(HISTORY))), now=times[0])
    for words, time, until in zip([*HISTORY][1:], times[1:], [*times[2:], times[-1] + 30 * DAY], strict=True):
        assert source.poll(release(shared, words), after=time - source.now) is None
        while (due := guard.next_due(source.standing, source.policy)) and due < until:
            source.poll(after=max(due - source.now, HOUR))
    assert set(source.accepted) == set(source.last.listings)
    kinds = Counter("renamed" if x.change.renamed else x.change.kind.value for x in source.events)
    assert kinds == {"added": 1451, "removed": 47, "renamed": 25, "changed": 170}
