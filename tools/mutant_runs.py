"""Runs pytest in copies of the tree, for `tools/mutants.py`: in forks of two prepared processes.

`tools.collected_tests` has collected the tests, and replaces the code of functions. This module, run as a
program, has imported only the libraries: it judges code that runs at import, and mutants that passed in the
other one. Each line of standard input is a JSON object: ``arguments`` of pytest, the file that takes its
``output``, and a ``limit`` in seconds. Each is answered by a line with pytest's exit status, or ``null`` at
the limit.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
START = 60.0
"""Seconds that pytest may take to import and collect, on a busy machine."""
FIRST = 20.0
"""Seconds that any collected test may take."""
SLOWER = 5.0
"""How many times longer than when they were traced the tests of a mutant may take."""
_LOOK = 0.02  # seconds between two checks of a run
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


def read_tree() -> list[str]:
    """The files of the checkout that are not ignored, relative to it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return sorted(name for name in set(listed.stdout.split("\0")) if name and (ROOT / name).is_file())


def copy_tree(target: Path, files: Sequence[str]) -> None:
    """Copy the checkout; ``../shared`` is linked beside it.

    Byte code of the program is checked by content, so that a mutant never meets stale code.
    """
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)
    shared = ROOT.parent / "shared"
    if shared.is_dir() and not (target.parent / "shared").exists():
        (target.parent / "shared").symlink_to(shared.resolve())
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "monitor"],
        cwd=target, check=True,
    )  # fmt: skip


def environment_of(tree: Path) -> dict[str, str]:
    """The environment of programs that run in a copy of the tree."""
    scratch = tree.parent / "tmp"
    scratch.mkdir(exist_ok=True)
    return {
        **os.environ,
        "PYTHONPATH": str(tree),
        "TMPDIR": str(scratch),
    }


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A temporary folder, in memory if possible; accessible to the user under which PostgreSQL runs."""
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="mutants-", dir=memory if memory.is_dir() else None))
    path.chmod(0o755)
    try:
        yield path
    finally:
        _stop_servers(path)
        shutil.rmtree(path, ignore_errors=True)


def _stop_servers(folder: Path) -> None:
    """Stop the PostgreSQL servers that a killed pytest has left in this folder."""
    for file in folder.rglob("postmaster.pid"):
        try:
            os.kill(int(file.read_text().split()[0]), signal.SIGQUIT)
        except (OSError, ValueError, IndexError):
            continue


class Server:
    """A process in a copy of the tree that answers each line of JSON by one, and runs tests in its forks."""

    def __init__(self, tree: Path, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], cwd=tree, env=environment_of(tree), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, request: Mapping[str, object]) -> Any:
        """Send one request and wait for its answer."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the server has no pipes")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class Runner:
    """A copy of the tree, and the two processes that run pytest there in forks."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self._collected = Server(tree, "tools.collected_tests")
        self._imported = Server(tree, "tools.mutant_runs")

    def close(self) -> None:
        """End the processes."""
        self._collected.close()
        self._imported.close()

    def judge(
        self, file: str, mutated: str, tests: Sequence[str], seconds: Mapping[str, float]
    ) -> str | None:
        """Run the tests with another source of one file.

        The first test that fails, or that there was no end; None: all pass. SystemExit if what noticed the
        change also fails without it. The copy is as before afterwards.
        """
        if not tests:
            return None
        noticed = self._run_collected(tests, seconds, file, mutated)
        if noticed is not None:
            again = self._run_collected([noticed] if noticed in tests else tests, seconds)
            if again is not None:
                raise SystemExit(f"without any change: {again}")
            return noticed
        limit = START + SLOWER * sum(seconds.get(test, 0.0) for test in tests)
        (self.tree / file).write_text(mutated, "utf-8")
        try:
            noticed = self._run(tests, limit)
        finally:
            shutil.copyfile(ROOT / file, self.tree / file)
        if noticed is not None:
            again = self._run([noticed] if noticed in tests else tests, 2 * limit)
            if again is not None:
                raise SystemExit(f"without any change: {again}")
        return noticed

    def _run_collected(
        self, tests: Sequence[str], seconds: Mapping[str, float], file: str = "", mutated: str = ""
    ) -> str | None:
        """The first test that fails or takes too long; None: all pass, or the change is none of functions."""
        limits = [(test, FIRST + SLOWER * seconds.get(test, 0.0)) for test in tests]
        return self._collected.ask({"tests": limits, "file": file, "source": mutated})  # type: ignore[no-any-return]

    def _run(self, tests: Sequence[str], limit: float) -> str | None:
        """The first test that fails, or that there was no end in ``limit`` seconds; None: all pass."""
        names = self.tree.parent / "tests.txt"  # a command line has a limit of its own
        names.write_text("\n".join(tests), "utf-8")
        output = self.tree.parent / "output.txt"
        # what the libraries have imported already has no assertions of tests
        quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        arguments = ["-q", "-x", "--tb=no", "-p", "no:cacheprovider", *quiet, f"@{names}"]
        request = {"arguments": arguments, "output": str(output), "limit": limit}
        status: int | None = self._imported.ask(request)
        text = output.read_text("utf-8", errors="replace")
        if status is None:
            return f"no end in {limit:.0f} s"
        if status == pytest.ExitCode.OK:
            return None
        if status == pytest.ExitCode.TESTS_FAILED and (failed := _FAILED.search(text)):
            return failed[1]
        if status in {pytest.ExitCode.INTERRUPTED, pytest.ExitCode.USAGE_ERROR} and "error" in text.lower():
            # the changed module cannot be imported; a whole file named test by test is a usage error then
            return "the tests cannot be collected"
        raise SystemExit(f"pytest ended with {status}, which says nothing:\n{text[-2000:]}")


def find_libraries(folder: Path) -> list[str]:
    """The third-party modules that the program imports at module level, sorted."""
    names: set[str] = set()
    for file in folder.rglob("*.py"):
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
    return sorted(name for name in names if name.partition(".")[0] != folder.name)


def wait_for(child: int, limit: float) -> int | None:
    """The exit status of a process that leads its group; None at the limit, when the group is killed."""
    until = time.monotonic() + limit
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(_LOOK)


def run_pytest(arguments: list[str], output: str) -> int:
    """Run pytest in this process, a fork, as the leader of a group; never returns to the server's loop."""
    os.setsid()
    target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, stream in ((nothing, 0), (target, 1), (target, 2)):
        os.dup2(descriptor, stream)
    status = int(pytest.main(arguments))
    sys.stdout.flush()
    return status


def serve() -> None:
    """Answer until standard input is closed."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for name in find_libraries(Path("monitor")):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 3  # as pytest's for an error of its own
            try:
                status = run_pytest(request["arguments"], request["output"])
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        print(json.dumps(wait_for(child, request["limit"])), file=answers, flush=True)


if __name__ == "__main__":
    serve()
