"""Prepares claimed deliveries for sending. `prepare_contents` loads in a few queries and renders each content
once; `address` adds what is a recipient's own, in constant time.
"""

from __future__ import annotations

import logging
from collections import ChainMap, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine

from monitor.core import tokens
from monitor.domain import Envelope
from monitor.errors import KeyFileError, StoreError
from monitor.keys import KeyFile
from monitor.messages import Message
from monitor.messages.model import (
    AlsoListed,
    Digest,
    ListReadable,
    ListSwitchedOff,
    ListUnreadable,
    Receipt,
)
from monitor.outbox.load import DIGEST, NOTICE, MessageFacts, MessageLoader, find_asked_at, load_message_facts
from monitor.storage.deliveries import fanout, newly_covered, queue
from monitor.storage.deliveries.fanout import Match, Published
from monitor.storage.deliveries.newly_covered import NewlyCovered
from monitor.storage.deliveries.queue import ALERT, Claimed
from monitor.storage.deliveries.retractions import FirstMessage
from monitor.storage.engine import explain_errors, reading
from monitor.storage.lists import retracted_changes

log = logging.getLogger(__name__)

LATE_AFTER = timedelta(hours=24)
"""A change that was detected longer ago than this is marked as late in its alert."""
SUMMARY_AFTER = LATE_AFTER
"""Alerts to one person that are older than this are sent together, as one message."""
_CONTENTS = 4096  # the most cached rendered messages, some 10 kB each
_CHANGESETS = 64
_CARRYING = frozenset({ALERT, DIGEST, NOTICE})
"""Kinds of messages that also list agencies whose places are newly known."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """The recipient of a message. ``asked_at``: when they subscribed to its subject; ``confirm_until``: until
    when they may confirm; ``own_line``: the chat's own line under each post.
    """

    number: int
    channel: str
    language: str
    nonce: str
    asked_at: datetime
    confirm_until: datetime | None = None
    own_line: str | None = None


Render = Callable[[Message], object]
"""Renders a message for one channel."""
Placeholders = Callable[[Recipient], dict[str, str]]
"""Computes the values that differ by recipient, by placeholder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedContent:
    """What one message tells one person, before their address is opened and their links are made."""

    deliveries: tuple[Claimed, ...]
    recipient: Recipient
    rendered: object = field(repr=False)
    told: frozenset[int] = frozenset()
    answers: FirstMessage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedMessage:
    """One message for one person: one delivery, or several if old alerts are combined. ``told`` are its
    changes.
    """

    deliveries: tuple[Claimed, ...]
    rendered: object = field(repr=False)
    envelope: Envelope = field(repr=False)
    told: frozenset[int] = frozenset()
    ids: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        # computed once, because it is used several times for each message
        object.__setattr__(self, "ids", tuple(delivery.id for delivery in self.deliveries))


@dataclass(frozen=True, slots=True)
class NotRendered:
    """Deliveries for which no message could be rendered now, and why."""

    deliveries: tuple[Claimed, ...]
    error: str


@dataclass(frozen=True, slots=True)
class NotWanted:
    """Deliveries that are no longer wanted, and why."""

    ids: tuple[int, ...]
    reason: str


