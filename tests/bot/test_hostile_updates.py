"""What comes to the webhook from any sender: thousands of odd bodies and bursts stop nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any

import pytest
from starlette.applications import Starlette

from monitor.bot import Bot, Timing
from monitor.bot.context import Webhook
from monitor.channels.telegram.update_shape import DEEPEST, parse_update
from monitor.core.throttle import PER_MINUTE
from monitor.storage.engine import reading, transaction
from monitor.storage.people import bot_updates
from monitor.web.telegram_webhook import MOST_OF_A_CHAT, create_router
from tests.bot.world import World
from tests.peers.botapi import message

SECRET = "s" * 20
HOOK = Webhook("https://watch.example/telegram", SECRET)
MUTANTS = 20_000 if os.environ.get("MONITOR_TORTURE") else 500
BURST = 10_000

GROUP = {"id": -100, "type": "supergroup", "title": "Group", "username": "group"}
PERSON = {"id": 7, "is_bot": False, "first_name": "Ann", "language_code": "es"}
BOT = {"id": 99, "is_bot": True, "first_name": "Bot", "username": "monitor_bot"}
SEEDS: tuple[dict[str, Any], ...] = (
    {"update_id": 1, "message": message("/watch 60601")},
    {"update_id": 1, "message": message("/stop@monitor_bot", chat=-100, kind="supergroup", name="group")},
    {"update_id": 1, "message": message("hi") | {"migrate_to_chat_id": -1001, "text": None}},
    {"update_id": 1, "message": message("re") | {"reply_to_message": message("/list"), "entities": []}},
    {
        "update_id": 1,
        "callback_query": {
            "id": "5", "from": PERSON, "chat_instance": "1", "data": "watch 60601", "message": message("x"),
        },
    },
    {"update_id": 1, "inline_query": {"id": "6", "from": PERSON, "query": "60601", "offset": ""}},
    {
        "update_id": 1,
        "my_chat_member": {
            "chat": GROUP, "from": PERSON, "date": 1,
            "old_chat_member": {"user": BOT, "status": "left"},
            "new_chat_member": {"user": BOT, "status": "member"},
        },
    },
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**63, -(2**63) - 1, 10**400, "", "x", "/stop", "\x00", "\ud800",
    "é" * 5000, [], [[]], {}, {"id": 1}, [1, 2], "60601", -100, 7, {"a": {"b": []}}, "@lakes", "🚓" * 2000,
)  # fmt: skip


def nested(levels: int, inner: Any) -> Any:
    for number in range(levels):
        inner = [inner] if number % 2 else {"reply_to_message": inner}
    return inner


def mutate(chance: random.Random, content: Any, depth: int = 0) -> Any:
    """Change some values and keys of an update at random."""
    if chance.random() < 0.08:
        return chance.choice((*ODD, nested(chance.choice((3, 70, 400)), 1)))
    if isinstance(content, dict):
        kept = {
            chance.choice(("id", "chat", "x", key)) if chance.random() < 0.03 else key: mutate(
                chance, value, depth + 1
            )
            for key, value in content.items()
            if chance.random() > 0.04
        }
        if chance.random() < 0.05:
            kept["reply_to_message"] = nested(chance.choice((2, 50, 300)), {"message_id": 1})
        return kept
    if isinstance(content, list):
        return [mutate(chance, each, depth + 1) for each in content]
    return content


def bodies(seed: int) -> Iterable[bytes]:
    chance = random.Random(seed)
    for number in range(MUTANTS):
        content = mutate(chance, chance.choice(SEEDS))
        if isinstance(content, dict) and chance.random() < 0.9:
            content["update_id"] = 1000 + number
        body = json.dumps(content).encode()
        match chance.randrange(12):
            case 0:
                at = chance.randrange(len(body) + 1)
                body = body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
            case 1:
                body = body[: chance.randrange(len(body) + 1)]
            case 2:
                body = body.replace(b"1", b"[" * chance.choice((5, 2000, 100_000)), 1)
        yield body


def post_all(
    world: World, contents: Iterable[bytes], seconds: Callable[[], float] = lambda: 0.0
) -> list[int]:
    """The statuses of the site's answers."""
    context = world.context
    router = create_router("/telegram", SECRET, context.engine, context.keys, lambda: world.now, seconds)
    site = Starlette(routes=router.routes)
    statuses: list[int] = []
    scope = {
        "type": "http", "method": "POST", "path": "/telegram", "query_string": b"", "http_version": "1.1",
        "headers": [(b"x-telegram-bot-api-secret-token", SECRET.encode())],
    }  # fmt: skip

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def post_each() -> None:  # without a client: there are tens of thousands
        for body in contents:

            async def receive(body: bytes = body) -> dict[str, Any]:
                return {"type": "http.request", "body": body, "more_body": False}

            await site(dict(scope), receive, send)

    asyncio.run(post_each())
    return statuses


def stored(world: World) -> int:
    with reading(world.engine) as conn:
        return len(bot_updates.load_oldest(conn, 10**6))


def test_odd_updates_end_without_a_traceback_and_stop_no_other(
    still: World, caplog: pytest.LogCaptureFixture
) -> None:
    ticks = iter(range(10**9))  # a minute lies between any two: no chat is too busy
    odd = list(bodies(seed=12))
    assert set(post_all(still, odd, lambda: 61.0 * next(ticks))) == {200}
    accepted = stored(still)
    assert accepted == len({each.update_id for body in odd if (each := parse_update(body)) is not None})
    assert MUTANTS / 20 < accepted < MUTANTS
    last = {"update_id": 10**9, "message": message("/help", chat=4711, user=4711)}
    assert post_all(still, [json.dumps(last).encode()]) == [200]
    bot = still.bot(webhook=HOOK)
    with still.running(bot):
        still.api.wait(lambda: not stored(still))
        still.api.wait(lambda: any(post.chat in (4711, "4711") for post in still.api.posts))
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [], (
        "nothing that passes the check surprises the bot"
    )


