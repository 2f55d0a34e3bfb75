"""The locks: every package pinned with hashes, no address, and nothing declared that they lack."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def read_pins(lock: Path) -> dict[str, int]:
    """The packages of a lock and how many hashes each has."""
    entries = lock.read_text("utf-8").replace("\\\n", " ").splitlines()
    return {
        canonicalize_name(Requirement(entry.partition(" --hash")[0]).name): entry.count("--hash=sha256:")
        for entry in entries
        if entry.strip()
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_is_pinned_with_hashes_and_without_an_address(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert not re.search(r"://|^-|@ ", text, re.MULTILINE)
    assert [name for name, hashes in read_pins(lock).items() if not hashes] == []
    assert len(re.findall(r"^\S+==\S+", text, re.MULTILINE)) == len(read_pins(lock)) > 4


def test_what_the_project_declares_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    assert declared <= read_pins(ROOT / "requirements" / "run.txt").keys()
    extra = {canonicalize_name(Requirement(line).name) for line in project["optional-dependencies"]["dev"]}
    everything = {name for lock in LOCKS for name in read_pins(lock)}
    assert extra <= everything
    for written in (ROOT / "requirements").glob("*.in"):
        wanted = {canonicalize_name(Requirement(line).name) for line in written.read_text().split()}
        assert wanted <= read_pins(written.with_suffix(".txt")).keys()
