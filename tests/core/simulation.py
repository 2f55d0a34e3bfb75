"""A source that is polled, without database, network or waiting: the guard's verdicts applied to a baseline
in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from monitor.core import guard
from monitor.core.accepted_values import reconcile
from monitor.core.diff import apply, diff
from monitor.core.identity import assign_keys, digest
from monitor.domain import Change, Judgment, Kind, Listing, OpenChange, PastChange, Policy, Publication, State

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def agency(name: str, state: str | None = "IL", **fields: object) -> Listing:
    return Listing(name=name, state=state, **fields)  # type: ignore[arg-type]


def publication(listings: Iterable[Listing], **fields: object) -> Publication:
    listings = assign_keys(listings, by_city=False)
    attributes = {column for listing in listings for column, _ in listing.attributes}
    columns = (
        {"name", "state"}
        | attributes
        | {f for f in ("county", "since", "city", "url") if any(getattr(x, f) for x in listings)}
    )
    folders = tuple(dict.fromkeys(listing.folder for listing in listings if listing.folder))
    return Publication(listings=listings, **{"columns": frozenset(columns), "folders": folders, **fields})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Event:
    """A change when it was told."""

    at: datetime
    change: Change
    judgment: Judgment


@dataclass
class Source:
    """What is believed of one list, poll after poll. The first publication is the baseline."""

    first: Publication
    policy: Policy = field(default_factory=Policy)
    now: datetime = START

    def __post_init__(self) -> None:
        self.first_seen = self.now + HOUR  # the first poll after the baseline
        self.first = reconcile((), self.first).publication
        self.accepted = self.first.listings
        self.last = self.served = self.first
        self.standing: tuple[OpenChange, ...] = ()
        self.released: list[PastChange] = []
        self.events: list[Event] = []
        self.seen = {digest(self.first.listings): self.now}
        self.judgments: tuple[Judgment, ...] = ()
        self.refused: list[
            tuple[datetime, str]
        ] = []  # the polls in a row that were rejected, with their sets

    def poll(self, published: Publication | None = None, *, after: timedelta = HOUR) -> str | None:
        """Poll once, ``after`` the poll before; None finds the content of the last good poll. Answers why it
        was rejected, if it was.
        """
        self.now += after
        published = published or self.served
        if published == self.served:
            self.seen[digest(published.listings)] = self.now
            self.refused.clear()
            self._judge(tuple(one.change for one in self.standing), (), reread=False)
            return None
        given, mark, current = published, digest(published.listings), digest(self.served.listings)
        continued = reconcile(self.accepted, published)
        published = continued.publication
        changes = diff(
            self.accepted,
            published.listings,
            silent=self.policy.silent,
            new_columns=self.last.columns ^ published.columns,
        )
        same = [at for at, seen in self.refused if seen == mark]
        run = guard.RejectedRun(self.refused[0][0] if self.refused else None, same[0] if same else None)
        rejection = guard.reject(
            published,
            self.accepted,
            changes,
            self.standing,
            columns=self.last.columns,
            folders=self.last.folders,
            last_seen=self.seen.get(mark) if mark != current else None,
            now=self.now,
            policy=self.policy,
            run=run,
        )
        if rejection is not None:
            self.refused.append((self.now, mark))
            return rejection.reason
        self.refused.clear()
        self.seen[mark] = self.now
        self.last, self.served = published, given
        self._judge(
            changes,
            published.damaged,
            blank_states=continued.blank_states,
            in_part=published.in_part,
        )
        return None

    def insist(self, published: Publication) -> None:
        """Publish what was published before, and poll again a day later, when it is no old copy any more."""
        if self.poll(published) is not None:
            assert self.poll(published, after=self.policy.stale_after) is None

    def wait(self, time: timedelta, *, every: timedelta = HOUR) -> None:
        """Polls that find the same content."""
        for _ in range(time // every):
            self.poll(after=every)

    def settle(self) -> None:
        """Polls that find the same content until nothing can publish itself any more."""
        while (time := guard.next_due(self.standing, self.policy)) is not None:
            self.poll(after=max(time - self.now, timedelta(minutes=1)))

    def answer(self, name: str, *, approve: bool) -> None:
        """What a person says of the standing change about this agency."""
        self.standing = tuple(
            one
            if one.change.subject.name != name
            else replace(one, approved=True)
            if approve
            else replace(one, state=State.REJECTED)
            for one in self.standing
        )

    def told(self, kind: Kind | None = None) -> list[str]:
        """The names in what was published so far, in order."""
        return [event.change.subject.name for event in self.events if kind in (None, event.change.kind)]

    def stands(self, state: State) -> list[str]:
        return [one.change.subject.name for one in self.standing if one.state is state]

    def _judge(
        self,
        changes: tuple[Change, ...],
        damaged: tuple[Listing, ...],
        *,
        blank_states: bool = False,
        in_part: bool = False,
        reread: bool = True,
    ) -> None:
        recent = [
            one
            for one in self.released
            if self.now - one.at <= self.policy.rename_memory or one.change.kind is Kind.REMOVED
        ]
        judgments = guard.judge(
            changes,
            self.accepted,
            self.standing,
            recent,
            now=self.now,
            policy=self.policy,
            damaged=damaged,
            blank_states=blank_states,
            in_part=in_part,
            reread=reread,
        )
        published = [one for one in judgments if one.state is State.PUBLISHED]
        self.accepted = apply([one.change for one in published], self.accepted)
        told = [one for one in published if not one.change.quiet]
        self.events += [Event(self.now, one.change, one) for one in told]
        self.released += [PastChange(one.change, self.now, one.held) for one in told]
        self.judgments = judgments
        self.standing = tuple(
            OpenChange(one.change, one.state, one.since, one.reason, one.release_at)
            for one in judgments
            if one.state is not State.PUBLISHED
        )
