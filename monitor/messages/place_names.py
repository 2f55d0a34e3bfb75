"""Names of followed places in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from monitor.messages.locale import DEFAULT, N_, translations
from monitor.messages.placements import translate_name
from monitor.places.codes import EVERYWHERE, is_area, parse_area
from monitor.states import STATES

_WHOLE_COUNTRY = N_("the whole country")
_AROUND = N_("{miles} miles around {zip}")
_CODES_OF = N_("ZIP codes of {name}")


def name_place(place: str, language: str) -> str:
    """A followed place for people: "60601", "Cook County, IL", "10 miles around 60601", "Illinois".

    An area that is no longer in the gazetteer is shown by its key.
    """
    if place == EVERYWHERE:
        return translations(language).gettext(_WHOLE_COUNTRY)
    return _name_area(place, language) if is_area(place) else STATES.get(place, place)


def name_codes_of(place: str, language: str) -> str:
    """Name an area by its ZIP codes, which are what agencies are matched by and may cross its border: "ZIP
    codes of Cook County, IL". A radius keeps its name.
    """
    name = name_place(place, language)
    if place.startswith("radius-"):
        return name
    return translations(language).gettext(_CODES_OF).format(name=name).replace(" de el ", " del ")


def join_names(names: Sequence[str]) -> str:
    """Join names of places with commas, or with semicolons if a name contains a comma."""
    return ("; " if any("," in name for name in names) else ", ").join(names)


def describe_key(place: str) -> str:
    """A followed place for the operator: an area by its English name, other places as they are stored."""
    return _name_area(place, DEFAULT) if is_area(place) else place


@lru_cache(maxsize=4096)
def _name_area(place: str, language: str) -> str:
    match parse_area(place):
        case "radius", zip_code, miles:
            return translations(language).gettext(_AROUND).format(miles=miles, zip=zip_code)
    from monitor.places.followed_areas import load_area  # it loads the gazetteer

    area = load_area(place)
    if area is None:
        return place
    return f"{translate_name(area.name, language)}, {area.states[0]}"
