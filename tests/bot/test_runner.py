"""How updates are taken: confirmed when handled, each for itself, by one process, at Telegram's pace; and
what is never logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import Engine
from starlette.applications import Starlette

from monitor.bot import Bot, Timing, Webhook, runner
from monitor.bot.runner import TURN
from monitor.channels.telegram.rate import PostRate
from monitor.core.throttle import PER_MINUTE
from monitor.errors import StoreError
from monitor.keys import KeyFile
from monitor.ops.health_facts import load_facts
from monitor.ops.health_report import report_status
from monitor.storage import database_facts
from monitor.storage.deliveries import pauses as stored_pauses
from monitor.storage.engine import exclusive_turn, reading, transaction
from monitor.storage.people import bot_updates
from monitor.storage.reencrypt import reseal
from monitor.subscribers.retention import purge
from monitor.web.telegram_webhook import create_router
from tests.bot.world import PATIENCE, TIMING, World
from tests.peers.botapi import DROP, FORBIDDEN, Answer, flood, message, migrated
from tests.peers.log_lines import every_line

SECRET = "a-secret-that-only-telegram-knows"
MENU = ["watch", "list", "lists", "language", "when", "line", "preview", "status", "stop", "help"]
HOOK = Webhook("https://watch.example/telegram", SECRET)


def test_the_menu_of_commands_is_set_in_both_languages(world: World) -> None:
    world.ask("/help")
    assert world.api.menus == {"": MENU, "es": MENU}


def test_the_name_of_the_bot_is_kept_for_the_links_of_the_site(both: World) -> None:
    both.ask("/help")
    with reading(both.engine) as conn:
        assert database_facts.get(conn, database_facts.BOT_USERNAME) == "monitor_bot"


def test_updates_that_came_while_the_bot_was_away_are_answered(quiet: World) -> None:
    quiet.api.says("/watch 60601")
    quiet.api.says("/watch IN")
    with quiet.running():
        quiet.api.wait(lambda: len(quiet.api.posts) == 2)
    assert {place for _, place, _ in quiet.follows()} == {"60601", "IN"}
    assert quiet.api.pending == [], "what was handled is confirmed at the stop"


def test_an_update_is_confirmed_only_after_it_was_handled(
    still: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = still.bot()
    begun, go_on = threading.Event(), threading.Event()
    watch = bot._chats.watch

    def slowly(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(PATIENCE)
        return watch(*arguments)

    monkeypatch.setattr(bot._chats, "watch", slowly)
    with still.running(bot):
        still.api.says("/watch 60601")
        assert begun.wait(PATIENCE)
        assert len(still.api.pending) == 1
        go_on.set()
        still.done()
    assert len(still.api.posts) == 1


def test_an_update_that_the_database_could_not_take_comes_again(
    still: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = still.bot()
    failures = 2
    watch = bot._chats.watch

    def sometimes(chat: int, *rest: Any) -> Any:
        nonlocal failures
        if chat == 7 and failures:
            failures -= 1
            raise StoreError("the disk is full")
        return watch(chat, *rest)

    monkeypatch.setattr(bot._chats, "watch", sometimes)
    still.api.says("/watch 60601")
    still.api.says("/watch IL", chat=8, user=8)
    with still.running(bot):
        still.done()
    assert {place for _, place, _ in still.follows(7)} == {"60601"}
    assert [post.chat for post in still.api.posts] == ["8", "7"], "who was answered is not answered again"


def test_an_update_that_breaks_the_bot_stops_no_other(still: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bot = still.bot()
    monkeypatch.setattr(bot._chats, "read_watching", lambda *_: 1 / 0)
    still.api.says("/list")
    still.api.says("/watch IL", chat=8, user=8)
    still.api.says("/watch IN")
    with still.running(bot):
        still.done()
    assert sorted(post.text.partition(".")[0] for post in still.api.posts) == [
        "Something went wrong here", "Watching <b>IL (Illinois)</b>", "Watching <b>IN (Indiana)</b>",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        {"message": {"message_id": 1}},
        {"message": 5},
        {"callback_query": {"id": "1"}},
        {"something_new": {"a": 1}},
        {"message": {**message(""), "text": None}},
    ],
)
def test_an_update_that_cannot_be_read_stops_no_other(still: World, content: dict[str, Any]) -> None:
    still.api.sends(content)
    still.api.says("/watch IL")
    with still.running():
        still.done()
    assert len(still.api.posts) == 1


def test_an_update_that_is_delivered_twice_is_answered_once(still: World) -> None:
    still.api.says("/watch IL")
    still.api.pending.append(dict(still.api.pending[0]))
    with still.running():
        still.done()
    assert len(still.api.posts) == 1


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the bot would have waited between its rounds."""
    waited: list[float] = []
    until = runner._until

    async def at_once(stop: asyncio.Event, seconds: float) -> None:
        waited.append(seconds)
        await until(stop, 0)

    monkeypatch.setattr(runner, "_until", at_once)
    return waited


