"""The changelog of the API, and the headers of deprecated URLs: Deprecation (RFC 9745) and Sunset
(RFC 8594).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from monitor.web.api_answers import format_http_date

VERSION = "1.0"

PREFIX = "/api/v1"
"""The path below which version 1 is served."""


@dataclass(frozen=True, slots=True)
class ApiChangeEntry:
    """A change of the API. With ``sunset``, the URL is deprecated from ``day`` on and switched off on the day
    ``sunset``; ``successor`` is the path to use instead.
    """

    day: date
    text: str
    address: str | None = None
    sunset: date | None = None
    successor: str | None = None


CHANGELOG: tuple[ApiChangeEntry, ...] = (
    ApiChangeEntry(
        date(2026, 11, 28),
        "`at` of agencies and of files, and `version_at`, say what polls saw at a moment: what waited before "
        "it was believed is dated by the first poll that saw it. `number` of agencies gives the list as it "
        "was believed with a baseline number. New fields: `first_seen_at` and `gone_at` of agencies, "
        "`seen_from` and `seen_to` of versions.",
        "/api/v1/agencies",
    ),
    ApiChangeEntry(
        date(2026, 11, 28),
        "`attributes_text` of agencies, versions and changes, and `differences` and `since` of changes: "
        "plain text where `attributes`, `before` and `after` are objects. `left=1` of the agencies' files "
        "gives those that are no longer listed too.",
    ),
    ApiChangeEntry(
        date(2026, 11, 28),
        "`retracted_at` and `retraction` of changes: the operator has taken an announcement back.",
        "/api/v1/changes",
    ),
    ApiChangeEntry(
        date(2026, 11, 28),
        "`captured_by` of agencies, versions and changes and `origin` of changes: imported history, whose "
        "baseline numbers are negative. `since=0` begins before it.",
        "/api/v1/changes",
    ),
    ApiChangeEntry(
        date(2026, 11, 28),
        "`agreements` of an agency: the documents that its listings link, by hash, and their replacements.",
        "/api/v1/agencies",
    ),
    ApiChangeEntry(date(2026, 11, 28), "`notes` of an agency: notes by the operator.", "/api/v1/agencies"),
    ApiChangeEntry(date(2026, 11, 28), "Version 1."),
)
"""The changes, newest first. The removal of a URL is announced here at least a year ahead."""


def deprecation_headers(path: str, changelog: Iterable[ApiChangeEntry] = CHANGELOG) -> dict[str, str]:
    """The headers of a URL that will be switched off; empty for any other."""
    for entry in changelog:
        if entry.sunset is not None and entry.address is not None and path.startswith(entry.address):
            since = datetime.combine(entry.day, time(), UTC)
            links = ['</api>; rel="deprecation"; type="text/html"']
            if entry.successor is not None:
                links.append(f'<{entry.successor}>; rel="successor-version"')
            return {
                "Deprecation": f"@{int(since.timestamp())}",
                "Sunset": format_http_date(datetime.combine(entry.sunset, time(), UTC)),
                "Link": ", ".join(links),
            }
    return {}
