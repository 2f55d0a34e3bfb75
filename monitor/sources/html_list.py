"""Lists of a web page that are no table: `<ul>`, `<ol>` and `<dl>`, blocks that repeat, and lines.

Each item becomes a row under the given titles `ITEM_TITLES` or `BLOCK_TITLES`: its first line, the state and
the date at the end of that line, further lines, and its first link. The state of a list may stand in the
heading above it. Menus are no lists: those within elements for navigation, and those in which few items are
called as agencies are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from monitor.errors import ParseError
from monitor.sources.cells import NAME_LENGTH, TEXT_LENGTH, clean
from monitor.sources.column_choice import AGENCY_WORDS
from monitor.sources.headings import read_heading
from monitor.sources.html_links import UNKNOWN, join_link, take_texts
from monitor.sources.listing import MOST_ROWS
from monitor.sources.name_ends import find_date, is_place, split_ends

if TYPE_CHECKING:
    from lxml.html import HtmlElement

ITEM_TITLE, BLOCK_TITLE = "(item)", "(block)"
_MOST_LINES = 4
_FURTHER = ("(state)", "(date)", *(f"(line {number})" for number in range(2, _MOST_LINES + 1)), "(link)")
ITEM_TITLES = (ITEM_TITLE, *_FURTHER)
"""The titles of the items of lists."""
BLOCK_TITLES = (BLOCK_TITLE, *_FURTHER)
"""The titles of blocks that repeat, such as `<div class="agency">` and the rows of a table without headers,
and of lines between `<br>`.
"""

_MOST_LISTS, _MOST_PARENTS = 2000, 20_000
_FEWEST_BLOCKS, _MOST_LINES_OF_BLOCK = 3, 8
_MOST_TEXT = 200_000  # characters of an element
_LONGEST_SINGLE = 80  # characters of an agency that is a paragraph
_LIKE_AGENCIES = 0.5  # of the items
_HEADING = re.compile(r"h([1-6])")
_BOLD = 7  # the level of a text that looks like a heading below all of them
_MAY_BE_HEADING = frozenset(
    ("summary", "button", "legend", "p", "div", "strong", "b", "span", "label", "caption", "td", "th")
)
_BREAKS = frozenset(
    ("br", "div", "p", "ul", "ol", "li", "dl", "dt", "dd", "section", "article", "tr", "td", "th", "address",
     "h1", "h2", "h3", "h4", "h5", "h6", "header", "footer")
)  # fmt: skip
"""Elements that begin a line."""
_LABELS = frozenset(("span", "small", "label", "time"))
_COUNTED = re.compile(r"\d+|\b(?:odd|even|first|last)\b")
_LISTS = ("ul", "ol", "dl")
_OF_LINES = ("p", "div", "td", "address", "span")
_BLOCKS = frozenset(("div", "article", "section", "p", "a", "span", "address", "tr"))
_FOR_NAVIGATION = frozenset(("nav", "footer", "aside", "header", "select"))
_ROLES = frozenset(("navigation", "menu", "menubar", "banner", "contentinfo", "tablist", "search"))
_NAVIGATION = re.compile(
    r"(?!has|no|with)(?:[\w-]*[_-])?(?:nav|navbar|navigation|menu|submenu|breadcrumbs?|pager|pagination|footer"
    r"|toc|sidebar|skip-?links?|social)",
    re.IGNORECASE,
)
"""Classes and ids of elements for navigation."""
_OFFICE = re.compile(
    r"police|sheriff|\bpd\b|\bso\b|marshal|constable|patrol|department|\bdept|public safety", re.IGNORECASE
)
_BULLETS = "\u00b7\u2022\u25aa\u25e6\u2023\u25cf\u25a0\u27a2\u2713\uf0b7 "
_TO_TOP = re.compile(r"\W*(?:(?:back|return|go) to (?:the )?)?top(?: of (?:the )?page)?\W*", re.IGNORECASE)
_SITE = UNKNOWN.rstrip("/")


@dataclass(frozen=True, slots=True)
class HtmlList:
    """A list of a page: the state in a heading above it, or ""; the nearest heading; a row for each item."""

    state: str
    above: str
    rows: list[list[str]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The first lines of the items."""
        return [row[0] for row in self.rows]


