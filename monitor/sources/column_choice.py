"""Chooses the meanings of a table's columns by their headers and a sample of their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from monitor.errors import ParseError
from monitor.sources.cells import (
    find_web_address,
    is_missing,
    is_part_of_date,
    read_address,
    read_date,
    read_day_first,
)
from monitor.sources.column_map import ColumnMap, fold_header
from monitor.sources.date_order import find_doubtful
from monitor.sources.footers import find_note
from monitor.sources.headings import HEADING_TITLE, read_heading
from monitor.sources.name_ends import split_state
from monitor.states import read_state

_MOST_ATTRIBUTES = 6
_MOST_VALUES = 40  # different values of a column that groups agencies


@dataclass(frozen=True, slots=True)
class ColumnSample:
    """Rows of one table: its titles, and texts under them; links by column. ``size`` counts all rows,
    ``heading`` is the state that stands above the titles.
    """

    titles: tuple[str, ...]
    rows: list[list[str]]
    size: int
    linked: frozenset[int] = frozenset()
    heading: str = ""


NAME = re.compile(
    r"agenc|department|\bdept|organi[sz]ation|\borg\b|\bentity|jurisdiction|\boffice\b|law enforcement"
    r"|institution|\bagencia|\bdepartamento|\bname\b|\bpartner|participant|police|sheriff|operator|municipality"
    r"|^\((?:item|block)\)$",
    re.IGNORECASE,
)
_STATE = re.compile(r"\bstate\b|\bst\b|province|\bestado\b", re.IGNORECASE)
_COUNTY = re.compile(r"\bcounty\b|\bparish\b|\bcounties\b|\bcnty\b|\bcondado\b", re.IGNORECASE)
_CITY = re.compile(
    r"\bcity\b|\btown\b|municipality|municipio|\bciudad\b|\bplace\b|\blocality\b", re.IGNORECASE
)
SINCE = re.compile(
    r"date|since|signed|joined|effective|start|active|approved|issued|enrolled|\byear\b|fecha|desde",
    re.IGNORECASE,
)
_JOINED_ON = re.compile(r"sign|since|join|effective|start|enroll|desde", re.IGNORECASE)
"""Words for the day of an agreement, which come before those for any date."""
_EDITED = re.compile(
    r"edit|updat|modif|creat|export|retriev|\blast\b|\bsource ?date|\bval(?:idation)? date|timestamp",
    re.IGNORECASE,
)
"""Columns with the time of the last edit, which say nothing about the agency and change with every edit."""
_GROUP = re.compile(r"type|kind|status|model|program|category|level|class", re.IGNORECASE)
_ID = re.compile(
    r"\bid\b|_id$|^id_|\bori\b|\bnumber\b|\bno\b\.?$|\buuid\b|\bguid\b|objectid|\bfid\b", re.IGNORECASE
)
URL = re.compile(
    r"url|link|agreement|\bmo[au]\b|document|website|profile|web ?page|portal|pdf", re.IGNORECASE
)
KNOWN = re.compile(
    "|".join(x.pattern for x in (NAME, _STATE, _COUNTY, _CITY, SINCE, _ID, URL, _GROUP)), re.IGNORECASE
)
AGENCY_WORDS = re.compile(
    r"police|sheriff|\bpd\b|department|\bdept|marshal|constable|patrol|public safety|corrections|county"
    r"|city of|\bso\b|university|office",
    re.IGNORECASE,
)
_OF_PORTAL = re.compile(r"^:|\bzip\b|postal|^latitude$|^longitude$|^x$|^y$", re.IGNORECASE)
"""Columns that describe the office or that a portal computes, and no attribute of the agency."""
_PEOPLE = re.compile(
    r"\b(?:first|last|middle|contact|full|officer|chief|person)[ _]?name|e-?mail|phone|\bfax\b|contact",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ColumnShares:
    """The shares (0 to 1) of a column's values that are of each kind, and the number of distinct values."""

    filled: float
    states: float
    places: float
    dates: float
    numbers: float
    links: float
    agencies: float
    distinct: int
    unique: float

    @classmethod
    def of(cls, values: Sequence[str]) -> ColumnShares:
        filled = [value for value in values if not is_missing(value)]
        count = len(filled) or 1
        different = len(set(filled))
        return cls(
            filled=len(filled) / (len(values) or 1),
            states=sum(map(is_exact_state, filled)) / count,
            places=sum(_is_place(x) for x in filled) / count,
            dates=sum(map(_is_date, filled)) / count,
            numbers=sum(x.isdigit() for x in filled) / count,
            links=sum(find_web_address(x) is not None for x in filled) / count,
            agencies=sum(bool(AGENCY_WORDS.search(x)) for x in filled) / count,
            distinct=different,
            unique=different / count,
        )


