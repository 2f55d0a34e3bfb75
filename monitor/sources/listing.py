"""Converts the rows and placemarks of every format to a publication: listings, damaged rows, problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Self

from msgspec import structs

from monitor.core import identity
from monitor.domain import Listing, Publication
from monitor.errors import ParseError
from monitor.sources.cells import CUT_OFF, NAME_LENGTH, SHORT_NAME, is_missing_name, plain_number, read_markup
from monitor.sources.column_layout import ColumnMeanings
from monitor.sources.column_map import ColumnMap, DateOrder, ParseOptions, list_headers
from monitor.sources.footers import LONGEST_SUM, find_note
from monitor.sources.listing_maker import ListingMaker
from monitor.sources.merge import merge_by_fields, merge_by_key
from monitor.sources.name_ends import split_state
from monitor.sources.name_mending import NameMender
from monitor.sources.problem_list import IGNORE_TOTAL, ProblemList, brief

MOST_ROWS = 200_000
"""The most rows of a list: ten times the law-enforcement agencies of the United States. A hostile file may
have millions.
"""

_USUAL_LIMITS = frozenset((10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000, 50_000))
TOO_LONG = f"The list has more than {MOST_ROWS:,} rows."
"""The reason of a refusal."""
NO_LINKS: Mapping[int, str] = MappingProxyType({})


class ListingReader:
    """Converts rows to listings one by one, and collects their problems.

    ``other_columns``: columns that ``columns`` does not name become attributes, unless it names attributes
    itself; those in ``ignored`` never do. ``id_from_url``: a UUID at the end of a listing's link is the
    source's own id. ``by_city``: the city is part of a listing's key. ``whole_state``: the state of agencies
    without one. ``date_order``: which number of a date is the month. ``meanings`` are those of the columns.

    ``states_in_names``: a state is read from the end of the name ("Gary PD - IN").
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
        self.problems = ProblemList()
        self._maker = ListingMaker(
            self.meanings,
            self.problems,
            by_city=by_city,
            whole_state=whole_state,
            date_order=date_order,
            id_from_url=id_from_url,
        )
        self._names = NameMender(self.problems)
        self._by_city, self._states_in_names = by_city, states_in_names
        self._titles: Sequence[str] = ()
        self._numbers: list[int] = []
        self._unreadable: list[tuple[int, str]] = []  # positions of listings, and fields or attributes
        self.listings: list[Listing] = []
        self.damaged: list[Listing] = []

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
            self._titles = titles
            self._maker.lay_out(titles)
        layout = self._maker.layout
        texts = [*texts, ""]
        for at, again in layout.repeated:
            texts[at] = texts[again] or texts[at]
        if text := texts[layout.name]:
            name = plain_number(text) if text[-1] == "0" else text
        if "&" in name or "<" in name:
            name = read_markup(name)
        if not address and (point is None or name) and self._is_no_agency(name, texts, number):
            return
        if len(self.listings) + len(self.damaged) >= MOST_ROWS:
            raise ParseError(TOO_LONG)
        missing = (len(name) < SHORT_NAME or name[0] == "#") and is_missing_name(name)
        if not missing:
            name = self._names.mend(name, number)
        if self._states_in_names and not address:
            name, address = split_state(name)
        if damage == CUT_OFF:
            message = "the row lacks its last cells; what was accepted of them is kept"
            self.report("short row", message, number)
            texts, damage = self._cut_off(texts), ""
        if missing or damage:
            self._add_damaged(number, texts, name, address, point, folder, links, damage, missing=missing)
        else:
            listing = self._maker.make(number, texts, name, address, point, folder, links)
            if self._maker.unreadable:
                at = len(self.listings)
                self._unreadable += [(at, field) for field in self._maker.take_unreadable()]
            self.listings.append(listing)
            self._numbers.append(number)

    def _is_no_agency(self, name: str, texts: list[str], number: int) -> bool:
        """Whether a row is empty, or a note or a sum, which is then reported."""
        state = texts[self._maker.layout.state]
        if len(name) > LONGEST_SUM and state and not state.isdigit() and name[-1] != ":":
            return False  # as most rows are
        others = [texts[at] for at in self._maker.layout.used]
        if not (name or any(others)):
            return True
        note = find_note(name, others)
        if note is not None:
            self.report("footer", f'"{brief(note)}" is no agency', number)
        return note is not None

    def _add_damaged(
        self,
        number: int,
        texts: list[str],
        name: str,
        address: str,
        point: tuple[float, float] | str | None,
        folder: str | None,
        links: Mapping[int, str],
        damage: str,
        *,
        missing: bool,
    ) -> None:
        """Keep a row whose name is missing or which is damaged, if it holds something."""
        before = len(self.problems.found)
        listing = self._maker.make(number, texts, name, address, point, folder, links)
        self._maker.take_unreadable()
        if damage and not missing:
            del self.problems.found[before:]  # wrong values in columns follow from the damage
            self.damaged.append(structs.replace(listing, key=""))
            self.report("damaged row", damage, number)
        elif address or listing.point or any(texts[at] for at in self._maker.layout.used):
            self.damaged.append(structs.replace(listing, key=""))
            self.report("empty name", f"the name is {name or 'empty'}", number)

    def report_round_number(self, count: int, rows: str) -> None:
        """Report that a server that states no total sent as many rows as servers send at most by default."""
        if count in _USUAL_LIMITS:
            message = f"exactly {count:,} {rows}, and no total: the server may have left others out"
            self.report("round number", f"{message}; {IGNORE_TOTAL}")

    def report(self, kind: str, message: str, number: int | None = None) -> None:
        """Keep a problem of row ``number``, or of the whole publication."""
        self.problems.report(kind, message, number)

    def _cut_off(self, texts: list[str]) -> list[str]:
        """The texts of a row that lacks its last cells, with a mark in place of what is empty."""
        layout = self._maker.layout
        kept = (layout.name, layout.state, layout.source_id)
        cut = [at for at in layout.used if at not in kept and not texts[at]]
        return [CUT_OFF if at in cut else text for at, text in enumerate(texts)]

    def extend_name(self, number: int, rest: str) -> bool:
        """Append the rest of a wrapped name, found in row ``number``, to the listing of the row above.

        False if that row is no listing.
        """
        if not self._numbers or self._numbers[-1] != number - 1:
            return False
        last = self.listings[-1]
        name = self.problems.cut(f"{last.name} {rest}", NAME_LENGTH, "name", number)
        self.listings[-1] = self._maker.rename(last, name)
        return True

    def separate(self, folders: tuple[str, ...] = (), rows: str = "rows") -> Publication:
        """Create the publication in which each row is a listing of its own, with one problem per shared key.

        ``rows`` is the format's word for rows ("placemarks").
        """
        for key, count in self._tell_apart(self.listings).items():
            self.report("duplicate key", f"{count} {rows} share the key {key[:NAME_LENGTH]}")
        return Publication(
            listings=tuple(self.listings),
            problems=self.problems.list_first(),
            columns=self._maker.list_columns(),
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
            merged = merge_by_fields(rows, group_by, self.problems.found)
            listings = list(identity.assign_keys(merged, by_city=self._by_city))
        elif len({listing.key for listing in listings}) < len(listings):
            rows = list(zip(self._numbers, self.listings, strict=True))
            listings = list(merge_by_key(rows, self.problems.found))
            self._tell_apart(listings)
        return Publication(
            listings=tuple(listings),
            problems=self.problems.list_first(by_row=True),
            columns=self._maker.list_columns(),
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
        if len({listing.key for listing in listings}) == len(listings):
            return {}
        counts = Counter(listing.key for listing in listings)
        # only these use `identity.assign_keys`, which is slow for a million
        positions = [at for at, listing in enumerate(listings) if counts[listing.key] > 1]
        alike = [listings[at] for at in positions]
        for at, listing in zip(positions, identity.assign_keys(alike, by_city=self._by_city), strict=True):
            listings[at] = listing
        return {key: count for key, count in counts.items() if count > 1}
