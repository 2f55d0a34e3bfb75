"""`monitor import` beside `monitor replay` of one manifest: `python -m benchmarks.importing [FILES] [PAIRS]`.

Releases of a real list over 15 months, of which both publish the same changes. The commands run in turn, the
order changes with each pair, and what counts is the ratio within a pair: both sides saw the same machine.
Processor time is that of the command and of the processes that it started, so that a busy machine matters
less; the clock is what somebody waits.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.history import write_releases

FILES, PAIRS = 60, 3
CONFIG = """
[data]
folder = "data-{number}"
[sources.ring]
enabled = false
[sources.ice-287g-pending]
enabled = false
"""


def run(folder: Path, number: int, command: str, *words: str) -> tuple[float, float, str]:
    """Run a command with a database of its own: seconds on the clock and of computing, and its last line."""
    config = folder / f"config-{number}.toml"
    config.write_text(CONFIG.format(number=number))
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "monitor", command, "ice-287g", *words, "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds, after = time.perf_counter() - start, os.times()
    if done.returncode:
        sys.exit(f"monitor {command} failed: {done.stderr[-2000:]}")
    computing = (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )
    return seconds, computing, done.stdout.strip().splitlines()[-1]


def main(files: int = FILES, pairs: int = PAIRS) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        served = write_releases(folder, files)
        if not served:
            print("no workbooks here: nothing is measured")
            return
        manifest = folder / "manifest.csv"
        with manifest.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("time", "file", "captured_by"))
            writer.writerows((each.at.isoformat(), each.path.name, "A benchmark") for each in served)
        print(f"{files} files over 15 months, {os.cpu_count()} cores")
        print("| pair | import s | replay s | ratio | import computing s | replay computing s | ratio |")
        print("|---|---|---|---|---|---|---|")
        clocks, computed = [], []
        for pair in range(pairs):
            times: dict[str, tuple[float, float, str]] = {}
            for command in ("import", "replay")[:: 1 if pair % 2 else -1]:
                times[command] = run(folder, 2 * pair + (command == "replay"), command, str(manifest))
            (ours, worked, told), (theirs, theirs_worked, seen) = times["import"], times["replay"]
            clocks.append(ours / theirs)
            computed.append(worked / theirs_worked)
            print(
                f"| {pair + 1} | {ours:.1f} | {theirs:.1f} | {clocks[-1]:.2f} | {worked:.1f} | "
                f"{theirs_worked:.1f} | {computed[-1]:.2f} |",
                flush=True,
            )
        print(f"import: {told}\nreplay: {seen}")
        print(f"median: clock {median(clocks):.2f} (limit 1.00), computing {median(computed):.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
