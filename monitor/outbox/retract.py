"""The operator retracts a published change: it is marked on every page, and everybody who was alerted gets a
message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection, Engine

from monitor.domain import State
from monitor.errors import UsageError
from monitor.messages.retraction import LONGEST_REASON
from monitor.record import log
from monitor.storage.deliveries import retractions
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import changes, log_rows
from monitor.storage.lists.changes import OWN, StoredChange
from monitor.storage.lists.retracted_changes import mark_retracted


@dataclass(frozen=True, slots=True)
class RetractionPlan:
    """The effect of a retraction: the change, and the number of recipients by channel."""

    change: StoredChange
    channels: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.channels.values())


def plan_retraction(engine: Engine, change: int) -> RetractionPlan:
    """Read who would be notified of a retraction (nobody if it was done before), without writing. Raises
    UsageError as `retract` does.
    """
    with reading(engine) as conn:
        row = _load_published(conn, change)
        return RetractionPlan(row, {} if row.retraction else _count(_load_listeners(conn, row)))


def retract(engine: Engine, change: int, texts: Mapping[str, str], *, now: datetime) -> RetractionPlan:
    """Retract a published change, and queue a message to everybody who was alerted and is still subscribed.

    ``texts`` are the reason by language and contain "en". It is one transaction. A change that is already
    retracted keeps its reason, and nobody is notified twice. Raises UsageError for a change that is not
    published or came with an import, and for a reason that is empty or too long.
    """
    cleaned = check_reason(texts)
    with transaction(engine) as conn:
        # lock the log first: every transaction that appends locks its head before anything else, so a
        # concurrent retraction is committed before the change is read
        log_rows.lock_head(conn)
        row = _load_published(conn, change)
        if row.retraction is not None:
            return RetractionPlan(row, {})
        log.append_retraction(conn, row, cleaned, now)
        mark_retracted(conn, change, cleaned, now)
        assert row.changeset is not None
        retractions.lock_messages(conn, row.changeset)
        listeners = _load_listeners(conn, row)
        retractions.insert_retractions(conn, change, [each.subscriber for each in listeners], now)
        return RetractionPlan(_load_published(conn, change), _count(listeners))


def check_reason(texts: Mapping[str, str]) -> dict[str, str]:
    """Check a reason and return it as stored. Raises UsageError if it is empty or too long."""
    cleaned = {language: " ".join(text.split()) for language, text in texts.items() if text.strip()}
    if "en" not in cleaned:
        raise UsageError("the retraction needs a reason")
    if (longest := max(map(len, cleaned.values()))) > LONGEST_REASON:
        raise UsageError(f"the reason has {longest} characters; at most {LONGEST_REASON} are allowed")
    return cleaned


def _load_published(conn: Connection, change: int) -> StoredChange:
    row = next(iter(changes.load_by_ids(conn, [change])), None)
    if row is None:
        raise UsageError(f"there is no change {change}: `monitor changes` lists them")
    if row.state is not State.PUBLISHED or row.changeset is None:
        raise UsageError(
            f"change {change} was not announced (it is {row.state.value}): `monitor holds reject` rejects "
            "what is held"
        )
    if row.origin != OWN:
        raise UsageError(
            f"change {change} came with an import, and nobody was told of it: `monitor import --undo` takes "
            "it back"
        )
    return row


def _load_listeners(conn: Connection, row: StoredChange) -> tuple[retractions.Listener, ...]:
    assert row.id is not None
    assert row.changeset is not None
    return retractions.load_listeners(conn, row.id, row.source, row.changeset)


def _count(listeners: tuple[retractions.Listener, ...]) -> dict[str, int]:
    return dict(sorted(Counter(each.channel for each in listeners).items()))
