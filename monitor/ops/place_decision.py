"""The operator assigns places to agencies on the page of a notice, or with `monitor place`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Connection

from monitor.domain import Listing
from monitor.errors import UsageError
from monitor.formatting import format_count
from monitor.ops.decision_parts import Choice, DecisionField, DecisionKind, DecisionParts, DecisionText
from monitor.places.given_places import read_given_places
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import place_overrides, placement_rows
from monitor.storage.lists.place_overrides import StoredOverride
from monitor.storage.lists.placement_rows import UnplacedListing

if TYPE_CHECKING:
    from monitor.places import Gazetteer

MOST_FIELDS = 30
"""The most agencies on one page; `monitor unplaced` lists all."""


def give_places(
    conn: Connection,
    source: str,
    agency: Listing | UnplacedListing,
    text: str,
    gazetteer: Gazetteer,
    at: datetime,
) -> StoredOverride:
    """Store the places that the operator wrote for an agency. Raises UsageError for text that names none."""
    places, note = read_given_places(text, gazetteer)
    given = StoredOverride(
        source=source,
        key=agency.key,
        name=agency.name,
        state=agency.state or "",
        places=places,
        note=note,
        at=at,
    )
    place_overrides.put_override(conn, given)
    return given


def describe_given(given: StoredOverride) -> str:
    """Format an agency and its assigned places on one line."""
    return f"{given.name}: {given.note or ' '.join(given.places)}"


class PlacesDecision(DecisionKind):
    """Agencies of a list that could not be placed within their state, or have no state."""

    choices = (Choice("place", "Place them"),)

    def freeze(self, parts: DecisionParts, about: str) -> str | None:
        with reading(parts.engine) as conn:
            keys = [each.key for each in placement_rows.load_unplaced(conn, about)]
        return json.dumps({"source": about, "keys": keys[:MOST_FIELDS]}) if keys else None

    def describe(self, parts: DecisionParts, stored: str) -> DecisionText | None:
        source, agencies = self._load(parts, stored)
        if not agencies:
            return None
        return DecisionText(
            f"{source}: {format_count(len(agencies), 'agency has', 'agencies have')} no place",
            (
                "Only followers of the whole state are told of them. Write where each one is: ZIP codes, a "
                'town ("Gary, IN"), a county ("Lake County, IN"), or the state if it serves all of it. An '
                "empty field leaves the agency as it is.",
                "What you write here is shown as the reason for the places.",
            ),
            f"monitor place set {source} AGENCY PLACES",
        )

    def fields(self, parts: DecisionParts, stored: str) -> tuple[DecisionField, ...]:
        _, agencies = self._load(parts, stored)
        return tuple(
            DecisionField(each.key, f"{each.name} ({each.state})" if each.state else each.name)
            for each in agencies
        )

    def find_problems(self, parts: DecisionParts, stored: str, answers: Mapping[str, str]) -> dict[str, str]:
        problems = {}
        for key, text in answers.items():
            try:
                read_given_places(text, parts.gazetteer())
            except UsageError as error:
                problems[key] = str(error)
        return problems

    def carry_out(self, parts: DecisionParts, stored: str, choice: str, answers: Mapping[str, str]) -> str:
        source, agencies = self._load(parts, stored)
        gazetteer, done = parts.gazetteer(), []
        with transaction(parts.engine) as conn:
            for each in agencies:
                if each.key in answers:
                    given = give_places(conn, source, each, answers[each.key], gazetteer, parts.clock())
                    done.append(describe_given(given))
        if not done:
            return "Nothing was placed: the agencies have places already, or are listed no longer."
        parts.renew_placements()
        left = len(agencies) - len(done)
        return f"Placed: {'; '.join(done)}." + (f" {left} are left as they are." if left else "")

    @staticmethod
    def _load(parts: DecisionParts, stored: str) -> tuple[str, list[UnplacedListing]]:
        about: dict[str, Any] = json.loads(stored)
        keys = set(about["keys"])
        with reading(parts.engine) as conn:
            found = placement_rows.load_unplaced(conn, about["source"])
        return about["source"], [each for each in found if each.key in keys]
