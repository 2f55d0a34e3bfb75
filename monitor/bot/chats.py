"""Chats as subscribers: reads and changes what a chat watches, each change in one transaction.

A command proves that it comes from its chat, so a new subscriber is active at once. A chat in the operator's
configuration is not changed here: the configuration would override it at the next start.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from sqlalchemy.engine import Connection

from monitor import subscribers
from monitor.bot.context import BotContext
from monitor.channels.kinds import lookup
from monitor.channels.outline import seal_address
from monitor.core.due import AT_ONCE, next_digest
from monitor.messages import locale
from monitor.storage import eligibility, people
from monitor.storage import engine as db
from monitor.storage.deliveries import endings, pauses
from monitor.storage.people import Follow, Subscriber, past_choices
from monitor.subscribers import CONFIG, Tombstones
from monitor.subscribers.signup import begin, zone_of_place

log = logging.getLogger(__name__)

CHANNEL = "telegram"
ORIGIN = "bot"
MOST_PLACES = 50
REFUSED = "Telegram: Forbidden"
"""The prefix of the reason of a suppression by a 403: the chat can lift it by talking to the bot again."""


class FollowVerdict(Enum):
    """The outcome of a request.

    FIXED: the operator's configuration sets up this chat. CLOSED: the chat is suppressed. FULL: too many
    places. LAST: the last list cannot be removed. NOTHING: the chat watches nothing.
    """

    DONE = auto()
    FIXED = auto()
    CLOSED = auto()
    FULL = auto()
    LAST = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What a chat watches, and the language of its messages.

    ``fixed``: set by the operator's configuration. ``paused_until`` is set during a pause. ``hour`` is the
    local hour of digests, ``quiet`` the hours between which nothing is posted, ``own_line`` the text under
    each post.
    """

    places: tuple[str, ...] = ()
    sources: frozenset[str] = frozenset()
    language: str = locale.DEFAULT
    fixed: bool = False
    paused_until: datetime | None = None
    frequency: str = AT_ONCE
    hour: int | None = None
    quiet: tuple[int, int] | None = None
    own_line: str | None = None


@dataclass(frozen=True, slots=True)
class FollowResult:
    """The outcome of a request and what the chat watches now; ``added`` and ``gone`` are the places that
    changed.
    """

    verdict: FollowVerdict
    watching: Watching = Watching()
    added: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


