"""Public pages are made once a minute, or when the record moves; nothing of a person is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from starlette.responses import HTMLResponse, Response
from starlette.types import Message, Receive, Scope, Send

from monitor.storage import database_facts
from monitor.storage import engine as db
from monitor.web.page_cache import AT_ONCE, KEPT, PageCache
from tests.web.conftest import Running

NOW = datetime(2026, 3, 2, 2, 7, 30, tzinfo=UTC)
BODY = "<p>" + "agency " * 500 + "</p>"


class FixedState:
    """The state of a record, set by a test."""

    def __init__(self) -> None:
        self.state = (1, 0)

    async def read(self) -> tuple[int, int]:
        return self.state

    def close(self) -> None:
        pass


class Pages:
    """An application that counts what it makes. ``answer`` makes the response; ``gate`` holds it up."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.answer: Callable[[], Response] = lambda: HTMLResponse(BODY, headers={"Vary": "Cookie"})
        self.gate: asyncio.Event | None = None
        self.state = FixedState()
        self.now = NOW
        self.kept = PageCache(self._app, self.state, lambda: self.now, largest=20_000)  # type: ignore[arg-type]

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.made.append(scope["path"])
        if self.gate is not None:
            await self.gate.wait()
        await self.answer()(scope, receive, send)

    def get(self, path: str = "/zip/60601", method: str = "GET", **headers: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.kept)
            async with httpx.AsyncClient(transport=transport, base_url="http://watch.example") as client:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                return await client.request(method, path, headers={"Accept-Encoding": "identity"} | named)

        return asyncio.run(ask())


@pytest.fixture
def pages() -> Pages:
    return Pages()


def test_a_page_is_made_once_and_again_when_the_record_or_the_minute_moves(pages: Pages) -> None:
    for _ in range(3):
        assert pages.get().text == BODY
    assert len(pages.made) == 1
    pages.state.state = (2, 1)
    pages.get()
    pages.state.state = (2, 0)
    pages.get()
    assert len(pages.made) == 3
    pages.now += timedelta(seconds=20)
    pages.get()
    assert len(pages.made) == 3
    pages.now += timedelta(seconds=20)
    pages.get()
    assert len(pages.made) == 4


def test_languages_and_page_numbers_are_pages_of_their_own(pages: Pages) -> None:
    for _ in range(2):
        pages.get(Accept_Language="es")
        pages.get(Cookie="a=b; lang=es")
        pages.get(Accept_Language="en")
        pages.get("/changes?before=7")
        pages.get("/changes?before=8")
    assert len(pages.made) == 4


def test_the_etag_is_strong_and_of_the_bytes_that_are_sent(pages: Pages) -> None:
    plain, packed = pages.get(), pages.get(Accept_Encoding="br, gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(BODY) / 5
    assert (plain.text, packed.text) == (BODY, BODY)
    assert plain.headers["etag"] != packed.headers["etag"]
    assert set(map(str.strip, plain.headers["vary"].split(","))) == {"Cookie", "Accept-Encoding"}
    for answer, accepts in ((plain, "identity"), (packed, "gzip")):
        again = pages.get(If_None_Match=answer.headers["etag"], Accept_Encoding=accepts)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert pages.get(If_None_Match='"other"').status_code == 200
    assert pages.get(Accept_Encoding="gzip;q=0").headers.get("content-encoding") is None
    assert len(pages.made) == 1


def test_head_says_the_same_without_a_body(pages: Pages) -> None:
    head = pages.get(method="HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(BODY)))
    assert pages.get().headers["etag"] == head.headers["etag"]
    assert len(pages.made) == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda: HTMLResponse(BODY, headers={"Cache-Control": "no-store"}),
        lambda: HTMLResponse(BODY, headers={"Set-Cookie": "lang=es"}),
        lambda: HTMLResponse(BODY, 404),
        lambda: HTMLResponse(BODY, 500),
        lambda: Response(status_code=301, headers={"Location": "/x"}),
    ],
)
def test_what_concerns_one_reader_or_is_no_page_is_passed_on(
    pages: Pages, answer: Callable[[], Response]
) -> None:
    pages.answer = answer
    first, second = pages.get(), pages.get()
    assert first.status_code == second.status_code == answer().status_code
    assert len(pages.made) == 2


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/", True), ("/zip/60601", True), ("/state/IL", True), ("/agency/ring/x-1", True),
        ("/changes", True),
        ("/changes/7", True), ("/about", True), ("/privacy", True), ("/map", True),
        ("/map/values.json", False),
        ("/feed.atom", False), ("/zip/60601/feed.atom", False), 
        ("/zip/60601/meetings.ics", True), ("/agency/ring/x-1/letter", True),
        ("/manage/token", False),
        ("/confirm/token", False),
        ("/unsubscribe/token", False), ("/subscribe", False), ("/healthz", False), ("/readyz", False),
        ("/log/checkpoint", False), ("/static/1/site.css", False), ("/find", False), ("//", False),
    ],
)  # fmt: skip
def test_which_paths_are_kept(path: str, kept: bool) -> None:
    assert bool(KEPT.fullmatch(path)) is kept


