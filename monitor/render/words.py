"""The sentences of a language, and the layouts that put them in their place."""

from __future__ import annotations

import re
import textwrap
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateNotFound, select_autoescape

from monitor.messages.placements import describe_placement
from monitor.render.views import Moment

WIDTH = 76
"""Columns of a plain text."""


class Words:
    """The sentences of one language: the macros of its file, called by name. Results are plain text, not escaped for anything."""

    def __init__(self, language: str) -> None:
        try:
            template = environment().get_template(f"words/{language}.j2")
            self.language = language
        except TemplateNotFound:
            template = environment().get_template("words/en.j2")
            self.language = "en"
        self._module: Any = template.module

    def __call__(self, macro: str, *arguments: object) -> str:
        return str(getattr(self._module, macro)(*arguments)).strip()


@cache
def words_of(language: str) -> Words:
    """The sentences of a language; English where there are none."""
    return Words(language if re.fullmatch(r"[a-z]{2}", language) else "en")


@cache
def environment() -> Environment:
    """The layouts and sentences of ``monitor/templates``."""
    made = Environment(
        loader=PackageLoader("monitor"),
        autoescape=select_autoescape(("html",), default=False, default_for_string=True),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    made.filters["wrap"] = _wrap
    made.filters["placement"] = describe_placement
    return made


def _wrap(text: str, first: str = "", later: str = "") -> str:
    """A paragraph of plain text at 76 columns; a link or a long word is never broken."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def layout(template: str, **shown: object) -> str:
    """A layout of ``monitor/templates`` as text, escaped for what it is."""
    return environment().get_template(template).render(**shown)


def asked_on(when: datetime, timezone: str, language: str = "en") -> str:
    """The day on which somebody asked, for the mark "asked": "Feb 3, 2026"."""
    return words_of(language)("day", Moment(when.astimezone(ZoneInfo(timezone))))
