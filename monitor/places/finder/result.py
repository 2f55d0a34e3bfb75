"""The result of the finder: what a typed text means, or why nothing was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from monitor.places.gazetteer import TownZips
from monitor.places.listed_agencies import AgencyOnList
from monitor.states import STATES
from monitor.translatable import N_

LIKE_TOWNS = ("New York", "Washington")
"""States whose name alone may mean a town."""

PROBLEMS: Mapping[str, str] = MappingProxyType(
    {
        "empty": N_("Enter a ZIP code, a town or an address."),
        "digits": N_("A ZIP code has five digits. If yours starts with zeros, write them too."),
        "unknown_zip": N_("We do not know that ZIP code. Is every digit right?"),
        "no_town": N_(
            "Add the town and the state to the address (100 Main St, Springfield, IL), or write the ZIP code."
        ),
        "radius": N_("Enter a radius as 10 or 25 miles of a ZIP code, such as 10 miles of 60601."),
        "which_agency": N_(
            "Add where the agency is: Chicago police, Cook County sheriff, Texas state police."
        ),
        "which_town": N_(
            "Enter the name of your town or your ZIP code: this site does not know where you are."
        ),
        "nothing": N_(
            "We found no town of that name. Write it with its state (Hammond, IN), or write the ZIP code."
        ),
    }
)
"""Why nothing was found, by `FinderResult.problem`."""


@dataclass(frozen=True, slots=True)
class FinderResult:
    """What a text means: exactly one of ``zips`` (the text is ZIPs, or an address with its own), ``country``
    and ``problem``, or ``towns`` and ``states`` to choose from.

    ``towns`` are areas of any kind, the most likely one first. ``sure``: the text means the state, if there
    is one, or else the first area. ``typo``: the text was misspelled, and these are near. ``problem``: empty,
    digits, unknown_zip, no_town, radius, which_agency, which_town, nothing. ``agencies``: the currently
    listed agencies of that name. ``more``: there are more towns than `CHOICES`. ``unknown``: parts of the
    text that are not places, beside the choices; the result is then never ``sure``.
    """

    zips: tuple[str, ...] = ()
    country: bool = False
    towns: tuple[TownZips, ...] = ()
    states: tuple[str, ...] = ()
    problem: str | None = None
    more: bool = False
    sure: bool = False
    typo: bool = False
    agencies: tuple[AgencyOnList, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """zip, zips, country, state, question, typo, none, or the kind of the area (`TownZips`)."""
        if self.zips:
            return "zip" if len(self.zips) == 1 else "zips"
        if self.country:
            return "country"
        if self.problem:
            return "none"
        if self.typo:
            return "typo"
        if self.sure:
            return "state" if self.states else self.towns[0].kind
        return "question"

    @property
    def label(self) -> str:
        """What was found, for people: "Cook County, IL"; "" for a question, a suggestion or a problem."""
        if self.zips:
            return " ".join(self.zips)
        if self.country:
            return "United States"
        if not self.sure:
            return ""
        return STATES[self.states[0]] if self.states else label_area(self.towns[0])

    @property
    def places(self) -> tuple[str, ...]:
        """The ZIPs, the state or "US" that the text means; none for a question, a typo or a problem."""
        if self.zips or not self.sure:
            return self.zips or (("US",) if self.country else ())
        return self.states[:1] or self.towns[0].zips

    @property
    def suggestions(self) -> tuple[str, ...]:
        """Texts to choose from, each of which means one place: the other areas, or all of them."""
        states = self.states[1:] if self.sure else self.states
        towns = self.towns[1:] if self.sure and not self.states else self.towns
        names = {town.name for town in self.towns}
        of_states = (
            f"{name} State" if name in LIKE_TOWNS else f"State of {name}" if name in names else name
            for name in map(STATES.__getitem__, states)
        )
        return tuple(dict.fromkeys((*map(label_area, towns), *of_states)))


def label_area(area: TownZips) -> str:
    """An area and its state: "Detroit, MI", "Harlem (Manhattan), NY"; a radius as it is."""
    return area.name if area.kind == "radius" else f"{area.name}, {area.state}"
