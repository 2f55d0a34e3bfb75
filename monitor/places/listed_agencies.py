"""Listed agencies for the finder: their names and places."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

FoldedName = tuple[str, ...]
"""A name as `finder_offices.fold_agency_name` folds it."""


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
