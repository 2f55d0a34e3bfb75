"""The result of one fetch: the content, parsed at most once, and the evidence of the fetch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy.engine import Connection

from monitor.core.identity import digest
from monitor.domain import Publication
from monitor.errors import ParseError
from monitor.fetch import Fetched, FetchEvidence, NotModified, parse_http_date
from monitor.net import SentRequest
from monitor.parser import IN_PROCESS, Parser
from monitor.polling.polled_source import PolledSource
from monitor.storage.lists import bodies
from monitor.storage.lists.history import UNCHANGED, Attempt

NOT_KEPT = "The body is not kept: the disk is nearly full."


@dataclass
class Received:
    """The content that one poll received. ``hash`` identifies it, even if the server only answered that it is
    unmodified.
    """

    watch: PolledSource
    got: Fetched | NotModified
    now: datetime
    parser: Parser = IN_PROCESS
    _publication: Publication | None = field(default=None, repr=False)
    _digest: str = ""

    @property
    def hash(self) -> str:
        known = self.got.sha256 if isinstance(self.got, Fetched) else self.got.validators.hash
        assert known is not None  # only validators of a stored body are sent
        return known

    def body(self, conn: Connection) -> bytes:
        """Return the body; read from the database if the server did not send it."""
        if isinstance(self.got, Fetched):
            return self.got.body
        kept = bodies.load_body(conn, self.hash)
        if kept is None:
            raise ParseError(
                "the server says that nothing changed, and what it gave before is no longer kept"
            )
        return kept

    def publication(self, body: bytes) -> Publication:
        """Parse the content, once per poll. Raises ParseError."""
        if self._publication is None:
            self.remember(self.parser.parse(body, self.watch.options))
        assert self._publication is not None
        return self._publication

    def remember(self, publication: Publication) -> None:
        """Store the parsed content, so that it is parsed only once."""
        self._publication, self._digest = publication, digest(publication.listings)

    @property
    def digest(self) -> str:
        """A hash of the set of listings; available once the content is parsed."""
        assert self._publication is not None
        return self._digest

    @cached_property
    def is_kept(self) -> bool:
        """Whether the body may be kept; decided once per poll."""
        return not isinstance(self.got, Fetched) or self.watch.has_room(len(self.got.body))

    def attempt(self, outcome: str, reason: str = "") -> Attempt:
        attempt = attempt_of(self.watch, self.now, outcome, reason, self.got, self.hash)
        if self.is_kept or outcome == UNCHANGED:
            return attempt
        return replace(attempt, reason=" ".join(filter(None, (reason, NOT_KEPT))), kept=False)

    def attempt_read(self, publication: Publication, outcome: str, reason: str = "") -> Attempt:
        """The attempt with what was parsed: it gets a snapshot in the same transaction."""
        attempt = self.attempt(outcome, reason)
        return replace(attempt, digest=self.digest, listings=len(publication.listings))


def attempt_of(
    watch: PolledSource,
    now: datetime,
    outcome: str,
    reason: str,
    got: FetchEvidence | None,
    sha256: str | None = None,
) -> Attempt:
    """Create the row of one fetch attempt, with all its evidence."""
    if got is None:
        return Attempt(source=watch.name, at=now, outcome=outcome, reason=reason)
    fetched = got if isinstance(got, Fetched) else None
    # the URLs that led to the one that answered
    passed = (got.url, *got.redirects[:-1]) if got.redirects else ()
    return Attempt(
        source=watch.name,
        at=now,
        outcome=outcome,
        reason=reason,
        status=got.status,
        url=got.final_url,
        redirects=passed,
        headers=got.headers,
        wire_bytes=got.wire_bytes,
        size=len(fetched.body) if fetched else None,
        hash=fetched.sha256 if fetched else sha256,
        wire_hash=hashlib.sha256(fetched.wire).hexdigest() if fetched and fetched.wire else None,
        duration=got.duration,
        request=describe_sent(got.request),
        validators=got.request.validators if got.request else (),
        clock=compute_clock(got, now),
    )


def describe_sent(request: SentRequest | None) -> dict[str, Any] | None:
    """Describe a request for storage, without its validators; unknown values are left out."""
    if request is None:
        return None
    content: dict[str, Any] = {
        "method": request.method,
        "headers": [list(header) for header in request.headers],
        "withheld": list(request.withheld) or None,
        "remote": request.remote,
        "certificate": request.certificate,
    }
    return {name: value for name, value in content.items() if value is not None}


def compute_clock(got: FetchEvidence, began: datetime) -> int | None:
    """Compute the server's Date minus our clock when its answer began, in whole seconds; None without a Date.

    ``began`` is the start of the get. A Date is truncated to the second, so equal clocks give 0 or -1.
    """
    date = next((value for name, value in got.headers if name.lower() == "date"), "")
    at = parse_http_date(date)
    if at is None or got.answered_after is None:
        return None
    return (at - began - got.answered_after) // timedelta(seconds=1)
