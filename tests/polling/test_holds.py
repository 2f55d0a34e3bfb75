"""What a person says of what is not believed."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from monitor.domain import State
from monitor.errors import UsageError
from monitor.polling import Hold, PollResult, approve, load_holds, reject
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, changes, record_rows
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.history import SnapshotInfo
from tests.polling.publisher import HOUR, Publication, agencies, agency


def approved(publication: Publication, *ids: str) -> tuple[PollResult, ...]:
    return approve(publication.engine, {"list": publication.watch}, ids, now=publication.now + HOUR / 2)


def held(publication: Publication) -> list[Hold]:
    """Sixty listings, and a hundred more that are held."""
    publication.seen(agencies(60))
    publication.seen(agencies(160))
    return list(load_holds(publication.engine))


def published(publication: Publication) -> int:
    with reading(publication.engine) as conn:
        return len(changes.load_published(conn))


def test_a_hold_says_what_why_and_until_when(publication: Publication) -> None:
    holds = held(publication)

    assert len(holds) == 100
    hold = holds[0]
    assert isinstance(hold.what, StoredChange)
    assert hold.source == "list"
    assert hold.id == str(hold.what.id)
    assert hold.what.reason
    assert hold.what.release_at == publication.now + 24 * HOUR


def test_an_approved_change_is_published_at_once_and_the_others_go_on_waiting(
    publication: Publication,
) -> None:
    holds = held(publication)

    (outcome,) = approved(publication, holds[0].id, holds[1].id)

    assert (outcome.outcome.value, outcome.added, outcome.held) == ("published", 2, 98)
    assert len(load_holds(publication.engine)) == 98
    with reading(publication.engine) as conn:
        first, second = changes.load_published(conn)
        assert len(baseline.load_listings(conn, "list")) == 62
    assert first.changeset == second.changeset
    assert (first.approved, first.was_held, first.ended_at) == (True, True, publication.now + HOUR / 2)
    assert publication.poll().held == 98


def test_a_rejected_change_is_silent_while_it_stands_and_forgotten_when_it_goes_away(
    publication: Publication,
) -> None:
    holds = held(publication)
    reject(publication.engine, [hold.id for hold in holds], now=publication.now)

    assert load_holds(publication.engine) == ()
    assert publication.poll(48 * HOUR).added == 0
    assert publication.seen([*agencies(160), agency(300)]).added == 1
    publication.seen(agencies(60))
    publication.poll(timedelta(days=1))  # when it is no old copy any more
    with reading(publication.engine) as conn:
        states = [row.state for row in changes.load_by_ids(conn, [int(hold.id) for hold in holds])]
    assert set(states) == {State.WITHDRAWN}
    assert publication.seen([*agencies(60), agency(100)]).added == 1


def test_a_no_can_be_taken_back(publication: Publication) -> None:
    holds = held(publication)
    reject(publication.engine, [holds[0].id], now=publication.now)

    (outcome,) = approved(publication, holds[0].id)
    assert outcome.added == 1


def test_a_poll_that_had_read_the_old_answer_does_not_overwrite_a_no(publication: Publication) -> None:
    holds = held(publication)
    with reading(publication.engine) as conn:
        before = baseline.load_info(conn, "list")
    reject(publication.engine, [holds[0].id], now=publication.now)
    with reading(publication.engine) as conn:
        assert baseline.load_info(conn, "list").number > before.number


def test_a_change_that_does_not_stand_any_more_cannot_be_approved(publication: Publication) -> None:
    holds = held(publication)
    publication.seen(agencies(60))

    with pytest.raises(UsageError, match="withdrawn"):
        approved(publication, holds[0].id)
    with pytest.raises(UsageError, match="no change 99999"):
        approved(publication, "99999")
    with pytest.raises(UsageError, match="neither"):
        approved(publication, "abc")
    with pytest.raises(UsageError, match="no rejected publication"):
        approved(publication, "0123456789ab")
    first, *_ = held(publication)
    with pytest.raises(UsageError, match="not configured"):
        approve(publication.engine, {}, [first.id], now=publication.now)


def refused(publication: Publication) -> Hold:
    """Sixty listings, one removal that waits, and a publication without half of them, which is rejected."""
    publication.seen(agencies(60))
    publication.seen(agencies(59))
    publication.seen([*agencies(30), agency(77)])
    (hold,) = load_holds(publication.engine)
    return hold


def test_a_rejected_publication_that_is_approved_is_taken_with_all_its_changes(
    publication: Publication,
) -> None:
    hold = refused(publication)
    assert isinstance(hold.what, SnapshotInfo)
    assert hold.id == hold.what.hash[:12]
    first_seen = publication.now
    publication.poll()

    (outcome,) = approved(publication, hold.id)

    assert (outcome.outcome.value, outcome.added, outcome.removed) == ("published", 1, 30)
    assert load_holds(publication.engine) == ()
    with reading(publication.engine) as conn:
        assert len(baseline.load_listings(conn, "list")) == 31
        waited = [row for row in changes.load_published(conn) if row.first_seen_at == first_seen - HOUR]
        others = [row for row in changes.load_published(conn) if row.first_seen_at == first_seen]
        versions = record_rows.load_agency_versions(conn, "list", waited[0].agency)
    assert (len(waited), len(others)) == (1, 30)
    # in past lists too it was missing before the publication was refused
    assert [version.seen_to for version in versions] == [waited[0].first_seen_at]
    assert {row.not_before for row in others} == {first_seen - HOUR}
    assert publication.poll().outcome.value == "unchanged"
    assert published(publication) == 31


def test_an_approved_publication_that_is_no_longer_served_is_believed_when_it_comes_back(
    publication: Publication,
) -> None:
    hold = refused(publication)
    publication.seen(agencies(60))

    (outcome,) = approved(publication, hold.id)
    assert (outcome.outcome.value, published(publication)) == ("unchanged", 0)
    assert outcome.reason

    outcome = publication.seen([*agencies(30), agency(77)])
    assert (outcome.added, outcome.removed) == (1, 30)


def test_a_publication_that_a_person_rejected_is_no_hold_any_more_and_stays_rejected(
    publication: Publication,
) -> None:
    hold = refused(publication)
    reject(publication.engine, [hold.id], now=publication.now)

    assert load_holds(publication.engine) == ()
    assert publication.poll().outcome.value == "rejected"
    publication.seen(agencies(59))
    assert publication.seen([*agencies(30), agency(77)]).outcome.value == "rejected"


def test_a_rejected_publication_that_was_replaced_is_no_hold_any_more(publication: Publication) -> None:
    refused(publication)
    publication.seen(agencies(59))
    assert load_holds(publication.engine) == ()


def test_approving_something_writes_all_or_nothing(publication: Publication) -> None:
    hold = refused(publication)

    def die(conn: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO changeset"):
            raise RuntimeError("power cut")

    sa.event.listen(publication.engine, "before_cursor_execute", die)
    with pytest.raises(RuntimeError):
        approved(publication, hold.id)
    sa.event.remove(publication.engine, "before_cursor_execute", die)

    assert load_holds(publication.engine) == (hold,)
    assert approved(publication, hold.id)[0].removed == 30
