"""Validates requested subscriptions: existing places and configured sources."""

from __future__ import annotations

from collections.abc import Callable, Collection

from monitor.errors import UsageError
from monitor.places.followed_areas import read_followed
from monitor.storage.people import Follow


def list_follows(
    places: Collection[str], sources: Collection[str], state_of_zip: Callable[[str], str | None]
) -> frozenset[Follow]:
    """Every place of every source, each ZIP with its state; a county, a town or a radius is one place.

    Raises UsageError for an invalid place or none.
    """
    if not places or not sources:
        raise UsageError(
            "give at least one place: a ZIP (60601), a town or county with its state, a state (IL) or US"
            if sources
            else "give at least one source"
        )
    found: set[Follow] = set()
    for place in {place for text in places for place in read_followed(text)}:
        within = state_of_zip(place) if place.isdigit() else None
        if place.isdigit() and within is None:
            raise UsageError(f"{place} is not a ZIP code that is in use")
        found |= {Follow(source, place, within) for source in sources}
    return frozenset(found)
