"""Tier 1 of "What may be believed": a snapshot that cannot be true is refused as a whole and touches
nothing.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from msgspec import structs

from monitor.core.guard.recent_changes import RecentChanges
from monitor.domain import Change, Kind, Listing, PastChange, Policy, State
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
    [(100, 21, True), (100, 20, False), (8, 6, True), (8, 5, False), (5, 2, False), (2, 1, False)],
)
def test_more_than_a_fifth_and_more_than_five_missing_at_once_are_rejected(
    total: int, gone: int, rejected: bool
) -> None:
    rows = agencies(total)
    reason = Source(publication(rows)).poll(publication(rows[gone:]))
    assert bool(reason) is rejected
    if reason:
        assert reason == (
            f"{gone} of {total} listings are missing at once; more than 20% is not believed. The file may be "
            "cut off, or another list. If it is still published on 2026-03-05 13:00 UTC, its changes are "
            "judged one by one."
        )


def test_what_was_missing_before_does_not_make_the_next_snapshot_look_bad() -> None:
    rows = agencies(100)
    source = Source(publication(rows))
    assert source.poll(publication(rows[15:])) is None
    assert source.poll(publication(rows[22:])) is None
    assert len(source.stands(State.HELD)) == 22


def test_a_column_lost_with_most_of_its_listings_is_rejected() -> None:
    rows = [
        *agencies(30),
        *(agency(f"Marshal {x * 5}", county="Lake") for x in "ABCDEFGHIJ"),
    ]
    source = Source(publication(rows))
    reason = source.poll(publication(rows[:31], columns=frozenset({"name", "state"})))
    assert reason
    assert reason.startswith(
        'The column "county" is gone, and with it 9 of the 10 listings that had something there.'
    )


def test_a_column_lost_with_half_of_its_listings_does_not_explain_what_is_missing() -> None:
    rows = [
        *agencies(30),
        *(agency(f"Marshal {x * 5}", county="Lake") for x in "ABCDEFGHIJ"),
    ]
    source = Source(publication(rows))
    reason = source.poll(publication([*rows[:10], *rows[30:35]], columns=frozenset({"name", "state"})))
    assert reason
    assert reason.startswith("25 of 40 listings are missing at once")


def test_a_column_that_disappears_without_loss_of_listings_is_taken_silently() -> None:
    rows = agencies(10, county="Lake")
    source = Source(publication(rows))
    assert source.poll(publication([structs.replace(x, county=None) for x in rows])) is None
    assert not source.events
    assert {x.county for x in source.accepted} == {None}


def test_a_folder_lost_with_most_of_its_listings_is_rejected() -> None:
    rows = [
        *agencies(30, folder="Police"),
        *(agency(f"{x * 5} Fire", folder="Fire") for x in "ABCDEFGHIJ"),
    ]
    source = Source(publication(rows))
    reason = source.poll(publication([*rows[:30], structs.replace(rows[30], folder="Police")]))
    assert reason
    assert reason.startswith('The folder "Fire" is gone, and with it 9 of its 10 listings.')


def test_a_small_folder_that_is_lost_is_held_and_what_joins_is_told() -> None:
    fire = [agency(f"{x * 5} Fire", folder="Fire") for x in "ABC"]
    rows = agencies(30, folder="Police")
    source = Source(publication([*rows, *fire]))
    assert source.poll(publication(rows)) is None
    assert source.poll(publication([*rows, agency("Quincy Police", folder="Police")])) is None
    assert source.told() == ["Quincy Police"]
    source.settle()
    assert len(source.told(Kind.REMOVED)) == 3
    assert source.now == START + HOUR + 5 * DAY


def test_a_rejection_ends_after_three_days_and_its_changes_are_held() -> None:
    rows = agencies(60)
    source = Source(publication(rows))
    missing = publication(rows[20:])
    for _ in range(72):
        assert source.poll(missing)
    assert source.poll(publication([*rows[20:], agency("Quincy Police")])) is None
    assert source.told() == ["Quincy Police"]
    assert len(source.stands(State.HELD)) == 20
    source.settle()
    assert len(source.told(Kind.REMOVED)) == 20
    assert source.now - START == HOUR + 8 * DAY  # the longest wait by our own rules


def test_a_rejection_that_goes_back_in_between_begins_anew() -> None:
    rows = agencies(60)
    source = Source(publication(rows))
    for _ in range(2):
        for _ in range(70):
            assert source.poll(publication(rows[20:]))
        assert source.poll(publication(rows)) is None
    assert source.poll(publication(rows[20:]))
    assert not source.events


def test_a_folder_that_is_renamed_is_silent_even_when_listings_leave_with_it() -> None:
    rows = agencies(100, folder="Layer 1")
    source = Source(publication(rows))
    renamed = publication([structs.replace(x, folder="Participants") for x in rows[3:]])
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


@pytest.mark.parametrize(("more", "later"), [(1, 2 * HOUR), (5, 2 * DAY), (6, 23 * HOUR)])
def test_a_list_of_before_waits_a_day_whatever_its_age_and_however_little_differs(
    more: int, later: timedelta
) -> None:
    rows = agencies(60)
    source = Source(publication(rows[: 60 - more]))
    source.poll(publication(rows))
    source.wait(later - HOUR)
    for _ in range(24):
        assert source.poll(publication(rows[: 60 - more]))
    assert source.poll(publication(rows[: 60 - more])) is None


def test_an_old_copy_for_an_hour_is_never_mentioned() -> None:
    rows = agencies(60)
    old, new = publication(rows[1:]), publication([*rows[:-1], agency("Quincy Police")])
    source = Source(old)
    source.poll(new)
    source.wait(11 * HOUR)
    told = source.told()
    assert source.poll(old)
    assert source.poll(new) is None
    source.settle()
    assert source.told() == told


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
    # of several dates of an agency the latest counts
    several = [structs.replace(row, dates=(date(2020, 1, 1), row.since)) for row in future if row.since]
    source = Source(publication(rows, columns=frozenset({"since"})), now=START)
    assert bool(source.poll(publication([*rows, *several], columns=frozenset({"since"})))) is rejected


def test_ids_that_were_handed_out_anew_are_no_chain_of_renames() -> None:
    names = [f"{x} Police" for x in ("Ash", "Birch", "Cedar", "Dell", "Elm", "Fern", "Glen")]
    source = Source(publication([agency(name, source_id=str(n)) for n, name in enumerate(names)]))
    again = publication([agency(name, source_id=str(n)) for n, name in enumerate(names[1:])])
    assert source.poll(again) is None
    source.wait(3 * HOUR)
    assert [(x.change.kind, x.change.subject.name) for x in source.events] == [(Kind.REMOVED, "Ash Police")]
    later = publication(
        [agency(name, source_id=str(n)) for n, name in enumerate([*names[1:], "Hazel Police"])]
    )
    assert source.poll(later) is None
    assert source.told(Kind.ADDED) == ["Hazel Police"]
    assert len(source.events) == 2


def test_a_list_of_which_nothing_is_accepted_yet_judges_what_comes() -> None:
    source = Source(publication([]))
    assert source.poll(publication(agencies(3))) is None
    assert len(source.told(Kind.ADDED)) == 3


def test_the_thresholds_are_the_policys() -> None:
    rows = agencies(10)
    assert Source(publication(rows), policy=Policy(missing_share=0.5)).poll(publication(rows[4:])) is None


def test_on_a_short_list_two_at_once_are_told_and_three_are_held() -> None:
    rows = agencies(6)
    two = [agency("Quincy Police"), agency("Rockford Police")]
    source = Source(publication(rows))
    assert source.poll(publication([*rows, *two])) is None
    assert sorted(source.told()) == ["Quincy Police", "Rockford Police"]
    source = Source(publication(rows))
    assert source.poll(publication([*rows, *two, agency("Salem Police")])) is None
    assert source.told() == []
    assert len(source.stands(State.HELD)) == 3


def test_who_was_renamed_is_not_remembered_as_gone_and_who_was_removed_is() -> None:
    before, after, removed = (
        structs.replace(agency(name), key=name) for name in ("Ash Police", "Ash Public Safety", "Bay Marshal")
    )
    memory = RecentChanges.of(
        [
            PastChange(Change(Kind.CHANGED, before, after, ("name",)), START),
            PastChange(Change(Kind.REMOVED, removed), START),
        ],
        START + DAY,
        Policy(),
    )
    assert (memory.gone, memory.long_gone) == ({removed.key: removed}, {})
