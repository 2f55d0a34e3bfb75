"""A configured source as a poll needs it, and where its bytes come from: the network or files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
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
    """One configured source as a poll needs it: its location, format, interval, and the guard's policy.

    ``optional``: a page without a link to the file is normal. ``leads_to``: an agency that moves from this
    list to that one is announced there, and not as removed here. Polls that are further apart than
    ``longest_gap`` do not prove that a publication was there all the time. ``has_room`` returns whether a
    body of that many bytes may be stored. ``gazetteer`` loads the gazetteer that places accepted listings;
    None: they are placed later.
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
        """A hash of the parsing settings. With another fingerprint, the same bytes may give other
        listings.
        """
        return sources.fingerprint(self.options)


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


class UnlinkedSource:
    """The part of a `BodySource` for a local file: it follows no links. ``refusal`` completes the error text
    for a file that is only a link.
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
    """Get all documents of a publication in addition to its first file. Raises FetchError, ParseError."""
    links = parser.find_links(first.body, options)
    compose = partial(sources.compose, first.body, options=options)
    return fetcher.fetch_links(first, links, compose, target, validators)