def is_exact_state(text: str) -> bool:
    reading = read_state(text)
    return reading is not None and reading.exact


def _is_date(text: str) -> bool:
    return is_part_of_date(text) or read_date(text) is not None or read_day_first(text) is not None


def _is_place(text: str) -> bool:
    """Whether a text is a town with its state: "Gary, Indiana"."""
    address = read_address(text) if "," in text and len(text) <= _LONGEST_PLACE else None
    return address is not None and bool(address.city and address.state) and address.exact


_LONGEST_PLACE = 100
_FEW_EMPTY = 0.2  # of the cells: the states of some agencies may be missing


def best_title(shares: Mapping[str, ColumnShares], score: Any, least: float) -> str | None:
    """The title with the highest score from ``least`` on; the first of equal ones."""
    scores = {title: score(split_words(title), share) for title, share in shares.items()}
    title = max(scores, key=lambda title: scores[title], default=None)
    return title if title is not None and scores[title] >= least else None


def split_words(title: str) -> str:
    """Split a title into words, so that expressions can match them: "CITY_NM", "AgencyCounty"."""
    return _JOINED.sub(" ", title.replace("_", " "))


_JOINED = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """The meanings of columns, the format's settings that they need, and what a person should know."""

    columns: ColumnMap
    settings: dict[str, Any]
    notes: tuple[str, ...]


def choose_columns(
    sample: ColumnSample, dates: frozenset[str] = frozenset(), *, of_table: bool = False
) -> ColumnChoice:
    """Choose the meanings of columns. Raises ParseError if none holds an agency's name.

    ``dates`` are columns that are known to be dates. ``of_table``: cells may be empty because they repeat the
    one above, and states may be headings between the rows.

    Columns about people (names of officers, telephones) are left out whatever they are called.
    """
    counting = _list_row_numbers(sample)
    left: dict[str, ColumnShares] = {}
    for at, title in enumerate(sample.titles):
        if title and title not in {*left, *counting} and not _PEOPLE.search(title):
            left[title] = ColumnShares.of([row[at] for row in sample.rows])
    edited = [title for title, share in left.items() if share.dates and _EDITED.search(split_words(title))]
    for title in edited:
        del left[title]
    linked = {sample.titles[at] for at in sample.linked if at < len(sample.titles)}

    def take(score: Any, least: float) -> str | None:
        title = best_title(left, score, least)
        if title is not None:
            del left[title]
        return title

    state = take(lambda t, s: s.states * s.filled + bool(_STATE.search(t)) / 2, 1.0)
    alone = len(left) < 2  # "Gary PD, Indiana" is a name with its state, and no town
    in_towns = (
        not alone and state is None and (state := take(lambda _, s: s.places * s.filled, 0.8)) is not None
    )
    settings: dict[str, Any] = {}
    if state is None and of_table and (state := _find_block_column(sample, left)) is not None:
        del left[state]
        settings["fill_down"] = [state]
    elif state and of_table and not in_towns and _is_block_column(sample, state):
        settings["fill_down"] = [state]
    # a ZIP code or a population may be a spreadsheet's number of a day
    since = take(
        lambda t, s: (
            (t in dates or s.dates - s.numbers * (not SINCE.search(t))) * min(1, s.filled * 2)
            + bool(SINCE.search(t)) / 2
            + bool(_JOINED_ON.search(t)) / 4
        ),
        1.0,
    )
    name = take(
        lambda t, s: (
            bool(NAME.search(t))
            + s.agencies
            + s.unique / 2
            - s.dates
            - s.links
            - bool(_ID.search(t))
            - bool(_GROUP.search(t)) * (s.unique < 0.9)
            + s.filled / 4
        ),
        1.2,
    )
    if name is None:
        raise ParseError(
            f"No column holds names of agencies; the columns are: {', '.join(sample.titles)[:300]}."
        )
    url = take(lambda t, s: max(s.links, t in linked) + bool(URL.search(t)) / 2, 1.0)
    county = take(lambda t, s: bool(_COUNTY.search(t)) * (0.5 + s.filled), 0.6)
    city = take(lambda t, s: bool(_CITY.search(t)) * (0.5 + s.filled), 0.6)
    source_id = take(
        lambda t, s: bool(_ID.search(t)) * s.unique * s.filled * (fold_header(t) not in _ROW_NUMBERS), 0.9
    )
    if state is None and of_table and _is_under_headings(sample, name):
        state = HEADING_TITLE
    attributes = tuple(
        title
        for title, share in left.items()
        if share.distinct <= _MOST_VALUES
        and not _OF_PORTAL.search(split_words(title))
        and share.filled >= 0.2
        and (_GROUP.search(title) or (share.distinct > 1 and share.unique < 0.9))
    )[:_MOST_ATTRIBUTES]
    columns = ColumnMap(
        name=name,
        state=state,
        county=county,
        city=city,
        since=since,
        id=source_id,
        url=url,
        attributes=attributes,
    )
    unused = [title for title in sample.titles if title in left and title not in attributes]
    unused += [
        title for title in sample.titles if title and (title in (*edited, *counting) or _PEOPLE.search(title))
    ]
    names = [row[sample.titles.index(name)] for row in sample.rows]
    in_names = state is None and 2 * sum(bool(split_state(each)[1]) for each in names) > len(names)
    notes = ["states are read from the ends of the names"] if in_names else []
    notes += () if in_names else _explain_state(state, in_towns, bool(settings))
    days = [row[sample.titles.index(since)] for row in sample.rows] if since else []
    if doubtful := find_doubtful(days):
        notes.append(
            f"dates are read with the month first: {doubtful} is {read_date(doubtful)}. If the day is first, "
            'add dates = "day-first" to the options'
        )
    if unused:
        notes.append(f"columns that are not read: {', '.join(unused)[:300]}")
    return ColumnChoice(columns, settings, tuple(notes))


