"""The settings that a format gets for a source: the meanings of columns, and limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from monitor.sources.cells import clean
from monitor.states import read_state

MIB = 1024 * 1024

Headers = str | tuple[str, ...] | None
"""The header of a column: one or several spellings, None without such a column."""


def list_headers(headers: Headers) -> tuple[str, ...]:
    """The headers as a tuple, without empty ones."""
    return tuple(filter(None, (headers,) if isinstance(headers, str) else headers or ()))


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """The header of a table, or the ``Data`` name of a map, for each field.

    Letter case and white space do not matter. A field may have several headers, of which each publication has
    one. ``latitude`` and ``longitude`` are degrees in two columns, ``point`` both in one (`read_point`).
    ``attributes`` are kept under the names given here; on a map, an empty tuple keeps every column that is
    not mapped otherwise.
    """

    name: Headers = None
    state: Headers = None
    county: Headers = None
    city: Headers = None
    since: Headers = None
    id: Headers = None
    url: Headers = None
    latitude: Headers = None
    longitude: Headers = None
    point: Headers = None
    attributes: tuple[str, ...] = ()


RING_COLUMNS = ColumnMap(since="Active Date", url="Agency Profile")
"""The column names of Ring's Active Agency Map, the default for maps."""


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Limits of an unpacked body: ``decoded`` bytes in total, ``ratio`` times its packed size, ``entries``
    files in a KMZ.

    The ratio applies above the first 64 KiB. Only entries that are read are unpacked: a map has a picture per
    style beside its document.
    """

    decoded: int = 64 * MIB
    ratio: int = 100
    entries: int = 4096


class DateOrder(StrEnum):
    """How dates are read: as the configuration says, or as a column seems to be until it is disproved."""

    MONTH_FIRST = "month-first"
    DAY_FIRST = "day-first"
    SEEMS_MONTH_FIRST = "seems month-first"
    SEEMS_DAY_FIRST = "seems day-first"

    @property
    def day_first(self) -> bool:
        return self in (DateOrder.DAY_FIRST, DateOrder.SEEMS_DAY_FIRST)


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """The parsing settings of the source called ``name``. ``columns`` None uses the format's default (Ring's
    for a map).
    """

    name: str
    format: str
    columns: ColumnMap | None = None
    limits: ParseLimits = field(default_factory=ParseLimits)
    settings: dict[str, Any] = field(default_factory=dict)
    date_order: DateOrder = DateOrder.MONTH_FIRST

    @property
    def whole_state(self) -> str | None:
        """The USPS code of the configured state for agencies without one; None if it is not set."""
        reading = read_state(str(self.settings.get("state") or ""))
        return reading.code if reading else None


def fold_header(header: object) -> str:
    """Normalize a header for comparison: without white space, invisible characters and letter case."""
    return "".join(clean(str(header)).split()).casefold() if header is not None else ""


def describe_headers(kind: str, columns: ColumnMap, titles: Iterable[str]) -> str:
    """Describe that no column holds the agency's name: the configured headers and the existing ones."""
    wanted = " or ".join(f'"{title}"' for title in list_headers(columns.name))
    there = ", ".join(title[:40] for title in sorted(titles)[:20] if title) or "none"
    return f"No {kind} is called {wanted}; there are: {there}."
