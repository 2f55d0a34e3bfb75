"""A publication read beside what is accepted: what cannot be read is no news."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from msgspec import structs

from monitor.core.accepted_values import reconcile
from monitor.domain import Kind, Listing, State
from tests.core.simulation import DAY, HOUR, Source, agency, publication

DAYS = [date(2024, 1, 1) + timedelta(days=n) for n in range(30)]
ROWS = [agency(f"{chr(65 + n) * 5} Police", "IL", since=day) for n, day in enumerate(DAYS[:20])]
TWINS = [agency("Lee Police", state, since=day) for state, day in zip(("TX", "VA"), DAYS[20:], strict=False)]


@pytest.mark.parametrize("written", [None, "(see note)"])
def test_an_emptied_state_column_changes_nothing_and_what_joins_waits_for_its_state(
    written: str | None,
) -> None:
    def blank(row: Listing) -> Listing:
        return structs.replace(row, state=None, state_text=written)

    new = agency("Zebra Marshal", "OH", since=DAYS[29])
    source = Source(publication(ROWS))
    source.poll(publication([blank(row) for row in [*ROWS, new]]))
    source.wait(5 * HOUR)
    assert not source.events
    source.poll(publication([*ROWS, new]))
    assert [(x.change.kind, x.change.subject) for x in source.events] == [
        (Kind.ADDED, source.last.listings[-1])
    ]
    assert not source.standing


def test_a_state_column_that_stays_empty_holds_what_joins_five_days_at_most() -> None:
    new = agency("Zebra Marshal", "OH", since=DAYS[29])
    source = Source(publication(ROWS))
    source.poll(publication([structs.replace(row, state=None) for row in [*ROWS, new]]))
    source.settle()
    assert source.told() == ["Zebra Marshal"]
    assert source.events[0].at == source.first_seen + 5 * DAY


def test_namesakes_that_only_their_states_keep_apart_are_neither_gone_nor_changed() -> None:
    merged = agency("Lee Police", None, since=DAYS[20], dates=tuple(DAYS[20:22]))
    source = Source(publication([*ROWS, *TWINS]))
    source.poll(publication([*(structs.replace(row, state=None) for row in ROWS), merged]))
    source.wait(5 * HOUR)
    source.poll(source.first)
    source.settle()
    assert not source.events
    assert not source.standing


def test_what_is_missing_while_the_states_are_lost_is_told_once_they_are_back() -> None:
    source = Source(publication([*ROWS, *TWINS]))
    merged = agency("Lee Police", None, since=DAYS[20], dates=tuple(DAYS[20:22]))
    source.poll(publication([*(structs.replace(row, state=None) for row in ROWS[1:]), merged]))
    source.wait(5 * HOUR)
    assert not source.events
    source.poll(publication([*ROWS[1:], *TWINS]))
    source.wait(HOUR)
    assert source.told(Kind.REMOVED) == [ROWS[0].name]


def test_dates_that_cannot_be_read_keep_the_accepted_ones_also_under_a_mended_name() -> None:
    typo = agency("Wisteria Polcie Department", "IN", since=DAYS[25])
    source = Source(publication([*ROWS, typo]))
    mended = structs.replace(typo, name="Wisteria Police Department", since=None)
    rows = [structs.replace(row, since=None) if n % 2 else row for n, row in enumerate(ROWS)]
    source.poll(publication([*rows, mended], columns=source.first.columns))
    assert [x.change.fields for x in source.events] == [("name",)]
    assert {x.since for x in source.accepted} == {x.since for x in source.first.listings}
    source.poll(publication([*ROWS, structs.replace(mended, since=DAYS[25])]))
    source.settle()
    assert len(source.events) == 1


def test_a_date_that_can_be_read_at_last_is_no_news_of_what_joined_without_one() -> None:
    source = Source(publication(ROWS))
    source.poll(publication([*ROWS, agency("Zebra Marshal", "OH")]))
    source.poll(publication([*ROWS, agency("Zebra Marshal", "OH", since=DAYS[29])]))
    assert source.told() == ["Zebra Marshal"]
    assert source.accepted[-1].since == DAYS[29]


def test_a_new_name_with_damaged_letters_waits_until_it_can_be_read() -> None:
    source = Source(publication(ROWS))
    source.poll(publication([*ROWS, agency("DoÃ±a Marshal", "NM", since=DAYS[29])]))
    assert source.stands(State.PENDING) == ["DoÃ±a Marshal"]
    source.poll(publication([*ROWS, agency("Doña Marshal", "NM", since=DAYS[29])]))
    assert source.told() == ["Doña Marshal"]
    assert not source.standing


@pytest.mark.parametrize(("state", "removed"), [("CO", []), ("KS", ["Cañon City Police"])])
def test_damaged_letters_are_the_accepted_name_in_its_own_state(state: str, removed: list[str]) -> None:
    source = Source(publication([*ROWS, agency("Cañon City Police", "CO")]))
    source.poll(publication([*ROWS, agency("CaÃ±on City Police", state)]))
    source.settle()
    assert source.told(Kind.REMOVED) == removed
    assert source.told(Kind.CHANGED) == []


def test_further_rows_in_another_spelling_are_part_of_the_agency() -> None:
    one = agency("City of St. Cloud Police Department", "FL", since=DAYS[25], attributes=(("TYPE", "Jail"),))
    row = agency("St. Cloud Police Dept", "FL", since=DAYS[26], attributes=(("TYPE", "Task Force"),))
    source = Source(publication([*ROWS, one]))
    source.poll(publication([*ROWS, one, row]))
    source.poll(publication([*ROWS, row]))
    source.settle()
    assert [(x.change.kind, x.change.fields) for x in source.events] == [(Kind.CHANGED, ("TYPE",))] * 2
    texts = [dict(x.change.subject.attributes)["TYPE"] for x in source.events]
    assert texts == ["Jail; Task Force", "Task Force"]


@pytest.mark.parametrize("other", [{"county": "Polk"}, {"city": "Ocala"}, {"source_id": "8"}])
def test_what_speaks_for_two_agencies_keeps_them_apart(other: dict[str, str]) -> None:
    one = agency("Alder Police Dept", "FL", county="Lake", city="Eustis", source_id="7")
    two = structs.replace(one, name="Alder Police Department", **{"source_id": "7b", **other})
    source = Source(publication([*ROWS, one]))
    source.poll(publication([*ROWS, one, two], columns=source.first.columns))
    assert source.told(Kind.ADDED) == ["Alder Police Department"]


def test_a_switch_of_agreement_is_one_change_in_those_words() -> None:
    jail = agency(
        "Lee Sheriff", "TX", since=DAYS[1], attributes=(("SUPPORT TYPE", "Jail Enforcement Model"),)
    )
    task = structs.replace(jail, since=DAYS[9], attributes=(("SUPPORT TYPE", "Task Force Model"),))
    source = Source(publication([*ROWS, jail]))
    source.poll(publication([*ROWS, task]))
    source.settle()
    (event,) = source.events
    assert event.change.kind is Kind.CHANGED
    assert "SUPPORT TYPE" in event.change.fields


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [
        ("attributes", (("TYPE", "Warrant Services Officer"),), (("TYPE", "Warrant Service Officer"),)),
        ("attributes", (("TYPE", "Municipality"),), (("TYPE", "Municipal"),)),
        ("county", "Alpha", "Alpha County"),
    ],
)
def test_a_mended_spelling_moves_quietly(field: str, before: object, after: object) -> None:
    row = agency("Wisteria Police", "IN", **{field: before})
    source = Source(publication([*ROWS, row]))
    source.poll(publication([*ROWS, structs.replace(row, **{field: after})]))  # type: ignore[arg-type]
    assert not source.events
    assert getattr(source.accepted[-1], field) == after


def test_an_emptied_column_is_a_column_that_disappeared() -> None:
    rows = [structs.replace(row, county="Lake") for row in ROWS]
    found = reconcile(publication(rows).listings, publication(ROWS, columns=frozenset({"county"})))
    assert "county" not in found.publication.columns


def test_twenty_renames_of_forty_are_held_and_their_correction_waits_a_day() -> None:
    rows = [agency(f"{chr(65 + n) * 5} Police Dept", "IL", since=day) for n, day in enumerate(DAYS[:26])]
    renamed = [
        structs.replace(row, name=row.name + "artment of X") if n < 10 else row for n, row in enumerate(rows)
    ]
    source = Source(publication(rows))
    source.poll(publication(renamed))
    assert len(source.stands(State.HELD)) == 10
    source.settle()
    assert len(source.events) == 10
    source.insist(publication(rows))
    back = source.now
    assert {one.release_at for one in source.standing} == {back + DAY}
    assert all("may be a correction" in one.reason for one in source.standing)
