"""The parts of the site: plain values and objects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy.engine import Connection, Engine

from monitor.domain import SourceInfo
from monitor.places import Gazetteer
from monitor.record.bundle_files import BundleFiles
from monitor.record.data.data_files import DataFiles
from monitor.storage.lists.coverage import Coverage
from monitor.storage.lists.overview import SourceCounts, load_counts
from monitor.web.follow_links import FollowLink, choose_links
from monitor.web.records_laws import RecordsLaw


class ListCounts:
    """How many listings and held changes each list has, counted again when its baseline's number changes.
    Thread-safe: each entry is replaced as a whole.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, SourceCounts]] = {}

    def of(self, conn: Connection, numbers: Mapping[str, int]) -> dict[str, SourceCounts]:
        """Read the counts of lists, given the numbers of their baselines in the same reading."""
        found = {
            name: known[1]
            for name, number in numbers.items()
            if (known := self._known.get(name)) is not None and known[0] == number
        }
        moved = [name for name in numbers if name not in found]
        if moved:
            for name, counts in load_counts(conn, moved).items():
                self._known[name] = (numbers[name], counts)
                found[name] = counts
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The parts of the site.

    ``public_url`` is the public URL: every absolute link starts with it. ``sources`` are the watched
    lists by name, in the order in which they are shown. ``gazetteer`` finds places, ``coverage`` knows which
    agencies serve a place today. ``next_step`` is the operator's neutral advice by language. ``backups_kept``
    is how long copies of the database are kept, None if not configured. ``browser_alerts``: visitors can get
    alerts in their browser. ``data_files`` builds the files below /data and ``bundles`` the evidence, None if
    there are none. ``configured`` are the channels with a transport, ``bot`` says whether people can talk to
    one, ``links`` are the public channels, ``fenced`` says why nothing is sent from this database (None:
    sending is allowed), ``checks`` are additional readiness checks: by name, a function that returns the
    reason not to be ready, or None. ``embed`` are the origins that may show a map in their own pages ("*" for
    all). ``recorded``: the lists are recordings with a simulated clock, as in the demo; pages say so.
    ``records_laws`` are public records laws by state.
    """

    engine: Engine
    sources: Mapping[str, SourceInfo]
    gazetteer: Gazetteer
    coverage: Coverage
    clock: Callable[[], datetime]
    public_url: str
    name: str = "Map Monitor"
    contact: str = ""
    postal_address: str = ""
    timezone: str = "UTC"
    next_step: Mapping[str, str] = field(default_factory=dict)
    backups_kept: timedelta | None = None
    data_files: DataFiles | None = None
    bundles: BundleFiles | None = None
    configured: frozenset[str] = frozenset()
    bot: bool = False
    browser_alerts: bool = False
    links: tuple[FollowLink, ...] = ()
    embed: tuple[str, ...] = ()
    recorded: bool = False
    records_laws: Mapping[str, RecordsLaw] = field(default_factory=dict)
    fenced: Callable[[], str | None] = lambda: None
    checks: Mapping[str, Callable[[], str | None]] = field(default_factory=dict)
    counts: ListCounts = field(default_factory=ListCounts)

    def url(self, path: str) -> str:
        """A link within the site: the path after the path of ``public_url``."""
        return urlsplit(self.public_url).path.rstrip("/") + path

    def public(self, path: str) -> str:
        """The same link as an absolute URL, for mails and feeds."""
        return self.public_url.rstrip("/") + path

    def links_for(self, places: Collection[str], states: Collection[str]) -> tuple[FollowLink, ...]:
        """The public channels that post about these places, see `choose_links`."""
        return choose_links(self.links, places, states)

    @property
    def finder(self) -> Gazetteer:
        """The gazetteer that finds what people type, including agencies on the lists."""
        return self.gazetteer.with_lists(self.coverage.find_named)

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https:")
