"""Another gazetteer, or other overrides: agencies get their places again, silently and counted, and whom they
reach only now reads once that they are listed, as the state of today.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from monitor import messages, subscribers
from monitor.domain import Confidence, Listing, Placement, PlacementReason, Rendered, SourceInfo
from monitor.messages import Message, Sender
from monitor.ops.health_facts import load_facts
from monitor.ops.health_report import report_status
from monitor.outbox import (
    MessageLoader,
    PlacingReport,
    insert_due_digests,
    insert_due_notices,
    renew_placements,
)
from monitor.places import Gazetteer, Override, Overrides, load
from monitor.storage import database_facts, schema
from monitor.storage.deliveries import endings
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, placement_rows
from monitor.storage.lists.baseline import NewVersion
from monitor.storage.lists.coverage import Coverage
from tests.outbox.world import CHICAGO, GARY, HAMMOND, STATE_POLICE, Recorder, World, removed

LAKE = "county-18089"
RING = SourceInfo(name="ring", titles={"en": "Ring's map", "es": "El mapa de Ring"}, every=timedelta(hours=1))
ALSO = "Also listed for your places today"
IN_GARY = ("46402", "46403")


def place_by_hand(**places: str) -> Gazetteer:
    """The gazetteer with overrides: by the listing's city, its places as an operator writes them."""
    rows = []
    for listing in (HAMMOND, GARY, STATE_POLICE, CHICAGO):
        if (given := places.get((listing.city or "state").lower())) is not None:
            placement = Placement(
                tuple(given.split()),
                "override",
                Confidence.EXACT,
                PlacementReason("operator"),
                statewide=given.isalpha(),
            )
            rows.append(Override("ring", listing.key, "", "", placement))
    return load().with_overrides(Overrides.of(rows))


def accept(world: World, *listings: Listing, source: str = "ring") -> None:
    """These become the list, as a first poll takes them."""
    with transaction(world.engine) as conn:
        stands = baseline.load_info(conn, source)
        baseline.advance(conn, stands, number=stands.number + 1, last_good_at=world.now)
        baseline.begin_versions(
            conn, source, [NewVersion(each, each.key) for each in listings], stands.number + 1, world.now
        )


def delist(world: World, listing: Listing, source: str = "ring") -> None:
    with transaction(world.engine) as conn:
        stands = baseline.load_info(conn, source)
        baseline.advance(conn, stands, number=stands.number + 1)
        baseline.end_versions(conn, source, [listing.key], stands.number + 1, world.now)


def renew(world: World, gazetteer: Gazetteer) -> PlacingReport:
    return renew_placements(world.engine, gazetteer, world.now)


def render(message: Message) -> Rendered:
    return messages.render(message, Sender(site_name="Watch", managed=True))


def send(world: World, channel: Recorder | None = None) -> dict[str, list[str]]:
    """What each address is sent now, as the mails' text in one line each."""
    channel = channel or Recorder()
    coverage = Coverage(world.engine, ["ring"], lambda source, listing: load().locate(listing, source))
    loading = MessageLoader({"ring": RING}, "https://watch.example", world.engine, coverage, world.clock)
    world.send(channel, render=render, loader=loading)
    return {who: [" ".join(text.split()) for text in texts] for who, texts in channel.told.items()}


def owed(world: World) -> set[tuple[int, str]]:
    return {(row.subscriber_id, row.agency) for row in world.rows(schema.NewlyCoveredRow)}


def leaves(world: World) -> list[dict[str, Any]]:
    with reading(world.engine) as conn:
        rows = conn.scalars(sa.select(schema.LogLeafRow.content).order_by(schema.LogLeafRow.number))
        return [json.loads(row) for row in rows]


def stored(world: World) -> dict[str, Placement]:
    with reading(world.engine) as conn:
        return placement_rows.load_current(conn, "ring")


def test_a_list_without_placements_gets_them_and_nobody_hears_of_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """As after the upgrade of a database of 0.1.0."""
    caplog.set_level("INFO", logger="monitor")
    world.person("a@a.example", "46320")
    accept(world, HAMMOND, STATE_POLICE)
    assert renew(world, load()) == PlacingReport(listings=0, moved=0, areas=0, people=0)
    assert "2 listings were placed for the first time" in caplog.text
    assert "have other places" not in caplog.text
    assert stored(world) == {each.key: load().locate(each, "ring") for each in (HAMMOND, STATE_POLICE)}
    assert not owed(world)
    assert not leaves(world)
    assert not world.rows()
    assert renew(world, load()) == PlacingReport()


