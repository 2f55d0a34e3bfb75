"""What a format is. Each format's own file makes one of these; `formats` lists them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from monitor.domain import Publication
from monitor.sources.column_map import ParseOptions
from monitor.states import read_state


@dataclass(frozen=True, slots=True)
class Links:
    """What a body says of documents beside it that belong to the publication.

    ``alone``: the body has one link and nothing else, so that what it leads to is the publication.
    """

    hrefs: tuple[str, ...] = ()
    alone: bool = False


def _find_no_links(_body: bytes, _options: ParseOptions) -> Links:
    return Links()


def _compose_nothing(body: bytes, _linked: Mapping[str, bytes]) -> bytes:
    return body


Pages = Generator[str, bytes, bytes]
"""Yields the address of each page, is sent its body, and returns one body of them all.

A ParseError is the reason why the pages are no whole list, to follow a subject ("counted 7 records and named
6").
"""


class FormatOptions(BaseModel):
    """What ``[sources.NAME.options]`` may hold; a format adds its own fields in a subclass.

    ``file``: which file of a ZIP is the list, with "*" for what changes in its name ("agencies-*.csv").
    ``state``: the state of all agencies of a list that has no column of states.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = ""
    state: str = ""

    @field_validator("state")
    @classmethod
    def _is_state(cls, value: str) -> str:
        reading = read_state(value) if value else None
        if value and (reading is None or not reading.exact):
            raise ValueError(f'"{value}" is no state: write a name or two letters, such as IN')
        return value


class RowsOptions(FormatOptions):
    """Options of formats with rows. ``group_by``: rows that agree in these columns are one listing.

    Without it they are one where the agency's id agrees, or else its name and state, and its city if mapped.
    """

    group_by: tuple[Literal["name", "state", "county", "city"], ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """One format of publications.

    ``parse`` raises ParseError with the reason for what is no readable publication. ``required_columns`` are
    the fields of `ColumnMap` without which nothing can be read. ``recognizes`` says by a body's content
    whether ``parse`` is worth a try. ``find_links`` finds the documents that a body leads to, ``compose``
    makes one body of it and of those by their addresses. ``collect`` gets a list that comes in pages, from
    its configured address. ``options`` checks the format's own settings.
    """

    name: str
    parse: Callable[[bytes, ParseOptions], Publication]
    recognizes: Callable[[bytes], bool]
    required_columns: tuple[str, ...] = ()
    find_links: Callable[[bytes, ParseOptions], Links] = _find_no_links
    compose: Callable[[bytes, Mapping[str, bytes]], bytes] = _compose_nothing
    collect: Callable[[str, ParseOptions], Pages] | None = None
    options: type[FormatOptions] = FormatOptions
