"""Converts rows and placemarks to listings, for every format: names, states, dates, damaged rows,
problems.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from operator import itemgetter
from types import MappingProxyType
from typing import Self

from msgspec import structs

from monitor.core import identity
from monitor.core.damage import looks_damaged
from monitor.domain import Listing, Problem, Publication
from monitor.errors import ParseError
from monitor.sources.cells import (
    CUT_OFF,
    FOOTNOTE_SIGNS,
    NAME_LENGTH,
    SHORT_NAME,
    TEXT_LENGTH,
    Address,
    clean,
    find_web_address,
    is_missing,
    is_missing_name,
    is_part_of_date,
    plain_number,
    read_address,
    read_markup,
    read_web_address,
    split_plain_address,
)
from monitor.sources.column_layout import NO_COLUMNS, ColumnMeanings
from monitor.sources.column_map import ColumnMap, DateOrder, ParseOptions, list_headers
from monitor.sources.date_order import check_order, read_in_order
from monitor.sources.footers import LONGEST_SUM, find_note
from monitor.sources.merge import merge_by_fields, merge_by_key
from monitor.sources.name_ends import split_state
from monitor.states import STATES, read_state

_MOST_PROBLEMS = 1000
"""The most problems that are kept of a publication, the first ones; the rest are only counted."""
_MOST_READ = 10_000
"""The most cached texts of fields and attributes: most texts occur in many rows."""
MOST_ROWS = 200_000
"""The most rows of a list: ten times the law-enforcement agencies of the United States. A hostile file may
have millions.
"""

_LINK_TEXTS = frozenset({"link", "here", "view", "open", "pdf", "document", "moa", "download"})
"""Texts in a cell that only carry a link: then the link is the cell's value."""

_LONG_NAME = 30  # characters, from which a name may be two
_OFFICE = r"(?:police (?:department|dept)|sheriff['\u2019]?s? (?:office|department|dept)|(?<=\w )(?:pd|so)\b)"
_SEVERAL = re.compile(rf"{_OFFICE}\W+\w[^;]{{2,60}}? {_OFFICE}|{_OFFICE}\.?;", re.IGNORECASE)
"""Two names in one, as where a cell has several lines."""
_NUMBERED = re.compile(r"(\d{1,5})[.)] +(?=[^\W\d])")
_UUID = re.compile(
    r"/([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})(?=[/?#]|$)"
)
_SCHEME = re.compile(r"\w+:")
NO_LINKS: Mapping[int, str] = MappingProxyType({})
_SOUTHERNMOST = -15  # degrees, of American Samoa
_NO_SITE = "\0"  # no cleaned text begins with it
_NO_ADDRESS = Address(None, None)