def test_a_chosen_language_or_an_unknown_query_is_passed_on(pages: Pages) -> None:
    for path in ("/?lang=es", "/zip/60601?utm_source=x", "/?page=1&x=2"):
        pages.get(path)
        pages.get(path)
    assert len(pages.made) == 6


def test_many_who_ask_at_once_wait_for_one_page(pages: Pages) -> None:
    async def crowd() -> list[httpx.Response]:
        pages.gate = asyncio.Event()
        transport = httpx.ASGITransport(pages.kept)
        async with httpx.AsyncClient(transport=transport, base_url="http://watch.example") as client:
            asking = [asyncio.create_task(client.get("/zip/60601")) for _ in range(50)]
            while not pages.made:
                await asyncio.sleep(0)
            pages.gate.set()
            return await asyncio.gather(*asking)

    answers = asyncio.run(crowd())
    assert {answer.text for answer in answers} == {BODY}
    assert len(pages.made) == 1
    assert pages.kept._making == {}


def test_nothing_is_made_for_a_reader_who_is_gone(pages: Pages) -> None:
    sent: list[Message] = []
    messages = iter([{"type": "http.request", "body": b""}, {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Any = {"type": "http", "method": "GET", "path": "/zip/60601", "query_string": b"", "headers": []}
    asyncio.run(pages.kept(scope, receive, send))
    assert (pages.made, sent) == ([], [])


def test_pages_wait_for_their_turn_and_who_hangs_up_meanwhile_costs_nothing(pages: Pages) -> None:
    """64 people ask for 64 pages and hang up; the next visitor waits for the pages that were begun."""

    async def run() -> list[Message]:
        pages.gate, gone, sent = asyncio.Event(), asyncio.Event(), list[Message]()

        def visit(path: str, hangs_up: bool) -> asyncio.Task[None]:
            asked = False

            async def receive() -> Message:
                nonlocal asked
                if not asked:
                    asked = True
                    return {"type": "http.request", "body": b""}
                await (gone if hangs_up else asyncio.Event()).wait()
                return {"type": "http.disconnect"}

            async def send(message: Message) -> None:
                if not hangs_up:
                    sent.append(message)

            scope: Any = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
            return asyncio.create_task(pages.kept(scope, receive, send))

        crowd = [visit(f"/zip/{60000 + number}", True) for number in range(64)]
        while len(pages.made) < AT_ONCE:
            await asyncio.sleep(0)
        visitor = visit("/zip/60999", False)
        gone.set()
        pages.gate.set()
        await asyncio.gather(*crowd, visitor)
        return sent

    sent = asyncio.run(run())
    assert (sent[0]["status"], len(pages.made), pages.made[-1]) == (200, AT_ONCE + 1, "/zip/60999")
    assert pages.kept._making == {}


def test_the_kept_bytes_are_bounded_and_the_oldest_goes_first(pages: Pages) -> None:
    def sized() -> int:
        return sum(page.size for page in pages.kept._pages.values())

    for number in range(40):
        pages.get(f"/zip/{60000 + number}")
        assert pages.kept._size == sized() <= 20_000
    made = len(pages.made)
    pages.get("/zip/60039")
    assert len(pages.made) == made
    pages.get("/zip/60000")
    assert len(pages.made) == made + 1
    pages.answer = lambda: HTMLResponse("x" * 30_000)
    pages.get("/about")
    assert pages.kept._size <= 20_000


def test_a_record_that_cannot_be_read_leaves_the_answer_to_the_page(pages: Pages) -> None:
    async def fail() -> tuple[int, int]:
        raise OSError("the disk is gone")

    pages.state.read = fail  # type: ignore[method-assign]
    assert pages.get().text == BODY
    pages.get()
    assert len(pages.made) == 2


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            seen.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", note)


def test_a_kept_page_of_the_site_costs_no_statement_until_something_is_written(web: Running) -> None:
    web.get("/zip/60601")
    with statements(web.engine) as seen:
        answer = web.get("/zip/60601")
        assert answer.status_code == 200
        assert seen == []
    with db.transaction(web.engine) as conn:
        database_facts.put(conn, "written by", "another process")
    with statements(web.engine) as seen:
        assert web.get("/zip/60601").headers["etag"] == answer.headers["etag"]
        assert len(seen) == 1, "somebody wrote, but the record is as it was"
