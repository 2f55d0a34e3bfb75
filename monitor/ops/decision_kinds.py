"""The kinds of decisions by a button or a link; each does the same as the command of that name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.domain import Change, Kind, Listing
from monitor.formatting import format_count, format_minute
from monitor.ops.decision_parts import Choice, DecisionKind, DecisionParts, DecisionText
from monitor.ops.place_decision import PlacesDecision
from monitor.outbox import clone_guard
from monitor.polling import Hold, approve, load_holds, reject
from monitor.storage.deliveries import dead_letters, operator_rows, queue, refusals
from monitor.storage.engine import reading, transaction
from monitor.storage.lists.changes import StoredChange

_MOST_ITEMS = 30  # the most items listed in a decision; the rest is counted


class HoldsDecision(DecisionKind):
    """Held changes and rejected publications of a list, as of the time of the notice."""

    choices = (Choice("approve", "Publish them now"), Choice("reject", "Reject them"))

    def freeze(self, parts: DecisionParts, about: str) -> str | None:
        ids = [hold.id for hold in load_holds(parts.engine) if hold.source == about]
        return json.dumps({"source": about, "ids": ids}) if ids else None

    def describe(self, parts: DecisionParts, stored: str) -> DecisionText | None:
        source, holds = self._load(parts, stored)
        if not holds:
            return None
        facts = list(dict.fromkeys(f"Why: {hold.what.reason}" for hold in holds if hold.what.reason))
        ends = [hold.what.release_at for hold in holds if hold.what.release_at is not None]
        if ends:
            facts.append(f"Without you it ends by itself, from {format_minute(min(ends))} on.")
        items = [_describe_hold(hold) for hold in holds[:_MOST_ITEMS]]
        if len(holds) > _MOST_ITEMS:
            items.append(f"and {len(holds) - _MOST_ITEMS} more")
        return DecisionText(
            f"{source}: {_count_holds(holds)}",
            tuple(facts),
            f"monitor holds approve --all --source {source}",
            tuple(items),
        )

    def carry_out(self, parts: DecisionParts, stored: str, choice: str, answers: Mapping[str, str]) -> str:
        _, holds = self._load(parts, stored)
        ids = [hold.id for hold in holds]
        if not ids:
            return "Nothing of it was held any more."
        if choice == "reject":
            reject(parts.engine, ids, now=parts.clock())
            return f"{len(ids)} rejected."
        with parts.open_parser() as parser:
            done = approve(parts.engine, parts.watches(), ids, now=parts.clock(), parser=parser)
        counts = [sum(getattr(one, name) for one in done) for name in ("added", "removed", "changed")]
        if not any(counts):
            reasons = " ".join(dict.fromkeys(one.reason for one in done if one.reason))
            return f"Nothing was published. {reasons}".strip()
        return f"Published: {counts[0]} added, {counts[1]} removed, {counts[2]} changed."

    @staticmethod
    def _load(parts: DecisionParts, stored: str) -> tuple[str, list[Hold]]:
        about: dict[str, Any] = json.loads(stored)
        ids = set(about["ids"])
        return about["source"], [
            hold for hold in load_holds(parts.engine) if hold.source == about["source"] and hold.id in ids
        ]


class ResumeDecision(DecisionKind):
    """A database that looks copied or restored."""

    choices = (Choice("resume", "Send from this database"),)

    def freeze(self, parts: DecisionParts, about: str) -> str | None:
        return about

    def describe(self, parts: DecisionParts, stored: str) -> DecisionText | None:
        reason = clone_guard.check(parts.engine, parts.folder).reason
        if reason is None:
            return None
        with reading(parts.engine) as conn:
            groups = queue.load_due_groups(conn)
        items = tuple(
            f"{format_count(group.count, 'message is', 'messages are')} due by {group.channel} about "
            f"{group.source or 'subscriptions'}, from "
            f"{format_minute(group.oldest)} to {format_minute(group.newest)}."
            for group in groups
        )
        facts = (
            f"Nothing is sent: {reason.partition(';')[0]}.",
            "Is the original still running? Then do not send from here: people would get everything twice.",
            "This is due and would be sent first:" if groups else "Nothing is due now.",
        )
        return DecisionText("This database looks copied or restored", facts, "monitor resume", items)

    def carry_out(self, parts: DecisionParts, stored: str, choice: str, answers: Mapping[str, str]) -> str:
        clone_guard.allow_sending(parts.engine, parts.folder, now=parts.clock())
        return "This database sends from now on."


class RetryDecision(DecisionKind):
    """Messages that have failed for good."""

    choices = (Choice("retry", "Try them again"),)

    def freeze(self, parts: DecisionParts, about: str) -> str | None:
        with reading(parts.engine) as conn:
            ids = [id for id, _, _ in operator_rows.load_failures(conn)]
        return json.dumps(ids) if ids else None

    def describe(self, parts: DecisionParts, stored: str) -> DecisionText | None:
        ids = set(json.loads(stored))
        with reading(parts.engine) as conn:
            failed = [each for each in operator_rows.load_failures(conn) if each[0] in ids]
        if not failed:
            return None
        answers = dict.fromkeys(f"{channel}: {error}" for _, channel, error in failed)
        return DecisionText(
            f"{format_count(len(failed), 'message has', 'messages have')} failed for good",
            ("What the servers said:",),
            "monitor outbox",
            tuple(answers)[:_MOST_ITEMS],
        )

    def carry_out(self, parts: DecisionParts, stored: str, choice: str, answers: Mapping[str, str]) -> str:
        with transaction(parts.engine) as conn:
            queued = dead_letters.requeue(conn, parts.clock(), json.loads(stored))
        return f"{format_count(len(queued), 'message is', 'messages are')} due again."


class RestoreDecision(DecisionKind):
    """A wave of refusals whose cause is fixed: a channel and an answer, separated by a space."""

    choices = (Choice("restore", "Undo them, send again"),)

    def freeze(self, parts: DecisionParts, about: str) -> str | None:
        return about

    def describe(self, parts: DecisionParts, stored: str) -> DecisionText | None:
        channel, _, answer = stored.partition(" ")
        with reading(parts.engine) as conn:
            waves = refusals.load_waves(conn, parts.clock() - refusals.KEPT)
        wave = next((one for one in waves if (one.channel, one.answer) == (channel, answer)), None)
        if wave is None:
            return None
        lines = (
            f"{format_count(wave.people, 'person', 'people')} at {format_count(wave.lanes, 'mail domain')}, "
            f"since {format_minute(wave.since)}.",
            f"One of the answers: {wave.error}",
            "Mend the cause first: what is sent again now would come back the same way.",
        )
        return DecisionText(f"Refused with {answer}", lines, f"monitor outbox restore '{answer}'")

    def carry_out(self, parts: DecisionParts, stored: str, choice: str, answers: Mapping[str, str]) -> str:
        channel, _, answer = stored.partition(" ")
        with transaction(parts.engine) as conn:
            people, queued = refusals.restore(conn, channel, answer, parts.clock())
        return (
            f"Nothing counts against {format_count(people, 'person', 'people')}, "
            f"{format_count(queued, 'message is', 'messages are')} due again."
        )


DECISIONS: Mapping[str, DecisionKind] = {
    "holds": HoldsDecision(),
    "resume": ResumeDecision(),
    "retry": RetryDecision(),
    "restore": RestoreDecision(),
    "places": PlacesDecision(),
}
"""The kinds of decisions by name, as `health.Question` and the database name them."""


def _count_holds(holds: Sequence[Hold]) -> str:
    changes = sum(isinstance(hold.what, StoredChange) for hold in holds)
    rejected = len(holds) - changes
    counts = (
        format_count(changes, "change is held", "changes are held") if changes else "",
        format_count(rejected, "publication is rejected", "publications are rejected") if rejected else "",
    )
    return ", ".join(filter(None, counts))


def _describe_hold(hold: Hold) -> str:
    what = hold.what
    if not isinstance(what, StoredChange):
        return f"A publication of {what.listings:,} listings, rejected."
    return _describe_change(what.change)


def _describe_change(change: Change) -> str:
    subject = _describe_listing(change.subject)
    match change.kind:
        case Kind.ADDED:
            return f"Added: {subject}"
        case Kind.REMOVED:
            return f"No longer listed: {subject}"
    assert change.before is not None
    before = _describe_listing(change.before)
    return f"Changed: {before} -> {subject}" if before != subject else f"Changed: {subject}"


def _describe_listing(listing: Listing) -> str:
    place = listing.state or listing.state_text
    return f"{listing.name} ({place})" if place else listing.name
