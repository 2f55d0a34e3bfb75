"""The storage of a year of polls, and the time to replay 15 months: `python -m benchmarks.history
[--quick]`.

A list like Ring's (2,616 agencies, 1.7 MB of KML) is polled hourly for a year through the real poll, with 730
publications that change six listings each. Bytes are pages of the SQLite file by table, indexes included.
`--quick` is a twelfth of everything.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from email.utils import format_datetime
from pathlib import Path
from zipfile import ZipFile

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.core.identity import assign_keys
from monitor.domain import Listing
from monitor.fetch import Fetched, NotModified, Target, Validators
from monitor.history.replay import ReplaySummary, Served, replay
from monitor.polling import PolledSource, poll
from monitor.polling.polled_source import UnlinkedSource
from monitor.sources import ColumnMap, ParseOptions
from monitor.storage.columns import metadata
from monitor.storage.engine import connect, reading, transaction
from monitor.storage.lists import baseline
from monitor.storage.lists.baseline import NewVersion
from monitor.storage.lists.codec import listing_to_json

START = datetime(2025, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LISTINGS, POLLS, CHANGED, ROWS = 2616, 8760, 730, 6
SHARED = Path(__file__).resolve().parents[2] / "shared/data/ice_287g"
RELEASES = {
    "20250219": date(2025, 2, 19), "20250221": date(2025, 2, 21), "20250224": date(2025, 2, 24),
    "20250226": date(2025, 2, 26),
    "20250410": date(2025, 4, 10), "04292025": date(2025, 4, 29), "02172026": date(2026, 2, 17),
    "02272026": date(2026, 2, 27),
    "03022026": date(2026, 3, 2), "03122026": date(2026, 3, 12), "03132026": date(2026, 3, 13),
    "05142026": date(2026, 5, 14),
    "05182026": date(2026, 5, 18),
}  # fmt: skip
WATCH = PolledSource(
    name="ring",
    every=HOUR,
    target=Target(url="https://map.example/kml"),
    options=ParseOptions(name="ring", format="mymaps"),
)
ICE = PolledSource(
    name="ice-287g",
    every=HOUR,
    target=Target(url="https://table.example/list.xlsx"),
    options=ParseOptions(
        name="ice-287g",
        format="table",
        columns=ColumnMap(
            name="LAW ENFORCEMENT AGENCY", state="STATE", county="COUNTY", since="SIGNED", url="MOA",
            attributes=("SUPPORT TYPE", "TYPE", "ADDENDUM"),
        ),
    ),
)  # fmt: skip


class Map(UnlinkedSource):
    """A publisher of one map, which changes on request.

    ``etags``: whether its server knows them. ``profiles``: each agency has a page under a random id, as
    Ring's have since 2021, which nothing compresses; otherwise a number of requests, as before.
    """

    refusal = ""

    def __init__(self, etags: bool, profiles: bool) -> None:
        self.etags = etags
        self.profiles = profiles
        self.now = START
        self._drawn = random.Random(1)
        self._made = 0
        self._rows = [self._row() for _ in range(LISTINGS)]
        self._write()

    def change(self) -> None:
        """Two agencies more, two less, and two whose publisher's date is another."""
        for _ in range(ROWS // 3):
            self._rows.pop(self._drawn.randrange(len(self._rows)))
            at = self._drawn.randrange(len(self._rows))
            name, city, state, _, profile = self._rows[at]
            self._rows[at] = (name, city, state, self._day(), profile)
            self._rows.append(self._row())
        self._write()

    def get(
        self, target: Target, validators: Callable[[str], Validators | None] = lambda url: None, *_: object
    ) -> Fetched | NotModified:
        url, given = target.home, Validators(etag=f'"{self._hash}"' if self.etags else None, hash=self._hash)
        known = validators(url)
        said = {
            "url": url,
            "final_url": url,
            "headers": self._headers(),
            "duration": timedelta(milliseconds=180),
        }
        if known is not None and known.etag == given.etag:
            return NotModified(**said, status=304, validators=given)  # type: ignore[arg-type]
        return Fetched(
            **said,  # type: ignore[arg-type]
            status=200,
            wire_bytes=len(self._wire),
            wire=self._wire,
            body=self.body,
            sha256=self._hash,
            validators=given,
        )

    def _headers(self) -> tuple[tuple[str, str], ...]:
        return (
            ("date", format_datetime(self.now, usegmt=True)),
            ("content-type", "application/vnd.google-earth.kml+xml"),
            ("cache-control", "no-cache, no-store, max-age=0, must-revalidate"),
            ("pragma", "no-cache"),
            ("expires", "Mon, 01 Jan 1990 00:00:00 GMT"),
            ("strict-transport-security", "max-age=31536000"),
            ("vary", "Accept-Encoding"),
            ("server", "ESF"),
            ("x-xss-protection", "0"),
            ("x-frame-options", "SAMEORIGIN"),
            ("x-content-type-options", "nosniff"),
            ("alt-svc", 'h3=":443"; ma=2592000'),
            (
                "content-security-policy",
                f"script-src 'nonce-{self._drawn.randbytes(16).hex()}' 'unsafe-inline'",
            ),
            ("set-cookie", f"NID={self._drawn.randbytes(60).hex()}; path=/; HttpOnly"),
            ("etag", f'"{self._hash}"'),
        )

    def _word(self) -> str:
        return "".join(
            self._drawn.choice("bcdfghklmnprstvw") + self._drawn.choice("aeiou") for _ in range(4)
        ).title()

    def _day(self) -> str:
        return f"{date(2019, 1, 1) + timedelta(days=self._drawn.randrange(2000)):%m/%d/%Y}"

    def _row(self) -> tuple[str, str, str, str, str]:
        self._made += 1
        city = f"{self._word()} {self._word()}"
        unique = self._drawn.randbytes(16).hex()
        agency = f"{unique[:8]}-{unique[8:12]}-{unique[12:16]}-{unique[16:20]}-{unique[20:]}"
        return (
            f"{city} Police Department",
            city,
            self._drawn.choice(("IL", "IN", "OH", "TX", "CA")),
            self._day(),
            f"https://agency.ring.com/agencies/{agency}"
            if self.profiles
            else str(self._drawn.randrange(300)),
        )

    def _write(self) -> None:
        column = "Agency Profile" if self.profiles else "Video Requests"
        placemarks = "".join(
            f"<Placemark><name>{name}</name><address>{city}, {state}</address>"
            f"<description><![CDATA[Agency: {name}<br>Address: {city}, {state}<br>Active Date: "
            f"{day}<br>{column}: {profile}]]>"
            "</description><styleUrl>#icon-1899-0288D1</styleUrl><ExtendedData><Data name='Active "
            f"Date'><value>{day}</value></Data>"
            f"<Data name='{column}'><value>{profile}</value></Data></ExtendedData></Placemark>\n"
            for name, city, state, day, profile in self._rows
        )
        self.body = (
            '<?xml version="1.0" encoding="UTF-8"?><kml '
            'xmlns="http://www.opengis.net/kml/2.2"><Document><name>Map</name>'
            f"<Folder><name>Agencies</name>{placemarks}</Folder></Document></kml>"
        ).encode()
        self._hash = hashlib.sha256(self.body).hexdigest()
        self._wire = gzip.compress(self.body, 6, mtime=0)


@contextmanager
def scratch() -> Iterator[tuple[Engine, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "monitor.db"
        engine = connect(f"sqlite:///{path}")
        metadata.create_all(engine)
        yield engine, path
        engine.dispose()


def sizes(path: Path) -> dict[str, int]:
    """Bytes by table, its indexes included."""
    with sqlite3.connect(path) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        table_of = dict(conn.execute("SELECT name, tbl_name FROM sqlite_schema"))
        found: dict[str, int] = {}
        for name, size in conn.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name"):
            table = table_of.get(name, name)
            found[table] = found.get(table, 0) + size
    conn.close()
    return found


def a_year(months: int, *, etags: bool, profiles: bool) -> None:
    with scratch() as (engine, path):
        publisher = Map(etags, profiles)
        polls, changed = POLLS * months // 12, CHANGED * months // 12
        before: dict[str, int] = {}
        seconds: dict[str, list[float]] = {}
        told = 0
        for number in range(polls):
            publisher.now = START + number * HOUR
            if number and number % (polls // changed) == 0:
                publisher.change()
            start = time.perf_counter()
            outcome = poll(engine, WATCH, publisher, now=publisher.now)
            seconds.setdefault(outcome.outcome.value, []).append(time.perf_counter() - start)
            told += outcome.added + outcome.removed + outcome.changed
            if number == 0:
                before = sizes(path)
        after = sizes(path)
    print(
        f"\n{polls:,} polls, {changed} changed, server {'with' if etags else 'without'} ETags: {told:,} "
        "changes told"
    )
    print(f"{'table':<12} | {'after the first poll':>20} | {'grown by':>12}")
    grown = {table: after[table] - before.get(table, 0) for table in after}
    for table in sorted(grown, key=lambda name: -grown[name]):
        if grown[table] > 4096:
            print(f"{table:<12} | {before.get(table, 0):>20,} | {grown[table]:>12,}")
    rows = sum(size for table, size in grown.items() if table != "body")
    whole = sum(size for table, size in before.items() if table == "listing") * polls
    print(
        f"rows grown by {rows / 1e6:.2f} MB "
        f"(limit {months:.0f}.0, with the log; in a part of a year pages fill unevenly); "
        f"bodies {grown['body'] / 1e6:.2f} MB (goal {6 * months / 12:.1f}; 0.1.0 {92 * months / 12:.1f})"
    )
    print(f"every row of every snapshot would be {whole / 1e6:,.0f} MB")
    if "failed" in seconds:
        raise SystemExit(f"{len(seconds['failed'])} polls failed: these figures are of nothing")
    for name, times in seconds.items():
        times.sort()
        print(f"poll {name:<10} {len(times):>6,} times, median {times[len(times) // 2] * 1000:.1f} ms")


def bulk_insert() -> None:
    """The baseline's first rows, beside a bare executemany of the same content."""
    listings = assign_keys(
        (Listing(name=f"Town {n} Police Department", city=f"Town {n}", state="IL") for n in range(2600)),
        by_city=True,
    )
    with scratch() as (engine, path):
        ours = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            with transaction(engine) as conn:
                baseline.begin_versions(conn, "ring", (NewVersion(x, x.key) for x in listings), 1, START)
            ours = min(ours, time.perf_counter() - start)
            with transaction(engine) as conn:
                conn.execute(sa.text("DELETE FROM listing"))
        columns = "source, key, agency, name, state, content, from_number, from_at"
        rows = [
            (
                "ring",
                x.key,
                x.key,
                x.name,
                x.state,
                json.dumps(listing_to_json(x)),
                1,
                int(START.timestamp() * 1e6),
            )
            for x in listings
        ]
        bare = float("inf")
        for _ in range(5):
            with sqlite3.connect(path) as raw:
                start = time.perf_counter()
                raw.executemany(f"INSERT INTO listing ({columns}) VALUES (?,?,?,?,?,?,?,?)", rows)
                raw.commit()
                bare = min(bare, time.perf_counter() - start)
                raw.execute("DELETE FROM listing")
            raw.close()
        with reading(engine) as conn:
            assert not baseline.load_listings(conn, "ring")
    print(
        f"\n2,600 rows: {ours * 1000:.0f} ms from listings to committed; bare executemany of ready rows "
        f"{bare * 1000:.0f} ms"
    )


def write_releases(folder: Path, files: int) -> list[Served]:
    """Real workbooks in the order of their dates, each served again under other bytes until the next: what
    most releases are. Without the workbooks there are none.
    """
    books = [(day, path) for mark, day in RELEASES.items() for path in SHARED.glob(f"*{mark}*.xlsx")]
    if not books:
        return []
    first, span = books[0][0], books[-1][0] - books[0][0] + timedelta(days=3)
    served = []
    for number in range(files):
        at = datetime.combine(first, clock(14), UTC) + span * number / files
        path = folder / f"{number:03}.xlsx"
        shutil.copyfile(max(book for book in books if book[0] <= at.date())[1], path)
        with ZipFile(path, "a") as archive:
            archive.comment = b"release %d" % number
        served.append(Served(at, path))
    return served


def fifteen_months(files: int) -> None:
    """The time to replay releases over 15 months."""
    with tempfile.TemporaryDirectory() as folder:
        served = write_releases(Path(folder), files)
        if not served:
            print("\nno workbooks here: the replay is not measured")
            return
        start, worked = time.perf_counter(), time.process_time()
        *events, summary = replay(served, ICE)
        seconds, worked = time.perf_counter() - start, time.process_time() - worked
    assert isinstance(summary, ReplaySummary)
    print(
        f"\nreplay of {files} files over 15 months, {summary.polls:,} hourly polls: {seconds:.0f} s, "
        f"{worked:.0f} s of them "
        f"computing (limit 120 s for 300 files), "
        f"{len(events)} events, {summary.listings:,} listings at the end"
    )


def main(quick: bool = False) -> None:
    months = 1 if quick else 12
    a_year(months, etags=True, profiles=False)
    a_year(1, etags=False, profiles=False)
    a_year(1, etags=True, profiles=True)
    bulk_insert()
    fifteen_months(25 if quick else 300)


if __name__ == "__main__":
    main("--quick" in sys.argv)
