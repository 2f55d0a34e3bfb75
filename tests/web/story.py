"""A small list with a past: told to a fresh database by real polls of a loopback server, hour by hour.

It holds one of everything that a page can show: agencies that cover a town, a county, a whole state and
nobody knows where; additions, a removal, a rename, a changed entry; changes that are held, some that were
held and went away; and a night in which nothing could be read.
"""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor.domain import Listing, Meaning, Placement, Policy, SourceInfo
from monitor.fetch import Fetcher, Target
from monitor.outbox import fan_out
from monitor.places import load
from monitor.polling import PolledSource, poll
from monitor.record.data.data_files import DataFiles, DataTerms
from monitor.sources import ColumnMap, ParseOptions
from monitor.storage.engine import reading
from monitor.storage.lists import changes
from monitor.storage.lists.coverage import Coverage
from monitor.web import Site
from monitor.web.follow_links import FollowLink
from tests.peers.http import Answer, Server

SOURCE = "list"
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
COLUMNS = ColumnMap(name="Agency", state="State", county="County", since="Since", attributes=("Type",))
POLICY = Policy(additions=3, additions_share=0.0, whole_group=10)

HAMMOND = {
    "Agency": "Hammond Police Department",
    "State": "Indiana",
    "County": "Lake",
    "Since": "2026-01-05",
    "Type": "Jail",
}
LAKE = {
    "Agency": "Lake County Sheriff's Office",
    "State": "Indiana",
    "County": "Lake",
    "Since": "2025-06-01",
    "Type": "Jail",
}
STATE_POLICE = {
    "Agency": "Indiana State Police",
    "State": "Indiana",
    "County": "",
    "Since": "2025-06-02",
    "Type": "State",
}
NOWHERE = {
    "Agency": "Zyxwv Task Force",
    "State": "Indiana",
    "County": "",
    "Since": "2025-06-03",
    "Type": "Jail",
}
CHICAGO = {
    "Agency": "Chicago Police Department",
    "State": "Illinois",
    "County": "Cook",
    "Since": "2025-07-01",
    "Type": "Jail",
}
SPRINGFIELD = {
    "Agency": "Springfield Police Department",
    "State": "Illinois",
    "County": "",
    "Since": "2025-07-02",
    "Type": "Jail",
}
GARY = {
    "Agency": "Gary Police Department",
    "State": "Indiana",
    "County": "Lake",
    "Since": "2026-02-28",
    "Type": "Task force",
}
NEWCOMERS = [
    {
        "Agency": f"{town} Police Department",
        "State": "Ohio",
        "County": "",
        "Since": "2026-02-01",
        "Type": "Jail",
    }
    for town in ("Akron", "Canton", "Dayton", "Elyria", "Lorain", "Toledo")
]

MEANINGS = (
    Meaning(
        date(2019, 1, 1),
        f"It was a partnership. {'Its terms were told in many words. ' * 8}They ended.",
        "Era una asociación.",
        "An old page",
    ),
    Meaning(
        date(2026, 1, 1),
        "The list names it. Listing alone gives no access.",
        "La lista la nombra. Estar en ella no da acceso.",
        "The publisher's page",
        date(2026, 2, 1),
    ),
)


class Publisher:
    """The list on a loopback server, polled hour by hour into a database."""

    def __init__(
        self,
        server: Server,
        engine: Engine,
        fetcher: Fetcher,
        policy: Policy = POLICY,
        name: str = SOURCE,
        columns: ColumnMap = COLUMNS,
    ) -> None:
        self._server, self._engine, self._fetcher = server, engine, fetcher
        self._watch = PolledSource(
            name=name,
            every=HOUR,
            target=Target(url=server.url("/list.csv")),
            options=ParseOptions(name=name, format="table", columns=columns),
            policy=policy,
        )
        self.now = START

    def says(self, rows: list[dict[str, str]]) -> None:
        """Publish these rows, and an hour later poll and fan out."""
        text = StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        self._server.script("/list.csv", [Answer(body=text.getvalue().encode())])
        self._poll()

    def is_gone(self) -> None:
        """Answer an hourly poll with nothing."""
        self._server.script("/list.csv", [Answer(status=404)])
        self._poll()

    def _poll(self) -> None:
        self.now += HOUR
        poll(self._engine, self._watch, self._fetcher, now=self.now)
        fan_out(self._engine, locate=locate, now=self.now)


def tell(engine: Engine) -> datetime:
    """Poll the story into a fresh migrated database; returns when it ends."""
    with Server() as server, Fetcher(attempts=1) as fetcher:
        publisher = Publisher(server, engine, fetcher)
        base = [HAMMOND, LAKE, STATE_POLICE, NOWHERE, CHICAGO, SPRINGFIELD]
        publisher.says(base)
        publisher.says([*base, GARY])  # changeset 1: added
        base = [row for row in base if row is not SPRINGFIELD] + [GARY]
        publisher.says(base)
        publisher.says(base)  # changeset 2: no longer listed
        renamed = {**CHICAGO, "Agency": "Chicago Police Dept and Bureau"}
        base = [renamed if row is CHICAGO else row for row in base]
        publisher.says(base)  # changeset 3: renamed
        base = [{**HAMMOND, "Type": "Task force"} if row is HAMMOND else row for row in base]
        publisher.says(base)  # changeset 4: an entry changed
        publisher.says([*base, *NEWCOMERS])  # held: too many at once
        publisher.says([*base, *NEWCOMERS[:4]])  # two of them are gone again
        for _ in range(5):
            publisher.is_gone()
        publisher.says([*base, *NEWCOMERS[:4]])
    with reading(engine) as conn:
        states = sorted(row.state.value for row in changes.load_standing(conn))
    assert states == ["held"] * 4, states
    return publisher.now + timedelta(minutes=7)


def locate(source: str, listing: Listing) -> Placement:
    """The real gazetteer."""
    return load().locate(listing, source=source)


class Clock:
    """A time that a test moves."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


SOURCES = {
    SOURCE: SourceInfo(
        name=SOURCE,
        titles={"en": "The camera list"},
        publisher="Camera Co",
        official_url="https://publisher.example/list",
        every=HOUR,
        meanings=MEANINGS,
    )
}


def data_files(engine: Engine, coverage: Coverage, folder: Path, public_url: str = "") -> DataFiles:
    """The data files of the story's list."""
    return DataFiles(
        engine=engine,
        sources=SOURCES,
        locate=coverage.placement,
        gazetteer=load(),
        terms=DataTerms(name="Watch", url=public_url, licence="CC-BY-4.0"),
        folder=folder,
    )


def site(
    engine: Engine, clock: Clock, public_url: str = "https://watch.example", folder: Path | None = None
) -> Site:
    """The site on a told story."""
    coverage = Coverage(engine, [SOURCE], locate)
    return Site(
        engine=engine,
        sources=SOURCES,
        gazetteer=load(),
        coverage=coverage,
        data_files=None if folder is None else data_files(engine, coverage, folder, public_url),
        clock=clock,
        public_url=public_url,
        name="Watch",
        contact="hello@watch.example",
        timezone="America/Chicago",
        configured=frozenset({"email"}),
        links=(
            FollowLink("IN", "@example_in", "https://t.me/example_in"),
            FollowLink("county-18089", "@example_lake", "https://t.me/example_lake"),
            FollowLink("IL", "@example_il", "https://t.me/example_il"),
        ),
    )
