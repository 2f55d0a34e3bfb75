"""Each accepted version of a listing is stored with its places, in the transaction that accepts it."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from monitor.domain import Listing, Placement
from monitor.places import Gazetteer, load
from monitor.polling import PollOutcome
from monitor.storage import schema
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, placement_rows
from tests.polling.publisher import HOUR, Publication, agency

GARY = agency(1, Agency="Gary Police Department", County="Lake")
LAKE = agency(5, Agency="Lake County Sheriff", County="Lake")
MORE = [agency(number) for number in range(100, 130)]


def stored(publication: Publication) -> dict[tuple[str, int], tuple[str | None, str | None]]:
    """The gazetteer and the places of every version that ever was, by its name and first number."""
    version, placement = schema.ListingVersionRow, schema.PlacementRow
    kept = sa.outerjoin(version, placement, placement.listing_id == version.id)
    columns = (version.name, version.from_number, placement.gazetteer, placement.places)
    with reading(publication.engine) as conn:
        rows = conn.execute(sa.select(*columns).select_from(kept))
        return {(row.name, row.from_number): (row.gazetteer, row.places) for row in rows}


def assert_all_placed(publication: Publication) -> None:
    with reading(publication.engine) as conn:
        listings = baseline.load_listings(conn, "list")
        placements = placement_rows.load_current(conn, "list")
    assert placements == {each.key: load().locate(each, "list") for each in listings}


def test_every_version_is_stored_with_its_places(publication: Publication) -> None:
    publication.reconfigure(gazetteer=load)
    assert publication.seen([GARY, *MORE]).outcome is PollOutcome.BASELINE
    assert_all_placed(publication)
    publication.seen([GARY | {"Type": "Task force"}, LAKE, *MORE])
    publication.seen([GARY | {"Type": "Task force"}, LAKE, *MORE])
    assert publication.poll(6 * HOUR).outcome in {PollOutcome.UNCHANGED, PollOutcome.PUBLISHED}
    assert_all_placed(publication)
    publication.seen([LAKE, *MORE])
    for _ in range(12):
        publication.poll(6 * HOUR)
    assert_all_placed(publication)
    versions = stored(publication)
    assert {name for name, _ in versions} >= {GARY["Agency"], LAKE["Agency"]}
    assert {gazetteer for gazetteer, _ in versions.values()} == {load().version}
    assert all(places for _, places in versions.values())  # also of those that ended


def test_a_change_of_the_configuration_places_what_it_reads_anew(publication: Publication) -> None:
    publication.reconfigure(gazetteer=load)
    publication.seen([GARY, LAKE, *MORE])
    options = publication.watch.options
    publication.reconfigure(options=replace(options, columns=replace(options.columns, county=None)))
    publication.poll()
    with reading(publication.engine) as conn:
        assert baseline.load_info(conn, "list").number > 1
    assert_all_placed(publication)


def test_a_mistake_of_the_gazetteer_is_no_failed_poll(publication: Publication) -> None:
    class Broken(Gazetteer):
        """It fails on one agency."""

        def locate(self, listing: Listing, source: str | None = None) -> Placement:
            if listing.name == GARY["Agency"]:
                raise RuntimeError("a mistake in a rule")
            return super().locate(listing, source)

    publication.reconfigure(gazetteer=lambda: Broken(load().table))
    assert publication.seen([GARY, LAKE]).outcome is PollOutcome.BASELINE
    with reading(publication.engine) as conn:
        assert len(baseline.load_listings(conn, "list")) == 2
        placements = placement_rows.load_current(conn, "list")
        missing = placement_rows.load_stale(conn, "list", load().version)
    assert len(placements) == 1
    assert [(each.listing.name, each.placement) for each in missing] == [(GARY["Agency"], None)]
