"""Presents changes, covers and lists in one language, with the same sentences as the mails."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from monitor.domain import AlertedChange, Basis, Change, Confidence, Kind, Listing, State
from monitor.messages import locale
from monitor.messages.change_view import Moment, describe_change
from monitor.messages.layout import clean, safe_link
from monitor.messages.next_steps import list_steps
from monitor.messages.placements import describe_placement, drop_article, label_name
from monitor.messages.retraction import LONGEST_REASON
from monitor.messages.sentences import Sentences
from monitor.states import STATES
from monitor.storage.lists.changes import JOINED, OWN, StoredChange
from monitor.storage.lists.coverage import Cover

if TYPE_CHECKING:
    from monitor.domain import SourceInfo, ValueMeaning
    from monitor.web.context import Site

# the digits of an agency's hash in its URL; with 10,000 agencies a collision has a chance of 1 in 20,000
_DIGITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeView:
    """One change as a page shows it; every text is plain, cleaned and in the reader's language.

    ``what``: added, again, removed, renamed, changed. ``status``: published, held, withdrawn. ``reach`` says
    where the agency is ("covers Lake County"), ``estimate`` that this is an estimate, ``unplaced`` that only
    its state is known. ``at`` is when it was published, or otherwise first seen. ``imported``: it is based on
    files that somebody else captured. ``retraction`` says that and why the operator retracted it, "" if not.
    """

    id: int
    what: str
    status: str
    source: str
    title: str
    name: str
    state: str
    code: str
    headline: str
    sentence: str
    brief: str
    interval: str
    facts: tuple[str, ...]
    reach: str
    estimate: bool
    unplaced: bool
    agency: str
    changeset: int | None
    at: datetime
    imported: bool = False
    retraction: str = ""
    retracted_at: datetime | None = None

    @property
    def changed_at(self) -> datetime:
        """The time of the last update."""
        return self.retracted_at or self.at


class Presenter:
    """The object that templates use as ``words``."""

    def __init__(self, site: Site, language: str) -> None:
        self._site = site
        self._language = language
        self._sentences = Sentences(language)
        self._zone = ZoneInfo(site.timezone)

    def view_change(self, row: StoredChange) -> ChangeView:
        """Present a change."""
        sentences, watched = self._sentences, self._site.sources.get(row.source)
        title = clean(watched.title(self._language) if watched else row.source)
        publisher = clean(watched.publisher if watched else row.source)
        confidence = Confidence(row.confidence) if row.confidence else Confidence.EXACT
        told = AlertedChange(
            row.change, (), row.placement, confidence, row.not_before, row.first_seen_at, gone_at=row.gone_at
        )
        view = describe_change(
            told, self._zone, values=watched.values if watched else (), language=self._language
        )
        facts = [sentences.difference(difference, publisher) for difference in view.differences]
        if view.own_date:
            facts.insert(0, sentences.own_date(view, publisher))
        if view.attributes:
            facts.append(sentences.also(view.attributes, view.more, publisher))
        headline, status = sentences.headline(view, title), row.state.value
        if row.retraction is not None:
            headline, status = sentences.retracted_headline(headline), "retracted"
        elif row.state in {State.HELD, State.REJECTED}:
            status = "held"
        assert row.id is not None
        return ChangeView(
            id=row.id,
            what=view.what,
            status=status,
            source=row.source,
            title=title,
            name=view.name,
            state=view.state,
            code=view.code,
            headline=headline,
            sentence=" ".join(filter(None, (sentences.sentence(view, title), sentences.contradiction(view)))),
            brief=sentences.brief(view),
            interval=self._captured(row) or sentences.interval(view),
            facts=tuple(facts),
            reach=clean(describe_placement(view.reason, self._language)),
            estimate=view.estimate,
            unplaced=confidence is Confidence.STATE_ONLY,
            agency=agency_path(row.source, row.agency),
            changeset=row.changeset,
            at=row.ended_at or row.first_seen_at,
            imported=row.origin != OWN,
            retraction=self._retraction(row),
            retracted_at=row.retraction.at if row.retraction else None,
        )

    def _retraction(self, row: StoredChange) -> str:
        """Say that the operator retracted a change, and why; "" if not."""
        if row.retraction is None:
            return ""
        when = Moment(row.retraction.at.astimezone(self._zone))
        return self._sentences.retracted(when, clean(row.retraction.reason(self._language), LONGEST_REASON))

    def view_changes(self, rows: Iterable[StoredChange]) -> list[ChangeView]:
        """Present changes."""
        return [self.view_change(row) for row in rows]

    def view_by_state(
        self, rows: Mapping[str | None, Iterable[StoredChange]]
    ) -> dict[str | None, list[ChangeView]]:
        """Present changes by state."""
        return {state: self.view_changes(members) for state, members in rows.items()}

    def same(self, lines: Mapping[str | None, Iterable[ChangeView]]) -> tuple[str, ...]:
        """The facts that several changes have in common."""
        every = [line for members in lines.values() for line in members]
        if len(every) < 2:
            return ()
        common = set.intersection(*(set(line.facts) for line in every))
        return tuple(fact for fact in every[0].facts if fact in common)

    def names(self, rows: Iterable[StoredChange]) -> list[str]:
        """The names of the agencies of changes, with their states: "Hammond Police Department,
        Indiana".
        """
        return [_named(row, STATES) for row in rows]

    def name(self, row: StoredChange) -> str:
        """The same with the state's code: "Hammond Police Department, IN"."""
        return _named(row, {})

    def by_state(self, rows: Iterable[StoredChange]) -> list[tuple[str, int]]:
        """Count the changes in each state, by code in the order of the states' names; those without a state
        are left out.
        """
        counts = Counter(row.change.subject.state for row in rows)
        return [(code, counts[code]) for code in sorted(STATES, key=STATES.__getitem__) if counts[code]]

    def between(self, before: datetime | None, after: datetime, row: StoredChange | None = None) -> str:
        """Format the common interval of several changes, of which ``row`` is one: the last check without them
        and the first with them.
        """
        first = Moment(before.astimezone(self._zone)) if before else None
        captured = self._captured(row) if row is not None else None
        return captured or self._sentences.between(first, Moment(after.astimezone(self._zone)))

    def _captured(self, row: StoredChange) -> str | None:
        """Format the interval of an imported change; None for one that our own polls saw."""
        if row.origin == OWN:
            return None
        name = clean(row.captured_by)
        before = Moment(row.not_before.astimezone(self._zone)) if row.not_before else None
        after = Moment(row.first_seen_at.astimezone(self._zone))
        if row.origin == JOINED and before is not None:
            return self._sentences.joined(before, after, name)
        return self._sentences.captured(before, after, name)

    def held(self) -> str:
        """That something was announced after a wait."""
        return self._sentences.held()

    def facts(self, source: str, listing: Listing) -> list[Fact]:
        """The facts that a list has about an agency, except its name; the publisher's own date first."""
        watched = self._site.sources.get(source)
        publisher = clean(watched.publisher if watched else source)
        as_told = AlertedChange(
            Change(Kind.ADDED, after=listing), (), None, Confidence.EXACT, None, self._site.clock()
        )
        view = describe_change(as_told, self._zone, language=self._language)
        raw = [pair for pair in listing.attributes if clean(pair[1])]
        found = [
            self._fact(watched, column, self._sentences.field(label, publisher), value, given)
            for (label, value), (column, given) in zip(view.attributes, raw, strict=False)
        ]
        if view.own_date:
            own_date = locale.day(view.own_date, self._language)
            found.insert(0, Fact(self._sentences.field("since", publisher), own_date))
        return found

    def key_facts(self, source: str, listing: Listing) -> list[Fact]:
        """The publisher's own date, and the values that are explained; if there are none, two others."""
        facts = [fact for fact in self.facts(source, listing) if not fact.is_address]
        own = facts[: bool(listing.since)]
        explained = [fact for fact in facts if fact.notes]
        return own + (explained or facts[len(own) :][:2])

    def _fact(self, watched: SourceInfo | None, column: str, label: str, value: str, given: str) -> Fact:
        explained = watched.explain(column, given) if watched else ()
        if not any(meaning for _, meaning in explained):
            return Fact(label, value, safe_link(given))
        names = [clean(meaning.name(self._language)) if meaning else part for part, meaning in explained]
        return Fact(label, "; ".join(names), notes=self._notes(meaning for _, meaning in explained))

    def _notes(self, meanings: Iterable[ValueMeaning | None]) -> tuple[ValueNote, ...]:
        language = self._language
        return tuple(
            ValueNote(
                clean(meaning.name(language)),
                clean(meaning.text(language), 1500),
                self._sentences.reviewed(meaning),
            )
            for meaning in meanings
            if meaning and meaning.text(language)
        )

    def explanations(self, covers: Iterable[Cover]) -> list[ValueNote]:
        """What the values of several agencies mean, each value once."""
        return self._explain((cover.source, cover.listing) for cover in covers)

    def explanations_of_changes(self, rows: Iterable[StoredChange]) -> list[ValueNote]:
        """The same for agencies that were added or changed."""
        return self._explain((row.source, row.change.after) for row in rows if row.change.after)

    def _explain(self, listings: Iterable[tuple[str, Listing]]) -> list[ValueNote]:
        pairs = {(source, *pair) for source, listing in listings for pair in listing.attributes}
        known = [(self._site.sources.get(source), column, value) for source, column, value in pairs]
        meanings = (
            meaning
            for watched, column, value in known
            if watched
            for _, meaning in watched.explain(column, value)
        )
        return sorted(set(self._notes(meanings)), key=lambda note: note.name)

    def compare(
        self, source: str, before: Listing | None, after: Listing | None
    ) -> list[tuple[str, str, str]]:
        """The fields of an entry before and after, as (label, before, after); "" for a missing value."""
        old, new = ({} if listing is None else self._entry(source, listing) for listing in (before, after))
        return [
            (label, clean(old.get(label, ""), 1500), clean(new.get(label, ""), 1500))
            for label in dict.fromkeys([*old, *new])
        ]

    def _entry(self, source: str, listing: Listing) -> dict[str, str]:
        """All values of an entry, by label."""
        translate = locale.translations(self._language).gettext
        told = [
            (translate("Name"), listing.name),
            (translate("State"), listing.state or listing.state_text),
            (translate("Place on the list"), ", ".join(filter(None, (listing.city, listing.county)))),
            *((fact.label, fact.value) for fact in self.facts(source, listing)),
            (translate("Document"), " ".join(listing.documents)),
        ]
        return {label: value for label, value in told if value}

    def safe_link(self, text: str) -> str | None:
        """Check a URL from a publisher; None for anything else."""
        return safe_link(text)

    def agency_path(self, source: str, agency: str) -> str:
        """The path of an agency's page within the site."""
        return agency_path(source, agency)

    def value_counts(self, covers: Iterable[Cover]) -> list[tuple[str, int]]:
        """How many agencies have each of the values that are explained, most first."""
        found: Counter[str] = Counter()
        for cover in covers:
            watched = self._site.sources.get(cover.source)
            for column, text in cover.listing.attributes if watched is not None else ():
                explained = watched.explain(column, text) if watched else ()
                found.update(note.name for note in self._notes(meaning for _, meaning in explained))
        return found.most_common()

    def value_names(self, cover: Cover) -> str:
        """The explained values of an agency: "Jail Enforcement Model; Task Force Model"."""
        return "; ".join(name for name, _ in self.value_counts((cover,)))

    def document(self, listing: Listing) -> str | None:
        """The listing's own document, if it is a web URL."""
        return safe_link(listing.url)

    def labels(self, names: Iterable[str]) -> list[str]:
        """Names of places as labels in the reader's language: "Condado de Wayne"."""
        return [label_name(name, self._language) for name in names]

    def heading(self, name: str) -> str:
        """The name of a place, in the reader's language already, as a heading."""
        return drop_article(name)

    def reach(self, cover: Cover) -> str:
        """Where an agency is: "covers Lake County"."""
        return clean(describe_placement(cover.placement.reason, self._language))

    def meaning(self, watched: SourceInfo, at: datetime) -> MeaningText | None:
        """The meaning of being on a list at a moment; None if the configuration has none."""
        meaning = watched.meaning(self.local_day(at))
        if meaning is None:
            return None
        return MeaningText(clean(meaning.text(self._language), 1500), self._sentences.reviewed(meaning))

    def steps(self, lists: Iterable[SourceInfo | None]) -> tuple[str, ...]:
        """What a reader can do about the lists that name an agency."""
        own = clean(self._site.next_step.get(self._language) or "", 300)
        told = [
            (clean(each.title(self._language)), each.basis) if each else ("", Basis.LISTING) for each in lists
        ]
        return list_steps(told, self._language, own)

    def note_title(self, name: str) -> str:
        """The title of an operator's note on an agency."""
        title = locale.translations(self._language).gettext("%(name)s: a note by the operator of this site")
        return title % {"name": name}

    def local_day(self, at: datetime) -> date:
        """The day of a moment in the site's time zone."""
        return locale.local_day(at, self._site.timezone)

    def counts(self, counts: dict[Kind, int]) -> str:
        """Counts of a changeset: "3 agencies added, 1 no longer listed"."""
        what = {"added": Kind.ADDED, "removed": Kind.REMOVED, "changed": Kind.CHANGED}
        number = {name: counts.get(kind, 0) for name, kind in what.items()} | {"again": 0, "renamed": 0}
        return self._sentences.counts(number)

    def age(self, since: datetime, now: datetime) -> str:
        """How long ago: "just now", "23 minutes ago", "3 hours ago", "2 days ago"."""
        minutes = max(int((now - since).total_seconds() // 60), 0)
        catalog = locale.translations(self._language)
        ngettext = catalog.ngettext
        if not minutes:
            return catalog.gettext("just now")
        if minutes < 120:
            return ngettext("%(count)d minute ago", "%(count)d minutes ago", minutes) % {"count": minutes}
        hours = minutes // 60
        if hours < 48:
            return ngettext("%(count)d hour ago", "%(count)d hours ago", hours) % {"count": hours}
        days = hours // 24
        return ngettext("%(count)d day ago", "%(count)d days ago", days) % {"count": days}


@dataclass(frozen=True, slots=True)
class ValueNote:
    """The meaning of a value of a list, with its review date and citation."""

    name: str
    text: str
    reviewed: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact from a list about an agency; ``link`` if it is a web URL. ``notes`` are the meanings of the
    values.
    """

    label: str
    value: str
    link: str | None = None
    notes: tuple[ValueNote, ...] = ()

    @property
    def is_address(self) -> bool:
        """Whether it consists only of web URLs."""
        return "://" in self.value


@dataclass(frozen=True, slots=True)
class MeaningText:
    """The meaning of a listing, with its review date and citation."""

    text: str
    reviewed: str


def _named(row: StoredChange, states: Mapping[str, str]) -> str:
    listing = row.change.subject
    state = states.get(listing.state or "", listing.state or clean(listing.state_text or ""))
    return clean(listing.name) + (f", {state}" if state else "")


def agency_path(source: str, agency: str) -> str:
    """The path of an agency's page within the site: readable words of its key, and a hash of the whole key.

    It is stable as long as the agency's key is; names from publishers cannot make it longer or escape from
    it.
    """
    plain = unicodedata.normalize("NFKD", agency).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:60].strip("-") or "agency"
    return f"/agency/{source}/{slug}-{agency_hash(agency)}"


@lru_cache(maxsize=16384)  # an agency is found by comparing the hashes of its whole list
def agency_hash(agency: str) -> str:
    """The part of an agency's path that identifies it."""
    return hashlib.sha256(agency.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
