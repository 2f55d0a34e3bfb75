"""What a format is. Each format's own file makes one of these; `formats` lists them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from monitor.domain import Publication
from monitor.sources.column_map import ParseOptions


def _find_no_link(_body: bytes, _options: ParseOptions) -> str | None:
    return None


Pages = Generator[str, bytes, bytes]
"""Yields the address of each page, is sent its body, and returns one body of them all.

A ParseError is the reason why the pages are no whole list, to follow a subject ("counted 7 records and named
6").
"""


class FormatOptions(BaseModel):
    """What ``[sources.NAME.options]`` may hold: nothing, unless a format adds its own fields in a
    subclass.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


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
    whether ``parse`` is worth a try. ``find_link`` is the address of the real publication in a body that only
    leads to it, None in all others. ``collect`` gets a list that
    comes in pages, from its configured address. ``options`` checks the format's own settings.
    """

    name: str
    parse: Callable[[bytes, ParseOptions], Publication]
    recognizes: Callable[[bytes], bool]
    required_columns: tuple[str, ...] = ()
    find_link: Callable[[bytes, ParseOptions], str | None] = _find_no_link
    collect: Callable[[str, ParseOptions], Pages] | None = None
    options: type[FormatOptions] = FormatOptions
