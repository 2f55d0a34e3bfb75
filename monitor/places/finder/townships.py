"""Townships of which only the county is known, and municipalities of which only the state is known: they have
no ZIP and no center of their own.
"""

from __future__ import annotations

from monitor.places.areas import sites
from monitor.places.finder.unofficial_names import area_of_county
from monitor.places.gazetteer import Gazetteer, TownZips
from monitor.places.names import key
from monitor.states import STATES


def counties_of_townships(name: str, state: str | None, gazetteer: Gazetteer) -> tuple[TownZips, ...]:
    """The counties with a township of that name ("Herzog", without the word "township"), as areas."""
    return tuple(
        area_of_county(table, site.county)
        for code in ((state,) if state is not None else STATES)
        for table in (gazetteer.table.state(code),)
        for site in sites(table, key(name))
        if not site.located and site.county is not None
    )


def states_of_unlocated(name: str, state: str | None, gazetteer: Gazetteer) -> tuple[str, ...]:
    """The states with a municipality of that name about which nothing else is known."""
    wanted = key(name)
    states = (state,) if state is not None else tuple(STATES)
    return tuple(code for code in states if wanted in gazetteer.table.state(code).unlocated)
