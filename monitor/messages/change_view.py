"""Describes what happened to one listing, in neutral terms from which the sentences of any language are
made.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from monitor.domain import (
    AlertedChange,
    Change,
    Confidence,
    Kind,
    Listing,
    PlacementReason,
    ValueMeaning,
    translate_values,
)
from monitor.messages import locale
from monitor.messages.layout import clean, mail_link, neutralize
from monitor.messages.place_names import name_place
from monitor.places.codes import EVERYWHERE
from monitor.states import STATES

_SUBJECT_NAME = 80
_ATTRIBUTES = 6
_CONTRADICTED = 30  # days; a listing that returns later counts as a new one
_DIFFERENCES = 10
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in the reader's zone."""

    local: datetime

    @property
    def zone(self) -> str:
        """ "CST"; zones without an abbreviation are written as "UTC+03"."""
        return locale.zone_name(self.local)

    def same_day(self, other: Moment) -> bool:
        return self.local.date() == other.local.date()


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of a changed listing, before and after, as shown."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeDescription:
    """One change as described to one reader.

    ``what``: added, again, removed, renamed or changed. ``short`` is the name for a subject line.
    ``own_date_age``: days from the publisher's own date to the check that found the listing.
    ``reach_matters``: the placement's reason explains why this person is alerted. ``contradicted_within``:
    the days until the publisher put a dropped listing back; 0 if it did not, or long ago. ``document`` is the
    URL of the document that the list links to, "" without one.
    """

    what: str
    name: str
    was: str
    short: str
    short_was: str
    code: str
    state: str
    not_before: Moment | None
    not_after: Moment
    own_date: date | None
    own_date_age: int
    differences: tuple[Difference, ...]
    attributes: tuple[tuple[str, str], ...]
    more: int
    because: tuple[str, ...]
    reason: PlacementReason | None
    estimate: bool
    uncertain: bool
    reach_matters: bool
    came_from: str
    contradicted_within: int = 0
    document: str = ""


def describe_change(
    told: AlertedChange,
    zone: ZoneInfo,
    values: Sequence[ValueMeaning] = (),
    language: str = locale.DEFAULT,
) -> ChangeDescription:
    """Describe one change in a language, with the meanings in ``values`` of its columns."""

    def say(column: str, text: str) -> str:
        return _say_date(translate_values(values, column, text, language), language)

    change, listing = told.change, told.change.subject
    old = change.before if change.renamed else change.previous
    was = clean(old.name) if old and (change.renamed or clean(old.name) != clean(listing.name)) else ""
    found = Moment(told.not_after.astimezone(zone))
    own = listing.since if change.kind is Kind.ADDED else None
    attributes = _attributes(listing, say) if change.kind is Kind.ADDED else ()
    uncertain = told.confidence is not Confidence.EXACT
    return ChangeDescription(
        what=_what(change),
        name=clean(listing.name),
        was=was,
        short=clean(listing.name, _SUBJECT_NAME),
        short_was=clean(old.name, _SUBJECT_NAME) if old else "",
        code=listing.state or "",
        state=STATES.get(listing.state or "", listing.state or clean(listing.state_text or "")),
        not_before=Moment(told.not_before.astimezone(zone)) if told.not_before else None,
        not_after=found,
        own_date=own,
        own_date_age=(found.local.date() - own).days if own else 0,
        differences=tuple(_differences(change, say, language))[:_DIFFERENCES],
        attributes=attributes[:_ATTRIBUTES],
        more=max(len(attributes) - _ATTRIBUTES, 0),
        because=tuple(name_place(place, language) for place in told.because),
        reason=_clean_reason(told.reason),
        estimate=told.confidence in {Confidence.APPROXIMATE, Confidence.CONFLICT},
        uncertain=uncertain,
        # followers of a whole state do not need to know how the agency was placed within it, unless that is
        # in doubt
        reach_matters=any(place not in STATES and place != EVERYWHERE for place in told.because)
        or told.confidence in {Confidence.CONFLICT, Confidence.STATE_ONLY},
        came_from=clean(told.came_from or ""),
        contradicted_within=_count_days(told),
        document=mail_link(listing.url) or "",
    )


def neutralize_description(change: ChangeDescription) -> ChangeDescription:
    """Neutralize all text by a publisher, for mails and posts."""
    return replace(
        change,
        name=neutralize(change.name),
        was=neutralize(change.was),
        short=neutralize(change.short),
        short_was=neutralize(change.short_was),
        state=neutralize(change.state),
        differences=tuple(
            Difference(neutralize(each.field), neutralize(each.before), neutralize(each.after))
            for each in change.differences
        ),
        attributes=tuple((neutralize(name), neutralize(value)) for name, value in change.attributes),
        reason=change.reason
        and replace(
            change.reason,
            names=tuple(neutralize(name) for name in change.reason.names),
            other=neutralize(change.reason.other),
        ),
        came_from=neutralize(change.came_from),
    )


def _count_days(told: AlertedChange) -> int:
    """The number of days after which the publisher reverted a removal."""
    if told.gone_at is None or told.change.previous is None:
        return 0
    days = max(math.ceil((told.not_after - told.gone_at) / timedelta(days=1)), 1)
    return days if days <= _CONTRADICTED else 0


def _clean_reason(reason: PlacementReason | None) -> PlacementReason | None:
    return reason and replace(
        reason, names=tuple(clean(name) for name in reason.names), other=clean(reason.other)
    )


def _what(change: Change) -> str:
    if change.kind is Kind.ADDED:
        return "again" if change.previous else "added"
    if change.kind is Kind.REMOVED:
        return "removed"
    return "renamed" if change.renamed else "changed"


def _attributes(listing: Listing, say: Callable[[str, str], str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (_column_label(name), clean(say(name, value))) for name, value in listing.attributes if clean(value)
    )


def _differences(change: Change, say: Callable[[str, str], str], language: str) -> Iterator[Difference]:
    """The differences other than the name, which is in the headline."""
    if change.before is None or change.after is None:
        return
    for name in change.fields:
        before, after = (_field_text(each, name, say, language) for each in (change.before, change.after))
        if name != "name" and before != after:
            yield Difference(_column_label(name), before, after)


def _field_text(listing: Listing, field: str, say: Callable[[str, str], str], language: str) -> str:
    """Format one field of a listing: a field of `Listing`, or the column of an attribute."""
    attributes = dict(listing.attributes)
    if field in attributes or not hasattr(listing, field):
        return clean(say(field, attributes.get(field, "")))
    value = getattr(listing, field)
    if field == "state":
        return STATES.get(value or "", value or clean(listing.state_text or ""))
    values = value if isinstance(value, tuple) else (value,)
    return clean("; ".join(_say_date(str(each), language) for each in values if each is not None))


def _say_date(text: str, language: str) -> str:
    """Format an ISO date (2019-09-09) in the reader's language; any other text stays as it is."""
    if not _ISO_DATE.fullmatch(text.strip()):
        return text
    try:
        return locale.day(date.fromisoformat(text.strip()), language)
    except ValueError:
        return text


def _column_label(column: str) -> str:
    """Format a column's header for a sentence: "SUPPORT TYPE" becomes "Support type"; short ones and mixed
    case stay as they are.
    """
    name = clean(column, 60)
    return name.capitalize() if name.isupper() and len(name) > 3 else name
