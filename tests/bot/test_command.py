"""`monitor telegram test` against a Bot API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli import root
from tests.peers.botapi import NOT_FOUND, PERMISSIONS, Answer, BotApi, Portal, channel, flood, migrated

Run = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[BotApi]:
    with BotApi() as running:
        running.chats |= {
            "@lakes": channel(-1009, "lakes"),
            "-500": {"id": -500, "type": "group", "title": "A group"},
        }
        yield running


@pytest.fixture
def run(api: BotApi, tmp_path: Path) -> Run:
    (tmp_path / "config.toml").write_text(
        f'[telegram]\ntoken = "{api.token}"\nbase_url = "{api.base_url}"\n'
        '[telegram.channels]\nIL = "@lakes"\nWI = "@lakes"\nIN = "-500"\n'
    )
    config = ["--config", str(tmp_path / "config.toml")]
    return lambda *words: CliRunner().invoke(
        root, ["telegram", "test", *words, *config], catch_exceptions=False
    )


def test_each_channel_is_proved_and_nothing_is_posted(api: BotApi, run: Run) -> None:
    result = run()
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "Telegram answers as @monitor_bot",
        "    chat    places  what was found",
        "ok  @lakes  IL, WI  the bot may post there",
        "ok  -500    IN      the bot may post there",
    ]
    assert api.posts == []


def test_a_marked_message_is_posted_when_asked_for(api: BotApi, run: Run) -> None:
    report = json.loads(run("--post", "--json").output)
    assert report["ok"]
    assert [each["posted"] for each in report["channels"]] == [True, True]
    assert [post.chat for post in api.posts] == ["@lakes", "-500"]
    assert all(post.text.startswith("<b>Test</b>: Map Monitor") for post in api.posts)


@pytest.mark.parametrize(("status", "failing"), [("member", ["@lakes"]), ("left", ["@lakes", "-500"])])
def test_a_chat_in_which_the_bot_may_not_post_fails_alone(
    api: BotApi, run: Run, status: str, failing: list[str]
) -> None:
    api.status = status
    result = run("--post", "--json")
    assert result.exit_code == 1
    assert [each["chat"] for each in json.loads(result.output)["channels"] if not each["ok"]] == failing
    assert len(api.posts) == 2 - len(failing)


def test_a_chat_that_telegram_does_not_know_and_a_post_that_it_refuses_are_told(
    api: BotApi, run: Run
) -> None:
    del api.chats["@lakes"]
    api.answers = [NOT_FOUND]
    result = run("--post")
    assert result.exit_code == 1
    assert "shows no such chat" in result.output
    assert "Chat not found" in result.output


@pytest.mark.parametrize(
    ("method", "answer", "found"),
    [
        ("getChat", NOT_FOUND, (
            "@lakes  IL, WI  Telegram shows no such chat to the bot: check the name, and add the bot "
            "there"
        )),
        ("getChat", Answer(403, (
            "Forbidden: "
            "bot "
            "was "
            "kicked "
            "from "
            "the "
            "channel "
            "chat"
        )), "@lakes  IL, WI  Forbidden: bot was kicked from the channel chat: add the bot there"),
        ("getChatMember", Answer(400, (
            "Bad Request: "
            "CHAT_ADMIN_REQUIRED"
        )), "@lakes  IL, WI  make the bot an administrator there who may post messages"),
        ("sendChatAction", migrated(-1007),
        "-500    IN      the group became a supergroup: write -1007 instead"),
        ("sendChatAction", Answer(400, "Bad Request: group chat was deactivated"),
        "-500    IN      Group chat was deactivated"),
        ("getChat", flood(9), "@lakes  IL, WI  Telegram asks to wait before the next post in this chat"),
        ("getChat", Answer(500, "Internal Server Error"),
        "@lakes  IL, WI  Telegram failed: Internal Server Error"),
        ("getChat", Portal(403), "@lakes  IL, WI  Telegram cannot be reached: something in between answers "
        "in its place: check the network of this machine, or [telegram] base_url"),
    ],
)  # fmt: skip
def test_each_reason_why_the_bot_may_not_post_is_a_line_that_helps(
    api: BotApi, run: Run, method: str, answer: Answer | Portal, found: str
) -> None:
    api.failures = {method: [answer]}
    result = run("--post")
    assert result.exit_code == 1
    assert [line for line in result.output.splitlines() if line.startswith("FAIL")] == [f"FAIL  {found}"]
    assert len(api.posts) == 1, "the other chat is tried all the same"


def test_a_group_in_which_only_administrators_write_needs_the_bot_to_be_one(api: BotApi, run: Run) -> None:
    del api.chats["@lakes"]
    api.status = "member"
    api.chats["-500"]["permissions"] = dict.fromkeys(PERMISSIONS, False)
    assert "only administrators may write there: make the bot one" in run().output


def test_a_wrong_token_and_no_token_are_one_line_without_it(api: BotApi, run: Run, tmp_path: Path) -> None:
    api.failures = {"getMe": [Answer(401, "Unauthorized")]}
    result = run()
    assert result.exit_code == 1
    assert "does not know the bot's token" in result.output
    assert api.token not in result.output
    (tmp_path / "config.toml").write_text("")
    result = run()
    assert result.exit_code == 2
    assert "no bot is configured" in result.output
