"""`monitor status --alive`: whether the sender that uses this data folder works.

A container runs this every 30 seconds, so it must be cheap: it reads the modification time of one file, which
the sender touches with each heartbeat, and imports only the standard library.
"""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

SILENT_AFTER = timedelta(minutes=2)
"""The age of a heartbeat above which its sender counts as stopped."""

_FILE = "alive"


def touch(folder: Path) -> None:
    """Touch the heartbeat file of the sender. Raises OSError."""
    (folder / _FILE).touch(mode=0o600)


def is_alive(folder: Path, now: float | None = None) -> bool:
    """Whether the sender of this data folder worked within `SILENT_AFTER`; ``now`` in seconds since 1970."""
    try:
        beat = (folder / _FILE).stat().st_mtime
    except OSError:
        return False
    return (time.time() if now is None else now) - beat <= SILENT_AFTER.total_seconds()


def data_folder(config: Path, environment: Mapping[str, str]) -> Path:
    """Find the data folder as `config` does: the environment overrides the file, which overrides the
    environment's default, which overrides "data", relative to the file's folder.
    """
    try:
        given = tomllib.loads(config.read_text("utf-8-sig")).get("data", {}).get("folder")
    except (OSError, ValueError, AttributeError):
        given = None
    return config.parent / str(
        environment.get("MONITOR_DATA__FOLDER")
        or given
        or environment.get("MONITOR_DEFAULT__DATA__FOLDER")
        or "data"
    )


def answer(arguments: Sequence[str]) -> int | None:
    """The exit code of `monitor status --alive [--config FILE]`; None for any other command line."""
    if arguments[:1] != ["status"] or "--alive" not in arguments:
        return None
    others = [argument for argument in arguments[1:] if argument != "--alive"]
    match others:
        case []:
            config = Path(os.environ.get("MONITOR_CONFIG") or "config.toml")
        case ["--config", path]:
            config = Path(path)
        case _:
            return None
    return 0 if is_alive(data_folder(config, os.environ)) else 1
