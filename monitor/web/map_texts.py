"""The texts of maps in one language: titles of states and counties, captions, cells of the table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from monitor.messages import locale
from monitor.messages.layout import clean
from monitor.messages.placements import label_name
from monitor.pictures.map_data import COUNTY, NOWHERE, STATE, TOWN, MapAgency, NationValues, StateValues
from monitor.pictures.map_drawing import MapLabels, group_towns
from monitor.places import Gazetteer
from monitor.places.fips import FIPS
from monitor.states import STATES

_NAMED = 3  # the most agencies in a county's title


class MapTexts:
    """The texts of maps in one language."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._catalog = locale.translations(language)

    def nation(self, values: NationValues, title: str, *, links: dict[str, str], blind: bool) -> MapLabels:
        """The texts of the nation's map. ``title`` names the list and the moment."""
        titles = {code: self.state(each) for code, each in values.states.items()}
        return MapLabels(title, titles, links, blind)

    def state(self, values: StateValues) -> str:
        """Describe a state on one line: "Texas: 312 agencies; local ones serve 80% of its ZIP codes"."""
        name, count = STATES[values.code], len(values.agencies)
        if not count:
            return self._catalog.gettext("%(state)s: no agency listed") % {"state": name}
        return self._catalog.ngettext(
            "%(state)s: %(number)s agency; local ones serve %(share)s of its ZIP codes",
            "%(state)s: %(number)s agencies; local ones serve %(share)s of its ZIP codes",
            count,
        ) % {"state": name, "number": self.number(count), "share": self.percent(values.share)}

    def number(self, count: int) -> str:
        """Format a count: "2,640"."""
        return locale.number(count, self._language)

    def percent(self, share: float) -> str:
        """Format a share; a positive one is never shown as 0 %."""
        return locale.percent(share, self._language)

    def not_on_map(self, count: int) -> str:
        """How many agencies the map cannot show; "" for none."""
        if not count:
            return ""
        return self._catalog.ngettext("Not on the map: %(number)s", "Not on the map: %(number)s", count) % {
            "number": self.number(count)
        }

    def heading(self, title: str, count: int, day: date | None, captured_by: str = "") -> str:
        """The list, its agencies and the moment: "Ring's map: 2,640 agencies on Mar 31, 2026"; and who
        captured it, if we did not see it.
        """
        heading = self._heading(title, count, day)
        if not captured_by:
            return heading
        captured = self._catalog.gettext("Captured by %(name)s, not seen by this service.")
        return f"{heading}. {captured % {'name': clean(captured_by)}}"

    def _heading(self, title: str, count: int, day: date | None) -> str:
        if day is None:
            return self._catalog.ngettext(
                "%(list)s: %(number)s agency listed", "%(list)s: %(number)s agencies listed", count
            ) % {"list": title, "number": self.number(count)}
        return self._catalog.ngettext(
            "%(list)s: %(number)s agency listed at the end of %(day)s",
            "%(list)s: %(number)s agencies listed at the end of %(day)s",
            count,
        ) % {"list": title, "number": self.number(count), "day": locale.day(day, self._language)}

    def cells(self, values: StateValues) -> list[str]:
        """A state's cells in the table: agencies, ZIPs served, share, agencies of the whole state."""
        of = self._catalog.gettext("%(some)s of %(all)s") % {
            "some": self.number(values.served),
            "all": self.number(values.zips),
        }
        return [
            self.number(len(values.agencies)),
            of,
            self.percent(values.share),
            self.number(len(values.of(STATE))),
        ]

    def legend(self) -> list[str]:
        """The five shades, lightest first."""
        gettext = self._catalog.gettext
        return [
            gettext("none"),
            gettext("up to 10%"),
            gettext("10 to 25%"),
            gettext("25 to 50%"),
            gettext("more than half"),
        ]

    def shades(self) -> list[tuple[str, str]]:
        """The same with the style class of each."""
        return [(f"s{shade}", text) for shade, text in enumerate(self.legend())]

    def star(self) -> str:
        """What the star means."""
        return self._catalog.gettext("an agency of the whole state is listed")

    def county_legend(self) -> list[tuple[str, str]]:
        """What the colors of counties mean, with the style class of each."""
        gettext = self._catalog.gettext
        return [
            ("c", gettext("a county agency is listed")),
            ("t", gettext("a town agency is listed")),
            ("n", gettext("no local agency listed")),
            ("dot", gettext("a town with an agency")),
        ]

    def notes(self, agencies: Iterable[MapAgency], code: str | None, *, blind: bool) -> list[str]:
        """The notes below a map without a page around it: the agencies of the whole state ``code`` (None:
        of the nation, where a star shows them), how many are not on the map, and what hatching means.
        """
        gettext, ngettext = self._catalog.gettext, self._catalog.ngettext
        shown = tuple(agencies)
        found = []
        own = [each for each in shown if each.kind == STATE]
        if own and code is not None:
            said = ngettext(
                "%(number)s agency serves all of %(name)s:",
                "%(number)s agencies serve all of %(name)s:",
                len(own),
            ) % {"number": self.number(len(own)), "name": STATES[code]}
            more = f" +{len(own) - _NAMED}" if len(own) > _NAMED else ""
            found.append(f"{said} {', '.join(each.name for each in own[:_NAMED])}{more}")
        if missing := sum(each.kind == NOWHERE for each in shown):
            text = ngettext("Not on the map: %(number)s", "Not on the map: %(number)s", missing)
            found.append(text % {"number": self.number(missing)})
        if blind:
            found.append(gettext("Hatched: nobody could see this list then."))
        return found

    def counties(self, values: StateValues, gazetteer: Gazetteer) -> list[CountyLine]:
        """The counties of a state with an agency, by name."""
        whole, towns = agencies_by_county(values.agencies)
        found = [
            CountyLine(fips, name, tuple(whole.get(fips, ())), tuple(towns.get(fips, ())))
            for fips, name in county_titles(gazetteer, values.code, self._language).items()
            if fips in whole or fips in towns
        ]
        return sorted(found, key=lambda each: each.name)

    def county(self, name: str, agencies: Sequence[MapAgency]) -> str:
        """Describe a county on one line: "Harris County: Houston Police Department, and 3 more"."""
        if not agencies:
            return self._catalog.gettext("%(county)s: no local agency listed") % {"county": name}
        if len(agencies) == 1 and agencies[0].name.startswith(name):  # "Lake County Sheriff" says it
            return clean(agencies[0].name)
        text = f"{name}: " + ", ".join(clean(each.name) for each in agencies[:_NAMED])
        if len(agencies) > _NAMED:
            more = self._catalog.gettext("and %(count)s more")
            text += " " + more % {"count": self.number(len(agencies) - _NAMED)}
        return text

    def state_map(
        self, values: StateValues, title: str, gazetteer: Gazetteer, *, blind: bool, page: str = ""
    ) -> MapLabels:
        """The texts of a state's map. Counties and places with several agencies lead to the list of counties
        on ``page``, by default the same page.
        """
        whole, towns = agencies_by_county(values.agencies)
        titles, links = {}, {}
        for fips, name in county_titles(gazetteer, values.code, self._language).items():
            agencies = [*whole.get(fips, ()), *towns.get(fips, ())]
            titles[fips] = self.county(name, agencies)
            if agencies:
                links[fips] = f"{page}#county-{fips}"
        for (x, y), agencies in group_towns(values).items():
            if len(agencies) > 1 and agencies[0].counties:
                links[f"@{x},{y}"] = f"{page}#county-{agencies[0].counties[0]}"
        return MapLabels(title, titles, links, blind)


class CountyLine:
    """A county with an agency: its own agencies, and those of towns in it."""

    __slots__ = ("fips", "name", "towns", "whole")

    def __init__(
        self, fips: str, name: str, whole: tuple[MapAgency, ...], towns: tuple[MapAgency, ...]
    ) -> None:
        self.fips, self.name, self.whole, self.towns = fips, name, whole, towns


def county_titles(gazetteer: Gazetteer, state: str, language: str) -> dict[str, str]:
    """The counties of a state by FIPS code, with their names for people in a language."""
    return {
        county.fips: label_name(county.title, language)
        for county in gazetteer.table.state(state).counties
        if county.fips[:2] == FIPS[state]
    }


def agencies_by_county(
    agencies: Iterable[MapAgency],
) -> tuple[dict[str, list[MapAgency]], dict[str, list[MapAgency]]]:
    """The county agencies and the town agencies of each county, by FIPS code."""
    whole: dict[str, list[MapAgency]] = defaultdict(list)
    towns: dict[str, list[MapAgency]] = defaultdict(list)
    for agency in agencies:
        for fips in agency.counties:
            if agency.kind == COUNTY:
                whole[fips].append(agency)
            elif agency.kind == TOWN:
                towns[fips].append(agency)
    return whole, towns
