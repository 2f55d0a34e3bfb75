"""Visitors who send half a request, or none, can neither hold the site nor use up its descriptors."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from monitor.web import connections, server
from monitor.web.connections import Phase
from monitor.web.middleware import SiteMiddleware

HALF = b"GET / HTTP/1.1\r\nHost: watch.example\r\n"
WHOLE = HALF + b"\r\n"


class Loop(asyncio.SelectorEventLoop):
    """A real event loop whose clock a test moves forward."""

    moved = 0.0

    def time(self) -> float:
        return super().time() + self.moved


class Visitor:
    """A connection to the site and what it gets back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> bytes:
        """The status line of an answer, after its last byte; b"" when the site closed the connection."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return b""
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await self._reader.readexactly(length)
        return head.split(b"\r\n")[0]

    def close(self) -> None:
        self._writer.close()


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())} bytes")


def serve(visit: Callable[[Loop, Callable[[], Awaitable[Visitor]]], Awaitable[None]]) -> None:
    """Serve one page on a loopback port while ``visit`` runs on the same loop."""
    loop = Loop()
    listening = server.open_socket("127.0.0.1", 0)
    pages = Starlette(routes=[Route("/", page, methods=["GET", "POST"])])
    site: uvicorn.Server = server.create_server(SiteMiddleware(pages, "https://watch.example"))
    visitors: list[Visitor] = []

    async def connect() -> Visitor:
        visitors.append(Visitor(*await asyncio.open_connection(*listening.getsockname())))
        return visitors[-1]

    async def main() -> None:
        serving = asyncio.ensure_future(site.serve(sockets=[listening]))
        try:
            await asyncio.wait_for(visit(loop, connect), 600)
        finally:
            for visitor in visitors:
                visitor.close()
            site.should_exit = True
            await serving

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
        listening.close()


@contextmanager
def descriptors(count: int) -> Iterator[None]:
    """The process may have ``count`` descriptors open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("sent", [b"", HALF])
def test_headers_must_come_in_time(sent: bytes) -> None:
    async def visit(loop: Loop, connect: Callable[[], Awaitable[Visitor]]) -> None:
        slow, kept = await connect(), await connect()
        kept.send(WHOLE)
        assert await kept.answer() == b"HTTP/1.1 200 OK"
        slow.send(sent)
        kept.send(WHOLE)
        assert await kept.answer() == b"HTTP/1.1 200 OK"
        loop.moved += Phase.HEADERS.value
        assert await slow.answer() == b""

    serve(visit)


def test_headers_of_a_second_request_must_come_in_time_too() -> None:
    async def visit(loop: Loop, connect: Callable[[], Awaitable[Visitor]]) -> None:
        visitor, other = await connect(), await connect()
        visitor.send(WHOLE + HALF)
        assert await visitor.answer() == b"HTTP/1.1 200 OK"
        visitor.send(b"X-More: ")
        other.send(WHOLE)
        assert await other.answer() == b"HTTP/1.1 200 OK"
        loop.moved += Phase.HEADERS.value
        assert await visitor.answer() == b""

    serve(visit)


def test_a_body_must_come_in_time() -> None:
    async def visit(loop: Loop, connect: Callable[[], Awaitable[Visitor]]) -> None:
        visitor, other = await connect(), await connect()
        visitor.send(b"POST / HTTP/1.1\r\nHost: watch.example\r\nContent-Length: 9\r\n\r\nq=")
        other.send(WHOLE)
        assert await other.answer() == b"HTTP/1.1 200 OK"
        loop.moved += Phase.BODY.value
        assert await visitor.answer() == b""

    serve(visit)


def test_a_visitor_who_leaves_in_a_body_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def visit(loop: Loop, connect: Callable[[], Awaitable[Visitor]]) -> None:
        visitor = await connect()
        visitor.send(b"POST / HTTP/1.1\r\nHost: watch.example\r\nContent-Length: 26\r\n\r\nList-")
        visitor.close()
        other = await connect()
        other.send(WHOLE)
        assert await other.answer() == b"HTTP/1.1 200 OK"

    serve(visit)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_whole_request_and_its_pause_are_not_cut_short() -> None:
    async def visit(loop: Loop, connect: Callable[[], Awaitable[Visitor]]) -> None:
        visitor = await connect()
        for _ in range(10):
            visitor.send(b"POST / HTTP/1.1\r\nHost: watch.example\r\nContent-Length: 9\r\n\r\nq=")
            visitor.send(b"1234567")
            assert await visitor.answer() == b"HTTP/1.1 200 OK"
            loop.moved += 2.0  # the server keeps an idle connection for 5 s

    serve(visit)


def test_with_more_half_open_requests_than_places_visitors_are_answered() -> None:
    async def visit(loop: Loop, connect: Callable[[], Awaitable[Visitor]]) -> None:
        held = []
        for _ in range(3 * connections.most_connections()):
            held.append(await connect())
            held[-1].send(HALF)
        for _ in range(3):
            visitor = await connect()
            visitor.send(WHOLE)
            assert await visitor.answer() == b"HTTP/1.1 200 OK"
        assert await held[0].answer() == b"", "the one that waited longest is closed, before its time is up"
        assert loop.moved == 0

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "MOST_CONNECTIONS", 20)
        assert connections.most_connections() == min(20, soft // 2)
        serve(visit)


def test_connections_leave_descriptors_for_polls_and_mail() -> None:
    for limit in (256, 1024):
        with descriptors(limit):
            assert connections.most_connections() + connections.accept_queue() <= limit * 3 // 4


def test_answers_do_not_wait_for_acknowledgments() -> None:
    listening = server.open_socket("127.0.0.1", 0)
    assert listening.proto == socket.IPPROTO_TCP  # what asyncio looks at before it sets TCP_NODELAY
    with listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP
