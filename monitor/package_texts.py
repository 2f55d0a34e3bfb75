"""Text files that come with the program: templates, styles, scripts, translations, tables, maps of the demo.

A checkout has them as files. In a wheel they are packed (`tools/pack_texts.py`): together they take three
quarters of what they take each by itself. Unpacking takes some milliseconds, so a caller reads once what it
needs.
"""

from __future__ import annotations

import json
import lzma
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import BaseLoader

_HERE = Path(__file__).parent
_TEXTS = "texts.xz"
PACKS = {"places": f"places/{_TEXTS}", "config": _TEXTS, "demo": _TEXTS, "messages": _TEXTS, "web": _TEXTS}
"""The packed file of each room, within the package: a line of JSON with the lengths of texts, in characters,
by their path within it, then the texts one after the other, compressed.
"""
FOLDER = "templates"


def read_text(room: str, name: str) -> str:
    """Read a text file of a room, which must exist."""
    file = _HERE / room / name
    return file.read_text("utf-8") if file.is_file() else _unpack(room)[name]


def read_texts(room: str, pattern: str) -> dict[str, str]:
    """Read the text files of a room whose paths within it fit a pattern ("*.csv"), by path, in order."""
    files = sorted((_HERE / room).glob(pattern))
    if files:
        return {file.relative_to(_HERE / room).as_posix(): file.read_text("utf-8") for file in files}
    return {name: text for name, text in sorted(_unpack(room).items()) if fnmatchcase(name, pattern)}


def open_templates(room: str) -> BaseLoader:
    """Open the loader of a room's templates."""
    from jinja2 import DictLoader, PackageLoader

    if (_HERE / room / FOLDER).is_dir():
        return PackageLoader(f"monitor.{room}", FOLDER)
    start = f"{FOLDER}/"
    texts = _unpack(room).items()
    return DictLoader({name.removeprefix(start): text for name, text in texts if name.startswith(start)})


def _unpack(room: str) -> dict[str, str]:
    """The packed texts of a room, by their path within it."""
    head, _, rest = lzma.decompress((_HERE / PACKS[room]).read_bytes()).decode().partition("\n")
    texts: dict[str, str] = {}
    end, start = 0, f"{room}/"
    for path, length in json.loads(head).items():
        begin, end = end, end + length
        if path.startswith(start):
            texts[path.removeprefix(start)] = rest[begin:end]
    return texts
