"""Names of states and cities in Spanish."""

from __future__ import annotations

import re

from monitor.places.names import remove_accents

_IN_SPANISH = {
    "nueva york": "New York", "nueva jersey": "New Jersey", "nuevo mexico": "New Mexico",
    "nuevo hampshire": "New Hampshire", "nueva hampshire": "New Hampshire",
    "carolina del norte": "North Carolina", "carolina del sur": "South Carolina",
    "dakota del norte": "North Dakota", "dakota del sur": "South Dakota",
    "virginia occidental": "West Virginia", "luisiana": "Louisiana", "misisipi": "Mississippi",
    "misuri": "Missouri", "pensilvania": "Pennsylvania", "tejas": "Texas",
    "distrito de columbia": "District of Columbia", "islas virgenes": "Virgin Islands",
    "nueva orleans": "New Orleans", "nuevo orleans": "New Orleans", "filadelfia": "Philadelphia",
    "ciudad de kansas": "Kansas City",
    "ciudad de oklahoma": "Oklahoma City", "cayo hueso": "Key West", "area de la bahia": "Bay Area",
    "valle del rio grande": "Rio Grande Valley", "pequena haiti": "Little Haiti",
    "san agustin, florida": "St. Augustine, FL", "san agustin florida": "St. Augustine, FL",
    "san agustin, fl": "St. Augustine, FL", "san agustin fl": "St. Augustine, FL",
}  # fmt: skip
_SPANISH_NAME = re.compile(rf"\b(?:{'|'.join(_IN_SPANISH)})\b", re.IGNORECASE)


def put_names_in_english(text: str) -> str:
    """States and cities in Spanish by their English names; any other text as it is."""
    plain = remove_accents(text)
    if not _SPANISH_NAME.search(plain):
        return text
    return _SPANISH_NAME.sub(lambda match: _IN_SPANISH[match[0].lower()], plain)
