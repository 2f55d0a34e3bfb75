"""`monitor run` with a workbook of 150,000 agencies: it is read, compared and told, and meanwhile the site
answers and mail leaves.

2,000 agencies here, 150,000 in ``make torture-sources``.
"""

from __future__ import annotations

import io
import sqlite3
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from xml.sax.saxutils import escape

import httpx
import pytest

from monitor.places.gazetteer import load
from monitor.states import STATES
from tests.peers.http import Server
from tests.peers.processes import PATIENCE, reserve_port, until
from tests.peers.smtp import Mail, SmtpPeer
from tests.torture.test_half_open import confirm, running, sign_up
from tests.torture.test_processes import FULL, long

AGENCIES = 150_000 if FULL else 2_000
PATH = "/agencies.xlsx"
CONFIGURATION = """
[data]
folder = "data"
[site]
listen = "127.0.0.1:{port}"
public_url = "http://watch.example"
[fetch]
parser_time = "20m"
[email]
host = "127.0.0.1"
port = {relay}
security = "none"
from = "Watch <alerts@watch.example>"
[sources.ice-287g]
enabled = false
[sources.ice-287g-pending]
enabled = false
[sources.ring]
enabled = false
[sources.list]
url = "{list}"
format = "table"
every = "5s"
columns = {{ name = "Agency", state = "State", city = "City", county = "County", since = "Signed", url = "MOA", attributes = ["Type"] }}
"""  # noqa: E501
TITLES = ("Agency", "State", "City", "County", "Type", "Signed", "MOA")
PEOPLE = ("bob@example.com", "cleo@example.net")
KINDS = (
    "Police Department", "Marshal's Office", "Public Safety Department", "Constable", "Park Police", "Jail",
    "School Police", "Airport Police", "Fire Marshal",
)  # fmt: skip
NEW = (
    "Amarillo School District Police Department",
    "TX",
    "Amarillo",
    "",
    "Task Force Model",
    "11/20/2025",
    "",
)
PACKAGE = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Override PartName="/xl/workbook.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Target="xl/workbook.xml" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/>'
        "</Relationships>"
    ),
    "xl/workbook.xml": (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        '<sheets><sheet name="Agencies" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Target="worksheets/sheet1.xml" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"/>'
        "</Relationships>"
    ),
}


def workbook(*more: tuple[str, ...]) -> bytes:
    """A workbook of AGENCIES rows and ``more``, as a program writes it that keeps texts in their cells."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, part in PACKAGE.items():
            archive.writestr(name, part)
        with archive.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(
                b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
            )
            for number, row in enumerate((TITLES, *rows(), *more), start=1):
                cells = "".join(
                    f'<c r="{column}{number}" t="inlineStr"><is><t>{escape(text)}</t></is></c>'
                    for column, text in zip("ABCDEFG", row, strict=True)
                )
                sheet.write(f'<row r="{number}">{cells}</row>'.encode())
            sheet.write(b"</sheetData></worksheet>")
    return out.getvalue()


def rows() -> Iterator[tuple[str, ...]]:
    """Agencies of real towns. One in seven has two agreements, and so two rows."""
    table = load().table
    towns = [
        (town.name, code)
        for code in STATES
        for named in table.state(code).towns.values()
        for town in named[:1]
    ]
    for number in range(AGENCIES):
        agency = number - (number % 7 == 1)
        town, state = towns[agency % len(towns)]
        yield (
            f"{town} {KINDS[agency // len(towns)]}", state, town, "",
            ("Jail Enforcement Model", "Task Force Model")[number % 2],
            f"{number % 12 + 1}/{number % 28 + 1}/2025", f"https://list.example/moa/{number}.pdf",
        )  # fmt: skip


@contextmanager
def asked_again_and_again(url: str) -> Iterator[list[object]]:
    """The answers of /healthz, asked all the time: status codes, or what went wrong."""
    answers: list[object] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(trust_env=False, timeout=PATIENCE, headers={"Host": "watch.example"}) as client:
            while not stop.wait(0.1):
                try:
                    answers.append(client.get(url).status_code)
                except httpx.HTTPError as error:
                    answers.append(repr(error))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("processes", ["two processes", pytest.param("one process", marks=long)])
def test_a_very_long_list_is_polled_while_the_site_answers_and_mail_leaves(
    tmp_path: Path, record_property: Callable[[str, object], None], processes: str
) -> None:
    config, log, port = tmp_path / "config.toml", tmp_path / "log", reserve_port()
    options = ("--one-process",) if processes == "one process" else ()
    database = f"file:{tmp_path / 'data' / 'monitor.db'}?mode=ro"

    def publications() -> int:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(database, uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM snapshot").fetchone()[0])
        return 0

    with ExitStack() as closing_:
        relay = closing_.enter_context(SmtpPeer())
        publisher = closing_.enter_context(Server())
        publisher.put(PATH, workbook(), etag='"1"')
        config.write_text(CONFIGURATION.format(port=port, relay=relay.port, list=publisher.url(PATH)))
        service = closing_.enter_context(running(config, log, *options))
        visitor = closing_.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"Host": "watch.example"}, trust_env=False,
                timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0),
            )
        )  # fmt: skip

        def answers() -> bool:
            with suppress(httpx.TransportError):
                return visitor.get("/healthz").status_code == 200
            return False

        until(answers, service)
        health = closing_.enter_context(asked_again_and_again(f"http://127.0.0.1:{port}/healthz"))
        until(lambda: publications() >= 1, service)

        sign_up(visitor, "ann@example.org", "TX")
        until(lambda: len(relay.mails) >= 1)
        confirm(visitor, relay.mails[0].content)
        until(lambda: len(relay.mails) >= 2)  # the welcome

        asked = len(publisher.asked(PATH))
        publisher.put(
            PATH,
            workbook(NEW),
            etag='"2"',
        )
        until(lambda: len(publisher.asked(PATH)) > asked)
        before = len(health)
        meanwhile = 0
        for address in PEOPLE:
            sign_up(visitor, address, "OH")
            until(lambda address=address: address in recipients(relay))
            meanwhile += publications() == 1
        until(lambda: publications() >= 2)
        record_property("confirmations while the list was read", meanwhile)
        record_property("answers of /healthz while the list was read", len(health) - before)
        if FULL:  # a short list may be read before any mail can be sent
            assert meanwhile
            assert len(health) > before
        alert = until(
            lambda: [x for x in relay.mails if b"Amarillo School" in x.content.replace(b"=\r\n", b"")],
        )
        assert len(alert) == 1
        assert set(health) == {200}
        assert "Traceback" not in log.read_text()
        with closing(sqlite3.connect(database, uri=True)) as db:
            changes = db.execute("SELECT count(*) FROM change").fetchone()
            listings = db.execute("SELECT count(*) FROM listing WHERE to_at IS NULL").fetchone()
        assert changes == (1,)
        assert listings == (AGENCIES - len(range(1, AGENCIES, 7)) + 1,)


def text_of(mail: Mail) -> bytes:
    return mail.content.replace(b"=\r\n", b"")


def recipients(relay: SmtpPeer) -> set[str]:
    return {mail.recipient for mail in relay.mails}
