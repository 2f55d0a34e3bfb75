"""Packs the text files of a wheel: templates, styles, scripts, translations, tables of places, and the
example of a configuration.

Hatchling runs it for each wheel (``[tool.hatch.build.targets.wheel.hooks.custom]``); an editable installation
keeps the files. `monitor.package_texts` reads either.
"""

from __future__ import annotations

import json
import lzma
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKED = {
    "texts.xz": (
        "demo/files/*.kml",
        "messages/*.po",
        "messages/templates/**/*",
        "web/static/*",
        "web/templates/**/*",
    ),
    "places/texts.xz": ("places/*.csv",),
}
"""The packed files and the texts in each, both within the package; pyproject.toml leaves the texts out."""
EXAMPLE = {"texts.xz": {"config/config.example.toml": "config.example.toml"}}
"""Texts from the top of the checkout, by the path that they have in a packed file."""
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "pb": 0}]  # texts are not aligned


class PackTexts(BuildHookInterface[Any]):
    """Adds the packed files to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        package = Path(self.root, "monitor")
        self._made = tempfile.TemporaryDirectory()
        for number, (name, patterns) in enumerate(PACKED.items()):
            packed = Path(self._made.name, f"{number}.xz")
            more = {path: Path(self.root, file) for path, file in EXAMPLE.get(name, {}).items()}
            packed.write_bytes(pack(package, patterns, more))
            build_data["force_include"][str(packed)] = f"monitor/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            compress_again(Path(artifact_path))


def compress_again(wheel: Path) -> None:
    """Compress each file of a wheel as far as zlib can; hatchling uses its default level."""
    with ZipFile(wheel) as archive:
        files = [(entry, archive.read(entry)) for entry in archive.infolist()]
    with ZipFile(wheel, "w") as archive:
        for entry, content in files:
            is_small = entry.filename.endswith((".xz", ".zip"))
            archive.writestr(entry, content, ZIP_STORED if is_small else ZIP_DEFLATED, compresslevel=9)


def pack(package: Path, patterns: tuple[str, ...], more: Mapping[str, Path]) -> bytes:
    """Pack the texts that fit one of the patterns, by their path within the package, and ``more`` by path."""
    found = {file for pattern in patterns for file in package.glob(pattern) if file.is_file()}
    files = {file.relative_to(package).as_posix(): file for file in found} | more
    texts = {path: file.read_text("utf-8") for path, file in sorted(files.items())}
    lengths = json.dumps({path: len(text) for path, text in texts.items()}, separators=(",", ":"))
    whole = "\n".join((lengths, "".join(texts.values()))).encode()
    return lzma.compress(whole, check=lzma.CHECK_CRC32, filters=FILTERS)
