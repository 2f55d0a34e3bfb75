"""Packs the text files of a wheel: templates, styles, scripts, translations and tables of places.

Hatchling runs it for each wheel (``[tool.hatch.build.targets.wheel.hooks.custom]``); an editable installation
keeps the files. `monitor.package_texts` reads either.
"""

from __future__ import annotations

import json
import lzma
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKED = {
    "texts.json.xz": (
        "messages/*.po",
        "messages/templates/**/*",
        "web/static/*",
        "web/templates/**/*",
    ),
    "places/texts.json.xz": ("places/*.csv",),
}
"""The packed files and the texts in each, both within the package; pyproject.toml leaves the texts out."""


class PackTexts(BuildHookInterface[Any]):
    """Adds the packed files to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        package = Path(self.root, "monitor")
        self._made = tempfile.TemporaryDirectory()
        for number, (name, patterns) in enumerate(PACKED.items()):
            packed = Path(self._made.name, f"{number}.json.xz")
            packed.write_bytes(pack(package, patterns))
            build_data["force_include"][str(packed)] = f"monitor/{name}"


def pack(package: Path, patterns: tuple[str, ...]) -> bytes:
    """The texts that fit one of the patterns, by their path within the package."""
    found = sorted(file for pattern in patterns for file in package.glob(pattern) if file.is_file())
    texts = {file.relative_to(package).as_posix(): file.read_text("utf-8") for file in found}
    whole = json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()
    return lzma.compress(whole, preset=9 | lzma.PRESET_EXTREME)
