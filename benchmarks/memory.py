"""Memory of `monitor run` on the demo's data: ``python -m benchmarks.memory [RUN'S OPTIONS]``, by default
``--one-process``.

Prints the proportional share (PSS) of each process in MiB when the service has started and after 14 kinds of
pages were read. The lists' servers are gone, so that no parser is at work. Packages of development take some
memory too: only in an environment of `requirements/run.txt` do the figures count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.peers.processes import answers, read_memory, reserve_port, until

PAGES = (
    "/", "/zip/46320", "/state/TX", "/county/48113", "/town/TX-Dallas", "/find?q=Dallas", "/changes",
    "/changes/2", "/map", "/map/TX", "/map/TX.svg", "/feed.atom", "/list/ice-287g", "/numbers",
)  # fmt: skip
GOAL = 150  # MiB, of `--one-process` with an idle parser
REST = 25  # seconds: with each heartbeat, what is freed is returned


def find_processes(root: int) -> list[int]:
    """A process and all below it."""
    below = Path(f"/proc/{root}/task/{root}/children").read_text().split()
    return [root, *(each for child in below for each in find_processes(int(child)))]


def print_memory(when: str, root: int) -> None:
    """Print the memory of every process, and their sum."""
    shares = []
    for pid in find_processes(root):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        shares.append((" ".join(word for word in words[1:6] if not word.startswith("/")), read_memory(pid)))
    print(f"{when:<30}{sum(share for _, share in shares):8.1f} MiB   ", end="")
    print("; ".join(f"{name or 'process'} {share:.1f}" for name, share in shares), flush=True)


def main() -> None:
    options = sys.argv[1:] or ["--one-process"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "monitor", "demo", "--once", "--folder", f"{folder}/demo"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        port = reserve_port()
        service = subprocess.Popen(
            [sys.executable, "-m", "monitor", "run", *options, "--config", f"{folder}/demo/config.toml"],
            env={**os.environ, "MONITOR_SITE__LISTEN": f"127.0.0.1:{port}"},
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=20, follow_redirects=True
            ) as visitor:
                until(lambda: answers(port), service, what="the site")
                print(f"monitor run {' '.join(options)}, sum of PSS (goal with --one-process: {GOAL} MiB)")
                time.sleep(REST)
                print_memory("started", service.pid)
                for page in PAGES:
                    visitor.get(page).raise_for_status()
                time.sleep(REST)
                print_memory(f"after {len(PAGES)} kinds of pages", service.pid)
        finally:
            service.terminate()
            service.wait(60)


if __name__ == "__main__":
    main()
