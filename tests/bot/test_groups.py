"""Groups, where administrators decide, and broadcast channels, which are managed from a private chat."""

from __future__ import annotations

from typing import Any

import pytest

from monitor import subscribers
from tests.bot.world import World
from tests.peers.botapi import Answer, channel

GROUP = -500
CHANNEL = -1009
IN_GROUP: dict[str, Any] = {"chat": GROUP, "kind": "group"}
ILLINOIS = {("ring", "IL", None), ("ice-287g", "IL", None)}


@pytest.fixture
def group(world: World) -> World:
    """User 7 is its administrator, user 8 is not."""
    world.api.members |= {(GROUP, 7): "administrator", (GROUP, 8): "member", (GROUP, 9): "creator"}
    return world


@pytest.fixture
def broadcast(world: World) -> World:
    """A channel whose administrators are user 7 and the bot; user 8 reads it."""
    world.api.chats["@lakes"] = world.api.chats[str(CHANNEL)] = channel(CHANNEL, "lakes")
    world.api.chats["@agroup"] = {**channel(-4, "agroup"), "type": "supergroup"}
    world.api.members |= {(CHANNEL, 7): "administrator", (CHANNEL, 8): "member"}
    return world


@pytest.mark.parametrize("user", [7, 9])
def test_an_administrator_makes_the_group_watch(group: World, user: int) -> None:
    answer = group.ask("/watch@Monitor_Bot IL", user=user, **IN_GROUP)
    assert answer.chat == str(GROUP)
    assert group.follows(GROUP) == ILLINOIS
    assert group.follows(user) == set()


@pytest.mark.parametrize(
    "text", ["/watch IL", "/stop", "/stop 60601", "/start IL", "/lists off ring", "/language es"]
)
@pytest.mark.parametrize("user", [8, 10])
def test_nobody_else_changes_what_a_group_watches(group: World, text: str, user: int) -> None:
    group.ask("/watch 60601", **IN_GROUP)
    before = group.follows(GROUP)
    assert "Only administrators" in group.ask(text, user=user, **IN_GROUP).text
    assert group.follows(GROUP) == before


def test_a_button_under_a_groups_message_is_the_administrators_too(group: World) -> None:
    group.ask("/watch IL", **IN_GROUP)
    posts = len(group.api.posts)
    notice = group.refused("stop IL", user=8, **IN_GROUP)
    assert (notice.alert, notice.text) == (True, "Only administrators of this group can change that.")
    assert len(group.api.posts) == posts, "the message stays as it was"
    assert group.follows(GROUP) == ILLINOIS
    group.press("stop IL", user=7, **IN_GROUP)
    assert group.follows(GROUP) == set()


def test_everybody_in_a_group_may_look(group: World) -> None:
    group.ask("/watch IL", **IN_GROUP)
    assert "IL (Illinois)" in group.ask("/list", user=8, **IN_GROUP).text
    assert "1 place is watched." in group.ask("/status", user=8, **IN_GROUP).text


def test_an_anonymous_administrator_speaks_as_the_group(group: World) -> None:
    as_group = {"sender_chat": {"id": GROUP, "type": "group", "title": "A group"}}
    group.ask("/watch IL", user=1087968824, **IN_GROUP, **as_group)
    assert group.follows(GROUP) == ILLINOIS


def test_talk_in_a_group_and_commands_of_other_bots_are_not_answered(group: World) -> None:
    as_channel = {"sender_chat": {"id": -77, "type": "channel", "title": "Linked"}}
    for text in ("60601", "Illinois", "/unknown", "/watch@other_bot IL", "hello /watch IL"):
        group.api.says(text, **IN_GROUP)
    group.api.says("/watch IL", **IN_GROUP, **as_channel)
    group.done()
    assert group.api.posts == []
    assert group.follows(GROUP) == set()


def test_an_api_that_does_not_tell_who_is_administrator_lets_nobody_in(group: World) -> None:
    group.api.failures["getChatMember"] = [
        Answer(400, "Bad Request: CHAT_ADMIN_REQUIRED"),
        Answer(500, "Internal Server Error"),
    ]
    assert "Only administrators" in group.ask("/watch IL", **IN_GROUP).text
    assert "try again" in group.ask("/watch IL", **IN_GROUP).text
    assert group.follows(GROUP) == set()


def test_an_answer_in_a_forum_stays_in_its_topic(group: World) -> None:
    topic: dict[str, Any] = {"kind": "supergroup", "message_thread_id": 44, "is_topic_message": True}
    answer = group.ask("/watch IL", chat=GROUP, **topic)
    assert answer.thread == "44"
    assert "a message comes in this group's General topic" in answer.text, "alerts name no topic"


def test_a_group_that_adds_the_bot_is_told_how_to_begin(group: World) -> None:
    group.api.membership("left", "member", **IN_GROUP)
    group.api.wait(lambda: group.api.posts)
    assert "an administrator of this group writes /watch 60601" in group.api.posts[0].text


@pytest.mark.parametrize("how", ["left", "kicked"])
def test_a_group_that_removes_the_bot_is_forgotten(group: World, how: str) -> None:
    group.ask("/watch IL", **IN_GROUP)
    group.api.membership("member", how, **IN_GROUP)
    group.done()
    assert subscribers.load_subscribers(group.engine, group.keys) == ()


def test_a_person_who_blocks_the_bot_is_forgotten(both: World) -> None:
    both.ask("/watch IL")
    both.api.membership("member", "kicked")
    both.done()
    assert subscribers.load_subscribers(both.engine, both.keys) == ()
    assert both.suppression() is None, "leaving is not a suppression"
    both.ask("/watch IL")
    assert both.follows() == ILLINOIS


