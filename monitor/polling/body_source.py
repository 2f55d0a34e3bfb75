"""Where a poll gets a publication's bytes from: the network or files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Protocol

from monitor import sources
from monitor.errors import FetchError
from monitor.fetch import Fetched, NotModified, Target, Validators
from monitor.parser import Parser
from monitor.sources import Links, ParseOptions


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
