"""A program of strangers reads our calendars, and reads in them what the rows said."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import httpx
import icalendar
from sqlalchemy.engine import Engine

from monitor.polling.document_file import poll_documents
from tests.polling.test_document_file import HEAD
from tests.web.story import Clock
from tests.web.test_documents import ROWS, Own, own

__all__ = ["own"]  # the fixture

ODD = "Ñandú; comma, back\\slash, 60% " + "é" * 100


def read(client: httpx.Client, path: str) -> list[icalendar.Event]:
    """The events of a calendar, of which each line was read without an error."""
    calendar = icalendar.Calendar.from_ical(client.get(path).content)
    assert isinstance(calendar, icalendar.Calendar)
    assert calendar.errors == []
    assert (calendar["VERSION"], calendar["METHOD"]) == ("2.0", "PUBLISH")
    events = [each for each in calendar.walk("VEVENT") if isinstance(each, icalendar.Event)]
    assert all(event.errors == [] for event in events)
    return events


def test_a_stranger_reads_each_meeting(own: Own) -> None:
    engine, clock, client = own
    add_rows(engine, clock)
    events = {str(event["SUMMARY"]): event for event in read(client, "/zip/46320/meetings.ics")}
    assert set(events) == {"Board of safety", "County council", "Last year", ODD}
    board, council, odd = events["Board of safety"], events["County council"], events[ODD]
    assert board.start == datetime(2026, 3, 20, 23, 30, tzinfo=UTC)
    assert (council.start, council.end) == (date(2026, 3, 15), date(2026, 3, 16))
    assert str(board["URL"]) == "https://hammond.example/agenda"
    assert str(odd["DESCRIPTION"]).splitlines()[:3] == [
        "Hammond Police Department",
        "Ciudad; de, \\ Hammond",
        "Sala 2, piso 3",
    ]
    assert len({str(event["UID"]) for event in events.values()}) == len(events)
    assert all(event.stamp.tzinfo is not None and event.stamp <= clock.now for event in events.values())


def test_a_time_without_an_offset_stays_that_of_the_place(own: Own) -> None:
    engine, clock, client = own
    add_rows(engine, clock)
    (event,) = read(client, "/state/IL/meetings.ics")
    assert event.start == datetime(2026, 3, 16, 10)  # noqa: DTZ001 - a floating time, RFC 5545, 3.3.5


def test_uids_stay_and_a_changed_note_is_read(own: Own) -> None:
    engine, clock, client = own
    add_rows(engine, clock)
    before = {str(event["SUMMARY"]): str(event["UID"]) for event in read(client, "/zip/46320/meetings.ics")}
    clock.now += timedelta(hours=1)
    add_rows(engine, clock, ROWS.replace("Lake,,\n", "Lake,,Room 2\n"))
    events = read(client, "/zip/46320/meetings.ics")
    assert {str(event["SUMMARY"]): str(event["UID"]) for event in events} == before
    assert sum("Room 2" in str(event["DESCRIPTION"]) for event in events) == 2


def add_rows(engine: Engine, clock: Clock, rows: str = ROWS) -> None:
    """Publish the rows, and one with every character that a calendar escapes."""
    odd = f',,Hammond Police Department,IN,meeting,"{ODD}",https://a.example/?a=1;b=2&c=3,2026-03-20,'
    poll_documents(
        engine, f'{HEAD}{rows}{odd}"Ciudad; de, \\ Hammond",,"Sala 2, piso 3"\n'.encode, now=clock.now
    )
