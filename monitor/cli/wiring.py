"""From `Settings` to the parts: the only place where the commands, the service and the demo build what the verbs take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from monitor.config import Settings
    from monitor.domain import Listing, Placement
    from monitor.fetch import Fetcher
    from monitor.keys import KeyFile
    from monitor.poll import Watch


def now() -> datetime:
    """The clock of the entry points."""
    return datetime.now(UTC)


def open_database(settings: Settings) -> Engine:
    """The database, brought to this program's revision (created when it is not there)."""
    from monitor.db import connect
    from monitor.migrate import upgrade

    engine = connect(settings.database_url)
    upgrade(engine, folder=settings.data.folder, now=now())
    return engine


def open_keys(settings: Settings, engine: Engine) -> KeyFile:
    """The key that seals addresses; made at first start, never over rows that another key has sealed."""
    from monitor.db import transaction
    from monitor.keys import KeyFile, bind

    keys = KeyFile.load(settings.data.folder, create=True)
    with transaction(engine) as conn:
        bind(conn, keys)
    return keys


def watch(settings: Settings, name: str) -> Watch:
    """What the poll needs to know of one configured source."""
    from monitor.fetch import Target
    from monitor.poll import Watch
    from monitor.sources import Columns, SourceSpec

    source = settings.source(name)
    return Watch(
        name=name,
        title=source.title,
        every=source.every,
        target=Target(url=source.url, page=source.page, link=source.link, hosts=frozenset(source.hosts)),
        spec=SourceSpec(name=name, format=source.format, columns=Columns(**source.columns.model_dump())),
        policy=settings.policy(name),
    )


def fetcher(settings: Settings) -> Fetcher:
    """The fetcher for the configured limits, proxy and contact; a context manager."""
    from monitor.fetch import Fetcher, Limits

    fetch = settings.fetch
    return Fetcher(
        contact=settings.site.contact,
        timeout=fetch.timeout,
        attempts=fetch.attempts,
        proxy=fetch.proxy.get_secret_value() if fetch.proxy else None,
        limits=Limits(wire=fetch.wire_bytes, decoded=fetch.decoded_bytes, ratio=fetch.ratio),
        trust_env=True,
    )


def locator(settings: Settings) -> Callable[[str, Listing], Placement]:
    """Where a listing of a source is: the gazetteer with the operator's overrides, loaded at the first call."""
    from monitor.gazetteer import Gazetteer, load, load_overrides

    loaded: list[Gazetteer] = []

    def locate(source: str, listing: Listing) -> Placement:
        if not loaded:
            gazetteer = load()
            if settings.places.overrides:
                gazetteer = gazetteer.with_overrides(load_overrides(settings.places.overrides, gazetteer))
            loaded.append(gazetteer)
        return loaded[0].locate(listing, source=source)

    return locate
