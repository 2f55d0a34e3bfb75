"""English and Spanish: which of the two somebody reads, the catalogue of sentences, and dates and numbers in either.

English is what stands in code and templates; `monitor/locale/LANGUAGE/*.po` holds the other language, one file per room (``site.po``,
``people.po``, ``bot.po``), and is read as it is: nothing is compiled by hand or at build time. Used by the site, the bot and the mails.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from io import BytesIO
from types import MappingProxyType
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LANGUAGES: Mapping[str, str] = MappingProxyType({"en": "English", "es": "Español"})
"""Code -> the language's own name, the default first."""

DEFAULT = "en"

_LOCALES = {"en": Locale("en", "US"), "es": Locale("es", "US")}
_WEIGHT = re.compile(r"q=(\d(?:\.\d{0,3})?)")


def known(language: str | None) -> str | None:
    """The code of a language that we speak ("es-MX" is "es"), None for any other."""
    code = (language or "").strip().lower().replace("_", "-").partition("-")[0]
    return code if code in LANGUAGES else None


def negotiate(accept_language: str) -> str:
    """The language that an ``Accept-Language`` header (RFC 9110, 12.5.4) prefers among ours; English when it names none."""
    best, weight = DEFAULT, 0.0
    for part in accept_language[:500].split(","):
        name, _, rest = part.partition(";")
        found = _WEIGHT.search(rest.replace(" ", ""))
        quality = float(found[1]) if found else 1.0
        code = known(name)
        if code and quality > weight:
            best, weight = code, quality
    return best


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The catalogue of a language, of all its files; one that gives the English back for English and for what nobody translated."""
    folder = files("monitor").joinpath("locale", language)
    if language == DEFAULT or known(language) != language or not folder.is_dir():
        return gettext.NullTranslations()
    whole = Catalog(locale=language)
    for part in sorted(folder.iterdir(), key=lambda path: path.name):
        if part.name.endswith(".po"):
            for message in read_po(BytesIO(part.read_bytes()), locale=language, abort_invalid=True):
                if message.id and message.string and not message.fuzzy:
                    whole[message.id] = message
    compiled = BytesIO()
    write_mo(compiled, whole)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def N_(message: str) -> str:
    """Marks a sentence for the catalogue where it is written; `translations` says it later."""
    return message


def placement(reason: str, language: str) -> str:
    """The gazetteer's words for where an agency is ("covers Lake County") in a language; names stay as they are, as does what is not known."""
    if language != "es":
        return reason
    for pattern, replacement in _PLACEMENTS:
        reason = pattern.sub(replacement, reason)
    return reason


_NAME = r"[^\W\d_a-z][\w.'-]*(?: (?:(?:of the|of|the|du|la|de) )?[^\W\d_a-z][\w.'-]*)*"
_PLACEMENTS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^covers all of ", "cubre todo el territorio de "),
        (r"^covers a precinct of ", "cubre un distrito de "),
        (r"^covers a part of ", "cubre una parte de "),
        (r", about (.+?): an estimate", r", cerca de \1: es una estimación"),
        (r", though its point is far from there", ", aunque su punto está lejos de allí"),
        (
            r"^covers the five boroughs of New York City",
            "cubre los cinco distritos de la ciudad de Nueva York",
        ),
        (r"^covers ", "cubre "),
        (r"^is in ", "está en "),
        (r"^could not be placed within (.+?)(?=;|$)", r"no se pudo ubicar dentro de \1"),
        (r"^could not be placed", "no se pudo ubicar"),
        (
            r"^has no state that could be read, so only those who follow US hear of it",
            "no tiene un estado legible, así que solo se avisa a quienes siguen todo el país",
        ),
        (
            r"^(.+) exists, but it is not known where in (.+?)(?=;|$)",
            r"está en un lugar, \1, que existe, pero no se sabe en qué parte de \2",
        ),
        (r"; those who follow (\w+) hear of it", r"; se avisa a quienes siguen \1"),
        (r"; where in it is not known", "; no se sabe en qué parte"),
        (
            r": the ZIPs nearest to its point are an estimate",
            ": los códigos postales más cercanos son una estimación",
        ),
        (r": an estimate", ": es una estimación"),
        (r", though another county is given", ", aunque la lista indica otro condado"),
        (r", if that is meant", ", si se trata de ese lugar"),
        (r",? with its address in ", ", con dirección en "),
        (r", beside which (.+) lies by its name", r", junto a la cual está \1 según su nombre"),
        (r", its address; (.+) is not near it", r", según su dirección; \1 no está cerca"),
        (r", its address", ", según su dirección"),
        (r", near (.+) by its name", r", cerca de \1 según su nombre"),
        (r"\bthe city of ", "la ciudad de "),
        (rf"({_NAME}) County\b", r"el condado de \1"),
        (rf"({_NAME}) Parish\b", r"la parroquia de \1"),
        (r"\bde el\b", "del"),
        (r" and ", " y "),
        (r" or ", " o "),
    )
)


def day(when: date, language: str) -> str:
    """A date: "Nov 24, 2026", "24 nov 2026"."""
    return format_date(when, "d MMM y" if language == "es" else "MMM d, y", locale=_locale(language))


def moment(when: datetime, timezone: str, language: str) -> str:
    """A time with its zone: "Nov 24, 2026, 2:07 pm CST", "24 nov 2026, 2:07 p.m. CST"."""
    local = when.astimezone(ZoneInfo(timezone))
    return f"{day(local.date(), language)}, {clock(when, timezone, language)}"


def clock(when: datetime, timezone: str, language: str) -> str:
    """The time of day with its zone: "2:07 pm CST"."""
    local = when.astimezone(ZoneInfo(timezone))
    half = format_datetime(local, "a", locale=_locale(language)).replace("\u202f", " ").lower()
    zone = local.tzname() or "UTC"
    if zone[:1] in "+-":
        zone = f"UTC{zone}"
    return f"{(local.hour + 11) % 12 + 1}:{local.minute:02d} {half} {zone}"


def number(count: int, language: str) -> str:
    """A count with its separators: "2,640"."""
    return format_decimal(count, locale=_locale(language))


def _locale(language: str) -> Locale:
    return _LOCALES.get(language, _LOCALES[DEFAULT])
