"""The composition root: from `Settings` to the parts that faces, loops and commands use.

`Components` holds the parts of one configuration on one database; expensive ones are built on first use. Each
face has `create(components)`, and the commands in `cli` tie faces, loops and processes together. This module
imports no face.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from monitor.errors import MonitorError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from monitor.channels import Channel, OperatorAddress
    from monitor.config import Settings
    from monitor.domain import Listing, Placement
    from monitor.fetch import Fetcher
    from monitor.keys import KeyFile
    from monitor.messages import Message, Sender
    from monitor.messages.model import Alert
    from monitor.ops.decisions import DecisionDesk
    from monitor.ops.health import HealthFacts, HealthFinding, HostFacts
    from monitor.ops.notify import NoticeWay, OperatorNotifier
    from monitor.outbox import Drained, MessageLoader, RecipientPlaceholders
    from monitor.outbox.prepare import MessagePreparer
    from monitor.parser import ParserProcess
    from monitor.places import Gazetteer
    from monitor.polling import PolledSource
    from monitor.record.bundle_files import BundleFiles
    from monitor.record.data.data_files import DataFiles
    from monitor.record.log_key import LogKey
    from monitor.storage.lists.coverage import Coverage
    from monitor.subscribers import Tombstones

log = logging.getLogger(__name__)

_LOOK_AGAIN = 1.0  # s, while another process migrates


def now() -> datetime:
    """The clock of the entry points."""
    return datetime.now(UTC)


def process_name() -> str:
    """The name of this process in heartbeats and leases."""
    return f"{os.uname().nodename}/{os.getpid()}"


def open_database(settings: Settings) -> Engine:
    """Open the database, created or migrated to this program's revision, and bound to its data folder."""
    from monitor.outbox import clone_guard
    from monitor.storage.engine import connect
    from monitor.storage.migrate import upgrade

    engine = connect(settings.database_url)
    try:
        upgrade(
            engine,
            folder=settings.data.folder,
            now=now(),
            copies=settings.database.copy_before_upgrade,
        )
        clone_guard.bind_folder(engine, settings.data.folder)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_site_database(settings: Settings, *, wait: timedelta | None = None) -> Engine:
    """Open the database for the site alone, by `Settings.site_database_url`.

    A role that may not read addresses may not migrate either: it waits until another process has, for at most
    ``wait`` (None: as long as for another's migration). Raises MigrationError.
    """
    from monitor.outbox import clone_guard
    from monitor.storage import grants, migrate
    from monitor.storage.engine import connect, reading

    engine = connect(settings.site_database_url)
    try:
        with reading(engine) as conn:
            complete = grants.may_read_addresses(conn)
        if complete:
            copies = settings.database.copy_before_upgrade
            migrate.upgrade(engine, folder=settings.data.folder, now=now(), copies=copies)
        else:
            _wait_for_migration(engine, migrate.WAIT if wait is None else wait)
        clone_guard.bind_folder(engine, settings.data.folder)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _wait_for_migration(engine: Engine, wait: timedelta) -> None:
    from monitor.errors import MigrationError
    from monitor.storage import migrate
    from monitor.subscribers.address_outlines import are_missing

    wanted, deadline = migrate.head(), time.monotonic() + wait.total_seconds()
    while (revision := migrate.current(engine)) != wanted or are_missing(engine):
        if time.monotonic() >= deadline:
            raise MigrationError(
                f"the database is at revision {revision}, this program needs {wanted}, and the role of the "
                "site may not migrate it: start `monitor worker`, or run `monitor init`, with [database] url"
            )
        time.sleep(_LOOK_AGAIN)


def open_keys(settings: Settings, engine: Engine) -> KeyFile:
    """Open the key that encrypts addresses, created at the first start and never beside rows of another key.

    When another process exchanges it (`monitor key rotate`), this engine goes on with the new one. Erasures
    that are newer than this copy of the database are applied again, and what an earlier version did not store
    of addresses is filled in, except under a role that cannot read them. Raises KeyFileError.
    """
    from monitor.storage import grants
    from monitor.storage.engine import on_begin, transaction
    from monitor.storage.key_exchange import unlock
    from monitor.subscribers import reapply_erasures
    from monitor.subscribers.address_outlines import fill_outlines

    with transaction(engine) as conn:
        keys = unlock(conn, settings.data.folder)
        reads_addresses = grants.may_read_addresses(conn)
    on_begin(engine, keys.refresh)
    if reads_addresses:
        fill_outlines(engine, keys)
        reapply_erasures(engine, keys, open_tombstones(settings), now())
    return keys


