"""How a chat gets its messages: how often, quiet hours, its own line, and the preview."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.channels.telegram.posts import compose_posts
from monitor.core.due import quiet_end
from monitor.errors import Transient
from monitor.outbox.recipient_placeholders import RecipientPlaceholders
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries.queue import insert_message
from monitor.storage.engine import transaction
from monitor.storage.people import Subscriber
from tests.bot.world import World
from tests.outbox.world import GARY, HAMMOND, Recorder
from tests.outbox.world import World as Outbox


def chat_row(world: World, chat: int = 7) -> Subscriber:
    with db.reading(world.engine) as conn:
        one = people.find(conn, "telegram", world.keys.lookup("telegram", str(chat)))
    assert one is not None
    return one


def test_a_chat_gets_a_weekly_post_at_an_hour_of_its_place(both: World) -> None:
    assert "Nothing is watched yet" in both.ask("/when").text
    both.ask("/watch Cook County, IL")
    answer = both.ask("/when")
    assert answer.text == "Messages come right away, whenever our checks find a change."
    assert ("+ Once a week", "when weekly") in answer.buttons
    answer = both.press("when weekly")
    assert "once a week, on Mondays at 8" in answer.text
    one = chat_row(both)
    assert (one.frequency, one.timezone, one.local_hour) == ("weekly", "America/Chicago", 8)
    assert one.digest_at is not None
    assert one.digest_since is not None
    assert "once a day at 6" in both.ask("/when daily 18").text
    both.press("when at_once")
    one = chat_row(both)
    assert one.frequency == "at_once"
    assert one.digest_at is not None  # what was collected until now is told now
    assert one.digest_at <= both.now


def test_quiet_hours_and_a_line_are_chosen_shown_and_taken_back(both: World) -> None:
    both.ask("/watch IL")
    answer = both.press("when quiet 22 7")
    assert "Nothing is posted from 10" in answer.text
    assert ("No quiet hours", "when quiet off") in answer.buttons
    assert (chat_row(both).quiet_from, chat_row(both).quiet_to) == (22, 7)
    both.press("when quiet off")
    assert chat_row(both).quiet_from is None
    assert "Send /when daily 18" in both.ask("/when quiet 7 7").text
    assert "no line of your own" in both.ask("/line").text
    answer = both.ask("/line Questions, or news? Write to <us>: help@group.example")
    assert "under each post: Questions, or news? Write to &lt;us&gt;: help@group.example" in answer.text
    assert chat_row(both).own_line == "Questions, or news? Write to <us>: help@group.example"
    assert "200 characters" in both.ask("/line " + "x" * 201).text
    both.ask("/line off")
    assert chat_row(both).own_line is None


def test_a_preview_is_a_post_with_the_chats_line(still: World) -> None:
    still.context = type(still.context)(
        **{name: getattr(still.context, name) for name in still.context.__dataclass_fields__}
        | {"sample": lambda language: (f"<b>{language}</b> Hammond", "more")}
    )
    with still.running():
        assert "Nothing is watched yet" in still.ask("/preview").text
        still.ask("/watch IL")
        still.ask("/line Ask us")
        text = still.ask("/preview").text
    assert text.startswith("A post will look like this. It is only an example, nothing has happened:")
    assert text.endswith("<b>en</b> Hammond\n\nmore\n\nAsk us")


def test_only_administrators_choose_for_a_group(world: World) -> None:
    group: dict[str, Any] = {"chat": -5, "kind": "group"}
    world.api.members |= {(-5, 7): "administrator", (-5, 8): "member"}
    for text in ("/when weekly", "/line x", "/when quiet 22 7"):
        assert "Only administrators" in world.ask(text, user=8, **group).text


def test_what_is_chosen_is_erased_when_the_chat_leaves(world: World) -> None:
    world.ask("/watch IL")
    world.ask("/line Ask us")
    number = chat_row(world).id
    world.ask("/stop")
    with db.reading(world.engine) as conn:
        one = people.get(conn, number)
    assert one is not None
    assert (one.own_line, one.quiet_from, one.quiet_to) == (None, None, None)


@pytest.mark.parametrize(
    ("at", "since", "until", "ends"),
    [
        ("2026-03-02T05:00", 22, 7, "2026-03-02T13:00"),  # 11 pm in Chicago
        ("2026-03-02T04:00", 22, 7, "2026-03-02T13:00"),
        ("2026-03-02T03:59", 22, 7, None),
        ("2026-03-02T12:59", 22, 7, "2026-03-02T13:00"),
        ("2026-03-02T13:00", 22, 7, None),
        ("2026-03-02T20:00", 13, 15, "2026-03-02T21:00"),
        ("2026-03-02T20:00", 8, 8, None),
        ("2026-03-08T05:30", 22, 7, "2026-03-08T12:00"),  # clocks go forward in between
    ],
)
def test_quiet_hours_end_by_the_local_clock(at: str, since: int, until: int, ends: str | None) -> None:
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    end = quiet_end(since, until, "America/Chicago", now)
    assert end == (None if ends is None else datetime.fromisoformat(ends).replace(tzinfo=UTC))


def test_whatever_falls_due_in_quiet_hours_waits_until_they_end(
    engine: sa.Engine, keys: object, tmp_path: object, now: datetime
) -> None:
    world = Outbox(engine, keys, tmp_path, now)  # type: ignore[arg-type]
    hour = now.astimezone(UTC).hour
    quiet = {"quiet_from": (hour + 1) % 24, "quiet_to": (hour + 4) % 24, "timezone": "UTC"}
    asleep = world.person("-7", "IN", channel="telegram", **quiet)
    world.person("-8", "IN", channel="telegram", quiet_from=(hour + 5) % 24, quiet_to=(hour + 6) % 24)
    world.publish(HAMMOND)
    assert world.fan_out() == 2
    chat = Recorder("telegram")
    chat.will("-7", Transient("away"))
    world.send(chat)
    assert [each.address for each in chat.accepted] == ["-8"]
    # the retry falls into the quiet hours, and so do a new alert and a notice
    world.now = now.replace(minute=30, second=0, microsecond=0) + timedelta(hours=1)
    end = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=4)
    world.publish(GARY)
    world.fan_out()
    with transaction(engine) as conn:
        insert_message(conn, "notice", asleep, world.now, period="x", about="receipt")
    world.send(chat)
    world.later(hours=2)
    world.send(chat)
    assert [each.address for each in chat.accepted] == ["-8", "-8"]
    due = [row.due_at for row in world.rows() if row.subscriber_id == asleep]
    assert due == [end] * 3
    world.now = end
    world.send(chat)
    assert [each.address for each in chat.accepted] == ["-8", "-8", "-7", "-7"]


def test_the_line_goes_to_its_chat_only_and_is_escaped(keys: object) -> None:
    from monitor.outbox.prepare import Recipient

    values = RecipientPlaceholders(keys, "alerts@watch.example", None, "UTC")  # type: ignore[arg-type]
    at = datetime(2026, 3, 1, tzinfo=UTC)
    with_line = values(Recipient(1, "telegram", "en", "n", at, own_line="<b>& more"))
    assert compose_posts(["one"], with_line) == ["one\n\n&lt;b&gt;&amp; more"]
    assert compose_posts(["one"], values(Recipient(1, "telegram", "en", "n", at))) == ["one"]
