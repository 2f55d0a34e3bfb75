"""Notifies the operator of what needs attention: each condition once, again when it concerns more than before
(more held changes, more agencies without a place), and again when it is over. A condition that grows at each
poll is repeated once a day, sooner only if it has doubled: a list with one more held change at each poll
would otherwise cause a notice each hour, which nobody reads.

Notices are sent directly, not through the outbox, which may be what is stuck, and the clone guard does not
stop them. The conditions already reported are kept in memory and, if it can be written, in the database, so
that a restart does not repeat them.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from monitor.channels import Channel
from monitor.core import tokens
from monitor.core.tokens import Purpose
from monitor.domain import Envelope
from monitor.errors import MonitorError, SendError
from monitor.messages.model import NoticeDecision, OperatorNotice
from monitor.ops.health import BOT, FENCE, HealthFinding, Question, paused_key
from monitor.storage import database_facts
from monitor.storage.engine import reading, transaction

log = logging.getLogger(__name__)

TOLD = "told to the operator"
"""The name of the stored fact with the reported conditions: a JSON object from key to sentence."""
MEMBERS = "members told to the operator"
"""The name of the stored fact with the members of each reported condition: a JSON object from key to short
hashes.
"""
TOLD_AT = "when it was told to the operator"
"""The name of the stored fact with the time at which each growing condition was reported: a JSON object from
key to time.
"""
DECIDE = "decide"
"""The bot's command, and the first part of the page's path, with which a token is used."""
DATABASE = "database"
SEEN_TWICE = 2
"""The number of consecutive checks that must find a condition, or miss it, before it is reported."""
GROWN_AFTER = timedelta(days=1)
"""The time after which a condition that has grown is reported again, unless it has doubled."""
PAUSED_RETRY = timedelta(minutes=15)
"""How long a failed route is not used while the outbox itself probes its server."""


@dataclass(frozen=True, slots=True)
class NoticeWay:
    """One of the operator's own addresses. ``open`` creates a transport, ``render`` renders a message for it.
    ``has_buttons``: the bot accepts decisions from there.
    """

    channel: str
    address: str
    open: Callable[[], Channel]
    render: Callable[[OperatorNotice], object]
    has_buttons: bool = False


class OperatorNotifier:
    """Checks the state of the service and notifies the operator of changes in it.

    ``find`` reads the current conditions; its StoreError is a condition too. ``domain`` is that of the
    sender's address, for Message-IDs. ``ask`` creates the token with which a question is decided (None: there
    is nothing to decide), ``link`` the URL of its page (None: there is no site). Not thread-safe.
    """

    def __init__(
        self,
        engine: Engine,
        find: Callable[[], Iterable[HealthFinding]],
        ways: Sequence[NoticeWay],
        *,
        domain: str,
        clock: Callable[[], datetime],
        ask: Callable[[Question], str | None] = lambda question: None,
        link: Callable[[str], str] | None = None,
    ) -> None:
        self._engine, self._find, self._ways = engine, find, ways
        self._ask, self._link = ask, link
        self._domain, self._clock = domain, clock
        self._told: dict[str, str] | None = None
        self._members: dict[str, frozenset[str]] = {}  # of the reported conditions
        self._told_at: dict[str, datetime] = {}  # of the reported conditions with members
        self._grown: dict[str, int] = {}  # consecutive checks that found more than was reported
        self._failed_at: dict[int, datetime] = {}  # by the number of a route, until a notice is sent by it
        self._streaks: dict[str, int] = {}  # consecutive checks: > 0 with the condition, < 0 without

    async def look(self) -> OperatorNotice | None:
        """Check once; returns the notice that was sent, None if there was nothing to report or no route
        worked.
        """
        told = self._read_told()
        found = {finding.key: finding for finding in self._read_conditions() if finding.notify}
        self._count(found, told)
        grown = self._find_grown(found, told)
        opened = [
            finding
            for key, finding in found.items()
            if key in grown or (key not in told and self._streaks[key] >= SEEN_TWICE)
        ]
        ended = [key for key in told if key not in found and -self._streaks[key] >= SEEN_TWICE]
        if not opened and not ended:
            return None
        notice = OperatorNotice(
            opened=tuple((finding.problem, finding.remedy) for finding in opened),
            ended=tuple(told[key] for key in ended),
        )
        bot_listens = not found.keys() & {FENCE, BOT}
        now = self._clock()
        ways = {
            number: way
            for number, way in enumerate(self._ways, 1)
            # while a server is unreachable, only the outbox probes it, with one message a minute
            if paused_key(way.channel) not in found
            or number not in self._failed_at
            or now - self._failed_at[number] >= PAUSED_RETRY
        }
        if not await self._send(notice, self._make_tokens(opened), ways, bot_listens):
            return None
        self._told = {key: text for key, text in told.items() if key not in ended} | {
            finding.key: finding.problem for finding in opened
        }
        known = {key: members for key, members in self._members.items() if key in self._told}
        self._members = known | {finding.key: _shorten(finding.members) for finding in opened}
        times = {key: at for key, at in self._told_at.items() if key in self._told}
        self._told_at = times | {finding.key: now for finding in opened if finding.members}
        self._write_told()
        return notice

    def _find_grown(self, found: Mapping[str, HealthFinding], told: Mapping[str, str]) -> set[str]:
        """Find the reported conditions that have grown, in as many consecutive checks as a new one needs:
        doubled, or grown at all after `GROWN_AFTER`. If an earlier version reported a condition, its current
        members count as reported now.
        """
        now = self._clock()
        for key in told:
            finding = found.get(key)
            if finding is not None and finding.members:
                members = _shorten(finding.members)
                known = self._members.setdefault(key, members)
                waited = now - self._told_at.setdefault(key, now) >= GROWN_AFTER
                more = len(members - known)
                grown = more > 0 and (waited or more >= len(known))
                self._grown[key] = self._grown.get(key, 0) + 1 if grown else 0
        self._grown = {key: count for key, count in self._grown.items() if key in found and key in told}
        return {key for key, count in self._grown.items() if count >= SEEN_TWICE}

    def _read_conditions(self) -> list[HealthFinding]:
        try:
            return list(self._find())
        except MonitorError as error:
            return [HealthFinding("database", str(error), DATABASE, notify=True)]

    def _count(self, found: Mapping[str, HealthFinding], told: Mapping[str, str]) -> None:
        """Count consecutive checks. While the database cannot be read, no other condition counts as over."""
        for key in [*found, *told]:
            streak = self._streaks.get(key, 0)
            if key in found:
                self._streaks[key] = max(streak, 0) + 1
            elif DATABASE not in found:
                self._streaks[key] = min(streak, 0) - 1
        self._streaks = {key: self._streaks.get(key, 0) for key in {*found, *told}}

    def _make_tokens(self, opened: Iterable[HealthFinding]) -> list[tuple[str, str, Question]]:
        """Create the token of each problem that needs a decision. Without a database or a key there are none,
        and the notice is still sent.
        """
        made = []
        for finding in opened:
            if finding.question is not None:
                with suppress(MonitorError):
                    token = self._ask(finding.question)
                    if token is not None:
                        made.append((finding.problem, token, finding.question))
        return made

    async def _send(
        self,
        notice: OperatorNotice,
        tokens: Sequence[tuple[str, str, Question]],
        ways: Mapping[int, NoticeWay],
        bot_listens: bool,
    ) -> bool:
        """Send by the first of these routes that works, with the decisions that are possible there."""
        for number, way in ways.items():
            decisions = tuple(
                NoticeDecision(
                    problem,
                    url=self._link(token) if self._link else "",
                    command=f"{DECIDE} {token}"
                    if way.has_buttons and bot_listens and not question.needs_words
                    else "",
                )
                for problem, token, question in tokens
            )
            shown = replace(notice, decisions=decisions)
            try:
                async with way.open() as channel:
                    await channel.send(way.render(shown), self._address(way))
            except (SendError, MonitorError) as error:
                log.error("the notice to the operator could not be sent by way %d: %s", number, error)
                self._failed_at[number] = self._clock()
                continue
            self._failed_at.pop(number, None)
            log.info("told the operator: %d new, %d over", len(notice.opened), len(notice.ended))
            return True
        return False

    def _address(self, way: NoticeWay) -> Envelope:
        now = self._clock()
        return Envelope(
            delivery=0,
            address=way.address,
            message_id=f"<operator.{int(now.timestamp())}@{self._domain}>",
            # no "stop": [operator] notify ends the notices, and no mailbox of the domain does
            placeholders={"bounce": tokens.make(b"operator", Purpose.BOUNCE, 1, "operator")},
        )

    def _read_told(self) -> dict[str, str]:
        if self._told is None:
            with suppress(MonitorError, ValueError):
                with reading(self._engine) as conn:
                    known: Any = json.loads(database_facts.get(conn, TOLD) or "{}")
                    members: Any = json.loads(database_facts.get(conn, MEMBERS) or "{}")
                    times: Any = json.loads(database_facts.get(conn, TOLD_AT) or "{}")
                self._told_at = {str(key): datetime.fromisoformat(at) for key, at in times.items()}
                self._told = {str(key): str(text) for key, text in known.items()}
                self._members = {str(key): frozenset(map(str, hashes)) for key, hashes in members.items()}
        return self._told or {}

    def _write_told(self) -> None:
        try:
            with transaction(self._engine) as conn:
                database_facts.put(conn, TOLD, json.dumps(self._told))
                kept = {key: sorted(hashes) for key, hashes in self._members.items() if hashes}
                database_facts.put(conn, MEMBERS, json.dumps(kept))
                times = {key: at.isoformat() for key, at in self._told_at.items()}
                database_facts.put(conn, TOLD_AT, json.dumps(times))
        except MonitorError as error:
            log.warning("what the operator was told stays in memory for now: %s", error)


def _shorten(members: Iterable[str]) -> frozenset[str]:
    """Shorten members to hashes, so that thousands of agencies without a place take little room in the
    database.
    """
    return frozenset(hashlib.sha256(member.encode()).hexdigest()[:10] for member in members)
