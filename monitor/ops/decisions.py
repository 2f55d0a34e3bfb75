"""Decisions that the operator makes by a button or a link in a notice, once each.

A notice that asks for one contains the token of a row in the database. A GET of the link, or the first press
of the button, shows the decision; the second makes it. Site and bot only write the choice; the worker carries
it out.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from monitor.core import tokens
from monitor.core.tokens import Purpose
from monitor.errors import MonitorError, StoreError
from monitor.keys import KeyFile
from monitor.ops.decision_kinds import DECISIONS
from monitor.ops.decision_parts import Choice, DecisionField, DecisionParts, DecisionText
from monitor.ops.health import Question
from monitor.storage import operator_decisions
from monitor.storage.engine import exclusive_turn, reading, transaction
from monitor.storage.operator_decisions import StoredDecision

log = logging.getLogger(__name__)

DECIDE_WITHIN = timedelta(days=3)
"""How long a link or a button works; the command works as long as there is something to decide."""

_LONGEST_ANSWER = 500  # the most characters of a field


class DecisionState(StrEnum):
    """The state of a decision."""

    OPEN = "open"
    CHOSEN = "chosen"  # the worker has not carried it out yet
    DONE = "done"
    EXPIRED = "expired"
    OVER = "over"  # nothing is left to decide


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision as a page or a chat shows it. ``text`` is None once nothing is left to decide, ``chosen`` is
    the operator's choice, ``result`` its outcome, ``fields`` are the text fields.
    """

    state: DecisionState
    choices: tuple[Choice, ...]
    expires_at: datetime
    text: DecisionText | None = None
    chosen: Choice | None = None
    chosen_at: datetime | None = None
    result: str = ""
    fields: tuple[DecisionField, ...] = ()


class DecisionDesk:
    """Creates decisions for the operator, shows them, and carries out choices.

    ``keys`` opens the key that signs tokens. Raises StoreError and KeyFileError throughout.
    """

    def __init__(self, parts: DecisionParts, keys: Callable[[], KeyFile]) -> None:
        self._parts, self._keys = parts, keys

    def ask(self, question: Question) -> str | None:
        """Store a question; returns the token that answers it, None if there is nothing to decide."""
        about = DECISIONS[question.kind].freeze(self._parts, question.about)
        if about is None:
            return None
        now, nonce = self._parts.clock(), secrets.token_hex(16)
        with transaction(self._parts.engine) as conn:
            id = operator_decisions.insert_decision(
                conn, kind=question.kind, about=about, nonce=nonce, now=now, expires_at=now + DECIDE_WITHIN
            )
        return tokens.make(self._keys().token_key, Purpose.DECIDE, id, nonce)

    def view(self, token: str) -> DecisionView | None:
        """Read the decision of a token, without changing anything. None for a token that was not created
        here.
        """
        stored = self._load(token)
        return None if stored is None else self._view(stored)

    def choose(
        self, token: str, choice: str, by: str, answers: Mapping[str, str] | None = None
    ) -> DecisionView | None:
        """Store a choice with the values of its fields; returns the decision after it. Only the first choice
        counts, and only while the decision is open; a choice whose fields are all empty or have problems is
        not stored, and the decision stays open and shows the problems. None for a token that was not created
        here, or an unknown choice.
        """
        stored = self._load(token)
        if stored is None or choice not in {each.name for each in DECISIONS[stored.kind].choices}:
            return None
        view = self._view(stored)
        if view.state is DecisionState.OPEN:
            if view.fields:
                answers = _read_answers(view, answers or {})
                problems = DECISIONS[stored.kind].find_problems(self._parts, stored.about, answers)
                if problems or not answers:
                    return _with_problems(view, answers, problems)
            with transaction(self._parts.engine) as conn:
                if operator_decisions.put_choice(
                    conn,
                    stored.id,
                    choice,
                    by,
                    self._parts.clock(),
                    answer=json.dumps(answers) if view.fields else None,
                ):
                    log.info(
                        "decision %d (%s): the operator chose %s by a %s", stored.id, stored.kind, choice, by
                    )
        return self.view(token)

    def carry_out(self) -> int:
        """Carry out the stored choices that are not done yet; returns how many. A failed one stores the
        reason and does not stop the others.
        """
        with reading(self._parts.engine) as conn:
            if not operator_decisions.load_chosen(conn):
                return 0
        with exclusive_turn(self._parts.engine, "decisions") as mine:
            if not mine:
                return 0
            with reading(self._parts.engine) as conn:
                waiting = operator_decisions.load_chosen(conn)
            for each in waiting:
                result = self._carry_out(each)
                with transaction(self._parts.engine) as conn:
                    operator_decisions.put_result(conn, each.id, result, self._parts.clock())
                log.info("decision %d (%s, %s): %s", each.id, each.kind, each.choice, result)
        return len(waiting)

    def _carry_out(self, stored: StoredDecision) -> str:
        assert stored.choice is not None
        try:
            answers: dict[str, str] = json.loads(stored.answer or "{}")
            return DECISIONS[stored.kind].carry_out(self._parts, stored.about, stored.choice, answers)
        except StoreError:
            raise  # the next round tries again
        except MonitorError as error:
            return f"Not done: {error}"
        except Exception:
            log.exception("decision %d failed by an error of the program", stored.id)
            return "Not done: an error of the program, see the log; use the command."

    def _load(self, token: str) -> StoredDecision | None:
        id = tokens.parse_number(token)
        if id is None:
            return None
        with reading(self._parts.engine) as conn:
            stored = operator_decisions.load_decision(conn, id)
        if stored is None or stored.kind not in DECISIONS:
            return None
        trusted = self._keys().trusted_token_keys(self._parts.clock())
        valid = any(tokens.check(key, Purpose.DECIDE, token, stored.id, stored.nonce) for key in trusted)
        return stored if valid else None

    def _view(self, stored: StoredDecision) -> DecisionView:
        kind = DECISIONS[stored.kind]
        if stored.choice is not None:
            return DecisionView(
                DecisionState.CHOSEN if stored.done_at is None else DecisionState.DONE,
                kind.choices,
                stored.expires_at,
                chosen=next((each for each in kind.choices if each.name == stored.choice), None),
                chosen_at=stored.chosen_at,
                result=stored.result or "",
            )
        text = kind.describe(self._parts, stored.about)
        state = (
            DecisionState.OVER
            if text is None
            else DecisionState.EXPIRED
            if self._parts.clock() >= stored.expires_at
            else DecisionState.OPEN
        )
        fields = () if text is None else kind.fields(self._parts, stored.about)
        return DecisionView(state, kind.choices, stored.expires_at, text, fields=fields)


def _read_answers(view: DecisionView, answers: Mapping[str, str]) -> dict[str, str]:
    """The values of the fields of a decision; empty ones are left out."""
    written = {field.name: answers.get(field.name, "").strip()[:_LONGEST_ANSWER] for field in view.fields}
    return {name: text for name, text in written.items() if text}


def _with_problems(
    view: DecisionView, answers: Mapping[str, str], problems: Mapping[str, str]
) -> DecisionView:
    return replace(
        view,
        fields=tuple(
            replace(
                field,
                value=answers.get(field.name, ""),
                problem=problems.get(field.name, "" if answers else "Nothing was written in any field."),
            )
            for field in view.fields
        ),
    )
