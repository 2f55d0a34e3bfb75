"""Finds the list at an address that somebody gives: a file, a page with a table or with a link to a file, a
map, a layer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from monitor.domain import Publication
    from monitor.fetch import Fetched, Fetcher, Target
    from monitor.parser import ParserProcess
    from monitor.sources import ParseOptions
    from monitor.sources.format import Proposal
    from monitor.sources.page_links import PageLink

_WORDS = re.compile(r"agenc|participat|download|spreadsheet|excel|\bcsv\b|\blist\b|\bdata\b", re.IGNORECASE)
_MOST_LINKS = 5  # the most links of a page that are tried


@dataclass(frozen=True)
class FoundList:
    """A list that was found: its location, how it is read, and the listings. ``where`` are keys of
    ``[sources.NAME]``.
    """

    where: dict[str, Any]
    proposal: Proposal
    publication: Publication


def options_of(proposal: Proposal) -> ParseOptions:
    """The options to parse a file as proposed, before its source has a name."""
    from monitor.sources import ParseOptions

    return ParseOptions("x", proposal.format, proposal.columns, settings=proposal.settings)


@dataclass(frozen=True)
class ListSearch:
    """The parts that fetch and parse what is tried. Its methods raise MonitorError with the reason."""

    fetcher: Fetcher
    parser: ParserProcess

    def find(self, address: str) -> FoundList:
        """Find the list at an address. Raises MonitorError with the reason."""
        from monitor.errors import MonitorError, ParseError
        from monitor.fetch import Target
        from monitor.sources.sniff import is_html

        address = _direct_address(address)
        if re.search(r"/(?:Feature|Map)Server/\d+$", urlsplit(address).path):
            return self._find_layer(address)
        got = self._get(Target(url=address))
        if not is_html(got.body):
            return self._read({"url": address}, got)
        found: list[FoundList] = []
        reasons: list[str] = []
        content_type = next((value for key, value in got.headers if key.lower() == "content-type"), "")
        attempts = [partial(self._read_page, address, got)]
        pages: list[tuple[str, Fetched]] = []
        try:
            links = _rank_links(self.parser.read_links(got.body, got.final_url, content_type))
            attempts += [partial(self._read_link, address, link, pages) for link in links]
        except ParseError as error:
            reasons.append(str(error))
        for attempt in attempts:
            try:
                found.append(attempt())
            except MonitorError as error:
                reasons.append(str(error))
        if not found:
            found = list(self._read_linked_pages(pages))
        if not found:
            raise ParseError(
                f"no list was found on the page or behind its links: {'; '.join(dict.fromkeys(reasons))}"
            )
        return max(found, key=lambda one: len(one.publication.listings))

    def _get(self, target: Target) -> Fetched:
        from monitor.fetch import Fetched

        got = self.fetcher.get(target)
        assert isinstance(got, Fetched)  # the request was not conditional
        return got

    def _read_linked_pages(self, pages: list[tuple[str, Fetched]]) -> Iterator[FoundList]:
        """Read the lists of pages that are linked, or within the page, such as a published spreadsheet."""
        from monitor.errors import MonitorError

        for address, got in pages:
            try:
                yield self._read_page(address, got)
            except MonitorError:
                continue

    def _read(self, where: dict[str, Any], got: Fetched) -> FoundList:
        """Read a file in the detected format, with the documents that it links to."""
        from monitor.fetch import Fetched, Target
        from monitor.polling import fetch_whole

        proposal = self.parser.propose(got.body)
        options = options_of(proposal)
        whole = fetch_whole(self.fetcher, got, self.parser, options, Target(url=got.final_url))
        assert isinstance(whole, Fetched)  # the request was not conditional
        return FoundList(where, proposal, self.parser.parse(whole.body, options))

    def _read_page(self, address: str, got: Fetched) -> FoundList:
        """Read the table on a page, and those on the pages that follow it."""
        return self._collect(address, self.parser.propose(got.body))

    def _find_layer(self, address: str) -> FoundList:
        from monitor.errors import ParseError
        from monitor.fetch import Target
        from monitor.sources.arcgis import propose_layer

        def load(url: str) -> dict[str, Any]:
            got = self._get(Target(url=url))
            try:
                answer = json.loads(got.body)
            except ValueError:
                raise ParseError("The layer does not answer in JSON.") from None
            if not isinstance(answer, dict) or "error" in answer:
                raise ParseError("The address is not that of a layer.")
            return answer

        about = load(f"{address}?f=json")
        query = "where=1%3D1&outFields=*&returnGeometry=false&resultRecordCount=500&f=json"
        page = load(f"{address}/query?{query}")
        records = [x["attributes"] for x in page.get("features", ()) if isinstance(x.get("attributes"), dict)]
        proposal = propose_layer(about.get("fields") or page.get("fields") or (), records)
        return self._collect(address, proposal)

    def _collect(self, address: str, proposal: Proposal) -> FoundList:
        """Read a list with several pages, as a poll would."""
        from monitor.fetch import Target
        from monitor.sources import FORMATS

        options = options_of(proposal)
        collect = FORMATS[proposal.format].collect
        target = Target(url=address, collect=(lambda url: collect(url, options)) if collect else None)
        got = self._get(target)
        return FoundList({"url": address}, proposal, self.parser.parse(got.body, options))

    def _read_link(self, page: str, link: PageLink, pages: list[tuple[str, Fetched]]) -> FoundList:
        """Read the file behind a link of a page; another page is added to ``pages``. Raises MonitorError."""
        from monitor.errors import ParseError
        from monitor.fetch import Target
        from monitor.sources.sniff import is_html

        address = _direct_address(link.address)
        got = self._get(Target(url=address))
        if is_html(got.body):
            pages.append((address, got))
            raise ParseError("a link leads to another page")
        where: dict[str, Any]
        file = PurePosixPath(urlsplit(address).path).name
        if address != link.address or not re.search(r"\d", file):
            where = {"url": address}  # a name without a number or a date stays the same
        elif _is_file(file) and (stem := re.match(r"[A-Za-z_-]{4,}", file)):
            suffix = re.escape(PurePosixPath(file).suffix)
            where = {"page": page, "link": f"{re.escape(stem[0])}[^/]*{suffix}$"}
        else:
            words = re.sub(r"(?:\\?[\d/.,-])+", r"[\\d/.,-]+", re.escape(link.words[:80]))
            where = {"page": page, "link": {"words": f"(?i){words}"}}
        return self._read(where, got)


def _direct_address(address: str) -> str:
    """The address of the data if people give that of a viewer."""
    parts = urlsplit(address)
    is_map = re.fullmatch(r"(?:www\.)?google\.[a-z.]+", parts.hostname or "") and "/maps/d/" in parts.path
    if is_map and (mid := parse_qs(parts.query).get("mid")):
        return f"https://www.google.com/maps/d/kml?mid={mid[0]}&forcekml=1"
    if re.search(r"/(?:Feature|Map)Server/\d+(?:/query)?/?$", parts.path):
        return parts._replace(path=re.sub(r"(?:/query)?/?$", "", parts.path), query="", fragment="").geturl()
    return parts._replace(fragment="").geturl()


def _rank_links(links: tuple[PageLink, ...]) -> list[PageLink]:
    """Sort the links that may lead to a list, the most likely first."""

    def rank(link: PageLink) -> int:
        path = urlsplit(link.address).path.lower()
        return 2 * _is_file(path) + ("/maps/d/" in path) + bool(_WORDS.search(f"{link.words} {path}"))

    likely = [link for link in links if rank(link) > 0]
    return sorted(likely, key=rank, reverse=True)[:_MOST_LINKS]


def _is_file(path: str) -> bool:
    """Whether a path ends as that of a list in a file, which is no page."""
    from monitor.sources.compressed_file import COMPRESSED
    from monitor.sources.formats import ENDINGS

    path = path.lower()
    return path.endswith((*ENDINGS, *COMPRESSED)) and not path.endswith((".htm", ".html"))
