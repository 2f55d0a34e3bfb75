"""Reads publications in a process of its own: publishers are not trusted, and every parser can be attacked
with a crafted file.

The child process has no database, no secrets and no environment, and limits of memory, processor and wall
time. It gets a body, or listings to pair, and answers with plain JSON that is validated before anything uses
it. If it exceeds a limit or dies, the request raises a `ParseError` with the reason, and the next request
gets a new child.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from monitor import sources
from monitor.core import renames
from monitor.domain import Listing, Publication
from monitor.parser.limits import ParserLimits
from monitor.parser.process import ParserProcess
from monitor.sources import Links, ParseOptions

__all__ = ["IN_PROCESS", "Parser", "ParserLimits", "ParserProcess"]


class Parser(Protocol):
    """Turns bytes into listings, and pairs listings of two publications. Every method raises ParseError."""

    def find_links(self, body: bytes, options: ParseOptions) -> Links:
        """See `sources.find_links`."""
        ...

    def parse(self, body: bytes, options: ParseOptions) -> Publication:
        """See `sources.parse`."""
        ...

    def pair(
        self, removed: Iterable[Listing], added: Iterable[Listing], *, widespread: frozenset[str] = ...
    ) -> list[tuple[Listing, Listing]]:
        """See `renames.pair`."""
        ...


class _InProcess:
    """A parser without a child process, for the operator's own files: `monitor replay`, `parse` and
    `diff`.
    """

    def find_links(self, body: bytes, options: ParseOptions) -> Links:
        return sources.find_links(body, options)

    def parse(self, body: bytes, options: ParseOptions) -> Publication:
        return sources.parse(body, options)

    def pair(
        self,
        removed: Iterable[Listing],
        added: Iterable[Listing],
        *,
        widespread: frozenset[str] = frozenset(),
    ) -> list[tuple[Listing, Listing]]:
        return renames.pair(removed, added, widespread=widespread)


IN_PROCESS: Parser = _InProcess()
"""Parses in this process, without limits."""
