"""What a format is told about a source: which column holds what, and how much it may unpack."""

from __future__ import annotations

from dataclasses import dataclass, field

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which header of a table, or which ``Data`` name of a map, holds what. Letter case and white space do
    not matter.

    ``attributes`` are kept under the names that stand here; on a map an empty tuple keeps every column that
    nothing else names.
    """

    name: str | None = None
    state: str | None = None
    county: str | None = None
    city: str | None = None
    since: str | None = None
    id: str | None = None
    url: str | None = None
    attributes: tuple[str, ...] = ()


RING_COLUMNS = ColumnMap(since="Active Date", url="Agency Profile")
"""What Ring's Active Agency Map calls its columns: a map is read by them when nothing is configured."""


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """How much a body may become: ``decoded`` bytes in all, ``ratio`` times its own size, ``entries`` files
    in a KMZ.

    The ratio is measured from the first 64 KiB on; ``parts`` is what ``entries`` is, for a workbook, which
    has a file per sheet and picture.
    """

    decoded: int = 64 * MIB
    ratio: int = 100
    entries: int = 16
    parts: int = 512


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """How the source called ``name`` is parsed. ``columns`` None takes the format's own (Ring's for a
    map).
    """

    name: str
    format: str
    columns: ColumnMap | None = None
    limits: ParseLimits = field(default_factory=ParseLimits)


def fold_header(header: object) -> str:
    """A header as it is compared with others: without white space and letter case."""
    return "".join(str(header).split()).casefold() if header is not None else ""
