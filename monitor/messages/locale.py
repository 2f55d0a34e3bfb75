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
