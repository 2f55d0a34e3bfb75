"""What the container image leaves out of the packages (`tools.slim_packages`) is there, and is not used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

from tools import slim_packages

ROOT = Path(__file__).parents[2]
PACKAGES = Path(sqlalchemy.__file__).parents[1]
EVERYTHING = """
import importlib, json, pkgutil, sys
from datetime import UTC, datetime
from pathlib import Path

import monitor, psycopg, sqlalchemy.dialects.postgresql.psycopg
from monitor.messages import locale
from monitor.storage import engine, migrate

for found in pkgutil.walk_packages(monitor.__path__, "monitor."):
    importlib.import_module(found.name)
database = engine.connect("sqlite:///" + sys.argv[1] + "/monitor.db")
migrate.upgrade(database, folder=Path(sys.argv[1]), now=datetime.now(UTC))
database.dispose()
files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
print(json.dumps([name for name in files if name]))
"""


def test_each_pattern_of_the_image_matches_something() -> None:
    assert [pattern for pattern, paths in slim_packages.find_unused(PACKAGES) if not paths] == []


def test_nothing_that_the_program_imports_is_left_out_of_the_image(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVERYTHING, str(tmp_path)], capture_output=True, text=True, check=True
    )
    used = {Path(name) for name in json.loads(done.stdout)}
    assert len(used) > 500  # the packages' modules too
    unused = {path for _, paths in slim_packages.find_unused(PACKAGES) for path in paths}
    assert [path for path in used if unused & {path, *path.parents}] == []
    kept = {path.name for path in (PACKAGES / "babel" / "locale-data").iterdir()} - {p.name for p in unused}
    assert {"root.dat", "en.dat", "en_US.dat", "es.dat", "es_US.dat", "es_419.dat"} <= kept
    assert not any(name.startswith(("de", "ro.", "ro_", "eo", "zh")) for name in kept)


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    lines = [line.split() for line in (ROOT / "Dockerfile").read_text().splitlines()]
    copied = {
        path for line in lines if line[:1] == ["COPY"] for path in line[1:-1] if "--from" not in line[1]
    }
    assert len(copied) > 8
    assert [path for path in copied if not (ROOT / path).exists()] == []
    ignored, *allowed = (ROOT / ".dockerignore").read_text().split()
    assert ignored == "*"
    kept = {line.removeprefix("!") for line in allowed if line.startswith("!")}
    assert [path for path in copied if not kept & {path, *map(str, Path(path).parents)}] == []


def test_a_pattern_that_matches_nothing_stops_the_build_before_anything_is_removed(tmp_path: Path) -> None:
    (tmp_path / "cffi").mkdir()
    (tmp_path / "cffi" / "api.py").write_text("x = 1\n")
    with pytest.raises(SystemExit, match="sqlalchemy/testing"):
        slim_packages.remove_unused(tmp_path)
    assert (tmp_path / "cffi" / "api.py").exists()


def test_what_is_removed_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cffi/api.py", "cffi/deep/x.h", "lxml/etree.py", "lxml/etree.h"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12345")
    monkeypatch.setattr(slim_packages, "UNUSED", ("**/*.h", "cffi"))
    assert slim_packages.remove_unused(tmp_path) == 15
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["etree.py"]
