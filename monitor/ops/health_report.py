"""The state of the service as one JSON-ready object, for `monitor status` and the readiness probe."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitor.ops.health import find_problems
from monitor.ops.health_facts import HealthFacts, SourceFacts, is_alive
from monitor.ops.record_health import report_forks


def report_status(seen: HealthFacts) -> dict[str, Any]:
    """Compute one JSON-ready object from the facts.

    Keys: ``now, ok, problems, sources, outbox, sender``, and ``placements``, ``forks`` and ``bot`` where
    there is one; times are ISO 8601 in UTC, ages in seconds.
    """
    found = find_problems(seen)
    whole: dict[str, Any] = {
        "now": _iso(seen.now),
        "ok": not found,
        "problems": [finding.problem for finding in found],
        "sources": {source.info.name: _source_report(source, seen.now) for source in seen.sources},
        "outbox": _outbox_report(seen),
        "sender": _beat_report(seen.sender_beat, seen.now, seen.sender_works),
    }
    if seen.placing is not None:
        whole["placements"] = seen.placing
    if seen.forks:
        whole["forks"] = report_forks(seen)
    if seen.has_bot:
        problem = next((finding.problem for finding in found if finding.part == "bot"), None)
        whole["bot"] = {
            **_beat_report(seen.bot_beat, seen.now, seen.bot_works),
            "problem": problem,
        }
    return whole


def _source_report(source: SourceFacts, now: datetime) -> dict[str, Any]:
    state = source.state
    waiting: dict[str, Any] = {}
    if (last := source.held.last) is not None:
        waiting = {"held_until": _iso(last.until), "held_reason": last.reason}
        waiting["holds"] = [
            {"count": group.count, "until": _iso(group.until), "reason": group.reason}
            for group in source.held.groups
        ]
    return {
        "last_good_at": _iso(state.last_good_at),
        "age": _age(state.last_good_at, now),
        "blind": source.blind,
        "baseline": state.baseline,
        "pending": state.pending,
        "held": state.held,
        "last_fetch_at": _iso(state.last_fetch_at),
        "last_outcome": state.last_outcome,
        "last_reason": state.last_reason,
        "next_poll_at": _iso(state.next_poll_at),
        "rejected": state.rejected_hash[:12] if state.rejected_hash else None,
        "rejected_until": _iso(state.rejected_until),
        **waiting,
    }


def _outbox_report(seen: HealthFacts) -> dict[str, Any]:
    outbox = seen.outbox
    return {
        "due": sum(outbox.due.values()),
        "due_by_channel": outbox.due,
        "waiting_for_channel": seen.waiting,
        "oldest_due_at": _iso(outbox.oldest_due_at),
        "oldest_age": _age(outbox.oldest_due_at, seen.now),
        "paused": [
            {"channel": pause.channel, "until": _iso(pause.until), "reason": pause.reason}
            for pause in seen.paused
        ],
        "refused_often": {channel: count for channel, (count, _) in sorted(outbox.refused.items())},
        "failed": outbox.failed,
        "unknown": outbox.unknown,
        "to_fan_out": outbox.unfanned,
        "fenced": seen.fenced is not None,
    }


def _beat_report(beat: datetime | None, now: datetime, works: bool) -> dict[str, Any]:
    return {"last_beat_at": _iso(beat), "age": _age(beat, now), "working": works and is_alive(beat, now)}


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _age(at: datetime | None, now: datetime) -> int | None:
    return int((now - at).total_seconds()) if at else None
