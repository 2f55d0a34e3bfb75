"""Single verdicts of the guard, and when it is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from monitor.core import guard
from monitor.domain import Change, Judgment, Kind, Listing, OpenChange, Policy, Problem, State
from tests.core.simulation import DAY, HOUR, START, Source, agency, publication

POLICY = Policy()
ROWS = publication(
    [agency(f"{chr(65 + n // 5) * 4}{chr(75 + n % 5) * 3} Marshal") for n in range(120)]
).listings
ALDER, BIRCH = publication([agency("Alder Jail", since=date(2024, 1, 1)), agency("Birch Patrol")]).listings
MINUTE = timedelta(minutes=1)


def added(listing: Listing) -> Change:
    return Change(Kind.ADDED, after=listing)


def judge(
    *changes: Change, standing: tuple[OpenChange, ...] = (), blank: bool = False, reread: bool = True
) -> tuple[Judgment, ...]:
    return guard.judge(
        changes, ROWS, standing, (), now=START, policy=POLICY, blank_states=blank, reread=reread
    )


def state_of(
    *changes: Change, standing: tuple[OpenChange, ...] = (), blank: bool = False, reread: bool = True
) -> State:
    return judge(*changes, standing=standing, blank=blank, reread=reread)[0].state


def held(change: Change, **values: object) -> OpenChange:
    return replace(OpenChange(change, State.HELD, START - HOUR, "so it seems"), **values)  # type: ignore[arg-type]


def test_a_list_that_lost_its_states_keeps_new_rows_without_and_what_is_missing_waiting() -> None:
    blank = added(structs.replace(ALDER, state=None, key="|alder jail"))
    misspelled = added(structs.replace(ALDER, state=None, state_text="Illinios", key="illinios|alder jail"))
    missing = Change(Kind.REMOVED, before=ROWS[0])
    told = judge(blank, added(BIRCH), missing, misspelled, blank=True)
    assert [x.state for x in told] == [State.PENDING, State.PUBLISHED, State.PENDING, State.HELD]
    words = "The list has lost its states; this is told once they are back, or after 5 days."
    assert [(x.reason, x.release_at) for x in (told[0], told[2])] == [(words, START + 5 * DAY)] * 2
    (gone, held) = judge(missing, misspelled, blank=True)
    assert (gone.reason, held.state) == (
        "Missing; announced if it is still missing 30 minutes later.",
        State.HELD,
    )


def test_what_waits_for_the_states_goes_on_waiting_when_nothing_new_was_read() -> None:
    blank = added(structs.replace(ALDER, state=None, key="|alder jail"))
    (first,) = judge(blank, blank=True)
    stood = OpenChange(blank, first.state, START, first.reason, first.release_at)
    assert judge(blank, standing=(stood,), reread=False) == (first,)
    late = replace(stood, since=START - 5 * DAY)
    assert state_of(blank, standing=(late,), reread=False) is State.PUBLISHED


@pytest.mark.parametrize(
    ("name", "before", "state"),
    [
        ("Ca\ufffdon Jail", None, State.PENDING),
        ("Ca\ufffdon Jail", "Canon Jails", State.PENDING),
        ("Ca\ufffdon Jail", "Ca\ufffdon Jail", State.PUBLISHED),
        ("Canon Jail", None, State.PUBLISHED),
    ],
)
def test_a_new_name_with_damaged_letters_waits_a_day(name: str, before: str | None, state: State) -> None:
    after = structs.replace(BIRCH, name=name, county="Lake")
    was = structs.replace(BIRCH, name=before) if before else None
    fields = ("county",) if before == name else ("name", "county")
    change = Change(Kind.CHANGED, before=was, after=after, fields=fields) if was else added(after)
    (verdict,) = judge(change)
    assert verdict.state is state
    assert verdict.release_at == (START + DAY if state is State.PENDING else None)


def test_a_doubt_that_is_over_holds_nothing_once_the_list_was_read_again() -> None:
    doubt = held(added(ALDER))
    assert state_of(added(ALDER), standing=(doubt,)) is State.PUBLISHED
    assert state_of(added(ALDER), standing=(doubt,), reread=False) is State.HELD
    counted = held(added(ALDER), release_at=START + MINUTE)
    assert state_of(added(ALDER), standing=(counted,)) is State.HELD
    assert state_of(added(ALDER), standing=(replace(counted, release_at=START),)) is State.PUBLISHED
    answered = held(added(ALDER), reason="It was rejected by a person as Alder (IL)")
    assert state_of(added(ALDER), standing=(answered,)) is State.HELD


def test_a_doubt_that_lasts_goes_on() -> None:
    nowhere = added(structs.replace(ALDER, state=None, state_text="Illinios"))
    doubt = held(nowhere, reason="a doubt")
    (verdict,) = judge(nowhere, standing=(doubt,))
    assert (verdict.state, verdict.reason, verdict.since) == (State.HELD, "a doubt", START - HOUR)


RENAMED = structs.replace(ALDER, name="Aldert Jail", key="IL|aldert jail")


@pytest.mark.parametrize(
    ("stood", "state"),
    [
        ({"release_at": START + HOUR}, State.HELD),
        ({"release_at": START + HOUR, "approved": True}, State.HELD),
        ({"state": State.REJECTED}, State.HELD),
        ({"state": State.PENDING}, State.PUBLISHED),
    ],
)
def test_a_new_name_of_an_open_addition_inherits_its_hold_and_no_answer(
    stood: dict[str, object], state: State
) -> None:
    (verdict,) = judge(added(RENAMED), standing=(held(added(ALDER), **stood),))
    assert (verdict.state, verdict.since) == (state, START - HOUR)
    same = added(structs.replace(ALDER, name="ALDER Jail", key="id:7", source_id="7"))
    quiet = {State.REJECTED: State.REJECTED}.get(stood.get("state"), state)  # type: ignore[call-overload]
    if stood.get("approved"):
        quiet = State.PUBLISHED
    assert state_of(same, standing=(held(added(ALDER), **stood),)) is quiet


def test_an_addition_that_got_the_state_it_waited_for_is_told() -> None:
    nowhere = added(structs.replace(ALDER, state=None, key="|alder jail"))
    assert state_of(added(ALDER), standing=(held(nowhere),)) is State.PUBLISHED
    counted = held(nowhere, release_at=START + HOUR)
    assert state_of(added(ALDER), standing=(counted,)) is State.HELD


def test_others_that_stand_pass_nothing_on() -> None:
    removal = held(Change(Kind.REMOVED, before=ALDER), release_at=START + HOUR)
    assert state_of(added(RENAMED), standing=(removal,)) is State.PUBLISHED
    assert state_of(added(BIRCH), standing=(held(added(ALDER), release_at=START + HOUR),)) is State.PUBLISHED
    both = judge(added(ALDER), added(RENAMED), standing=(held(added(ALDER), release_at=START + HOUR),))
    assert [x.state for x in both] == [State.HELD, State.PUBLISHED]


def test_what_is_only_quiet_now_is_withdrawn() -> None:
    change = Change(Kind.CHANGED, before=ALDER, after=RENAMED, fields=("name",))
    stood = (OpenChange(change, State.PENDING, START),)
    assert guard.find_withdrawn([change], stood) == ()
    assert guard.find_withdrawn([replace(change, quiet=True)], stood) == stood
    assert guard.find_withdrawn([], stood) == stood


@pytest.mark.parametrize(
    ("stood", "at"),
    [
        (OpenChange(added(ALDER), State.REJECTED, START, release_at=START), None),
        (OpenChange(added(ALDER), State.HELD, START), None),
        (OpenChange(added(ALDER), State.HELD, START, release_at=START + HOUR), START + HOUR),
        (OpenChange(added(ALDER), State.HELD, START, release_at=START + HOUR, approved=True), START),
        (OpenChange(added(ALDER), State.PENDING, START), START + 30 * MINUTE),
        (OpenChange(added(ALDER), State.PENDING, START, release_at=START + HOUR), START + HOUR),
    ],
)
def test_when_an_open_change_is_due(stood: OpenChange, at: datetime | None) -> None:
    assert guard.next_due([stood], POLICY) == at
    assert guard.due([stood], START + DAY) is (at is not None)
    if at is not None:
        assert guard.due([stood], at)
        assert not guard.due([stood], at - MINUTE)
        later = OpenChange(added(BIRCH), State.HELD, START, release_at=at + MINUTE)
        assert guard.next_due([later, stood], POLICY) == at


def test_another_policy_waits_otherwise() -> None:
    stood = OpenChange(added(ALDER), State.PENDING, START)
    assert not guard.due([stood], START + 30 * MINUTE, Policy(removal_wait=HOUR))
    assert guard.due([stood], START + HOUR, Policy(removal_wait=HOUR))


@pytest.mark.parametrize(
    "left",
    [
        {"unread": ("page 2",)},
        {"problems": (Problem("rows missing", "the page says that the list has 20 rows, and 17 are read"),)},
    ],
)
def test_what_is_missing_from_a_publication_read_in_part_is_not_told_as_gone(left: dict[str, Any]) -> None:
    rows = [agency(f"{chr(65 + n) * 4} Jail") for n in range(20)]
    source = Source(publication(rows))
    part = publication([*rows[:17], agency("Zeeland Patrol")], **left)
    assert source.poll(part) is None
    source.wait(2 * DAY)
    assert source.told() == ["Zeeland Patrol"]
    assert {x.reason for x in source.standing} == {
        "Missing in a publication of which only a part was read; announced if the whole lacks it too, "
        "or after 5 days."
    }
    whole = publication([*rows[:19], agency("Zeeland Patrol")])
    assert source.poll(whole) is None
    assert source.told(Kind.REMOVED) == []  # the first poll that shows that it is missing
    source.poll()
    assert source.told(Kind.REMOVED) == ["TTTT Jail"]


def test_what_is_missing_from_publications_that_are_always_read_in_part_is_told_after_five_days() -> None:
    rows = [agency(f"{chr(65 + n) * 4} Jail") for n in range(20)]
    source = Source(publication(rows, unread=("page 2",)))
    source.poll(publication(rows[:19], unread=("page 2",)))
    source.wait(4 * DAY)
    assert source.told() == []
    source.settle()
    assert source.told() == ["TTTT Jail"]
