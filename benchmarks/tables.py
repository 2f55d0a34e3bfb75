"""Reading tables against the libraries below: a CSV of 200,000 rows, and a workbook of 2,000 rows.

python -m benchmarks.tables
"""

from __future__ import annotations

import csv
import gc
import io
import resource
import time
from collections.abc import Callable

import openpyxl
import python_calamine

from monitor.sources import ColumnMap, ParseOptions, parse

ROWS, BOOK_ROWS = 200_000, 2_000
TITLES = ("Agency", "State", "County", "City", "Signed", "MOA", "Type")
STATES = ("Texas", "Ohio", "IL", "Florida", "Georgia", "Virginia")
OPTIONS = ParseOptions(
    "list",
    "table",
    ColumnMap(
        name="Agency",
        state="State",
        county="County",
        city="City",
        since="Signed",
        url="MOA",
        attributes=("Type",),
    ),
)


def row(number: int) -> tuple[str, ...]:
    return (
        f"Place {number} Police Department", STATES[number % 6], f"County {number % 90}",
        f"Town {number % 5000}", f"{number % 12 + 1}/{number % 28 + 1}/2025",
        f"https://list.example/moa/{number}.pdf", ("Jail Enforcement Model", "Task Force Model")[number % 2],
    )  # fmt: skip


def make_csv() -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([TITLES, *map(row, range(ROWS))])
    return out.getvalue().encode()


def make_workbook() -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    for values in (TITLES, *map(row, range(BOOK_ROWS))):
        sheet.append(values)
    book.save(out)
    return out.getvalue()


def bare_csv(body: bytes) -> None:
    for _ in csv.reader(io.StringIO(body.decode(), newline="")):
        pass


def bare_openpyxl(body: bytes) -> None:
    book = openpyxl.load_workbook(io.BytesIO(body), read_only=True)
    for sheet in book.worksheets:
        for _ in sheet.iter_rows(values_only=True):
            pass


def bare_calamine(body: bytes) -> None:
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(body))
    for name in book.sheet_names:
        book.get_sheet_by_name(name).to_python()


def whole(body: bytes) -> None:
    parse(body, OPTIONS)


def best(read: Callable[[bytes], None], body: bytes, rounds: int) -> float:
    """Seconds of processor; the collector rests, as it does in the parser's process."""
    taken = []
    for _ in range(rounds):
        gc.collect()
        gc.disable()
        start = time.process_time()
        read(body)
        taken.append(time.process_time() - start)
        gc.enable()
    return min(taken)


def main() -> None:
    body = make_csv()
    limit = best(bare_csv, body, 5)
    ours = best(whole, body, 4)
    print(f"CSV of {ROWS:,} rows, {len(body) / 1e6:.0f} MB, processor time, best of 4 and 5")
    print(f"{'csv module':<24}{limit:8.2f} s {1:8.1f} x")
    print(f"{'monitor: parse':<24}{ours:8.2f} s {ours / limit:8.1f} x (goal 6)")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"the most memory of the process: {most:,.0f} MiB")
    body = make_workbook()
    print(f"XLSX of {BOOK_ROWS:,} rows, processor time, best of 3")
    readers = (("openpyxl", bare_openpyxl), ("calamine", bare_calamine), ("monitor: parse", whole))
    times = {name: best(read, body, 3) for name, read in readers}
    for name, seconds in times.items():
        print(f"{name:<24}{seconds:8.3f} s {seconds / times['openpyxl']:8.2f} x")


if __name__ == "__main__":
    main()