def test_another_override_changes_the_places_silently_and_counted(world: World) -> None:
    new = world.person("gary@a.example", "46402")
    paused = world.person("paused@a.example", "46403", state="paused")
    world.person("hammond@a.example", "46320")
    world.person("both@a.example", "46320", "46402")
    world.person("county@a.example", LAKE)
    world.person("state@a.example", "IN")
    world.person("all@a.example", "US")
    world.person("left@a.example", "46402", state="pending")
    world.person("ice@a.example", "46402", sources=["ice-287g"])
    accept(world, HAMMOND, GARY)
    renew(world, load())
    with reading(world.engine) as conn:
        before = baseline.load_info(conn, "ring")
    wider = place_by_hand(hammond="46320 46324 46402 46403")
    assert renew(world, wider) == PlacingReport(listings=2, moved=1, people=2)
    assert owed(world) == {(new, HAMMOND.key), (paused, HAMMOND.key)}
    assert stored(world)[HAMMOND.key] == wider.locate(HAMMOND, "ring")
    assert not world.rows(schema.ChangeRow)
    assert not world.rows(schema.ChangesetRow)
    assert not world.rows()  # no delivery
    (leaf,) = leaves(world)
    assert leaf == {
        "type": "placements",
        "source": "ring",
        "at": leaf["at"],
        "baseline": before.number + 1,
        "gazetteer": wider.version,
        "listings": 2,
        "moved": 1,
    }
    with reading(world.engine) as conn:
        after = baseline.load_info(conn, "ring")
        assert baseline.load_listings(conn, "ring") == tuple(
            sorted((HAMMOND, GARY), key=lambda each: each.key)
        )
    assert after.number == before.number + 1  # what is kept of the list is made again
    report = report_status(
        load_facts(world.engine, {"ring": RING}, configured=["email"], fenced=None, now=world.now)
    )["placements"]
    assert report == {
        "at": world.now.isoformat(timespec="seconds"),
        "gazetteer": wider.version,
        "listings": 2,
        "moved": 1,
        "areas": 0,
        "people": 2,
    }
    assert renew(world, wider) == PlacingReport()  # once
    assert len(leaves(world)) == 1


def test_a_gazetteer_that_moves_nothing_is_in_the_record_and_moves_no_number(world: World) -> None:
    accept(world, HAMMOND, GARY)
    renew(world, load())
    with reading(world.engine) as conn:
        before = baseline.load_info(conn, "ring")
    assert renew(world, place_by_hand(chicago="60601")) == PlacingReport(listings=2)
    (leaf,) = leaves(world)
    assert (leaf["listings"], leaf["moved"], leaf["baseline"]) == (2, 0, before.number)
    with reading(world.engine) as conn:
        assert baseline.load_info(conn, "ring") == before


def test_an_agency_on_which_the_gazetteer_fails_holds_up_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Stumbling(Gazetteer):
        def locate(self, listing: Listing, source: str | None = None) -> Placement:
            if listing.name == GARY.name:
                raise ZeroDivisionError
            return super().locate(listing, source)

    world.person("county@a.example", LAKE)
    accept(world, HAMMOND, GARY)
    caplog.set_level("INFO", logger="monitor")
    known = load()
    renew(world, Stumbling(known.table, known.overrides))
    assert stored(world).keys() == {HAMMOND.key}
    world.write(sa.delete(schema.AreaPlaceRow).where(schema.AreaPlaceRow.place.in_(("46320", *IN_GARY))))
    world.write(sa.delete(schema.MetaRow).where(schema.MetaRow.name == database_facts.AREAS_VERSION))
    wider = place_by_hand(hammond="46320")
    report = renew(world, Stumbling(wider.table, wider.overrides))
    assert report == PlacingReport(listings=1, moved=1, areas=1)
    assert "1 of 1 agencies have other places, 1 followed areas have other ZIP codes; 0 people" in caplog.text
    assert renew(world, load()).listings == 1, "it is tried again, and the other one is there"