def open_tombstones(settings: Settings) -> Tombstones:
    """Open the list of erasures, a file beside the database."""
    from monitor.subscribers import Tombstones

    return Tombstones(settings.data.folder)


def polled_source(settings: Settings, name: str) -> PolledSource:
    """What the poll needs to know of one configured source. Raises UsageError for an unknown one."""
    from monitor.fetch import LinkRule, Target
    from monitor.polling import PolledSource
    from monitor.sources import FORMATS, ColumnMap, ParseOptions

    source = settings.source(name)
    options = ParseOptions(
        name=name,
        format=source.format,
        columns=ColumnMap(**source.columns.model_dump()),
        settings=source.options,
    )
    collect = FORMATS[source.format].collect
    return PolledSource(
        name=name,
        every=source.every,
        target=Target(
            url=source.url,
            page=source.page,
            link=LinkRule(**source.link.model_dump()) if source.link else None,
            hosts=frozenset(source.hosts),
            user_agent=source.user_agent,
            printed_count=source.printed_count,
            collect=(lambda url: collect(url, options)) if collect else None,
        ),
        options=options,
        policy=settings.policy(name),
        optional=source.optional,
        leads_to=source.leads_to,
        has_room=partial(_has_room, settings.data.folder, settings.data.disk_rest * 1_000_000),
    )


def _has_room(folder: Path, rest: int, size: int) -> bool:
    """Whether ``rest`` bytes stay free on the disk of the data beside ``size`` more."""
    try:
        return shutil.disk_usage(folder).free - size >= rest
    except OSError:
        return True  # the folder is not there yet, and what fails says so itself


def open_fetcher(settings: Settings) -> Fetcher:
    """Create the fetcher for the configured limits, proxy and contact; a context manager."""
    from monitor.fetch import Fetcher
    from monitor.net import SizeLimits

    fetch = settings.fetch
    return Fetcher(
        contact=settings.site.contact,
        timeout=fetch.timeout,
        attempts=fetch.attempts,
        proxy=fetch.proxy.get_secret_value() if fetch.proxy else None,
        limits=SizeLimits(wire=fetch.wire_bytes, decoded=fetch.decoded_bytes, ratio=fetch.ratio),
        trust_env=True,
    )


def open_parser(settings: Settings) -> ParserProcess:
    """Create the parser for the configured limits, in processes of its own; a context manager."""
    from monitor.parser import ParserLimits, ParserProcess
    from monitor.parser.limits import default_memory

    fetch = settings.fetch
    return ParserProcess(
        ParserLimits(
            wall=fetch.parser_time,
            processor=fetch.parser_time,
            memory=fetch.parser_memory or default_memory(),
        )
    )


def load_gazetteer(settings: Settings) -> Gazetteer:
    """Load the gazetteer that ships with the program, with the operator's overrides."""
    from monitor.places import load, load_overrides

    loaded = load()
    if settings.places.overrides:
        loaded = loaded.with_overrides(load_overrides(settings.places.overrides, loaded))
    return loaded


MAILBOX_SENDER = "Map Monitor <alerts@localhost>"  # when mail goes into files and no sender is configured


def configured_channels(settings: Settings) -> frozenset[str]:
    """The names of the channels with a transport; a mailbox folder stands in for all of them."""
    from monitor.channels.kinds import KINDS

    return frozenset(
        name
        for name, kind in KINDS.items()
        if settings.mailbox.folder or kind.is_configured(settings.channel(name))
    )


def has_bot(settings: Settings) -> bool:
    """Whether people can talk to a bot: its channel is configured, and files do not stand in for it."""
    from monitor.channels.kinds import KINDS

    if settings.mailbox.folder:
        return False
    return any(KINDS[name].has_bot for name in configured_channels(settings))


