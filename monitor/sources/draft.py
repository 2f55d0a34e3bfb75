"""Making a `Listing` fast: a million of them are made from one map.

A frozen dataclass sets each of its fields through `object.__setattr__`, which takes four times as long as all else that its constructor does.
So a listing is written as a draft, a class with the same slots that is not frozen, and then becomes a `Listing`.
"""

from __future__ import annotations

from dataclasses import fields, make_dataclass
from datetime import date
from typing import Any

from monitor.domain import Listing

_Draft: Any = make_dataclass(
    "_Draft", [(field.name, object) for field in fields(Listing)], slots=True, eq=False
)


def drafted(
    *,
    name: str,
    source_id: str | None,
    city: str | None,
    county: str | None,
    state: str | None,
    state_text: str | None,
    since: date | None,
    dates: tuple[date, ...],
    url: str | None,
    documents: tuple[str, ...],
    attributes: tuple[tuple[str, str], ...],
    point: tuple[float, float] | None,
    folder: str | None,
) -> Listing:
    """The listing with these fields, still without a key."""
    draft = _Draft(
        name, "", source_id, city, county, state, state_text, since, dates, url, documents, attributes, point, folder
    )  # fmt: skip
    draft.__class__ = Listing
    listing: Listing = draft
    return listing
