"""Plays invented publishers through version 0.1.0, whose code is taken out of the repository's history.

``python -m tests.trust.first_release FIRST LAST`` prints the scores as JSON. It runs in the folder that
`unpack` fills, so that the program that it finds there is the old one.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path

from tests.trust.publishers import History
from tests.trust.scoring import Score, score

COMMIT = "e61398b"
ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def unpack() -> Iterator[Path | None]:
    """A folder with the package of 0.1.0; None where the history is not there (a copy without git)."""
    command = ["git", "-C", str(ROOT), "archive", COMMIT, "monitor"]
    packed = subprocess.run(command, capture_output=True, check=False)
    if packed.returncode:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="monitor-0.1.0-") as folder:
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def play_in(folder: Path, seeds: range) -> Score:
    """What 0.1.0 tells of these histories, scored; each share of the seeds in a process of its own."""
    workers = os.cpu_count() or 1
    shares = [seeds[at::workers] for at in range(workers)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.trust.first_release", *map(str, share)],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        )
        for share in shares
        if share
    ]  # fmt: skip
    total = Score()
    for process in running:
        said, _ = process.communicate()
        if process.returncode:
            raise RuntimeError("version 0.1.0 could not be played; its error stands above")
        read = json.loads(said)
        total.add(Score(Counter(read["false"]), Counter(read["told"]), Counter(read["missed"])))
    return total


def _play(seed: int) -> Score:
    """One history, by the replay of 0.1.0: its modules had other names."""
    fetch, poll, sources = (import_module(f"monitor.{name}") for name in ("fetch", "poll", "sources"))
    old = import_module("monitor.replay")
    history = History.of(seed)
    columns = (
        sources.Columns(
            name="LAW ENFORCEMENT AGENCY", state="STATE", county="COUNTY", since="SIGNED", url="MOA",
            attributes=("SUPPORT TYPE", "TYPE"),
        )
        if history.form == "csv"
        else sources.Columns(since="Active Date")
    )  # fmt: skip
    watch = poll.Watch(
        name="list", title="List", every=timedelta(hours=1),
        target=fetch.Target(url="https://list.example/list"),
        spec=sources.SourceSpec("list", "table" if history.form == "csv" else "mymaps", columns),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="monitor-publisher-") as folder:
        served = []
        for number, one in enumerate(history.published):
            path = Path(folder) / f"{number}.{history.form}"
            path.write_bytes(one.body)
            served.append(old.Served(one.at, path))
        events = [event for event in old.replay(served, watch) if isinstance(event, old.Event)]
    return score(history, events)


if __name__ == "__main__":
    total = Score()
    for text in sys.argv[1:]:
        total.add(_play(int(text)))
    json.dump({"false": total.false, "told": total.told, "missed": total.missed}, sys.stdout)
