"""Links on a publisher's page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from urllib.parse import urldefrag, urljoin

from lxml import etree, html


def find_link(page: bytes, url: str, pattern: str, content_type: str = "") -> str | None:
    """The first absolute http(s) href, in document order, in which the pattern occurs; None if there is none.

    ``url`` is the page's own final address, ``content_type`` the header that may name its charset. Fragments
    are cut off.
    """
    link = re.compile(pattern)
    return next((href for href in _hrefs(page, url, content_type) if link.search(href)), None)


def _hrefs(page: bytes, url: str, content_type: str) -> Iterator[str]:
    try:
        document = html.document_fromstring(page, parser=_parser(content_type))
    except (etree.ParserError, etree.XMLSyntaxError):
        return
    bases = document.xpath("//base/@href")
    base = _join(url, str(bases[0])) if isinstance(bases, list) and bases else url
    for element in document.iter():
        href = element.get("href") if isinstance(element.tag, str) and element.tag != "base" else None
        absolute = _join(base or url, href) if href else None
        if absolute and absolute.startswith(("http://", "https://")):
            yield absolute


def _parser(content_type: str) -> html.HTMLParser:
    header = Message()
    header["content-type"] = content_type
    try:
        return html.HTMLParser(encoding=header.get_content_charset(), no_network=True)
    except (LookupError, ValueError):  # a name that no codec has, or with a control character in it
        return html.HTMLParser(no_network=True)


def _join(base: str, href: str) -> str | None:
    try:
        return urldefrag(urljoin(base, href.strip())).url
    except ValueError:  # such as http://[
        return None
