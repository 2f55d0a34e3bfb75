"""Listed agencies for the finder: their names and places."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from monitor.places.names import word_set, words

_WORDS_OF_FORM = word_set("the of dept office division bureau")

FoldedName = tuple[str, ...]
"""A name as `fold_agency_name` returns it."""


@dataclass(frozen=True, slots=True)
class AgencyOnList:
    """An agency that a source lists now, under its key, with the ZIPs or the state that it serves."""

    source: str
    agency: str
    name: str
    state: str
    places: tuple[str, ...]


FindListed = Callable[[Collection[FoldedName]], tuple[AgencyOnList, ...]]
"""Finds the currently listed agencies with one of these names."""


def find_no_listed(_names: Collection[FoldedName]) -> tuple[AgencyOnList, ...]:
    """The lookup of a gazetteer without lists: always empty."""
    return ()


def fold_agency_name(text: str) -> tuple[str, ...]:
    """Normalize an agency's name for comparison with typed text: "Detroit police" is "City of Detroit PD"."""
    parts = words(text)
    if parts[:1] in (("city",), ("town",), ("village",)) and parts[1:2] == ("of",):
        parts = parts[2:]
    return tuple(sorted(word for word in parts if word not in _WORDS_OF_FORM))
