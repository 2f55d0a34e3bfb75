"""Links of a page: their URLs, the link to the next page of a list, and the stated number of rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urljoin, urlsplit

from monitor.sources.cells import NAME_LENGTH, clean

if TYPE_CHECKING:
    from lxml.html import HtmlElement

UNKNOWN = "https://page.invalid/"
"""The URL of a page from a file; its relative links lead nowhere."""
_PLAIN_PATH = re.compile(r"(?:/[\w~!$&'()*+,=:@%-][\w~!$&'()*+,=:@%.-]*)+(?:\?[\w=&%+.,-]*)?")
"""An absolute path without segments that joining would resolve."""
_NEXT = re.compile(r"\W*(?:go to )?(?:next(?: page)?|(?:p\u00e1gina )?siguiente)\W*", re.IGNORECASE)
_PERHAPS_NEXT = re.compile(r"[>\u203a\u00bb\u2192]{1,2}|(?:load|show|view|see) more(?: \w+)?", re.IGNORECASE)
"""Ambiguous texts of a link to the next page: it counts only if it leads to the same path."""
_PAGE_IN_PATH = re.compile(r"(?:/(?:page/?)?\d+)?/?$", re.IGNORECASE)
_STATED = re.compile(
    r"(?:\b(?:showing|displaying|viewing|results|records|rows|entries|items)\W{0,3}\d[\d,]*|(?<![\w.,-])1)"
    r"\s*(?:-|\u2013|to|through)\s*\d[\d,]*\s*(?:of|out of)\s*(\d[\d,]{0,12})",
    re.IGNORECASE,
)
_MORE_BY_SCRIPT = re.compile(
    r"\W*(?:next(?: page)?|load more"
    r"|(?:load|show|view|see) more (?:agencies|departments|results|rows|entries|records|items))\W*",
    re.IGNORECASE,
)
_OF_ANYTHING = re.compile(r"\W*(?:next(?: page)?|load more)\W*", re.IGNORECASE)
_OF_PAGERS = frozenset(("li", "nav", "ol", "p", "span", "ul"))
_MOST_FAR = 100  # buttons beside which tables are looked for
_MOST_BESIDE = 2  # elements around a button, those of pagers apart, of which the last holds its table
_SECOND_PAGE = re.compile(r"__doPostBack\(.*Page\$2\b", re.IGNORECASE)
_OF_PICTURES = re.compile(r"carousel|slide|slick|swiper|gallery|calendar|testimonial", re.IGNORECASE)
_PAGE_OF = re.compile(r"\bpage (\d{1,5}) of (\d{1,5})\b", re.IGNORECASE)
_MOST_AROUND = 5  # elements around a button
_LONGEST = 4096  # characters of an address
_MOST_WORDS = 200_000  # the most characters that are searched for the number of rows


def find_base(document: HtmlElement, url: str) -> str:
    """Find the base URL of a page's relative links: its <base>, or its own URL."""
    for element in document.iter("base"):
        if address := join_link(url, element.get("href")):
            return address
    return url