def test_an_agency_that_serves_the_whole_state_now_reaches_everybody_there(world: World) -> None:
    zip_ = world.person("zip@a.example", "46402")
    county = world.person("county@a.example", LAKE)
    world.person("chicago@a.example", "60601")
    world.person("state@a.example", "IN")
    accept(world, HAMMOND)
    renew(world, place_by_hand(hammond="46327"))  # a part of Hammond, in the same county
    assert renew(world, place_by_hand(hammond="IN")).people == 1
    assert owed(world) == {(zip_, HAMMOND.key)}
    assert county  # heard of it before: it holds 46327


def test_a_followed_area_that_gained_a_zip_reaches_its_agencies(world: World) -> None:
    person = world.person("county@a.example", LAKE)
    world.person("zip@a.example", "46320")
    accept(world, HAMMOND, CHICAGO)
    renew(world, load())
    world.write(
        sa.delete(schema.AreaPlaceRow).where(
            schema.AreaPlaceRow.place.in_(load().locate(HAMMOND, "ring").places)
        )
    )
    with transaction(world.engine) as conn:
        database_facts.put(conn, database_facts.AREAS_VERSION, "of an older program")
    assert renew(world, load()) == PlacingReport(areas=1, people=1)
    assert owed(world) == {(person, HAMMOND.key)}


def test_the_next_alert_says_it_once_as_state(world: World) -> None:
    world.person("gary@a.example", "46402")
    world.person("es@a.example", "46402", language="es")
    world.person("hammond@a.example", "46320")
    accept(world, HAMMOND, GARY)
    renew(world, load())
    renew(world, place_by_hand(hammond="46320 46402"))
    assert send(world) == {}  # it is no news, so it waits for some
    world.publish(GARY, STATE_POLICE)
    world.fan_out()
    world.later(minutes=1)
    told = send(world)
    (mail,) = told["gary@a.example"]
    assert mail.count(ALSO) == 1
    assert f"- {HAMMOND.name} (Ring's map): placed by the operator" in mail
    assert "This is not news from the lists." in mail
    assert mail.index("Gary Police Department") < mail.index(ALSO)
    (spanish,) = told["es@a.example"]
    assert "También en la lista hoy para sus lugares" in spanish
    assert f"- {HAMMOND.name} (El mapa de Ring): fue ubicada por quien administra este sitio" in spanish
    (other,) = told["hammond@a.example"]
    assert ALSO not in other
    world.publish(GARY)
    world.fan_out()
    assert all(ALSO not in text for texts in send(world).values() for text in texts)
    world.later(days=400)
    subscribers.purge(world.engine, world.now)
    assert not owed(world)
    world.publish(GARY)
    world.fan_out()
    assert all(ALSO not in text for texts in send(world).values() for text in texts)


def test_the_next_digest_says_it_once(world: World) -> None:
    since = world.now
    world.person(
        "gary@a.example",
        "46402",
        frequency="daily",
        timezone="America/Chicago",
        local_hour=8,
        digest_at=since + timedelta(days=1),
        digest_since=since,
    )
    accept(world, HAMMOND, GARY)
    renew(world, load())
    renew(world, place_by_hand(hammond="46320 46402"))
    for _ in range(2):
        world.later(hours=3)
        world.publish(GARY)
        world.fan_out()
    counts = []
    for _ in range(2):
        world.later(days=2)
        assert insert_due_digests(world.engine, world.now) == 1
        (mail,) = send(world)["gary@a.example"]
        counts.append(mail.count(ALSO))
        assert ("Hammond Police Department (Ring's map)" in mail) == bool(counts[-1])
        world.publish(GARY)
        world.fan_out()
    assert counts == [1, 0]


def test_the_quarterly_receipt_says_it_where_nothing_else_came(world: World) -> None:
    start = world.now
    world.person("gary@a.example", "46402", origin="site", confirmed_at=start)
    accept(world, HAMMOND)
    renew(world, load())
    renew(world, place_by_hand(hammond="46320 46402"))
    world.later(days=100)
    with transaction(world.engine) as conn:
        stands = baseline.load_info(conn, "ring")
        baseline.advance(conn, stands, last_good_at=world.now, last_fetch_at=world.now)
    assert insert_due_notices(world.engine, {"ring": RING}, world.now) == 1
    (mail,) = send(world)["gary@a.example"]
    assert mail.startswith("Still watching")
    assert mail.count(ALSO) == 1