def open_channels(settings: Settings, clock: Callable[[], datetime] = now) -> dict[str, Channel]:
    """Create the configured channels by name, not connected yet. ``[mailbox] folder`` replaces them all by
    files.

    Raises ConfigError when a section names a file that cannot be read.
    """
    from monitor.channels.kinds import KINDS

    if folder := settings.mailbox.folder:
        sender = settings.email.sender or MAILBOX_SENDER
        return {name: kind.open_mailbox(folder, sender, clock) for name, kind in KINDS.items()}
    configured = configured_channels(settings)
    return {
        name: kind.open(settings.channel(name), clock) for name, kind in KINDS.items() if name in configured
    }


def operator_addresses(settings: Settings) -> dict[str, tuple[OperatorAddress, ...]]:
    """The operator's own addresses by channel; only channels that can have some."""
    from monitor.channels.kinds import KINDS

    found = {name: kind.operator_addresses(settings.channel(name)) for name, kind in KINDS.items()}
    return {name: addresses for name, addresses in found.items() if addresses is not None}


def public_addresses(settings: Settings) -> list[tuple[str, str, str]]:
    """The operator's public channels that are configured: (place, name for people, where it is) each."""
    from monitor.channels.kinds import KINDS

    configured = configured_channels(settings)
    return [
        (own.place, own.address, url)
        for name, addresses in operator_addresses(settings).items()
        for own in addresses
        if name in configured and (url := KINDS[name].public_url(own.address)) is not None
    ]


def sender_address(settings: Settings) -> str:
    """The bare address that mails come from."""
    from monitor.channels.email.mime import MailSender

    return MailSender.parse(settings.email.sender or MAILBOX_SENDER).address


def message_sender(settings: Settings) -> Sender:
    """Who sends messages, as the configuration names it."""
    from monitor.messages import Sender

    site = settings.site
    return Sender(
        site_name=site.name,
        contact=site.contact,
        postal_address=site.postal_address,
        timezone=site.timezone,
        managed=site.public_url is not None,
    )


def render_message(settings: Settings, channel: str, message: Message, head: str = "") -> object:
    """Render a message as from this service, in the form that a channel sends. ``head`` is the line of the
    public record at its end.
    """
    from monitor.channels.kinds import kind_of

    return kind_of(channel).renderer()(message, replace(message_sender(settings), head=head))


