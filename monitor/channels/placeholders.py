"""Fills a rendered message's placeholders with the values of one recipient."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from monitor.domain import placeholder
from monitor.errors import Permanent

OWN_LINE = "own-line"
"""The placeholder of a chat's own line, which a chat channel adds under a message by itself."""

PATTERN = re.compile(placeholder("([a-z-]+)"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ue000\ue001]")


def value_of(values: Mapping[str, str], name: str) -> str:
    """The value of one placeholder. Raises Permanent if it is missing or would break a line."""
    value = values.get(name)
    if value is None:
        raise Permanent(f"the message has a placeholder {name!r} without a value")
    if _CONTROL.search(value):
        raise Permanent(f"the value of the placeholder {name!r} holds a control character")
    return value


def fill(text: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """Replace every placeholder by its escaped value. Raises Permanent as `value_of` does."""
    return PATTERN.sub(lambda match: escape(value_of(values, match[1])), text)