@dataclass(frozen=True, slots=True)
class ListsOfPage:
    """The lists that are read, and what is left out, for people."""

    lists: list[HtmlList]
    left: str = ""


def read_items(document: HtmlElement, base: str) -> list[HtmlList]:
    """Read the lists of a page, also those of other things. Raises ParseError if they are too long."""
    return _limit(_find_lists(document, base))


def read_blocks(document: HtmlElement, base: str) -> list[HtmlList]:
    """Read the repeated blocks and lines of a page; otherwise as `read_items`."""
    return _limit(_find_blocks(document, base))


def _limit(lists: Iterable[HtmlList]) -> list[HtmlList]:
    found = [one for one in lists if one.rows]
    if sum(len(one.rows) for one in found) > MOST_ROWS:
        raise ParseError(f"has more than {MOST_ROWS:,} rows")
    return found


def choose_lists(found: list[HtmlList], *, under_states: bool) -> ListsOfPage:
    """Choose the lists of agencies: of each list more than half of the items are called like them. Under a
    state one is enough if they are in most lists of states, and none if they are in few.

    ``under_states``: only lists with a state in a heading above them.
    """
    if under_states:
        stated = [one for one in found if one.state]
        named = _share_of_agencies([name for one in stated for name in one.names]) >= _LIKE_AGENCIES
        chosen = [one for one in stated if not named or _share_of_agencies(one.names) > 0]
    else:
        chosen = [one for one in found if _look_like_agencies(one.rows)]
    taken = set(map(id, chosen))
    others = [
        one for one in found if id(one) not in taken and (one.state or _share_of_agencies(one.names) > 0)
    ]
    if not (chosen and others):
        return ListsOfPage(chosen)
    named_lists = ", ".join(f'"{(one.above or one.names[0])[:60]}" ({len(one.rows):,})' for one in others[:5])
    return ListsOfPage(chosen, f"lists that are not read, because they seem to be others: {named_lists}")


def _look_like_agencies(rows: list[list[str]]) -> bool:
    stated = sum(bool(row[1]) for row in rows) / (len(rows) or 1)
    return max(stated, _share_of_agencies([row[0] for row in rows])) > _LIKE_AGENCIES


def _share_of_agencies(names: list[str]) -> float:
    return sum(AGENCY_WORDS.search(name) is not None for name in names) / (len(names) or 1)


class _Above:
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


def _find_lists(document: HtmlElement, base: str) -> Iterator[HtmlList]:
    above = _Above()
    done: set[HtmlElement] = set()
    count = 0
    for element in _iterate(document):
        if element.tag not in _LISTS:
            above.pass_by(element)
        elif element not in done and count < _MOST_LISTS and not _is_for_navigation(element):
            count += 1
            read = _read_definitions if element.tag == "dl" else _read_list
            yield from read(element, above.state, above.nearest, base, done)


def _iterate(document: HtmlElement) -> Iterator[HtmlElement]:
    """Every element of a page in order, without comments."""
    return (element for element in document.iter() if isinstance(element.tag, str))


def _is_for_navigation(element: HtmlElement) -> bool:
    """Whether an element is a menu, or is in a part of the page for navigation."""
    for one in (element, *element.iterancestors()):
        if one.tag in _FOR_NAVIGATION or one.get("role", "").lower() in _ROLES:
            return True
        words = f"{one.get('class', '')} {one.get('id', '')}"[:TEXT_LENGTH].split()
        if one.tag not in ("html", "body", "main") and any(map(_NAVIGATION.fullmatch, words)):
            return True
    return False


def _read_list(
    element: HtmlElement, state: str, nearest: str, base: str, done: set[HtmlElement]
) -> Iterator[HtmlList]:
    """Read a list and those in it: below an item that is a state they are its agencies, below another one its
    further lines.
    """
    lists = [HtmlList(state, nearest)]
    for item in element.iterchildren("li"):
        inner = [each for each in item.iter(*_LISTS) if each not in done]
        first = next(iter(_lines(item, stop=_LISTS)), "") if inner else ""
        if inner and read_heading(first):
            for each in inner:
                if each not in done:
                    done.add(each)
                    read = _read_definitions if each.tag == "dl" else _read_list
                    lists += read(each, first, first, base, done)
            lists.append(HtmlList(state, nearest))
            continue
        done.update(inner)
        for row in _make_rows(_lines(item), item, base):
            if read_heading(row[0]) and not any(row[1:-1]):
                lists.append(HtmlList(row[0], row[0]))
            else:
                lists[-1].rows.append(row)
    done.add(element)
    yield from lists