@pytest.mark.parametrize("levels", [DEEPEST + 1, 900, 5000, 200_000])
@pytest.mark.parametrize("bracket", [b"[%b]", b'{"reply_to_message":%b}'])
def test_deep_brackets_are_no_update(levels: int, bracket: bytes) -> None:
    opened, _, closed = bracket.partition(b"%b")
    inner = opened * levels + b"1" + closed * levels
    assert parse_update(b'{"update_id": 1, "message": %b}' % inner) is None
    good = json.dumps(message("/help")).encode()[:-1]
    assert parse_update(b'{"update_id": 1, "message": %b, "reply_to_message": %b}}' % (good, inner)) is None


def test_half_a_character_is_no_update() -> None:
    """JSON can write a lone surrogate, which is no text; hashing it failed."""
    for text in ("\\ud800", "\\udc00 x", "a\\ud83d"):
        body = json.dumps({"update_id": 1, "message": message("TEXT")}).replace("TEXT", text).encode()
        assert parse_update(body) is None
    whole = json.dumps({"update_id": 1, "message": message("\U0001f693")}).encode()
    assert b"\\ud83d" in whole
    assert parse_update(whole) is not None


def test_an_update_that_was_stored_by_an_older_version_cannot_stop_the_bot(still: World) -> None:
    deep = b'{"update_id": 5, "message": ' + b"[" * 900 + b"]" * 900 + b"}"
    strange = json.dumps({"update_id": 6, "message": message("/help") | {"chat": {"id": [], "type": 1}}})
    with transaction(still.engine) as conn:
        for number, body in ((5, deep.decode()), (6, strange)):
            bot_updates.put(conn, number, still.keys.seal(bot_updates.SEALED_AS, body), still.now)
    assert post_all(still, [json.dumps({"update_id": 7, "message": message("/help")}).encode()]) == [200]
    with still.running(still.bot(webhook=HOOK)):
        still.api.wait(lambda: still.api.posts and not stored(still))
    assert len(still.api.posts) == 1


class Frozen:
    """A clock that stands: a task that sleeps does so until the test is over."""

    def __init__(self) -> None:
        self.sleeping = 0

    def __call__(self) -> float:
        return 1000.0

    async def sleep(self, seconds: float) -> None:
        self.sleeping += 1
        await asyncio.Event().wait()


def test_an_inline_question_of_another_type_is_no_update() -> None:
    for query in (5, None, ["60601"], {"text": "60601"}, True):
        asked = {"id": "6", "from": PERSON, "query": query, "offset": ""}
        assert parse_update(json.dumps({"update_id": 1, "inline_query": asked}).encode()) is None


def test_inline_questions_of_one_person_take_nothing_from_those_of_another(still: World) -> None:
    """They come from no chat, and for the webhook that was one chat for everybody."""

    def ask(number: int, user: int) -> bytes:
        inline = {"id": str(number), "from": PERSON | {"id": user}, "query": "60601", "offset": ""}
        return json.dumps({"update_id": number, "inline_query": inline}).encode()

    burst = [ask(number, 7) for number in range(2 * MOST_OF_A_CHAT)]
    assert set(post_all(still, [*burst, ask(BURST, 8)])) == {200}
    assert stored(still) == MOST_OF_A_CHAT + 1 + 1
    with still.running(still.bot(webhook=HOOK)):
        still.api.wait(lambda: not stored(still))
        still.api.wait(lambda: len(still.api.inline_answers) == PER_MINUTE + 1)


def hold_up(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often the bot waits for answers before it goes on: `Timing.patience` seconds each time."""
    waited: list[int] = []
    original = bot._wait_for

    async def wait_for(answers: Any) -> None:
        waited.append(len(answers))
        await original(answers)

    monkeypatch.setattr(bot, "_wait_for", wait_for)
    return waited


@pytest.mark.parametrize("by_webhook", [True, False])
def test_a_burst_of_one_person_holds_up_another_by_a_second_at_most(
    still: World, by_webhook: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the pace stands still, so none of the answers to the burst beyond the first is posted: the
    other's answer needs none of them.
    """
    clock = Frozen()
    timing = Timing(
        poll=20, standby=0.05, pause=0.02, longest_pause=0.05, answer=5.0, look=0.01, patience=0.05
    )
    texts = [message("/list", chat=7, user=7)] * BURST + [message("/list", chat=8, user=8)]
    if by_webhook:
        statuses = post_all(
            still,
            (
                json.dumps({"update_id": number, "message": each}).encode()
                for number, each in enumerate(texts)
            ),
        )
        assert statuses == [200] * (BURST + 1)
        assert stored(still) == MOST_OF_A_CHAT + 1 + 1  # the first above the limit, and the other's
    else:
        still.api.pending += [{"update_id": number, "message": each} for number, each in enumerate(texts)]
    bot = still.bot(webhook=HOOK if by_webhook else None, seconds=clock, sleep=clock.sleep, timing=timing)
    waited = hold_up(bot, monkeypatch)
    with still.running(bot):
        still.api.wait(lambda: any(str(post.chat) == "8" for post in still.api.posts))
        before = len(waited)
    assert before * Timing().patience <= 1.0
    mine = [post for post in still.api.posts if str(post.chat) == "7"]
    assert len(mine) <= 1
    assert waited[0] <= PER_MINUTE + 2, "of the burst no more than the limit is answered, and the other"
