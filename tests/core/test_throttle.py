"""Commands of one person in one chat are limited in any minute, not in minutes of the clock."""

from __future__ import annotations

import pytest

from monitor.core.throttle import PER_MINUTE, Admission, Throttle

ALLOWED, REPLIED, REJECTED = Admission.ALLOWED, Admission.REJECTED_WITH_REPLY, Admission.REJECTED


class Person:
    """Somebody whose commands come at given seconds."""

    def __init__(self, limit: int) -> None:
        self.now = 0.0
        self.throttle = Throttle(lambda: self.now, limit)

    def ask(self, *times: float, who: str = "somebody") -> list[Admission]:
        answers = []
        for self.now in times:
            answers.append(self.throttle.admit(who))
        return answers


def test_a_group_takes_as_many_as_the_api_lets_a_bot_post_there() -> None:
    assert PER_MINUTE == 20


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_first_above_the_limit_is_told_and_the_others_are_not(limit: int) -> None:
    asked = Person(limit).ask(*range(limit + 3))
    assert asked == [*[ALLOWED] * limit, REPLIED, REJECTED, REJECTED]


def test_a_command_counts_for_less_than_a_minute() -> None:
    person = Person(2)
    assert person.ask(0, 1, 59.9) == [ALLOWED, ALLOWED, REPLIED]
    assert person.ask(59.95) == [REJECTED]
    assert person.ask(60, 60.5, 61) == [REPLIED, REJECTED, REPLIED]
    assert Person(2).ask(0, 1, 60, 61, 119.9) == [ALLOWED, ALLOWED, ALLOWED, ALLOWED, REPLIED]


def test_what_was_rejected_in_silence_does_not_count() -> None:
    person = Person(1)
    assert person.ask(0, 10, 20, 30, 40, 50) == [ALLOWED, REPLIED, REJECTED, REJECTED, REJECTED, REJECTED]
    assert person.ask(70) == [ALLOWED]


def test_people_do_not_count_for_each_other() -> None:
    person = Person(1)
    assert person.ask(0) == person.ask(1, who="another") == [ALLOWED]
    assert person.ask(2) == person.ask(3, who="another") == [REPLIED]


def test_only_those_of_the_last_minute_are_remembered() -> None:
    person = Person(3)
    for number in range(100):
        person.ask(number, who=f"person {number}")
        assert len(person.throttle._times) == min(number + 1, 60)


def test_somebody_who_goes_on_is_remembered_longest() -> None:
    """The oldest are forgotten first, by their last command and not by their first."""
    person = Person(2)
    person.ask(0)
    person.ask(10, who="another")
    assert person.ask(50, 51) == [ALLOWED, REPLIED]
    person.ask(70, who="a third")
    assert person.ask(71) == [REPLIED]
    assert set(person.throttle._times) == {"somebody", "a third"}
