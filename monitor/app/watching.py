"""The watched sources, and the parts that fetch, parse and place them."""

from __future__ import annotations

import shutil
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from monitor.config import Settings
    from monitor.fetch import Fetcher
    from monitor.parser import ParserProcess
    from monitor.places import Gazetteer
    from monitor.places.listed_agencies import FindListed
    from monitor.polling import PolledSource
    from monitor.polling.agreement_keeper import AgreementKeeper
    from monitor.storage.lists.place_overrides import StoredOverride


def polled_source(
    settings: Settings, name: str, gazetteer: Callable[[], Gazetteer] | None = None
) -> PolledSource:
    """What a poll needs to know about one configured source. Raises UsageError for an unknown one.

    ``gazetteer`` loads the gazetteer for its listings, instead of the settings' own.
    """
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
        gazetteer=gazetteer or cache(partial(load_gazetteer, settings)),
        has_room=partial(_has_room, settings.data.folder, settings.data.disk_rest * 1_000_000),
    )


def open_agreement_keeper(settings: Settings, engine: Engine, fetcher: Fetcher) -> AgreementKeeper | None:
    """Create the keeper of the agreements that listings link to; None if no list asks for it."""
    from monitor.polling.agreement_keeper import AgreementKeeper, AgreementRules

    names = [name for name, source in settings.sources.items() if source.enabled and source.agreements]
    if not names:
        return None
    section = settings.agreements
    return AgreementKeeper(
        engine,
        {name: polled_source(settings, name).target for name in names},
        fetcher,
        AgreementRules(
            every=section.every,
            largest=section.file_bytes,
            all_bytes=section.all_bytes,
            has_room=partial(_has_room, settings.data.folder, settings.data.disk_rest * 1_000_000),
        ),
    )


def _has_room(folder: Path, rest: int, size: int) -> bool:
    """Whether ``rest`` bytes of the data disk stay free after ``size`` more bytes are written."""
    try:
        return shutil.disk_usage(folder).free - size >= rest
    except OSError:
        return True  # the folder does not exist yet, and the later failure names the reason


def open_fetcher(
    settings: Settings,
    parser: ParserProcess | None,
    *,
    attempts: int | None = None,
    on_wait: Callable[[str], object] = lambda text: None,
) -> Fetcher:
    """Create the fetcher for the configured limits, proxy and contact; a context manager.

    ``parser`` reads the links of publishers' pages; None if there are no pages, or only the program's own.
    ``attempts``, if given, counts instead of the configured number; ``on_wait`` gets a line before each
    further attempt.
    """
    from monitor.fetch import Fetcher
    from monitor.net import SizeLimits
    from monitor.sources.page_links import read_links

    fetch = settings.fetch
    return Fetcher(
        contact=settings.site.contact,
        timeout=fetch.timeout,
        attempts=attempts or fetch.attempts,
        on_wait=on_wait,
        read_links=parser.read_links if parser else read_links,
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
    """Load the gazetteer that ships with the program, with the overrides of the operator's file."""
    from monitor.places import load, load_overrides

    loaded = load()
    if settings.places.overrides:
        loaded = loaded.with_overrides(load_overrides(settings.places.overrides, loaded))
    return loaded


class CurrentGazetteer:
    """The gazetteer with the operator's overrides: those in the file, and above them those in the database,
    which a notice or `monitor place` may change while the service runs. Its finder knows the agencies that
    ``find_listed`` returns.
    """

    def __init__(self, settings: Settings, engine: Engine, find_listed: FindListed | None = None) -> None:
        self._settings, self._engine, self._find_listed = settings, engine, find_listed
        self._from_file: Gazetteer | None = None
        self._stored: tuple[StoredOverride, ...] | None = None
        self._loaded: Gazetteer | None = None

    def get(self) -> Gazetteer:
        """Load the gazetteer at the first call; later calls return it as of the last `renew`."""
        return self._loaded or self.renew()

    def renew(self) -> Gazetteer:
        """Read the overrides in the database again; returns the same gazetteer if none has changed. Raises
        StoreError.
        """
        from monitor.places.overrides import make_override
        from monitor.storage.engine import reading
        from monitor.storage.lists.place_overrides import load_stored_overrides

        with reading(self._engine) as conn:
            stored = load_stored_overrides(conn)
        if self._loaded is None or stored != self._stored:
            own = self._from_file = self._from_file or load_gazetteer(self._settings)
            if self._find_listed is not None:
                own = own.with_lists(self._find_listed)
            rows = [make_override(o.source, o.key, o.name, o.state, o.places, o.note) for o in stored]
            self._loaded = own.with_overrides(own.overrides.with_rows(rows)) if rows else own
            self._stored = stored
        return self._loaded
