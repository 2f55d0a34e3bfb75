"""Makes the listing of a row: reads its state, date, link, attributes and point."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from operator import itemgetter

from msgspec import structs

from monitor.core import identity
from monitor.domain import Listing
from monitor.sources.cells import (
    CUT_OFF,
    NAME_LENGTH,
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
    read_point,
    read_web_address,
    split_plain_address,
)
from monitor.sources.column_layout import NO_COLUMNS, ColumnMeanings
from monitor.sources.column_map import DateOrder
from monitor.sources.date_order import check_order, read_in_order
from monitor.sources.problem_list import ProblemList, brief
from monitor.states import STATES, read_state

_MOST_READ = 10_000
"""The most cached texts of fields and attributes: most texts occur in many rows."""
_MOST_TOWNS = 200_000
_LINK_TEXTS = frozenset({"link", "here", "view", "open", "pdf", "document", "moa", "download"})
"""Texts in a cell that only carry a link: then the link is the cell's value."""
_UUID = re.compile(
    r"/([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})(?=[/?#]|$)"
)
_SCHEME = re.compile(r"\w+:")
_SOUTHERNMOST = -15  # degrees, of American Samoa
_NO_SITE = "\0"  # no cleaned text begins with it
_NO_ADDRESS = Address(None, None)


