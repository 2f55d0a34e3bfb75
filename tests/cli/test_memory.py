"""What a service takes of memory that it need not."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from monitor.cli import memory

RARELY_NEEDED = {
    "alembic",
    "fastapi",
    "openpyxl",
    "prometheus_client",
    "python_calamine",
    "resvg_py",
    "sqlalchemy.dialects.postgresql",
    "telegram",
    "warcio",
}


def test_what_is_rarely_needed_is_loaded_when_it_is() -> None:
    program = (
        "import sys, monitor.cli.run, monitor.web.composition, monitor.storage.schema; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert not RARELY_NEEDED & set(loaded.split())


def test_a_system_with_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GNU one has these functions; where they are missing, nothing happens."""
    memory.share_arena()
    memory.return_freed()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    memory.share_arena()
    memory.return_freed()