@lru_cache(maxsize=16)
def _origin(url: str) -> str:
    """The scheme and host of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@lru_cache(maxsize=256)
def join_link(url: str, href: str | None) -> str | None:
    """Resolve a link on a page, without its fragment; None if it is not a web URL, or too long."""
    href = href.strip() if href and len(href) <= _LONGEST else ""
    if not href or len(url) > _LONGEST:
        return None
    try:
        if _PLAIN_PATH.fullmatch(href):
            return _origin(url) + href  # fast path for most links, in a tenth of the time
        address = urldefrag(urljoin(url, href)).url
    except ValueError:  # such as http://[
        return None
    return address if address.startswith(("http://", "https://")) else None


def take_texts(element: HtmlElement, most: int) -> Iterator[str]:
    """Yield the texts in an element up to ``most`` characters; a cell may contain the whole page."""
    length = 0
    for text in element.itertext():
        yield text[:most]
        length += len(text)
        if length > most:
            return


def find_next(document: HtmlElement, url: str, pattern: str, number: int) -> str | None:
    """Find the URL of the next page: by the configured expression, by rel="next", or by the visible text.

    ``number`` is the number of this page, so that a link "3" on page 2 leads to the next one.
    """
    here = urldefrag(url).url
    base = find_base(document, url)
    perhaps: str | None = None
    for element in document.iter("a", "link"):
        address = join_link(base, element.get("href"))
        if pattern:
            if address not in (None, here) and re.search(pattern, address or "") and element.tag == "a":
                return address
            continue
        if address in (None, here):
            continue
        words = clean("".join(take_texts(element, 2 * NAME_LENGTH)))
        texts = [text for text in (words, element.get("title", ""), element.get("aria-label", "")) if text]
        if "next" in element.get("rel", "").lower().split() or any(map(_NEXT.fullmatch, texts)):
            return address
        if perhaps is None and element.tag == "a" and _is_beside(here, address or ""):
            shown = _PERHAPS_NEXT.fullmatch(words) or (
                words == str(number + 1) and str(number + 1) in (address or "")
            )
            perhaps = address if shown else None
    return perhaps


@lru_cache(maxsize=1024)
def _is_beside(here: str, address: str) -> bool:
    """Whether two URLs differ only in their query, or in the number at the end of their path."""
    one, other = urlsplit(here), urlsplit(address)
    return (one.scheme, one.netloc) == (other.scheme, other.netloc) and (
        _PAGE_IN_PATH.sub("", one.path) == _PAGE_IN_PATH.sub("", other.path)
    )


def find_stated_count(document: HtmlElement) -> int | None:
    """How many rows a page says that its list has ("Showing 1 to 10 of 44 entries"); None if it does not."""
    text = clean(" ".join(take_texts(document, _MOST_WORDS)))
    counts = [int(match[1].replace(",", "")) for match in _STATED.finditer(text) if not _is_year(match)]
    return max(counts, default=None)


def _is_year(match: re.Match[str]) -> bool:
    """Whether "1-10 of 2026" may be a date: no word says what is counted, and the total is like a year."""
    return match[0][0] == "1" and match[1].isdigit() and 1900 <= int(match[1]) <= 2100


def find_pages_left(document: HtmlElement) -> str:
    """The pages behind the last one that a page says it is: "page 1 of 3" leaves "pages 2 to 3"; "" without
    such words.
    """
    text = clean(" ".join(take_texts(document, _MOST_WORDS)))
    said = [(int(match[1]), int(match[2])) for match in _PAGE_OF.finditer(text)]
    last, pages = max((at for at, _ in said), default=0), max((of for _, of in said), default=0)
    if last >= pages:
        return ""
    return f"page {pages:,}" if last + 1 == pages else f"pages {last + 1:,} to {pages:,}"


def find_more_by_script(document: HtmlElement) -> str:
    """The words of a link or button that only a script follows to more rows of a list; "" without one."""
    tables, far = document.find(".//table") is not None, 0
    for element in document.iter("a", "button", "input"):
        href = (element.get("href") or "")[:_LONGEST]
        if (href and not href.lower().startswith(("javascript:", "#"))) or _is_off(element):
            continue
        words = clean("".join(take_texts(element, NAME_LENGTH))) or element.get("value") or ""
        named = [
            text[:NAME_LENGTH] for text in (words, element.get("aria-label"), element.get("title")) if text
        ]
        if _SECOND_PAGE.search(href):
            return clean(next(iter(named), ""))
        if any(map(_MORE_BY_SCRIPT.fullmatch, named)):
            if not (tables and far < _MOST_FAR and _is_of_others(element, named)):
                return clean(next(iter(named), ""))
            far += 1
    return ""


def _is_of_others(element: HtmlElement, named: Iterable[str]) -> bool:
    """Whether a "Next" is far from the tables of its page, or sends a form that has none. A button that
    says of what it shows more belongs to the list.
    """
    if not any(map(_OF_ANYTHING.fullmatch, named)):
        return False
    form = next(element.iterancestors("form"), None)
    around = [each for each in element.iterancestors() if each.tag not in _OF_PAGERS][:_MOST_BESIDE]
    return any(each.find(".//table") is None for each in (form, around[-1]) if each is not None)


def _is_off(element: HtmlElement) -> bool:
    """Whether a link or button is disabled, or belongs to pictures that change."""
    if "disabled" in element.attrib or element.get("aria-disabled") == "true":
        return True
    for each in (element, *islice(element.iterancestors(), _MOST_AROUND)):
        kind = (each.get("class") or "")[:NAME_LENGTH]
        if _OF_PICTURES.search(kind) or (each.getparent() is not None and "disabled" in kind.split()):
            return True
    return False
