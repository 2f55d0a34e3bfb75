"""What a mail server's bytes mean, however they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from monitor.channels.email.transport import MailDialogue, ServerReply

OPENING = (b"MAIL FROM:<a@a.example>", b"RCPT TO:<b@b.example>", b"DATA")
LONG = 5.0


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


def talk(*arrivals: bytes, commands: tuple[bytes, ...] = OPENING, pipelines: bool = True) -> Any:
    """Say these commands and let these bytes arrive; returns the replies, the wire and the dialogue."""

    async def run() -> tuple[list[ServerReply], Wire, MailDialogue]:
        wire = Wire()
        dialogue = MailDialogue(wire, pipelines=pipelines)
        saying = asyncio.create_task(dialogue.say(commands, LONG))
        await asyncio.sleep(0)
        for data in arrivals:
            dialogue.data_received(data)
        return await saying, wire, dialogue

    return asyncio.run(run())


def test_commands_go_together_where_the_server_takes_them_so() -> None:
    replies, wire, dialogue = talk(b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go on\r\n")
    assert wire.written == [b"MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\n"]
    assert replies == [ServerReply(250, "2.1.0 ok"), ServerReply(250, "2.1.5 ok"), ServerReply(354, "go on")]
    assert dialogue.is_open


def test_elsewhere_each_waits_for_its_reply() -> None:
    replies, wire, _ = talk(b"250 ok\r\n", pipelines=False)
    assert wire.written == [b"MAIL FROM:<a@a.example>\r\n"]
    assert replies == [ServerReply(250, "ok")]


def test_bytes_may_arrive_one_by_one() -> None:
    whole = b"250-2.1.0 first\r\n250 second\r\n550 5.1.1 who?\n503 5.5.1 no\r\n"
    replies, _, _ = talk(*(whole[at : at + 1] for at in range(len(whole))))
    assert replies == [
        ServerReply(250, "2.1.0 first\nsecond"),
        ServerReply(550, "5.1.1 who?"),
        ServerReply(503, "5.5.1 no"),
    ]


@pytest.mark.parametrize(
    ("arrivals", "replies"),
    [
        ((b"250 ok\r\n421 4.3.2 closing\r\n",), [ServerReply(250, "ok"), ServerReply(421, "4.3.2 closing")]),
        ((b"250 ok\r\nwhat?\r\n",), [ServerReply(250, "ok")]),
        ((b"\r\n",), []),
        ((b"25\r\n",), []),
        ((b"250-" + b"x" * 40_000,), []),
        ((b"250-" + b"x" * 99 + b"\r\n",) * 400, []),
    ],
    ids=["a goodbye", "nonsense", "an empty line", "half a code", "a line without end", "lines without end"],
)
def test_a_server_that_says_goodbye_or_nonsense_is_left(
    arrivals: tuple[bytes, ...], replies: list[ServerReply]
) -> None:
    found, wire, dialogue = talk(*arrivals)
    assert found == replies
    assert wire.aborted
    assert not dialogue.is_open


@pytest.mark.parametrize("more", [b"421 4.4.2 idle too long\r\n", b"250 once more\r\n"])
def test_what_nobody_asked_for_is_no_answer_to_the_next_question(more: bytes) -> None:
    async def run() -> list[ServerReply]:
        wire = Wire()
        dialogue = MailDialogue(wire, pipelines=True)
        first = asyncio.create_task(dialogue.say((b"RSET",), LONG))
        await asyncio.sleep(0)
        dialogue.data_received(b"250 ok\r\n" + more)
        assert await first == [ServerReply(250, "ok")]
        assert wire.aborted
        return await dialogue.say(OPENING, LONG)

    assert asyncio.run(run()) == []


def test_a_lost_connection_gives_the_replies_that_came_before() -> None:
    async def run() -> list[ServerReply]:
        dialogue = MailDialogue(Wire(), pipelines=True)
        saying = asyncio.create_task(dialogue.say(OPENING, LONG))
        await asyncio.sleep(0)
        dialogue.data_received(b"250 ok\r\n250 o")
        dialogue.connection_lost(ConnectionResetError())
        return await saying

    assert asyncio.run(run()) == [ServerReply(250, "ok")]


def test_silence_ends_with_the_time_that_was_given() -> None:
    async def run() -> bool:
        dialogue = MailDialogue(Wire(), pipelines=True)
        assert await dialogue.say(OPENING, 0.0) == []
        return dialogue.is_open

    assert asyncio.run(run()) is False


def test_one_timer_serves_many_exchanges_and_ends_only_the_one_whose_time_is_up() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        now, timers = [100.0], list[tuple[float, Callable[[], None]]]()

        def call_at(when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
            timers.append((when, callback))
            return asyncio.TimerHandle(when, callback, (), loop)

        real = loop.time, loop.call_at
        loop.time, loop.call_at = (lambda: now[0]), call_at  # type: ignore[method-assign,assignment]
        try:
            dialogue = MailDialogue(Wire(), pipelines=True)
            for number in range(50):
                now[0] = 100.0 + number
                saying = asyncio.create_task(dialogue.say(OPENING[:1], 60.0))
                await asyncio.sleep(0)
                dialogue.data_received(b"250 ok\r\n")
                assert await saying == [ServerReply(250, "ok")]
            assert [when for when, _ in timers] == [160.0]
            now[0] = 155.0
            saying = asyncio.create_task(dialogue.say(OPENING[:1], 60.0))
            await asyncio.sleep(0)
            now[0] = 160.0
            timers[0][1]()  # it was set for the first exchange
            assert dialogue.is_open
            assert [when for when, _ in timers] == [160.0, 215.0]
            now[0] = 215.0
            timers[1][1]()
            assert (await saying, dialogue.is_open) == ([], False)
        finally:
            loop.time, loop.call_at = real  # type: ignore[method-assign]

    asyncio.run(run())


def test_a_shorter_patience_is_not_held_to_the_timer_of_a_longer_one() -> None:
    async def run() -> bool:
        dialogue = MailDialogue(Wire(), pipelines=True)
        saying = asyncio.create_task(dialogue.say(OPENING[:1], 600.0))
        await asyncio.sleep(0)
        dialogue.data_received(b"250 ok\r\n")
        await saying
        assert await dialogue.say(OPENING, 0.0) == []
        return dialogue.is_open

    assert asyncio.run(run()) is False
