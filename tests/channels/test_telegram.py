"""The Telegram channel against a Bot API that behaves and that does not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from telegram.error import BadRequest, Conflict, NetworkError, TelegramError, TimedOut

from monitor.channels import EVERYTHING, Channel
from monitor.channels.telegram import transport
from monitor.channels.telegram.transport import Telegram, meaning_of
from monitor.domain import Envelope, Rendered
from monitor.errors import Permanent, SendError, Transient
from tests.channels.examples import MESSAGE, envelope
from tests.peers.botapi import DROP, FORBIDDEN, NOT_FOUND, STALL, Answer, BotApi, Portal, flood, migrated
from tests.peers.processes import reserve_port

LONG = Rendered(subject="s", text="t", html="h", blocks=tuple(f"<b>{n}</b> " + "x" * 1500 for n in range(5)))


async def no_wait(seconds: float) -> None:
    """The pace has its own tests."""


def telegram(api: BotApi, **options: Any) -> Telegram:
    seconds = count(step=100)  # every look at the clock is a later minute
    defaults = {
        "token": api.token,
        "base_url": api.base_url,
        "clock": lambda: float(next(seconds)),
        "sleep": no_wait,
    }
    return Telegram(**defaults | {"timeout": 600.0} | options)


def outcomes(channel: Telegram, message: Rendered, *to: Envelope) -> list[SendError | None]:
    async def run() -> list[SendError | None]:
        results: list[SendError | None] = []
        async with channel:
            for each in to:
                try:
                    await channel.send(message, each)
                    results.append(None)
                except SendError as error:
                    results.append(error)
        return results

    return asyncio.run(run())


def failure(answer: Answer | Portal | str, **options: Any) -> SendError:
    with BotApi([answer]) as api:
        (error,) = outcomes(telegram(api, **options), MESSAGE, envelope("@example_in"))
    assert error is not None
    return error


@pytest.fixture
def api() -> Iterator[BotApi]:
    with BotApi() as running:
        yield running


def test_it_is_a_channel(api: BotApi) -> None:
    channel: Channel = telegram(api, concurrency=3)
    assert (channel.name, channel.concurrency, channel.lane("@example_in")) == ("telegram", 3, "@example_in")
    assert outcomes(telegram(api), MESSAGE) == []
    assert api.calls == [], "opening connects to nothing"


def test_it_can_be_closed_and_opened_again(api: BotApi) -> None:
    channel = telegram(api)
    assert outcomes(channel, MESSAGE, envelope("1", 1)) + outcomes(channel, MESSAGE, envelope("1", 2)) == [
        None,
        None,
    ]


def test_a_post_is_html_without_previews_and_with_its_marks_filled(api: BotApi) -> None:
    assert outcomes(telegram(api), MESSAGE, envelope("@example_in", asked="<Feb> 3")) == [None]
    (post,) = api.posts
    assert post.chat == "@example_in"
    assert post.text == "<b>Hammond</b> &amp; more\n\nAsked: &lt;Feb&gt; 3"
    assert post.parse_mode == "HTML"
    assert post.preview_off


def test_a_long_message_is_split_between_blocks(api: BotApi) -> None:
    outcomes(telegram(api), LONG, envelope("-100123"))
    assert "\n\n".join(api.made) == "\n\n".join(LONG.blocks)
    assert len(api.made) == 3


def test_a_retry_does_not_repeat_the_posts_that_were_made() -> None:
    with BotApi() as api:
        api.answers = [None, flood(3)]  # type: ignore[list-item]
        to = envelope("-100123")
        first, second = outcomes(telegram(api), LONG, to, to)
    assert isinstance(first, Transient)
    assert second is None
    assert "\n\n".join(api.made) == "\n\n".join(LONG.blocks)


def test_the_same_words_in_another_delivery_are_posted_again(api: BotApi) -> None:
    outcomes(telegram(api), LONG, envelope("-100123", 1), envelope("-100123", 2), envelope("-100123", 2))
    assert len(api.made) == 9


def test_429_is_obeyed_for_the_chat_that_got_it() -> None:
    error = failure(flood(17))
    assert isinstance(error, Transient)
    assert error.retry_after == timedelta(seconds=17)
    assert error.lane == "@example_in"
    assert not error.ambiguous


def test_403_ends_the_subscription() -> None:
    error = failure(FORBIDDEN)
    assert isinstance(error, Permanent)
    assert error.address_gone


def test_400_fails_at_once() -> None:
    error = failure(NOT_FOUND)
    assert isinstance(error, Permanent)
    assert not error.address_gone
    assert "Chat not found" in str(error)


def test_a_group_that_moved_says_where() -> None:
    error = failure(migrated(-1009))
    assert isinstance(error, Permanent)
    assert error.moved_to == "-1009"
    assert not error.address_gone


@pytest.mark.parametrize("answer", [STALL, DROP])
def test_silence_after_the_request_was_written_is_ambiguous(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # only the wait for the answer is short: a slow machine must not fail earlier, where nothing is ambiguous
    usual = transport.CheckedRequest
    monkeypatch.setattr(transport, "CheckedRequest", lambda **words: usual(**words | {"read_timeout": 0.2}))
    error = failure(answer)
    assert isinstance(error, Transient)
    assert error.ambiguous


@pytest.mark.parametrize("answer", [Answer(502, "Bad Gateway"), Answer(500, "Internal Server Error")])
def test_a_server_error_is_tried_again(answer: Answer) -> None:
    error = failure(answer)
    assert isinstance(error, Transient)
    assert not error.ambiguous


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 502])
def test_an_answer_that_is_not_telegrams_ends_and_fails_nothing(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    error = failure(Portal(status))
    assert isinstance(error, Transient)
    assert error.lane == EVERYTHING
    assert not error.ambiguous
    assert "7654321" not in caplog.text + str(error), "what it says may name chats"


def test_a_server_that_is_away_pauses_the_channel() -> None:
    api = BotApi()
    api.base_url = f"http://127.0.0.1:{reserve_port()}/bot"
    (error,) = outcomes(telegram(api), MESSAGE, envelope("@example_in"))
    assert isinstance(error, Transient)
    assert error.lane == EVERYTHING
    assert not error.ambiguous


def test_a_token_that_telegram_does_not_know_pauses_the_channel(api: BotApi) -> None:
    (error,) = outcomes(telegram(api, token="999:wrong-token"), MESSAGE, envelope("@example_in"))
    assert isinstance(error, Transient)
    assert error.lane == EVERYTHING
    assert "wrong-token" not in str(error)


def test_what_is_no_chat_never_reaches_the_server(api: BotApi) -> None:
    (error,) = outcomes(telegram(api), MESSAGE, envelope("https://t.me/x"))
    assert isinstance(error, Permanent)
    assert api.posts == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BadRequest("x"), Permanent),
        (TimedOut("x"), Transient),
        (NetworkError("x"), Transient),
        (Conflict("x"), Transient),
        (TelegramError("x"), Transient),
    ],
)
def test_derived_errors_are_not_taken_for_their_base(error: TelegramError, kind: type[SendError]) -> None:
    assert type(meaning_of(error, "1")) is kind


def test_no_error_names_a_chat() -> None:
    error = meaning_of(
        BadRequest("Chat @secret_chat (-1001234567) not found at https://api/botTOKEN/x"), "@secret_chat"
    )
    assert "secret_chat" not in str(error)
    assert "1001234567" not in str(error)
    assert "TOKEN" not in str(error)


def checked(api: BotApi, *chats: str) -> str:
    async def run() -> str:
        async with telegram(api) as channel:
            return await channel.check(chats)

    return asyncio.run(run())


def test_a_check_asks_for_the_bot_and_its_rights_and_posts_nothing(api: BotApi) -> None:
    said = checked(api, "@example_in")
    assert said == "Telegram answers as @monitor_bot"
    assert api.calls == ["getMe", "getChat", "getChatMember"]


def test_a_bot_outside_the_channel_is_found_by_a_check() -> None:
    with BotApi(status="left") as api, pytest.raises(Permanent, match="make the bot an administrator"):
        checked(api, "@example_in")


GROUP = {"id": -500, "type": "supergroup", "title": "A group"}


@pytest.mark.parametrize("status", ["administrator", "creator", "member"])
def test_in_a_group_every_member_may_post(api: BotApi, status: str) -> None:
    api.chats, api.status = {"-500": GROUP}, status
    assert checked(api, "-500") == "Telegram answers as @monitor_bot"


def test_a_bot_outside_a_group_and_a_mere_member_of_a_channel_may_not_post(api: BotApi) -> None:
    api.chats, api.status = {"-500": GROUP}, "left"
    with pytest.raises(Permanent, match="add the bot to that group"):
        checked(api, "-500")
    api.chats, api.status = {}, "member"
    with pytest.raises(Permanent, match="who may post messages") as caught:
        checked(api, "-500", "@example_in")
    assert "example_in" not in str(caught.value)


def test_a_post_about_one_state_has_its_picture_if_one_is_configured() -> None:
    card = "https://watch.example/card/state/{state}.png"
    about_one = Rendered(subject="s", text="t", html="h", blocks=LONG.blocks, state="IN")
    with BotApi() as api:
        for picture, message in ((card, about_one), (card, MESSAGE), (None, about_one)):
            assert outcomes(telegram(api, picture=picture), message, envelope("@example_in")) == [None]
    first, *others = api.posts
    assert (first.picture, first.preview_off) == ("https://watch.example/card/state/IN.png", False)
    assert [(post.picture, post.preview_off) for post in others] == [("", True)] * len(others)


def test_a_message_is_called_by_its_first_post_and_an_answer_replies_to_it() -> None:
    async def run(channel: Telegram) -> tuple[str | None, str | None]:
        first = envelope("@example_in")
        async with channel:
            called = await channel.send(LONG, first)
            answer = replace(first, delivery=2, message_id="<2@watch.example>", answered=called or "")
            return called, await channel.send(LONG, answer)

    with BotApi([None, flood(1)]) as api:
        channel = telegram(api)
        (error,) = outcomes(channel, LONG, envelope("@example_in"))
        assert error is not None
        # the posts that were made before the failure are not made again, and the first of them names it
        called, again = asyncio.run(run(channel))
    posts = [post for post in api.posts if post.accepted]
    half = len(posts) // 2
    assert called == "1"
    assert again == str(api.posts.index(posts[half]) + 1)
    assert [post.answers for post in posts] == [None] * half + [1] + [None] * (half - 1)
