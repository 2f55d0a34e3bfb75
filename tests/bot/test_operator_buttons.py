"""The operator decides by the buttons of a notice, in the operator's own chat and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from monitor import bot, config
from monitor.app import Components
from monitor.storage.schema import DeliveryRow
from tests.bot.world import World
from tests.outbox.world import HAMMOND
from tests.outbox.world import World as Outbox
from tests.peers.botapi import Post

GROUP = -500
IN_GROUP: dict[str, Any] = {"chat": GROUP, "kind": "group"}


@dataclass
class Told:
    """A bot that serves, and the notice that its operator got: two messages have failed for good."""

    world: World
    outbox: Outbox
    notice: Post

    @property
    def data(self) -> str:
        ((_, data),) = self.notice.buttons
        return data


def tell(world: World, folder: Path, chat: str) -> Iterator[Told]:
    (folder / "config.toml").write_text(
        f'[data]\nfolder = "{folder}"\n[operator]\nnotify = ["{chat}"]\n'
        f'[telegram]\ntoken = "{world.api.token}"\nbase_url = "{world.api.base_url}"\n'
    )
    settings = config.load(folder / "config.toml", {})
    components = Components(settings, world.engine, lambda: world.now, opened_keys=world.keys)
    outbox = Outbox(world.engine, world.keys, folder, world.now)
    for name in ("ann", "bea"):
        outbox.person(f"{name}@a.example", "IN")
    outbox.publish(HAMMOND)
    outbox.fan_out()
    outbox.write(
        sa.update(DeliveryRow).values(
            state="failed", attempts=8, last_error="550 <no> & never", settled_at=world.now
        )
    )
    talking = bot.create(components)
    assert talking is not None
    with world.running(talking):
        world.api.wait(lambda: bool(world.api.menus))
        notifier = components.open_notifier()
        assert notifier is not None
        # the bot has just begun: it counts as working once it has written its first heartbeat
        for _ in range(4):
            asyncio.run(notifier.look())
        notice = next(post for post in world.api.posts if post.buttons)
        yield Told(world, outbox, notice)


@pytest.fixture
def told(still: World, tmp_path: Path) -> Iterator[Told]:
    yield from tell(still, tmp_path, "7")


@pytest.fixture
def told_in_group(still: World, tmp_path: Path) -> Iterator[Told]:
    """User 7 is an administrator of the group, user 8 is not."""
    still.api.members |= {(GROUP, 7): "administrator", (GROUP, 8): "member"}
    yield from tell(still, tmp_path, str(GROUP))


def test_the_first_button_shows_and_the_second_decides_once(told: Told) -> None:
    assert told.notice.chat == "7"
    assert told.notice.buttons[0][0].startswith("Decide: 2 deliveries have failed for good")
    assert len(told.data.encode()) <= 64
    for _ in range(2):
        shown = told.world.press(told.data)
        assert shown.edits is None, "the notice stays as it is"
        assert "2 messages have failed" in shown.text
        assert "550 &lt;no&gt; &amp; never" in shown.text
    assert told.outbox.states() == ["failed", "failed"]
    ((label, data),) = shown.buttons
    assert (label, len(data.encode()) <= 64) == ("Try them again", True)
    done = told.world.press(data, bears=5)
    assert (done.edits, done.text) == (5, "Try them again: 2 messages are due again.")
    assert told.outbox.states() == ["due", "due"]
    told.outbox.write(sa.update(DeliveryRow).values(state="failed", settled_at=told.world.now))
    again = told.world.press(data, bears=5)
    assert "2 messages are due again" in again.text
    assert told.outbox.states() == ["failed", "failed"], "one choice for one notice"


@pytest.mark.parametrize("who", [{"chat": 8, "user": 8}, {"chat": -1, "kind": "group"}])
def test_another_chat_decides_nothing_even_with_the_token(told: Told, who: dict[str, Any]) -> None:
    told.world.api.members |= {(-1, 7): "creator"}
    for data in (told.data, f"{told.data} retry"):
        assert "no longer works" in told.world.refused(data, **who).text
    assert told.outbox.states() == ["failed", "failed"]


def test_in_a_group_only_administrators_decide(told_in_group: Told) -> None:
    told = told_in_group
    data = f"{told.data} retry"
    assert "Only administrators" in told.world.refused(data, user=8, **IN_GROUP).text
    assert told.outbox.states() == ["failed", "failed"]
    told.world.press(data, user=7, **IN_GROUP)
    assert told.outbox.states() == ["due", "due"]


@pytest.mark.parametrize("data", ["decide", "decide 1xaaaaaaaaaaaaaaaaaaaaaaaaaa", "decide what retry"])
def test_a_button_that_was_never_made_decides_nothing(told: Told, data: str) -> None:
    assert "no longer works" in told.world.refused(data).text
    assert "no longer works" in told.world.refused(f"{told.data} everything").text
    assert told.outbox.states() == ["failed", "failed"]


def test_nobody_can_type_it(told: Told) -> None:
    assert "/watch" in told.world.ask(f"/{told.data} retry").text
    assert told.outbox.states() == ["failed", "failed"]