def sample_alert(settings: Settings, language: str, now: datetime) -> Alert:
    """A sample alert. Raises UsageError where no list is monitored."""
    from monitor.outbox.alerts import AlertBuilder

    return AlertBuilder(settings.infos, settings.site.public_url).sample(language, now)


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
    def open_for_site(cls, settings: Settings, clock: Callable[[], datetime] = now) -> Self:
        """The same for the site alone, which may have a role of its own."""
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
    def gazetteer(self) -> Gazetteer:
        return load_gazetteer(self.settings)

    @cached_property
    def coverage(self) -> Coverage:
        """Which agencies cover a place today."""
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
        """The evidence bundles that the site gives to visitors."""
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
        return open_channels(self.settings, self.clock)

    @cached_property
    def polled_sources(self) -> dict[str, PolledSource]:
        """The sources that are polled, by name."""
        return {name: polled_source(self.settings, name) for name in self.settings.watched}

    def open_log_key(self) -> LogKey:
        """The key that signs the public record, created at the first call. Raises KeyFileError."""
        from urllib.parse import urlsplit

        from monitor.record.signing import open_log_key
        from monitor.storage import meta
        from monitor.storage.engine import transaction

        host = urlsplit(self.settings.site.public_url or "").hostname
        if host:
            name = f"{host.encode('idna').decode()}/log"
        else:
            with transaction(self.engine) as conn:
                name = f"map-monitor/{meta.identity(conn)}"
        return open_log_key(self.engine, self.settings.data.folder, name, self.clock())

    @cached_property
    def loader(self) -> MessageLoader:
        """Makes message values from what is owed."""
        from monitor.outbox import MessageLoader

        return MessageLoader(
            self.settings.infos, self.settings.site.public_url, self.engine, self.coverage, self.clock
        )

    def render(self, channel: str, message: Message) -> object:
        """Render a message as from this service, in the form that a channel sends."""
        return render_message(self.settings, channel, message, self.load_head())

    def load_head(self) -> str:
        """The signed head of the public record, as one line; "" before it was signed."""
        from monitor.record.checkpoint import read_checkpoint
        from monitor.storage.engine import reading
        from monitor.storage.lists import log_rows

        with reading(self.engine) as conn:
            note = log_rows.load_checkpoint(conn)
        return "" if note is None else read_checkpoint(note).head

    @property
    def placeholders(self) -> RecipientPlaceholders:
        """Computes each recipient's own words."""
        from monitor.outbox import RecipientPlaceholders

        site = self.settings.site
        return RecipientPlaceholders(self.keys, sender_address(self.settings), site.public_url, site.timezone)

    def open_preparer(self, channel: str) -> MessagePreparer:
        """Create what makes the messages of a channel from deliveries; it sends nothing."""
        from functools import partial

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
        """Read what `monitor status`, metrics and the notices to the operator look at. Raises StoreError."""
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
        from monitor.errors import KeyFileError
        from monitor.keys import NAME, KeyFile
        from monitor.ops.health import HostFacts

        operator, folder = self.settings.operator, self.settings.data.folder
        try:
            key_problem = None
            if (folder / NAME).exists():
                KeyFile.load(folder, create=False)
        except KeyFileError as error:
            key_problem = str(error)
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            free = None
        return HostFacts(
            disk_free=free,
            disk_low=operator.disk_low * 1_000_000,
            key_problem=key_problem,
            backup_after=operator.backup_after,
        )

    def open_notifier(self) -> OperatorNotifier | None:
        """Make what tells the operator; None if nobody is to be told. Raises UsageError for an address that
        no configured channel can reach.
        """
        from monitor.ops.health import find_holds, find_problems
        from monitor.ops.notify import OperatorNotifier

        ways = notice_ways(self.settings, self.clock)
        if not ways:
            return None

        def find() -> list[HealthFinding]:
            facts = self.load_health()
            return [*find_problems(facts), *find_holds(facts)]

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
        """Shows and carries out what the operator decides by buttons and links."""
        from monitor.ops.decision_kinds import DecisionParts
        from monitor.ops.decisions import DecisionDesk

        settings = self.settings
        parts = DecisionParts(
            engine=self.engine,
            clock=self.clock,
            watches=lambda: {name: polled_source(settings, name) for name in settings.sources},
            open_parser=lambda: open_parser(settings),
            folder=settings.data.folder,
        )
        return DecisionDesk(parts, lambda: self.keys)

    def fenced(self) -> str | None:
        """Why nothing is sent from this database; None: it is."""
        from monitor.outbox import clone_guard

        return clone_guard.check(self.engine, self.settings.data.folder).reason


def notice_ways(settings: Settings, clock: Callable[[], datetime] = now) -> list[NoticeWay]:
    """The ways to the operator, in the order of [operator] notify. Raises UsageError."""
    from functools import partial

    from monitor.channels import kinds
    from monitor.errors import UsageError
    from monitor.ops.notify import NoticeWay

    ways = []
    for address in settings.operator.notify:
        channel = kinds.recognise(address)
        if channel not in configured_channels(settings):
            raise UsageError(
                f"[operator] notify names an address of {channel}, which is not configured: configure it, or "
                "name another"
            )

        def open_channel(channel: str) -> Channel:
            return open_channels(settings, clock)[channel]

        ways.append(
            NoticeWay(
                channel,
                kinds.normalise_address(channel, address),
                partial(open_channel, channel),
                partial(render_message, settings, channel),
                has_buttons=has_bot(settings) and kinds.kind_of(channel).takes_answers(address),
            )
        )
    return ways


