"""The templates that lay messages out, as text and HTML."""

from __future__ import annotations

import textwrap
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

WIDTH = 76
"""Columns of a plain text."""


@cache
def environment() -> Environment:
    """The templates beside this file."""
    made = Environment(
        loader=PackageLoader("monitor.messages"),
        autoescape=select_autoescape(("html",), default=False, default_for_string=True),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    made.filters["wrap"] = _wrap
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


def render_template(template: str, **shown: object) -> str:
    """Render a template; HTML is escaped."""
    return environment().get_template(template).render(**shown)