class ListingMaker:
    """Makes listings of rows; the parameters are those of `listing.ListingReader`. ``unreadable`` are the
    fields and attributes of the last row whose cells have no value that can be read.

    A column of states may hold towns with them ("Gary, Indiana"); those are the cities then.
    """

    def __init__(
        self,
        meanings: ColumnMeanings,
        problems: ProblemList,
        *,
        by_city: bool,
        whole_state: str | None,
        date_order: DateOrder,
        id_from_url: bool,
    ) -> None:
        self._meanings, self._problems = meanings, problems
        self._by_city, self._whole_state, self._id_from_url = by_city, whole_state, id_from_url
        self._date_order, self._read_date = date_order, read_in_order(date_order)
        self._towns: dict[str, str] = {}  # by the text of the state's column
        self._titles: Sequence[str] = ()
        self.layout = NO_COLUMNS
        self._positions = (-1, -1, -1, -1)
        self._pick_attributes = itemgetter(-1, -1)
        self._folders: dict[str, str | None] = {}
        self._states_read: dict[str, str] = {}
        self._fields_read: dict[str, str] = {}
        self._attributes_read: dict[tuple[str, ...], tuple[tuple[str, str], ...]] = {}
        self._dated_in_part: set[str] = set()
        self._site = _NO_SITE  # at which the last link begins
        self._has_point_columns = False
        self._has_address = self._has_point = self._has_id = False
        self.unreadable: list[str] = []

    def lay_out(self, titles: Sequence[str]) -> None:
        """Find the columns of the next rows."""
        self._titles, self.layout = titles, (layout := self._meanings.lay_out(titles))
        # a plain tuple is unpacked several times as fast as a named one
        self._positions = (layout.county, layout.since, layout.source_id, layout.url)
        self._has_point_columns = layout.point >= 0 or min(layout.latitude, layout.longitude) >= 0
        positions = [at for at, _ in layout.attributes]
        # at least two, because the result for a single one is not a tuple
        self._pick_attributes = itemgetter(-1, *positions)
        self._attributes_read.clear()

    def take_unreadable(self) -> list[str]:
        """The unreadable fields and attributes of the last row, which are then forgotten."""
        unreadable, self.unreadable = self.unreadable, []
        return unreadable

    def rename(self, listing: Listing, name: str) -> Listing:
        """The listing under another name."""
        city = (listing.city or "") if self._by_city else None
        key = identity.make_key(listing.source_id, listing.state, listing.state_text, name, city)
        return structs.replace(listing, name=name, key=key)

    def make(
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
        county_at, since_at, id_at, url_at = self._positions
        county = url = source_id = None
        day: date | None = None
        part_of_date = ""
        city, state, state_text = self._read_place(texts, address, number)
        if (text := texts[since_at]) and (day := self._read_date(text)) is None:
            text = read_markup(text) if "<" in text else text
            if (day := self._read_date(text)) is None:
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
            name = self._problems.cut(name, NAME_LENGTH, "name", number)
        attributes: tuple[tuple[str, str], ...] = ()
        if columns := self.layout.attributes:
            read = None if links else self._attributes_read.get(self._pick_attributes(texts))
            attributes = read or self._read_attributes(texts, links, columns, number)
        if part_of_date:
            attributes = tuple(sorted({**dict(attributes), self._titles[since_at]: part_of_date}.items()))
        key_city = (city or "") if self._by_city else None
        if point is None and self._has_point_columns:
            point = self._read_point(texts, number)
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

    def list_columns(self) -> frozenset[str]:
        """List the columns of the rows so far, by the names of `Listing` fields and of attributes."""
        carried = self._meanings.list_carried()
        if self._has_address or self._towns:
            carried |= {"city", "state"}
        if self._whole_state:
            carried.add("state")
        if self._has_point:
            carried.add("point")
        if self._has_id:
            carried.add("source_id")
        return frozenset(carried | self._dated_in_part)

    def _read_place(
        self, texts: Sequence[str], address: str, number: int
    ) -> tuple[str | None, str | None, str | None]:
        """Read city and state, and the text in place of a state that cannot be read, from the address or the
        columns; a city in a column of its own precedes the address's.
        """
        state_at, city_at = self.layout.state, self.layout.city
        city = state = state_text = None
        if address:
            self._has_address = True
            if (plain := split_plain_address(address)) and not texts[state_at]:
                city, state = plain
            else:
                city, state, state_text = self._read_address(texts[state_at], address, number)
        elif state_at < 0:
            state = self._whole_state
        elif (state := self._states_read.get(texts[state_at])) is None:
            state, state_text = self._read_state_column(texts[state_at], number)
        if text := texts[city_at]:
            city = self._fields_read.get(text) or self._read_field(text, "city", number)
        elif self._towns and not address:
            city = self._towns.get(texts[state_at])
        elif city and len(city) > NAME_LENGTH:
            city = self._problems.cut(city, NAME_LENGTH, "city", number)
        return city, state, state_text

    def _read_state_column(self, text: str, number: int) -> tuple[str | None, str | None]:
        """Read the state, or the text in its place if it cannot be read."""
        problems, cell = len(self._problems.found), text
        if "<" in text or "&" in text:
            text = read_markup(text)
        town = read_address(text) if "," in text and read_state(text) is None else _NO_ADDRESS
        if len(town.city or "") == 2 and (town.city or "").upper() in STATES:
            town = _NO_ADDRESS  # "MD, VA" is two states
        if town.city and town.state and town.exact and len(self._towns) < _MOST_TOWNS:
            self._towns[cell] = self._problems.cut(town.city, NAME_LENGTH, "city", number)
            return town.state, None
        state, state_text = self._read_state(text, "", _NO_ADDRESS, number)
        if state and len(self._problems.found) == problems and len(self._states_read) < _MOST_READ:
            self._states_read[cell] = state
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
            state_text = self._problems.cut(plain_number(column), NAME_LENGTH, "state", number)
            result = read_state(state_text)
            state, exact = (result.code, result.exact) if result else (None, True)
        if self._whole_state and not (state or state_text or address):
            return self._whole_state, None
        if not exact:
            self._problems.report("state read as", f'"{brief(state_text)}" is read as {state}', number)
        elif not state:
            text = brief(state_text or address)
            message = f'no state can be read in "{text}"' if text else "the state is empty"
            self._problems.report("unknown state", message, number)
        return state, None if state or not state_text else state_text[:NAME_LENGTH]

    def _read_field(self, text: str, field: str, number: int) -> str | None:
        plain = read_markup(text) if "&" in text or "<" in text else text
        if is_missing(plain):
            if plain:
                self.unreadable.append(field)
            return None
        if is_missing_name(plain):
            return None
        plain = self._problems.cut(plain_number(plain), NAME_LENGTH, field, number)
        if len(plain) < NAME_LENGTH and len(self._fields_read) < _MOST_READ:
            self._fields_read[text] = plain
        return plain

    def _read_part_of_date(self, text: str, number: int) -> str:
        """Read a year or a month, which is not a full date and is shown as written; "" and a problem for any
        other text.
        """
        if is_part_of_date(text):
            self._dated_in_part.add(self._titles[self.layout.since])
            return plain_number(text)
        if not is_missing(text):
            check_order(text, self._date_order)
            self._problems.report("bad date", f'"{brief(plain_number(text))}" is no date', number)
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
            self._problems.report("bad url", f'"{brief(wrong)}" is no web address', number)
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
        problems, unreadable = len(self._problems.found), len(self.unreadable)
        for at, title in columns:
            text = texts[at]
            if not text:
                continue
            if is_missing(text):
                self.unreadable.append(title)
                if text != CUT_OFF:
                    self._problems.report("unreadable cell", f"{title} is {text}", number)
                continue
            if "&" in text or "<" in text:
                text = read_markup(text)
            if text[-1:] == "0":  # "1.0"
                text = plain_number(text)
            elif links and text.casefold() in _LINK_TEXTS and at in links:
                text = read_web_address(clean(links[at])) or text
            if len(text) > TEXT_LENGTH:
                text = self._problems.cut(text, TEXT_LENGTH, title, number)
            attributes.append((title, text))
        read = tuple(sorted(attributes))
        if (
            not links
            and len(self._problems.found) == problems
            and len(self.unreadable) == unreadable  # problems beyond the most are only counted
            and len(self._attributes_read) < _MOST_READ
        ):
            self._attributes_read[self._pick_attributes(texts)] = read
        return read

    def _read_point(self, texts: Sequence[str], number: int) -> tuple[float, float] | None:
        """Read the point in a column, or in those of latitude and longitude; a problem for what is none."""
        layout = self.layout
        text = texts[layout.point]
        if not text and (texts[layout.latitude] or texts[layout.longitude]):
            text = f"{texts[layout.latitude]}, {texts[layout.longitude]}"
        if not text or is_missing(text):
            return None
        if (point := read_point(text)) is None:
            self._problems.report("bad point", f'"{brief(text)}" is no point', number)
            return None
        self._has_point = True
        return point

    def _point(
        self, point: tuple[float, float] | str, state: str | None, number: int
    ) -> tuple[float, float] | None:
        """Read a point. KML has longitude, latitude and perhaps altitude; a listing has latitude first."""
        if isinstance(point, str):
            try:
                east, north = point.split(",", 2)[:2]
                latitude, longitude = float(north), float(east)
            except ValueError:
                latitude = longitude = math.nan
        else:
            latitude, longitude = point
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            self._problems.report("bad point", f'"{brief(clean(str(point)))}" is no point', number)
            return None
        if state and latitude < _SOUTHERNMOST and _is_in_the_states(longitude, latitude):
            latitude, longitude = longitude, latitude
            message = f"the point is read as {latitude:g}, {longitude:g}"
            self._problems.report("swapped point", message, number)
        self._has_point = True
        return latitude, longitude

    def _folder(self, name: str) -> str | None:
        self._folders[name] = read = clean(name)[:NAME_LENGTH] or None
        return read


def _is_in_the_states(latitude: float, longitude: float) -> bool:
    """Whether a point may be in a state or territory, between American Samoa and Alaska."""
    return _SOUTHERNMOST <= latitude <= 72 and (longitude <= -64 or longitude >= 144)
