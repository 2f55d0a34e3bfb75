"""A whole listing as JSON and back, exactly: what `Change.before`, ``after`` and ``previous`` hold."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import Any

from monitor.domain import Listing


def listing_to_json(listing: Listing) -> dict[str, Any]:
    """The listing's fields that are not empty; dates as ISO text, tuples as lists.

    ``dates`` and ``documents`` only where they say more than ``since`` and ``url``, which most never do: a year of changes is a third smaller.
    """
    content = {name: _plain(value) for name in _NAMES if (value := getattr(listing, name)) not in _EMPTY}
    for many, one in _EVIDENCE:
        if getattr(listing, many) == _alone(getattr(listing, one)):
            content.pop(many, None)
        else:
            content[many] = _plain(getattr(listing, many))
    return content


def listing_from_json(content: dict[str, Any]) -> Listing:
    """The very listing that `listing_to_json` was given; a field that a later version added is ignored."""
    read = {name: _READ.get(name, _same)(content[name]) for name in _NAMES if name in content}
    for many, one in _EVIDENCE:
        read.setdefault(many, _alone(read.get(one)))
    return Listing(**read)


_NAMES = tuple(field.name for field in fields(Listing))
_EMPTY = (None, ())  # the defaults of every field but the name
_EVIDENCE = (("dates", "since"), ("documents", "url"))


def _alone(value: Any) -> tuple[Any, ...]:
    return () if value is None else (value,)


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def _same(value: Any) -> Any:
    return value


_READ: dict[str, Any] = {
    "since": date.fromisoformat,
    "dates": lambda texts: tuple(map(date.fromisoformat, texts)),
    "documents": tuple,
    "attributes": lambda pairs: tuple((column, text) for column, text in pairs),
    "point": tuple,
}
