"""Agencies that the lists have, for the finder: it knows them by name, and where the lists place them."""

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
"""Finds the agencies that are listed now under one of these names."""


def find_no_listed(_names: Collection[FoldedName]) -> tuple[AgencyOnList, ...]:
    """What a gazetteer without lists knows of them: nothing."""
    return ()
