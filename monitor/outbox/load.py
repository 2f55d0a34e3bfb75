"""Loads deliveries as message values: converts claimed rows and database rows to `messages.model`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection, Engine

from monitor.core.due import AT_ONCE
from monitor.domain import Kind, SourceInfo
from monitor.messages import Message
from monitor.messages.model import (
    Alert,
    AlreadySubscribed,
    Canary,
    Confirmation,
    Digest,
    Export,
    ListChecks,
    ListPlaces,
    ListReadable,
    ListSwitchedOff,
    ListUnreadable,
    Receipt,
    Schedule,
    Welcome,
)
from monitor.outbox.alerts import AlertBuilder
from monitor.outbox.covered_places import CoveredPlaces
from monitor.outbox.notices import RECEIPT_AFTER
from monitor.outbox.retraction_facts import RetractionFacts, load_retractions
from monitor.storage import people
from monitor.storage.deliveries import digests, newly_covered, notices
from monitor.storage.deliveries.canary_rows import CANARY
from monitor.storage.deliveries.fanout import Match, Published
from monitor.storage.deliveries.notices import UNNOTED, Checks
from monitor.storage.deliveries.queue import Claimed
from monitor.storage.deliveries.retractions import RETRACTION
from monitor.storage.engine import reading
from monitor.storage.lists import baseline
from monitor.storage.lists.coverage import Coverage
from monitor.storage.people import PENDING, Follow, Subscriber, past_choices

CONFIRM, WELCOME, DIGEST, NOTICE = "confirm", "welcome", "digest", "notice"
_NO_ALERTS = frozenset({CONFIRM, WELCOME, DIGEST, NOTICE, CANARY, RETRACTION})

_SIGNED_WITHIN = timedelta(hours=1)
"""The delay after which polls are covered by the signed record."""
_MISSED = 1.5  # times the usual interval between two checks; a longer gap means that one was missed


@dataclass(frozen=True)
class MessageFacts:
    """The data for the messages of one batch, by delivery, subscriber or source.

    ``abouts`` are (about, source) by delivery. ``unseen`` are sources whose followers were notified that they
    cannot be read. ``retractions`` are by delivery.
    """

    subscribers: Mapping[int, Subscriber] = field(default_factory=dict)
    follows: Mapping[int, tuple[Follow, ...]] = field(default_factory=dict)
    abouts: Mapping[int, tuple[str, str | None]] = field(default_factory=dict)
    changesets: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    sources: Mapping[int, str] = field(default_factory=dict)
    matches: Mapping[int, list[Match]] = field(default_factory=dict)
    checks: Mapping[str, Checks] = field(default_factory=dict)
    unseen: frozenset[str] = frozenset()
    retractions: Mapping[int, RetractionFacts] = field(default_factory=dict)


def load_message_facts(conn: Connection, claimed: Iterable[Claimed], now: datetime) -> MessageFacts:
    """Read the data for these deliveries; alerts need none."""
    others = [delivery for delivery in claimed if delivery.kind in _NO_ALERTS]
    if not others:
        return MessageFacts()
    told = [delivery.id for delivery in others if delivery.kind == DIGEST]
    changesets = digests.load_changesets(conn, told) if told else {}
    abouts = digests.load_abouts(conn, [delivery.id for delivery in others])
    taken_back = [(each, abouts[each.id][0]) for each in others if each.kind == RETRACTION]
    follows = {delivery.subscriber: people.load_follows(conn, delivery.subscriber) for delivery in others}
    checked = {
        follow.source
        for delivery in others
        if abouts.get(delivery.id, ("", None))[0] == "receipt"
        for follow in follows[delivery.subscriber]
    }
    # rounded to the day, so that messages sent together have one content; up to a midnight that the signed
    # head covers
    until = _day(now - _SIGNED_WITHIN)
    return MessageFacts(
        subscribers={
            delivery.subscriber: subscriber
            for delivery in others
            if (subscriber := people.get(conn, delivery.subscriber)) is not None
        },
        follows=follows,
        abouts=abouts,
        changesets=changesets,
        sources=digests.load_sources(conn, {id for ids in changesets.values() for id in ids}),
        matches=digests.load_matches(conn, told) if told else {},
        checks={
            source: notices.load_checks(conn, source, until - RECEIPT_AFTER, until) for source in checked
        },
        unseen=frozenset(
            name for name, sight in notices.load_visibility(conn).items() if sight.told_blind_at is not None
        ),
        retractions=load_retractions(conn, taken_back) if taken_back else {},
    )


def find_asked_at(delivery: Claimed, facts: MessageFacts) -> datetime:
    """Find when the recipient subscribed to the subject of a delivery."""
    hits = facts.matches.get(delivery.id)
    if hits:
        return min(match.asked_at for match in hits)
    return facts.subscribers[delivery.subscriber].created_at


class MessageLoader:
    """Builds message values with the configured descriptions of the lists.

    ``sources`` are all configured lists by name. ``public_url`` None: there is no site to link to.
    """

    def __init__(
        self,
        sources: Mapping[str, SourceInfo],
        public_url: str | None,
        engine: Engine,
        coverage: Coverage,
        clock: Callable[[], datetime],
    ) -> None:
        self._sources, self._engine = sources, engine
        self._alerts = AlertBuilder(sources, public_url)
        self.title = self._alerts.title
        self.covered = CoveredPlaces(sources, engine, coverage, clock, self.title)
        self._leading = {
            info.leads_to: tuple(one.name for one in sources.values() if one.leads_to == info.leads_to)
            for info in sources.values()
            if info.leads_to
        }

    def build_alert(
        self,
        source: str,
        language: str,
        changes: Sequence[tuple[Published, tuple[str, ...]]],
        *,
        late: bool = False,
        changeset: int | None = None,
    ) -> Alert:
        """Build the alert about published changes of one list, see `AlertBuilder.build`."""
        moved = self._find_moved(source, changes)
        return self._alerts.build(source, language, changes, late=late, changeset=changeset, moved=moved)

    def _find_moved(
        self, source: str, changes: Sequence[tuple[Published, tuple[str, ...]]]
    ) -> dict[str, str]:
        """Find added agencies that moved here from a list that leads to this one: key to the name of that
        list.
        """
        added = {
            published.change.subject.key: published.not_after
            for published, _ in changes
            if published.change.kind is Kind.ADDED and published.change.previous is None
        }
        leading = self._leading.get(source, ())
        if not added or not leading:
            return {}
        with reading(self._engine) as conn:
            return {
                key: other
                for other in leading
                for key in baseline.was_listed(conn, other, added.keys(), max(added.values()))
            }

    def build_message(
        self,
        delivery: Claimed,
        facts: MessageFacts,
        published: Mapping[int, Mapping[int, Published]],
        now: datetime,
    ) -> Message | None:
        """Build the message of a delivery that is not an alert; None if there is nothing to send any more.

        ``published`` are the changes by changeset. Raises ValueError for a kind that this version does not
        know.
        """
        subscriber = facts.subscribers[delivery.subscriber]
        follows = facts.follows[delivery.subscriber]
        about, source = facts.abouts[delivery.id]
        language = subscriber.language
        places = self._places(follows, language)
        schedule = _schedule(subscriber)
        match delivery.kind, about:
            case "confirm", _ if subscriber.state == PENDING:
                return Confirmation(language=language, follows=places, schedule=schedule)
            case "confirm", _:
                return AlreadySubscribed(language=language, follows=places, schedule=schedule)
            case "welcome", _:
                return Welcome(
                    language=language,
                    follows=places,
                    schedule=schedule,
                    today=self.covered.load_agencies_today(follows, language),
                )
            case "digest", ("daily" | "weekly" | "summary" | "last") as kind:
                alerts = self._digest_alerts(delivery, facts, published, language)
                return Digest(language=language, about=kind, alerts=alerts) if alerts else None
            case "notice", "receipt":
                checks = self._checks(follows, facts, language)
                return (
                    Receipt(language=language, follows=places, schedule=schedule, checks=checks)
                    if checks
                    else None
                )
            case "notice", ("blind" | "back") if source is not None:
                # A notice that waited for a pause or for the relay may be out of date.
                if (source in facts.unseen) != (about == "blind"):
                    return None
                return self._list_notice(source, about, language)
            case "canary", _:
                return Canary(queued_at=delivery.created_at)
            case "retraction", _ if delivery.id in facts.retractions:
                retracted = facts.retractions[delivery.id]
                sent_at = retracted.first.sent_at if retracted.first else None
                return self._alerts.build_retraction(retracted.change, sent_at, language)
            case "notice", "export":
                return Export(
                    language=language,
                    follows=places,
                    facts=_stored_facts(subscriber)
                    + self._past_choices(subscriber.id)
                    + self._owed_agencies(subscriber.id),
                )
        raise ValueError(f"this version knows no {delivery.kind} about {about!r}")

    def _past_choices(self, subscriber: int) -> tuple[tuple[str, str], ...]:
        """Read the stored past choices of a subscriber, by the names of the columns."""
        with reading(self._engine) as conn:
            follows = past_choices.load_past_follows(conn, subscriber)
            statuses = past_choices.load_past_statuses(conn, subscriber)
        return tuple(
            ("followed", f"{each.place} ({each.source}), {_text(each.since)} - {_text(each.until)}")
            for each in follows
        ) + tuple(
            ("state, frequency", f"{each.state}, {each.frequency}, until {_text(each.until)}")
            for each in statuses
        )

    def _owed_agencies(self, subscriber: int) -> tuple[tuple[str, str], ...]:
        with reading(self._engine) as conn:
            owed = newly_covered.load_of_subscriber(conn, subscriber)
        return tuple(("newly_covered", f"{each.agency} ({each.source})") for each in owed)

    def _digest_alerts(
        self,
        delivery: Claimed,
        facts: MessageFacts,
        published: Mapping[int, Mapping[int, Published]],
        language: str,
    ) -> tuple[Alert, ...]:
        because: dict[int, set[str]] = {}
        for match in facts.matches.get(delivery.id, ()):
            because.setdefault(match.change, set()).add(match.place)
        changes: dict[str, dict[int, Published]] = {}
        changesets: dict[str, list[int]] = {}
        for changeset in facts.changesets.get(delivery.id, ()):
            changes.setdefault(facts.sources[changeset], {}).update(published[changeset])
            changesets.setdefault(facts.sources[changeset], []).append(changeset)
        alerts = []
        for source in sorted(changes):
            told = [
                (change, tuple(sorted(because[number])))
                for number, change in sorted(changes[source].items())
                if number in because
            ]
            if told:
                (first, *others) = changesets[source]
                alerts.append(self.build_alert(source, language, told, changeset=None if others else first))
        return tuple(alerts)

    def _list_notice(self, source: str, about: str, language: str) -> Message:
        known = self._sources.get(source)
        with reading(self._engine) as conn:
            seen_at = baseline.load_info(conn, source).last_good_at
        kind = (
            ListReadable
            if about == "back"
            else ListUnreadable
            if known is not None and known.enabled
            else ListSwitchedOff
        )
        return kind(
            language=language,
            title=self.title(source, language),
            official_url=known.official_url if known else "",
            seen_at=seen_at,
        )

    def _places(self, follows: Iterable[Follow], language: str) -> tuple[ListPlaces, ...]:
        places: dict[str, list[str]] = {}
        for follow in follows:
            places.setdefault(follow.source, []).append(follow.place)
        return tuple(ListPlaces(self.title(name, language), tuple(names)) for name, names in places.items())

    def _checks(
        self, follows: Iterable[Follow], facts: MessageFacts, language: str
    ) -> tuple[ListChecks, ...]:
        return tuple(
            self._describe_checks(name, facts.checks[name], language)
            for name in sorted({follow.source for follow in follows})
        )

    def _describe_checks(self, source: str, checks: Checks, language: str) -> ListChecks:
        """Describe how a list was checked: the time without a good check is the total of gaps that are longer
        than usual.
        """
        known = self._sources.get(source)
        longest = max(UNNOTED, _MISSED * (known.every if known else timedelta(hours=1)))
        return ListChecks(
            title=self.title(source, language),
            good=checks.good,
            last_good_at=checks.last_good_at,
            blind=sum((end - start for start, end in checks.gaps if end - start > longest), timedelta()),
            since=checks.since,
            until=checks.until,
            polls=checks.polls,
            longest=longest,
            url=self._alerts.find_polls_url(source),
        )


def _schedule(subscriber: Subscriber) -> Schedule:
    """When a subscriber gets messages; one value for all with immediate alerts, so that they share one
    rendering.
    """
    if subscriber.frequency == AT_ONCE:
        return Schedule()
    return Schedule(subscriber.frequency, subscriber.timezone, subscriber.local_hour)


def _stored_facts(subscriber: Subscriber) -> tuple[tuple[str, str], ...]:
    """Everything that is stored about a subscriber apart from what they follow, by the names of the
    columns.
    """
    stored = {
        "channel": subscriber.channel,
        "state": subscriber.state,
        "origin": subscriber.origin,
        "language": subscriber.language,
        "frequency": subscriber.frequency,
        "timezone": subscriber.timezone,
        "local_hour": subscriber.local_hour,
        "paused_until": subscriber.paused_until,
        "receipts": subscriber.receipts,
        "created_at": subscriber.created_at,
        "confirmed_at": subscriber.confirmed_at,
        "confirm_until": subscriber.confirm_until,
        "digest_at": subscriber.digest_at,
        "digest_since": subscriber.digest_since,
        "quiet_from": subscriber.quiet_from,
        "quiet_to": subscriber.quiet_to,
        "own_line": subscriber.own_line,
        "strikes": subscriber.strikes or None,
        "first_strike_at": subscriber.first_strike_at,
    }
    return tuple((name, _text(value)) for name, value in stored.items() if value is not None)


def _text(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def _day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)
