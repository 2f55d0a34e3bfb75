"""A long list of a state's agencies, folded by county: each agency is a name and the values that distinguish
it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from monitor.domain import Confidence
from monitor.messages.layout import clean
from monitor.storage.lists.coverage import Cover
from monitor.web.map_texts import CountyLine
from monitor.web.place_coverage import PlaceEntry

LONGEST = 40
"""The most agencies that are shown one by one, each with its places and facts; a longer list is folded."""


@dataclass(frozen=True, slots=True)
class FoldedAgency:
    """An agency of a folded list. ``values`` are the explained values, if agencies of the list differ in
    them. ``estimate``: its places are an estimate.
    """

    path: str
    name: Markup
    values: str
    estimate: bool


@dataclass(frozen=True, slots=True)
class FoldedCounty:
    """A county with its agencies; ``name`` is empty if the agencies' names contain it. ``fips`` is empty for
    agencies without a county on the map.
    """

    fips: str
    name: str
    agencies: tuple[FoldedAgency, ...]


@dataclass(frozen=True, slots=True)
class FoldedList:
    """A list folded by county. ``common`` are the values that all agencies have, ``usual`` the most frequent
    ones if others have their own; ``count`` is the number of agencies.
    """

    common: str
    usual: str
    count: int
    counties: tuple[FoldedCounty, ...]


def fold_by_county(
    entries: Sequence[PlaceEntry],
    counties: Iterable[CountyLine],
    values_of: Callable[[Cover], str],
    url: Callable[[str], str],
) -> FoldedList:
    """Fold the agencies of a list by the ``counties`` of its map. An agency in several counties is in each of
    them.
    """
    values = {each.path: values_of(each.cover) for each in entries}
    most = Counter(values.values()).most_common()
    common = most[0][0] if len(most) == 1 else ""
    # if some have no values at all, an empty cell beside the name shows that
    usual = most[0][0] if len(most) > 1 and most[0][1] > len(values) / 3 and "" not in values.values() else ""
    agencies = {
        url(each.path): FoldedAgency(
            url(each.path),
            Markup(escape(clean(each.cover.listing.name), quote=False)),  # noqa: S704
            "" if values[each.path] in (common, usual) else values[each.path],
            each.cover.placement.confidence in (Confidence.APPROXIMATE, Confidence.CONFLICT),
        )
        for each in entries
    }
    found: list[FoldedCounty] = []
    shown: set[str] = set()
    for county in counties:
        members = [agencies[each.path] for each in (*county.whole, *county.towns) if each.path in agencies]
        shown.update(each.path for each in members)
        if members:
            said = all(each.name.startswith(county.name) for each in members)
            found.append(FoldedCounty(county.fips, "" if said else county.name, tuple(members)))
    rest = tuple(each for path, each in agencies.items() if path not in shown)
    if rest:
        found.append(FoldedCounty("", "", rest))
    return FoldedList(common, usual, len(agencies), tuple(found))
