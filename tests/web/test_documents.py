"""Documents on agencies' pages, meetings on places' pages and as a calendar, and the letter for records."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import Engine

from monitor.errors import ConfigError
from monitor.polling.document_file import poll_documents
from monitor.storage import engine as db
from monitor.web import create_app
from monitor.web.calendars import render_calendar
from monitor.web.meetings import find_meetings
from monitor.web.records_laws import RecordsLaw, load_laws
from monitor.web.records_request import write_letter
from tests.peers.browser import served
from tests.polling.test_document_file import HEAD
from tests.web.story import SOURCE, Clock, site
from tests.web.test_pages import words

Own = tuple[Engine, Clock, httpx.Client]
ROWS = (
    ",,Hammond Police Department,IN,policy,Camera policy,https://hammond.example/policy.pdf,2026-02,"
    "City of Hammond,https://archive.example/1,Adopted <unanimously>\n"
    ",,Hammond Police Department,IN,agreement,Agreement,https://hammond.example/moa.pdf,2026-01-05,City,,\n"
    ",,Hammond Police Department,IN,meeting,Board of safety,https://hammond.example/agenda,"
    "2026-03-20T18:30-05:00,City of Hammond,,\n"
    ",,Lake County Sheriff's Office,IN,meeting,County council,https://lake.example/agenda,2026-03-15,Lake,,\n"
    ",,Lake County Sheriff's Office,IN,meeting,Last year,https://lake.example/old,2025-06-01,Lake,,\n"
    ",,Chicago Police Dept and Bureau,IL,meeting,City council,https://chicago.example/1,2026-03-16T10:00,Chicago,,\n"
)


@pytest.fixture
def own(told: tuple[Path, datetime], tmp_path: Path) -> Iterator[Own]:
    path, ended = told
    shutil.copyfile(path, tmp_path / "monitor.db")
    engine = db.connect(f"sqlite:///{tmp_path / 'monitor.db'}")
    clock = Clock(ended + timedelta(minutes=7))
    laws = {"IN": RecordsLaw("the Example Act", "Ind. Example 1", date(2026, 1, 2))}
    made = replace(site(engine, clock), records_laws=laws)
    with (
        served(create_app(made)) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=600) as client,
    ):
        yield engine, clock, client
    engine.dispose()


def agency_path_of(client: httpx.Client, state: str, name: str) -> str:
    found = re.search(rf'href="(/agency/[^"]+)">{name}', client.get(f"/state/{state}").text)
    assert found
    return found[1]


def test_documents_stand_by_kind_on_the_agency_s_page_with_publisher_and_date(own: Own) -> None:
    engine, clock, client = own
    path = agency_path_of(client, "IN", "Hammond")
    assert "Documents from elsewhere" not in client.get(path).text
    poll_documents(engine, (HEAD + ROWS).encode, now=clock.now)
    page = client.get(path).text  # within the same minute
    said = words(page)
    section = said[said.index("Documents from elsewhere") :]
    assert section.index("Agreements") < section.index("Meetings") < section.index("Policies")
    assert "Camera policy City of Hammond · 2026-02 · Archived copy Adopted <unanimously>" in section
    assert "&lt;unanimously&gt;" in page
    assert 'href="https://hammond.example/policy.pdf" rel="noopener noreferrer nofollow external"' in page
    assert "County council" not in page
    assert "Acuerdos" in client.get(path, headers={"Accept-Language": "es"}).text


def test_coming_meetings_stand_on_the_pages_of_places_that_the_agency_serves(own: Own) -> None:
    engine, clock, client = own
    poll_documents(engine, (HEAD + ROWS).encode, now=clock.now)
    for page, titles in (
        ("/zip/46320", ["County council", "Board of safety"]),  # by day
        ("/zip/46402", ["County council"]),  # Gary, in Lake County
        ("/state/IN", ["County council", "Board of safety"]),
        ("/state/IL", ["City council"]),
        ("/county/18089", ["County council", "Board of safety"]),
        ("/state/WY", []),
    ):
        text = client.get(page).text
        shown = re.findall(r'external">([^<]+)</a></span></p>\s*<p><a href="/agency', text)
        assert shown == titles, page
        assert ("meetings.ics" in text) is bool(titles)
    clock.now = datetime(2026, 3, 21, 12, tzinfo=UTC)
    assert "Board of safety" not in client.get("/zip/46320").text


def test_a_calendar_has_stable_uids_its_type_and_no_empty_file(own: Own) -> None:
    engine, clock, client = own
    poll_documents(engine, (HEAD + ROWS).encode, now=clock.now)
    answer = client.get("/zip/46320/meetings.ics")
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    body = answer.text
    assert all(len(line.encode()) <= 75 for line in body.split("\r\n"))
    unfolded = body.replace("\r\n ", "")
    assert unfolded.startswith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:")
    assert unfolded.endswith("END:VEVENT\r\nEND:VCALENDAR\r\n")
    assert unfolded.count("BEGIN:VEVENT") == unfolded.count("END:VEVENT") == 3  # one was last year
    assert "DTSTART:20260320T233000Z\r\n" in unfolded
    assert "DTSTART;VALUE=DATE:20260315\r\nDTEND;VALUE=DATE:20260316\r\n" in unfolded
    assert "SUMMARY:Board of safety\r\n" in unfolded
    uids = re.findall(r"UID:(\S+)", unfolded)
    assert len(set(uids)) == 3
    assert all(uid.endswith("@watch.example") for uid in uids)
    clock.now += timedelta(hours=1)
    noted = ROWS.replace("Lake,,\n", "Lake,,Room 2\n")
    poll_documents(engine, (HEAD + noted).encode, now=clock.now)
    again = client.get("/zip/46320/meetings.ics").text.replace("\r\n ", "")
    assert re.findall(r"UID:(\S+)", again) == uids
    assert "Room 2" in again
    assert "DTSTART:20260316T100000\r\n" in client.get("/state/IL/meetings.ics").text  # no offset: local
    for page in ("/state/WY/meetings.ics", "/zip/99501/meetings.ics", "/state/ZZ/meetings.ics"):
        assert client.get(page).status_code == 404
    assert client.get("/county/18089/meetings.ics").status_code == 200


def test_text_in_a_calendar_is_escaped_and_lines_break_between_characters(own: Own) -> None:
    engine, clock, client = own
    title = "Ñandú; comma, back\\slash " + "é" * 100
    row = f',,Hammond Police Department,IN,meeting,"{title}",https://a.example,2026-03-20,,,\n'
    poll_documents(engine, (HEAD + row).encode, now=clock.now)
    body = client.get("/zip/46320/meetings.ics").content
    assert all(len(line) <= 75 and line.decode() for line in body.split(b"\r\n")[:-1])
    escaped = title.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    assert f"SUMMARY:{escaped}\r\n" in body.decode().replace("\r\n ", "")


def test_a_letter_asks_for_records_and_names_no_law_of_its_own(own: Own) -> None:
    client = own[2]
    path = agency_path_of(client, "IL", "Chicago")
    page = words(client.get(f"{path}/letter").text)
    assert "Under your state's public records law, I ask for copies" in page
    assert "between Chicago Police Dept and Bureau and Camera Co" in page
    assert f"https://watch.example{path}" in page
    assert "The letter names no law" in page
    indiana = words(client.get(f"{agency_path_of(client, 'IN', 'Hammond')}/letter").text)
    assert "Under the Example Act (Ind. Example 1), I ask" in indiana
    assert "reviewed it on Jan 2, 2026" in indiana
    spanish = client.get(f"{path}/letter", headers={"Accept-Language": "es"}).text
    assert "Pida registros a Chicago Police Dept and Bureau" in spanish
    assert f'href="{path}/letter"' in client.get(path).text
    assert client.get(f"/agency/{SOURCE}/nobody-0000000000/letter").status_code == 404


def test_the_letter_and_the_pages_date_by_the_site_s_own_zone(own: Own) -> None:
    """It is the next day there when the list is first read, at 13:00 UTC."""
    engine, clock, client = own
    path = agency_path_of(client, "IL", "Chicago")
    made = replace(site(engine, clock), timezone="Pacific/Kiritimati")
    with served(create_app(made)) as address:
        for page, said in (
            (path, "Mar 2, 2026, 3:00 am"),
            (f"{path}/letter", 'was first seen on "The camera list" on Mar 2, 2026'),
            ("/changes", "Mar 2, 2026 The camera list 1 agency added"),
        ):
            assert said in words(client.get(address + page).text), page


def test_no_state_s_law_ships_and_a_wrong_table_is_refused(tmp_path: Path) -> None:
    letter = write_letter(
        agency="A", state="Ohio", publisher="P", title="T", since="Jan 1, 2026", address="x", law=None
    )
    assert "your state's public records law" in letter
    table = tmp_path / "laws.csv"
    table.write_text("state,law,citation,reviewed\nIN,the Act,1,2026-01-02\n")
    assert load_laws(table)["IN"] == RecordsLaw("the Act", "1", date(2026, 1, 2))
    for text in ("state,law\nIN,x\n", "state,law,citation,reviewed\nIN,the Act,1,\n"):
        table.write_text(text)
        with pytest.raises(ConfigError):
            load_laws(table)


def test_nothing_is_found_among_no_meetings() -> None:
    assert find_meetings((), ()) == []
    assert render_calendar((), "x", "https://watch.example").count(b"VEVENT") == 0
