"""Checks the data with independent programs: frictionless reads the package, schemathesis the API, Datasette
the database, feedparser the feeds, geojson the map file; pywb replays the web archive (one
publication was redacted).

`make conformance` installs them in an environment of their own and runs this in the project's. A made-up list
is polled, its data exported and its site served on a loopback port. With ``--bounded``, as in CI, the API
gets the same requests each time, for half a minute at most.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from monitor.record.data.archive_file import AGREEMENTS, POLLS, write_archives
from monitor.record.data.data_files import DATABASE, FILES, PACKAGE
from monitor.record.log import append_redaction
from monitor.storage import engine as db
from monitor.storage import migrate
from monitor.storage.engine import reading, transaction
from monitor.storage.lists.bodies import redact_body
from monitor.storage.lists.tables import BodyRow
from monitor.web import create_app
from tests.peers.browser import served
from tests.peers.postgres import Postgres
from tests.web.story import SOURCE, START, site, tell

READERS = """
import json, sys, feedparser, geojson
address, package = sys.argv[1:]
feed = feedparser.parse(address + "/feed.atom")
assert not feed.bozo, feed.bozo_exception
assert len(feed.entries) == 4
assert all(entry.id and entry.title and entry.updated_parsed for entry in feed.entries)
shapes = geojson.loads(open(package + "/agencies.geojson").read())
assert shapes.is_valid, shapes.errors()
assert len(shapes.features) == 6 and sum(each.geometry is None for each in shapes.features) == 2
"""


REPLAYS = """
import hashlib, io, sys
from gevent import monkey; monkey.patch_all()
from warcio.archiveiterator import ArchiveIterator
from pywb.manager.manager import main as manage
from werkzeug.test import Client
from pywb.apps.frontendapp import FrontEndApp
archive, known = sys.argv[1], set(sys.argv[2].split(","))
manage(["init", "record"])
manage(["add", "record", archive])
records = []
with open(archive, "rb") as stream:
    for record in ArchiveIterator(stream, check_digests="raise"):
        if record.rec_type in ("response", "revisit", "resource"):
            get = record.rec_headers.get_header
            records.append((get("WARC-Date"), get("WARC-Target-URI"), record.rec_type))
assert len(records) == 8 and {each[2] for each in records} == {"response", "revisit"}, records
replay = Client(FrontEndApp())
replayed = set()
for at, url, kind in records:
    stamp = "".join(character for character in at[:19] if character.isdigit())
    answer = replay.get("/record/" + stamp + "id_/" + url)
    assert answer.status_code == 200, (answer.status, at, url)
    hashed = hashlib.sha256(answer.data).hexdigest()
    assert hashed in known, (kind, at, url)
    replayed.add(hashed)
assert replayed == known, (replayed, known)
"""


BOUNDED = ("--max-examples", "5", "--max-time", "30", "--generation-deterministic")
WHOLE = ("--max-examples", "30")


def main(environment: Path, url: str | None, effort: tuple[str, ...]) -> int:
    """Run every check; returns the number of those that failed. ``effort`` are options of schemathesis."""
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    engine = db.connect(url or f"sqlite:///{folder / 'monitor.db'}")
    migrate.upgrade(engine, folder=folder, now=START)
    told_at = tell(engine)
    redacted = _redact_first(engine, told_at)
    made = site(engine, _ticking(told_at), folder=folder / "public")
    files = made.data_files
    assert files is not None
    package = folder / SOURCE
    package.mkdir()
    (package / PACKAGE).write_bytes(files.build_package(SOURCE)[0])
    for name in FILES:
        shutil.copyfile(files.build(SOURCE, name).path, package / name)
    shutil.copyfile(files.build_database().path, package / DATABASE)
    with (
        reading(engine) as conn,
        (package / POLLS).open("wb") as polls,
        (package / AGREEMENTS).open("wb") as looks,
    ):
        write_archives(conn, SOURCE, made.name, polls, looks)
        hashes = ",".join(conn.scalars(sa.select(BodyRow.c.hash).where(BodyRow.c.hash != redacted)))
    programs = environment.resolve() / "bin"
    with served(create_app(made)) as address:
        checks = {
            "frictionless": [str(programs / "frictionless"), "validate", PACKAGE],
            "datasette": [str(programs / "datasette"), DATABASE, "--get", "/record.json"],
            "feeds, GeoJSON": [str(programs / "python"), "-c", READERS, address, str(package)],
            "pywb": [str(programs / "python"), "-c", REPLAYS, POLLS, hashes],
            "schemathesis": [
                str(programs / "schemathesis"), "run", f"{address}/api/v1/openapi.json", "--url", address,
                *effort, "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
                "--phases", "examples,coverage,fuzzing", "--suppress-health-check", "all",
            ],
        }  # fmt: skip
        failed = [name for name, command in checks.items() if not _run(name, command, package)]
    engine.dispose()
    shutil.rmtree(folder)
    return len(failed)


def _run(name: str, command: list[str], folder: Path) -> bool:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    print(f"{'OK' if done.returncode == 0 else 'FAIL':<5}{name}")
    if done.returncode:
        print(done.stdout[-6000:], done.stderr[-3000:])
    return done.returncode == 0


def _redact_first(engine: sa.Engine, now: datetime) -> str:
    """Remove the bytes of the first publication, to which others are stored as differences; its hash."""
    with transaction(engine) as conn:
        sha256 = conn.scalars(sa.select(BodyRow.c.hash).order_by(BodyRow.c.at).limit(1)).one()
        append_redaction(conn, sha256, "a takedown", now)
        redact_body(conn, sha256)
    return str(sha256)


def _ticking(now: datetime) -> Callable[[], datetime]:
    """A clock that advances by a second at each call, so that the limit of 60 requests a minute is never
    reached.
    """
    looks = 0

    def clock() -> datetime:
        nonlocal looks
        looks += 1
        return now + timedelta(seconds=2 * looks)

    return clock


def _check_own_postgresql(environment: Path, effort: tuple[str, ...]) -> int:
    """Run every check on a PostgreSQL of the tests' own, which ends with the run."""
    folder = Path(tempfile.mkdtemp(prefix="conformance-server-"))
    server = Postgres(folder)
    server.start()
    try:
        return main(environment, server.create("conformance"), effort)
    finally:
        server.stop()


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--bounded"]
    options = BOUNDED if "--bounded" in sys.argv else WHOLE
    place = Path(words[0])
    if words[1:] == ["postgresql"]:
        sys.exit(_check_own_postgresql(place, options))
    sys.exit(main(place, words[1] if len(words) > 1 else None, options))
