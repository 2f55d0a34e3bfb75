"""What a format is told about a source: which column holds what, and how much it may unpack."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from monitor.sources.cells import clean
from monitor.states import read_state

MIB = 1024 * 1024

Headers = str | tuple[str, ...] | None
"""How a publisher heads a column: in one way or in several, None where there is no such column."""


def list_headers(headers: Headers) -> tuple[str, ...]:
    """The headers as a tuple, without empty ones."""
    return tuple(filter(None, (headers,) if isinstance(headers, str) else headers or ()))


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which header of a table, or which ``Data`` name of a map, holds what.

    Letter case and white space do not matter. A field may have several headers, of which publications have
    one. ``attributes`` are kept under the names that stand here; on a map an empty tuple keeps every column
    that nothing else names.
    """

    name: Headers = None
    state: Headers = None
    county: Headers = None
    city: Headers = None
    since: Headers = None
    id: Headers = None
    url: Headers = None
    attributes: tuple[str, ...] = ()


RING_COLUMNS = ColumnMap(since="Active Date", url="Agency Profile")
"""What Ring's Active Agency Map calls its columns: a map is read by them when nothing is configured."""


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """How much a body may become: ``decoded`` bytes in all, ``ratio`` times its own size, ``entries`` files
    in a KMZ.

    The ratio is measured from the first 64 KiB on. Only entries that are read are unpacked: a map has a
    picture per style beside its document.
    """

    decoded: int = 64 * MIB
    ratio: int = 100
    entries: int = 4096


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """How the source called ``name`` is parsed. ``columns`` None takes the format's own (Ring's for a
    map).
    """

    name: str
    format: str
    columns: ColumnMap | None = None
    limits: ParseLimits = field(default_factory=ParseLimits)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def whole_state(self) -> str | None:
        """The USPS code of the state that all agencies are in where nothing says so; None if none is set."""
        reading = read_state(str(self.settings.get("state") or ""))
        return reading.code if reading else None


def fold_header(header: object) -> str:
    """A header as it is compared with others: without white space, unseen characters and letter case."""
    return "".join(clean(str(header)).split()).casefold() if header is not None else ""


def describe_headers(kind: str, columns: ColumnMap, titles: Iterable[str]) -> str:
    """The error where no column holds the agency's name: what was wanted and what is there."""
    wanted = " or ".join(f'"{title}"' for title in list_headers(columns.name))
    there = ", ".join(title[:40] for title in sorted(titles)[:20] if title) or "none"
    return f"No {kind} is called {wanted}; there are: {there}."