class MessagePreparer:
    """Prepares messages, and caches rendered ones.

    `prepare_contents` and `prepare` run in one thread at a time; `address` may run at the same time.
    """

    def __init__(
        self,
        engine: Engine,
        keys: KeyFile,
        loader: MessageLoader,
        render: Render,
        placeholders: Placeholders,
        *,
        series: str,
        domain: str,
        earlier_series: Sequence[tuple[datetime, str]] = (),
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._loader, self._render = loader, render
        self._placeholders = placeholders
        self._series = series
        self._earlier_series = tuple(earlier_series)
        self._domain = domain
        self._messages: OrderedDict[object, object] = OrderedDict()
        self._published: OrderedDict[int, dict[int, Published]] = OrderedDict()

    def prepare(self, ids: Collection[int], now: datetime) -> list[PreparedMessage | NotRendered | NotWanted]:
        """As `prepare_contents`, with each message addressed."""
        results = self.prepare_contents(ids, now)
        return [self.address(each) if isinstance(each, PreparedContent) else each for each in results]

    def prepare_contents(
        self, ids: Collection[int], now: datetime
    ) -> list[PreparedContent | NotRendered | NotWanted]:
        """Return one result per delivery, or per group of deliveries that become one message. A failure
        affects only its own delivery. Raises StoreError if the database fails, which must not count against a
        delivery.
        """
        with reading(self._engine) as conn:
            claimed = queue.load_claimed(conn, ids)
            matches = fanout.load_matches(conn, ids)
            facts = load_message_facts(conn, claimed, now)
            # other kinds contain only their own subject
            carrying = [delivery.id for delivery in claimed if delivery.kind in _CARRYING]
            owed = newly_covered.load_attached(conn, carrying) if carrying else {}
            wanted = {delivery.changeset for delivery in claimed if delivery.changeset is not None}
            wanted |= set(facts.sources)
            broken: dict[int, str] = {}
            for changeset in wanted - self._published.keys():
                try:
                    with explain_errors(self._engine):
                        self._published[changeset] = {
                            each.id: each for each in fanout.load_published(conn, changeset)
                        }
                except StoreError:
                    raise  # the database fails, not its content
                except Exception as error:
                    log.exception("the changes of changeset %d cannot be read", changeset)
                    broken[changeset] = f"its changes cannot be read: {type(error).__name__}"
            retracted = retracted_changes.load_retracted(conn, wanted) if wanted else frozenset[int]()
        if retracted:
            matches = _leave_out(matches, retracted)
            facts = replace(facts, matches=_leave_out(facts.matches, retracted))
        results = [
            self._prepare_content(group, matches, facts, owed, broken, now)
            for group in _group_old_alerts(claimed, now)
        ]
        while len(self._published) > _CHANGESETS:
            self._published.popitem(last=False)
        return results

    def _prepare_content(
        self,
        group: tuple[Claimed, ...],
        matches: dict[int, list[Match]],
        facts: MessageFacts,
        owed: Mapping[int, tuple[NewlyCovered, ...]],
        broken: dict[int, str],
        now: datetime,
    ) -> PreparedContent | NotRendered | NotWanted:
        first = group[0]
        ids = tuple(delivery.id for delivery in group)
        also = [each for id in ids for each in owed.get(id, ())]
        if first.sealed is None:
            return NotWanted(ids, "the subscriber has left")
        if first.id in facts.abouts:
            return self._prepare_other(first, facts, also, broken, now)
        for delivery in group:
            if delivery.kind != ALERT or delivery.changeset is None:
                return NotRendered(group, f"this version cannot write messages of the kind {delivery.kind!r}")
            if delivery.changeset in broken:
                return NotRendered(group, broken[delivery.changeset])
        hits = [match for delivery in group for match in matches.get(delivery.id, ())]
        if not hits:
            retracted = any(delivery.id in matches for delivery in group)
            return NotWanted(
                ids,
                "what it tells was retracted"
                if retracted
                else "the subscriber follows none of its places any more",
            )
        recipient = Recipient(
            first.number,
            first.channel,
            first.language,
            first.nonce,
            min(match.asked_at for match in hits),
            own_line=first.own_line,
        )
        told = frozenset(match.change for match in hits)
        return self._render_for(group, recipient, lambda: self._alert(group, hits, also, now), told)

    def _prepare_other(
        self,
        delivery: Claimed,
        facts: MessageFacts,
        owed: Sequence[NewlyCovered],
        broken: dict[int, str],
        now: datetime,
    ) -> PreparedContent | NotRendered | NotWanted:
        """A delivery that is no alert."""
        group = (delivery,)
        failed = next((broken[id] for id in facts.changesets.get(delivery.id, ()) if id in broken), None)
        if failed is not None:
            return NotRendered(group, failed)
        try:
            message = self._loader.build_message(delivery, facts, self._published, now)
            if isinstance(message, Digest | Receipt | ListUnreadable | ListSwitchedOff | ListReadable):
                message = replace(message, also=self._list_owed(group, owed))
        except StoreError:
            raise
        except Exception as error:
            log.exception("no message could be made of delivery %d", delivery.id)
            return NotRendered(group, f"no message could be made of it: {type(error).__name__}")
        if message is None:
            return NotWanted((delivery.id,), "there is nothing to say any more")
        recipient = Recipient(
            delivery.number,
            delivery.channel,
            delivery.language,
            delivery.nonce,
            find_asked_at(delivery, facts),
            facts.subscribers[delivery.subscriber].confirm_until,
            delivery.own_line,
        )
        told = frozenset(match.change for match in facts.matches.get(delivery.id, ()))
        retracted = facts.retractions.get(delivery.id)
        return self._render_for(
            group,
            recipient,
            lambda: self._render_once(message, lambda: message),
            told,
            retracted.first if retracted else None,
        )

    def address(self, content: PreparedContent) -> PreparedMessage | NotRendered:
        """Open the address and fill in the recipient's values: 0.1 ms, however long the message is."""
        first, answers = content.deliveries[0], content.answers
        assert first.sealed is not None
        try:
            envelope = Envelope(
                delivery=first.id,
                address=self._keys.open(first.channel, first.sealed),
                message_id=self._message_id(first.id),
                subscriber=first.subscriber,
                placeholders=self._placeholders(content.recipient),
                answers=self._find_first_id(answers) if answers else "",
                answered=(answers.reference or "") if answers else "",
            )
        except KeyFileError as error:
            return NotRendered(content.deliveries, str(error))
        except Exception as error:
            # its text, which a traceback shows, may hold the address
            what = f"it could not be addressed: {type(error).__name__}"
            log.error("delivery %d: %s", first.id, what)
            return NotRendered(content.deliveries, what)
        return PreparedMessage(
            deliveries=content.deliveries, rendered=content.rendered, envelope=envelope, told=content.told
        )

    def _render_for(
        self,
        group: tuple[Claimed, ...],
        recipient: Recipient,
        rendered: Callable[[], object],
        told: frozenset[int],
        answers: FirstMessage | None = None,
    ) -> PreparedContent | NotRendered:
        try:
            return PreparedContent(
                deliveries=group, recipient=recipient, rendered=rendered(), told=told, answers=answers
            )
        except StoreError:
            raise  # not the message's fault: if it counted, a failing database would end the message
        except Exception as error:
            # an error of a template or the program: an upgrade may fix it before the message is given up
            log.exception("no message could be made of delivery %d", group[0].id)
            return NotRendered(group, f"no message could be made of it: {type(error).__name__}")

    def _list_owed(self, group: tuple[Claimed, ...], owed: Sequence[NewlyCovered]) -> AlsoListed | None:
        first = group[0]
        return (
            self._loader.covered.list_newly_covered(first.subscriber, owed, first.language) if owed else None
        )

    def _alert(
        self, group: tuple[Claimed, ...], hits: Sequence[Match], owed: Sequence[NewlyCovered], now: datetime
    ) -> object:
        # looked up instead of copied: a changeset may hold hundreds of changes, and most people get one of
        # them
        published = ChainMap(
            *(self._published[delivery.changeset] for delivery in group if delivery.changeset is not None)
        )
        because: dict[int, set[str]] = {}
        for match in hits:
            because.setdefault(match.change, set()).add(match.place)
        told = tuple((change, tuple(sorted(because[change]))) for change in sorted(because))
        late = any(now - published[change].not_after > LATE_AFTER for change, _ in told)
        source, language = group[0].source, group[0].language
        changeset = group[0].changeset if len(group) == 1 else None
        assert source is not None
        changes = [(published[change], places) for change, places in told]
        also = self._list_owed(group, owed)
        return self._render_once(
            (source, language, late, told, changeset, also),
            lambda: replace(
                self._loader.build_alert(source, language, changes, late=late, changeset=changeset), also=also
            ),
        )

    def _render_once(self, key: object, message: Callable[[], Message]) -> object:
        """Render a message, once per distinct content."""
        known = self._messages.get(key)
        if known is not None:
            self._messages.move_to_end(key)
            return known
        rendered = self._messages[key] = self._render(message())
        if len(self._messages) > _CONTENTS:
            self._messages.popitem(last=False)
        return rendered

    def _message_id(self, delivery: int) -> str:
        """Compute the Message-ID from the delivery and its database, so that every copy of a message has the
        same one (RFC 5322, 3.6.4), also after a change of the key. It does not reveal the delivery's number.
        """
        return self._make_id(self._series, delivery)

    def _make_id(self, series: str, delivery: int) -> str:
        signed = tokens.sign(self._keys.first_token_key, f"message-id\0{series}\0{delivery}")
        return f"<{signed.hex()[:32]}@{self._domain}>"

    def _find_first_id(self, first: FirstMessage) -> str:
        """Compute the Message-ID of an earlier message."""
        sent_at = first.sent_at
        series = next(
            (then for until, then in self._earlier_series if sent_at is not None and sent_at < until),
            self._series,
        )
        return self._make_id(series, first.sent_with or first.delivery)


def _leave_out(matches: Mapping[int, list[Match]], retracted: Collection[int]) -> dict[int, list[Match]]:
    """Remove changes that the operator has retracted from the matches: they are no longer announced."""
    return {
        delivery: [match for match in found if match.change not in retracted]
        for delivery, found in matches.items()
    }


def _group_old_alerts(claimed: Iterable[Claimed], now: datetime) -> Iterable[tuple[Claimed, ...]]:
    """Yield each delivery by itself, but one person's old alerts about one source as a group, the oldest
    first.
    """
    groups: dict[object, list[Claimed]] = {}
    for delivery in claimed:
        old = delivery.kind == ALERT and now - delivery.created_at >= SUMMARY_AFTER
        key = (delivery.subscriber, delivery.source) if old else delivery.id
        groups.setdefault(key, []).append(delivery)
    return [tuple(sorted(group, key=lambda each: each.id)) for group in groups.values()]
