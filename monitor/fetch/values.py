"""The arguments and results of a fetch: frozen values and one error."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from monitor.errors import FetchError
from monitor.net import SentRequest
from monitor.sources.format import Pages


@dataclass(frozen=True, slots=True)
class LinkRule:
    """Recognizes the link to the current file on a page, by regular expressions.

    ``address`` is searched in the absolute URL, ``words`` in the visible text of the link: one of them must
    match. ``file`` is searched in the file name of the answer (Content-Disposition, or a name with an
    extension at the end of the URL). A link where ``never`` matches any of the three is not the file.
    """

    address: str | None = None
    words: str | None = None
    file: str | None = None
    never: str | None = None

    def __post_init__(self) -> None:
        if self.address is None and self.words is None:
            raise ValueError("a link is found by its address or its words")
        for expression in (self.address, self.words, self.file, self.never):
            try:
                re.compile(expression or "")
            except re.error as error:
                raise ValueError(f"the link is not a regular expression: {error}") from error

    def __str__(self) -> str:
        if self.words is None:
            return str(self.address)
        return f"the words {self.words}{f' or the address {self.address}' if self.address else ''}"


@dataclass(frozen=True, slots=True)
class Target:
    """The location of a source: ``url``, or ``page`` and ``link``, a rule or an expression for the link's
    URL.

    ``hosts`` are further hosts to which redirects and links may lead; the host of ``url`` or ``page`` is
    always allowed. ``collect`` gets the content of ``url`` page by page. ``user_agent`` replaces the
    program's own. ``printed_count`` is an expression whose group is the publisher's own count, on the page or
    otherwise in the file.
    """

    url: str | None = None
    page: str | None = None
    link: LinkRule | str | None = None
    hosts: frozenset[str] = frozenset()
    collect: Callable[[str], Pages] | None = field(default=None, compare=False)
    user_agent: str | None = None
    printed_count: str | None = None

    def __post_init__(self) -> None:
        if (self.url is None) == (self.page is None) or (self.page is None) != (self.link is None):
            raise ValueError("a target is either a url or a page and a link")
        if isinstance(self.link, str):
            object.__setattr__(self, "link", LinkRule(address=self.link))

    @property
    def rule(self) -> LinkRule | None:
        """The rule for the link on the page; None if the source is a url."""
        assert not isinstance(self.link, str)
        return self.link

    @property
    def home(self) -> str:
        """The configured URL, against which all others are checked."""
        return self.url or self.page or ""


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
