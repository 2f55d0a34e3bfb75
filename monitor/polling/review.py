"""An operator's decisions about held changes and rejected publications."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.engine import Connection, Engine

from monitor.core.accepted_values import reconcile
from monitor.core.diff import diff
from monitor.domain import Judgment, State
from monitor.errors import BaselineMoved, UsageError
from monitor.parser import IN_PROCESS, Parser
from monitor.polling import apply
from monitor.polling.apply import Moves
from monitor.polling.poll_result import PollOutcome, PollResult
from monitor.polling.polled_source import PolledSource
from monitor.polling.reparse import rebase
from monitor.record import log
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, bodies, changes, history
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.history import SnapshotInfo

_Done = TypeVar("_Done")
REFUSED = "A person rejected it."
_DIGITS = 12  # the digits of a body's hash that are shown to people
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Hold:
    """A held change, or a rejected snapshot that is still served (``what``). ``id`` is shown to people."""

    id: str
    what: StoredChange | SnapshotInfo

    @property
    def source(self) -> str:
        return self.what.source


def load_holds(engine: Engine) -> tuple[Hold, ...]:
    """Read the held changes and rejected publications, by source, without those that an operator has already
    rejected.
    """
    with reading(engine) as conn:
        held = [row for row in changes.load_standing(conn) if row.state is State.HELD]
        rejected = [
            seen
            for source in baseline.load_sources(conn)
            if (seen := history.find_rejected_now(conn, source)) is not None
            and history.load_approval(conn, source, seen.hash) is None
        ]
    holds = [Hold(seen.hash[:_DIGITS], seen) for seen in rejected] + [Hold(str(row.id), row) for row in held]
    return tuple(sorted(holds, key=lambda hold: hold.source))


def approve(
    engine: Engine,
    watches: Mapping[str, PolledSource],
    ids: Iterable[str],
    *,
    now: datetime,
    parser: Parser = IN_PROCESS,
) -> tuple[PollResult, ...]:
    """Approve changes (by number) and rejected publications (by at least 12 digits of their hash); returns
    one result per source and publication.

    Open changes are published at once. A publication that was replaced meanwhile is accepted when it is
    served again. Raises UsageError, before anything is written, for an id that is unknown or no longer open.
    """
    with reading(engine) as conn:
        rows, rejected = _load_named(conn, ids)
    unknown = {row.source for row in rows} | {seen.source for seen in rejected}
    for source in sorted(unknown - watches.keys()):
        raise UsageError(f"the source {source!r} is not configured any more")
    outcomes = []
    for seen in rejected:
        outcomes.append(_settle(_take, engine, watches[seen.source], seen, now, parser))
    for source, chosen in _by_source(rows).items():
        outcomes.append(_settle(_publish, engine, watches[source], chosen, now))
    return tuple(outcomes)


def reject(engine: Engine, ids: Iterable[str], *, now: datetime) -> None:
    """Silence changes while they are open, and reject publications for good. Raises UsageError as `approve`
    does.
    """
    with reading(engine) as conn:
        rows, rejected = _load_named(conn, ids)
    for source, chosen in _by_source(rows).items():
        _settle(_silence, engine, source, chosen, now)
    if rejected:
        with transaction(engine) as conn:
            for seen in rejected:
                log.append_decision(conn, seen.source, "rejected", now, body=seen.hash)
                history.put_approval(conn, seen.source, seen.hash, approved=False, now=now)


def _load_named(
    conn: Connection, ids: Iterable[str]
) -> tuple[tuple[StoredChange, ...], tuple[SnapshotInfo, ...]]:
    """Read the open changes and rejected snapshots that the ids name. Raises UsageError for any other id."""
    numbers: list[int] = []
    rejected: list[SnapshotInfo] = []
    for text in dict.fromkeys(ids):
        if text.isascii() and text.isdecimal() and len(text) < _DIGITS:
            numbers.append(int(text))
        elif re.fullmatch(rf"[0-9a-f]{{{_DIGITS},64}}", text.lower()):
            found = history.find_snapshots_by_prefix(conn, text.lower(), history.REJECTED)
            if not found:
                raise UsageError(f"no rejected publication has a hash that begins with {text}")
            rejected += found
        else:
            raise UsageError(
                f"{text!r} is neither the number of a change nor {_DIGITS} digits of a publication's hash; "
                "see `monitor holds`"
            )
    rows = changes.load_by_ids(conn, numbers)
    for number in sorted(set(numbers) - {row.id for row in rows}):
        raise UsageError(f"there is no change {number}; see `monitor holds`")
    for row in rows:
        if row.state not in changes.OPEN:
            raise UsageError(f"change {row.id} is not open any more: it was {row.state.value}")
    return rows, tuple(rejected)


def _by_source(rows: Iterable[StoredChange]) -> dict[str, frozenset[int]]:
    numbers: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        assert row.id is not None
        numbers[row.source].add(row.id)
    return {source: frozenset(chosen) for source, chosen in numbers.items()}


def _settle(act: Callable[..., _Done], *arguments: Any) -> _Done:
    """Call ``act``, and again if a poll moved the baseline in between."""
    for _ in range(_TRIES):
        try:
            return act(*arguments)
        except BaselineMoved:
            continue
    raise BaselineMoved


def _publish(engine: Engine, watch: PolledSource, chosen: frozenset[int], now: datetime) -> PollResult:
    """Publish these changes as they are stored; the others stay open."""
    with reading(engine) as conn:
        view = apply.load_state(conn, watch, now)
    judgments = [
        Judgment(row.change, State.PUBLISHED, row.first_seen_at, row.reason, held=True)
        for row in view.rows
        if row.id in chosen
    ]
    if not judgments:
        raise UsageError("none of these changes is open any more")
    placed = apply.locate_published(watch, judgments)
    with transaction(engine) as conn:
        log.append_decision(conn, watch.name, "approved", now, [row for row in view.rows if row.id in chosen])
        moved = apply.compute_moves(conn, view, judgments, now, all_judged=False, approved=True)
        baseline.advance(conn, view.believed, number=view.believed.number + 1)
        apply.write(conn, view.believed, moved, placed, view.believed.last_good_fetch, now)
    return apply.summarize_moves(watch.name, moved)


def _silence(engine: Engine, source: str, chosen: frozenset[int], now: datetime) -> None:
    with reading(engine) as conn:
        believed = baseline.load_info(conn, source)
        rows = changes.load_standing(conn, source)
    silenced = [
        replace(row, state=State.REJECTED, approved=False, release_at=None, reason=REFUSED)
        for row in rows
        if row.id in chosen
    ]
    with transaction(engine) as conn:
        log.append_decision(conn, source, "rejected", now, silenced)
        # also increments the number: a poll that has read the old decision must read again
        baseline.advance(conn, believed, number=believed.number + 1)
        changes.write(conn, silenced)


def _take(
    engine: Engine, watch: PolledSource, seen: SnapshotInfo, now: datetime, parser: Parser
) -> PollResult:
    """Accept a rejected publication; if it is still served, with all its changes now."""
    rebase(engine, watch, now, parser)
    with reading(engine) as conn:
        served = history.find_rejected_now(conn, watch.name)
        body = bodies.load_body(conn, seen.hash)
        view = apply.load_state(conn, watch, now)
    if body is None or served is None or served.hash != seen.hash:
        with transaction(engine) as conn:
            log.append_decision(conn, watch.name, "approved", now, body=seen.hash)
            history.put_approval(conn, watch.name, seen.hash, approved=True, now=now)
        stands = apply.summarize_moves(watch.name, Moves(standing=view.rows))
        return replace(
            stands,
            outcome=PollOutcome.UNCHANGED,
            reason="it is no longer served; it is believed if it comes back",
        )
    publication = reconcile(view.accepted.listings, parser.parse(body, watch.options)).publication
    differences = diff(
        view.accepted.listings,
        publication.listings,
        silent=watch.policy.silent,
        new_columns=view.believed.columns ^ publication.columns,
        pairing=parser.pair,
    )
    # dated by the first refusal, not by the operator's decision
    judgments = apply.judge_approved(differences, served.at, served.reason)
    placed = apply.locate_published(watch, judgments)
    with transaction(engine) as conn:
        log.append_decision(conn, watch.name, "approved", now, body=seen.hash)
        moved = apply.compute_moves(conn, view, judgments, now, approved=True)
        history.put_approval(conn, watch.name, seen.hash, approved=True, now=now)
        history.accept_snapshot(conn, served.id)
        baseline.advance(
            conn,
            view.believed,
            number=view.believed.number + bool(moved),
            fingerprint=watch.fingerprint,
            columns=sorted(publication.columns),
            folders=list(publication.folders),
            last_good_fetch=served.fetch_id,
            last_good_at=served.last_seen_at,
            last_good_hash=served.hash,
        )
        apply.write(conn, view.believed, moved, placed, served.fetch_id, now)
    return apply.summarize_moves(watch.name, moved)
