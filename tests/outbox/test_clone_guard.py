"""Which databases may send from which data folders: the whole table, and what a binding writes."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.errors import StoreError
from monitor.outbox import clone_guard
from monitor.outbox.clone_guard import INSTANCE, NAME, CloneGuard, bind_folder, check
from monitor.storage import database_facts, schema
from monitor.storage.deliveries import send_mark
from monitor.storage.engine import reading, transaction
from tests.outbox.world import World

OURS = "ours"
"""Stands for the instance of the folder as it is."""


@pytest.fixture
def world(sqlite_world: World) -> World:
    """None of this depends on the kind of database."""
    return sqlite_world


def put(world: World, identity: str | None, sends: int) -> None:
    """Make the database one with this identity and so many sends."""
    world.write(sa.delete(schema.MetaRow).where(schema.MetaRow.name == "identity"))
    world.write(sa.delete(schema.ProgressRow))
    if identity is not None:
        world.write(sa.insert(schema.MetaRow).values(name="identity", value=identity))
    if sends:
        world.write(sa.insert(schema.ProgressRow).values(id=1, send_mark=sends))


def note(folder: Path, content: tuple[str, int, str | None] | None) -> None:
    """Write the folder's file, or remove it."""
    if content is None:
        (folder / NAME).unlink(missing_ok=True)
        return
    identity, sends, instance = content
    if instance == OURS:
        instance = clone_guard._read_instance(folder)
    (folder / NAME).write_text(json.dumps({"identity": identity, "sends": sends, "instance": instance}))


def noted(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / NAME).read_text())
    return content


COPY, OTHER, MOVED, OLD = "looks like a copy", "another database", "looks copied or restored", "from a backup"


@pytest.mark.parametrize(
    ("identity", "sends", "file", "reason"),
    [
        # a new database
        (None, 0, None, None),
        (None, 0, ("a", 0, OURS), None),
        (None, 0, ("a", 1, OURS), OTHER),
        # one that has no name, as before the first version that gave one
        (None, 1, None, COPY),
        (None, 1, ("a", 0, OURS), OTHER),
        # one that was opened before
        ("a", 0, None, COPY),
        ("a", 3, None, COPY),
        ("a", 0, ("a", 0, OURS), None),
        ("a", 0, ("b", 0, OURS), OTHER),
        ("a", 3, ("b", 3, OURS), OTHER),
        # its count of sends
        ("a", 3, ("a", 2, OURS), None),
        ("a", 3, ("a", 3, OURS), None),
        ("a", 3, ("a", 4, OURS), OLD),
        # its folder
        ("a", 3, ("a", 3, None), None),
        ("a", 3, ("a", 3, "1-1"), MOVED),
    ],
)
def test_a_database_sends_only_from_its_own_folder_and_never_from_an_older_state(
    world: World,
    identity: str | None,
    sends: int,
    file: tuple[str, int, str | None] | None,
    reason: str | None,
) -> None:
    clone_guard._create_instance(world.folder)
    put(world, identity, sends)
    note(world.folder, file)
    found = check(world.engine, world.folder).reason
    if reason is None:
        assert found is None
    else:
        assert found is not None
        assert reason in found


def test_a_folder_that_has_lost_the_file_that_tells_it_from_copies_does_not_send(world: World) -> None:
    bind_folder(world.engine, world.folder)
    (world.folder / INSTANCE).unlink()
    assert MOVED in (check(world.engine, world.folder).reason or "")


def test_a_first_start_beside_another_one_is_no_copy(world: World, tmp_path: Path) -> None:
    """The other one has named the database when this one reads it, and its folder was not named before."""
    bind_folder(world.engine, world.folder)
    hidden = (world.folder / NAME).rename(tmp_path / "hidden")

    def name_the_folder(*_: object) -> None:
        if hidden.exists():
            hidden.rename(world.folder / NAME)

    sa.event.listen(world.engine, "before_cursor_execute", name_the_folder)
    assert check(world.engine, world.folder).reason is None


