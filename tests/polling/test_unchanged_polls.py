"""What a poll writes that brings nothing new, and what is still known of when a publication was seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from monitor.polling import approve
from monitor.storage.engine import reading, sqlite_path
from monitor.storage.lists import sightings, stays
from monitor.storage.lists.tables import SnapshotRow
from tests.polling.publisher import COLUMNS, HOUR, Publication, agencies

HEADER, FRAME, PAGE = 32, 24, 4096  # bytes: https://www.sqlite.org/fileformat2.html#walformat


def written_seen(publication: Publication) -> list[datetime]:
    """Until when each snapshot was seen, as its row says."""
    with reading(publication.engine) as conn:
        return list(conn.scalars(sa.select(SnapshotRow.c.last_seen_at).order_by(SnapshotRow.c.id)))


def last_sight(publication: Publication) -> datetime | None:
    with reading(publication.engine) as conn:
        sight = sightings.find_last_sight(conn, publication.watch.name)
    return None if sight is None else sight[1]


def published_count(publication: Publication) -> tuple[datetime, int] | None:
    with reading(publication.engine) as conn:
        return stays.load_published_count(conn, publication.watch.name)


def pages_of_poll(publication: Publication) -> int:
    """Pages that a poll writes to the write-ahead log of SQLite."""
    path = sqlite_path(publication.engine)
    assert path is not None
    with publication.engine.connect() as conn:
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert publication.poll().outcome.value == "unchanged"
    return (path.with_name(path.name + "-wal").stat().st_size - HEADER) // (FRAME + PAGE)


def test_an_unchanged_poll_writes_five_pages_and_seven_where_a_table_grows(
    sqlite_publication: Publication,
) -> None:
    """The leaves of the fetch, of its index and of the log's entry, the source and the log's head. A new leaf
    costs its parent and the file's header too; the index's leaves are evened out: a page or two more.
    """
    sqlite_publication.seen(agencies(30))
    pages = Counter(pages_of_poll(sqlite_publication) for _ in range(120))
    assert pages.most_common(1)[0][0] == 5
    assert pages[5] > 100
    assert sum(pages[count] for count in pages if count > 7) <= 6
    assert pages.total() == 120
    assert sum(count * times for count, times in pages.items()) < 5.5 * 120
    assert max(pages) <= 10


def test_until_when_a_publication_was_seen_is_written_when_another_follows(publication: Publication) -> None:
    publication.seen(agencies(60))
    first = publication.now
    publication.poll()
    publication.poll()
    assert written_seen(publication) == [first]
    assert (last_sight(publication), published_count(publication)) == (
        first + 2 * HOUR,
        (first + 2 * HOUR, 60),
    )

    publication.seen(agencies(61))
    assert written_seen(publication) == [first + 2 * HOUR, first + 3 * HOUR]


def test_a_rejected_publication_that_went_away_is_not_the_newest(publication: Publication) -> None:
    publication.seen(agencies(60))
    publication.seen(agencies(20))
    assert published_count(publication) == (publication.now, 20)
    publication.seen(agencies(60))
    assert published_count(publication) == (publication.now, 60)


def test_an_approved_publication_ends_the_one_before(publication: Publication) -> None:
    publication.seen(agencies(60))
    publication.poll()
    until = publication.now
    publication.seen(agencies(20), timedelta(hours=5))
    with reading(publication.engine) as conn:
        digest = conn.scalars(sa.select(SnapshotRow.c.hash).order_by(SnapshotRow.c.id.desc())).first()
    assert digest is not None
    approve(publication.engine, {"list": publication.watch}, [digest], now=publication.now + HOUR)
    assert written_seen(publication) == [until, publication.now]
    assert last_sight(publication) == publication.now


def test_reading_anew_ends_the_reading_before(publication: Publication) -> None:
    publication.seen(agencies(60))
    publication.poll()
    until = publication.now
    publication.reconfigure(
        options=replace(publication.watch.options, columns=replace(COLUMNS, attributes=()))
    )
    publication.poll()
    assert written_seen(publication) == [until, until]
    assert last_sight(publication) == publication.now
