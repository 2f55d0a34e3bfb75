"""Who is owed a message about what was published."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.outbox.fanout import find_places
from monitor.storage import schema
from monitor.storage.lists.tables import HistoryImportRow
from tests.outbox.world import (
    CHICAGO,
    GARY,
    HAMMOND,
    NAMELESS,
    NOWHERE,
    PLACEMENTS,
    STATE_POLICE,
    WITHIN,
    Recorder,
    World,
    changed,
    locate,
    removed,
)


def owed(world: World) -> set[int]:
    return {row.subscriber_id for row in world.rows()}


def test_a_change_reaches_its_zip_its_state_and_the_whole_country(world: World) -> None:
    zip_ = world.person("zip@a.example", "46320")
    state = world.person("state@a.example", "IN")
    everything = world.person("us@a.example", "US")
    world.person("other-zip@a.example", "46402")
    world.person("other-state@a.example", "IL")
    world.publish(HAMMOND)
    assert world.fan_out() == 3
    assert owed(world) == {zip_, state, everything}


def test_a_statewide_agency_reaches_every_zip_of_its_state(world: World) -> None:
    here = world.person("here@a.example", "46402")
    world.person("there@a.example", "60601")
    world.publish(STATE_POLICE)
    world.fan_out()
    assert owed(world) == {here}


def test_an_agency_that_could_not_be_placed_reaches_its_state_but_no_zip(world: World) -> None:
    world.person("zip@a.example", "46402")
    state = world.person("state@a.example", "IN")
    everything = world.person("us@a.example", "US")
    world.publish(NOWHERE)
    world.fan_out()
    assert owed(world) == {state, everything}


def test_an_agency_without_a_state_reaches_followers_of_everything_alone(world: World) -> None:
    world.person("state@a.example", "IN")
    everything = world.person("us@a.example", "US")
    world.publish(NAMELESS)
    world.fan_out()
    assert owed(world) == {everything}


def test_a_removal_reaches_those_where_the_agency_was(world: World) -> None:
    there = world.person("there@a.example", "46320")
    world.publish(removed(HAMMOND))
    world.fan_out()
    assert owed(world) == {there}


def test_a_move_reaches_the_places_before_and_after(world: World) -> None:
    before = world.person("before@a.example", "46320")
    after = world.person("after@a.example", "60601")
    old_state = world.person("old-state@a.example", "IN")
    new_state = world.person("new-state@a.example", "IL")
    world.publish(changed(HAMMOND, CHICAGO, "name", "city", "state"))
    world.fan_out()
    assert owed(world) == {before, after, old_state, new_state}


def test_one_person_with_overlapping_places_is_owed_one_message(world: World) -> None:
    person = world.person("all@a.example", "46320", "46324", "46402", "IN", "US")
    world.publish(HAMMOND, GARY, STATE_POLICE)
    assert world.fan_out() == 1
    assert owed(world) == {person}


def test_only_followers_of_that_source_hear_of_it(world: World) -> None:
    world.person("ring@a.example", "IN", sources=["ring"])
    ice = world.person("ice@a.example", "IN", sources=["ice-287g"])
    world.publish(HAMMOND, source="ice-287g")
    world.fan_out()
    assert owed(world) == {ice}


def test_only_the_active_who_want_alerts_at_once_get_a_row_now(world: World) -> None:
    active = world.person("active@a.example", "IN")
    for state in ("pending", "paused", "ended"):
        world.person(f"{state}@a.example", "IN", state=state)
    world.person("digest@a.example", "IN", frequency="weekly")
    world.publish(HAMMOND)
    world.fan_out()
    assert owed(world) == {active}


def test_fanning_out_twice_is_once(world: World) -> None:
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    assert world.fan_out() == 1
    assert world.fan_out() == 0
    world.write(sa.update(schema.ChangesetRow).values(fanned_out_at=None))
    assert world.fan_out() == 0
    assert len(world.rows()) == 1


def test_two_processes_that_fan_out_at_once_write_one_row_each_person(world: World) -> None:
    for number in range(20):
        world.person(f"p{number}@a.example", "IN")
    for listing in (HAMMOND, GARY, STATE_POLICE):
        world.publish(listing)
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda _: world.fan_out(), range(4)))
    assert sum(written) == 60
    assert len(world.rows()) == 60


def test_the_place_and_its_reason_are_kept_with_the_change(world: World) -> None:
    world.publish(STATE_POLICE, HAMMOND)
    world.fan_out()
    first, second = world.rows(schema.ChangeRow)
    assert (first.how, first.confidence, first.placement) == (
        "state",
        "exact",
        '{"rule": "state", "names": ["IN"]}',
    )
    assert second.placement == '{"rule": "covers", "names": ["Hammond"]}'
    places = {(row.change_id, row.place, bool(row.everyone)) for row in world.rows(schema.ChangePlaceRow)}
    assert places == {
        (first.id, "IN", True),
        (first.id, "US", False),
        (second.id, "46320", False),
        (second.id, "46324", False),
        (second.id, "IN", False),
        (second.id, "US", False),
    }


def test_a_listing_that_the_gazetteer_stumbles_over_is_told_to_its_state(world: World) -> None:
    def stumbling(source: str, listing: Listing) -> Placement:
        if listing == GARY:
            raise ZeroDivisionError
        return locate(source, listing)

    state = world.person("state@a.example", "IN")
    hammond = world.person("hammond@a.example", "46320")
    world.person("gary@a.example", "46402")
    world.publish(GARY, HAMMOND)
    world.fan_out(stumbling)
    assert owed(world) == {state, hammond}
    assert world.rows(schema.ChangeRow)[0].confidence == Confidence.STATE_ONLY


AGENCIES = (HAMMOND, GARY, STATE_POLICE, NOWHERE, NAMELESS, CHICAGO)
PLACES = ("46320", "46324", "46402", "60601", "IN", "IL", "US")


def concerned(listing: Listing, place: str) -> bool:
    """The rule in words: "Who gets a change"."""
    placement = PLACEMENTS[listing.name]
    if place == "US":
        return True
    if place in ("IN", "IL"):
        return listing.state == place
    return place in placement.places or (placement.statewide and WITHIN[place] == listing.state)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    wanted=st.lists(st.sets(st.sampled_from(PLACES), min_size=1), min_size=1, max_size=6),
    changes=st.lists(st.sampled_from(AGENCIES), min_size=1, max_size=5, unique=True),
)
def test_nobody_gets_a_change_outside_their_places_and_everybody_gets_theirs(
    sqlite_world: World, wanted: list[set[str]], changes: list[Listing]
) -> None:
    world = sqlite_world
    for table in (schema.DeliveryRow, schema.ChangePlaceRow, schema.ChangeRow, schema.ChangesetRow):
        world.write(sa.delete(table))
    for table in (schema.SubscriptionRow, schema.SubscriberRow):
        world.write(sa.delete(table))
    addresses = {f"p{number}@a.example": places for number, places in enumerate(wanted)}
    for address, places in addresses.items():
        world.person(address, *places)
    world.publish(*changes)
    world.fan_out()
    channel = Recorder()
    world.send(channel)
    expected: dict[str, list[str]] = {}
    for address, places in sorted(addresses.items()):
        lines = []
        for listing in changes:
            because = sorted(place for place in places if concerned(listing, place))
            if because:
                lines.append(f"added {listing.name} because {'+'.join(because)}")
        if lines:
            expected[address] = ["\n".join(lines)]
    assert channel.told == expected


def test_a_changeset_that_cannot_be_read_holds_up_no_other(world: World) -> None:
    world.person("a@a.example", "IN")
    broken = world.publish(HAMMOND)
    world.publish(GARY)
    world.write(
        sa.update(schema.ChangeRow)
        .where(schema.ChangeRow.changeset_id == broken)
        .values(after={"no": "listing"})
    )
    assert world.fan_out() == 1
    assert world.fan_out() == 0
    assert [row.fanned_out_at is None for row in world.rows(schema.ChangesetRow)] == [True, False]


@pytest.mark.parametrize(
    ("state", "placed", "statewide", "places", "everyone"),
    [
        ("IN", ("46320",), False, {"46320", "IN", "US"}, set()),
        ("IN", ("46320", "IL"), False, {"46320", "IL", "IN", "US"}, set()),
        (None, ("46320",), False, {"46320", "US"}, set()),
        ("IN", ("IN",), False, {"IN", "US"}, set()),
        ("IN", ("IN",), True, {"IN", "US"}, {"IN"}),
        ("IN", ("IL",), True, {"IL", "US"}, {"IL"}),
        ("IN", ("US",), False, {"US"}, set()),
        (None, ("US",), False, {"US"}, set()),
        ("IN", ("46320",), True, {"46320", "IN", "US"}, {"IN"}),
    ],
)
def test_an_agency_concerns_its_places_their_state_and_the_country(
    state: str | None, placed: tuple[str, ...], statewide: bool, places: set[str], everyone: set[str]
) -> None:
    """The state of the listing counts where ZIP codes are known, and not beside "US" alone."""
    placement = Placement(placed, "test", Confidence.EXACT, PlacementReason("operator"), statewide=statewide)
    assert find_places(Listing(name="x", key="x", state=state), placement) == (places, everyone)


def test_a_changeset_that_another_process_fans_out_meanwhile_is_not_counted(sqlite_world: World) -> None:
    world = sqlite_world
    world.person("a@a.example", "IN")
    world.publish(HAMMOND)
    counts: list[int] = []

    def meanwhile(source: str, listing: Listing) -> Placement:
        if not counts:
            counts.append(-1)
            counts.append(world.fan_out())
        return locate(source, listing)

    assert world.fan_out(meanwhile) == 0
    assert counts == [-1, 1]
    assert len(world.rows()) == 1


def test_a_listing_without_a_state_that_cannot_be_located_is_told_to_followers_of_everything(
    sqlite_world: World,
) -> None:
    def stumbling(source: str, listing: Listing) -> Placement:
        raise ZeroDivisionError

    world = sqlite_world
    world.person("state@a.example", "IN")
    everything = world.person("us@a.example", "US")
    world.publish(NAMELESS)
    assert world.fan_out(stumbling) == 1
    assert owed(world) == {everything}


def test_an_imported_changeset_has_places_and_is_nobodys_news(sqlite_world: World) -> None:
    world = sqlite_world
    world.person("a@a.example", "IN")
    imported = world.publish(HAMMOND)
    world.write(
        sa.insert(HistoryImportRow).values(source="ring", at=world.now, first_at=world.now, last_at=world.now)
    )
    world.write(sa.update(schema.ChangesetRow).values(import_id=1))
    assert world.fan_out() == 0
    assert not world.rows()
    assert {row.place for row in world.rows(schema.ChangePlaceRow)} == {"46320", "46324", "IN", "US"}
    assert [row.id for row in world.rows(schema.ChangesetRow) if row.fanned_out_at == world.now] == [imported]
