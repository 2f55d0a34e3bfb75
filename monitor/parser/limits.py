"""The resource limits of the parser's child process."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

MIB = 1024 * 1024
_LARGEST = 1024 * MIB
_CGROUP = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def default_memory(machine: int | None = None, container: int | None = None) -> int:
    """Compute the smaller of 1 GiB and half of the machine's or the container's memory, in bytes.

    ``machine`` and ``container`` are their memory in bytes; None reads it (cgroup v2 and v1).
    """
    known = [
        machine if machine is not None else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        container if container is not None else _container_memory(),
    ]
    return min(_LARGEST, *(size // 2 for size in known if size))


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """Limits of one request: ``wall`` and ``processor`` time, ``memory`` of the child's address space in
    bytes.

    ``answer`` is the most bytes of an answer that the caller accepts.
    """

    wall: timedelta = timedelta(seconds=60)
    processor: timedelta = timedelta(seconds=60)
    memory: int = field(default_factory=default_memory)
    answer: int = 256 * MIB


def _container_memory() -> int:
    """The container's limit in bytes; 0 if there is none."""
    for path in _CGROUP:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdecimal() else 0
    return 0
