"""Tier 2 of "What may be believed": every change has a state and a clock of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from msgspec import structs

from monitor.core import guard
from monitor.domain import Kind, Listing, PastChange, Policy, State
from tests.core.simulation import DAY, HOUR, START, Source, agency, publication

MINUTE = timedelta(minutes=1)
TREES = [
    "Alder",
    "Aspen",
    "Banyan",
    "Birch",
    "Catalpa",
    "Cypress",
    "Dogwood",
    "Ebony",
    "Fig",
    "Ginkgo",
    "Hawthorn",
    "Hickory",
    "Juniper",
    "Katsura",
    "Larch",
    "Magnolia",
    "Nutmeg",
    "Olive",
    "Poplar",
    "Quince",
    "Redwood",
    "Sassafras",
    "Tamarack",
    "Umbrella",
    "Viburnum",
    "Walnut",
    "Xylosma",
    "Yew",
    "Zelkova",
    "Mulberry",
    "Hornbeam",
    "Buckeye",
    "Sequoia",
    "Persimmon",
]
ROLES = (
    "Police",
    "Sheriff",
    "Marshal",
    "Constable",
    "Jail",
    "Rangers",
    "Airport",
    "Harbor",
    "Campus",
    "Transit",
)


def agencies(count: int, state: str = "IL", **fields: object) -> list[Listing]:
    """Agencies whose names are too different to be one another."""
    return [agency(f"{TREES[n % 34]} {ROLES[n // 34]}", state, **fields) for n in range(count)]


ROWS = agencies(100)
NEW = agencies(200, "IN")
BASE = publication(ROWS)


def test_an_addition_a_change_and_a_rename_are_published_at_once() -> None:
    source = Source(
        publication([agency("Ash Police Dept", since=date(2020, 1, 1)), agency("Bay Marshal"), *ROWS])
    )
    source.poll(
        publication(
            [
                agency("Ash Police Department", since=date(2020, 1, 1)),
                agency("Bay Marshal", county="Lake"),
                agency("Fern Jail", "IN"),
                *ROWS,
            ],
            columns=source.first.columns | {"county"},
        )
    )
    assert source.told() == ["Ash Police Department", "Fern Jail"]
    source = Source(publication([agency("Bay Marshal", county="Polk"), *ROWS]))
    source.poll(publication([agency("Bay Marshal", county="Lake"), *ROWS]))
    assert source.told(Kind.CHANGED) == ["Bay Marshal"]


@pytest.mark.parametrize(("minutes", "published"), [(29, False), (30, True), (60, True)])
def test_a_removal_is_published_when_it_is_missing_in_two_good_polls_half_an_hour_apart(
    minutes: int, published: bool
) -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[1:]))
    assert source.stands(State.PENDING) == [ROWS[0].name]
    source.poll(after=minutes * MINUTE)
    assert source.told() == ([ROWS[0].name] if published else [])


def test_a_removed_agency_is_announced_once() -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[1:]))
    source.wait(DAY)
    assert source.told() == [ROWS[0].name]


def test_a_removal_keeps_its_clock_while_other_content_changes() -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[1:]))
    source.poll(publication([*ROWS[1:], NEW[0]]), after=20 * MINUTE)
    source.poll(publication([*ROWS[1:], *NEW[:2]]), after=20 * MINUTE)
    assert source.told(Kind.REMOVED) == [ROWS[0].name]


def test_a_listing_missing_for_one_poll_is_never_mentioned() -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[1:]))
    (gone,) = source.standing
    assert guard.find_withdrawn([], source.standing) == (gone,)
    source.poll(BASE)
    source.wait(DAY)
    assert not source.events
    assert not source.standing


def test_an_addition_that_pairs_with_a_pending_removal_is_a_rename_and_the_removal_is_withdrawn() -> None:
    day = date(2020, 1, 1)
    source = Source(publication([agency("Freedom County Sheriff", "MN", since=day), *ROWS]))
    source.poll(publication(ROWS, columns=source.first.columns))
    assert source.stands(State.PENDING)
    source.poll(publication([agency("Freeborn County Sheriff", "MN", since=day), *ROWS]), after=20 * MINUTE)
    assert [event.change.kind for event in source.events] == [Kind.CHANGED]
    assert not source.standing


@pytest.mark.parametrize(("count", "held"), [(50, False), (51, True)])
def test_more_than_fifty_additions_wait_a_day(count: int, held: bool) -> None:
    source = Source(BASE)
    source.poll(publication([*ROWS, *NEW[:count]]))
    assert len(source.stands(State.HELD)) == (count if held else 0)
    source.wait(23 * HOUR)
    assert len(source.told()) == (0 if held else count)
    source.wait(HOUR)
    assert len(source.told()) == count
    assert {event.judgment.held for event in source.events} == {held}


def test_the_reason_of_a_hold_counts_and_says_how_long() -> None:
    source = Source(BASE)
    source.poll(publication([*ROWS, *NEW[:60]]))
    assert (
        source.standing[0].reason
        == "60 agencies appeared at once; more than 50 additions in 24 hours wait a day."
    )
    assert source.standing[0].release_at == source.now + DAY


def test_the_limit_of_a_long_list_is_its_share() -> None:
    many = [agency(f"{a} {b} {r}") for a in TREES[:12] for b in TREES[12:22] for r in ROLES[:5]]
    source = Source(publication(many))
    source.poll(publication([*many, *NEW[:60]]))
    assert len(source.told()) == 60


@pytest.mark.parametrize(("count", "held"), [(5, False), (6, True)])
def test_more_than_five_removals_wait_five_days(count: int, held: bool) -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[count:]))
    source.wait(4 * DAY)
    assert len(source.told()) == (0 if held else count)
    source.wait(DAY)
    assert len(source.told()) == count


@pytest.mark.parametrize(("count", "held"), [(20, False), (21, True)])
def test_more_than_twenty_renames_wait_five_days(count: int, held: bool) -> None:
    def named(words: str) -> list[Listing]:
        return [agency(f"{tree} {words}", "MN", since=date(2020, 1, 1)) for tree in TREES[:count]]

    source = Source(publication([*named("Police Dept"), *ROWS]))
    source.poll(publication([*named("Police Department"), *ROWS]))
    assert [one.change.renamed for one in source.standing] == [True] * (count if held else 0)
    source.settle()
    assert source.now - START == (HOUR + 5 * DAY if held else HOUR)
    assert len(source.told(Kind.CHANGED)) == count


@pytest.mark.parametrize(("count", "held"), [(50, False), (51, True)])
def test_more_than_fifty_other_changes_wait_five_days(count: int, held: bool) -> None:
    before = [structs.replace(x, county="Lake") for x in ROWS]
    source = Source(publication(before))
    source.poll(
        publication([structs.replace(x, county="Polk") if n < count else x for n, x in enumerate(before)])
    )
    assert len(source.stands(State.HELD)) == (count if held else 0)


def test_what_was_released_within_a_day_counts_into_the_group() -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[3:]))
    source.poll()
    assert len(source.told()) == 3
    source.poll(publication(ROWS[6:]))
    assert len(source.stands(State.HELD)) == 3
    assert source.standing[0].reason.startswith("6 agencies vanished at once")


def test_what_was_released_longer_ago_or_out_of_a_hold_does_not_count() -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[5:]))
    source.wait(25 * HOUR)
    source.poll(publication(ROWS[10:]))
    assert len(source.stands(State.PENDING)) == 5
    source = Source(BASE)
    source.poll(publication([*ROWS, *NEW[:60]]))
    source.wait(DAY)
    source.poll(publication([*ROWS, *NEW[:100]]))
    assert len(source.told()) == 100


def test_those_that_join_a_hold_later_have_their_own_clock() -> None:
    source = Source(BASE)
    source.poll(publication([*ROWS, *NEW[:60]]))
    source.wait(11 * HOUR)
    source.poll(publication([*ROWS, *NEW[:70]]))
    assert len(source.stands(State.HELD)) == 70
    source.wait(12 * HOUR)
    assert len(source.told()) == 60
    source.wait(12 * HOUR)
    assert len(source.told()) == 70


def test_a_pending_removal_is_held_with_the_many_that_join_it() -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[1:]))
    source.poll(publication(ROWS[6:]), after=10 * MINUTE)
    assert len(source.stands(State.HELD)) == 6
    assert sorted({one.release_at for one in source.standing}) == [
        START + HOUR + 5 * DAY,
        START + HOUR + 10 * MINUTE + 5 * DAY,
    ]


def test_pending_removals_and_those_that_join_them_are_counted_together() -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[3:]))
    source.poll(publication(ROWS[6:]), after=timedelta(minutes=10))
    assert len(source.stands(State.HELD)) == 6


def test_what_waits_for_a_person_does_not_count_into_the_group() -> None:
    source = Source(BASE)
    strangers = [agency(name, None, state_text="Ontario") for name in ("Hearst", "Timmins", "Kenora")]
    source.poll(publication([*ROWS, *strangers, *NEW[:48]]))
    assert (len(source.stands(State.HELD)), len(source.told())) == (3, 48)


def test_what_a_person_rejected_does_not_count_into_the_group() -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[6:]))
    for row in ROWS[:6]:
        source.answer(row.name, approve=False)
    source.poll(publication(ROWS[9:]))
    assert (len(source.stands(State.REJECTED)), len(source.stands(State.PENDING))) == (6, 3)


def test_a_hold_that_is_undone_is_withdrawn_in_silence() -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[8:]))
    source.wait(10 * HOUR)
    assert source.poll(BASE) is None
    source.wait(6 * DAY)
    assert not source.events


def test_a_state_wholly_gone_waits_five_days() -> None:
    source = Source(publication([*ROWS, *NEW[:3]]))
    source.poll(publication(ROWS))
    assert source.standing[0].reason == "All 3 listings of Indiana are gone; a whole state waits 5 days."
    source.settle()
    assert source.now == START + HOUR + 5 * DAY
    assert len(source.told(Kind.REMOVED)) == 3


def test_a_state_that_empties_within_a_day_is_wholly_gone_too() -> None:
    source = Source(publication([*ROWS, *NEW[:3]]))
    source.poll(publication([*ROWS, *NEW[1:3]]))
    source.poll()
    assert source.told(Kind.REMOVED) == [NEW[0].name]
    source.poll(publication(ROWS))
    assert len(source.stands(State.HELD)) == 2


def test_a_state_of_two_and_a_state_in_which_others_stay_are_no_group() -> None:
    source = Source(publication([*ROWS, *NEW[:2], *agencies(4, "IA")]))
    source.poll(publication([*ROWS, *agencies(1, "IA")]))
    assert len(source.stands(State.PENDING)) == 5


def test_a_state_that_is_written_as_another_one_is_wholly_gone() -> None:
    kansas = [
        agency(f"{tree} Creek Police", "KS", since=date(2020, 1, n + 1)) for n, tree in enumerate(TREES[:3])
    ]
    bureau = agency("Kansas Bureau of Investigation", "KS", since=date(2021, 1, 1))
    source = Source(publication([*ROWS, *kansas, bureau]))
    source.poll(
        publication([*ROWS, *(structs.replace(listing, state="AR") for listing in (*kansas, bureau))])
    )
    source.wait(3 * DAY, every=DAY)
    assert not source.events
    assert {one.reason for one in source.standing} == {
        "All 4 listings of Kansas are gone; a whole state waits 5 days."
    }
    source.poll(source.first)
    assert not source.standing


def test_an_agency_that_moves_to_another_state_alone_is_told_at_once() -> None:
    source = Source(publication([*ROWS, agency("Wisteria Creek Police", "KS", since=date(2020, 1, 1))]))
    source.poll(publication([*ROWS, agency("Wisteria Creek Police", "AR", since=date(2020, 1, 1))]))
    assert source.told(Kind.CHANGED) == ["Wisteria Creek Police"]


def test_a_folder_wholly_gone_waits_five_days() -> None:
    fire = [structs.replace(x, folder="Fire") for x in agencies(8)[:4]]
    rest = [structs.replace(x, folder="Police") for x in ROWS[8:]]
    source = Source(publication([*fire, *rest]))
    source.poll(publication(rest, folders=("Fire", "Police")))
    assert source.standing[0].reason == "All 4 listings of Fire are gone; a whole folder waits 5 days."


def test_approved_is_published_at_the_next_judgment() -> None:
    source = Source(BASE)
    source.poll(publication([*ROWS, *NEW[:60]]))
    source.answer(NEW[0].name, approve=True)
    assert guard.due(source.standing, source.now)
    source.poll()
    assert source.told() == [NEW[0].name]
    assert source.events[0].judgment.held


def test_rejected_is_silent_while_it_stands_and_heard_when_it_comes_anew() -> None:
    source = Source(BASE)
    source.poll(publication([*ROWS, *NEW[:60]]))
    source.answer(NEW[0].name, approve=False)
    source.settle()
    assert len(source.told()) == 59
    source.wait(30 * DAY, every=DAY)
    assert source.stands(State.REJECTED) == [NEW[0].name]
    source.poll(publication([*ROWS, *NEW[1:60]]))
    assert not source.standing
    source.insist(publication([*ROWS, *NEW[:60]]))
    assert source.told()[-1] == NEW[0].name


def test_a_rename_neither_slips_out_of_a_hold_nor_starts_it_again() -> None:
    typo, right = (
        agency(f"Wisteria {x}", "IA", since=date(2026, 1, 1))
        for x in ("Police Deparment", "Police Department")
    )
    source = Source(publication(ROWS, columns=BASE.columns | {"since"}))
    source.poll(publication([*ROWS, *NEW[:60], typo]))
    source.wait(10 * HOUR)
    source.poll(publication([*ROWS, right]))  # the 60 others are gone: alone it would be published at once
    assert source.stands(State.HELD) == [right.name]
    source.settle()
    assert source.told() == [right.name]
    assert source.now == START + HOUR + DAY


def test_a_name_that_no_person_saw_waits_for_a_person_after_a_no() -> None:
    typo, right = (
        agency(f"Wisteria {x}", "IA", since=date(2026, 1, 1))
        for x in ("Police Deparment", "Police Department")
    )
    source = Source(publication(ROWS, columns=BASE.columns | {"since"}))
    source.poll(publication([*ROWS, *NEW[:60], typo]))
    source.answer(typo.name, approve=False)
    source.poll(publication([*ROWS, right]))
    assert source.stands(State.HELD) == [right.name]
    assert guard.next_due(source.standing, Policy()) is None
    source.poll(publication([*ROWS, right, *NEW[60:110]]))  # with it they would be more than fifty
    assert len(source.told()) == 50


def test_a_held_change_that_reads_differently_later_keeps_its_clock() -> None:
    before = [structs.replace(x, county="Lake") for x in ROWS]
    source = Source(publication(before))
    source.poll(publication([structs.replace(x, county="Polk") for x in before]))
    source.wait(DAY)
    source.poll(publication([structs.replace(x, county="Pike") for x in before]))
    source.settle()
    assert source.now == START + HOUR + 5 * DAY
    assert {event.change.after.county for event in source.events if event.change.after} == {"Pike"}


def test_a_changed_listing_that_leaves_waits_as_a_removal() -> None:
    before = [structs.replace(x, county="Lake") for x in ROWS]
    source = Source(publication(before))
    source.poll(publication([structs.replace(x, county="Polk") for x in before]))
    source.poll(publication([structs.replace(x, county="Polk") for x in before[1:]]))
    assert (source.stands(State.PENDING), len(source.stands(State.HELD))) == ([ROWS[0].name], 99)


def test_listings_of_an_unreadable_state_wait_for_a_person_and_their_old_ones_are_not_removed() -> None:
    listing = agency("Wisteria Police", "PA")
    source = Source(publication([*ROWS, listing]))
    source.poll(publication([*ROWS, structs.replace(listing, state=None, state_text="Pxx")]))
    source.wait(10 * DAY)
    assert not source.events
    assert source.stands(State.HELD) == [listing.name] * len(source.standing)
    assert guard.next_due(source.standing, Policy()) is None
    source.poll(publication([*ROWS, listing]))
    assert not source.standing


def test_a_new_listing_of_an_unreadable_state_waits_for_a_person() -> None:
    source = Source(BASE)
    source.poll(publication([*ROWS, agency("Wisteria Police", None, state_text="Xanadu")]))
    assert source.standing[0].reason == '"Xanadu" is not the name of a state.'
    assert source.standing[0].release_at is None


def test_a_new_listing_without_any_state_is_published_if_it_has_another_place() -> None:
    source = Source(BASE)
    source.poll(publication([*ROWS, agency("Wisteria Police", None, county="Lake")]))
    assert source.told() == ["Wisteria Police"]


def test_a_listing_without_any_place_is_never_published_by_itself() -> None:
    source = Source(BASE)
    note = agency("Thank you for your interest in this program", None)
    source.poll(publication([*ROWS, note]))
    source.wait(10 * DAY)
    assert not source.events
    assert source.standing[0].reason.endswith("is published without any place.")
    assert guard.next_due(source.standing, Policy()) is None
    source.poll(publication(ROWS))
    assert not source.standing


def test_a_note_is_held_also_where_one_was_on_the_list_from_the_first() -> None:
    first = agency("Statewide figures are published each spring", None)
    source = Source(publication([*ROWS, first]))
    note = agency("Thank you for your interest in this program", None)
    source.poll(publication([*ROWS, first, note]))
    assert not source.events
    assert source.standing[0].reason.endswith("is published without any place.")


def test_a_listing_whose_state_was_blanked_keeps_the_one_that_was_accepted() -> None:
    twin = agency("Wisteria Police", "PA")
    source = Source(publication([*ROWS, twin, structs.replace(twin, state="OH")]))
    source.poll(publication([*ROWS, structs.replace(twin, state="OH"), structs.replace(twin, state=None)]))
    source.wait(10 * DAY)
    assert not source.events
    assert not source.standing
    assert set(source.accepted) == set(source.first.listings)
    assert source.last.problems[-1].kind == "kept as accepted"


@pytest.mark.parametrize("written", [None, "Pxx"])
def test_one_row_of_several_that_loses_its_state_is_neither_a_new_agency_nor_a_change(
    written: str | None,
) -> None:
    whole = agency("Wisteria Police", "PA", attributes=(("SUPPORT TYPE", "Jail; Task Force"),))
    rest = structs.replace(whole, attributes=(("SUPPORT TYPE", "Jail"),))
    astray = agency(
        "Wisteria  POLICE", None, state_text=written, attributes=(("SUPPORT TYPE", "Task Force"),)
    )
    source = Source(publication([*ROWS, whole]))
    source.poll(publication([*ROWS, rest, astray]))
    source.wait(10 * DAY, every=DAY)
    assert not source.events
    assert len(source.stands(State.HELD)) == 2
    source.poll(source.first)
    assert not source.standing


@pytest.mark.parametrize(
    "row",
    [
        {"source_id": "7"},
        {"url": "https://x/7"},
        {"name": "wisteria police"},
        {"since": date(2020, 1, 1), "city": "Gary"},
        {"since": date(2020, 1, 1), "state": "IN"},
    ],
)
def test_a_removal_that_a_damaged_row_explains_waits_for_a_person(row: dict[str, object]) -> None:
    listing = agency(
        "Wisteria Police", "IN", source_id="7", url="https://x/7", since=date(2020, 1, 1), city="Gary"
    )
    source = Source(publication([*ROWS, listing]))
    damaged = Listing(**{"name": "#VALUE!", **row})  # type: ignore[arg-type]
    source.poll(publication(ROWS, damaged=(damaged,), columns=source.first.columns))
    source.wait(10 * DAY, every=DAY)
    assert not source.events
    assert source.stands(State.HELD) == ["Wisteria Police"]


@pytest.mark.parametrize(("sharing", "held"), [(1, 1), (2, 0), (3, 0)])
def test_a_document_explains_a_missing_listing_only_if_no_other_missing_one_has_it(
    sharing: int, held: int
) -> None:
    gone = [agency(f"{TREES[n]} Village Police", "IL", url="https://x/shared") for n in range(sharing)]
    source = Source(publication([*ROWS, *gone]))
    damaged = Listing(name="#VALUE!", url="https://x/shared")
    source.poll(publication(ROWS, damaged=(damaged,), columns=source.first.columns))
    source.poll()
    assert len(source.stands(State.HELD)) == held
    assert len(source.told(Kind.REMOVED)) == sharing - held


def test_a_damaged_row_elsewhere_explains_nothing() -> None:
    source = Source(publication([*ROWS, agency("Wisteria Police", "IN", since=date(2020, 1, 1))]))
    damaged = Listing(name="", since=date(2020, 1, 1), state="OH")
    source.poll(publication(ROWS, damaged=(damaged,), columns=source.first.columns))
    source.poll()
    assert source.told(Kind.REMOVED) == ["Wisteria Police"]


def test_an_agency_that_is_written_twice_is_not_removed_when_one_goes() -> None:
    one, other = agency("Lee Sheriff's Office", "TX"), agency("Lee Sheriff\u2019s Office", "TX")
    source = Source(publication([*ROWS, one, other]))
    source.poll(publication([*ROWS, one]))
    source.wait(10 * DAY, every=DAY)
    assert not source.events
    assert "still has another of that name" in source.standing[0].reason


def returned(source: Source, listing: Listing) -> None:
    """Let the listing be announced as gone and come back."""
    source.poll(publication(ROWS[1:]))
    source.poll()
    source.insist(publication([listing, *ROWS[1:]]))


def test_a_listing_that_was_announced_as_gone_and_is_back_is_one_message() -> None:
    source = Source(BASE)
    returned(source, ROWS[0])
    assert [event.change.kind for event in source.events] == [Kind.REMOVED, Kind.ADDED]
    assert source.events[-1].change.previous == BASE.listings[0]


def test_it_is_recognized_under_another_spelling() -> None:
    source = Source(publication([agency("Wisteria Police Dept"), *ROWS]))
    source.poll(publication(ROWS))
    source.poll()
    source.poll(publication([agency("Wisteria Police Department"), *ROWS]))
    previous = source.events[-1].change.previous
    assert previous
    assert previous.name == "Wisteria Police Dept"


@pytest.mark.parametrize("name", ["Wisteria Police Dept", "City of Wisteria Police Department"])
def test_after_more_than_two_weeks_it_is_listed_again_under_a_usual_spelling(name: str) -> None:
    source = Source(publication([agency("Wisteria Police Dept"), *ROWS]))
    source.poll(publication(ROWS))
    source.poll()
    source.wait(90 * DAY, every=DAY)
    source.insist(publication([agency(name), *ROWS]))
    previous = source.events[-1].change.previous
    assert previous
    assert previous.name == "Wisteria Police Dept"


def test_after_two_weeks_another_name_is_a_new_agency() -> None:
    source = Source(publication([agency("Wisteria Police Department"), *ROWS]))
    source.poll(publication(ROWS))
    source.poll()
    source.wait(15 * DAY, every=DAY)
    source.poll(publication([agency("Wisteria Polic Department"), *ROWS]))
    assert source.events[-1].change.previous is None


def test_further_flaps_within_seven_days_are_silent_and_the_truth_is_told_in_the_end() -> None:
    source = Source(BASE)
    returned(source, ROWS[0])
    for n in range(5):  # something else is new each time: the very list of before would be an old copy
        source.poll(publication([*ROWS[1:], *NEW[:n]]))
        source.wait(3 * HOUR)
        source.poll(publication([*ROWS, *NEW[: n + 1]]))
        source.wait(3 * HOUR)
    assert [event.change.kind for event in source.events] == [Kind.REMOVED] + 6 * [Kind.ADDED]
    source.poll(publication([*ROWS[1:], *NEW[:5]]))
    assert source.standing[0].reason.startswith("It was announced as listed again less than 7 days ago")
    source.settle()
    assert [event.change.kind for event in source.events] == [Kind.REMOVED, *6 * [Kind.ADDED], Kind.REMOVED]
    assert source.now == source.events[1].at + 7 * DAY


@pytest.mark.parametrize(
    ("before_the_end", "told_after"),
    [(timedelta(days=6), timedelta(days=6)), (10 * MINUTE, 30 * MINUTE), (30 * MINUTE, 30 * MINUTE)],
)
def test_a_flap_waits_for_the_end_of_seven_days_and_at_least_for_a_second_look(
    before_the_end: timedelta, told_after: timedelta
) -> None:
    source = Source(BASE)
    returned(source, ROWS[0])
    source.now = source.events[1].at + 7 * DAY - before_the_end
    source.poll(publication([*ROWS[1:], NEW[0]]), after=timedelta())
    assert [one.release_at for one in source.standing] == [source.now + told_after]


def test_a_then_b_then_a_is_two_changes() -> None:
    source = Source(BASE)
    other = publication([*ROWS, NEW[0]])
    source.poll(other)
    source.insist(BASE)
    source.settle()
    assert [event.change.kind for event in source.events] == [Kind.ADDED, Kind.REMOVED]


def test_an_unchanged_poll_gives_the_same_answers() -> None:
    source = Source(publication([*ROWS, *NEW[:3], agency("Ash Police", "PA")]))
    source.poll(publication([*ROWS[2:], *agencies(60, "IA"), agency("Ash Police", None, state_text="Pxx")]))
    before = source.judgments
    source.poll(after=MINUTE)
    assert source.judgments == tuple(one for one in before if one.state is not State.PUBLISHED)


def test_nothing_is_due_when_only_a_person_can_decide() -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[1:]))
    held = replace(source.standing[0], state=State.HELD, release_at=None)
    assert guard.next_due([held], Policy()) is None
    assert guard.next_due([replace(held, state=State.REJECTED)], Policy()) is None
    assert not guard.due([], START)


def test_a_pending_removal_is_due_half_an_hour_after_it_was_first_missed() -> None:
    source = Source(BASE)
    source.poll(publication(ROWS[1:]))
    assert guard.next_due(source.standing, source.policy) == source.now + 30 * MINUTE
    assert not guard.due(source.standing, source.now + 29 * MINUTE)
    assert guard.due(source.standing, source.now + 30 * MINUTE)
    stored = [replace(source.standing[0], release_at=None)]
    assert guard.next_due(stored, source.policy) == source.now + 30 * MINUTE


def test_what_is_published_of_a_hold_is_remembered_as_held() -> None:
    source = Source(BASE)
    source.poll(publication([*ROWS, *NEW[:60]]))
    source.settle()
    assert all(isinstance(one, PastChange) and one.held for one in source.released)
