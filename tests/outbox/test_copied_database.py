"""A copied or restored database does not write to people by itself; a recreated container does."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.errors import FencedError, StoreError, Transient
from monitor.outbox import clone_guard
from monitor.storage import engine as db
from monitor.storage import schema
from tests.outbox.world import HAMMOND, Recorder, World


def due(world: World) -> None:
    world.publish(HAMMOND)
    world.fan_out()


def sent_once(world: World) -> Recorder:
    """A world that has sent something, and the channel it was sent on."""
    world.person("a@a.example", "IN")
    due(world)
    channel = Recorder()
    assert world.send(channel).sent == 1
    return channel


def refuses(world: World, channel: Recorder, words: str) -> None:
    before = len(channel.accepted)
    due(world)
    with pytest.raises(FencedError, match=words):
        world.send(channel)
    assert len(channel.accepted) == before
    assert "due" in world.states()


def test_a_fresh_database_sends(world: World) -> None:
    assert clone_guard.check(world.engine, world.folder).reason is None
    sent_once(world)


def test_the_mark_is_on_the_disk_before_the_first_message_leaves(world: World) -> None:
    world.person("a@a.example", "IN")
    due(world)
    channel = Recorder()
    seen: list[int] = []

    async def look(_: object) -> None:
        seen.append(json.loads((world.folder / clone_guard.NAME).read_text())["sends"])

    channel.before = look
    world.send(channel)
    assert seen == [1]
    # one for the claim, one for the end
    assert world.rows(schema.ProgressRow)[0].send_mark == 2
    assert json.loads((world.folder / clone_guard.NAME).read_text())["sends"] == 2


def test_a_database_without_its_data_folder_does_not_send(world: World) -> None:
    channel = sent_once(world)
    (world.folder / clone_guard.NAME).unlink()
    refuses(world, channel, "looks like a copy")


def test_a_database_in_another_ones_data_folder_does_not_send(world: World) -> None:
    channel = sent_once(world)
    world.write(sa.update(schema.MetaRow).where(schema.MetaRow.name == "identity").values(value="another"))
    refuses(world, channel, "another database has sent")


def test_a_database_restored_from_before_its_last_sends_does_not_send(
    sqlite_world: World, tmp_path: Path
) -> None:
    world = sqlite_world
    channel = sent_once(world)
    path = db.sqlite_path(world.engine)
    assert path is not None
    world.engine.dispose()
    shutil.copy(path, tmp_path / "backup.db")
    due(world)
    assert world.send(channel).sent == 1
    world.engine.dispose()
    shutil.copy(tmp_path / "backup.db", path)
    refuses(world, channel, "restored from a backup")


def test_a_mark_that_cannot_be_read_closes_the_fence(world: World) -> None:
    channel = sent_once(world)
    (world.folder / clone_guard.NAME).write_text("{")
    refuses(world, channel, "cannot be read")


def test_a_folder_that_cannot_be_written_is_said_and_leaves_nothing_beside(tmp_path: Path) -> None:
    count = clone_guard.SendCount("a", 1)
    (tmp_path / "data").write_text("no folder")
    with pytest.raises(StoreError, match="cannot be written"):
        clone_guard._write(tmp_path / "data" / clone_guard.NAME, count)
    (tmp_path / clone_guard.NAME).mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        clone_guard._write(tmp_path / clone_guard.NAME, count)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", clone_guard.NAME]


def test_a_lifted_fence_lets_what_is_due_go_and_stays_lifted(world: World) -> None:
    channel = sent_once(world)
    (world.folder / clone_guard.NAME).unlink()
    refuses(world, channel, "looks like a copy")
    clone_guard.allow_sending(world.engine, world.folder, now=world.now)
    assert world.send(channel).sent == 1
    due(world)
    assert world.send(channel).sent == 1


def test_a_recreated_container_on_its_own_volume_goes_on(world: World) -> None:
    channel = sent_once(world)
    due(world)
    other_host = Recorder()
    assert world.send(other_host, owner="another-host/7").sent == 1
    assert len(channel.accepted) == 1


def test_a_kill_between_the_claim_and_its_mark_does_not_close_the_fence(world: World) -> None:
    channel = sent_once(world)
    world.write(sa.update(schema.ProgressRow).values(send_mark=500))
    due(world)
    assert world.send(channel).sent == 1


def test_a_mark_that_cannot_be_written_sends_nothing_and_gives_the_claim_back(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    channel = sent_once(world)
    due(world)

    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr("monitor.outbox.clone_guard._write", full)
    with pytest.raises(StoreError, match="the disk is full"):
        world.send(channel)
    assert len(channel.accepted) == 1
    assert [(row.state, row.owner) for row in world.rows()] == [("sent", None), ("due", None)]


def copied(world: World, to: Path) -> Path:
    """A consistent copy of the database as it is at this moment, as a backup makes it."""
    path = db.sqlite_path(world.engine)
    assert path is not None
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
    return to


def test_a_copy_made_before_the_first_send_does_not_send(sqlite_world: World, tmp_path: Path) -> None:
    world = sqlite_world
    clone_guard.bind_folder(world.engine, world.folder)
    world.person("a@a.example", "IN")
    due(world)
    engine = db.connect(f"sqlite:///{copied(world, tmp_path / 'copy.db')}")
    copy = World(engine, world.keys, tmp_path / "elsewhere", world.now)
    assert copy.states() == ["due"]
    channel = Recorder()
    with pytest.raises(FencedError, match="looks like a copy"):
        copy.send(channel)
    assert channel.accepted == []
    engine.dispose()
    assert world.send(channel).sent == 1


def test_a_backup_from_the_midst_of_the_last_sending_does_not_send(
    sqlite_world: World, tmp_path: Path
) -> None:
    world = sqlite_world
    world.person("a@a.example", "IN")
    due(world)
    channel = Recorder()

    async def back_up(_: object) -> None:
        copied(world, tmp_path / "backup.db")

    channel.before = back_up
    assert world.send(channel).sent == 1
    world.engine.dispose()
    path = db.sqlite_path(world.engine)
    assert path is not None
    shutil.copy(tmp_path / "backup.db", path)
    channel.before = None
    world.later(hours=1)
    refuses(world, channel, "restored from a backup")


def test_a_database_is_named_in_its_folder_when_it_is_first_opened(world: World) -> None:
    clone_guard.bind_folder(world.engine, world.folder)
    named = (world.folder / clone_guard.NAME).read_text()
    assert json.loads(named)["sends"] == 0
    clone_guard.bind_folder(world.engine, world.folder)
    assert (world.folder / clone_guard.NAME).read_text() == named
    sent_once(world)


def test_a_crash_while_it_is_named_changes_nothing(world: World) -> None:
    clone_guard.bind_folder(world.engine, world.folder)
    world.write(sa.delete(schema.MetaRow).where(schema.MetaRow.name == "identity"))
    sent_once(world)


def test_a_new_database_does_not_take_the_folder_of_another_one(world: World) -> None:
    world.folder.mkdir()
    (world.folder / clone_guard.NAME).write_text(json.dumps({"identity": "of another one", "sends": 7}))
    clone_guard.bind_folder(world.engine, world.folder)
    assert json.loads((world.folder / clone_guard.NAME).read_text())["sends"] == 7
    world.person("a@a.example", "IN")
    refuses(world, Recorder(), "another database has sent")


def test_a_copied_data_folder_does_not_send_and_its_original_goes_on(world: World, tmp_path: Path) -> None:
    channel = sent_once(world)
    copy = tmp_path / "copy"
    shutil.copytree(world.folder, copy)  # times and permissions too, as `cp -a` does
    reason = clone_guard.check(world.engine, copy).reason
    assert reason is not None
    assert "looks copied or restored" in reason
    due(world)
    assert world.send(channel).sent == 1


def test_a_data_folder_restored_in_place_does_not_send(world: World, tmp_path: Path) -> None:
    channel = sent_once(world)
    shutil.copytree(world.folder, tmp_path / "backup")
    shutil.rmtree(world.folder)
    shutil.copytree(tmp_path / "backup", world.folder)
    refuses(world, channel, "looks copied or restored")


def test_a_data_folder_that_is_renamed_goes_on(world: World, tmp_path: Path) -> None:
    channel = sent_once(world)
    world.folder = world.folder.rename(tmp_path / "elsewhere")
    due(world)
    assert world.send(channel).sent == 1


def test_changed_permissions_need_a_resume(world: World) -> None:
    channel = sent_once(world)
    (world.folder / clone_guard.INSTANCE).chmod(0o640)
    refuses(world, channel, "owner or permissions")
    clone_guard.allow_sending(world.engine, world.folder, now=world.now)
    assert world.send(channel).sent == 1


def test_a_folder_of_an_earlier_version_goes_on_and_is_told_from_copies_from_then_on(
    world: World, tmp_path: Path
) -> None:
    channel = sent_once(world)
    noted = world.folder / clone_guard.NAME
    content = json.loads(noted.read_text())
    noted.write_text(json.dumps({"identity": content["identity"], "sends": content["sends"]}))
    (world.folder / clone_guard.INSTANCE).unlink()
    clone_guard.bind_folder(world.engine, world.folder)
    shutil.copytree(world.folder, tmp_path / "copy")
    assert clone_guard.check(world.engine, tmp_path / "copy").reason is not None
    due(world)
    assert world.send(channel).sent == 1


def test_a_resume_begins_an_epoch_so_that_no_message_id_is_used_twice(world: World, tmp_path: Path) -> None:
    world.person("a@a.example", "IN")
    due(world)
    channel = Recorder()
    channel.will("*", Transient("the relay is away"))
    world.send(channel)
    world.later(hours=1)
    world.send(channel)
    (first,) = channel.accepted
    # an older copy has the same delivery still due; its number is another message's by then
    world.write(sa.update(schema.DeliveryRow).values(state="due", settled_at=None))
    world.send(channel)
    assert channel.accepted[1].message_id == first.message_id
    clone_guard.allow_sending(world.engine, world.folder, now=world.now)
    world.write(sa.update(schema.DeliveryRow).values(state="due", settled_at=None))
    world.send(channel)
    assert channel.accepted[2].message_id != first.message_id
