"""How long the program takes to start: ``monitor --help`` against a bare Python, and the gazetteer's first
use.
"""

from __future__ import annotations

import subprocess
import sys
import time

RUNS = 15


def best(*arguments: str) -> float:
    """The shortest of several runs of a Python process, in seconds."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    bare = best("-c", "pass")
    click = best("-c", "import click")
    shown = best("-m", "monitor", "--help")
    print("| what | s | x bare Python |")
    print("|---|---|---|")
    for what, seconds in (
        ("python -c pass", bare),
        ("import click", click),
        ("monitor --help (goal: under 0.3 s)", shown),
    ):
        print(f"| {what} | {seconds:.3f} | {seconds / bare:.1f} |")
    from monitor.places import load

    began = time.perf_counter()
    load()
    print(f"| gazetteer, first use (goal: under 0.15 s) | {time.perf_counter() - began:.3f} | |")


if __name__ == "__main__":
    main()
