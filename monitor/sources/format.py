"""The definition of a format. Each format's file creates one; `formats` lists them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from monitor.domain import Publication
from monitor.sources.column_map import ColumnMap, ParseLimits, ParseOptions
from monitor.states import read_state


@dataclass(frozen=True, slots=True)
class Links:
    """The linked documents that belong to the publication of a body.

    ``alone``: the body is only one link, so the linked document is the publication.
    """

    hrefs: tuple[str, ...] = ()
    alone: bool = False


def _find_no_links(_body: bytes, _options: ParseOptions) -> Links:
    return Links()


def _compose_nothing(body: bytes, _linked: Mapping[str, bytes]) -> bytes:
    return body


Pages = Generator[str, bytes, bytes]
"""A generator that yields the URL of each page, is sent its body, and returns one body of them all.

The text of its ParseError says why the pages are not a whole list, and follows a subject ("counted 7 records
and named 6").
"""


class FormatOptions(BaseModel):
    """The options in ``[sources.NAME.options]``; a format adds its own fields in a subclass.

    ``file``: the file in a ZIP that is the list, with "*" for the variable part of its name
    ("agencies-*.csv"). ``state``: the state of all agencies on a list without a column of states.
    ``dates``: which number of a date such as 03/04/2026 is the month; without it the column decides.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = ""
    state: str = ""
    dates: Literal["month-first", "day-first"] | None = None

    @field_validator("state")
    @classmethod
    def _is_state(cls, value: str) -> str:
        reading = read_state(value) if value else None
        if value and (reading is None or not reading.exact):
            raise ValueError(f'"{value}" is not a state: write a name or two letters, such as IN')
        return value


class RowsOptions(FormatOptions):
    """Options of formats with rows. ``group_by``: rows with equal values in these columns are one listing.

    Without it, rows with the same agency id are one, or otherwise with the same name and state, and city if
    mapped.
    """

    group_by: tuple[Literal["name", "state", "county", "city"], ...] = ()


class TotalOptions(FormatOptions):
    """Options of formats that may state the number of their rows. ``ignore_total``: that number counts
    something else. Without it, rows seem to be missing as long as more are stated than there are, and
    removals wait.
    """

    ignore_total: bool = False


class FillOptions(RowsOptions):
    """Options of tables for people. ``fill_down``: columns whose empty cells repeat the cell above, as where
    a state stands only beside its first agency.
    """

    fill_down: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal for reading a body. ``settings`` are the format's own; ``notes`` describe what was chosen
    and what was left out.
    """

    format: str
    columns: ColumnMap = field(default_factory=ColumnMap)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """One format of publications.

    ``parse`` raises ParseError with the reason if a body is not a readable publication. ``required_columns``
    are the required fields of `ColumnMap`, ``given_titles`` the headers for what is in no column, such as
    "(sheet)". ``endings`` are those of file names, in small letters: which file of a ZIP is the list, and
    which link of a page is tried first; the format itself is decided by content.

    ``recognizes`` decides by a body's content whether ``propose`` is asked how it is read, which raises
    ParseError with the reason if it finds no list. ``find_links`` finds the linked documents of a body,
    ``compose`` makes one body of it and of those by URL. ``collect`` gets a list with several pages, from its
    configured URL. ``options`` checks the format's own settings.
    """

    name: str
    parse: Callable[[bytes, ParseOptions], Publication]
    recognizes: Callable[[bytes], bool]
    propose: Callable[[bytes, ParseLimits], Proposal]
    endings: tuple[str, ...]
    required_columns: tuple[str, ...] = ()
    given_titles: tuple[str, ...] = ()
    find_links: Callable[[bytes, ParseOptions], Links] = _find_no_links
    compose: Callable[[bytes, Mapping[str, bytes]], bytes] = _compose_nothing
    collect: Callable[[str, ParseOptions], Pages] | None = None
    options: type[FormatOptions] = FormatOptions
