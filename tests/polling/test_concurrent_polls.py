"""Several pollers at once, and a poll that dies in the middle."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.domain import Kind
from monitor.errors import BaselineMoved
from monitor.polling import PollOutcome, PollResult, poll
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, changes
from monitor.storage.schema import metadata
from tests.peers.statements import ending_at
from tests.polling.publisher import HOUR, Publication, agencies, agency


def dump(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    with reading(engine) as conn:
        return {
            name: [tuple(row) for row in conn.execute(sa.select(table).order_by(*table.primary_key))]
            for name, table in metadata.tables.items()
        }


def at_once(publication: Publication, pollers: int) -> list[PollResult]:
    """Polls in threads that start together, at the same moment of the clock."""
    publication.now += HOUR
    barrier = threading.Barrier(pollers)
    outcomes: list[PollResult] = []
    errors: list[BaseException] = []

    def one() -> None:
        try:
            barrier.wait(300)
            outcomes.append(
                poll(publication.engine, publication.watch, publication.fetcher, now=publication.now)
            )
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one) for _ in range(pollers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not errors
    return outcomes


def test_pollers_at_once_publish_a_change_once(publication: Publication) -> None:
    assert sorted(o.outcome for o in at_once_with(publication, agencies(40))).count(PollOutcome.BASELINE) == 1

    outcomes = at_once_with(publication, [*agencies(39), agency(77)])
    assert sum(outcome.added for outcome in outcomes) == 1
    assert [outcome.pending for outcome in outcomes] == [1] * 4
    outcomes = at_once(publication, 4)
    assert sum(outcome.removed for outcome in outcomes) == 1

    with reading(publication.engine) as conn:
        told = sorted((row.change.kind, row.change.subject.name) for row in changes.load_published(conn))
        assert len(baseline.load_listings(conn, "list")) == 40
    assert told == [(Kind.ADDED, agency(77)["Agency"]), (Kind.REMOVED, agency(39)["Agency"])]


def at_once_with(publication: Publication, rows: list[dict[str, str]]) -> list[PollResult]:
    publication.publish(rows)
    return at_once(publication, 4)


def test_a_poller_that_lost_weighs_what_it_saw_again(
    publication: Publication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading and the writing of one poll another one publishes the same change."""
    publication.seen(agencies(40))
    publication.publish([*agencies(40), agency(77)])
    write, faster = baseline.advance, []

    def overtaken(conn: Any, *arguments: Any, **values: Any) -> None:
        if not faster:
            faster.append(True)
            raise BaselineMoved
        write(conn, *arguments, **values)

    monkeypatch.setattr(baseline, "advance", overtaken)
    outcome = publication.poll()

    assert outcome.added == 1
    with reading(publication.engine) as conn:
        assert len(changes.load_published(conn)) == 1


def test_who_compares_with_an_old_number_may_not_write(publication: Publication) -> None:
    publication.seen(agencies(40))
    with reading(publication.engine) as conn:
        old = baseline.load_info(conn, "list")
    publication.seen([*agencies(40), agency(77)])

    with pytest.raises(BaselineMoved), transaction(publication.engine) as conn:
        baseline.advance(conn, old, number=old.number + 1)


class _PowerCut(Exception):
    pass


def cut_the_power() -> None:
    raise _PowerCut


def die_until_done(publication: Publication) -> tuple[int, PollResult]:
    """Poll again and again, each time with one statement more before the cut: how many polls died, each
    without a trace, and the result of the one that lived.
    """
    before = dump(publication.engine)
    now = publication.now
    deaths = 0
    while True:
        publication.now = now
        try:
            with ending_at(publication.engine, deaths, cut_the_power, writes_only=True):
                return deaths, publication.poll()
        except _PowerCut:
            assert dump(publication.engine) == before
            deaths += 1


def test_a_poll_that_dies_between_any_two_statements_leaves_all_or_nothing(publication: Publication) -> None:
    publication.seen(agencies(40))
    publication.seen(agencies(39))
    publication.publish([agency(0, Type="Warrants"), *agencies(38, 1), agency(77), agency(78)])
    deaths, outcome = die_until_done(publication)

    assert deaths > 8
    assert (outcome.added, outcome.removed, outcome.changed) == (2, 1, 1)
    with reading(publication.engine) as conn:
        assert len(changes.load_published(conn)) == 4


def test_an_unchanged_poll_that_dies_leaves_all_or_nothing(publication: Publication) -> None:
    publication.seen(agencies(40))
    publication.seen(agencies(39))
    deaths, outcome = die_until_done(publication)

    assert deaths > 4
    assert outcome.removed == 1
