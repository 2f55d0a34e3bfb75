"""Townships of which only the county is known: most have no ZIP and no center of their own."""

from __future__ import annotations

from monitor.places.areas import sites
from monitor.places.finder_names import area_of_county
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.names import key
from monitor.states import STATES


def counties_of_townships(name: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The counties with a township of that name ("Herzog", without the word for its kind), as areas."""
    return tuple(
        area_of_county(table, site.county)
        for code in ((state,) if state is not None else STATES)
        for table in (gazetteer.table.state(code),)
        for site in sites(table, key(name))
        if not site.located and site.county is not None
    )
