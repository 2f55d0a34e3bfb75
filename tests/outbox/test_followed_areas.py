"""Counties, towns and radiuses as places to follow: who is told, once, and why."""

from __future__ import annotations

import sqlalchemy as sa

from monitor import subscribers
from monitor.outbox import renew_placements
from monitor.places import load
from monitor.places.followed_areas import load_area
from monitor.storage import database_facts, schema
from monitor.storage.engine import reading, transaction
from monitor.storage.people import area_places
from tests.outbox.world import CHICAGO, GARY, HAMMOND, NOWHERE, STATE_POLICE, Recorder, World

LAKE, COOK = "county-18089", "county-17031"
AROUND_CHICAGO = "radius-60601-25"  # reaches Hammond, which is in Indiana
TOWN = "town-IN-Hammond"


def owed(world: World) -> set[int]:
    return {row.subscriber_id for row in world.rows()}


def area_rows(world: World, key: str) -> set[tuple[str, bool]]:
    rows = world.rows(schema.AreaPlaceRow)
    return {(row.place, bool(row.statewide)) for row in rows if row.area == key}


def test_an_agency_of_one_zip_reaches_its_county_its_town_and_the_radius_around_it(world: World) -> None:
    county = world.person("county@a.example", LAKE)
    town = world.person("town@a.example", TOWN)
    radius = world.person("radius@a.example", AROUND_CHICAGO)
    world.person("other@a.example", COOK)
    world.publish(HAMMOND)
    assert world.fan_out() == 3
    assert owed(world) == {county, town, radius}


def test_a_statewide_agency_reaches_every_area_in_its_state_over_state_lines_too(world: World) -> None:
    county = world.person("county@a.example", LAKE)
    radius = world.person("radius@a.example", AROUND_CHICAGO)
    world.person("other@a.example", COOK)
    world.person("near@a.example", "radius-60601-10")  # within Illinois
    world.publish(STATE_POLICE)
    world.fan_out()
    assert owed(world) == {county, radius}


def test_an_agency_that_could_not_be_placed_reaches_no_area(world: World) -> None:
    world.person("county@a.example", LAKE)
    world.person("radius@a.example", AROUND_CHICAGO)
    world.publish(NOWHERE)
    assert world.fan_out() == 0


def test_overlapping_places_of_all_kinds_are_one_message_with_each_reason_once(world: World) -> None:
    world.person("all@a.example", LAKE, TOWN, AROUND_CHICAGO, COOK, "46320", "IN", "US")
    world.publish(HAMMOND, GARY, STATE_POLICE, CHICAGO)
    assert world.fan_out() == 1
    channel = Recorder()
    world.send(channel)
    (text,) = channel.told["all@a.example"]
    assert text.splitlines() == [
        f"added {HAMMOND.name} because 46320+IN+US+{LAKE}+{AROUND_CHICAGO}+{TOWN}",
        f"added {GARY.name} because IN+US+{LAKE}+{AROUND_CHICAGO}",
        f"added {STATE_POLICE.name} because 46320+IN+US+{LAKE}+{AROUND_CHICAGO}+{TOWN}",
        f"added {CHICAGO.name} because US+{COOK}+{AROUND_CHICAGO}",
    ]


def test_only_followers_of_the_list_hear_of_it(world: World) -> None:
    world.person("ice@a.example", LAKE, sources=["ice-287g"])
    world.publish(HAMMOND)
    assert world.fan_out() == 0


def test_a_subscription_whose_zips_are_missing_gets_them_at_the_fan_out(world: World) -> None:
    """As after a restored backup, or when the last other follower left at that moment."""
    person = world.person("county@a.example", LAKE)
    world.write(sa.delete(schema.AreaPlaceRow))
    world.publish(HAMMOND)
    world.fan_out()
    assert owed(world) == {person}


def test_what_nobody_follows_any_more_is_deleted_and_what_somebody_follows_stays(world: World) -> None:
    world.person("county@a.example", LAKE)
    gone = world.person("town@a.example", TOWN)
    with transaction(world.engine) as conn:
        conn.execute(sa.delete(schema.SubscriptionRow).where(schema.SubscriptionRow.subscriber_id == gone))
    subscribers.purge(world.engine, world.now)
    assert not area_rows(world, TOWN)
    assert ("46320", False) in area_rows(world, LAKE)
    assert ("IN", True) in area_rows(world, LAKE)


def test_a_new_gazetteer_renews_the_zips_of_every_area(world: World) -> None:
    world.person("county@a.example", LAKE)
    right = area_rows(world, LAKE)
    world.write(
        sa.update(schema.AreaPlaceRow).where(schema.AreaPlaceRow.place == "46320").values(place="00000")
    )
    assert renew_placements(world.engine, load(), world.now).areas == 1
    assert area_rows(world, LAKE) == right
    with reading(world.engine) as conn:
        assert database_facts.get(conn, database_facts.AREAS_VERSION)
    world.write(
        sa.update(schema.AreaPlaceRow).where(schema.AreaPlaceRow.place == "46320").values(place="00000")
    )
    assert renew_placements(world.engine, load(), world.now).areas == 0  # the gazetteer is the same


def test_an_area_that_the_gazetteer_has_lost_keeps_its_zips(world: World) -> None:
    lost = "town-IN-Atlantis"
    with transaction(world.engine) as conn:
        conn.execute(sa.insert(schema.AreaPlaceRow).values(area=lost, place="46320", statewide=False))
    person = world.person("lost@a.example", lost)
    assert load_area(lost) is None
    with transaction(world.engine) as conn:
        assert not area_places.find_renewed(conn)
    world.publish(HAMMOND)
    world.fan_out()
    assert owed(world) == {person}


def test_statements_do_not_grow_with_the_areas(world: World) -> None:
    def count() -> int:
        world.publish(HAMMOND)
        statements: list[str] = []
        note = lambda conn, cursor, statement, *more: statements.append(statement)  # noqa: E731
        sa.event.listen(world.engine, "before_cursor_execute", note)
        world.fan_out()
        sa.event.remove(world.engine, "before_cursor_execute", note)
        return len(statements)

    world.person("a@a.example", LAKE)
    few = count()
    for number, place in enumerate([COOK, TOWN, AROUND_CHICAGO, "radius-46320-10", "county-18127"] * 4):
        world.person(f"p{number}@a.example", place)
    assert count() == few
