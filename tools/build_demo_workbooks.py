"""Pack the cells and links of the demo's workbooks into one file, byte for byte the same from the same files.

    python tools/build_demo_workbooks.py FOLDER [OUTPUT]

FOLDER holds the published workbooks, those from before the story in FOLDER/past. `monitor.demo.workbooks`
says what the lines of the file are.
"""

from __future__ import annotations

import argparse
import json
import lzma
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.datetime import to_excel

PACKED = Path(__file__).parents[1] / "monitor" / "demo" / "files" / "workbooks.jsonl.xz"


def pack(folder: Path) -> bytes:
    """Pack the rows of all workbooks; SystemExit for a cell that the file has no form for."""
    lines: list[Any] = []
    for path in sorted(folder.rglob("*.xlsx")):
        book = openpyxl.load_workbook(path)
        saved = f"{book.properties.modified:%Y-%m-%dT%H:%M:%SZ}"
        lines.append({"workbook": path.relative_to(folder).as_posix(), "saved": saved})
        for sheet in book.worksheets:
            if sheet.sheet_state != "visible" or sheet.merged_cells.ranges:
                raise SystemExit(f"{path.name}: hidden sheets and merged cells have no form")
            lines.append({"sheet": sheet.title})
            lines += [_row([_cell(cell) for cell in row]) for row in sheet.iter_rows()]
    whole = "".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines
    ).encode()
    settings = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 24, "pb": 0}]
    return lzma.compress(whole, filters=settings)


def _row(cells: list[Any]) -> list[Any]:
    while cells and cells[-1] is None:
        cells.pop()
    return cells


def _cell(cell: Any) -> Any:
    """One cell as the file has it."""
    value = cell.value
    if isinstance(value, datetime):
        value = int(to_excel(value))
        if cell.number_format != "mm-dd-yy":
            raise SystemExit(f"{cell.coordinate}: a date of another format has no form")
    elif (value is not None and not isinstance(value, str)) or cell.data_type == "f":
        raise SystemExit(f"{cell.coordinate}: numbers and formulas have no form")
    link = cell.hyperlink.target if cell.hyperlink else None
    return value if link is None else [value, link]


def main() -> None:
    """Build the file and print its size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=PACKED)
    given = parser.parse_args()
    packed = pack(given.folder)
    given.output.write_bytes(packed)
    print(f"{given.output}: {len(packed):,} bytes")


if __name__ == "__main__":
    main()