def _read_definitions(
    element: HtmlElement, state: str, nearest: str, base: str, done: set[HtmlElement]
) -> Iterator[HtmlList]:
    """Read a `<dl>`: terms that are states are headings, others are agencies with their further lines."""
    done.update(element.iter(*_LISTS))
    lists = [HtmlList(state, nearest)]
    items: list[tuple[HtmlList, HtmlElement, list[str]]] = []
    under = False  # whether the last term is a state
    for part in [each for each in element.iter("dt", "dd") if _list_around(each) is element]:
        lines = list(_lines(part))
        if part.tag == "dt":
            under = bool(lines) and bool(read_heading(lines[0]))
            if under:
                lists.append(HtmlList(lines[0], lines[0]))
                continue
        elif not under:
            if items:
                items[-1][2].extend(lines)
            continue
        items.append((lists[-1], part, lines))
    for one, part, lines in items:
        if row := _make_row(lines, part, base):
            one.rows.append(row)
    yield from lists


def _list_around(element: HtmlElement) -> HtmlElement | None:
    return next(element.iterancestors(*_LISTS), None)


def _find_blocks(document: HtmlElement, base: str) -> Iterator[HtmlList]:
    """Elements beside each other with one tag and class, and texts with lines between `<br>`, if they look
    like agencies. Headings may stand between them.
    """
    above = _Above()
    done: set[HtmlElement] = set()
    kinds: dict[HtmlElement, tuple[str, str] | None] = {}
    run, run_of = HtmlList("", ""), None
    for element in _iterate(document):
        around = element.getparent()
        if around in done:
            done.add(element)
            continue
        above.pass_by(element)
        if around is not None and around not in kinds:
            kinds[around] = _find_kind(around, base) if len(kinds) < _MOST_PARENTS else None
        rows = _read_lines(element, base)
        if not rows and around is not None and _kind(element) == kinds[around]:
            own = [row for row in _make_rows(_lines(element), element, base) if not read_heading(row[0])]
        else:
            own = []
        if own:
            if (around, above.state, above.nearest) != run_of:
                yield run
                run, run_of = HtmlList(above.state, above.nearest), (around, above.state, above.nearest)
            run.rows.extend(own)
            done.add(element)
        elif rows or (above.state and (rows := _read_single(element, base))):
            done.add(element)
            yield HtmlList(above.state, above.nearest, rows)
    yield run


def _kind(element: HtmlElement) -> tuple[str, str]:
    """What elements that repeat have in common: the tag, and the first class without its number."""
    if element.tag == "tr":
        return "tr", ""  # every other row may have a class
    # of a comment `get` returns None whatever the default
    return element.tag, _COUNTED.sub("", next(iter((element.get("class") or "").split()), ""))


def _find_kind(element: HtmlElement, base: str) -> tuple[str, str] | None:
    """The tag and class of the children of an element that are agencies; None if there are none."""
    counts = Counter(_kind(child) for child in element if child.tag in _BLOCKS)
    kind, number = max(counts.items(), key=lambda pair: pair[1], default=(None, 0))
    if number < _FEWEST_BLOCKS or _is_for_navigation(element):
        return None
    rows: list[list[str]] = []
    for child in element:
        if _kind(child) == kind:
            lines = list(islice(_lines(child), _MOST_LINES_OF_BLOCK + 1))
            if len(lines) > _MOST_LINES_OF_BLOCK or _read_lines(child, base):
                return None  # the parts of a page, or columns of agencies
            rows += filter(None, [_make_row(lines, child, base)])
    return kind if _look_like_agencies(rows) else None


