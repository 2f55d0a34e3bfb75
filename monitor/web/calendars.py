"""Meetings about the agencies of a place as a calendar (iCalendar, RFC 5545)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, timedelta
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from monitor.messages.layout import clean
from monitor.messages.locale import N_
from monitor.states import STATES
from monitor.storage.engine import reading
from monitor.storage.lists.documents import load_meetings
from monitor.web.area_pages import read_area
from monitor.web.error_pages import not_found_page
from monitor.web.list_status import load_statuses
from monitor.web.meetings import Meeting, covers_of_state, covers_of_zips, find_meetings
from monitor.web.pages import language_of, site_of, translate
from monitor.web.routing import Router, get
from monitor.web.zip_pages import read_zips, states_of

router = Router()

PAST = timedelta(days=365)
"""How long a past meeting stays in a calendar."""
_LINE = 75  # octets of a line, RFC 5545, 3.1
_TITLE = N_("meetings about agencies")


@get(router, "/zip/{zips}/meetings.ics")
def zip_calendar(request: Request, zips: str) -> Response:
    """The meetings about the agencies of ZIPs as a calendar."""
    codes, site = read_zips(zips), site_of(request)
    if codes is None:
        return not_found_page(request)
    return _calendar_of_zips(request, ", ".join(codes), codes, states_of(site, codes))


@get(router, "/state/{state}/meetings.ics")
def state_calendar(request: Request, state: str) -> Response:
    """The meetings about the agencies of a state as a calendar."""
    site = site_of(request)
    if state not in STATES:
        return not_found_page(request)
    with reading(site.engine) as conn:
        meetings = load_meetings(conn, site.clock().date() - PAST)
        covers = covers_of_state(site, load_statuses(conn, site, site.clock()), state) if meetings else ()
        return _answer(request, STATES[state], find_meetings(meetings, covers))


@get(router, "/county/{rest}/meetings.ics")
@get(router, "/town/{rest}/meetings.ics")
@get(router, "/radius/{rest}/meetings.ics")
def area_calendar(request: Request, rest: str) -> Response:
    """The meetings about the agencies of a county, town or radius as a calendar."""
    area = read_area(request, rest)
    if area is None:
        return not_found_page(request)
    return _calendar_of_zips(request, area.name, tuple(area.zips), tuple(area.states))


def _calendar_of_zips(
    request: Request, name: str, zips: tuple[str, ...], states: tuple[str, ...]
) -> Response:
    site = site_of(request)
    with reading(site.engine) as conn:
        meetings = load_meetings(conn, site.clock().date() - PAST)
        lists = load_statuses(conn, site, site.clock()) if meetings else ()
        return _answer(request, name, find_meetings(meetings, covers_of_zips(site, lists, zips, states)))


def _answer(request: Request, name: str, meetings: list[Meeting]) -> Response:
    """Create the response. A calendar needs an event (RFC 5545, 3.6), so a place without a meeting
    has none.
    """
    if not meetings:
        return not_found_page(request)
    site = site_of(request)
    title = f"{site.name}: {translate(request, _TITLE)} ({name})"
    body = render_calendar(meetings, title, site.public_url)
    answer = Response(body, media_type="text/calendar; charset=utf-8")
    answer.headers["Content-Language"] = language_of(request)
    answer.headers["Vary"] = "Accept-Language, Cookie"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer


def render_calendar(meetings: Iterable[Meeting], title: str, public_url: str) -> bytes:
    """Render meetings as iCalendar. Each keeps its UID as long as its row does not change; a time without an
    offset is the local time of the meeting.
    """
    host = urlsplit(public_url).hostname or "localhost"
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Map Monitor//Meetings//EN", "METHOD:PUBLISH",
        f"X-WR-CALNAME:{_escape(title)}",
    ]  # fmt: skip
    for each in meetings:
        document = each.document
        about = [each.agency, clean(document.publisher), clean(document.note, 1000)]
        about.append(public_url.rstrip("/") + each.path)
        lines += [
            "BEGIN:VEVENT",
            f"UID:{document.uid}@{host}",
            f"DTSTAMP:{document.first_at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
            *_describe_time(each),
            f"SUMMARY:{_escape(each.title)}",
            f"DESCRIPTION:{_escape(chr(10).join(filter(None, about)))}",
            f"URL:{document.url}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{_fold(line)}\r\n" for line in lines).encode()


def _describe_time(meeting: Meeting) -> list[str]:
    if meeting.at is None:
        following = meeting.day + timedelta(days=1)
        return [f"DTSTART;VALUE=DATE:{meeting.day:%Y%m%d}", f"DTEND;VALUE=DATE:{following:%Y%m%d}"]
    if meeting.at.tzinfo is None:
        return [f"DTSTART:{meeting.at:%Y%m%dT%H%M%S}"]
    return [f"DTSTART:{meeting.at.astimezone(UTC):%Y%m%dT%H%M%SZ}"]


def _escape(text: str) -> str:
    """Escape a text (RFC 5545, 3.3.11)."""
    for plain, escaped in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return text


def _fold(line: str) -> str:
    """Break a line after at most 75 octets, never within a character."""
    parts, part, size = [], "", 0
    for character in line:
        width = len(character.encode())
        if size + width > _LINE:
            parts.append(part)
            part, size = "", 1  # the space that begins a continuation counts
        part += character
        size += width
    return "\r\n ".join([*parts, part])
