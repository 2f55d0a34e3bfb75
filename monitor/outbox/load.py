"""What deliveries other than alerts say: confirmations, welcomes, digests and notices, loaded from what the database knows now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.core.due import AT_ONCE
from monitor.outbox.contents import Letter, content
from monitor.outbox.notices import RECEIPT_AFTER
from monitor.storage import people
from monitor.storage.deliveries import digests, notices
from monitor.storage.deliveries.fanout import Match, Published
from monitor.storage.deliveries.notices import Checks
from monitor.storage.deliveries.queue import Claimed
from monitor.storage.people import PENDING, Follow, Subscriber

CONFIRM, WELCOME, DIGEST, NOTICE = "confirm", "welcome", "digest", "notice"


@dataclass(frozen=True)
class Facts:
    """What the letters of one batch are made of, by delivery, subscriber or source; ``unseen`` are sources whose followers know that they
    cannot be seen.
    """

    subscribers: Mapping[int, Subscriber] = field(default_factory=dict)
    follows: Mapping[int, tuple[Follow, ...]] = field(default_factory=dict)
    periods: Mapping[int, str] = field(default_factory=dict)
    changesets: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    sources: Mapping[int, str] = field(default_factory=dict)
    matches: Mapping[int, list[Match]] = field(default_factory=dict)
    checks: Mapping[str, Checks] = field(default_factory=dict)
    unseen: frozenset[str] = frozenset()


def load(conn: Connection, claimed: Iterable[Claimed], now: datetime) -> Facts:
    """Everything that these deliveries need; alerts among them need nothing."""
    letters = [each for each in claimed if each.kind in {CONFIRM, WELCOME, DIGEST, NOTICE}]
    if not letters:
        return Facts()
    ids = [each.id for each in letters]
    told = [each.id for each in letters if each.kind == DIGEST]
    changesets = digests.told_by(conn, told) if told else {}
    periods = digests.periods(conn, ids)
    follows = {each.subscriber: people.follows(conn, each.subscriber) for each in letters}
    checked: set[str] = set()
    for each in letters:
        if _about(each.kind, periods.get(each.id, "")) == "receipt":
            checked |= {follow.source for follow in follows[each.subscriber]}
    # by the day, so that what is sent together is one content
    since = _day(now) - RECEIPT_AFTER
    return Facts(
        subscribers={
            each.subscriber: one for each in letters if (one := people.get(conn, each.subscriber)) is not None
        },
        follows=follows,
        periods=periods,
        changesets=changesets,
        sources=digests.sources_of(conn, {id for ids in changesets.values() for id in ids}),
        matches=digests.matches(conn, told) if told else {},
        checks={source: notices.checks(conn, source, since, _day(now)) for source in checked},
        unseen=frozenset(
            name for name, sight in notices.sights(conn).items() if sight.told_blind_at is not None
        ),
    )


def letter(
    delivery: Claimed, facts: Facts, published: Mapping[int, Mapping[int, Published]], now: datetime
) -> Letter | None:
    """What a delivery says; None when there is nothing to say any more. ``published`` are the changes by changeset."""
    one = facts.subscribers[delivery.subscriber]
    follows = facts.follows[delivery.subscriber]
    period = facts.periods.get(delivery.id, "")
    about = _about(delivery.kind, period)
    base = Letter(
        kind=delivery.kind, about=about, language=one.language, at=_day(delivery.created_at), follows=follows
    )  # fmt: skip
    match delivery.kind, about:
        case "confirm", _:
            return _with(base, one, about="asked" if one.state == PENDING else "known")
        case "welcome", _:
            return _with(base, one)
        case "digest", _:
            return _digest(base, delivery, facts, published, one)
        case "notice", "receipt":
            checks = tuple((name, facts.checks[name]) for name in sorted({each.source for each in follows}))
            return _with(base, one, since=_day(now) - RECEIPT_AFTER, checks=checks) if checks else None
        case "notice", "blind" | "back":
            source = period.split(" ")[1]
            # a notice that waited, for a pause or for the mail, may have been overtaken
            return _with(base, one, source=source) if (source in facts.unseen) == (about == "blind") else None
        case "notice", "export":
            return _with(base, one, facts=_known(one))
    raise ValueError(f"a {delivery.kind} about {about!r} is none that this version writes")


def asked_at(delivery: Claimed, facts: Facts) -> datetime:
    """When the person of a letter asked for any of this."""
    hits = facts.matches.get(delivery.id)
    if hits:
        return min(match.asked_at for match in hits)
    return facts.subscribers[delivery.subscriber].created_at


def _digest(
    base: Letter,
    delivery: Claimed,
    facts: Facts,
    published: Mapping[int, Mapping[int, Published]],
    one: Subscriber,
) -> Letter | None:
    because: dict[int, set[str]] = {}
    for match in facts.matches.get(delivery.id, ()):
        because.setdefault(match.change, set()).add(match.place)
    changes: dict[str, dict[int, Published]] = {}
    changesets: dict[str, list[int]] = {}
    for changeset in facts.changesets.get(delivery.id, ()):
        changes.setdefault(facts.sources[changeset], {}).update(published[changeset])
        changesets.setdefault(facts.sources[changeset], []).append(changeset)
    contents = []
    for source in sorted(changes):
        told = [
            (each, tuple(sorted(because[number])))
            for number, each in sorted(changes[source].items())
            if number in because
        ]
        if told:
            (only, *others) = changesets[source]
            contents.append(
                content(source, one.language, told, late=False, changeset=None if others else only)
            )
    return _with(base, one, contents=tuple(contents)) if contents else None


def _about(kind: str, period: str) -> str:
    """What a delivery is about, by its period: "summary ...", "last ...", "2026-W48", "2026-11-24"; "blind ring 2026-11-24"."""
    first = period.partition(" ")[0]
    if kind == DIGEST:
        return first if first in {"summary", "last"} else "weekly" if "-W" in first else "daily"
    return first if kind == NOTICE else ""


def _known(one: Subscriber) -> tuple[tuple[str, str], ...]:
    """Everything that is stored about a subscriber beside what they follow, by the names of the columns."""
    stored = {
        "channel": one.channel,
        "state": one.state,
        "origin": one.origin,
        "language": one.language,
        "frequency": one.frequency,
        "timezone": one.timezone,
        "local_hour": one.local_hour,
        "paused_until": one.paused_until,
        "receipts": one.receipts,
        "created_at": one.created_at,
        "confirmed_at": one.confirmed_at,
        "confirm_until": one.confirm_until,
        "digest_at": one.digest_at,
        "digest_since": one.digest_since,
        "strikes": one.strikes or None,
        "first_strike_at": one.first_strike_at,
    }
    return tuple((name, _text(value)) for name, value in stored.items() if value is not None)


def _text(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def _with(base: Letter, one: Subscriber, **more: object) -> Letter:
    own: dict[str, object] = {}
    if one.frequency != AT_ONCE:
        own = {"frequency": one.frequency, "timezone": one.timezone, "local_hour": one.local_hour}
    return replace(base, **own, **more)  # type: ignore[arg-type]


def _day(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)
