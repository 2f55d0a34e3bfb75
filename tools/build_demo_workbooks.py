"""Pack the demo's workbooks into one archive, byte for byte the same from the same files.

    python tools/build_demo_workbooks.py FOLDER [OUTPUT]

FOLDER holds the published workbooks, those from before the story in FOLDER/past.
"""

from __future__ import annotations

import argparse
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

PACKED = Path(__file__).parents[1] / "monitor" / "demo" / "files" / "workbooks.tar.xz"


def pack(folder: Path) -> bytes:
    """All parts of all workbooks, parts of one name beside each other, because they resemble each other."""
    parts: list[tuple[str, str, int, bytes]] = []
    for path in sorted(folder.rglob("*.xlsx")):
        with zipfile.ZipFile(path) as workbook:
            for order, entry in enumerate(workbook.infolist()):
                book = path.relative_to(folder).as_posix()
                parts.append((entry.filename, book, order, workbook.read(entry)))
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, book, _, content in sorted(parts, key=lambda part: (part[0], part[1])):
            member = tarfile.TarInfo(f"{book}!/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    settings = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 24}]
    return lzma.compress(whole.getvalue(), filters=settings)


def main() -> None:
    """Build the archive and print its size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=PACKED)
    given = parser.parse_args()
    packed = pack(given.folder)
    given.output.write_bytes(packed)
    print(f"{given.output}: {len(packed):,} bytes")


if __name__ == "__main__":
    main()