def _read_single(element: HtmlElement, base: str) -> list[list[str]]:
    """The agency that is alone in a paragraph, as the only one of its state is; [] for other texts."""
    if element.tag not in ("p", "div") or any(child.tag in _BREAKS for child in element):
        return []
    texts = list(islice(_lines(element), 2))
    alone = len(texts) == 1 and len(texts[0]) <= _LONGEST_SINGLE and texts[0][-1] != "."
    return _make_rows(texts, element, base) if alone and _OFFICE.search(texts[0]) else []


def _read_lines(element: HtmlElement, base: str) -> list[list[str]]:
    """The agencies in the lines of an element that has nothing but text, links and `<br>`, at least two."""
    if element.tag not in _OF_LINES or next(element.iterchildren("br"), None) is None:
        return []
    if any(child.tag in _BREAKS and child.tag != "br" for child in element) or _is_for_navigation(element):
        return []
    rows = [row for text in _lines(element) if (row := _make_row([text], None, base))]
    named = AGENCY_WORDS.search(rows[1][0]) if len(rows) > 1 else None  # an address follows an agency
    return rows if named and _look_like_agencies(rows) else []


def _lines(element: HtmlElement, stop: tuple[str, ...] = ()) -> Iterator[str]:
    """The lines of an element's text as people see them, without what is in elements of ``stop``. Each is
    made when it is asked for: most callers want the first few, of elements that may contain half of the page.
    """
    pieces: list[str] = []
    for text in _iterate_texts(element, stop):
        *ended, rest = text.split("\n")
        for piece in ended:
            if said := clean("".join((*pieces, piece))):
                yield said[:TEXT_LENGTH]
            pieces = []
        pieces.append(rest)
    if said := clean("".join(pieces)):
        yield said[:TEXT_LENGTH]


def _iterate_texts(element: HtmlElement, stop: tuple[str, ...]) -> Iterator[str]:
    """The texts in an element, with a line feed where people see a new line."""
    from lxml import etree  # takes long to import

    length, before = 0, ""
    parts = etree.iterwalk(element, events=("start", "end"))
    for event, each in parts:
        if not isinstance(each.tag, str):
            text = each.tail if event == "end" and each is not element else None
        elif event == "start":
            if each.tag in stop and each is not element:
                parts.skip_subtree()
                text = None
            else:
                text = (each.text or "").replace("\n", " ")
                # a word that is marked as a label, as in "Gary PD<span>Indiana</span>"
                label = each.tag in _LABELS and text[:1].isupper() and before.isalnum()
                if each.tag in _BREAKS or (label and (before.islower() or text[1:2].islower())):
                    text = f"\n{text}"
        else:
            text = "\n" if each.tag in _BREAKS else ""
            text += (each.tail or "").replace("\n", " ") if each is not element else ""
        if text:
            yield text
            before = text[-1]
            length += len(text)
            if length > _MOST_TEXT:
                return


def _make_rows(lines: Iterable[str], element: HtmlElement | None, base: str) -> list[list[str]]:
    """The row of an item, or of each agency that is named in it: "Indiana: Gary PD; Hammond PD"."""
    row = _make_row(lines, element, base)
    if row is None or not ("," in row[0] or ";" in row[0]) or any(row[2:-1]):
        return [row] if row else []
    names = [name for piece in re.split(";" if ";" in row[0] else ",", row[0]) if (name := piece.strip())]
    if len(names) < 2 or not all(map(_OFFICE.search, names)):
        return [row]
    return [[name, row[1], *row[2:-1], ""] for name in names]


def _make_row(lines: Iterable[str], element: HtmlElement | None, base: str) -> list[str] | None:
    """The row of an item; None if it has no text, or only leads to the top of the page."""
    name, *further = list(islice(lines, _MOST_LINES)) or [""]
    name = name.lstrip(_BULLETS)
    if not name or _TO_TOP.fullmatch(name):
        return None
    name, state, date = split_ends(name)
    for at, text in enumerate(further):
        if not date and (said := find_date(text)):
            date, further[at] = said, ""
        elif not state and is_place(text):
            state, further[at] = text, ""
    links = () if element is None else (join_link(base, each.get("href")) for each in element.iter("a"))
    link = next((each for each in links if each and not each.startswith(_SITE)), "")
    return [name, state, date, *further, *[""] * (_MOST_LINES - 1 - len(further)), link]
