"""What was published lately, as the guard remembers it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from msgspec import structs

from monitor.core.guard.recent_changes import RecentChanges
from monitor.domain import Change, Kind, Listing, OpenChange, PastChange, Policy, State
from tests.core.simulation import START, agency, publication

POLICY = Policy()
(ALDER, BIRCH, CEDAR) = publication(
    [agency(f"{x} Marshal") for x in ("Alder", "Birch", "Cedarwood")]
).listings
SECOND = timedelta(seconds=1)


def remember(*changes: Change, age: timedelta = SECOND, held: bool = False) -> RecentChanges:
    return RecentChanges.of([PastChange(x, START - age, held) for x in changes], START, POLICY)


def removed(listing: Listing) -> Change:
    return Change(Kind.REMOVED, before=listing)


def added(listing: Listing, previous: Listing | None = None) -> Change:
    return Change(Kind.ADDED, after=listing, previous=previous)


def changed(before: Listing, *fields: str, **values: object) -> Change:
    return Change(Kind.CHANGED, before=before, after=structs.replace(before, **values), fields=fields)


@pytest.mark.parametrize(
    ("age", "held", "counts"),
    [
        (POLICY.group_window - SECOND, False, True),
        (POLICY.group_window, False, False),
        (SECOND, True, False),
    ],
)
def test_what_counts_into_groups(age: timedelta, held: bool, counts: bool) -> None:
    assert bool(remember(removed(ALDER), age=age, held=held).counted) is counts


def test_how_long_a_removal_is_remembered_by_the_rename_rule() -> None:
    memory = remember(removed(ALDER), age=POLICY.rename_memory)
    assert (memory.gone, memory.long_gone) == ({ALDER.key: ALDER}, {})
    memory = remember(removed(ALDER), age=POLICY.rename_memory + SECOND)
    assert (memory.gone, memory.long_gone) == ({}, {ALDER.key: ALDER})


@pytest.mark.parametrize("age", [SECOND, 2 * POLICY.rename_memory])
def test_who_came_back_is_not_gone(age: timedelta) -> None:
    for back in (added(ALDER, ALDER), added(BIRCH, ALDER), added(ALDER)):
        memory = RecentChanges.of(
            [PastChange(removed(ALDER), START - age, False), PastChange(back, START - SECOND, False)],
            START,
            POLICY,
        )
        assert (memory.gone, memory.long_gone) == ({}, {})


def test_another_that_got_its_name_leaves_it_gone() -> None:
    renamed = changed(BIRCH, "name", key=ALDER.key, name=ALDER.name)
    assert remember(removed(ALDER), renamed).gone == {ALDER.key: ALDER}


@pytest.mark.parametrize(("age", "flaps"), [(POLICY.flap_window - SECOND, True), (POLICY.flap_window, False)])
def test_who_is_listed_again_flaps_for_a_week(age: timedelta, flaps: bool) -> None:
    memory = remember(removed(ALDER), added(ALDER, ALDER), age=age)
    until = START - age + POLICY.flap_window if flaps else None
    assert memory.flapping(removed(ALDER)) == until
    assert memory.flapping(added(BIRCH, ALDER)) == until
    assert memory.flapping(changed(ALDER, "county", county="Lake")) is None
    assert memory.flapping(added(ALDER)) is None
    assert memory.flapping(removed(BIRCH)) is None


def test_also_under_a_new_name() -> None:
    renamed = changed(ALDER, "name", key=BIRCH.key, name=BIRCH.name)
    memory = remember(added(ALDER, ALDER), renamed)
    assert memory.flapping(removed(BIRCH)) is not None
    assert memory.flapping(removed(ALDER)) is None


def previous_of(memory: RecentChanges, listing: Listing, *known: Change) -> Listing | None:
    open_changes = {x.identity: OpenChange(x, State.PENDING, START) for x in known}
    other = changed(CEDAR, "county", county="Lake")
    first, second = memory.with_previous((added(listing), other), open_changes)
    assert second is other
    return first.previous


def test_who_was_gone_is_known_by_key_name_or_the_rename_rule_and_later_by_its_name() -> None:
    mended = structs.replace(ALDER, name="Aldert Marshal", key="IL|aldert marshal", since=date(2024, 1, 1))
    for age in (SECOND, 2 * POLICY.rename_memory):
        memory = remember(removed(ALDER), age=age)
        assert previous_of(memory, ALDER) == ALDER
        assert previous_of(memory, BIRCH) is None
        assert previous_of(memory, mended) == (ALDER if age == SECOND else None)
        assert previous_of(memory, structs.replace(ALDER, name="Marshal of Alder", key="x")) == ALDER
    assert previous_of(remember(removed(structs.replace(ALDER, key="id:7"))), ALDER) is not None


def test_one_with_its_key_and_another_name_is_the_one_that_was_gone() -> None:
    was = structs.replace(ALDER, key="id:7", source_id="7")
    now = structs.replace(BIRCH, key="id:7", source_id="7")
    assert previous_of(remember(removed(was)), now) == was


def test_what_an_open_addition_was_stays_known() -> None:
    assert previous_of(remember(), ALDER, added(ALDER, BIRCH)) == BIRCH
    assert previous_of(remember(), ALDER, added(ALDER)) is None


LAKE = structs.replace(ALDER, county="Lake", city="Gary")


def test_what_takes_back_what_was_published() -> None:
    done = changed(ALDER, "county", "city", county="Lake", city="Gary")
    memory = remember(done, added(BIRCH))
    assert memory.undoes(changed(LAKE, "county", "city", county=None, city=None))
    assert not memory.undoes(changed(LAKE, "county", county=None))
    assert not memory.undoes(changed(LAKE, "county", "city", county="Polk", city="Gary"))
    assert not memory.undoes(changed(CEDAR, "county", county="Polk"))
    assert memory.undoes(removed(BIRCH))
    assert not memory.undoes(removed(ALDER))
    assert memory.undoes(added(CEDAR, CEDAR))
    assert not memory.undoes(added(CEDAR))


def test_a_date_of_what_was_published_without_one_is_quiet() -> None:
    memory = remember(added(ALDER))
    dated = changed(ALDER, "since", since=date(2024, 1, 1))
    assert memory.without_late_dates(dated).quiet
    assert not remember().without_late_dates(dated).quiet
    assert not memory.without_late_dates(changed(ALDER, "since", "city", city="Gary")).quiet
    assert not memory.without_late_dates(added(ALDER)).quiet
    was_dated = structs.replace(ALDER, since=date(2023, 1, 1))
    assert not memory.without_late_dates(changed(was_dated, "since", since=None)).quiet
