"""Plays invented publishers through the program's own replay.

``python -m tests.trust.run FIRST LAST`` prints the score of the seeds from FIRST up to LAST.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from monitor.fetch import Target
from monitor.history.replay import Event, Served, replay
from monitor.polling import PolledSource
from monitor.sources import ColumnMap, ParseOptions
from tests.trust.publishers import History
from tests.trust.scoring import Score, score

_TABLE = ColumnMap(
    name="LAW ENFORCEMENT AGENCY", state="STATE", county="COUNTY", since="SIGNED", url="MOA",
    attributes=("SUPPORT TYPE", "TYPE"),
)  # fmt: skip


def watch_of(history: History) -> PolledSource:
    """The invented list as a configured source, polled every hour."""
    options = (
        ParseOptions(name="list", format="table", columns=_TABLE)
        if history.form == "csv"
        else ParseOptions(name="list", format="mymaps", columns=ColumnMap(since="Active Date"))
    )
    return PolledSource(
        name="list", every=timedelta(hours=1), target=Target(url="https://list.example/list"), options=options
    )


def play(history: History) -> Score:
    """What the program tells of a history, scored."""
    with tempfile.TemporaryDirectory(prefix="monitor-publisher-") as folder:
        served = []
        for number, one in enumerate(history.published):
            path = Path(folder) / f"{number}.{history.form}"
            path.write_bytes(one.body)
            served.append(Served(one.at, path))
        events = [x for x in replay(served, watch_of(history)) if isinstance(x, Event)]
    return score(history, events)


def play_all(seeds: range) -> Score:
    """The scores of many histories as one."""
    total = Score()
    for seed in seeds:
        total.add(play(History.of(seed)))
    return total


def describe(total: Score) -> str:
    """The score in lines of text."""
    lines = [f"{count:6,}  {kind}" for kind, count in total.false.most_common()]
    lines.append(f"{total.false.total():6,}  false events in all")
    told, missed = total.told, total.missed
    lines.append(f"told {told.total():,} of {(told + missed).total():,} ({total.share_told:.2%})")
    lines += [
        f"{kind}: told {told[kind]:,}, missed {missed[kind]:,}, median wait {total.median(kind):g} polls"
        for kind in sorted(told | missed)
    ]
    lines.append(f"longest wait {total.longest}")
    return "\n".join(lines)


def compare(earlier: Score, total: Score) -> str:
    """False events by kind of accident: of version 0.1.0, and of ours."""
    lines = [f"{'kind of accident':<32}{'0.1.0':>8}{'now':>8}"]
    for kind, _ in (earlier.false | total.false).most_common():
        lines.append(f"{kind:<32}{earlier.false[kind]:>8,}{total.false[kind]:>8,}")
    lines.append(f"{'all':<32}{earlier.false.total():>8,}{total.false.total():>8,}")
    return "\n".join(lines)


if __name__ == "__main__":
    first, last = (int(text) for text in [*sys.argv[1:], "0", "12"][:2])
    result = play_all(range(first, last))
    sys.stdout.write("\n".join([*result.examples, describe(result), ""]))
