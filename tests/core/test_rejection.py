"""Tier 1 of "What may be believed": a snapshot that cannot be true is refused as a whole and touches
nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from monitor.domain import Kind, Listing, Policy, State
from tests.core.simulation import DAY, HOUR, START, Source, agency, publication


def agencies(count: int, **fields: object) -> list[Listing]:
    return [
        agency(f"Agency {chr(65 + n // 26)}{chr(65 + n % 26)} {n * 7919}", "IL" if n % 2 else "IN", **fields)
        for n in range(count)
    ]


def test_a_rejected_snapshot_changes_nothing_and_pending_keeps_its_clock() -> None:
    rows = agencies(20)
    source = Source(publication(rows))
    source.poll(publication(rows[1:]))
    standing, accepted = source.standing, source.accepted
    assert source.stands(State.PENDING)
    assert source.poll(publication(rows[10:]), after=timedelta(minutes=20))
    assert (source.standing, source.accepted, source.events) == (standing, accepted, [])
    source.poll(publication(rows[1:]), after=timedelta(minutes=20))
    assert source.told(Kind.REMOVED) == [rows[0].name]


@pytest.mark.parametrize(
    ("total", "gone", "rejected"),
    [(100, 21, True), (100, 20, False), (5, 2, True), (5, 1, False), (3, 1, False), (2, 1, False)],
)
def test_more_than_a_fifth_missing_at_once_is_rejected_but_not_one_of_a_few(
    total: int, gone: int, rejected: bool
) -> None:
    rows = agencies(total)
    reason = Source(publication(rows)).poll(publication(rows[gone:]))
    assert bool(reason) is rejected
    if reason:
        assert reason == f"{gone} of {total} listings are missing at once; more than 20% is not believed."


def test_what_was_missing_before_does_not_make_the_next_snapshot_look_bad() -> None:
    rows = agencies(100)
    source = Source(publication(rows))
    assert source.poll(publication(rows[15:])) is None
    assert source.poll(publication(rows[22:])) is None
    assert len(source.stands(State.HELD)) == 22


def test_a_column_lost_with_most_of_its_listings_is_rejected() -> None:
    rows = [
        *agencies(30),
        *(agency(f"Marshal {x}", county="Lake") for x in ("Ash", "Birch", "Cedar")),
    ]
    source = Source(publication(rows))
    reason = source.poll(publication(rows[:31], columns=frozenset({"name", "state"})))
    assert reason == 'The column "county" is gone, and with it 2 of the 3 listings that had something there.'


def test_a_column_that_disappears_without_loss_of_listings_is_taken_silently() -> None:
    rows = agencies(10, county="Lake")
    source = Source(publication(rows))
    assert source.poll(publication([replace(x, county=None) for x in rows])) is None
    assert not source.events
    assert {x.county for x in source.accepted} == {None}


def test_a_folder_lost_with_most_of_its_listings_is_rejected() -> None:
    rows = [
        *agencies(30, folder="Police"),
        *(agency(f"{x} Fire", folder="Fire") for x in ("Ash", "Birch", "Cedar")),
    ]
    source = Source(publication(rows))
    assert (
        source.poll(publication([*rows[:30], replace(rows[30], folder="Police")]))
        == 'The folder "Fire" is gone, and with it 2 of its 3 listings.'
    )


def test_a_folder_that_is_renamed_is_silent_even_when_listings_leave_with_it() -> None:
    rows = agencies(100, folder="Layer 1")
    source = Source(publication(rows))
    renamed = publication([replace(x, folder="Participants") for x in rows[3:]])
    assert source.poll(renamed) is None
    source.poll()
    assert sorted(source.told(Kind.REMOVED)) == sorted(x.name for x in rows[:3])
    assert not source.stands(State.HELD)


def test_a_stale_list_put_up_again_is_rejected() -> None:
    rows = agencies(60)
    source = Source(publication(rows[:54]))
    source.poll(publication(rows))
    source.wait(2 * DAY)
    reason = source.poll(publication(rows[:54]))
    assert reason
    assert "published before, until 2026-03-02 12:00 UTC" in reason
    assert "6 listings" in reason


@pytest.mark.parametrize(("more", "later"), [(5, 2 * DAY), (6, 23 * HOUR)])
def test_a_list_of_before_is_believed_if_little_differs_or_it_is_a_day_old(
    more: int, later: timedelta
) -> None:
    rows = agencies(60)
    source = Source(publication(rows[: 60 - more]))
    source.poll(publication(rows))
    source.wait(later - HOUR)
    assert source.poll(publication(rows[: 60 - more])) is None


def test_a_list_that_never_went_away_is_not_stale() -> None:
    rows = agencies(300)
    source = Source(publication(rows[:230]))
    source.poll(publication(rows))
    source.wait(20 * HOUR)
    assert len(source.stands(State.HELD)) == 70
    source.wait(2 * DAY)
    assert len(source.told(Kind.ADDED)) == 70


@pytest.mark.parametrize(("count", "days", "rejected"), [(3, 2, True), (2, 2, False), (3, 1, False)])
def test_three_new_rows_dated_in_the_future_are_rejected(count: int, days: int, rejected: bool) -> None:
    rows = agencies(20)
    future = [
        agency(f"{x} Marshal", since=date(2026, 3, 2) + timedelta(days=days))
        for x in ("Ash", "Birch", "Cedar")[:count]
    ]
    source = Source(publication(rows, columns=frozenset({"since"})), now=START)
    reason = source.poll(publication([*rows, *future], columns=frozenset({"since"})))
    assert bool(reason) is rejected
    assert reason is None or "date in the future" in reason


def test_ids_that_were_handed_out_anew_are_rejected_and_no_chain_of_renames() -> None:
    names = [f"{x} Police" for x in ("Ash", "Birch", "Cedar", "Dell", "Elm", "Fern", "Glen")]
    source = Source(publication([agency(name, source_id=str(n)) for n, name in enumerate(names)]))
    reason = source.poll(publication([agency(name, source_id=str(n)) for n, name in enumerate(names[1:])]))
    assert reason
    assert "given to other rows" in reason


def test_a_list_of_which_nothing_is_accepted_yet_judges_what_comes() -> None:
    source = Source(publication([]))
    assert source.poll(publication(agencies(3))) is None
    assert len(source.told(Kind.ADDED)) == 3


def test_the_thresholds_are_the_policys() -> None:
    rows = agencies(10)
    assert Source(publication(rows), policy=Policy(missing_share=0.5)).poll(publication(rows[4:])) is None
