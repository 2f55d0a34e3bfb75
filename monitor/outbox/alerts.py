"""Builds alerts as values: published changes, with the configured description of their list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from monitor.domain import (
    AlertedChange,
    Basis,
    Change,
    Confidence,
    Kind,
    Listing,
    PlacementReason,
    SourceInfo,
)
from monitor.errors import UsageError
from monitor.messages.model import Alert, ChangeRetracted
from monitor.storage.deliveries.fanout import Published
from monitor.storage.lists.changes import StoredChange


class AlertBuilder:
    """Builds alerts. ``sources`` are all configured lists by name; ``public_url`` is None without a site to
    link to.
    """

    def __init__(self, sources: Mapping[str, SourceInfo], public_url: str | None) -> None:
        self._sources = sources
        self._public = public_url.rstrip("/") if public_url else None

    def title(self, source: str, language: str) -> str:
        """The title of a list in a language; its name if it is no longer configured."""
        known = self._sources.get(source)
        return known.title(language) if known else source

    def find_polls_url(self, source: str) -> str | None:
        """The URL of the file with every poll of a list; None without a site, or for an unknown list."""
        if self._public is None or source not in self._sources:
            return None
        return f"{self._public}/data/{source}/polls.csv"

    def build(
        self,
        source: str,
        language: str,
        changes: Sequence[tuple[Published, tuple[str, ...]]],
        *,
        late: bool = False,
        changeset: int | None = None,
        moved: Mapping[str, str] = MappingProxyType({}),
    ) -> Alert:
        """Build the alert about published changes of one list, each with the followed places that match.

        ``changeset`` is the changeset of all of them, None if they were not published together. ``moved``: by
        the key of an added agency, the list from which it moved here.
        """
        told = tuple(
            AlertedChange(
                change=published.change,
                because=places,
                reason=published.reason,
                confidence=published.confidence,
                not_before=published.not_before,
                not_after=published.not_after,
                came_from=self._title_of_origin(published.change, moved, language),
                gone_at=published.gone_at,
            )
            for published, places in changes
        )
        held = any(published.was_held for published, _ in changes)
        single = changes[0][0].id if len(changes) == 1 else None
        return self._alert(source, language, told, late=late, held=held, changeset=changeset, single=single)

    def _title_of_origin(self, change: Change, moved: Mapping[str, str], language: str) -> str | None:
        if change.kind is not Kind.ADDED or change.subject.key not in moved:
            return None
        return self.title(moved[change.subject.key], language)

    def _alert(
        self,
        source: str,
        language: str,
        told: tuple[AlertedChange, ...],
        *,
        late: bool = False,
        held: bool = False,
        changeset: int | None = None,
        single: int | None = None,
    ) -> Alert:
        known = self._sources.get(source)
        permalink = None
        if self._public is not None:
            permalink = f"{self._public}/changes/{changeset}" if changeset else f"{self._public}/changes"
            if single is not None:  # its own page has the proof
                permalink = f"{self._public}/change/{single}"
        newest = max(change.not_after for change in told)
        return Alert(
            source=source,
            title=known.title(language) if known else source,
            publisher=known.publisher if known else "The publisher",
            official_url=known.official_url if known else permalink or "",
            told=told,
            meaning=known.meaning(newest.date()) if known else None,
            values=known.values if known else (),
            basis=known.basis if known else Basis.LISTING,
            language=language,
            late=late,
            held=held,
            permalink=permalink,
        )

    def build_retraction(self, row: StoredChange, told_at: datetime | None, language: str) -> ChangeRetracted:
        """Build the message about a retracted change, for a person who was alerted to it."""
        known = self._sources.get(row.source)
        retraction = row.retraction
        assert retraction is not None
        permalink = f"{self._public}/change/{row.id}" if self._public is not None else None
        return ChangeRetracted(
            language=language,
            source=row.source,
            title=known.title(language) if known else row.source,
            publisher=known.publisher if known else "The publisher",
            official_url=known.official_url if known else permalink or "",
            told=AlertedChange(
                change=row.change,
                because=(),
                reason=row.placement,
                confidence=Confidence(row.confidence) if row.confidence else Confidence.EXACT,
                not_before=row.not_before,
                not_after=row.first_seen_at,
                gone_at=row.gone_at,
            ),
            # rounded to the hour, so that people who were alerted together share one rendering
            told_at=told_at and told_at.replace(minute=0, second=0, microsecond=0),
            retracted_at=retraction.at,
            reason=retraction.reason(language),
            reason_language=language if language in retraction.texts else "en",
            permalink=permalink,
        )

    def sample(self, language: str, now: datetime) -> Alert:
        """Build a sample alert with an invented change. Raises UsageError if no list is monitored."""
        source = next((info for info in self._sources.values() if info.enabled), None)
        if source is None:
            raise UsageError(
                "no list is monitored: write a [sources.NAME] section, or remove enabled = false"
            )
        listing = Listing(
            name="Hammond Police Department", city="Hammond", state="IN", since=now.date() - timedelta(days=1)
        )
        told = AlertedChange(
            change=Change(Kind.ADDED, after=listing),
            because=("46320",),
            reason=PlacementReason("covers", ("Hammond",)),
            confidence=Confidence.EXACT,
            not_before=now - source.every,
            not_after=now,
        )
        return replace(self._alert(source.name, language, (told,)), sample=True)
