"""What stands above an element of a page, and whether it is in a part for navigation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from monitor.sources.cells import NAME_LENGTH, TEXT_LENGTH, clean
from monitor.sources.headings import read_heading
from monitor.sources.html_links import take_texts

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_HEADING = re.compile(r"h([1-6])")
_BOLD = 7  # the level of a text that looks like a heading below all of them
_MAY_BE_HEADING = frozenset(
    ("summary", "button", "legend", "p", "div", "strong", "b", "span", "label", "caption", "td", "th")
)
_FOR_NAVIGATION = frozenset(("nav", "footer", "aside", "header", "select"))
_ROLES = frozenset(("navigation", "menu", "menubar", "banner", "contentinfo", "tablist", "search"))
_NAVIGATION = re.compile(
    r"(?!has|no|with)(?:[\w-]*[_-])?(?:nav|navbar|navigation|menu|submenu|breadcrumbs?|pager|pagination|footer"
    r"|toc|sidebar|skip-?links?|social)",
    re.IGNORECASE,
)
"""Classes and ids of elements for navigation."""


class HeadingStack:
    """The headings above the present element, the outermost first."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, str]] = []

    def pass_by(self, element: HtmlElement) -> None:
        """Note an element if it is a heading, or a short text that is a state."""
        if found := _HEADING.fullmatch(element.tag):
            level, text = int(found[1]), clean(" ".join(take_texts(element, NAME_LENGTH)))
        elif element.tag in _MAY_BE_HEADING and len(element) < 2:
            level, text = _BOLD, _own_text(element)
            if not (text and read_heading(text)):
                return
        else:
            return
        self._stack = [pair for pair in self._stack if pair[0] < level]
        if text:
            self._stack.append((level, text))

    @property
    def state(self) -> str:
        """The nearest heading that names a state; "" without one."""
        return next((text for _, text in reversed(self._stack) if read_heading(text)), "")

    @property
    def nearest(self) -> str:
        return self._stack[-1][1] if self._stack else ""


def _own_text(element: HtmlElement) -> str:
    """The text of an element with at most one element in it."""
    texts = [element.text, *(text for child in element for text in (child.text, child.tail))]
    together = "".join(filter(None, texts))
    return clean(together) if len(together) <= NAME_LENGTH else ""


def iterate_elements(document: HtmlElement) -> Iterator[HtmlElement]:
    """Every element of a page in order, without comments."""
    return (element for element in document.iter() if isinstance(element.tag, str))


def is_for_navigation(element: HtmlElement) -> bool:
    """Whether an element is a menu, or is in a part of the page for navigation."""
    for one in (element, *element.iterancestors()):
        if one.tag in _FOR_NAVIGATION or one.get("role", "").lower() in _ROLES:
            return True
        words = f"{one.get('class', '')} {one.get('id', '')}"[:TEXT_LENGTH].split()
        if one.tag not in ("html", "body", "main") and any(map(_NAVIGATION.fullmatch, words)):
            return True
    return False
