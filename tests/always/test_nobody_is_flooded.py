"""What must always hold, sentences 3, 5, 10 and 11: each thing is told once, and old things never."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from monitor import sources
from monitor.channels.outline import seal_address
from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.errors import StoreError, Transient
from monitor.keys import KeyFile
from monitor.outbox import fan_out, insert_due_digests
from monitor.outbox.commit import GROUP
from monitor.outbox.leases import Leases
from monitor.polling import PollOutcome, PollResult, poll
from monitor.sources import ParseOptions
from monitor.storage import people
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import changes
from monitor.storage.people import Follow
from tests.outbox.world import GARY, HAMMOND, STATE_POLICE, Recorder, World, changed, removed
from tests.polling.publisher import Publication, agencies, agency

# 3. Nobody gets the same message many times: copies only in the window between a relay's "250" and our
# settle.


def test_nobody_gets_the_same_message_many_times(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    people_ = {f"p{number}@a.example" for number in range(150)}
    for address in people_:
        world.person(address, "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=4)
    for address in sorted(people_)[:20]:
        channel.will(address, Transient("busy"), Transient("busy"), None)
    settle, settled = Leases.settle, Counter[str]()

    def dies_once(self: Leases, outcomes: Any, now: Any) -> Any:
        settled["groups"] += 1
        if settled["groups"] == 2:
            raise RuntimeError("killed between a 250 and its settle")
        return settle(self, outcomes, now)

    monkeypatch.setattr(Leases, "settle", dies_once)
    with pytest.raises(RuntimeError, match="killed"):
        world.send(channel)
    monkeypatch.undo()
    for _ in range(12):
        world.later(hours=1)
        world.send(channel)

    assert set(world.states()) == {"sent"}
    times = Counter(handed.address for handed in channel.accepted)
    assert set(times) == people_
    copies = [address for address, number in times.items() if number > 1]
    assert len(copies) <= channel.concurrency + GROUP
    assert max(times.values()) <= 2
    for address in copies:  # and their mail programs can tell
        assert len({each.message_id for each in channel.accepted if each.address == address}) == 1


# 5. A fix, an import of history, a first run or a new parser never floods people with old news.


def everywhere(source: str, listing: Listing) -> Placement:
    return Placement(("US",), "none", Confidence.STATE_ONLY, PlacementReason("failed"))


def follower(publication: Publication, keys: KeyFile) -> None:
    with transaction(publication.engine) as conn:
        one = people.add(
            conn, channel="email", address=seal_address(keys, "email", "a@a.example"), state="active",
            origin="operator", nonce="nonce", now=publication.now,
        )  # fmt: skip
        assert one is not None
        people.follow(conn, one, [Follow("list", "US")], publication.now)


def owed(publication: Publication) -> int:
    return fan_out(publication.engine, locate=everywhere, now=publication.now)


def test_a_first_run_a_fix_and_a_new_parser_never_flood_people_with_old_news(
    publication: Publication, keys: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower(publication, keys)
    publication.seen(agencies(300))  # the first run
    assert owed(publication) == 0

    real = sources.parse

    def mended(body: bytes, spec: ParseOptions) -> object:
        read = real(body, spec)
        return replace(
            read, listings=tuple(structs.replace(x, county=f"{x.county} (new)") for x in read.listings)
        )

    monkeypatch.setattr(sources, "parse", mended)  # a new parser reads every row in another way
    monkeypatch.setattr(sources, "PARSER_VERSION", sources.PARSER_VERSION + 1)
    publication.poll()
    assert owed(publication) == 0

    columns = replace(publication.watch.options.columns, attributes=())  # a fix of the configuration
    publication.reconfigure(options=replace(publication.watch.options, columns=columns))
    publication.poll()
    assert owed(publication) == 0

    publication.seen([*agencies(300), agency(900)])  # and what is new is told, in the midst of all that
    assert owed(publication) == 1


def test_an_import_of_history_never_floods_people_with_old_news(world: World) -> None:
    for year in range(5):
        world.publish(HAMMOND, was_held=bool(year % 2))
        world.later(days=100)
    world.fan_out()
    world.later(seconds=1)
    world.person("late@a.example", "IN", "US")
    world.person("digest@a.example", "IN", frequency="daily", digest_at=world.now, digest_since=world.now)
    assert world.fan_out() == 0
    assert insert_due_digests(world.engine, world.now + timedelta(days=2)) == 0
    channel = Recorder()
    world.send(channel)
    assert channel.accepted == []


# 10. One person, one poll: one message, however many places overlap.


def test_one_person_gets_one_message_of_one_poll_however_many_places_overlap(world: World) -> None:
    world.person("a@a.example", "46320", "46324", "46402", "IN", "US")
    moved = changed(HAMMOND, structs.replace(HAMMOND, name=GARY.name, city="Gary"), "city")
    world.publish(HAMMOND, STATE_POLICE, removed(GARY), moved)
    assert world.fan_out() == 1
    channel = Recorder()
    world.send(channel)
    (message,) = channel.accepted
    assert len(message.text.splitlines()) == 4


def test_a_move_is_told_where_the_agency_was_and_where_it_is(world: World) -> None:
    for address, place in (("was@a.example", "46320"), ("is@a.example", "46402"), ("both@a.example", "IN")):
        world.person(address, place)
    world.person("elsewhere@a.example", "60601")
    world.publish(changed(HAMMOND, structs.replace(HAMMOND, name=GARY.name, city="Gary"), "city"))
    assert world.fan_out() == 3
    channel = Recorder()
    world.send(channel)
    assert sorted(channel.told) == ["both@a.example", "is@a.example", "was@a.example"]


# 11. Two replicas do not poll, announce or send twice.


def test_two_replicas_do_not_announce_twice(publication: Publication, keys: KeyFile) -> None:
    follower(publication, keys)
    publication.seen(agencies(40))
    publication.publish([*agencies(40), agency(77)])
    publication.now += timedelta(hours=1)

    def replica(_: int) -> PollResult:
        outcome = poll(publication.engine, publication.watch, publication.fetcher, now=publication.now)
        fan_out(publication.engine, locate=everywhere, now=publication.now)
        return outcome

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(replica, range(4)))
    owed(publication)
    assert sum(outcome.outcome is PollOutcome.PUBLISHED for outcome in outcomes) == 1
    with reading(publication.engine) as conn:
        assert [row.change.subject.name for row in changes.load_published(conn)] == [agency(77)["Agency"]]
    assert owed(publication) == 0


@pytest.mark.postgres
def test_two_replicas_do_not_send_twice(postgres_engine: Any, keys: KeyFile, tmp_path: Any, now: Any) -> None:
    world = World(postgres_engine, keys, tmp_path / "data", now)
    for number in range(300):
        world.person(f"p{number}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    replicas = [Recorder(concurrency=3) for _ in range(3)]

    async def all_of_them() -> None:
        await asyncio.gather(*(world.drain(each, owner=f"replica/{n}") for n, each in enumerate(replicas)))

    asyncio.run(all_of_them())
    told = Counter(handed.address for each in replicas for handed in each.accepted)
    assert len(told) == 300
    assert set(told.values()) == {1}


def test_a_settle_that_is_refused_for_good_stops_the_sending_and_not_only_says_so(world: World) -> None:
    """Or every lease would be another copy to everybody."""
    for number in range(400):
        world.person(f"p{number}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=4)

    def never(*_: object) -> None:
        raise StoreError("the disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monitor.outbox.commit._TRIES", ())
        patch.setattr(Leases, "settle", never)
        with pytest.raises(StoreError):
            world.send(channel)
    assert len(channel.accepted) <= channel.concurrency + GROUP
