"""The input and the result of a poll."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol

from monitor import sources
from monitor.domain import Policy
from monitor.errors import FetchError
from monitor.fetch import Fetched, NotModified, Target, Validators
from monitor.parser import Parser
from monitor.sources import Links, ParseOptions

if TYPE_CHECKING:
    from monitor.places import Gazetteer


@dataclass(frozen=True, slots=True, kw_only=True)
class PolledSource:
    """One configured source as a poll needs it: where it is, how it is read, how often, and the guard's
    policy.

    ``optional``: that its page links no such file is normal. ``leads_to``: who leaves this list for that one
    is told there, and not as gone here. Polls that are further apart than ``longest_gap`` do not show that a
    publication was there all the time. ``has_room`` says whether a body of so many bytes may be kept.
    ``gazetteer`` loads what places listings when they are accepted; None: they are placed later.
    """

    name: str
    every: timedelta
    target: Target
    options: ParseOptions
    policy: Policy = field(default_factory=Policy)
    optional: bool = False
    leads_to: str | None = None
    longest_gap: timedelta = timedelta(days=1)
    has_room: Callable[[int], bool] = field(default=lambda size: True, compare=False)
    gazetteer: Callable[[], Gazetteer] | None = field(default=None, compare=False)

    @property
    def fingerprint(self) -> str:
        """A hash of how bytes are read. With another fingerprint the same bytes may give other listings."""
        return sources.fingerprint(self.options)


class UnlinkedSource:
    """The part of a `BodySource` that serves a file at hand: it follows no links. ``refusal`` says so where a
    file is nothing but a link.
    """

    refusal: ClassVar[str]

    def fetch_links(
        self,
        first: Fetched,
        links: Links,
        compose: Callable[[Mapping[str, bytes]], bytes],
        target: Target,
        validators: Callable[[str], Validators | None] = lambda url: None,
        /,
    ) -> Fetched | NotModified:
        if links.alone:
            raise FetchError(f"the file holds nothing but a link to another one{self.refusal}")
        return first


def fetch_whole(
    fetcher: BodySource,
    first: Fetched,
    parser: Parser,
    options: ParseOptions,
    target: Target,
    validators: Callable[[str], Validators | None] = lambda url: None,
) -> Fetched | NotModified:
    """Get all that a publication consists of beside its first file. Raises FetchError, ParseError."""
    links = parser.find_links(first.body, options)
    compose = partial(sources.compose, first.body, options=options)
    return fetcher.fetch_links(first, links, compose, target, validators)


class Result(StrEnum):
    """The result of a poll; of several, the first that applies."""

    BASELINE = "baseline"
    FAILED = "failed"
    REJECTED = "rejected"
    PUBLISHED = "published"
    HELD = "held"
    PENDING = "pending"
    UNCHANGED = "unchanged"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class PollResult:
    """One poll in one line. ``added``, ``removed``, ``changed`` count published changes; ``pending``,
    ``held`` open ones.
    """

    source: str
    outcome: Result
    added: int = 0
    removed: int = 0
    changed: int = 0
    pending: int = 0
    held: int = 0
    reason: str = ""


class BodySource(Protocol):
    """Provides a source's bytes: `fetch.Fetcher`, or a history of files. Raises FetchError."""

    def get(
        self,
        target: Target,
        validators: Callable[[str], Validators | None] = ...,
        fits: Callable[[Fetched], str | None] = ...,
        /,
    ) -> Fetched | NotModified: ...

    def fetch_links(
        self,
        first: Fetched,
        links: Links,
        compose: Callable[[Mapping[str, bytes]], bytes],
        target: Target,
        validators: Callable[[str], Validators | None] = ...,
        /,
    ) -> Fetched | NotModified: ...
