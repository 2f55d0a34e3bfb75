"""Refusals that are settled just before a wave is found, or just after: they are part of it."""

from __future__ import annotations

from dataclasses import replace

from monitor.channels import EVERYTHING
from monitor.outbox.outcomes import Outcome, OutcomeKind
from monitor.storage import schema
from monitor.storage.deliveries import refusals
from tests.outbox.test_settlement import HOUR, owe, write
from tests.outbox.world import World

PEOPLE = [f"p{number}@d{number}.example" for number in range(7)]


def refuse(world: World, outcome: Outcome, verdict: str = refusals.STRIKE, answer: str = "550 no") -> Outcome:
    """What a drain settles if the server refused this message just now."""
    return replace(
        outcome,
        kind=OutcomeKind.AGAIN,
        at=world.now + HOUR,
        error=answer,
        answer=answer,
        verdict=verdict,
        moment=world.now,
        lane=lane_of(outcome),
    )


def lane_of(outcome: Outcome) -> str:
    return f"d{outcome.ids[0]}.example"


def accept(world: World, outcome: Outcome) -> Outcome:
    return replace(outcome, moment=world.now, lane=lane_of(outcome))


def states(world: World) -> list[tuple[str, int]]:
    """The state of each delivery, and the strikes of its subscriber."""
    strikes = {row.id: row.strikes for row in world.rows(schema.SubscriberRow)}
    return [(row.state, strikes[row.subscriber_id]) for row in world.rows()]


def test_messages_that_were_being_sent_when_a_wave_was_found_belong_to_it(sqlite_world: World) -> None:
    world = sqlite_world
    people = owe(world, *PEOPLE)
    assert write(world, *(refuse(world, each, refusals.GONE) for each in people[:4]))
    world.later(seconds=1)
    # the group after it holds the rest, too few for a wave of their own
    assert write(world, *(refuse(world, each, refusals.GONE) for each in people[4:6])) == ()
    assert {row.state for row in world.rows(schema.RefusalRow)} == {refusals.TAKEN_BACK}
    assert [row.due_at for row in world.rows()][4:6] == [world.now] * 2
    world.later(minutes=5)
    write(world, accept(world, people[6]))
    assert states(world) == [("due", 0)] * 6 + [("sent", 0)]
    assert world.rows(schema.SuppressionRow) == []


def test_a_refusal_from_before_the_wave_keeps_its_doubt(sqlite_world: World) -> None:
    world = sqlite_world
    people = owe(world, *PEOPLE)
    write(world, refuse(world, people[0], answer="552 full"))
    write(world, *(refuse(world, each) for each in people[1:4]))
    write(world, refuse(world, people[4]))
    found = [(row.answer, row.state) for row in world.rows(schema.RefusalRow)]
    assert found == [("552 full", refusals.OPEN), *[("550 no", refusals.TAKEN_BACK)] * 4]


def test_refusals_that_counted_just_before_a_wave_are_reversed_with_it(sqlite_world: World) -> None:
    world = sqlite_world
    people = owe(world, *PEOPLE)
    write(world, *(refuse(world, each) for each in people[:2]), accept(world, people[2]))
    assert states(world)[:3] == [("failed", 1), ("failed", 1), ("sent", 0)]
    world.later(minutes=30)
    assert write(world, *(refuse(world, each) for each in people[3:6]))
    assert states(world)[:6] == [("due", 0), ("due", 0), ("sent", 0), *[("due", 0)] * 3]


def test_refusals_that_counted_long_before_a_wave_still_count(sqlite_world: World) -> None:
    world = sqlite_world
    people = owe(world, *PEOPLE)
    write(world, *(refuse(world, each) for each in people[:2]), accept(world, people[2]))
    world.later(minutes=61)
    assert write(world, *(refuse(world, each) for each in people[3:6]))
    assert states(world)[:2] == [("failed", 1), ("failed", 1)]


def test_a_wave_at_two_domains_is_everybodys_and_at_one_is_that_domains(sqlite_world: World) -> None:
    world = sqlite_world
    people = owe(world, *PEOPLE)
    refused = [refuse(world, each) for each in people]
    one = [replace(each, lane="d1.example") for each in refused[:3]]
    assert [each.lane for each in write(world, *one)] == ["d1.example"]
    two = [replace(each, lane=f"d{n % 2 + 2}.example") for n, each in enumerate(refused[3:6])]
    assert [each.lane for each in write(world, *two)] == [EVERYTHING]