def test_a_configured_chat_that_removes_the_bot_stays_configured(group: World) -> None:
    group.configured("@lakes")
    group.api.membership("administrator", "left", chat=CHANNEL, kind="channel", name="lakes")
    group.done()
    assert group.follows("@lakes") == {("ring", "IL", None)}


@pytest.mark.parametrize("known_under_both", [False, True])
def test_a_group_that_becomes_a_supergroup_is_told_under_its_new_number(
    both: World, known_under_both: bool
) -> None:
    both.api.members |= {(GROUP, 7): "administrator", (-1007, 7): "administrator"}
    both.ask("/watch IL", **IN_GROUP)
    if known_under_both:
        both.ask("/watch IN", chat=-1007, kind="supergroup")
    both.api.says("", **IN_GROUP, migrate_to_chat_id=-1007)
    both.api.says("", chat=-1007, kind="supergroup", migrate_from_chat_id=GROUP)
    both.done()
    assert both.follows(GROUP) == set()
    assert both.follows(-1007) >= ILLINOIS
    assert len(subscribers.load_subscribers(both.engine, both.keys)) == 1


@pytest.mark.parametrize("named", ["@lakes", "@Lakes", str(CHANNEL)])
def test_a_channel_is_watched_for_once_the_asker_and_the_bot_are_its_administrators(
    broadcast: World, named: str
) -> None:
    answer = broadcast.ask(f"/watch IL {named}")
    assert answer.chat == "7"
    assert answer.text.startswith("Watching <b>IL (Illinois)</b> for @lakes.")
    assert "/stop @lakes ends it" in answer.text
    assert broadcast.follows(CHANNEL) == ILLINOIS
    assert broadcast.follows(7) == set()


def test_a_channel_is_managed_by_the_same_commands_and_buttons(broadcast: World) -> None:
    broadcast.ask("/watch IL IN @lakes")
    answer = broadcast.ask("/list @lakes")
    assert ("Stop IN", f"stop IN {CHANNEL}") in answer.buttons
    broadcast.press(f"stop IN {CHANNEL}")
    assert broadcast.follows(CHANNEL) == ILLINOIS
    broadcast.press(f"lists off ring {CHANNEL}")
    assert broadcast.follows(CHANNEL) == {("ice-287g", "IL", None)}
    assert "nothing more is sent to @lakes" in broadcast.ask("/stop @lakes").text
    assert broadcast.follows(CHANNEL) == set()


@pytest.mark.parametrize(
    "text",
    ["/watch IN @lakes", "/stop @lakes", "/list @lakes", "/lists off ring @lakes", "/language es @lakes"],
)
def test_nobody_else_manages_a_channel(broadcast: World, text: str) -> None:
    broadcast.ask("/watch IL @lakes")
    for user in (8, 9):
        assert "Only administrators of that channel" in broadcast.ask(text, chat=user, user=user).text
    assert broadcast.follows(CHANNEL) == ILLINOIS


def test_a_forged_button_does_not_reach_another_chat(broadcast: World) -> None:
    broadcast.ask("/watch IL @lakes")
    assert (
        "Only administrators of that channel" in broadcast.refused(f"stop IL {CHANNEL}", chat=8, user=8).text
    )
    assert "cannot see that channel" in broadcast.refused("stop IL -12345", chat=8, user=8).text
    assert broadcast.follows(CHANNEL) == ILLINOIS


@pytest.mark.parametrize(
    ("named", "expected"), [("@nowhere", "cannot see that channel"), ("@agroup", "not a channel")]
)
def test_what_is_no_channel_is_told(broadcast: World, named: str, expected: str) -> None:
    assert expected in broadcast.ask(f"/watch IL {named}").text


@pytest.mark.parametrize("status", ["member", "left"])
def test_a_channel_in_which_the_bot_may_not_post_is_refused(broadcast: World, status: str) -> None:
    broadcast.api.status = status
    assert "may not post" in broadcast.ask("/watch IL @lakes").text
    assert broadcast.follows(CHANNEL) == set()


def test_a_channel_in_which_the_bot_may_not_post_any_more_can_still_end_it(broadcast: World) -> None:
    broadcast.ask("/watch IL @lakes")
    broadcast.api.rights = {"can_post_messages": False}
    assert "may not post" in broadcast.ask("/watch IN @lakes").text
    assert "IL (Illinois)" in broadcast.ask("/list @lakes").text
    broadcast.ask("/stop @lakes")
    assert broadcast.follows(CHANNEL) == set()


def test_a_group_never_hears_what_its_members_follow_in_private(group: World) -> None:
    group.ask("/watch 60601")
    for text in ("/list", "/list 7", "/status", "/lists", "/stop 60601", "/list @ann", "/start"):
        answer = group.ask(text, **IN_GROUP)
        assert answer.chat == str(GROUP)
        assert "60601" not in answer.text.replace("/watch 60601", "")
    for data in ("list", "list 7", "status 7"):
        group.api.presses(data, **IN_GROUP)
    group.done()
    assert not any("Chicago" in post.text for post in group.api.posts[1:])
    assert {place for _, place, _ in group.follows(7)} == {"60601"}


def test_a_channel_is_not_managed_from_a_group(broadcast: World) -> None:
    assert "private chat" in broadcast.ask("/watch IL @lakes", **IN_GROUP).text
    assert broadcast.follows(CHANNEL) == set()


def test_a_channel_of_the_configuration_is_known_by_its_name_as_well(broadcast: World) -> None:
    broadcast.configured("@lakes")
    assert "set this chat up" in broadcast.ask("/watch IN @lakes").text
    assert len(subscribers.load_subscribers(broadcast.engine, broadcast.keys)) == 1
