"""Converts listings to JSON, and the listings of a change to columns of its row, and back without loss."""

from __future__ import annotations

import json
from datetime import date
from sys import intern
from typing import Any

from msgspec import structs

from monitor.domain import Change, Kind, Listing, PlacementReason
from monitor.storage.lists import tables


def listing_to_json(listing: Listing) -> dict[str, Any]:
    """The listing's fields that are not empty; dates as ISO text, tuples as lists.

    ``dates`` and ``documents`` only where they say more than ``since`` and ``url``, which most never do: a
    year of changes is a third smaller.
    """
    content = {name: _plain(value) for name in _NAMES if (value := getattr(listing, name)) not in _EMPTY}
    for many, one in _EVIDENCE:
        if getattr(listing, many) == _alone(getattr(listing, one)):
            content.pop(many, None)
        else:
            content[many] = _plain(getattr(listing, many))
    return content


_BESIDE = ("key", "name", "state")  # fields of a listing with a column of their own


def content_to_json(listing: Listing) -> dict[str, Any]:
    """What of a listing stands in the column "content" of its versions."""
    return {name: value for name, value in listing_to_json(listing).items() if name not in _BESIDE}


def listing_from_json(content: dict[str, Any]) -> Listing:
    """Restore the listing from `listing_to_json`; a field that a later version added is ignored."""
    read = {name: value for name, value in content.items() if name in _FIELDS}
    for name, convert in _READ.items():
        if name in read:
            read[name] = convert(read[name])
    for many, one in _EVIDENCE:
        if many not in read and one in read:
            read[many] = (read[one],)
    return Listing(**read)


def reason_to_text(reason: PlacementReason) -> str:
    """A placement's reason as the text of a column: a JSON object without its empty fields."""
    content = {"rule": reason.rule, "names": list(reason.names), "other": reason.other}
    return json.dumps({name: value for name, value in content.items() if value}, ensure_ascii=False)


def reason_from_text(text: str | None) -> PlacementReason | None:
    """The reason in a column: an object as `reason_to_text` writes it, or a sentence that version 0.1.0
    wrote.
    """
    if not text:
        return None
    if not text.startswith("{"):
        return PlacementReason(PlacementReason.TEXT, (), text)
    content = json.loads(text)
    return PlacementReason(content["rule"], tuple(content.get("names", ())), content.get("other", ""))


def change_to_columns(change: Change, agency: str) -> dict[str, Any]:
    """What happened as the columns `CHANGE`; ``quiet`` apart, which is never written.

    No word stands there twice, for a year has thousands of these rows: no key that is the agency's, and in
    the ``after`` of a CHANGED only what is not as in ``before`` (None: it is there no more).
    """
    before, after = _told(change.before, agency), _told(change.after, agency)
    if before is not None and after is not None:
        gone = {name: None for name in before if name not in after}
        after = {name: value for name, value in after.items() if before.get(name) != value} | gone
    return {
        "kind": change.kind.value,
        "agency": agency,
        "fields": list(change.fields),
        "before": before,
        "after": after,
        "previous": _told(change.previous, agency),
    }


def change_from_row(row: Any) -> Change:
    """The change that `change_to_columns` was given, from a row with the columns `CHANGE`."""
    after = row.after
    if row.before is not None and after is not None:
        after = {name: value for name, value in (row.before | after).items() if value is not None}
    before, after, previous = (
        None if told is None else listing_from_json({"key": row.agency} | told)
        for told in (row.before, after, row.previous)
    )
    return Change(Kind(row.kind), before=before, after=after, fields=tuple(row.fields), previous=previous)


_CHANGE = tables.ChangeRow.c
CHANGE = (_CHANGE.kind, _CHANGE.agency, _CHANGE.fields, _CHANGE.before, _CHANGE.after, _CHANGE.previous)
_NAMES = tuple(field.name for field in structs.fields(Listing))
_FIELDS = frozenset(_NAMES)
_EMPTY = (None, ())  # the defaults of every field but the name
_EVIDENCE = (("dates", "since"), ("documents", "url"))


def _alone(value: Any) -> tuple[Any, ...]:
    return () if value is None else (value,)


def _told(listing: Listing | None, agency: str) -> dict[str, Any] | None:
    if listing is None:
        return None
    content = listing_to_json(listing)
    if listing.key == agency:
        del content["key"]
    return content


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


_READ: dict[str, Any] = {
    "since": date.fromisoformat,
    "dates": lambda texts: tuple(map(date.fromisoformat, texts)),
    "documents": tuple,
    "attributes": lambda pairs: tuple(
        (intern(column), intern(text)) for column, text in pairs
    ),  # they repeat
    "point": tuple,
}
