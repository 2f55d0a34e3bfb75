"""Responses of the API and the data files: JSON with a strong ETag, problems (RFC 9457), cursors, and a limit
for each network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from email.utils import format_datetime, parsedate_to_datetime
from ipaddress import ip_address, ip_network
from typing import Any

from sqlalchemy.engine import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitor.domain import SourceInfo
from monitor.record.checkpoint import read_checkpoint
from monitor.record.data.encoders import dump_json
from monitor.storage.lists import log_rows, record_rows
from monitor.storage.lists.past_lists import ListMoment
from monitor.web.context import Site
from monitor.web.pages import site_of

PER_MINUTE = 60
"""Requests to the API a minute from one network. The files have no limit."""

_MOST_NETWORKS = 20_000


class ProblemError(HTTPException):
    """A request that cannot be answered, with advice; becomes ``application/problem+json``."""

    def __init__(self, status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.title = title


class UnreadableMomentError(ProblemError):
    """A moment in a URL that is none; a page says in the visitor's language how one is written."""

    def __init__(self) -> None:
        super().__init__(400, "Not a time", "Write 2026-03-01 (the end of that day) or 2026-03-01T12:00:00Z.")


class RequestLimit:
    """Counts requests by network and minute. Thread-safe; addresses live for a minute, in memory only."""

    def __init__(self, clock: Callable[[], datetime], most: int = PER_MINUTE) -> None:
        self._clock, self._most = clock, most
        self._lock = threading.Lock()
        self._minute = 0
        self._counts: Counter[str] = Counter()

    def check(self, host: str) -> None:
        """Count a request. Raises ProblemError (429) beyond the limit."""
        now = self._clock().timestamp()
        network = _network(host)
        with self._lock:
            if self._minute != (minute := int(now // 60)) or len(self._counts) > _MOST_NETWORKS:
                self._minute = minute
                self._counts.clear()
            self._counts[network] += 1
            count = self._counts[network]
        if count > self._most:
            raise ProblemError(
                429,
                "Too many requests",
                f"At most {self._most} requests a minute. For everything at once take the files below /data: "
                "they have no limit.",
                {"Retry-After": str(60 - int(now % 60))},
            )


def answer_json(
    request: Request, value: Mapping[str, Any], conn: Connection, headers: Mapping[str, str] | None = None
) -> Response:
    """Respond with JSON, or 304 if the client has it. ``next`` in it also becomes a Link header."""
    body = dump_json(value) + b"\n"
    sent = load_head_header(conn) | dict(headers or {})
    if value.get("next"):
        sent["Link"] = f'<{value["next"]}>; rel="next"'
    return answer_bytes(request, body, "application/json", sent)


def answer_bytes(
    request: Request, body: bytes, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Respond with bytes under an ETag of their own, or 304."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    sent = {"ETag": tag, **(headers or {})}
    if is_known(request, tag):
        return Response(status_code=304, headers=sent)
    return Response(body, media_type=media_type, headers=sent)


def is_known(request: Request, tag: str, modified: datetime | None = None) -> bool:
    """Whether a conditional request matches this content (RFC 9110, section 13.2.2)."""
    if (given := request.headers.get("if-none-match")) is not None:
        tags = {each.strip().removeprefix("W/") for each in given.split(",")}
        return tag in tags or "*" in tags
    since = request.headers.get("if-modified-since")
    if since is None or modified is None:
        return False
    try:
        return modified.replace(microsecond=0) <= parsedate_to_datetime(since)
    except (TypeError, ValueError):
        return False


def answer_problem(
    status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Create an error response as defined by RFC 9457."""
    value = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Response(
        dump_json(value) + b"\n", status, media_type="application/problem+json", headers=dict(headers or {})
    )


def load_head_header(conn: Connection) -> dict[str, str]:
    """Load the head of the record as a response header, so that others keep it; empty before it is first
    signed.

    It is not in the body, whose ETag stays the same while only the record grows.
    """
    note = log_rows.load_checkpoint(conn)
    return {} if note is None else {"Record-Head": read_checkpoint(note).head}


def format_http_date(at: datetime) -> str:
    """Format a time for ``Last-Modified``."""
    return format_datetime(at.astimezone(UTC).replace(microsecond=0), usegmt=True)


def encode_cursor(*parts: int | str) -> str:
    """Encode a position in a paginated response, opaque to the client."""
    return base64.urlsafe_b64encode(json.dumps(parts, ensure_ascii=False).encode()).decode().rstrip("=")


def decode_cursor(text: str, *kinds: type) -> tuple[Any, ...]:
    """Decode a cursor. Raises ProblemError (400) for any other text."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if [type(part) for part in parts] == list(kinds) and all(
            abs(part) < 2**62 for part in parts if isinstance(part, int)
        ):
            return tuple(parts)
    except (ValueError, TypeError, UnicodeError):
        pass
    raise ProblemError(400, "Unknown cursor", "Take `next` from the previous answer, unchanged.")


def read_source(site: Site, name: str | None) -> SourceInfo:
    """Find the list that a request names, or the only list if it names none. Raises ProblemError."""
    names = ", ".join(site.sources)
    if name is None and len(site.sources) == 1:
        return next(iter(site.sources.values()))
    if name is None:
        raise ProblemError(400, "Which list?", f"Say ?source= and one of: {names}.")
    if name not in site.sources:
        raise ProblemError(404, "No such list", f"The lists are: {names}.")
    return site.sources[name]


def read_moment(text: str) -> datetime:
    """Parse a moment in a URL: RFC 3339, or a day, which means its end (UTC).

    Raises UnreadableMomentError.
    """
    try:
        if len(text) == 10:
            day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
            return datetime.combine(day, time.max, UTC)
        at = datetime.fromisoformat(text.replace(" ", "+") if "+" not in text else text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise UnreadableMomentError from None


def find_moment(conn: Connection, source: str, at: datetime | None) -> ListMoment:
    """Find the state of a list at a moment, or now: since when it was so, and the baseline number at that
    moment.

    Raises ProblemError (404) before the list was first read.
    """
    found = record_rows.find_move(conn, source) if at is None else record_rows.find_moment(conn, source, at)
    if found is None:
        way_out = (
            "Nothing was read of this list yet." if at is None else "It was not read by then; omit ?at=."
        )
        raise ProblemError(404, "Nothing recorded", way_out)
    return found


def limit_requests(request: Request) -> None:
    """Count a request to the API and enforce the limit; a dependency of its routes."""
    limit: RequestLimit = request.app.state.request_limit
    limit.check(request.client.host if request.client else "")


def absolute(request: Request, path: str) -> str:
    """The public URL of a path."""
    return site_of(request).public(path)


def _network(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(ip_network(f"{address}/64", strict=False)) if address.version == 6 else host