def test_a_first_start_beside_one_that_sends_already_is_no_restore(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers start at once: the other one binds the folder and claims while this one reads."""
    bind_folder(world.engine, world.folder)
    name_of_database = noted(world.folder)["identity"]
    note(world.folder, None)
    read, reads = clone_guard._read, 0

    def read_beside_the_other(path: Path) -> clone_guard.SendCount | None:
        nonlocal reads
        reads += 1
        if reads == 2:
            with transaction(world.engine) as conn:
                note(world.folder, (name_of_database, send_mark.advance(conn, 1), OURS))
        return read(path)

    monkeypatch.setattr(clone_guard, "_read", read_beside_the_other)
    assert check(world.engine, world.folder).reason is None
    assert reads == 2


@pytest.mark.parametrize(
    ("identity", "instance", "bound"),
    [("a", None, True), ("a", "1-1", False), ("b", None, False), ("b", "1-1", False)],
)
def test_only_a_folder_of_this_database_without_an_instance_gets_one(
    world: World, identity: str, instance: str | None, bound: bool
) -> None:
    """A copied folder, and that of another database, are left as they are, so that the check sees them."""
    clone_guard._create_instance(world.folder)
    put(world, "a", 3)
    note(world.folder, (identity, 2, instance))
    bind_folder(world.engine, world.folder)
    found = noted(world.folder)
    assert (found["identity"], found["sends"]) == (identity, 2)
    assert found["instance"] == (clone_guard._read_instance(world.folder) if bound else instance)


def test_a_known_database_does_not_name_a_folder_that_has_no_file(world: World) -> None:
    clone_guard._create_instance(world.folder)
    put(world, "a", 3)
    bind_folder(world.engine, world.folder)
    assert not (world.folder / NAME).exists()


def test_a_new_data_folder_is_made_with_its_parents_and_is_its_owners_alone(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "var" / "lib" / "monitor"
    bind_folder(world.engine, folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert check(world.engine, folder).reason is None


def test_a_data_folder_that_vanishes_is_not_made_again(world: World) -> None:
    guard = CloneGuard(world.engine, world.folder)
    world.folder.rename(world.folder.with_name("moved"))
    with pytest.raises(StoreError, match="nothing was sent"):
        guard.advance(1)
    assert not world.folder.exists()


def test_the_count_on_the_disk_never_goes_back(world: World) -> None:
    """Threads may arrive in another order than their transactions."""
    guard = CloneGuard(world.engine, world.folder)
    for count, kept in ((1, 1), (5, 5), (3, 5), (6, 6)):
        guard.advance(count)
        assert noted(world.folder)["sends"] == kept


def test_each_resume_begins_a_series_of_its_own_and_keeps_the_earlier_ones(world: World) -> None:
    """So that a Message-ID of then can be named for as long as somebody may answer to it."""
    first = CloneGuard(world.engine, world.folder)
    with reading(world.engine) as conn:
        assert first.series == database_facts.load_identity(conn)
    assert first.earlier_series == ()
    series, ends = [first.series], []
    for _ in range(3):
        world.later(hours=1)
        ends.append(world.now)
        clone_guard.allow_sending(world.engine, world.folder, now=world.now)
        guard = CloneGuard(world.engine, world.folder)
        assert guard.earlier_series == tuple(zip(ends, series, strict=True))
        series.append(guard.series)
    assert len(set(series)) == 4
    assert all(each.startswith(first.series) for each in series)


def test_a_resume_names_this_database_in_the_folder_with_its_own_count(world: World) -> None:
    clone_guard._create_instance(world.folder)
    put(world, "a", 3)
    note(world.folder, ("b", 9, "1-1"))
    clone_guard.allow_sending(world.engine, world.folder, now=world.now + timedelta(hours=1))
    assert noted(world.folder) == {
        "identity": "a", "sends": 3, "instance": clone_guard._read_instance(world.folder),
    }  # fmt: skip
    with transaction(world.engine) as conn:
        assert database_facts.get(conn, database_facts.EPOCH)
    assert check(world.engine, world.folder).reason is None


def test_a_new_database_takes_a_folder_from_which_nothing_was_sent_and_no_other(world: World) -> None:
    """As after a crash while it was named, or a first start that was repeated from nothing."""
    clone_guard._create_instance(world.folder)
    for sends, taken in ((0, True), (1, False)):
        put(world, None, 0)
        note(world.folder, ("b", sends, OURS))
        bind_folder(world.engine, world.folder)
        with reading(world.engine) as conn:
            assert (noted(world.folder)["identity"] == database_facts.load_identity(conn)) is taken
