"""English and Spanish: the reader's language, the catalog of sentences, and dates and numbers in both.

The English text is in code and templates; ``LANGUAGE.po`` beside this file holds the other language, for the
site, the bot and the mails. It is read directly: nothing is compiled by hand or at build time.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import cache, lru_cache
from io import BytesIO, StringIO
from types import MappingProxyType
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from monitor.package_texts import read_text
from monitor.translatable import N_ as N_

LANGUAGES: Mapping[str, str] = MappingProxyType({"en": "English", "es": "Español"})
"""Code -> the language's own name, the default first."""

DEFAULT = "en"

_LOCALES = {"en": Locale("en", "US"), "es": Locale("es", "US")}
_WEIGHT = re.compile(r"q=(\d(?:\.\d{0,3})?)")


def find_language(language: str | None) -> str | None:
    """The code of a supported language ("es-MX" is "es"), None for any other."""
    code = (language or "").strip().lower().replace("_", "-").partition("-")[0]
    return code if code in LANGUAGES else None


def negotiate(accept_language: str) -> str:
    """Choose the supported language that an ``Accept-Language`` header (RFC 9110, 12.5.4) prefers; English if
    it names none.
    """
    best, weight = DEFAULT, 0.0
    for part in accept_language[:500].split(","):
        name, _, rest = part.partition(";")
        found = _WEIGHT.search(rest.replace(" ", ""))
        quality = float(found[1]) if found else 1.0
        code = find_language(name)
        if code and quality > weight:
            best, weight = code, quality
    return best


@cache
def translations(language: str) -> gettext.NullTranslations:
    """Load the catalog of a language. A sentence without a translation stays English."""
    if language == DEFAULT or find_language(language) != language:
        return gettext.NullTranslations()
    catalog = read_text("messages", f"{language}.po")
    compiled = BytesIO()
    write_mo(compiled, read_po(StringIO(catalog), locale=language, abort_invalid=True))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@lru_cache(maxsize=4096)
def day(when: date, language: str) -> str:
    """A date in a sentence: "Nov 24, 2026", "24 de noviembre de 2026"."""
    pattern = "d 'de' MMMM 'de' y" if language == "es" else "MMM d, y"
    return format_date(when, pattern, locale=_locale(language))


@lru_cache(maxsize=4096)
def short_day(when: date, language: str) -> str:
    """A date in a table or a picture: "Nov 24, 2026", "24 nov 2026"."""
    return format_date(when, "d MMM y" if language == "es" else "MMM d, y", locale=_locale(language))


def local_day(when: datetime, timezone: str) -> date:
    """The day of a moment in a time zone."""
    return when.astimezone(ZoneInfo(timezone)).date()


def moment(when: datetime, timezone: str, language: str) -> str:
    """A time with its zone: "Nov 24, 2026, 2:07 pm CST", "24 de noviembre de 2026, 2:07 p.m.
    CST".
    """
    local = when.astimezone(ZoneInfo(timezone))
    return f"{day(local.date(), language)}, {clock(when, timezone, language)}"


def clock(when: datetime, timezone: str, language: str) -> str:
    """The time of day with its zone: "2:07 pm CST"."""
    local = when.astimezone(ZoneInfo(timezone))
    return f"{time_of_day(local, language)} {zone_name(local)}"


def time_of_day(local: datetime, language: str, *, seconds: bool = False) -> str:
    """The time of day without its zone: "2:07 pm", "2:07 p.m."; with ``seconds``, "2:07:09 pm"."""
    exact = f":{local.second:02d}" if seconds else ""
    return f"{(local.hour + 11) % 12 + 1}:{local.minute:02d}{exact} {_half(local.hour, language)}"


def hour_of_day(hour: int, language: str) -> str:
    """A full hour: "8 am", "8 a.m."."""
    return f"{(hour + 11) % 12 + 1} {_half(hour, language)}"


@cache
def _half(hour: int, language: str) -> str:
    """The half of the day: "pm", "p.m."."""
    return format_time(time(hour), "a", locale=_locale(language)).replace("\u202f", " ").lower()


def zone_name(local: datetime) -> str:
    """The zone of a time: "CST"; a zone without an abbreviation is written as "UTC+03"."""
    name = local.tzname() or "UTC"
    return f"UTC{name}" if name[:1] in "+-" else name


def month(when: date, language: str) -> str:
    """A month as people write it: "Mar 2026"."""
    return format_skeleton("yMMM", when, locale=_locale(language))


@lru_cache(maxsize=4096)
def number(count: int, language: str) -> str:
    """A count with its separators: "2,640"."""
    return format_decimal(count, locale=_locale(language))


@lru_cache(maxsize=4096)
def percent(share: float, language: str) -> str:
    """A share between 0 and 1 in whole percent; less than one percent is written as such, and never rounded
    to none or all.
    """
    if 0 < share < 0.01:
        return "<" + format_percent(0.01, locale=_locale(language))
    if 0.99 < share < 1:
        return ">" + format_percent(0.99, locale=_locale(language))
    return format_percent(share, locale=_locale(language))


def _locale(language: str) -> Locale:
    return _LOCALES.get(language, _LOCALES[DEFAULT])
