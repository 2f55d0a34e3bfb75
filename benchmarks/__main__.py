"""Run benchmarks by name, or all of them: ``python -m benchmarks [NAME...]``.

Each prints both sides of its ratios, measured in one run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> None:
    known = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    names = sys.argv[1:] or known
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"there is no benchmark {', '.join(unknown)}; known: {', '.join(known)}")
    for name in names:
        print(f"\n== {name}", flush=True)
        # a process of its own: memory left by one must not affect the next, and some start processes
        # themselves
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            sys.exit(f"the benchmark {name} failed")


if __name__ == "__main__":
    main()