@pytest.mark.parametrize(
    ("answer", "waited"),
    [
        (Answer(409, "Conflict: terminated by other getUpdates request"), [1, 2]),
        (Answer(500, "Internal Server Error"), [1, 2]),
        (flood(77), [77, 77]),
    ],
)
def test_polling_goes_on_after_an_error_of_the_api(
    still: World, answer: Answer, waited: list[float], pauses: list[float]
) -> None:
    still.api.failures = {"getUpdates": [answer], "getMe": [answer], "setMyCommands": [answer]}
    with still.running(still.bot(timing=Timing())):
        still.ask("/help")
    assert pauses[:-1] == waited


def test_two_that_poll_with_one_token_get_slower_and_say_so_once(
    still: World, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    still.api.rivals = 4
    with caplog.at_level(logging.INFO, "monitor"), still.running(still.bot(timing=Timing())):
        still.api.wait(lambda: not still.api.rivals)
        with reading(still.engine) as conn:
            assert database_facts.get(conn, database_facts.BOT_TROUBLE) == (
                "another process uses this bot's token: stop it, or give it a bot of its own"
            )
        still.ask("/help")
        still.ask("/list")
    assert pauses[:-1] == [1, 2, 4, 8]
    assert caplog.text.count("another process uses this bot's token") == 1
    assert caplog.text.count("the bot polls for updates") == 2, "before the other came, and after"


def test_an_operator_is_told_why_the_bot_hears_nothing(still: World) -> None:
    def problem() -> str | None:
        found = report_status(
            load_facts(still.engine, {}, configured=(), fenced=None, now=still.now, bot=True)
        )["bot"]["problem"]
        assert found is None or isinstance(found, str)
        return found

    with still.running():
        still.ask("/help")
    assert problem() is None
    still.now += timedelta(minutes=5)
    token, still.api.token = still.api.token, "12345:another-token"
    bot = still.bot()
    still.api.token = token
    with still.running(bot):
        still.api.wait(lambda: still.api.calls.count("getMe") > 2)
        assert (problem() or "").endswith(
            "Telegram does not know the bot's token: give @BotFather's as [telegram] token"
        )
    with still.running():
        still.ask("/help")
    assert problem() is None


def test_a_webhook_of_before_is_taken_away_when_the_bot_polls(still: World) -> None:
    still.api.webhook = {"url": "https://old.example"}
    with still.running():
        still.ask("/help")


def test_a_bot_that_may_not_speak_leaves_the_updates_alone(still: World) -> None:
    reasons = ["this database looks like a copy", "this database looks like a copy", None]
    still.api.says("/watch IL")
    with still.running(still.bot(blocked=lambda: reasons.pop(0) if reasons[0] else None)):
        still.done()
    assert reasons == [None]


@pytest.mark.postgres
def test_one_process_of_many_polls(
    postgres_engine: Engine, keys: KeyFile, tmp_path: Path, now: datetime
) -> None:
    world = World(postgres_engine, keys, tmp_path, now)
    with world.api:
        with exclusive_turn(postgres_engine, TURN) as mine:
            assert mine
            looked = threading.Semaphore(0)
            with world.running(world.bot(blocked=lambda: looked.release())):
                for _ in range(3):  # rounds in which the other process has the turn
                    assert looked.acquire(timeout=PATIENCE)
            assert world.api.calls == []
        with world.running():
            world.api.wait(lambda: "getUpdates" in world.api.calls)
            with world.running():
                for _ in range(3):
                    world.ask("/list")
        assert world.api.calls.count("getMe") == 1
        assert len(world.api.posts) == 3
        with exclusive_turn(postgres_engine, TURN) as mine:
            assert mine, "the turn is given back at the stop"


# --- the webhook


def given(world: World, act: Callable[[Bot], Any], **more: Any) -> None:
    bot = world.bot(webhook=HOOK, **more)
    with world.running(bot):
        world.api.wait(lambda: world.api.webhook)
        act(bot)


def delivered(world: World, content: dict[str, Any] | bytes, secret: str | None = SECRET) -> int:
    """The status of the answer to an update, from the route of the site."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    context = world.context
    router = create_router("/telegram", SECRET, context.engine, context.keys, lambda: world.now)
    site = Starlette(routes=router.routes)
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret.encode()} if secret is not None else {}

    async def post() -> int:
        transport = httpx.ASGITransport(app=site)
        async with httpx.AsyncClient(transport=transport, base_url="http://watch.example") as client:
            return (await client.post("/telegram", content=body, headers=headers)).status_code

    return asyncio.run(post())


def stored(world: World) -> int:
    with reading(world.engine) as conn:
        return len(bot_updates.load_oldest(conn, 100))


def test_a_webhook_is_set_with_its_secret_and_its_updates_are_answered(quiet: World) -> None:
    def act(bot: Bot) -> None:
        update = {"update_id": 5, "message": message("/watch 60601")}
        assert [delivered(quiet, update), delivered(quiet, update)] == [200, 200]
        quiet.api.wait(lambda: quiet.api.posts and not stored(quiet))
        assert delivered(quiet, update) == 200, "delivered again after it was answered"
        quiet.api.wait(lambda: not stored(quiet))

    given(quiet, act)
    assert quiet.api.webhook["url"] == HOOK.url
    assert quiet.api.webhook["secret_token"] == SECRET
    assert json.loads(quiet.api.webhook["allowed_updates"]) == [
        "message",
        "callback_query",
        "my_chat_member",
        "inline_query",
    ]
    assert "getUpdates" not in quiet.api.calls
    assert len(quiet.api.posts) == 1
    assert {place for _, place, _ in quiet.follows()} == {"60601"}


@pytest.mark.parametrize("secret", [None, "", "a-secret", SECRET + "x", "é"])
def test_an_update_without_the_secret_is_refused(still: World, secret: str | None) -> None:
    def act(bot: Bot) -> None:
        assert delivered(still, {"update_id": 5, "message": message("/watch 60601")}, secret) == 403
        assert stored(still) == 0

    given(still, act)
    assert still.follows() == set()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"{}", b"\xff", b'{"update_id": "x"}', b'{"update_id": 1, "message": 2}',
        b'{"update_id": true}', b'{"update_id": -1}', b'{"update_id": 9223372036854775808}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_body_that_is_no_update_is_not_asked_for_again(still: World, body: bytes) -> None:
    def act(bot: Bot) -> None:
        assert delivered(still, body) == 200
        still.api.wait(lambda: not stored(still))

    given(still, act)
    assert still.api.posts == []


def test_an_update_that_cannot_be_stored_now_is_asked_for_again(
    still: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bot_updates, "put", _full)
        assert delivered(still, {"update_id": 5, "message": message("/list")}) == 503
    assert stored(still) == 0


def test_an_update_that_cannot_be_answered_now_is_answered_later(
    still: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(bot: Bot) -> None:
        failed = threading.Event()

        def fail(*_: Any) -> None:
            failed.set()
            raise StoreError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(bot._chats, "read_watching", fail)
            assert delivered(still, {"update_id": 5, "message": message("/list")}) == 200
            assert failed.wait(PATIENCE)
            assert stored(still) == 1
        still.api.wait(lambda: still.api.posts and not stored(still))

    given(still, act)
    assert len(still.api.posts) == 1


def _full(*_: Any) -> None:
    raise StoreError("the disk is full")


def test_what_came_while_no_bot_ran_is_answered_and_is_sealed_until_then(quiet: World) -> None:
    """The site takes updates whatever the worker does: before its start, after a kill, during an upgrade."""
    assert delivered(quiet, {"update_id": 6, "message": message("/watch 60602")}) == 200
    assert delivered(quiet, {"update_id": 5, "message": message("/watch 60601")}) == 200
    with reading(quiet.engine) as conn:
        kept = bot_updates.load_oldest(conn, 100)
    assert [each.update_id for each in kept] == [5, 6]
    assert not any(b"watch" in each.sealed or b"60601" in each.sealed for each in kept)
    given(quiet, lambda bot: quiet.api.wait(lambda: not stored(quiet)))
    assert {place for _, place, _ in quiet.follows()} == {"60601", "60602"}


def test_updates_are_sealed_again_when_the_key_is_replaced(quiet: World) -> None:
    assert delivered(quiet, {"update_id": 5, "message": message("/list")}) == 200
    with transaction(quiet.engine) as conn:
        reseal(conn, lambda kind, sealed: f"{kind}: {quiet.keys.open(kind, sealed)}".encode())
        (kept,) = bot_updates.load_oldest(conn, 100)
    assert kept.sealed.startswith(b'update: {"update_id": 5')


def test_an_update_of_another_key_is_dropped_and_holds_up_no_other(
    still: World, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction(still.engine) as conn:
        bot_updates.put(conn, 4, b"damaged", still.now)
    assert delivered(still, {"update_id": 5, "message": message("/list")}) == 200
    given(still, lambda bot: still.api.wait(lambda: not stored(still)))
    assert len(still.api.posts) == 1
    assert "sealed with another key" in caplog.text


def test_what_nobody_answered_in_a_day_is_deleted(still: World) -> None:
    assert delivered(still, {"update_id": 5, "message": message("/list")}) == 200
    purge(still.engine, still.now + timedelta(hours=23))
    assert stored(still) == 1
    purge(still.engine, still.now + timedelta(hours=25))
    assert stored(still) == 0


def test_a_webhook_that_somebody_takes_away_is_put_back(
    still: World, caplog: pytest.LogCaptureFixture
) -> None:
    def act(bot: Bot) -> None:
        still.api.webhook = {"url": "https://elsewhere.example"}
        still.api.wait(lambda: still.api.webhook.get("url") == HOOK.url)

    given(still, act, timing=replace(TIMING, beat=0.02))
    assert "another process uses this bot's token" in caplog.text


def test_updates_that_do_not_arrive_are_told_to_the_operator(still: World) -> None:
    def act(bot: Bot) -> None:
        still.api.says("/help")  # stays with Telegram
        still.api.undelivered = {
            "last_error_date": int(still.now.timestamp()) - 10,
            "last_error_message": "SSL error {certificate verify failed} at https://watch.example",
        }
        seen = len(still.api.calls)
        still.api.wait(lambda: len(still.api.calls) > seen + 2)
        with reading(still.engine) as conn:
            trouble = database_facts.get(conn, database_facts.BOT_TROUBLE)
        assert (
            trouble
            == "Telegram cannot deliver to the webhook: SSL error {certificate verify failed} at [...]"
        )
        still.api.undelivered = {}
        seen = len(still.api.calls)
        still.api.wait(lambda: len(still.api.calls) > seen + 2)
        with reading(still.engine) as conn:
            assert database_facts.get(conn, database_facts.BOT_TROUBLE) == ""

    given(still, act, timing=replace(TIMING, beat=0.02))


# --- pace, and answers that fail


def test_no_chat_gets_more_than_a_post_a_second_and_a_group_twenty_a_minute(still: World) -> None:
    still.api.members[-500, 7] = "administrator"
    for _ in range(PER_MINUTE + 2):
        still.api.says("/list", chat=-500, kind="group")
    with still.running(still.bot(timing=Timing(answer=60.0))):
        still.done()
    assert sum(still.seconds.slept) >= 60
    posts = [post.text for post in still.api.posts]
    assert len(posts) == PER_MINUTE + 1, "what is more than enough is said once"
    assert "That was a lot at once" in posts[-1]


def test_whoever_writes_a_lot_neither_silences_nor_holds_up_others(still: World) -> None:
    async def for_ever(_: float) -> None:
        await asyncio.Event().wait()

    still.api.members |= {(-500, 7): "administrator", (-500, 8): "member"}
    for _ in range(PER_MINUTE + 1):
        still.api.says("/watch IL", chat=-500, user=8, kind="group")
    still.api.says("/watch IN", chat=-500, user=7, kind="group")
    bot = still.bot(timing=Timing(answer=20.0, patience=0.01), sleep=for_ever)
    with still.running(bot):
        still.api.wait(lambda: still.api.posts)
        still.ask("/help", chat=9, user=9)
        still.done()
    assert {place for _, place, _ in still.follows(-500)} == {"IN"}
    assert [post.chat for post in still.api.posts] == ["-500", "9"], "those that come too late are left out"


def test_every_button_is_answered(still: World) -> None:
    for data in ("", " ", "delete 5", "lists", *["status"] * PER_MINUTE, "\u202e" * 20):
        still.api.presses(data)
    with still.running():
        still.done()
    assert len(still.api.notices) == PER_MINUTE + 5
    texts = [notice.text for notice in still.api.notices]
    assert sum(text.startswith("This button no longer works") for text in texts) == 4
    assert sum(text.startswith("That was a lot at once") for text in texts) == 1


def test_a_stop_waits_for_the_answers_that_are_due(still: World) -> None:
    async def a_moment(_: float) -> None:
        await asyncio.sleep(0.2)

    with still.running(still.bot(timing=replace(TIMING, patience=0.01), sleep=a_moment)):
        still.api.says("/watch IL")
        still.api.says("/list")
        still.done()
    assert len(still.api.posts) == 2


def test_the_pace_is_one_with_the_alerts(still: World) -> None:
    pace = PostRate(still.seconds, still.seconds.sleep)
    asyncio.run(pace.turn("7"))
    with still.running(still.bot(pace=pace)):
        still.ask("/help")
    assert still.seconds.slept == [pytest.approx(1.0)]


def test_a_short_wait_that_telegram_asks_for_is_waited_for(still: World) -> None:
    still.api.answers = [flood(3)]
    with still.running():
        still.api.says("/help")
        still.api.wait(lambda: still.api.made)
    assert 3.0 in still.seconds.slept


def test_a_long_wait_is_kept_for_the_sender_and_leaves_answers_out(both: World) -> None:
    both.api.answers = [flood(600)]
    both.ask("/watch IL")
    both.done()
    with reading(both.engine) as conn:
        (lane,) = stored_pauses.read_pauses(conn, both.now)
    assert (lane.channel, lane.name, lane.until) == (
        "telegram",
        both.keys.lookup("telegram", "7"),
        both.now + timedelta(seconds=600),
    )
    both.ask("/help", chat=8, user=8)
    both.api.says("/watch IN")
    both.done()
    assert [post.chat for post in both.api.posts] == ["7", "8"]
    assert {place for _, place, _ in both.follows()} == {"IL", "IN"}, "what was asked for is done"


@pytest.mark.parametrize(("answer", "posts"), [(FORBIDDEN, 1), (DROP, 1), (Answer(502, "Bad Gateway"), 2)])
def test_an_answer_is_made_again_only_when_it_was_surely_not_made(
    still: World, answer: Answer | str, posts: int
) -> None:
    still.api.answers = [answer]
    with still.running():
        still.api.says("/watch IL")
        still.done()
    assert len(still.api.posts) == posts


def test_an_answer_to_a_group_that_has_moved_goes_where_it_is_now(still: World) -> None:
    still.api.members[-500, 7] = "administrator"
    still.api.answers = [migrated(-1007)]
    with still.running():
        still.api.says("/watch IL", chat=-500, kind="group")
        still.api.wait(lambda: still.api.made)
    assert [post.chat for post in still.api.posts] == ["-500", "-1007"]
    assert {place for _, place, _ in still.follows(-1007)} == {"IL"}


def test_a_message_that_says_so_already_is_no_error(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.ask("/watch IL")
    world.api.answers = [Answer(400, "Bad Request: message is not modified")]
    with caplog.at_level(logging.INFO, "monitor"):
        world.press("list")
        world.done()
    assert "could not be given" not in caplog.text


def test_a_message_that_cannot_be_changed_is_answered_by_a_new_one(still: World) -> None:
    still.api.answers = [Answer(400, "Bad Request: message can't be edited")]
    with still.running():
        still.api.presses("status", bears=4)
        still.done()
    assert [post.edits for post in still.api.posts] == [4, None]
    assert "0 places are watched." in still.api.made[0]


def test_nothing_that_was_said_nor_who_said_it_nor_the_token_is_logged(
    still: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the database's library shows rows at the level DEBUG; chats are sealed in them
    with every_line(but="sqlalchemy") as lines:
        bot = still.bot()
        monkeypatch.setattr(
            bot._chats, "stop", lambda chat, *_: (_ for _ in ()).throw(RuntimeError(f"canary {chat}"))
        )
        still.api.answers = [
            FORBIDDEN,
            Answer(400, "Bad Request: chat 987654321 @canary not found"),
            flood(600),
            DROP,
        ]
        still.api.failures = {"getUpdates": [Answer(409, "Conflict"), Answer(500, "at 987654321")]}
        who = {"chat": 987654321, "user": 987654321}
        with still.running(bot):
            still.api.sends({"message": {"message_id": "canary", "text": "canary"}})
            for text in ("/watch 60601", "canary bird", "/help", "/list", "/stop", "/watch IL @canary"):
                still.api.says(text, **who)
            still.api.presses("stop canary", **who)
            still.api.membership("member", "kicked", **who)
            still.done()
    assert any("the bot polls" in line for line in lines)
    assert any("a command failed: RuntimeError at " in line for line in lines)
    assert [line for line in lines if re.search(r"canary|987654321|60601", line)] == []