class Chats:
    """Chats as subscribers.

    ``name`` is a chat's public @name, which the configuration may hold instead of its number.
    """

    def __init__(self, context: BotContext) -> None:
        self._engine, self._keys, self._watched = context.engine, context.keys, context.watched
        self._clock = context.clock
        self._tombstones = Tombstones(context.folder)

    def read_watching(self, chat: int, name: str | None = None) -> Watching:
        """Read what a chat watches; empty for an unknown chat."""
        with db.reading(self._engine) as conn:
            return self._watching(conn, self._find(conn, chat, name))

    def read_language(self, chat: int, name: str | None = None) -> str | None:
        """Read the language that a chat chose for its messages; None for an unknown chat."""
        with db.reading(self._engine) as conn:
            known = self._find(conn, chat, name)
        return locale.find_language(known.language) if known else None

    def watch(
        self, chat: int, name: str | None, places: Mapping[str, str | None], language: str
    ) -> FollowResult:
        """Add places (each with the state of a ZIP) on the chat's lists; a new chat gets all lists."""
        now = self._clock()
        with db.transaction(self._engine) as conn:
            moment = eligibility.next_moment(conn, now)
            if not self._lift(conn, chat):
                return FollowResult(FollowVerdict.CLOSED)
            known = self._find(conn, chat, name, for_change=True)
            before = self._watching(conn, known)
            if before.fixed:
                return FollowResult(FollowVerdict.FIXED, before)
            added = tuple(place for place in places if place not in before.places)
            if len(before.places) + len(added) > MOST_PLACES:
                return FollowResult(FollowVerdict.FULL, before)
            subscriber = known.id if known else self._admit(conn, chat, language, now)
            if known is not None and known.state == people.PENDING:
                begin(conn, known, now, moment)
            sources = (before.sources & self._watched.keys()) or self._watched.keys()
            wanted = {Follow(source, place, within) for place, within in places.items() for source in sources}
            people.follow(conn, subscriber, wanted, moment)
            outcome = FollowResult(
                FollowVerdict.DONE, self._watching(conn, self._find(conn, chat, name)), added
            )
        log.info("subscriber %d (telegram): %d places added", subscriber, len(added))
        return outcome

    def unwatch(self, chat: int, name: str | None, places: Collection[str]) -> FollowResult:
        """Remove places; removing the last one erases the chat."""
        with db.transaction(self._engine) as conn:
            moment = eligibility.next_moment(conn, self._clock())
            known = self._find(conn, chat, name, for_change=True)
            before = self._watching(conn, known)
            if known is None or before.fixed:
                return FollowResult(FollowVerdict.FIXED if before.fixed else FollowVerdict.NOTHING, before)
            if set(before.places) - set(places):
                for follow in people.load_follows(conn, known.id):
                    if follow.place in places:
                        people.unfollow(conn, known.id, follow.source, follow.place, moment)
                gone = tuple(place for place in before.places if place in places)
                return FollowResult(FollowVerdict.DONE, self._watching(conn, known), gone=gone)
        return self.stop(chat, name)

    def set_source(self, chat: int, name: str | None, source: str, *, on: bool) -> FollowResult:
        """Add or remove one list for every place that the chat watches."""
        with db.transaction(self._engine) as conn:
            moment = eligibility.next_moment(conn, self._clock())
            known = self._find(conn, chat, name, for_change=True)
            before = self._watching(conn, known)
            if known is None or before.fixed:
                return FollowResult(FollowVerdict.FIXED if before.fixed else FollowVerdict.NOTHING, before)
            follows = people.load_follows(conn, known.id)
            if on:
                wanted = {Follow(source, each.place, each.within) for each in follows}
                people.follow(conn, known.id, wanted, moment)
            elif before.sources <= {source}:
                return FollowResult(FollowVerdict.LAST, before)
            else:
                for each in follows:
                    if each.source == source:
                        people.unfollow(conn, known.id, each.source, each.place, moment)
            return FollowResult(FollowVerdict.DONE, self._watching(conn, known))

    def set_language(self, chat: int, name: str | None, language: str) -> FollowResult:
        """Set the language of messages."""
        with db.transaction(self._engine) as conn:
            known = self._find(conn, chat, name, for_change=True)
            before = self._watching(conn, known)
            if known is None or before.fixed:
                return FollowResult(FollowVerdict.FIXED if before.fixed else FollowVerdict.NOTHING, before)
            people.update(conn, known.id, language=language)
            return FollowResult(FollowVerdict.DONE, replace(before, language=language))

    def set_own_line(self, chat: int, name: str | None, text: str | None) -> FollowResult:
        """Set the line under each post of the chat; None removes it."""
        return self._choose(chat, name, lambda one, zone, now, moment: {"own_line": text})

    def set_quiet_hours(self, chat: int, name: str | None, hours: tuple[int, int] | None) -> FollowResult:
        """Set the local hours between which nothing is posted (None: no such hours); alerts wait until they
        end.
        """
        since, until = hours or (None, None)
        return self._choose(
            chat,
            name,
            lambda one, zone, now, moment: {
                "quiet_from": since,
                "quiet_to": until,
                "timezone": one.timezone or zone,
            },
        )

    def set_frequency(self, chat: int, name: str | None, frequency: str, hour: int) -> FollowResult:
        """Set the frequency of messages: at once, or once a day or week at a local hour. If digests end, what
        was collected for the next one is sent now.
        """

        def schedule(one: Subscriber, first_zone: str, now: datetime, moment: datetime) -> dict[str, object]:
            zone = one.timezone or first_zone
            new: dict[str, object] = {"frequency": frequency, "timezone": zone, "local_hour": hour}
            if one.state == people.PAUSED:
                return new  # the summary after the pause comes first
            due_at = next_digest(frequency, zone, hour, now)
            if due_at is None and one.digest_since is not None:
                due_at = now
            since = (one.digest_since or moment) if due_at else None
            return new | {"digest_at": due_at, "digest_since": since}

        return self._choose(chat, name, schedule)

    def _choose(
        self,
        chat: int,
        name: str | None,
        decide: Callable[[Subscriber, str, datetime, datetime], Mapping[str, object]],
    ) -> FollowResult:
        """Update a chat's row with the values that ``decide`` returns for the row, the time zone of its first
        place, the time, and the moment of the change.
        """
        now = self._clock()
        with db.transaction(self._engine) as conn:
            moment = eligibility.next_moment(conn, now)
            known = self._find(conn, chat, name, for_change=True)
            before = self._watching(conn, known)
            if known is None or before.fixed:
                return FollowResult(FollowVerdict.FIXED if before.fixed else FollowVerdict.NOTHING, before)
            past_choices.insert_past_statuses(conn, [known.id], moment)
            zone = zone_of_place(before.places[0]) if before.places else "UTC"
            people.update(conn, known.id, **decide(known, zone, now, moment))
            return FollowResult(FollowVerdict.DONE, self._watching(conn, self._find(conn, chat, name)))

    def stop(self, chat: int, name: str | None) -> FollowResult:
        """End all messages and erase the chat."""
        with db.reading(self._engine) as conn:
            known = self._find(conn, chat, name)
        if known is None:
            return FollowResult(FollowVerdict.NOTHING)
        if known.origin == CONFIG:
            return FollowResult(FollowVerdict.FIXED)
        ended = subscribers.remove(
            self._engine,
            self._keys,
            now=self._clock(),
            subscriber=known.id,
            tombstones=self._tombstones,
        )
        return FollowResult(FollowVerdict.DONE if ended else FollowVerdict.NOTHING)

    def note_removal(self, chat: int, name: str | None) -> None:
        """Handle the removal of the bot from a chat."""
        if self.stop(chat, name).verdict is FollowVerdict.FIXED:
            log.error(
                "a chat of [telegram.channels] has removed the bot (`monitor telegram test` says which): "
                "add it there again, or take it out"
            )

    def welcome(self, chat: int) -> None:
        """Handle a start of the bot: lift the suppression that the chat's own block caused."""
        with db.transaction(self._engine) as conn:
            self._lift(conn, chat)

    def migrate(self, chat: int, to: int) -> None:
        """Give a group its new id; two subscribers under both ids are merged."""
        with db.transaction(self._engine) as conn:
            known = self._find(conn, chat, None, for_change=True)
            other = self._find(conn, to, None, for_change=True)
            if known is None:
                return
            if known.origin == CONFIG:
                log.error(
                    "a group of [telegram.channels] has another id now: `monitor telegram test` says which"
                )
                return
            if other is None:
                people.update_address(conn, known.id, seal_address(self._keys, CHANNEL, str(to)))
            elif other.id != known.id:
                endings.merge(conn, known.id, other.id, self._clock())
        log.info("subscriber %d (telegram): the group has another id", known.id)

    def pause(self, chat: int, until: datetime, reason: str) -> None:
        """Store a pause of posts in a chat; the sender and later processes obey it too."""
        with db.transaction(self._engine) as conn:
            pauses.set_pause(conn, CHANNEL, self._hash(chat), until, reason)

    def pauses(self, chat: int) -> bool:
        """Read whether posts in this chat are paused now."""
        with db.reading(self._engine) as conn:
            lanes = pauses.read_pauses(conn, self._clock())
        return any(lane.channel == CHANNEL and lane.name == self._hash(chat) for lane in lanes)

    def _hash(self, chat: int) -> str:
        return lookup(self._keys, CHANNEL, str(chat))

    def _find(
        self, conn: Connection, chat: int, name: str | None, *, for_change: bool = False
    ) -> Subscriber | None:
        found = people.find(conn, CHANNEL, self._hash(chat), for_change=for_change)
        if found is None and name is not None:
            found = people.find(conn, CHANNEL, lookup(self._keys, CHANNEL, name), for_change=for_change)
        return found

    def _watching(self, conn: Connection, one: Subscriber | None) -> Watching:
        if one is None:
            return Watching()
        follows = people.load_follows(conn, one.id)
        return Watching(
            places=tuple(dict.fromkeys(sorted(each.place for each in follows))),
            sources=frozenset(each.source for each in follows),
            language=locale.find_language(one.language) or locale.DEFAULT,
            fixed=one.origin == CONFIG,
            paused_until=one.paused_until if one.state == people.PAUSED else None,
            frequency=one.frequency,
            hour=one.local_hour,
            quiet=(one.quiet_from, one.quiet_to)
            if one.quiet_from is not None and one.quiet_to is not None
            else None,
            own_line=one.own_line,
        )

    def _lift(self, conn: Connection, chat: int) -> bool:
        """Delete a suppression that the chat itself caused; False if there is another one."""
        reason = people.load_reason(conn, CHANNEL, self._hash(chat))
        if reason is not None and reason.startswith(REFUSED):
            people.unsuppress(conn, CHANNEL, self._hash(chat))
            return True
        return reason is None

    def _admit(self, conn: Connection, chat: int, language: str, now: datetime) -> int:
        one, _ = people.add_or_find(
            conn,
            channel=CHANNEL,
            address=seal_address(self._keys, CHANNEL, str(chat)),
            state=people.ACTIVE,
            origin=ORIGIN,
            nonce=secrets.token_hex(16),
            now=now,
            language=language,
        )
        return one.id
