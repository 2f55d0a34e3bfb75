"""Finds links on a publisher's page by their URL and by their visible text."""

from __future__ import annotations

import re
from email.message import Message
from urllib.parse import unquote, urlsplit

from monitor.fetch.target import LinkRule
from monitor.sources.page_links import PageLink

_DATA_FILE = re.compile(r"(?i)\.(?:xlsx?|xlsb|ods|csv|kmz|kml|json|zip|pdf)(?:$|[?#])|/download")


def find_candidates(links: tuple[PageLink, ...], rule: LinkRule) -> tuple[PageLink, ...]:
    """Find the links that may lead to the file, the most likely first: matched by URL and words, by one of
    them, by the words before the link, and last by the words around it; each group in document order.
    """
    ranked: list[tuple[int, PageLink]] = []
    for link in links:
        if rule.never and re.search(rule.never, f"{link.address}\n{link.words}"):
            continue
        by_address = bool(rule.address and re.search(rule.address, link.address))
        by_words = bool(rule.words and re.search(rule.words, link.words))
        if by_address or by_words:
            ranked.append((0 if by_address and by_words else 1, link))
        elif rule.words and re.search(rule.words, link.before):
            ranked.append((2, link))
        elif rule.never and re.search(rule.never, link.before):
            continue
        elif rule.words and re.search(rule.words, link.around):
            ranked.append((3, link))
    ranked.sort(key=lambda candidate: candidate[0])
    return tuple(link for _, link in ranked)


def describe_links(links: tuple[PageLink, ...], most: int = 5) -> str:
    """List the files that a page links to, for an error text: 'it links "Annual report" (report.pdf),
    ...'.
    """
    files = [link for link in links if _DATA_FILE.search(link.address)]
    if not files:
        return f"it has {len(links)} links and none to a file"
    named = ", ".join(describe_link(link) for link in files[:most])
    more = f" and {len(files) - most} more files" if len(files) > most else ""
    return f"it links {named}{more}"


def describe_link(link: PageLink) -> str:
    """Describe a link by its words and the end of its URL."""
    name = read_path_name(link.address) or link.address
    return f'"{link.words[:60]}" ({name[:80]})' if link.words else name[:80]


def read_file_name(disposition: str, address: str) -> str | None:
    """Read the file name of an answer: from Content-Disposition (RFC 6266), or the end of the URL if it has
    an extension; None if neither has one.
    """
    header = Message()
    try:
        header["content-disposition"] = disposition
        name = header.get_filename()
    except ValueError:  # a line break, or an unknown charset
        name = None
    if name:
        return name
    last = read_path_name(address)
    return last if last and "." in last else None


def read_path_name(address: str) -> str | None:
    """The last part of an address's path; None if it ends with a slash."""
    return unquote(urlsplit(address).path.rpartition("/")[2]) or None
