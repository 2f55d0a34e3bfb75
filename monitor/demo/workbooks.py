"""The workbooks of the demo, packed: thirteen releases of one list repeat nearly everything, so together they
take a fifth of their space.

Each is unpacked to the parts that were published, and the ZIP around them is made again: the same content, in
other bytes than the publisher's.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

PACKED = Path(__file__).with_name("files") / "workbooks.tar.xz"
_MADE = (1980, 1, 1, 0, 0, 0)  # the time of every part, so that the bytes are always the same


def unpack_files(folder: Path) -> Path:
    """Write all files of the demo into a new folder, and return it."""
    shutil.copytree(PACKED.parent, folder, ignore=shutil.ignore_patterns(PACKED.name, "__pycache__"))
    with tarfile.open(PACKED) as archive:
        for member in archive:
            book, _, part = member.name.partition("!/")
            content = archive.extractfile(member)
            assert content is not None
            path = folder / book
            path.parent.mkdir(exist_ok=True)
            with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as workbook:
                entry = zipfile.ZipInfo(part, _MADE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                workbook.writestr(entry, content.read())
    return folder
