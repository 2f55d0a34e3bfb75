"""What one attempt has met so far, and the words for how it failed."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from monitor.fetch.deadline import Deadline
from monitor.fetch.values import Evidence, Failed

TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT = timedelta(days=365)  # more is not meant, and would not fit into a time


@dataclass(slots=True)
class Trail:
    """One attempt to get one file. ``subject`` precedes every reason ("the page ")."""

    url: str
    deadline: Deadline
    subject: str = ""
    final_url: str = ""
    status: int | None = None
    redirects: list[str] = field(default_factory=list)
    headers: tuple[tuple[str, str], ...] = ()
    wire_bytes: int = 0

    def asks(self, url: str) -> None:
        """The next address, the first one included."""
        if self.final_url:
            self.redirects.append(url)
        self.final_url, self.status, self.headers, self.wire_bytes = url, None, (), 0

    def answered(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers = tuple(response.headers.multi_items())

    def header(self, name: str) -> str:
        """The answer's first header of a (lower-case) name, "" without one."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def evidence(self) -> dict[str, Any]:
        """The fields of `Evidence`."""
        return {
            "url": self.url,
            "final_url": self.final_url or self.url,
            "status": self.status,
            "redirects": tuple(self.redirects),
            "headers": self.headers,
            "wire_bytes": self.wire_bytes,
            "duration": timedelta(seconds=self.deadline.elapsed),
        }

    def failed(self, reason: str, *, transient: bool = False, retry_after: timedelta | None = None) -> Failed:
        """The error to raise, with all that was met until now."""
        return Failed(
            self.subject + reason,
            evidence=Evidence(**self.evidence()),
            transient=transient,
            retry_after=retry_after,
        )

    def out_of_time(self) -> Failed:
        return self.failed(f"did not finish within {self.deadline.total:g} s", transient=True)

    def refused(self, response: httpx.Response) -> Failed:
        """For a status that is neither good nor a redirect."""
        status = response.status_code
        transient = status in TRANSIENT_STATUSES
        wait = asked_to_wait(response.headers) if transient else None
        if wait is not None:
            reason = f"answered {status} and asked to wait {wait.total_seconds():.0f} s"
        elif 200 <= status < 300:
            reason = f"answered {status}, which is not the whole file"
        else:
            reason = f"answered {status}"
        return self.failed(reason, transient=transient, retry_after=wait)

    def broke(self, error: httpx.TransportError) -> Failed:
        """For a connection that was not had or did not last. Nothing of the error's own text but the operating system's is repeated."""
        if self.deadline.passed:
            return self.out_of_time()
        untrusted = next((e for e in _causes(error) if isinstance(e, ssl.SSLCertVerificationError)), None)
        if untrusted is not None:
            return self.failed(f"has a certificate that is not to be trusted: {untrusted.verify_message}")
        lasting = isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError))
        return self.failed(_words(error), transient=not lasting)


def _words(error: httpx.TransportError) -> str:
    match error:
        case httpx.ConnectTimeout():
            return "did not take the connection in time"
        case httpx.TimeoutException():
            return "went silent for too long"
        case httpx.ProxyError():
            return "could not be reached: the proxy refused"
        case httpx.ConnectError():
            system = next((e.strerror for e in _causes(error) if isinstance(e, OSError) and e.strerror), None)
            return f"could not be connected to{f': {system}' if system else ''}"
        case httpx.ReadError() | httpx.WriteError() | httpx.CloseError():
            return "broke the connection off in the middle of its answer"
        case httpx.RemoteProtocolError():
            return "gave an answer that breaks off or is not valid HTTP"
        case _:
            return "could not be asked"


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def asked_to_wait(headers: httpx.Headers) -> timedelta | None:
    """The Retry-After header (RFC 9110, 10.2.3) as a wait; a date counts from the server's own Date, whose clock it is."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+", value):
        return min(timedelta(seconds=int(value[:9])), LONGEST_WAIT)
    until, now = _http_date(value), _http_date(headers.get("date", ""))
    if until is None or now is None:
        return None
    return min(max(until - now, timedelta()), LONGEST_WAIT)


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
