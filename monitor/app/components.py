"""The parts of the program for one configuration and one database, each created once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Self

from monitor.app.database import now, open_database, open_keys, open_site_database, open_tombstones
from monitor.app.delivering import (
    configured_channels,
    has_bot,
    message_sender,
    notice_ways,
    open_channels,
    sender_address,
)
from monitor.app.watching import CurrentGazetteer, open_parser, polled_source

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from monitor.channels import Channel
    from monitor.config import Settings
    from monitor.domain import Listing, Placement
    from monitor.keys import KeyFile
    from monitor.messages import Message, Sender
    from monitor.ops.decisions import DecisionDesk
    from monitor.ops.health import HealthFacts, HealthFinding, HostFacts
    from monitor.ops.notify import OperatorNotifier
    from monitor.outbox import MessageLoader, RecipientPlaceholders
    from monitor.outbox.placement_renewal import PlacingReport
    from monitor.outbox.prepare import MessagePreparer
    from monitor.places import Gazetteer
    from monitor.polling import PolledSource
    from monitor.record.bundle_files import BundleFiles
    from monitor.record.data.data_files import DataFiles
    from monitor.record.log_key import LogKey
    from monitor.storage.lists.coverage import Coverage
    from monitor.subscribers import Tombstones


def read_disk(settings: Settings) -> HostFacts:
    """Look at the disk of the data folder, which needs no database."""
    from monitor.ops.health import HostFacts

    try:
        free = shutil.disk_usage(settings.data.folder).free
    except OSError:
        free = None
    return HostFacts(disk_free=free, disk_low=settings.operator.disk_low * 1_000_000)


@dataclass(frozen=True)
class Components:
    """The parts of the program for one configuration, on one open database.

    Parts that cost start-up time are built on first use and kept. ``opened_keys`` are used instead of opening
    the key file. A context manager: it closes the database.
    """

    settings: Settings
    engine: Engine
    clock: Callable[[], datetime] = now
    opened_keys: KeyFile | None = None

    @classmethod
    def open(cls, settings: Settings, clock: Callable[[], datetime] = now) -> Self:
        """Open the configured database and build the rest on it."""
        return cls(settings, open_database(settings), clock)

    @classmethod
    def open_existing(cls, settings: Settings, clock: Callable[[], datetime] = now) -> Self:
        """The same for commands that need an existing database. Raises StoreError."""
        return cls(settings, open_database(settings, create=False), clock)

    @classmethod
    def open_for_site(cls, settings: Settings, clock: Callable[[], datetime] = now) -> Self:
        """The same for the site alone, which may use a database role of its own."""
        return cls(settings, open_site_database(settings), clock)

    def close(self) -> None:
        """Close the database."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @cached_property
    def keys(self) -> KeyFile:
        """The key that encrypts addresses. Raises KeyFileError."""
        return self.opened_keys or open_keys(self.settings, self.engine)

    @cached_property
    def current_gazetteer(self) -> CurrentGazetteer:
        return CurrentGazetteer(self.settings, self.engine, lambda names: self.coverage.find_named(names))

    @property
    def gazetteer(self) -> Gazetteer:
        """The gazetteer with the operator's overrides as last read."""
        return self.current_gazetteer.get()

    def renew_placements(self) -> PlacingReport:
        """Read the operator's overrides again, and place the affected agencies again."""
        from monitor.outbox import renew_placements

        return renew_placements(self.engine, self.current_gazetteer.renew(), self.clock())

    @cached_property
    def coverage(self) -> Coverage:
        """Answers which agencies cover a place today."""
        from monitor.storage.lists.coverage import Coverage

        return Coverage(self.engine, self.settings.watched, self.locate)

    @cached_property
    def data_files(self) -> DataFiles:
        """The data files of the record, kept in the data folder."""
        from monitor.record.data.data_files import DataFiles, DataTerms

        site = self.settings.site
        return DataFiles(
            engine=self.engine,
            sources=self.settings.watched_infos,
            locate=self.coverage.placement,
            gazetteer=self.gazetteer,
            terms=DataTerms(name=site.name, url=site.public_url or "", licence=site.data_licence),
            folder=self.settings.data.folder / "public",
        )

    @cached_property
    def bundle_files(self) -> BundleFiles:
        """The evidence bundles that the site offers for download."""
        from monitor.record.bundle_files import BundleFiles

        return BundleFiles(
            engine=self.engine,
            sources=self.settings.infos,
            operator=self.settings.site.name,
            open_key=self.open_log_key,
            folder=self.settings.data.folder / "public" / "evidence",
        )

    @cached_property
    def channels(self) -> dict[str, Channel]:
        """The configured channels by name, not connected yet. Raises ConfigError."""
        return open_channels(self.settings, self.clock, lambda: self.keys)

    @cached_property
    def polled_sources(self) -> dict[str, PolledSource]:
        """The sources that are polled, by name."""
        return {
            name: polled_source(self.settings, name, self.current_gazetteer.renew)
            for name in self.settings.watched
        }

    def open_log_key(self) -> LogKey:
        """The key that signs the public record, created at the first call. Raises KeyFileError."""
        from urllib.parse import urlsplit

        from monitor.record.signing import open_log_key
        from monitor.storage import database_facts
        from monitor.storage.engine import transaction

        host = urlsplit(self.settings.site.public_url or "").hostname
        if host:
            name = f"{host.encode('idna').decode()}/log"
        else:
            with transaction(self.engine) as conn:
                name = f"map-monitor/{database_facts.ensure_identity(conn)}"
        return open_log_key(self.engine, self.settings.data.folder, name, self.clock())

    @cached_property
    def loader(self) -> MessageLoader:
        """Loads message values for deliveries."""
        from monitor.outbox import MessageLoader

        return MessageLoader(
            self.settings.infos, self.settings.site.public_url, self.engine, self.coverage, self.clock
        )

    def render(self, channel: str, message: Message) -> object:
        """Render a message from this service in the form that a channel sends."""
        from monitor.channels.kinds import kind_of

        return kind_of(channel).renderer()(message, self.load_sender())

    def load_sender(self) -> Sender:
        """Load what messages say about this service, with the head of the public record."""
        return replace(message_sender(self.settings), head=self.load_head())

    def load_head(self) -> str:
        """Load the signed head of the public record as one line; "" before it is first signed."""
        from monitor.record.checkpoint import read_checkpoint
        from monitor.storage.engine import reading
        from monitor.storage.lists import log_rows

        with reading(self.engine) as conn:
            note = log_rows.load_checkpoint(conn)
        return "" if note is None else read_checkpoint(note).head

    @property
    def placeholders(self) -> RecipientPlaceholders:
        """Computes the values that differ by recipient."""
        from monitor.outbox import RecipientPlaceholders

        site = self.settings.site
        return RecipientPlaceholders(self.keys, sender_address(self.settings), site.public_url, site.timezone)

    def open_preparer(self, channel: str) -> MessagePreparer:
        """Create the preparer that turns deliveries of a channel into messages; it sends nothing."""

        from monitor.outbox.prepare import MessagePreparer

        return MessagePreparer(
            self.engine,
            self.keys,
            self.loader,
            partial(self.render, channel),
            self.placeholders,
            series="",
            domain=sender_address(self.settings).rpartition("@")[2],
        )

    def sign_record(self) -> None:
        """Sign the state of the public record if it has grown. Raises KeyFileError."""
        from monitor.record.signing import sign_checkpoint

        sign_checkpoint(self.engine, self.open_log_key(), self.settings.data.folder, self.clock())

    @property
    def tombstones(self) -> Tombstones:
        return open_tombstones(self.settings)

    def locate(self, source: str, listing: Listing) -> Placement:
        """Place a listing of a source; the first call loads the gazetteer."""
        return self.gazetteer.locate(listing, source=source)

    def load_health(self) -> HealthFacts:
        """Read the facts for `monitor status`, metrics and notices to the operator. Raises StoreError."""
        from monitor.ops import health

        settings = self.settings
        return health.load_facts(
            self.engine,
            settings.watched_infos,
            configured=configured_channels(settings),
            fenced=self.fenced(),
            now=self.clock(),
            signups_an_hour=settings.signup.per_site,
            bot=has_bot(settings),
            host=self._look_at_host(),
            canary_every=settings.operator.canary_every if settings.operator.canary else None,
        )

    def _look_at_host(self) -> HostFacts:
        from monitor.keys import NAME
        from monitor.record.signing import find_lost_head
        from monitor.storage.key_exchange import find_key_problem

        folder = self.settings.data.folder
        key_problem = find_key_problem(self.engine, folder)
        return replace(
            read_disk(self.settings),
            key_problem=key_problem,
            key_made=key_problem is not None or (folder / NAME).exists(),
            backup_after=self.settings.operator.backup_after,
            lost_head=find_lost_head(self.engine, folder),
        )

    def open_notifier(self) -> OperatorNotifier | None:
        """Create the notifier for the operator; None if no address is configured. Raises UsageError for an
        address that no configured channel can reach.
        """
        from monitor.ops.health import find_problems
        from monitor.ops.notify import OperatorNotifier
        from monitor.ops.open_questions import find_questions
        from monitor.ops.record_health import find_lasting

        ways = notice_ways(self.settings, self.clock)
        if not ways:
            return None

        def find() -> list[HealthFinding]:
            facts = self.load_health()
            return [*find_lasting(facts), *find_problems(facts), *find_questions(facts)]

        return OperatorNotifier(
            self.engine,
            find,
            ways,
            domain=sender_address(self.settings).rpartition("@")[2],
            clock=self.clock,
            ask=self.desk.ask,
            link=self._link_decision if self.settings.site.public_url else None,
        )

    def _link_decision(self, token: str) -> str:
        from monitor.ops.notify import DECIDE

        return f"{(self.settings.site.public_url or '').rstrip('/')}/{DECIDE}/{token}"

    @cached_property
    def desk(self) -> DecisionDesk:
        """Shows and carries out the operator's decisions by buttons and links."""
        from monitor.ops.decision_parts import DecisionParts
        from monitor.ops.decisions import DecisionDesk

        settings = self.settings
        parts = DecisionParts(
            engine=self.engine,
            clock=self.clock,
            watches=lambda: {
                name: polled_source(settings, name, self.current_gazetteer.renew) for name in settings.sources
            },
            open_parser=lambda: open_parser(settings),
            folder=settings.data.folder,
            gazetteer=lambda: self.gazetteer,
            renew_placements=self.renew_placements,
        )
        return DecisionDesk(parts, lambda: self.keys)

    def fenced(self) -> str | None:
        """Why nothing is sent from this database; None if sending is allowed."""
        from monitor.outbox import clone_guard

        return clone_guard.check(self.engine, self.settings.data.folder).reason
