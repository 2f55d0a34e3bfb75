"""An agency that waited before it was believed is dated by the first poll that saw it, everywhere."""

from __future__ import annotations

from monitor.domain import Confidence, Listing, Placement, PlacementReason
from monitor.polling import approve, load_holds
from monitor.record.data.describe import iterate_table
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, page_queries, record_rows
from monitor.storage.lists.changes import load_published, load_unbelieved_additions
from monitor.storage.lists.listing_periods import load_listing_periods
from monitor.storage.lists.past_lists import ListMoment
from monitor.storage.lists.sightings import load_sightings
from tests.polling.publisher import HOUR, START, Publication, agencies, agency

FIRST, SEEN = START + HOUR, START + 2 * HOUR


def locate(source: str, listing: Listing) -> Placement:
    return Placement((), "", Confidence.STATE_ONLY, PlacementReason("none"))


def test_who_was_held_is_listed_since_the_first_poll_that_saw_it(publication: Publication) -> None:
    publication.seen(agencies(60))
    publication.seen(agencies(160))
    with reading(publication.engine) as conn:
        waiting = load_unbelieved_additions(conn, "list", SEEN, SEEN)
        assert len(waiting) == 100
        assert len(page_queries.load_listed_at(conn, "list", SEEN)) == 60
    publication.poll(26 * HOUR)
    confirmed = publication.now

    with reading(publication.engine) as conn:
        assert load_unbelieved_additions(conn, "list", FIRST, confirmed) == ()
        for at, count in ((FIRST, 60), (SEEN - HOUR / 2, 60), (SEEN, 160), (confirmed, 160)):
            assert len(page_queries.load_listed_at(conn, "list", at)) == count
            moment = record_rows.find_moment(conn, "list", at)
            assert moment is not None
            assert len(record_rows.load_list_at(conn, "list", moment)) == count
        believed = record_rows.find_move(conn, "list", confirmed - HOUR)
        assert believed is not None
        assert len(record_rows.load_list(conn, "list", believed[0])) == 60
        late = load_published(conn)[0]
        assert (late.first_seen_at, late.ended_at) == (SEEN, confirmed)
        (version,) = page_queries.load_versions(conn, "list", late.agency)
        assert version.from_at == SEEN
        sighting = load_sightings(conn, "list", [late.agency], None)[late.agency]
        assert (sighting.first_at, sighting.since) == (SEEN, SEEN)
        assert {period.from_at for period in load_listing_periods(conn, "list")} == {FIRST, SEEN}
        assert page_queries.load_counts(conn, "list") == ((FIRST, 60), (SEEN, 160))
        rows = {row["agency"]: row for row in iterate_table(conn, "list", "agencies", locate)}
        row = rows[late.agency]
        stamp = "2026-03-01T14:00:00Z"
        assert (row["first_seen_at"], row["version_at"], row["gone_at"]) == (stamp, stamp, None)
        (told,) = [
            each for each in iterate_table(conn, "list", "versions", locate) if each["agency"] == late.agency
        ]
        assert (told["seen_from"], told["from_at"]) == (stamp, "2026-03-02T16:00:00Z")


def test_who_left_is_gone_since_the_first_poll_without_it_and_can_be_asked_for(
    publication: Publication,
) -> None:
    rows = agencies(40)
    publication.seen(rows)
    publication.seen(rows[1:])
    missing = publication.now
    publication.poll()
    with reading(publication.engine) as conn:
        moment = record_rows.find_moment(conn, "list", publication.now)
        assert moment is not None
        assert moment.at == publication.now
        (gone,) = record_rows.load_departed(conn, "list", moment)
        assert (gone.seen_to, gone.to_at) == (missing, publication.now)
        assert len(page_queries.load_listed_at(conn, "list", missing)) == 39
        assert len(record_rows.load_departed(conn, "list", ListMoment(1, FIRST))) == 0
        every = list(iterate_table(conn, "list", "agencies", locate, departed=True))
        assert [each["gone_at"] for each in every if each["gone_at"]] == ["2026-03-01T14:00:00Z"]
        assert len(every) == 40


def test_a_wait_that_began_before_the_entry_read_so_dates_from_that_entry(publication: Publication) -> None:
    """A person approves a held renewal after a quiet change of the same entry: the two versions meet."""
    publication.seen(agencies(40))
    publication.seen([agency(number, Type="Warrants") for number in range(40)])
    holds = list(load_holds(publication.engine))
    assert holds, "a changed column of the whole list is held"
    publication.poll()
    approve(publication.engine, {"list": publication.watch}, [hold.id for hold in holds], now=publication.now)
    with reading(publication.engine) as conn:
        for each in baseline.load_accepted(conn, "list").agencies.values():
            first, second = record_rows.load_agency_versions(conn, "list", each)
            assert first.seen_to == second.seen_from == SEEN
            assert first.to_at == second.from_at == publication.now
