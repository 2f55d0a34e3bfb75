"""`monitor evidence`, `verify` and `vacuum`: a change that a stranger checks, in an empty folder, and then
tampers with.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from warcio.archiveiterator import ArchiveIterator

from monitor import web
from monitor.app import Components
from monitor.cli import root
from monitor.config import load
from monitor.fetch import Fetcher
from monitor.formatting import format_minute
from monitor.polling import poll
from monitor.record import log
from monitor.record.checkpoint import read_checkpoint
from monitor.storage import engine as db
from monitor.storage.engine import transaction
from monitor.storage.lists import bodies, history
from monitor.storage.lists.log_tables import LogLeafRow
from monitor.storage.lists.tables import BodyRow, ChangesetRow, FetchRow
from tests.peers.browser import served
from tests.peers.http import Answer, Server
from tests.peers.processes import PATIENCE
from tests.polling.publisher import COLUMNS, Publication, agencies, agency, csv

CONFIG = """
[data]
folder = "data"
[database]
url = "{database}"
[site]
name = "Watch Example"
public_url = "https://watch.example"
[sources.ring]
enabled = false
[sources.ice-287g]
enabled = false
[sources.list]
title = "The list"
format = "table"
url = "{url}"
[sources.list.columns]
name = "Agency"
state = "State"
county = "County"
since = "Since"
attributes = ["Type"]
"""
Run = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def run(database_url: str, server: Server, tmp_path: Path, kept_parser: None) -> Run:
    """A command with the configuration of one small list."""
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(database=database_url, url=server.url("/list.csv")))

    def command(*words: str) -> Result:
        return CliRunner(env={"MONITOR_TEST_POSTGRES": None}).invoke(root, [*words, "--config", str(config)])

    return command


@pytest.fixture
def publication(database_url: str, server: Server, run: Run) -> Iterator[Publication]:
    """The same list in the same database, with one agency that was added and one that was removed, and a
    failed poll.
    """
    engine = db.connect(database_url)
    with Fetcher(attempts=1) as fetcher:
        publication = Publication(server, engine, fetcher)
        publication.seen(agencies(30))
        publication.poll()
        server.script("/list.csv", [Answer(500)])
        publication.poll()
        publication.seen([*agencies(30), agency(77)])
        publication.seen([*agencies(29), agency(77)])
        for _ in range(3):  # a removal waits for further looks
            publication.poll()
        yield publication
    engine.dispose()


def rows(publication: Publication, query: sa.Select[Any]) -> list[Any]:
    with db.reading(publication.engine) as conn:
        return list(conn.execute(query))


def changes(run: Run) -> dict[str, int]:
    listed = [json.loads(line) for line in run("changes", "--json").stdout.splitlines()]
    return {change["kind"]: change["id"] for change in listed}


def unpack(bundle: Path, folder: Path) -> Path:
    with ZipFile(bundle) as archive:
        archive.extractall(folder)
    (inner,) = folder.iterdir()
    return inner


def check_alone(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "verify.py"), *arguments],
        env={},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def check_here(folder: Path) -> tuple[int, str]:
    """The same script, run in this process: dozens of bundles are tampered with, and starting Python takes
    longer than checking one.
    """
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said):
        patch.setattr(sys, "argv", ["verify.py"])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(folder / "verify.py"), run_name="__main__")
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.getvalue()


@pytest.mark.parametrize("kind", ["added", "removed"])
def test_a_change_is_proved_to_a_stranger(
    run: Run, publication: Publication, tmp_path: Path, kind: str
) -> None:
    number = changes(run)[kind]
    bundle = tmp_path / "proof.zip"

    made = run("evidence", str(number), "--output", str(bundle))

    assert made.exit_code == 0, made.output
    again = tmp_path / "again.zip"
    assert run("evidence", str(number), "--output", str(again)).exit_code == 0
    assert again.read_bytes() == bundle.read_bytes()
    folder = unpack(bundle, tmp_path / "empty")
    key = (folder / "key.txt").read_text().strip()
    code, said = check_alone(folder, "--key", key)
    assert code == 0, said
    assert sum(line.startswith("OK ") for line in said.splitlines()) == 7  # the key may hold these letters
    name = agency(77 if kind == "added" else 29)["Agency"]
    assert name in (folder / "statement.html").read_text()
    claim = json.loads((folder / "claim.json").read_text())
    assert [quote["text"] for quote in claim["present"]] == [name]
    assert [quote["text"] for quote in claim["absent"]] == [name]
    outcomes = [
        json.loads(line)["entry"]["outcome"] for line in (folder / "polls.ndjson").read_text().splitlines()
    ]
    if kind == "added":
        assert outcomes == ["unchanged", "failed", "good"]
    assert run("verify", str(bundle)).exit_code == run("verify", str(folder), "--key", key).exit_code == 0

    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        assert run("verify", str(folder), "--json").exit_code == 1, path
        path.write_bytes(content)
    assert run("verify", str(folder)).exit_code == 0


def test_what_the_log_does_not_have_is_not_proved(run: Run, publication: Publication, tmp_path: Path) -> None:
    number = changes(run)["added"]
    refused = run("evidence", "999")
    assert (refused.exit_code, "monitor changes" in refused.output) == (2, True)
    with transaction(publication.engine) as conn:  # as if it had been published before the upgrade
        conn.execute(sa.update(ChangesetRow).values(leaf=None))
    refused = run("evidence", str(number), "--output", str(tmp_path / "none.zip"))
    assert (refused.exit_code, "before the record began" in refused.output) == (2, True)
    assert not (tmp_path / "none.zip").exists()


def test_a_changed_row_of_the_database_is_no_evidence(
    run: Run, publication: Publication, tmp_path: Path
) -> None:
    """Somebody edits the database: the change's time, or a poll's headers."""
    number = changes(run)["added"]
    with transaction(publication.engine) as conn:
        conn.execute(sa.update(FetchRow).where(FetchRow.c.outcome == "good").values(headers=[["etag", "x"]]))
    refused = run("evidence", str(number), "--output", str(tmp_path / "none.zip"))
    assert (refused.exit_code, "headers of poll" in refused.output) == (1, True)
    with transaction(publication.engine) as conn:
        conn.execute(sa.text("UPDATE change SET agency = 'another'"))
    refused = run("evidence", str(number), "--output", str(tmp_path / "none.zip"))
    assert (refused.exit_code, "not in the log" in refused.output) == (1, True)
    assert not (tmp_path / "none.zip").exists()


def test_a_poll_that_a_later_one_overtook_spoils_no_proof(
    run: Run, publication: Publication, tmp_path: Path
) -> None:
    """Its entry stands behind that of the later one, and its time lies before it."""
    publication.seen([*agencies(29), agency(77), agency(78)])
    late = publication.now - timedelta(minutes=30)
    overtaken = poll(publication.engine, publication.watch, publication.fetcher, now=late)
    assert "later poll" in overtaken.reason
    number = max(json.loads(line)["id"] for line in run("changes", "--json").stdout.splitlines())
    made = run("evidence", str(number), "--output", str(tmp_path / "proof.zip"))
    assert made.exit_code == 0, made.output
    assert agency(78)["Agency"] in made.output
    assert run("verify", str(tmp_path / "proof.zip")).exit_code == 0


def test_every_poll_has_an_entry_and_every_entry_its_place(run: Run, publication: Publication) -> None:
    entries = [
        json.loads(row.content)
        for row in rows(publication, sa.select(LogLeafRow).order_by(LogLeafRow.c.number))
    ]
    polls = [entry for entry in entries if entry["type"] == "poll"]
    assert [poll["poll"] for poll in polls] == list(range(1, len(polls) + 1))
    fetches = rows(publication, sa.select(FetchRow).order_by(FetchRow.c.id))
    assert [entries[fetch.leaf]["outcome"] for fetch in fetches] == [fetch.outcome for fetch in fetches]
    assert {fetch.outcome for fetch in fetches} >= {history.GOOD, history.UNCHANGED, history.FAILED}
    read = [(poll["listings"], len(poll["set"])) for poll in polls if poll["outcome"] == history.GOOD]
    assert read == [(30, 32), (31, 32), (30, 32)]
    assert not any("set" in poll for poll in polls if poll["outcome"] != history.GOOD)
    assert len(fetches) == len(polls)


def test_a_head_from_a_mail_is_compared_with_the_record(
    run: Run, publication: Publication, tmp_path: Path
) -> None:
    number = changes(run)["added"]
    bundle = tmp_path / "proof.zip"
    run("evidence", str(number), "--output", str(bundle))
    with ZipFile(bundle) as archive:
        head = read_checkpoint(archive.read(f"evidence-{number}/checkpoint").decode()).head
    publication.poll()

    assert "continues" in run("verify", "--head", f"-- {head}").output
    _, size, root = head.split()
    other = run("verify", "--head", f"record {int(size) - 1} {root}")
    assert (other.exit_code, "another history" in other.output) == (1, True)
    later = run("verify", "--head", f"record {int(size) + 900} {root}")
    assert (later.exit_code, "older copy" in later.output) == (1, True)
    assert run("verify", "--head", "nonsense").exit_code == 1
    assert run("verify").exit_code == 2
    broken = tmp_path / "broken.zip"
    broken.write_bytes(bundle.read_bytes()[:-30])
    assert run("verify", str(broken)).exit_code == 2


def test_vacuum_leaves_damaged_publications_alone_and_says_so(run: Run, publication: Publication) -> None:
    with transaction(publication.engine) as conn:
        conn.execute(
            sa.update(BodyRow).values(base=None, position=0, encoding="raw", content=csv(agencies(30)))
        )
    before = rows(publication, sa.select(BodyRow))
    done = run("vacuum")
    assert (done.exit_code, "2 stored publications are damaged" in done.output) == (1, True)
    assert rows(publication, sa.select(BodyRow)) == before


def test_vacuum_says_what_it_saved(run: Run, server: Server, database_url: str) -> None:
    engine = db.connect(database_url)
    with Fetcher(attempts=1) as fetcher:
        publication = Publication(server, engine, fetcher)
        for more in range(4):
            publication.seen(agencies(400 + more))
            with transaction(engine) as conn:  # as version 0.1.0 kept them
                body = csv(agencies(400 + more))
                old = sa.update(BodyRow).where(BodyRow.c.size == len(body))
                conn.execute(old.values(base=None, position=0, encoding="raw", content=body))
    engine.dispose()
    done = run("vacuum")
    assert done.exit_code == 0, done.output
    found = re.match(r"3 publications stored by difference: ([\d,]+) bytes are now ([\d,]+)", done.output)
    assert found, done.output
    before, after = (int(text.replace(",", "")) for text in found.groups())
    assert after * 10 < before
    assert run("vacuum").output.startswith("0 publications")


def test_the_key_of_the_record_is_replaced_and_the_record_says_so(
    run: Run, publication: Publication, tmp_path: Path
) -> None:
    number = changes(run)["added"]
    run("evidence", str(number), "--output", str(tmp_path / "old.zip"))
    replaced = run("key", "rotate-record", "--yes")
    assert replaced.exit_code == 0, replaced.output
    new = replaced.output.split()[-1]

    told = rows(publication, sa.select(LogLeafRow).order_by(LogLeafRow.c.number))
    last = json.loads(told[-1].content)
    assert (last["type"], last["key"]) == ("key", new)
    assert run("evidence", str(number), "--output", str(tmp_path / "new.zip")).exit_code == 0
    assert run("verify", str(tmp_path / "new.zip"), "--key", new).exit_code == 0
    assert run("verify", str(tmp_path / "old.zip"), "--key", last["before"]).exit_code == 0
    assert run("verify", str(tmp_path / "old.zip"), "--key", new).exit_code == 1


def test_a_key_of_the_record_that_was_never_made_is_not_replaced(tmp_path: Path) -> None:
    options = ["--config", str(tmp_path / "config.toml")]
    assert CliRunner().invoke(root, ["init", *options]).exit_code == 0
    for lost in ([], ["--lost"]):
        refused = CliRunner().invoke(root, ["key", "rotate-record", *lost, *options])
        assert (refused.exit_code, refused.stdout) == (2, ""), lost
        assert "there is no key to replace" in refused.stderr


def test_a_record_whose_key_is_lost_goes_on_and_says_so(
    run: Run, publication: Publication, tmp_path: Path
) -> None:
    number = changes(run)["added"]
    assert run("evidence", str(number), "--output", str(tmp_path / "old.zip")).exit_code == 0
    refused = run("key", "rotate-record", "--lost")
    assert (refused.exit_code, "Replace the key" in refused.output) == (2, False), "it looks before it asks"
    (log_key,) = tmp_path.rglob("log.key")
    old = log_key.read_text()
    log_key.write_text("damaged")
    log_key.chmod(0o600)
    refused = run("key", "rotate-record")
    assert (refused.exit_code, "Replace the key" in refused.output) == (1, False)
    replaced = run("key", "rotate-record", "--lost", "--yes")
    assert replaced.exit_code == 0, replaced.output
    new = replaced.output.split()[-1]
    assert log_key.with_name("log.key.unusable").read_text() == "damaged"

    told = rows(publication, sa.select(LogLeafRow).order_by(LogLeafRow.c.number))
    last = json.loads(told[-1].content)
    assert (last["type"], last["key"]) == ("key", new)
    assert last["endorsement"] == "none: the key before was lost"
    assert run("evidence", str(number), "--output", str(tmp_path / "new.zip")).exit_code == 0
    assert run("verify", str(tmp_path / "new.zip"), "--key", new).exit_code == 0
    assert run("verify", str(tmp_path / "old.zip"), "--key", last["before"]).exit_code == 0
    log_key.write_text(old)  # a copy that turns up later is not the record's key any more
    assert run("evidence", str(number), "--output", str(tmp_path / "no.zip")).exit_code == 1


def test_the_record_says_how_a_list_is_read(run: Run, publication: Publication) -> None:
    told = [
        json.loads(row.content)
        for row in rows(publication, sa.select(LogLeafRow).order_by(LogLeafRow.c.number))
    ]
    assert (told[0]["type"], told[0]["format"], told[0]["url"]) == (
        "source",
        "table",
        publication.watch.target.url,
    )
    publication.reconfigure(
        options=replace(publication.watch.options, columns=replace(COLUMNS, attributes=()))
    )
    publication.poll()
    told = [
        json.loads(row.content)
        for row in rows(publication, sa.select(LogLeafRow).order_by(LogLeafRow.c.number))
    ]
    assert [entry["type"] for entry in told[-2:]] == ["source", "poll"]
    assert told[-2]["fingerprint"] == publication.watch.fingerprint != told[0]["fingerprint"]


def test_a_day_is_proved_and_what_was_not_listed(run: Run, publication: Publication, tmp_path: Path) -> None:
    """The list was polled from 1 pm on March 1; a day has a poll before it and one after it."""
    for hours in (20, 3, 24):
        publication.poll(after=timedelta(hours=hours))
    bundle = tmp_path / "day.zip"
    day = ["--source", "list", "--day", "2026-03-02", "--output", str(bundle)]
    made = run("evidence", *day, "--without", agency(29)["Agency"])
    assert made.exit_code == 0, made.output
    assert "is in no publication of 'The list' from the last poll before 2026-03-02 (UTC)" in made.output
    assert "to the first one after it: 4 polls, 2 of them on that day, and 1 publication." in made.output
    spelled = run("evidence", *day, "--without", agency(77)["Agency"].upper())
    assert (spelled.exit_code, "the list had" in spelled.output) == (2, True)
    folder = unpack(bundle, tmp_path / "empty")
    code, said = check_alone(folder)
    assert code == 0, said
    leeme = (folder / "LEEME.txt").read_text()
    assert "hasta la primera después: 4 consultas, 2 ese día, y 1 publicación." in leeme
    polls = [json.loads(line)["entry"]["at"] for line in (folder / "polls.ndjson").read_text().splitlines()]
    assert polls[0] < "2026-03-02" < polls[1]
    assert polls[-2] < "2026-03-03" < polls[-1]
    assert run("evidence", *day).exit_code == 0

    names = sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != "verify.py")
    for name in names:
        (path,) = folder.rglob(name)
        content = path.read_bytes()
        for place in {0, len(content) // 2, max(len(content) - 1, 0)}:
            flipped = bytes([(*content, 0)[place] ^ 4])  # a day without a change has an empty file of changes
            path.write_bytes(content[:place] + flipped + content[place + 1 :])
            code, said = check_here(folder)
            assert (code, "FAIL" in said) == (1, True), (name, place, said)
            if name == names[0]:
                assert check_alone(folder) == (code, said)
        path.write_bytes(content)
    assert check_alone(folder)[0] == 0

    listed = run("evidence", *day, "--without", agency(77)["Agency"])
    assert (listed.exit_code, "has the text" in listed.output) == (2, True)
    for other in ("2026-02-28", "2026-03-09"):
        refused = run("evidence", "--source", "list", "--day", other)
        assert (refused.exit_code, "cannot be proved as a whole" in refused.output) == (2, True)
    for words in ((), ("1", "--source", "list"), ("--source", "list"), ("1", "--without", "x")):
        assert run("evidence", *words).exit_code == 2


def test_a_publication_is_removed_and_its_hash_stays(
    run: Run, publication: Publication, tmp_path: Path
) -> None:
    number = changes(run)["added"]
    body, first = csv(agencies(30)), rows(publication, sa.select(BodyRow).order_by(BodyRow.c.at))[0]
    assert first.hash == hashlib.sha256(body).hexdigest()

    removed = run("redact", first.hash, "--reason", 'a takedown of "<x>", 100%', "--yes")

    assert removed.exit_code == 0, removed.output
    last = rows(publication, sa.select(LogLeafRow).order_by(LogLeafRow.c.number))[-1]
    told = json.loads(last.content)
    assert (told["type"], told["body"], told["reason"]) == (
        "redaction",
        first.hash,
        'a takedown of "<x>", 100%',
    )
    with db.reading(publication.engine) as conn:
        kept = [
            bodies.load_body(conn, row.hash)
            for row in conn.execute(sa.select(BodyRow).order_by(BodyRow.c.at))
        ]
    assert kept == [None, csv([*agencies(30), agency(77)]), csv([*agencies(29), agency(77)])]
    made = run("evidence", str(number), "--output", str(tmp_path / "proof.zip"))
    assert made.exit_code == 0, made.output
    assert f"known by hash only: {first.hash[:12]}" in run("verify", str(tmp_path / "proof.zip")).output
    statement = (unpack(tmp_path / "proof.zip", tmp_path / "proof") / "statement.html").read_text()
    where = f"removed by the operator on {told['at']}, entry {last.number}"
    assert f"<td>{where} of the record: a takedown of &quot;&lt;x&gt;&quot;, 100%</td>" in statement
    head = run("verify", str(tmp_path / "proof.zip")).output.partition("record ")[2].split()[:2]
    whole = run("verify", "--head", " ".join(["record", *head]))
    assert (whole.exit_code, "FAIL" in whole.output) == (0, False)
    assert run("redact", first.hash, "--reason", "again", "--yes").exit_code == 2
    assert run("redact", "0" * 64, "--reason", "none", "--yes").exit_code == 2
    assert run("redact", "0" * 64, "--reason", "none").exit_code == 2, "before a person is asked"

    # it is served again, and is not kept again
    publication.seen(body)
    publication.poll()
    assert (
        rows(publication, sa.select(BodyRow.c.content).where(BodyRow.c.hash == first.hash))[0].content == b""
    )
    assert run("vacuum").exit_code == 0
    again = run("verify", "--head", " ".join(["record", *head]))
    assert "all that the entries name are stored, or an entry says that they were removed" in again.output


def test_a_record_that_nobody_signs_is_a_problem(
    run: Run, server: Server, database_url: str, tmp_path: Path
) -> None:
    def problems() -> list[str]:
        return [
            problem
            for problem in json.loads(run("status", "--json").stdout)["problems"]
            if "record" in problem
        ]

    server.put("/list.csv", csv(agencies(30)))
    assert run("poll").exit_code == 0
    assert (tmp_path / "data" / "log.head").exists()
    assert problems() == []
    engine = db.connect(database_url)
    with transaction(engine) as conn:
        log.append_entry(conn, {"type": "test"}, datetime.now(UTC) - timedelta(minutes=30))
    assert problems() == []
    with transaction(engine) as conn:
        conn.execute(sa.update(LogLeafRow).values(at=datetime.now(UTC) - timedelta(hours=2)))
    engine.dispose()
    (found,) = problems()
    assert "is not signed since" in found

    (tmp_path / "data" / "log.key").unlink()
    polled = run("poll")
    assert polled.exit_code == 0
    assert "the record is not signed" in polled.stderr
    assert "put back" in polled.stderr


def test_a_restored_older_copy_that_goes_on_is_said_to_the_operator(
    run: Run, server: Server, tmp_path: Path
) -> None:
    server.put("/list.csv", csv(agencies(30)))
    assert run("poll").exit_code == 0
    assert run("backup", "--to", str(tmp_path / "backups")).exit_code == 0
    server.put("/list.csv", csv([*agencies(30), agency(77)]))
    assert run("poll").exit_code == 0
    published = read_checkpoint((tmp_path / "data" / "log.head").read_text()).head
    assert "forks" not in json.loads(run("status", "--json").stdout)
    (copy,) = (tmp_path / "backups").iterdir()
    assert run("restore", str(copy), "--replace", "--yes").exit_code == 0

    (before,) = [
        each for each in json.loads(run("status", "--json").stdout)["problems"] if "older copy" in each
    ]
    assert published in before
    assert "FAIL record: " in (looked := run("doctor").output)
    assert published in looked
    assert run("poll").exit_code == 0  # it goes on

    report = json.loads(run("status", "--json").stdout)
    (fork,) = report["forks"]
    assert fork["published"] == published
    (after,) = [each for each in report["problems"] if "older copy" in each]
    assert f"its entry {fork['entry']}" in after
    since = format_minute(datetime.fromisoformat(fork["at"]))
    assert f"record: goes on from an older copy since {since}" in run("status").output
    assert f"(its entry {fork['entry']})" in run("doctor").output
    checked = run("verify", "--head", published)
    assert checked.exit_code == 1


@pytest.mark.parametrize(
    ("site", "name"),
    [('public_url = "https://wächter.example:8443"', "xn--wchter-bua.example/log"), ("", "map-monitor/")],
)
def test_the_record_is_named_by_the_site_in_ascii(
    sqlite_url: str, tmp_path: Path, site: str, name: str
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        CONFIG.format(database=sqlite_url, url="http://127.0.0.1:9/none").replace(
            'public_url = "https://watch.example"', site
        )
        + "[fetch]\nattempts = 1\n"  # what is named does not depend on the list, and nobody waits for it
    )
    CliRunner().invoke(root, ["poll", "--config", str(config)])
    assert (tmp_path / "data" / "log.head").read_text("ascii", "replace").startswith(name)


def test_export_writes_web_archives_that_another_instance_imports(
    run: Run, publication: Publication, tmp_path: Path
) -> None:
    done = run("export", str(tmp_path / "out"), "--source", "list", "--warc", "--json")
    assert done.exit_code == 0, done.output
    told = {Path(each["path"]).name: each for each in map(json.loads, done.stdout.splitlines())}
    archive = tmp_path / "out" / "list" / "polls.warc.gz"
    content = archive.read_bytes()
    assert told["polls.warc.gz"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert not (tmp_path / "out" / "list" / "agreements.warc.gz").exists()  # no agreement is kept
    with archive.open("rb") as stream:
        payloads = [
            hashlib.sha256(record.content_stream().read()).hexdigest()
            for record in ArchiveIterator(stream, check_digests="raise")
            if record.rec_type == "response"
        ]
    stored = {row.hash for row in rows(publication, sa.select(BodyRow.c.hash))}
    assert set(payloads) == stored
    assert len(payloads) == len(stored)


def test_before_the_first_poll_an_export_has_the_tables_alone(run: Run, tmp_path: Path) -> None:
    done = run("export", str(tmp_path / "new" / "out"), "--dump")
    assert done.exit_code == 0, done.output
    written = sorted(path.name for path in (tmp_path / "new" / "out").rglob("*"))
    assert written == ["dump.tar.zst", "record.sqlite"]


def test_export_writes_the_very_bytes_that_the_site_serves(
    run: Run, publication: Publication, tmp_path: Path
) -> None:
    """Of three lists: one that is polled, one that others captured, and one that was never read."""
    with (tmp_path / "config.toml").open("a") as config:
        for name in ("captured", "unread"):
            more = CONFIG[CONFIG.index("[sources.list]") :].replace("sources.list", f"sources.{name}")
            config.write(more.format(url=f"http://127.0.0.1:9/{name}.csv"))
    past = tmp_path / "past"
    past.mkdir()
    for day in range(1, 6):
        (past / f"2025-03-0{day}.csv").write_bytes(csv(agencies(20 + day)))
    imported = run("import", "captured", str(past), "--captured-by", "An Archive")
    assert imported.exit_code == 0, imported.output
    folder = tmp_path / "out"
    done = run("export", str(folder), "--dump", "--json")
    assert done.exit_code == 0, done.output
    assert "unread: nothing was read of this list yet; it has no files\n" in done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == 15
    for file in told:
        assert hashlib.sha256(Path(file["path"]).read_bytes()).hexdigest() == file["sha256"]
    settings = load(tmp_path / "config.toml")
    with Components.open(settings) as components, served(web.create(components)) as address:
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        names.remove("dump.tar.zst")
        assert len(names) == 17  # the descriptions of the two lists too
        for name in names:
            served_file = httpx.get(f"{address}/data/{name}", trust_env=False, timeout=PATIENCE)
            assert served_file.content == (folder / name).read_bytes(), name
    assert (folder / "dump.tar.zst").stat().st_size > 1000
    packed = run("export", str(tmp_path / "packed"), "--source", "list", "--gzip")
    assert packed.exit_code == 0, packed.output
    for name in ("agencies.csv", "polls.csv"):
        content = (tmp_path / "packed" / "list" / f"{name}.gz").read_bytes()
        assert gzip.decompress(content) == (folder / "list" / name).read_bytes()
    assert run("export", str(folder), "--source", "none").exit_code == 2
