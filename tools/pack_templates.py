"""Packs the site's templates into one file of the wheel, half as large as they are each by themselves.

Hatchling runs it for each wheel (``[tool.hatch.build.targets.wheel.hooks.custom]``); an editable installation
keeps the folder. `monitor.web.template_files` reads either.
"""

from __future__ import annotations

import json
import lzma
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "monitor/web/templates"
PACKED = "monitor/web/templates.json.xz"


class PackTemplates(BuildHookInterface[Any]):
    """Adds the packed file to the wheel; pyproject.toml leaves the folder out."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        folder = Path(self.root, FOLDER)
        texts = {
            file.relative_to(folder).as_posix(): file.read_text("utf-8")
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        self._made = tempfile.TemporaryDirectory()
        packed = Path(self._made.name, "templates.json.xz")
        whole = json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()
        packed.write_bytes(lzma.compress(whole, preset=9 | lzma.PRESET_EXTREME))
        build_data["force_include"][str(packed)] = PACKED
