"""Takes from a process, permanently, what parsing does not need: files other than the program's own, TCP, and
signals to other processes.

It uses Landlock, which needs no privilege (Linux 5.13 or newer; TCP since 6.7, signals since 6.12). The
constants are those of the kernel's ``linux/landlock.h``; the numbers of the system calls are the same on
every architecture.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import sysconfig
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_VERSION = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38  # of prctl; without it, only root may confine itself
_READ_FILE, _READ_DIRECTORY = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many kinds of access to files a version of Landlock knows, from this version on; each is one bit."""
_TCP, _SIGNALS_AND_SOCKETS = 0b11, 0b11
_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo")


def find_readable() -> list[Path]:
    """Find the folders that a parser may have to read after its start, because modules and libraries are
    loaded when they are first needed.

    The folder that contains this package is not among them if it is a checkout: the data may be there.
    """
    package = Path(__file__).resolve().parents[1]
    places = sysconfig.get_paths()
    libraries = {Path(places[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    imported = {Path(path) for path in sys.path if path} - {package.parent}
    found = {package, Path(sys.base_prefix, "lib"), *libraries, *imported, *map(Path, _SYSTEM_LIBRARIES)}
    # unlike Path.is_dir, False for a path that may not be looked at
    return sorted(path for path in found if os.path.isdir(path))


def confine() -> int:
    """Confine this process and its later children. Returns the version of Landlock; 0 if the system has none
    or refuses it, and then nothing is confined.
    """
    if sys.platform != "linux":
        return 0
    call = ctypes.CDLL(None).syscall
    version: int = call(_CREATE_RULESET, None, ctypes.c_size_t(0), _GET_VERSION)
    if version < 1:
        return 0
    files = (1 << max(count for since, count in _FILE_RIGHTS.items() if since <= version)) - 1
    handled = struct.pack(
        "=QQQ", files, _TCP if version >= 4 else 0, _SIGNALS_AND_SOCKETS if version >= 6 else 0
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules: int = call(_CREATE_RULESET, handled[:size], ctypes.c_size_t(size), 0)
    if rules < 0:
        return 0
    try:
        for path in find_readable():
            folder = os.open(path, os.O_PATH | os.O_DIRECTORY)
            try:
                beneath = struct.pack("=Qi", _READ_FILE | _READ_DIRECTORY, folder)
                if call(_ADD_RULE, rules, _PATH_BENEATH, beneath, 0):
                    return 0
            finally:
                os.close(folder)
        unsigned = ctypes.c_ulong
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, unsigned(1), unsigned(0), unsigned(0), unsigned(0))
        return 0 if call(_RESTRICT_SELF, rules, 0) else version
    finally:
        os.close(rules)
