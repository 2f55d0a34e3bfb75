"""Chooses the meanings of a table's columns by their headers and a sample of their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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
    read_markup,
    read_point,
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
    """Rows of one table: its titles, the texts below them, and links by column. ``size`` is the number of all
    rows, ``heading`` the state above the titles.
    """

    titles: tuple[str, ...]
    rows: list[list[str]]
    size: int
    linked: frozenset[int] = frozenset()
    heading: str = ""


NAME = re.compile(
    r"agenc|department|\bdept|organi[sz]ation|\borg\b|\bentity|jurisdiction|\boffice\b|law enforcement"
    r"|institution|\bcompany\b|\bagencia|\bdepartamento|\bname\b|\bpartner|participant|police|sheriff|operator|municipality"
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
_OTHER_AGENCY = re.compile(
    r"\b(?:parent|umbrella|lead|host|former|previous|old|requesting|sponsor\w*|description|notes?|comments?)\b",
    re.IGNORECASE,
)
"""Columns of another agency than the one that is listed, or of words about it."""
_OF_PORTAL = re.compile(r"^:|\bzip\b|postal|^latitude$|^longitude$|^x$|^y$", re.IGNORECASE)
"""Columns that describe the office or that a portal computes, and no attribute of the agency."""
_LATITUDE = re.compile(r"\blat(?:itude)?\b|\blatitud\b", re.IGNORECASE)
_LONGITUDE = re.compile(r"\b(?:long?|lng|longitude|longitud)\b", re.IGNORECASE)
_POINT = re.compile(r"point|location|coordinates|\bgeom|geo ?code|lat.?lo?ng?\b|ubicaci", re.IGNORECASE)
_ALL_STATES = 0.9  # of a column's values, which is then none of names
_MOST_POINTS = 0.9  # of the values that are there
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
        filled = [
            read_markup(value) if "<" in value and "href" not in value else value
            for value in values
            if not is_missing(value)
        ]
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


Score = Callable[[str, ColumnShares], float]
"""How much a column looks like a meaning, by the words of its title and its shares."""


def best_title(shares: Mapping[str, ColumnShares], score: Score, least: float) -> str | None:
    """The title with the highest score, if that is at least ``least``; the first of equal ones."""
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
    """Choose the meanings of columns. Raises ParseError if no column contains agencies' names.

    ``dates`` are columns that are known to contain dates. ``of_table``: cells may be empty because they
    repeat the one above, and states may be headings between the rows. Columns about people (names of
    officers, telephone numbers) are left out whatever their titles are.
    """
    left = _ColumnsLeft(sample)
    alone = len(left.shares) < 2  # "Gary PD, Indiana" is a name with its state, and no town
    state = left.take(lambda t, s: s.states * s.filled + bool(_STATE.search(t)) / 2, 1.0)
    in_towns = False
    if state is None and not alone:
        state = left.take(lambda _, s: s.places * s.filled, 0.8)
        in_towns = state is not None
    settings: dict[str, Any] = {}
    if of_table and not in_towns and (block := _choose_block_column(sample, state, left)):
        state, settings["fill_down"] = block, [block]
    since = left.take(partial(_score_since, dates), 1.0)
    name = left.take(_score_name, 1.2)
    if name is None:
        raise ParseError(
            f"No column holds names of agencies; the columns are: {', '.join(sample.titles)[:300]}."
        )
    url = left.take(lambda t, s: max(s.links, t in left.linked) + bool(URL.search(t)) / 2, 1.0)
    county = left.take(lambda t, s: bool(_COUNTY.search(t)) * (0.5 + s.filled), 0.6)
    city = left.take(lambda t, s: bool(_CITY.search(t)) * (0.5 + s.filled), 0.6)
    source_id = left.take(
        lambda t, s: bool(_ID.search(t)) * s.unique * s.filled * (fold_header(t) not in _ROW_NUMBERS), 0.9
    )
    latitude, longitude, point = _choose_points(sample, left)
    if state is None and of_table and _is_under_headings(sample, name):
        state = HEADING_TITLE
    columns = ColumnMap(
        name=name,
        state=state,
        county=county,
        city=city,
        since=since,
        id=source_id,
        url=url,
        latitude=latitude,
        longitude=longitude,
        point=point,
        attributes=left.list_attributes(),
    )
    places = tuple(_explain_places(sample, columns, in_towns, bool(settings)))
    notes = (*places, *_explain_dates(sample, columns), *left.explain(columns.attributes))
    return ColumnChoice(columns, settings, notes)


class _ColumnsLeft:
    """The columns of a sample whose meanings are not chosen yet, by their titles. Columns that count the
    rows, columns about people, and times of edits are left out from the start.
    """

    def __init__(self, sample: ColumnSample) -> None:
        counting = _list_row_numbers(sample)
        self._titles = sample.titles
        self.linked = {sample.titles[at] for at in sample.linked if at < len(sample.titles)}
        self.shares: dict[str, ColumnShares] = {}
        for at, title in enumerate(sample.titles):
            if title and title not in {*self.shares, *counting} and not _PEOPLE.search(title):
                self.shares[title] = ColumnShares.of([row[at] for row in sample.rows])
        edited = {
            title
            for title, share in self.shares.items()
            if share.dates and _EDITED.search(split_words(title))
        }
        for title in edited:
            del self.shares[title]
        self._out = {*edited, *counting, *filter(_PEOPLE.search, sample.titles)}

    def take(self, score: Score, least: float) -> str | None:
        """Take the column with the highest score, if it is at least ``least``."""
        title = best_title(self.shares, score, least)
        if title is not None:
            del self.shares[title]
        return title

    def remove(self, title: str) -> None:
        """Take a column; does nothing if it is taken."""
        self.shares.pop(title, None)

    def list_attributes(self) -> tuple[str, ...]:
        """List the columns that group the agencies and are kept with them."""
        return tuple(
            title
            for title, share in self.shares.items()
            if share.distinct <= _MOST_VALUES
            and not _OF_PORTAL.search(split_words(title))
            and share.filled >= 0.2
            and (_GROUP.search(title) or (share.distinct > 1 and share.unique < 0.9))
        )[:_MOST_ATTRIBUTES]

    def explain(self, attributes: tuple[str, ...]) -> Iterator[str]:
        """Describe which columns are not read."""
        unused = [title for title in self._titles if title in self.shares and title not in attributes]
        unused += [title for title in self._titles if title in self._out and title]
        if unused:
            yield f"columns that are not read: {', '.join(unused)[:300]}"


def _score_since(dates: frozenset[str], title: str, share: ColumnShares) -> float:
    """How much a column looks like the day since when an agency is listed; ``dates`` are known to be dates.

    A ZIP code or a population may be a spreadsheet's number of a day.
    """
    dated = 1.0 if title in dates else share.dates - share.numbers * (not SINCE.search(title))
    worded = bool(SINCE.search(title)) / 2 + bool(_JOINED_ON.search(title)) / 4
    return dated * min(1, share.filled * 2) + worded


def _score_name(title: str, share: ColumnShares) -> float:
    """How much a column looks like the names of agencies."""
    return (
        bool(NAME.search(title))
        + share.agencies
        + share.unique / 2
        - share.dates
        - share.links
        - share.numbers
        - (share.states > _ALL_STATES)
        - bool(_ID.search(title))
        - bool(_GROUP.search(title)) * (share.unique < 0.9)
        - bool(_OTHER_AGENCY.search(title)) * 0.75
        + share.filled / 4
    )


def _choose_points(sample: ColumnSample, left: _ColumnsLeft) -> tuple[str | None, str | None, str | None]:
    """Choose and take the columns of latitude and longitude, or otherwise the column of points."""

    def find(words: re.Pattern[str], pair: str) -> str | None:
        for at, title in enumerate(sample.titles):
            if title in left.shares and words.search(split_words(title)):
                texts = [row[at] for row in sample.rows if row[at]]
                read = sum(read_point(pair.format(text)) is not None for text in texts)
                if texts and read >= _MOST_POINTS * len(texts):
                    return title
        return None

    latitude, longitude = find(_LATITUDE, "{}, 1"), find(_LONGITUDE, "1, {}")
    point = None if latitude and longitude else find(_POINT, "{}")
    if point:
        latitude = longitude = None
    elif not (latitude and longitude):
        return None, None, None
    for title in filter(None, (latitude, longitude, point)):
        left.remove(title)
    return latitude, longitude, point


def _choose_block_column(sample: ColumnSample, state: str | None, left: _ColumnsLeft) -> str | None:
    """Choose and take the column that has a state only beside the first of its agencies: the column of the
    states, or another one if there is none. None if there is no such column.
    """
    titles = list(left.shares) if state is None else [state]
    rows = [row for row in sample.rows if find_note("", row) is None]  # without "Illinois Total"
    columns = ((title, [row[sample.titles.index(title)] for row in rows]) for title in titles)
    found = next((title for title, cells in columns if _is_block_column(cells)), None)
    if found is not None:
        left.remove(found)
    return found


def _explain_dates(sample: ColumnSample, columns: ColumnMap) -> Iterator[str]:
    """Describe how dates are read if they can be read in another way."""
    since = columns.since
    days = [row[sample.titles.index(since)] for row in sample.rows] if isinstance(since, str) else []
    if doubtful := find_doubtful(days):
        yield (
            f"dates are read with the month first: {doubtful} is {read_date(doubtful)}. If the day is first, "
            'add dates = "day-first" to the options'
        )


def _explain_places(
    sample: ColumnSample, columns: ColumnMap, in_towns: bool, filled_down: bool
) -> Iterator[str]:
    """Describe how states are read, unless each row has its own state in a column."""
    state, name = columns.state, columns.name
    names = [row[sample.titles.index(name)] for row in sample.rows] if isinstance(name, str) else []
    if state is None and 2 * sum(bool(split_state(each)[1]) for each in names) > len(names):
        yield "states are read from the ends of the names"
        return
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


def _is_block_column(cells: Sequence[str]) -> bool:
    """Whether these are states, each only beside the first of its agencies: once, or again on each page."""
    states = [cell for cell in cells if cell]
    empty = len(cells) - len(states)
    once = len(set(states)) == len(states) and empty > _FEW_EMPTY * len(cells)
    if not (once or empty > len(states)) or any(above and above == below for above, below in pairwise(cells)):
        return False
    return len(set(states)) > 1 and bool(cells[0]) and all(map(is_exact_state, states))


def _is_under_headings(sample: ColumnSample, name: str) -> bool:
    """Whether the first row is a heading with a state, and other rows are too, or a state is above the
    titles. Beside a heading there may be the sums of its rows.
    """
    at = sample.titles.index(name)
    headings = [
        bool(read_heading(row[at])) and all(not text or text.isdigit() for text in row[:at] + row[at + 1 :])
        for row in sample.rows
    ]
    return bool(sample.heading) or (headings[0] and sum(headings) > 1)


def _list_row_numbers(sample: ColumnSample) -> set[str]:
    """The columns that count the rows, from 0 or 1, also as "row_1": such a number is another agency's when
    the list is sorted.
    """
    if len(sample.rows) < 2:
        return set()
    counting: set[str] = set()
    for at, title in enumerate(sample.titles):
        texts = [row[at] for row in sample.rows]
        prefix = texts[0].rstrip("0123456789")
        if prefix and not _COUNTING.fullmatch(prefix):
            continue
        counts = ([f"{prefix}{first + number}" for number in range(len(texts))] for first in (0, 1))
        if texts in counts:
            counting.add(title)
    return counting


_COUNTING = re.compile(r"(?:row|line|item|record|entry|tr|no\.?|nr\.?|#)[\s_.:#-]*", re.IGNORECASE)
_ROW_NUMBERS = frozenset({"objectid", "fid", "oid", "rownumber", "no", "no.", "number"})
"""Row numbers, which move to other agencies when a list is sorted, so they are not ids."""
