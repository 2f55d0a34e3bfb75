"""Lists of a web page that are no table: `<ul>`, `<ol>` and `<dl>`, blocks that repeat, and lines.

Each item becomes a row under the given titles `ITEM_TITLES` or `BLOCK_TITLES`: its first line, the state and
the date at the end of that line, further lines, and its first link. The state of a list may stand in the
heading above it. Menus are no lists: those within elements for navigation, and those in which few items are
called as agencies are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.errors import ParseError
from monitor.sources.column_choice import AGENCY_WORDS
from monitor.sources.listing import MOST_ROWS

ITEM_TITLE, BLOCK_TITLE = "(item)", "(block)"
MOST_LINES = 4
"""The most lines of an item that are read."""
_FURTHER = ("(state)", "(date)", *(f"(line {number})" for number in range(2, MOST_LINES + 1)), "(link)")
ITEM_TITLES = (ITEM_TITLE, *_FURTHER)
"""The titles of the items of lists."""
BLOCK_TITLES = (BLOCK_TITLE, *_FURTHER)
"""The titles of blocks that repeat, such as `<div class="agency">` and the rows of a table without headers,
and of lines between `<br>`.
"""

_TITLES = re.compile(
    r"(?:(?:agency|agencies|department|organization|name|of|the|law|enforcement|participating|partner|state"
    r"|county|city|town|date|signed|joined|since|status|type|link|document|agreement|mo[au]|location|address"
    r"|phone|website|contact|notes|active|id|no|number)\W*)+",
    re.IGNORECASE,
)
_LIKE_AGENCIES = 0.5  # of the items


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


def limit_lists(lists: Iterable[HtmlList]) -> list[HtmlList]:
    """The lists that have items, without a first one that only names what the others hold. Raises ParseError
    if they are too long together.
    """
    found = [one for one in lists if one.rows]
    for one in found:
        if _is_row_of_titles(one.rows[0]):
            del one.rows[0]
    found = [one for one in found if one.rows]
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
        chosen = [one for one in found if look_like_agencies(one.rows)]
    taken = set(map(id, chosen))
    others = [
        one for one in found if id(one) not in taken and (one.state or _share_of_agencies(one.names) > 0)
    ]
    if not (chosen and others):
        return ListsOfPage(chosen)
    named_lists = ", ".join(f'"{(one.above or one.names[0])[:60]}" ({len(one.rows):,})' for one in others[:5])
    return ListsOfPage(chosen, f"lists that are not read, because they seem to be others: {named_lists}")


def look_like_agencies(rows: list[list[str]]) -> bool:
    """Whether most rows have a state, or names as agencies have them."""
    stated = sum(bool(row[1]) for row in rows) / (len(rows) or 1)
    return max(stated, _share_of_agencies([row[0] for row in rows])) > _LIKE_AGENCIES


def _is_row_of_titles(row: list[str]) -> bool:
    """Whether an item only names what the others have: "Agency", "State"."""
    filled = [text for text in row[:-1] if text]
    return len(filled) > 1 and all(map(_TITLES.fullmatch, filled))


def _share_of_agencies(names: list[str]) -> float:
    return sum(AGENCY_WORDS.search(name) is not None for name in names) / (len(names) or 1)
