"""The site's templates: a folder in a checkout, one packed file in an installed wheel."""

from __future__ import annotations

import json
import lzma
from importlib.resources import files

from jinja2 import BaseLoader, DictLoader, PackageLoader

_FOLDER, _PACKED = "templates", "templates.json.xz"


def open_loader() -> BaseLoader:
    """Open the loader of ``monitor/web/templates``, which `tools/pack_templates.py` packs for a wheel."""
    here = files("monitor.web")
    if here.joinpath(_FOLDER).is_dir():
        return PackageLoader("monitor.web", _FOLDER)
    return DictLoader(json.loads(lzma.decompress(here.joinpath(_PACKED).read_bytes())))
