"""Reads the links of a publisher's page, and the pages within it, with the words that name each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urldefrag

from monitor.sources.html_links import join_link

if TYPE_CHECKING:
    from lxml import html

_MOST_LINKS = 20_000
"""The most links of a page that are examined."""
_MOST_STEPS = 1000
"""The most elements that are examined for the words of one link; a hostile page may have a million empty
ones.
"""
_LONGEST = 300
"""The most characters of words that are examined: of an anchor, and of the text around it."""
_MOST_LOOKS = 100_000
"""The most elements before links that are examined on a page; a normal page has a few for each link."""
_MOST_UP, _MOST_BESIDE = 3, 5  # levels above a link, and elements beside each, that may name it
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "dt", "th"})
_BLOCKS = frozenset({"p", "li", "td", "th", "dd", "figure", "section", "article", "div"})


@dataclass(frozen=True, slots=True)
class PageLink:
    """A link: its absolute http(s) address without a fragment, and the words that name it: those of the
    anchor with its label and title, those of the paragraph around it, and those right before it, after any
    other link ("pending agencies" in "participating agencies here and pending agencies here"), or a heading.
    """

    address: str
    words: str
    around: str
    before: str = ""


def read_links(page: bytes, url: str, content_type: str = "") -> tuple[PageLink, ...]:
    """Read the links of a page in document order, each URL once with all its words.

    ``url`` is the page's own final address, ``content_type`` the header that may name its charset.
    """
    links: dict[str, PageLink] = {}
    for link in islice(_links(page, url, content_type), _MOST_LINKS):
        known = links.get(link.address)
        links[link.address] = (
            PageLink(
                link.address,
                f"{known.words} {link.words}".strip()[:_LONGEST],
                f"{known.around} {link.around}".strip()[:_LONGEST],
                f"{known.before} {link.before}".strip()[:_LONGEST],
            )
            if known
            else link
        )
    return tuple(links.values())


def _links(page: bytes, url: str, content_type: str) -> Iterator[PageLink]:
    from lxml import etree, html  # only the parser's process has it in memory

    try:
        document = html.document_fromstring(page, parser=_parser(content_type))
    except (etree.ParserError, etree.XMLSyntaxError):
        return
    bases = document.xpath("//base/@href")
    base = join_link(url, str(bases[0])) if isinstance(bases, list) and bases else url
    around: dict[html.HtmlElement, str] = {}  # many links may share one block
    before = _WordsBefore()
    here = urldefrag(url).url
    for element in document.iter():
        href = _find_address(element)
        absolute = join_link(base or url, href)
        if absolute and absolute != here:
            block = _find_block(element)
            if block is not None and block not in around:
                around[block] = _text(block)
            nearby = "" if block is None else around[block]
            yield PageLink(absolute, _read_words(element), nearby, before.read(element))


def _find_address(element: html.HtmlElement) -> str | None:
    """The address to which an element leads: a link's, or that of a page within the page."""
    if not isinstance(element.tag, str) or element.tag == "base":
        return None
    found: str | None = element.get("src" if element.tag == "iframe" else "href")
    return found


class _WordsBefore:
    """Reads the words right before a link: in its block, or otherwise before the block."""

    def __init__(self) -> None:
        self._texts: dict[html.HtmlElement, str] = {}
        self._left = _MOST_LOOKS

    def read(self, link: html.HtmlElement) -> str:
        """Read the words before a link; "" if another link precedes it, or if nothing is near."""
        element: html.HtmlElement | None = link
        for _ in range(_MOST_UP):
            if element is None or element.tag in ("body", "html"):
                break
            words, ended = self._read_beside(element)
            if words or ended:
                return words
            element = element.getparent()
        return ""

    def _read_beside(self, element: html.HtmlElement) -> tuple[str, bool]:
        """Read the words before an element in its parent, and whether a link ends them."""
        words: list[str] = []
        beside = element.getprevious()
        for _ in range(_MOST_BESIDE):
            if beside is None:
                parent = element.getparent()
                words.append(parent.text or "" if parent is not None else "")
                break
            self._left -= 1
            if self._left < 0:
                break
            words.append(beside.tail or "")
            if _holds_link(beside):
                return _join_words(words), True
            if isinstance(beside.tag, str):
                if beside not in self._texts:
                    self._texts[beside] = _text(beside)
                words.append(self._texts[beside])
            if beside.tag in _HEADINGS:
                break
            beside = beside.getprevious()
        return _join_words(words), False


def _join_words(words: list[str]) -> str:
    """Join texts that were read backwards into one, and keep its end, next to the link."""
    return " ".join(" ".join(text[:_LONGEST] for text in reversed(words)).split())[-_LONGEST:]


def _holds_link(element: html.HtmlElement) -> bool:
    return element.tag == "a" or any(child.tag == "a" for child in islice(element.iterchildren(), 20))


def _read_words(element: html.HtmlElement) -> str:
    pictures = (image.get("alt") or "" for image in islice(element.iterchildren("img"), 3))
    parts = [_text(element), element.get("aria-label") or "", element.get("title") or "", *pictures]
    return " ".join(" ".join(parts).split())[:_LONGEST]


def _find_block(element: html.HtmlElement) -> html.HtmlElement | None:
    """The nearest block around a link."""
    for depth, parent in enumerate(element.iterancestors()):
        if parent.tag in _BLOCKS:
            return parent
        if depth == 10:
            break
    return None


def _text(element: html.HtmlElement) -> str:
    """The first words within an element; a hostile page may hold megabytes in each of its links."""
    from lxml import etree

    words, length = [], 0
    events = ("start", "end", "comment", "pi")
    for event, each in islice(etree.iterwalk(element, events=events), _MOST_STEPS):
        text = each.text if event == "start" else each.tail if each is not element else None
        if text:
            words.append(text[:_LONGEST])
            length += len(text)
            if length > _LONGEST:
                break
    return " ".join(" ".join(words).split())[:_LONGEST]


def _parser(content_type: str) -> html.HTMLParser:
    from lxml import html

    header = Message()
    header["content-type"] = content_type
    try:
        return html.HTMLParser(encoding=header.get_content_charset(), no_network=True)
    except (LookupError, ValueError):  # an unknown charset, or one with a control character
        return html.HTMLParser(no_network=True)
