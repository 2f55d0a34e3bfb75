"""The record of one attempt to get a file: requests, cookies, answers, and the failure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from monitor.fetch.fetch_result import FetchEvidence, FetchFailed
from monitor.net import Answer, Deadline, ExchangeFailed, SentRequest

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT = timedelta(days=365)  # a longer wait is a server's mistake, and would overflow a timedelta


_MOST_COOKIES, _LONGEST_COOKIE = 20, 4096  # of a host; characters


@dataclass(slots=True)
class FetchAttempt:
    """One attempt to get one file. ``subject`` precedes every reason ("the page "); ``user_agent`` replaces
    the program's own.
    """

    url: str
    deadline: Deadline
    subject: str = ""
    final_url: str = ""
    redirects: list[str] = field(default_factory=list)
    answer: Answer | None = None
    request: SentRequest | None = None
    user_agent: str | None = None
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    def keep_cookies(self, host: str) -> None:
        """Keep the cookies of the answer for further requests of this attempt to its host.

        Some servers set one and redirect to the same URL to see whether it is sent back. Later attempts do
        not send it.
        """
        kept = self.cookies.setdefault(host, {})
        for name, value in self.answer.headers if self.answer else ():
            pair = value.partition(";")[0].strip()
            key, equals, text = pair.partition("=")
            sendable = pair.isascii() and pair.isprintable() and len(pair) <= _LONGEST_COOKIE
            if name.lower() == "set-cookie" and equals and sendable and len(kept) < _MOST_COOKIES:
                kept[key.strip()] = text.strip()

    def record_request(self, url: str) -> None:
        """Record the URL of a request, including the first one."""
        if self.final_url:
            self.redirects.append(url)
        self.final_url, self.answer, self.request = url, None, None

    def header(self, name: str) -> str:
        """The answer's first header of a (lower-case) name, "" without one."""
        return self.answer.header(name) if self.answer else ""

    def evidence(self) -> dict[str, Any]:
        """The fields of `FetchEvidence`."""
        answer = self.answer
        return {
            "url": self.url,
            "final_url": self.final_url or self.url,
            "status": answer.status if answer else None,
            "redirects": tuple(self.redirects),
            "headers": answer.headers if answer else (),
            "wire_bytes": answer.wire_bytes if answer else 0,
            "duration": timedelta(seconds=self.deadline.elapsed),
            "request": self.request,
            "answered_after": timedelta(seconds=answer.began) if answer else None,
        }

    def failure(
        self,
        reason: str,
        *,
        transient: bool = False,
        retry_after: timedelta | None = None,
        absent: bool = False,
        forbidden: bool = False,
    ) -> FetchFailed:
        """Create the error to raise, with all evidence so far."""
        return FetchFailed(
            self.subject + reason,
            evidence=FetchEvidence(**self.evidence()),
            transient=transient,
            retry_after=retry_after,
            absent=absent,
            forbidden=forbidden,
        )

    def failed_exchange(self, error: ExchangeFailed) -> FetchFailed:
        """Create the error for an exchange without a complete answer."""
        self.request = self.request or error.request
        return self.failure(error.reason, transient=error.transient)

    def bad_status(self, answer: Answer) -> FetchFailed:
        """Create the error for a status that is neither a success nor a redirect."""
        transient = answer.status in TRANSIENT_STATUSES
        wait = read_retry_after(answer) if transient else None
        if wait is not None:
            reason = f"answered {answer.status} and asked to wait {wait.total_seconds():.0f} s"
        elif 200 <= answer.status < 300:
            reason = f"answered {answer.status}, which is not the whole file"
        else:
            reason = f"answered {answer.status}"
        return self.failure(reason, transient=transient, retry_after=wait)


def read_retry_after(answer: Answer) -> timedelta | None:
    """The Retry-After header (RFC 9110, 10.2.3) as a wait; a date is compared with the server's own Date
    header, that is, by its clock.
    """
    value = answer.header("retry-after").strip()
    if re.fullmatch(r"[0-9]+", value):
        return min(timedelta(seconds=int(value[:9])), LONGEST_WAIT)
    until, now = parse_http_date(value), parse_http_date(answer.header("date"))
    if until is None or now is None:
        return None
    return min(max(until - now, timedelta()), LONGEST_WAIT)


def parse_http_date(value: str) -> datetime | None:
    """Parse a Date header; None for any other text."""
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
