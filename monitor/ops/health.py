"""What an operator needs to know now: how fresh each source is, what the outbox owes, and whether the sender is working."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from monitor.channels import EVERYTHING
from monitor.core.freshness import freshness
from monitor.storage import facts, people
from monitor.storage.engine import reading
from monitor.storage.lists import overview
from monitor.storage.lists.overview import OFTEN
from monitor.storage.people import signups

# sender and bot give a sign of life every 20 seconds; a container is called unhealthy when it was silent for this long
SILENT_AFTER = timedelta(minutes=2)
_POLL = "start `monitor run` or call `monitor poll`"
# when so many addresses, and such a share of all, close within a day, something may be wrong with the mail server and not with them
WAVE, WAVE_SHARE = 10, 0.05
DAY = timedelta(days=1)


def status(
    engine: Engine,
    sources: Mapping[str, timedelta],
    *,
    configured: Collection[str],
    fenced: str | None,
    now: datetime,
    signups_an_hour: int | None = None,
    bot: bool = False,
) -> dict[str, Any]:
    """The state of everything as one JSON-ready object.

    ``sources`` gives each watched source's polling interval, ``configured`` the channels that have a transport, ``fenced`` why nothing
    is sent (None: it is), ``signups_an_hour`` the limit of sign-ups, ``bot`` whether one is configured. Keys: ``now, ok, problems,
    sources, outbox, sender``, and ``bot`` where one is configured; times are ISO 8601 in UTC, ages in seconds.
    """
    problems: list[str] = []
    with reading(engine) as conn:
        states = {name: overview.source_state(conn, name) for name in sources}
        owed = overview.outbox(conn)
        beat, bot_beat = facts.heartbeat(conn, "sender"), facts.heartbeat(conn, "bot")
        trouble = facts.get(conn, facts.BOT_TROUBLE)
        pausing = facts.lanes(conn, now)
        signed_up = signups.counted(conn, signups.SITE, now)
        suppressed = people.lately_suppressed(conn, now - DAY)
        living = people.count_living(conn) if suppressed >= WAVE else 0
    lines: dict[str, Any] = {}
    for name, state in states.items():
        is_blind = freshness(state.last_good_at, state.last_fetch_at, sources[name], now).blind
        lines[name] = {
            "last_good_at": _iso(state.last_good_at),
            "age": _age(state.last_good_at, now),
            "blind": is_blind,
            "baseline": state.baseline,
            "pending": state.pending,
            "held": state.held,
            "last_fetch_at": _iso(state.last_fetch_at),
            "last_outcome": state.last_outcome,
            "last_reason": state.last_reason,
            "next_poll_at": _iso(state.next_poll_at),
            "rejected": state.rejected_hash[:12] if state.rejected_hash else None,
        }
        why = {
            "rejected": f"a publication was rejected: {state.last_reason} (see `monitor holds`)",
            "failed": f"the last poll failed: {state.last_reason}",
        }.get(state.last_outcome or "")
        if is_blind:
            since = _iso(state.last_good_at) or "it was added"
            problems.append(f"{name} was not read since {since}: {why or f'nobody polls it; {_POLL}'}")
        elif state.last_outcome is None:
            problems.append(f"{name} was never polled; {_POLL}")
        elif why:
            problems.append(f"{name}: {why}")
    waiting = {channel: count for channel, count in owed.due.items() if channel not in configured}
    pauses = [pause for pause in pausing if pause.channel in configured]
    for pause in pauses:
        if pause.name == EVERYTHING:
            problems.append(f"{pause.channel}: nothing is sent before {_iso(pause.until)}: {pause.reason}")
    # a chat asks for a pause in the ordinary course of things, a mail domain because it mistrusts the sender
    domains = [pause for pause in pauses if pause.channel == "email" and pause.name != EVERYTHING]
    if domains:
        problems.append(
            f"email: {len(domains)} mail domains refuse us for now, one with: {domains[0].reason}"
        )
    for channel, (count, error) in sorted(owed.refused.items()):
        if channel in configured:
            problems.append(
                f"{channel}: {count} deliveries were tried {OFTEN} times or more, the last answer: {error}"
            )
    for channel, count in sorted(waiting.items()):
        problems.append(f"{count} deliveries wait for the channel {channel}, which is not configured")
    if owed.failed:
        problems.append(f"{owed.failed} deliveries have failed for good (see `monitor failed`)")
    if signups_an_hour is not None and signed_up > signups_an_hour:
        problems.append(
            f"sign-ups: {signed_up} came within this hour, and those above {signups_an_hour} were turned away"
        )
    if suppressed >= WAVE and suppressed > (suppressed + living) * WAVE_SHARE:
        problems.append(
            f"{suppressed} addresses of {suppressed + living} were closed within a day because they refuse mail:"
            " see in the mail server's log whether that is so"
        )
    if fenced:
        problems.append(fenced)
    sending, talking = _alive(beat, now), _alive(bot_beat, now)
    if not sending and (owed.unfanned or any(channel in configured for channel in owed.due)):
        problems.append(
            "deliveries are due and no sender is working; start `monitor run` or call `monitor deliver`"
        )
    # whoever only calls `monitor deliver` now and then never had a bot at work, and behind a closed fence it keeps silent
    silent = bot and not talking and not fenced and (sending or bot_beat is not None)
    bot_problem = f"the bot answers nobody, last seen {_iso(bot_beat) or 'never'}" if silent else None
    if bot_problem and trouble:
        bot_problem += f": {trouble}"
    if bot_problem:
        problems.append(bot_problem)
    return {
        "now": _iso(now),
        "ok": not problems,
        "problems": problems,
        "sources": lines,
        "outbox": {
            "due": sum(owed.due.values()),
            "due_by_channel": owed.due,
            "waiting_for_channel": waiting,
            "oldest_due_at": _iso(owed.oldest_due_at),
            "oldest_age": _age(owed.oldest_due_at, now),
            "paused": [
                {"channel": pause.channel, "until": _iso(pause.until), "reason": pause.reason}
                for pause in pauses
                if pause.name == EVERYTHING
            ],
            "refused_often": {channel: count for channel, (count, _) in sorted(owed.refused.items())},
            "failed": owed.failed,
            "to_fan_out": owed.unfanned,
            "fenced": fenced is not None,
        },
        "sender": {"last_beat_at": _iso(beat), "age": _age(beat, now), "working": sending},
    } | (
        {
            "bot": {
                "last_beat_at": _iso(bot_beat),
                "age": _age(bot_beat, now),
                "working": talking,
                "problem": bot_problem,
            }
        }
        if bot
        else {}
    )


def _alive(beat: datetime | None, now: datetime) -> bool:
    return beat is not None and now - beat <= SILENT_AFTER


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def _age(at: datetime | None, now: datetime) -> int | None:
    return int((now - at).total_seconds()) if at else None