def canary_address(settings: Settings) -> tuple[str, str] | None:
    """The channel and the address of [operator] canary; None: there is none. Raises UsageError for one that
    no configured channel can reach.
    """
    from monitor.channels import kinds
    from monitor.errors import UsageError

    address = settings.operator.canary
    if address is None:
        return None
    channel = kinds.recognise(address)
    if channel not in configured_channels(settings):
        raise UsageError(f"[operator] canary is an address of {channel}, which is not configured")
    return channel, kinds.normalise_address(channel, address)


def forget_copies(components: Components, now: datetime) -> int:
    """Delete copies from before upgrades that are older than [site] backups_kept; returns how many."""
    from monitor.storage import migrate

    kept, folder = components.settings.site.backups_kept, components.settings.data.folder
    return 0 if kept is None else migrate.forget_copies(components.engine, folder, now - kept)


def dump_record(components: Components) -> None:
    """Make the day's dump of the public record, unless it is there. An error is logged."""
    from monitor.record.data.dump import make_dump

    files = components.data_files
    try:
        make_dump(files, files.folder / "dump", components.clock())
    except OSError as error:
        log.error("the dump of the record could not be made: %s: check the data folder", error.strerror)


def queue_signups(components: Components, now: datetime) -> int:
    """Decide about every stored sign-up; returns how many."""
    from monitor.subscribers import admit

    return _call_guarded("sign-ups", lambda: admit(components.engine, components.keys, now))


def queue_periodic(components: Components, now: datetime) -> int:
    """Queue the digests and notices that have become due, and purge what has expired; returns how many
    messages were queued.
    """
    from monitor.outbox import insert_due_canary, insert_due_digests, insert_due_notices
    from monitor.subscribers import purge_in_turn

    engine = components.engine

    def queue_canary() -> int:
        own = canary_address(components.settings)
        if own is None:
            return 0
        every = components.settings.operator.canary_every
        return insert_due_canary(engine, components.keys, *own, every, now)

    def purge() -> int:
        if purge_in_turn(engine, now):
            forget_copies(components, now)
        return 0

    return (
        _call_guarded("purging", purge)
        + _call_guarded("digests", lambda: insert_due_digests(engine, now))
        + _call_guarded("the canary", queue_canary)
        + _call_guarded("notices", lambda: insert_due_notices(engine, components.settings.watched_infos, now))
    )


def _call_guarded(what: str, verb: Callable[[], int]) -> int:
    """Call one of several verbs. An unforeseen error in it is logged and does not stop the others."""
    try:
        return verb()
    except MonitorError:
        raise
    except Exception:
        log.exception("%s: an error of the program; the rest goes on", what)
        return 0


async def send_due(
    components: Components, *, until: datetime | None = None, stop: asyncio.Event | None = None
) -> Drained:
    """Queue what has become due and drain the outbox on the configured channels. Raises FencedError."""
    now = until or components.clock()
    await asyncio.to_thread(queue_signups, components, now)
    await asyncio.to_thread(queue_periodic, components, now)
    return await drain_channels(components, components.channels, until=until, stop=stop)


async def drain_channels(
    components: Components,
    channels: Mapping[str, Channel],
    *,
    until: datetime | None = None,
    stop: asyncio.Event | None = None,
    counts_due: bool = True,
) -> Drained:
    """Send what is due on these channels. The parameters are those of `outbox.drain`. Raises FencedError."""
    from monitor.outbox import drain

    settings = components.settings
    return await drain(
        components.engine,
        channels,
        components.keys,
        loader=components.loader,
        render=components.render,
        placeholders=components.placeholders,
        folder=settings.data.folder,
        domain=sender_address(settings).rpartition("@")[2],
        owner=process_name(),
        clock=components.clock,
        until=until,
        stop=stop,
        counts_due=counts_due,
    )


def follow_channels(components: Components) -> None:
    """Make the addresses that stand in the configuration subscribers, and read what counties, towns and
    radiuses stand for again if the gazetteer is another one than at the last start.
    """
    from monitor import subscribers

    subscribers.renew_areas(components.engine, components.clock())

    for channel, addresses in operator_addresses(components.settings).items():
        subscribers.follow_channels(
            components.engine,
            components.keys,
            addresses=addresses,
            sources=list(components.settings.watched),
            now=components.clock(),
            channel=channel,
        )