def _explain_state(state: str | None, in_towns: bool, filled_down: bool) -> Iterator[str]:
    """Say how states are read, unless each row has its own in a column."""
    if in_towns:
        yield f'"{state}" holds towns with their states; both are read from it'
    if filled_down:
        yield f'an empty cell of "{state}" is read as the one above it'
    if state == HEADING_TITLE:
        yield "states are read from the headings between the agencies"
    if state is None:
        yield (
            "no column holds states: agencies have no place. If all are in one state, name it with --state IN"
        )


def _find_block_column(sample: ColumnSample, left: Iterable[str]) -> str | None:
    """The column in which a state stands only beside the first of its agencies; None if there is none."""
    return next((title for title in left if _is_block_column(sample, title)), None)


def _is_block_column(sample: ColumnSample, title: str) -> bool:
    """Whether a state stands only beside the first of its agencies: once, or once more on each printed page.

    Sums between the agencies ("Illinois Total") have no part in it.
    """
    at = sample.titles.index(title)
    cells = [row[at] for row in sample.rows if find_note("", row) is None]
    states = [cell for cell in cells if cell]
    empty = len(cells) - len(states)
    once = len(set(states)) == len(states) and empty > _FEW_EMPTY * len(cells)
    if not (once or empty > len(states)) or any(above and above == below for above, below in pairwise(cells)):
        return False
    return len(set(states)) > 1 and bool(cells[0]) and all(map(is_exact_state, states))


def _is_under_headings(sample: ColumnSample, name: str) -> bool:
    """Whether the first row is a heading with a state, and others are too; or one stands above the titles.

    Beside a heading there may be the sums of its rows.
    """
    at = sample.titles.index(name)
    headings = [
        bool(read_heading(row[at])) and all(not text or text.isdigit() for text in row[:at] + row[at + 1 :])
        for row in sample.rows
    ]
    return bool(sample.heading) or (headings[0] and sum(headings) > 1)


def _list_row_numbers(sample: ColumnSample) -> set[str]:
    """The columns that count the rows, from 0 or 1: a number is another agency's when the list is sorted."""
    counts = [[str(first + at) for at in range(len(sample.rows))] for first in (0, 1)]
    several = len(sample.rows) > 1
    return {
        title
        for at, title in enumerate(sample.titles)
        if several and [row[at] for row in sample.rows] in counts
    }


_ROW_NUMBERS = frozenset({"objectid", "fid", "oid", "rownumber", "no", "no.", "number"})
"""Row numbers, which move to other agencies when a list is sorted, so they are not ids."""
