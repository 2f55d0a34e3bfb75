"""The configured meanings of a table's columns, and their positions in its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from monitor.errors import ParseError
from monitor.sources.cells import NAME_LENGTH, clean
from monitor.sources.column_map import ColumnMap, fold_header, list_headers

_MOST_COLUMNS = 1000
"""The most different columns of a publication. Each record names its own, so there could be a million."""


class ColumnLayout(NamedTuple):
    """The positions of the columns in a row; -1 for a missing column, for which a row's texts end with ""."""

    name: int
    state: int
    county: int
    city: int
    since: int
    source_id: int
    url: int
    latitude: int
    longitude: int
    point: int
    attributes: tuple[tuple[int, str], ...]  # positions and names
    repeated: tuple[
        tuple[int, int], ...
    ]  # a column and a later one with the same meaning, which is used if it is filled
    used: tuple[int, ...]  # all but the name


_FIELDS = ColumnLayout._fields[:10]
_OF_POINTS = frozenset(("latitude", "longitude", "point"))
NO_COLUMNS = ColumnLayout._make((*[-1] * len(_FIELDS), (), (), ()))


class ColumnMeanings:
    """The meanings of columns by their titles, each title looked up once.

    ``other_columns`` and ``ignored`` are as in `listing.ListingReader`.
    """

    def __init__(self, columns: ColumnMap, *, other_columns: bool, ignored: frozenset[str]) -> None:
        mapped = {
            "name": columns.name, "state": columns.state, "county": columns.county, "city": columns.city,
            "since": columns.since, "source_id": columns.id, "url": columns.url,
            "latitude": columns.latitude, "longitude": columns.longitude, "point": columns.point,
        }  # fmt: skip
        self._fields = {
            fold_header(title): field for field, titles in mapped.items() for title in list_headers(titles)
        }
        self._attributes = {
            folded: title
            for title in columns.attributes
            if (folded := fold_header(title)) not in self._fields
        }
        self._other_columns = other_columns and not columns.attributes
        self._ignored = ignored
        self._meanings: dict[str, tuple[str, str]] = {}

    def is_mapped(self, title: str) -> bool:
        """Whether the configuration names this column."""
        folded = fold_header(title)
        return folded in self._fields or folded in self._attributes

    def has_name(self, titles: Iterable[str]) -> bool:
        """Whether one of these columns holds the agency's name."""
        return any(self._fields.get(fold_header(title)) == "name" for title in titles)

    def list_carried(self) -> set[str]:
        """List the contents of the columns seen so far, except the name: fields of `Listing`, and
        attributes.
        """
        carried = {field or attribute for field, attribute in self._meanings.values()}
        return carried - {"", "name"} - _OF_POINTS

    def lay_out(self, titles: Sequence[str]) -> ColumnLayout:
        """Compute the positions of the columns in a row."""
        places: dict[str, int] = {}
        attributes: list[tuple[int, str]] = []
        repeated: list[tuple[int, int]] = []
        for at, title in enumerate(titles):
            field, attribute = self._meaning(title)
            if attribute:
                attributes.append((at, attribute))
            elif field in places:
                repeated.append((places[field], at))
            elif field:
                places[field] = at
        used = (*(at for field, at in places.items() if field != "name"), *(at for at, _ in attributes))
        at_fields = (places.get(field, -1) for field in _FIELDS)
        return ColumnLayout._make((*at_fields, tuple(attributes), tuple(repeated), used))

    def _meaning(self, title: str) -> tuple[str, str]:
        """The field, or otherwise the attribute, of a column, "" for neither; computed once per title."""
        if title in self._meanings:
            return self._meanings[title]
        if len(self._meanings) == _MOST_COLUMNS:
            raise ParseError(f"The list has more than {_MOST_COLUMNS:,} different columns.")
        folded = fold_header(title)
        meaning = (self._fields.get(folded, ""), self._attributes.get(folded, ""))
        if self._other_columns and not any(meaning) and title not in self._ignored:
            meaning = ("", clean(title)[:NAME_LENGTH])
        self._meanings[title] = meaning
        return meaning
