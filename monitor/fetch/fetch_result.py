"""How a fetch ended: the body, not modified, or failed, each with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from monitor.errors import FetchError
from monitor.net import SentRequest


@dataclass(frozen=True, slots=True)
class Validators:
    """The validators of the last answer from one URL.

    ``etag`` and ``last_modified`` are verbatim; ``hash`` is the SHA-256 (hex) of the decoded body.
    """

    etag: str | None = None
    last_modified: str | None = None
    hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchEvidence:
    """Evidence of the last attempt, which cannot be collected later.

    ``url`` is the requested URL (the configured one, or the one that the page links to), ``redirects`` the
    URLs that followed it, in order, ``final_url`` the one that answered. ``headers`` are that answer's,
    verbatim; ``wire_bytes`` counts its body as received, still compressed. ``duration`` covers the whole get,
    with its page and its retries. ``status`` is None when no server answered. ``request`` is the request of
    that answer, None if nothing was sent; ``answered_after`` the time from the start of the get until the
    answer began. ``printed_count`` is the publisher's own count, if it was searched for and found.
    """

    url: str
    final_url: str
    status: int | None
    redirects: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    wire_bytes: int = 0
    duration: timedelta = timedelta()
    request: SentRequest | None = None
    answered_after: timedelta | None = None
    printed_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched(FetchEvidence):
    """A whole body, decoded, and its SHA-256 (hex); ``validators`` belong to ``final_url``.

    ``wire`` is the body as received where the server compressed it with gzip.
    """

    body: bytes = field(repr=False)
    sha256: str
    validators: Validators
    wire: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotModified(FetchEvidence):
    """``final_url`` has not changed since the stored validators were given; ``validators`` are the updated
    ones.
    """

    validators: Validators


class FetchFailed(FetchError):
    """The source's bytes could not be fetched.

    Its text is the reason for a person. ``retry_after`` is the wait that the server asked for, if it did.
    ``transient``: the next poll may succeed without any action. ``absent``: the page works and links to no
    such file. ``forbidden``: a URL that the address policy does not allow.
    """

    def __init__(
        self,
        reason: str,
        *,
        evidence: FetchEvidence,
        transient: bool = False,
        retry_after: timedelta | None = None,
        absent: bool = False,
        forbidden: bool = False,
    ) -> None:
        super().__init__(reason)
        self.evidence = evidence
        self.transient = transient
        self.retry_after = retry_after
        self.absent = absent
        self.forbidden = forbidden
