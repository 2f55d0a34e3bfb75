"""A pytest that has collected the tests and runs some of them in forks, for `tools/mutants.py`.

Run as a program in a copy of the tree. Each line of standard input is a JSON object: ``tests`` with the
seconds that each may take, and a ``file`` of the program with its changed ``source``, or neither. A fork
replaces the code of the functions that differ and runs the tests. Each line is answered by the id of the
first test that failed or took too long, or by ``null``: all passed, or more differs than code of functions.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import signal
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from tools.mutant_tests import FOLDERS, TESTS

_FUNCTION = 0x1 | 0x2  # CO_OPTIMIZED and CO_NEWLOCALS: neither a module nor the body of a class
SHARED = ("sqlite_template", "postgres_template")
"""Fixtures of the session that forks inherit."""


def find_changed_code(before: CodeType, after: CodeType) -> list[tuple[CodeType, CodeType]] | None:
    """Pair the code of the functions that differ, nested ones too; None if anything else does."""
    old = [code for code in before.co_consts if isinstance(code, CodeType)]
    new = [code for code in after.co_consts if isinstance(code, CodeType)]
    own = before.co_code, repr(_constants(before))
    if before.co_flags & _FUNCTION != _FUNCTION and own != (after.co_code, repr(_constants(after))):
        return None
    if len(old) != len(new):
        return None
    pairs: list[tuple[CodeType, CodeType]] = []
    for one, other in zip(old, new, strict=True):
        if one == other:
            continue
        inner = find_changed_code(one, other)
        if inner is None:
            return None
        if one.co_flags & _FUNCTION == _FUNCTION:
            pairs.append((one, other))
        pairs += inner
    return pairs


def _constants(code: CodeType) -> list[object]:
    return [x for x in code.co_consts if not isinstance(x, CodeType)]


class Forks:
    """Answers requests in place of pytest's own loop over the tests."""

    def __init__(self, requests: Iterator[str], answers: Any) -> None:
        self._requests, self._answers = requests, answers
        self._functions: dict[str, list[FunctionType]] = defaultdict(list)
        self._caches: list[Any] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Answer until standard input is closed."""
        items = {item.nodeid: item for item in session.items}
        self._set_up_shared(session)
        self._index_functions()
        for line in self._requests:
            request = json.loads(line)
            answer = self._fork(session, items, request)
            print(json.dumps(answer), file=self._answers, flush=True)
        return True

    def _set_up_shared(self, session: pytest.Session) -> None:
        """Run one test for each shared fixture, so that the fixture is there in every fork."""
        for fixture in SHARED:
            using = [item for item in session.items if fixture in getattr(item, "fixturenames", ())]
            if using:
                item = min(using, key=lambda item: (len(item.fixturenames), item.nodeid))  # type: ignore[attr-defined]
                other = next(each for each in session.items if each.fspath != item.fspath)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=other)
        session.testsfailed = 0

    def _index_functions(self) -> None:
        gc.unfreeze()
        folders = tuple(str(Path.cwd() / folder) for folder in FOLDERS)
        for each in gc.get_objects():
            if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(folders):
                self._functions[each.__code__.co_filename].append(each)
            elif isinstance(each, functools._lru_cache_wrapper) and each.__module__.startswith("monitor."):
                self._caches.append(each)
        gc.collect()
        gc.freeze()

    def _fork(
        self, session: pytest.Session, items: Mapping[str, pytest.Item], request: Mapping[str, Any]
    ) -> str | None:
        with tempfile.TemporaryFile() as said:
            child = os.fork()
            if child == 0:
                try:
                    os.setsid()
                    if not request["file"] or self._replace(request["file"], request["source"]):
                        run_tests(session, items, request["tests"], said.fileno())
                except BaseException as error:
                    os.write(said.fileno(), f"failed {error!r}\n".encode())
                finally:
                    os._exit(0)
            _, status = os.waitpid(child, 0)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            said.seek(0)
            lines = [line.partition(" ") for line in said.read().decode().splitlines()]
        failed = [name for word, _, name in lines if word == "failed"]
        if os.waitstatus_to_exitcode(status) != 0:  # took too long, or ended the process
            failed += [name for word, _, name in lines[-1:]] or ["the tests"]
        return failed[0] if failed else None

    def _replace(self, file: str, source: str) -> bool:
        """Give the functions of a file their changed code; False if that is not the whole change."""
        path = Path.cwd() / file
        before = compile(path.read_text("utf-8"), str(path), "exec", dont_inherit=True)
        pairs = find_changed_code(before, compile(source, str(path), "exec", dont_inherit=True))
        replaced = False
        for old, new in pairs or ():
            for function in self._functions[str(path)]:
                if function.__code__ == old:
                    function.__code__ = new
                    replaced = True
        for cache in self._caches:
            cache.cache_clear()
        return replaced


def run_tests(
    session: pytest.Session,
    items: Mapping[str, pytest.Item],
    tests: Sequence[tuple[str, float]],
    said: int,
) -> None:
    """Run these tests until one fails, and write to the file ``said`` which was begun and which failed; one
    that takes longer than its seconds ends the process.
    """
    chosen = [(items[name], limit) for name, limit in tests if name in items]
    for number, (item, limit) in enumerate(chosen):
        os.write(said, f"begun {item.nodeid}\n".encode())
        signal.setitimer(signal.ITIMER_REAL, limit)
        following = chosen[number + 1][0] if number + 1 < len(chosen) else chosen[0][0]
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            os.write(said, f"failed {item.nodeid}\n".encode())
            return


def serve() -> int:
    """Collect the tests and answer until standard input is closed; returns pytest's exit status."""
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    arguments = ["-q", "--tb=no", "-p", "no:cacheprovider", *quiet, *TESTS]
    with (
        os.fdopen(os.dup(0), encoding="utf-8") as requests,
        os.fdopen(os.dup(1), "w", encoding="utf-8") as answers,
        tempfile.TemporaryFile() as output,
    ):
        os.dup2(output.fileno(), 1)  # what pytest prints is no answer
        return int(pytest.main(arguments, plugins=[Forks(iter(requests.readline, ""), answers)]))


if __name__ == "__main__":
    sys.exit(serve())