class ListingReader:
    """Converts rows to listings one by one, and collects their problems.

    ``other_columns``: columns that ``columns`` does not name become attributes, unless it names attributes
    itself; those in ``ignored`` never do. ``id_from_url``: a UUID at the end of a listing's link is the
    source's own id. ``by_city``: the city is part of a listing's key. ``whole_state``: the state of agencies
    without one. ``date_order``: which number of a date is the month. ``meanings`` are those of the columns.

    ``states_in_names``: a state is read from the end of the name ("Gary PD - IN").

    A column of states may hold towns with them ("Gary, Indiana"); those are the cities then.
    """

    def __init__(
        self,
        columns: ColumnMap,
        *,
        by_city: bool,
        whole_state: str | None = None,
        date_order: DateOrder = DateOrder.MONTH_FIRST,
        other_columns: bool = False,
        id_from_url: bool = False,
        ignored: frozenset[str] = frozenset(),
        states_in_names: bool = False,
    ) -> None:
        self.meanings = ColumnMeanings(columns, other_columns=other_columns, ignored=ignored)
        self._id_from_url = id_from_url
        self._by_city = by_city
        self._whole_state = whole_state
        self._date_order, self._read_date = date_order, read_in_order(date_order)
        self._towns: dict[str, str] = {}  # by the text of the state's column
        self._titles: Sequence[str] = ()
        self._layout = NO_COLUMNS
        self._pick_attributes = itemgetter(-1, -1)
        self._folders: dict[str, str | None] = {}
        self._states_read: dict[str, str] = {}
        self._fields_read: dict[str, str] = {}
        self._attributes_read: dict[tuple[str, ...], tuple[tuple[str, str], ...]] = {}
        self._numbers: list[int] = []
        self._dated_in_part: set[str] = set()
        self._states_in_names = states_in_names
        self._unreadable: list[tuple[int, str]] = []  # positions of listings, and fields or attributes
        self._last_item = 0  # of a numbered list
        self._site = _NO_SITE  # at which the last link begins
        self._has_address = self._has_point = self._has_id = False
        self.listings: list[Listing] = []
        self.damaged: list[Listing] = []
        self.problems: list[Problem] = []
        self._unkept = 0

    @classmethod
    def of_columns(cls, options: ParseOptions) -> Self:
        """Create the reader of a format that reads only configured columns; a city is part of a key if it has
        one.
        """
        columns = options.columns or ColumnMap()
        return cls(
            columns,
            by_city=columns.city is not None,
            whole_state=options.whole_state,
            date_order=options.date_order,
            states_in_names=not (list_headers(columns.state) or options.whole_state),
        )

    def read(
        self,
        number: int,
        titles: Sequence[str],
        texts: Sequence[str],
        name: str = "",
        address: str = "",
        point: tuple[float, float] | str | None = None,
        folder: str | None = None,
        *,
        links: Mapping[int, str] = NO_LINKS,
        damage: str = "",
    ) -> None:
        """Read row ``number`` (from 1): cleaned texts under the titles of their columns, links by position.

        ``name`` and ``address`` are used if no column has them. ``point`` is (latitude, longitude), or KML's
        "longitude,latitude". ``damage`` says why the row cannot be trusted, such as an extra cell: it is then
        not a listing, but keeps its former listing from being treated as removed; `CUT_OFF` only says that it
        lacks its last cells.
        """
        if titles is not self._titles and titles != self._titles:
            self._lay_out(titles)
        name_at, state_at, _, _, _, _, _, _, repeated, used = self._layout
        texts = [*texts, ""]
        for at, again in repeated:
            texts[at] = texts[again] or texts[at]
        if text := texts[name_at]:
            name = plain_number(text) if text[-1] == "0" else text
        if "&" in name or "<" in name:
            name = read_markup(name)
        is_plain = len(name) >= SHORT_NAME and name[0] > "9"  # without number or error value, as most are
        missing = not is_plain and is_missing_name(name)
        marked = not missing and name[-1] in FOOTNOTE_SIGNS
        if not address and (point is None or name):
            state = texts[state_at]
            if len(name) <= LONGEST_SUM or not state or state.isdigit() or name[-1] == ":":
                others = [texts[at] for at in used]
                if not (name or any(others)) or self._is_note(name, others, number):
                    return
        if len(self.listings) + len(self.damaged) >= MOST_ROWS:
            raise ParseError(f"The list has more than {MOST_ROWS:,} rows.")

        if marked and (bare := name.rstrip(f"{FOOTNOTE_SIGNS} ")):
            self.report("footnote mark", f'the mark of a footnote behind "{bare[:80]}" is left out', number)
            name = bare
        if len(name) > _LONG_NAME and _may_be_several(name) and _SEVERAL.search(name):
            self.report("several agencies", f'"{_brief(name)}" may be several agencies', number)
        if ("?" in name or not name.isascii()) and looks_damaged(name):
            self.report("damaged text", f'"{_brief(name)}" may have a broken encoding', number)
        if not is_plain:
            name = self._without_number(name, number)
        if self._states_in_names and not address:
            name, address = split_state(name)
        if damage == CUT_OFF:
            self.report(
                "short row", "the row lacks its last cells; what was accepted of them is kept", number
            )
            texts, damage = self._cut_off(texts), ""
        if not (missing or damage):
            self.listings.append(self._make_listing(number, texts, name, address, point, folder, links))
            self._numbers.append(number)
            return
        problems, unreadable = len(self.problems), len(self._unreadable)
        listing = self._make_listing(number, texts, name, address, point, folder, links)
        if damage and not missing:
            del self.problems[problems:]  # wrong values in columns follow from the damage
            del self._unreadable[unreadable:]
            self.damaged.append(structs.replace(listing, key=""))
            self.report("damaged row", damage, number)
        elif address or listing.point or any(texts[at] for at in used):
            del self._unreadable[unreadable:]
            self.damaged.append(structs.replace(listing, key=""))
            self.report("empty name", f"the name is {name or 'empty'}", number)

    def _cut_off(self, texts: list[str]) -> list[str]:
        """The texts of a row that lacks its last cells, with a mark in place of what is empty."""
        kept = (self._layout.name, self._layout.state, self._layout.source_id)
        cut = [at for at in self._layout.used if at not in kept and not texts[at]]
        return [CUT_OFF if at in cut else text for at, text in enumerate(texts)]

    def _without_number(self, name: str, number: int) -> str:
        """The name without the number of its item in a numbered list: 1 or more than the last one."""
        found = _NUMBERED.match(name)
        item = int(found[1]) if found else 0
        if found is None or not (item == 1 or 0 < self._last_item < item):
            return name
        name = name[found.end() :]
        if not self._last_item:
            self.report(
                "numbered names", f'the number before "{_brief(name)}" and others is left out', number
            )
        self._last_item = item
        return name

    def extend_name(self, number: int, rest: str) -> bool:
        """Append the rest of a wrapped name, found in row ``number``, to the listing of the row above.

        False if that row is no listing.
        """
        if not self._numbers or self._numbers[-1] != number - 1:
            return False
        last = self.listings[-1]
        name = self._cut(f"{last.name} {rest}", NAME_LENGTH, "name", number)
        city = (last.city or "") if self._by_city else None
        key = identity.make_key(last.source_id, last.state, last.state_text, name, city)
        self.listings[-1] = structs.replace(last, name=name, key=key)
        return True

    def _is_note(self, name: str, others: list[str], number: int) -> bool:
        """Whether a row with this name and these other cells is a note or a sum, which is then reported."""
        note = find_note(name, others)
        if note is None:
            return False
        self.report("footer", f'"{_brief(note)}" is no agency', number)
        return True

    def _lay_out(self, titles: Sequence[str]) -> None:
        """Find the columns of the next rows."""
        self._titles, self._layout = titles, self.meanings.lay_out(titles)
        positions = [at for at, _ in self._layout.attributes]
        # at least two, because the result for a single one is not a tuple
        self._pick_attributes = itemgetter(-1, *positions)
        self._attributes_read.clear()

    def _make_listing(
        self,
        number: int,
        texts: Sequence[str],
        name: str,
        address: str,
        point: tuple[float, float] | str | None,
        folder: str | None,
        links: Mapping[int, str],
    ) -> Listing:
        """Create the listing of a row. Texts of earlier rows are cached, because nearly all texts repeat."""
        _, state_at, county_at, city_at, since_at, id_at, url_at, columns, _, _ = self._layout
        city = state = state_text = county = url = source_id = None
        day: date | None = None
        part_of_date = ""
        if address:
            self._has_address = True
            if (plain := split_plain_address(address)) and not texts[state_at]:
                city, state = plain
            else:
                city, state, state_text = self._read_address(texts[state_at], address, number)
        elif state_at >= 0 and (state := self._states_read.get(texts[state_at])) is None:
            state, state_text = self._read_state_column(texts[state_at], number)
        elif state is None and not state_text:
            state = self._whole_state
        if text := texts[city_at]:
            city = self._fields_read.get(text) or self._read_field(text, "city", number)
        elif self._towns and not address:
            city = self._towns.get(texts[state_at])
        elif city and len(city) > NAME_LENGTH:
            city = self._cut(city, NAME_LENGTH, "city", number)
        if (text := texts[since_at]) and (day := self._read_date(text)) is None:
            part_of_date = self._read_part_of_date(text, number)
        text, link = texts[url_at], links.get(url_at) if links else None
        if text or link:
            known = not link and text.startswith(self._site) and " " not in text and len(text) <= TEXT_LENGTH
            url = text if known else self._read_link(text, link, number)
        if text := texts[id_at]:
            source_id = self._read_field(text, "source_id", number)
        elif url and self._id_from_url and (match := _UUID.match(url, url.rfind("/"))):
            source_id = match[1].lower()
            self._has_id = True
        if text := texts[county_at]:
            county = self._fields_read.get(text) or self._read_field(text, "county", number)
        if len(name) > NAME_LENGTH:
            name = self._cut(name, NAME_LENGTH, "name", number)
        attributes: tuple[tuple[str, str], ...] = ()
        if columns:
            read = None if links else self._attributes_read.get(self._pick_attributes(texts))
            attributes = read or self._read_attributes(texts, links, columns, number)
        if part_of_date:
            attributes = tuple(sorted({**dict(attributes), self._titles[since_at]: part_of_date}.items()))
        key_city = (city or "") if self._by_city else None
        return Listing(
            name=name,
            key=identity.make_key(source_id, state, state_text, name, key_city),
            source_id=source_id,
            city=city,
            county=county,
            state=state,
            state_text=state_text,
            since=day,
            dates=(day,) if day else (),
            url=url,
            documents=(url,) if url else (),
            attributes=attributes,
            point=None if point is None else self._point(point, state, number),
            folder=(self._folders.get(folder) or self._folder(folder)) if folder else None,
        )

    def report(self, kind: str, message: str, number: int | None = None) -> None:
        """Keep a problem of row ``number``, or of the whole publication."""
        if len(self.problems) < 2 * _MOST_PROBLEMS:
            self.problems.append(Problem(kind, message, number))
        else:
            self._unkept += 1

    def report_links_left(self, message: str) -> None:
        """Keep one problem if listings have no document although the configuration names a column of
        links.
        """
        if any(listing.url is None for listing in self.listings):
            self.report("links left", message)

    def separate(self, folders: tuple[str, ...] = (), rows: str = "rows") -> Publication:
        """Create the publication in which each row is a listing of its own, with one problem per shared key.

        ``rows`` is the format's word for rows ("placemarks").
        """
        for key, count in self._tell_apart(self.listings).items():
            self.report("duplicate key", f"{count} {rows} share the key {key[:NAME_LENGTH]}")
        return Publication(
            listings=tuple(self.listings),
            problems=self._list_problems(self.problems),
            columns=self._columns(),
            folders=folders,
            damaged=tuple(self.damaged),
            unreadable=self._list_unreadable(),
        )

    def merge(self, group_by: tuple[str, ...] = ()) -> Publication:
        """Create the publication in which the rows of one agency are one listing.

        ``group_by`` are fields of `Listing`: rows that agree in them are one agency. Otherwise the key
        decides.
        """
        listings = self.listings
        if group_by:
            rows = list(zip(self._numbers, self.listings, strict=True))
            listings = list(
                identity.assign_keys(merge_by_fields(rows, group_by, self.problems), by_city=self._by_city)
            )
        elif len({listing.key for listing in listings}) < len(listings):
            rows = list(zip(self._numbers, self.listings, strict=True))
            listings = list(merge_by_key(rows, self.problems))
            self._tell_apart(listings)
        return Publication(
            listings=tuple(listings),
            problems=self._list_problems(sorted(self.problems, key=lambda problem: problem.row or 0)),
            columns=self._columns(),
            damaged=tuple(self.damaged),
            unreadable=() if group_by else self._list_unreadable(),
        )

    def _list_unreadable(self) -> tuple[tuple[str, str], ...]:
        """The keys of the rows with unreadable cells, each with the field or attribute."""
        there = len(self.listings)
        return tuple((self.listings[at].key, name) for at, name in self._unreadable if at < there)

    def _tell_apart(self, listings: list[Listing]) -> dict[str, int]:
        """Assign distinct keys to listings that share a natural key, in place; returns how many share
        each.
        """
        counts = Counter(listing.key for listing in listings)
        if len(counts) == len(listings):
            return {}
        # only these use `identity.assign_keys`, which is slow for a million
        positions = [at for at, listing in enumerate(listings) if counts[listing.key] > 1]
        alike = [listings[at] for at in positions]
        for at, listing in zip(positions, identity.assign_keys(alike, by_city=self._by_city), strict=True):
            listings[at] = listing
        return {key: count for key, count in counts.items() if count > 1}

    def _list_problems(self, problems: list[Problem]) -> tuple[Problem, ...]:
        """The first problems, and how many more there are."""
        more = len(problems) - _MOST_PROBLEMS + self._unkept
        if more <= 0:
            return tuple(problems)
        return (
            *problems[:_MOST_PROBLEMS],
            Problem("more problems", f"{more:,} more problems are not listed"),
        )

    def _columns(self) -> frozenset[str]:
        """The columns of the publication, by the names of `Listing` fields and of attributes."""
        carried = self.meanings.list_carried()
        if self._has_address or self._towns:
            carried |= {"city", "state"}
        if self._whole_state:
            carried.add("state")
        if self._has_point:
            carried.add("point")
        if self._has_id:
            carried.add("source_id")
        return frozenset(carried | self._dated_in_part)

    def _read_state_column(self, text: str, number: int) -> tuple[str | None, str | None]:
        """Read the state, or the text in its place if it cannot be read."""
        problems = len(self.problems)
        town = read_address(text) if "," in text and read_state(text) is None else _NO_ADDRESS
        if len(town.city or "") == 2 and (town.city or "").upper() in STATES:
            town = _NO_ADDRESS  # "MD, VA" is two states
        if town.city and town.state and town.exact and len(self._towns) < MOST_ROWS:
            self._towns[text] = self._cut(town.city, NAME_LENGTH, "city", number)
            return town.state, None
        state, state_text = self._read_state(text, "", _NO_ADDRESS, number)
        if state and len(self.problems) == problems and len(self._states_read) < _MOST_READ:
            self._states_read[text] = state
        return state, state_text

    def _read_address(
        self, column: str, address: str, number: int
    ) -> tuple[str | None, str | None, str | None]:
        """Read city and state, from their column if there is one, and the text in place of a state that
        cannot be read.
        """
        city, state, state_text, exact = parts = read_address(address)
        if not state or not exact or column:
            state, state_text = self._read_state(column, address, parts, number)
        return city, state, state_text

    def _read_state(
        self, column: str, address: str, from_address: Address, number: int
    ) -> tuple[str | None, str | None]:
        """Read the state from its column, or otherwise from the address, and the text in place of one that
        cannot be read.
        """
        _, state, state_text, exact = from_address
        if column:
            state_text = self._cut(plain_number(column), NAME_LENGTH, "state", number)
            result = read_state(state_text)
            state, exact = (result.code, result.exact) if result else (None, True)
        if self._whole_state and not (state or state_text or address):
            return self._whole_state, None
        if not exact:
            self.report("state read as", f'"{_brief(state_text)}" is read as {state}', number)
        elif not state:
            text = _brief(state_text or address)
            message = f'no state can be read in "{text}"' if text else "the state is empty"
            self.report("unknown state", message, number)
        return state, None if state or not state_text else state_text[:NAME_LENGTH]

    def _read_field(self, text: str, field: str, number: int) -> str | None:
        plain = read_markup(text) if "&" in text or "<" in text else text
        if is_missing(plain):
            if plain:
                self._unreadable.append((len(self.listings), field))
            return None
        plain = self._cut(plain_number(plain), NAME_LENGTH, field, number)
        if len(plain) < NAME_LENGTH and len(self._fields_read) < _MOST_READ:
            self._fields_read[text] = plain
        return plain

    def _read_part_of_date(self, text: str, number: int) -> str:
        """Read a year or a month, which is not a full date and is shown as written; "" and a problem for any
        other text.
        """
        if is_part_of_date(text):
            self._dated_in_part.add(self._titles[self._layout.since])
            return plain_number(text)
        if not is_missing(text):
            check_order(text, self._date_order)
            self.report("bad date", f'"{_brief(plain_number(text))}" is no date', number)
        return ""

    def _read_link(self, text: str, link: str | None, number: int) -> str | None:
        """Read the cell's link, or its text if that is a link; other words ("link pending") are not a link
        yet.
        """
        for candidate in (link, text):
            if candidate and (url := find_web_address(clean(candidate))):
                self._site = url[: url.find("/", len("https://")) + 1] or _NO_SITE
                return url
        wrong = clean(link or text)
        if link or _SCHEME.match(wrong):
            self.report("bad url", f'"{_brief(wrong)}" is no web address', number)
        return None

    def _read_attributes(
        self,
        texts: Sequence[str],
        links: Mapping[int, str],
        columns: tuple[tuple[int, str], ...],
        number: int,
    ) -> tuple[tuple[str, str], ...]:
        """Names and texts, sorted, of the columns that are not empty."""
        attributes: list[tuple[str, str]] = []
        problems, unreadable = len(self.problems), len(self._unreadable)
        for at, title in columns:
            text = texts[at]
            if not text:
                continue
            if is_missing(text):
                self._unreadable.append((len(self.listings), title))
                if text != CUT_OFF:
                    self.report("unreadable cell", f"{title} is {text}", number)
                continue
            if "&" in text or "<" in text:
                text = read_markup(text)
            if text[-1:] == "0":  # "1.0"
                text = plain_number(text)
            elif links and text.casefold() in _LINK_TEXTS and at in links:
                text = read_web_address(clean(links[at])) or text
            attributes.append(
                (title, text if len(text) <= TEXT_LENGTH else self._cut(text, TEXT_LENGTH, title, number))
            )
        read = tuple(sorted(attributes))
        if (
            not links
            and len(self.problems) == problems
            and len(self._unreadable) == unreadable  # problems beyond the most are only counted
            and len(self._attributes_read) < _MOST_READ
        ):
            self._attributes_read[self._pick_attributes(texts)] = read
        return read

    def _point(
        self, point: tuple[float, float] | str, state: str | None, number: int
    ) -> tuple[float, float] | None:
        """Read a point. KML has longitude, latitude and perhaps altitude; a listing has latitude first."""
        latitude, longitude = _read_coordinates(point) if isinstance(point, str) else point
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            self.report("bad point", f'"{_brief(clean(str(point)))}" is no point', number)
            return None
        if state and latitude < _SOUTHERNMOST and _is_in_the_states(longitude, latitude):
            latitude, longitude = longitude, latitude
            self.report("swapped point", f"the point is read as {latitude:g}, {longitude:g}", number)
        self._has_point = True
        return latitude, longitude

    def _folder(self, name: str) -> str | None:
        self._folders[name] = read = clean(name)[:NAME_LENGTH] or None
        return read

    def _cut(self, text: str, length: int, column: str, number: int) -> str:
        if len(text) <= length:
            return text
        self.report("text cut", f"{column} has {len(text):,} characters; {length:,} are kept", number)
        return text[:length]


def _is_in_the_states(latitude: float, longitude: float) -> bool:
    """Whether a point may be in a state or territory, between American Samoa and Alaska."""
    return _SOUTHERNMOST <= latitude <= 72 and (longitude <= -64 or longitude >= 144)


def _read_coordinates(text: str) -> tuple[float, float]:
    try:
        longitude, latitude = text.split(",", 2)[:2]
        return float(latitude), float(longitude)
    except ValueError:
        return math.nan, math.nan


def _may_be_several(name: str) -> bool:
    """Whether a name has the words of two offices, or a semicolon: the expression costs ten times as much."""
    lower = name.lower()
    more = " pd" in lower or " so" in lower or ";" in lower
    return more or lower.count("police") + lower.count("sheriff") > 1


def _brief(text: str | None) -> str:
    return (text or "")[:80]