@pytest.mark.parametrize("way", ["failed", "dropped"])
def test_a_message_that_never_arrived_leaves_it_to_the_next(world: World, way: str) -> None:
    world.person("gary@a.example", "46402")
    accept(world, HAMMOND, GARY)
    renew(world, load())
    renew(world, place_by_hand(hammond="46320 46402"))
    world.publish(GARY)
    world.fan_out()
    world.write(sa.update(schema.DeliveryRow).values(state=way, settled_at=world.now))
    world.publish(GARY)
    world.fan_out()
    (mail,) = send(world)["gary@a.example"]
    assert mail.count(ALSO) == 1


def test_a_retry_says_the_same_again(world: World) -> None:
    world.person("gary@a.example", "46402")
    accept(world, HAMMOND, GARY)
    renew(world, load())
    renew(world, place_by_hand(hammond="46320 46402"))
    world.publish(GARY)
    world.fan_out()
    channel = Recorder()
    channel.will("gary@a.example", OSError("the connection was lost"))
    assert send(world, channel) == {}
    world.later(hours=1)
    (mail,) = send(world, channel)["gary@a.example"]
    assert mail.count(ALSO) == 1


def test_what_is_no_longer_so_is_not_said(world: World) -> None:
    unfollowed = world.person("moved@a.example", "46402", "60601")
    world.person("gary@a.example", "46403")
    accept(world, HAMMOND, GARY, CHICAGO)
    renew(world, load())
    renew(world, place_by_hand(hammond="46320 46402 46403", chicago="60601 46402"))
    assert owed(world) == {
        (unfollowed, HAMMOND.key),
        (owed_of(world, "46403"), HAMMOND.key),
    }
    world.write(sa.delete(schema.SubscriptionRow).where(schema.SubscriptionRow.place == "46402"))
    delist(world, HAMMOND)
    world.publish(removed(HAMMOND), CHICAGO)
    world.fan_out()
    for texts in send(world).values():
        assert all(ALSO not in text for text in texts)


def owed_of(world: World, place: str) -> int:
    """The subscriber who follows a place."""
    (found,) = [row.subscriber_id for row in world.rows(schema.SubscriptionRow) if row.place == place]
    return int(found)


def test_who_leaves_is_owed_nothing_and_the_export_shows_what_is_owed(world: World) -> None:
    person = world.person("gary@a.example", "46402")
    accept(world, HAMMOND)
    renew(world, load())
    renew(world, place_by_hand(hammond="46320 46402"))
    coverage = Coverage(world.engine, ["ring"], lambda source, listing: load().locate(listing, source))
    loading = MessageLoader({"ring": RING}, None, world.engine, coverage, world.clock)
    assert loading._owed_agencies(person) == (("newly_covered", f"{HAMMOND.key} (ring)"),)
    with transaction(world.engine) as conn:
        endings.end(conn, person, world.now)
    assert not owed(world)


def test_a_poll_in_between_lets_the_step_look_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.person("gary@a.example", "46402")
    accept(world, HAMMOND)
    renew(world, load())
    wider = place_by_hand(hammond="46320 46402")
    polls = iter([GARY])

    class Polled(Gazetteer):
        """Another process publishes an agency while this one places the others."""

        def locate(self, listing: Listing, source: str | None = None) -> Placement:
            for arriving in polls:
                accept(world, arriving)
            return super().locate(listing, source)

    report = renew(world, Polled(wider.table, wider.overrides))
    assert report == PlacingReport(listings=1, moved=1, people=1)
    assert stored(world).keys() == {HAMMOND.key, GARY.key}
    assert len(leaves(world)) == 1


def test_fan_out_uses_the_places_that_are_stored_with_the_version(world: World) -> None:
    """What T1 stored decides, whatever the gazetteer of the process that fans out says."""
    accept(world, HAMMOND)
    renew(world, place_by_hand(hammond="46402"))
    world.publish(HAMMOND)
    with reading(world.engine) as conn:
        number = baseline.load_info(conn, "ring").number
    world.write(sa.update(schema.ChangesetRow).values(number=number))
    person = world.person("gary@a.example", "46402")
    world.person("hammond@a.example", "46320")
    assert world.fan_out() == 1
    assert [row.subscriber_id for row in world.rows()] == [person]
