"""Memory of `monitor run` on the demo's data: ``python -m benchmarks.memory [RUN'S OPTIONS]``, by default
``--one-process``.

Prints the proportional share (PSS) of each process in MiB when the service has started and after 14 kinds of
pages were read. The lists' servers are gone, so that no parser is at work. Packages of development take some
memory too: only in an environment of `requirements/run.txt` do the figures count.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

PAGES = (
    "/", "/zip/46320", "/state/TX", "/county/48113", "/town/TX-Dallas", "/find?q=Dallas", "/changes",
    "/changes/2", "/map", "/map/TX", "/map/TX.svg", "/feed.atom", "/list/ice-287g", "/numbers",
)  # fmt: skip
GOAL = 150  # MiB, of `--one-process` with an idle parser
START, REST = 30, 3  # seconds to wait at most for the site, and for what is freed to be returned


def read_memory(pid: int) -> float:
    """The proportional share of a process in MiB."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


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


def reserve_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


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
        )
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=20, follow_redirects=True
            ) as visitor:
                wait_for(visitor)
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


def wait_for(visitor: httpx.Client) -> None:
    """Wait until the site answers."""
    until = time.monotonic() + START
    while time.monotonic() < until:
        try:
            visitor.get("/healthz")
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    sys.exit(f"the site did not answer within {START} s")


if __name__ == "__main__":
    main()
