"""What a format is. Each format's own file makes one of these; `formats` lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from monitor.domain import Publication
from monitor.sources.columns import ParseOptions


def _find_no_link(_body: bytes, _options: ParseOptions) -> str | None:
    return None


class FormatOptions(BaseModel):
    """What ``[sources.NAME.options]`` may hold: nothing, unless a format adds its own fields in a
    subclass.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Format:
    """One format of publications.

    ``parse`` raises ParseError with the reason for what is no readable publication. ``required_columns`` are
    the fields of `ColumnMap` without which nothing can be read. ``recognizes`` says by a body's content
    whether ``parse`` is worth a try. ``find_link`` is the address of the real publication in a body that only
    leads to it, None in all others. ``options`` checks the format's own settings.
    """

    name: str
    parse: Callable[[bytes, ParseOptions], Publication]
    recognizes: Callable[[bytes], bool]
    required_columns: tuple[str, ...] = ()
    find_link: Callable[[bytes, ParseOptions], str | None] = _find_no_link
    options: type[FormatOptions] = FormatOptions
