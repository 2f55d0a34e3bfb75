"""A pytest plugin that records which test runs which line; `tools/mutants.py` loads it with `-p
tools.line_map`.

Each pytest process traces the folders that `LINE_MAP_FOLDERS` names (joined by commas) and writes into the
folder `LINE_MAP_TARGET` one file of coverage data and one JSON object {id of a passed test: seconds}. The
context of a line is the id of the test that ran it; code that runs in processes started by a test is not
traced.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

_STEM = Path(os.environ["LINE_MAP_TARGET"]) / f"{os.getpid()}-{secrets.token_hex(4)}"
_tracer = coverage.Coverage(
    data_file=f"{_STEM}.lines",
    include=[f"{folder}/*" for folder in os.environ["LINE_MAP_FOLDERS"].split(",")],
    config_file=False,
)
# set only in the process that distributes tests
_tracer.set_option("run:disable_warnings", ["no-data-collected"])
_tracer.start()  # before collection imports the modules; threads that start later are traced too
_seconds: Counter[str] = Counter()
_failed: set[str] = set()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the PostgreSQL variants of tests that also run on SQLite: `tools/mutants.py` runs
    only those.
    """
    names = {item.nodeid for item in items}
    twins = [x for x in items if "postgres" in x.nodeid and x.nodeid.replace("postgres", "sqlite") in names]
    config.hook.pytest_deselected(items=twins)
    items[:] = [item for item in items if item not in twins]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Name the test as the context of every line that runs from its first fixture to its last."""
    _tracer.switch_context(item.nodeid)
    try:
        return (yield)
    finally:
        _tracer.switch_context("")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what a test's phases took, and note whether one of them failed or was skipped."""
    _seconds[report.nodeid] += report.duration  # type: ignore[assignment]
    if report.outcome != "passed":
        _failed.add(report.nodeid)


def pytest_unconfigure() -> None:
    """Write the data of this process."""
    _tracer.stop()
    _tracer.save()
    passed = {test: seconds for test, seconds in _seconds.items() if test not in _failed}
    _STEM.with_suffix(".json").write_text(json.dumps(passed), "utf-8")
