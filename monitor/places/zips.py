"""The data of a ZIP: its towns, counties, states, kind, and notices for residents."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from monitor.places.areas import sites
from monitor.places.codes import MILITARY, state_of_zip
from monitor.places.names import key, word_set
from monitor.places.packaged_table import Point, StateTable, Table
from monitor.places.town_zips import town_rows
from monitor.states import STATES

TOWNS_KM = 25.0
LEAST_PEOPLE = 1000  # smaller places nearby are neighborhoods as often as towns


class ZipKind(StrEnum):
    """The kind of a ZIP, as far as open data shows: only a standard one has an area."""

    STANDARD = "standard"
    PO_BOX = "PO box"
    UNIQUE = "unique"
    MILITARY = "military"


# Prefixes that the Postal Service gives to single receivers: federal departments, the revenue service,
# large mailers.
_UNIQUE_PREFIXES = word_set("005 055 192 202 203 204 205 311 375 399 459 569 649 733 842 885 889")
_UNIQUE_WORDS = ("University", "College", "Afb", "State Univ", "Institute")


@dataclass(frozen=True, slots=True)
class ZipArea:
    """A ZIP. ``city`` is its mailing city.

    ``counties`` has the one with the largest share of the land first. ``state`` is the postal one, ``states``
    are all that it reaches into. ``point`` is its center in degrees. ``notices`` are sentences for people.
    """

    zip: str
    kind: ZipKind
    city: str
    counties: tuple[str, ...]
    state: str
    states: tuple[str, ...]
    point: Point | None
    notices: tuple[str, ...]
    table: StateTable = field(repr=False, compare=False)
    row: int = field(repr=False, compare=False)

    @property
    def towns(self) -> tuple[str, ...]:
        """The mailing city, then towns that it partly serves. Computed when asked for: most pages do not."""
        return _towns(self.table, self.row)


def area(table: Table, zip_code: str) -> ZipArea | None:
    """Look up a five-digit ZIP; None if it is not in the table."""
    found = table.find(zip_code)
    if found is None:
        return None
    state, row = found
    kind = _kind(state, row)
    counties = tuple(map(state.counties.__getitem__, state.shares.counties(row)))
    states = tuple(dict.fromkeys((state.state, *(c.state for c in counties if c.state))))
    return ZipArea(
        zip=zip_code,
        kind=kind,
        city=state.cities[state.city[row]],
        counties=tuple(c.title for c in counties),
        state=state.state,
        states=states,
        point=state.point(row),
        notices=_notices(zip_code, kind, state.state, states),
        table=state,
        row=row,
    )


def unknown_notice(zip_code: str) -> str:
    """The sentence about a ZIP that is not in the table."""
    state = state_of_zip(zip_code)
    if state is None:
        return f"{zip_code} is not a ZIP code that we know, and its first digits belong to no state."
    if state in MILITARY:
        return _notices(zip_code, ZipKind.MILITARY, state, ())[0]
    return (
        f"{zip_code} is not a ZIP code that we know. By its first digits it is in {STATES[state]}: "
        "only agencies of the whole state match."
    )


def _kind(state: StateTable, row: int) -> ZipKind:
    city = state.cities[state.city[row]]
    if state.state in MILITARY or city[:4] in ("APO ", "FPO ", "DPO "):
        return ZipKind.MILITARY
    if state.radius[row] >= 0:
        return ZipKind.STANDARD
    unique = state.zips[row][:3] in _UNIQUE_PREFIXES or city.endswith(_UNIQUE_WORDS)
    return ZipKind.UNIQUE if unique else ZipKind.PO_BOX


@lru_cache(maxsize=4096)
def _towns(state: StateTable, row: int) -> tuple[str, ...]:
    mailing = state.cities[state.city[row]]
    here = state.point(row)
    if here is None:
        return (mailing,)
    near = sorted(state.towns_near(here, TOWNS_KM, LEAST_PEOPLE), key=lambda t: (-t.population, t.name))
    served = [
        town.name
        for town in near
        if any(s.point == town.point and row in town_rows(state, s) for s in sites(state, key(town.name)))
    ]
    unlike = [name for name in dict.fromkeys(served) if key(name) != key(mailing)]
    return (mailing, *unlike)


def _notices(zip_code: str, kind: ZipKind, state: str, states: tuple[str, ...]) -> tuple[str, ...]:
    said = []
    if kind is ZipKind.MILITARY:
        where = MILITARY.get(state, "a military post office")
        said.append(
            f"{zip_code} is a military or diplomatic post office ({where}): "
            "no local agency can be matched to it."
        )
    elif kind is ZipKind.PO_BOX:
        said.append(
            f"{zip_code} has no area of its own: PO boxes or one large receiver. "
            "Matches are those of its post office's town."
        )
    elif kind is ZipKind.UNIQUE:
        said.append(
            f"{zip_code} belongs to one large receiver and has no area of its own. "
            "Matches are those of its town."
        )
    if len(states) > 1:
        others = " and ".join(STATES[s] for s in states[1:])
        said.append(
            f"{zip_code} reaches into {others}; agencies of the whole state match for {STATES[state]} only."
        )
    return tuple(said)
