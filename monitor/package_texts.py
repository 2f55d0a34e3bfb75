"""Text files that come with the program: templates, styles, scripts, translations, hand-kept tables.

A checkout has them as files. In a wheel they are packed (`tools/pack_texts.py`): together they take three
quarters of what they take each by itself.
"""

from __future__ import annotations

import json
import lzma
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import BaseLoader

_TEXTS = "texts.json.xz"
PACKS = {"places": f"places/{_TEXTS}", "config": _TEXTS, "messages": _TEXTS, "web": _TEXTS}
"""The packed file of each room, within the package: JSON of texts by their path within it, compressed."""
FOLDER = "templates"


def read_text(room: str, name: str) -> str:
    """Read a text file of a room, which must exist."""
    file = files("monitor").joinpath(room, name)
    return file.read_text("utf-8") if file.is_file() else _unpack(room)[f"{room}/{name}"]


def list_texts(room: str, suffix: str) -> list[str]:
    """The names of a room's text files, in order."""
    names = [file.name for file in files("monitor").joinpath(room).iterdir()]
    names += [path.removeprefix(f"{room}/") for path in _unpack(room) if path.startswith(f"{room}/")]
    return sorted(name for name in names if name.endswith(suffix))


def open_templates(room: str) -> BaseLoader:
    """Open the loader of a room's templates."""
    from jinja2 import DictLoader, PackageLoader

    if files("monitor").joinpath(room, FOLDER).is_dir():
        return PackageLoader(f"monitor.{room}", FOLDER)
    start = f"{room}/{FOLDER}/"
    texts = {path.removeprefix(start): text for path, text in _unpack(room).items() if path.startswith(start)}
    return DictLoader(texts)


def _unpack(room: str) -> dict[str, str]:
    """All texts of a room's packed file; none in a checkout, which has no such file."""
    packed = files("monitor").joinpath(PACKS[room])
    texts: dict[str, str] = json.loads(lzma.decompress(packed.read_bytes())) if packed.is_file() else {}
    return texts
