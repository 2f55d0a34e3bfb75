"""The operator gives agencies their places on the page of a notice, or with `monitor place`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from monitor.errors import UsageError
from monitor.ops.decision_parts import Choice, DecisionField, DecisionKind, DecisionParts, DecisionText
from monitor.places.given_places import read_given_places
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import place_overrides, placement_rows
from monitor.storage.lists.place_overrides import StoredOverride
from monitor.storage.lists.placement_rows import UnplacedListing

MOST_FIELDS = 30
"""Agencies that one page asks about; `monitor unplaced` lists all."""


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
            f"{source}: {len(agencies)} agencies have no place",
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
                    places, note = read_given_places(answers[each.key], gazetteer)
                    place_overrides.put_override(
                        conn,
                        StoredOverride(
                            source=source,
                            key=each.key,
                            name=each.name,
                            state=each.state or "",
                            places=places,
                            note=note,
                            at=parts.clock(),
                        ),
                    )
                    done.append(f"{each.name}: {note or ' '.join(places)}")
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
