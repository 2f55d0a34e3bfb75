"""Which tests run which line of the mutated folders, for `tools/mutants.py`."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from pathlib import Path

import coverage

from tools.mutant_runs import ROOT, copy_tree, environment_of, temporary_folder

ROOMS = ("core", "outbox", "subscribers")
FOLDERS = tuple(f"monitor/{room}" for room in ROOMS)
TESTS = tuple(f"tests/{room}/" for room in ROOMS)
"""The tests that are tried: a fact about a room is stated in its own tests."""
KEPT = ROOT / ".mutants" / "lines.json"
MOST = 60.0
"""Seconds that the tests of one mutant may have taken together when they were traced, the fastest first."""

Lines = dict[str, dict[str, list[str]]]
"""The tests that run a line, by file and number."""


def trace(tree: Path, tests: Sequence[str]) -> tuple[Lines, dict[str, float]]:
    """Run these test files under the tracer, see `read_traces`."""
    target = tree.parent / "traced"
    target.mkdir()
    environment = environment_of(tree) | {
        "LINE_MAP_TARGET": str(target),
        "LINE_MAP_FOLDERS": ",".join(str(tree / folder) for folder in FOLDERS),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "tools.line_map"]
    subprocess.run([*command, "-p", "no:cacheprovider", *tests], cwd=tree, env=environment, check=False)
    return read_traces(target, tree)


def read_traces(folder: Path, tree: Path) -> tuple[Lines, dict[str, float]]:
    """Join what the processes of one run wrote: {file: {line: tests}} and {passed test: seconds}."""
    seconds: dict[str, float] = {}
    for file in folder.glob("*.json"):
        seconds |= json.loads(file.read_text("utf-8"))
    if not seconds:
        raise SystemExit("no test passed under the tracer")
    lines: Lines = {}
    for path in folder.glob("*.lines"):
        data = coverage.CoverageData(str(path))
        data.read()
        for measured in data.measured_files():
            known = lines.setdefault(str(Path(measured).relative_to(tree)), {})
            for line, tests in data.contexts_by_lineno(measured).items():
                passed = [test for test in tests if test in seconds]
                known[str(line)] = sorted({*known.get(str(line), ()), *passed})
    return lines, seconds


class LineMap:
    """Which tests run a line, and how long each took when it was traced."""

    def __init__(self, lines: Lines, seconds: dict[str, float]) -> None:
        self.lines, self.seconds = lines, seconds

    def tests_of(self, file: str, line: int, source: str) -> list[str]:
        """The tests that run the statement at a line of a file, fastest first, up to `MOST` seconds.

        Of a test that runs on both databases only the one on SQLite counts.

        What runs at import belongs to the functions it is for: a constant to the lines and tests that name
        it, a default to its function; anything else to the whole module.
        """
        tests = self._in(file, _statement(source, line)) or self._of_import(file, line, source)
        tests -= {
            test for test in tests if "postgres" in test and test.replace("postgres", "sqlite") in tests
        }
        fastest = sorted(tests, key=lambda test: (self.seconds[test], test))
        together = accumulate(self.seconds[test] for test in fastest)
        return [test for test, seconds in zip(fastest, together, strict=True) if seconds <= MOST]

    def _in(self, file: str, lines: range) -> set[str]:
        known = self.lines.get(file, {})
        return {test for line in lines for test in known.get(str(line), ())}

    def _of_import(self, file: str, line: int, source: str) -> set[str]:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if node.lineno <= line < node.body[0].lineno:
                    return self._in(file, _lines_of(node))
            elif isinstance(node, ast.Assign | ast.AnnAssign) and line in _lines_of(node):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if tests := self._naming([target.id for target in targets if isinstance(target, ast.Name)]):
                    return tests
        return self._in(file, range(1, source.count("\n") + 2))

    def _naming(self, names: Sequence[str]) -> set[str]:
        if not names:
            return set()
        word = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")
        tests: set[str] = set()
        for file in self.lines:
            source = (ROOT / file).read_text("utf-8")
            for number, text in enumerate(source.splitlines(), start=1):
                if word.search(text):
                    tests |= self._in(file, _statement(source, number))
        return tests | self._that_name(word)

    def _that_name(self, word: re.Pattern[str]) -> set[str]:
        """The tests that name a constant themselves; they need not run any line of its module."""
        functions: set[str] = set()
        for path in (each for room in TESTS for each in (ROOT / room).glob("test_*.py")):
            source = path.read_text("utf-8")
            lines = source.splitlines()
            for node in ast.parse(source).body if word.search(source) else ():
                if isinstance(node, ast.FunctionDef):
                    first = min((each.lineno for each in node.decorator_list), default=node.lineno)
                    if word.search("\n".join(lines[first - 1 : node.end_lineno])):
                        functions.add(f"{path.relative_to(ROOT)}::{node.name}")
        return {test for test in self.seconds if test.partition("[")[0] in functions}


def _lines_of(node: ast.stmt | ast.ExceptHandler) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _statement(source: str, line: int) -> range:
    """The lines of the innermost statement at a line; of a compound statement only its head."""
    best: range | None = None
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.stmt | ast.ExceptHandler):
            continue
        lines = _lines_of(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            lines = range(lines.start, max(lines.start + 1, min(lines.stop, body[0].lineno)))
        if line in lines and (best is None or len(lines) < len(best)):
            best = lines
    return best or range(line, line + 1)


def load_map(files: Sequence[str]) -> LineMap:
    """The map of the tests of `ROOMS`, stored in `KEPT` after each room.

    Test files that have changed are traced again; all of a room if one of its helpers changed, and all if
    another helper did. In a module that changed, lines that stayed keep their tests, and new ones have the
    tests of the lines around them.
    """
    hashes = {
        name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
        for name in files
        if name.endswith(".py") and name.startswith("tests/")
    }
    stored = json.loads(KEPT.read_text("utf-8")) if KEPT.is_file() else {}
    old: dict[str, str] = stored.get("hashes", {})
    lines: Lines = stored.get("lines", {})
    seconds: dict[str, float] = stored.get("seconds", {})
    sources = {
        name: (ROOT / name).read_text("utf-8")
        for name in files
        if name.endswith(".py") and name.startswith(tuple(f"{folder}/" for folder in FOLDERS))
    }
    for name, before in stored.get("sources", {}).items():
        lines[name] = move_lines(lines.get(name, {}), before, sources.get(name, ""))
    missing = find_missing(hashes, old)
    helpers = {name: made for name, made in hashes.items() if not _is_test(name)}
    old = {name: made for name, made in old.items() if name in hashes and name not in missing} | helpers
    for room in TESTS:
        chosen = [name for name in missing if name.startswith(room)]
        if not chosen:
            continue
        print(f"tracing {len(chosen)} test files of {room}", flush=True)
        for known in lines.values():
            for number, names in known.items():
                known[number] = [test for test in names if test.partition("::")[0] not in chosen]
        seconds = {test: taken for test, taken in seconds.items() if test.partition("::")[0] not in chosen}
        with temporary_folder() as folder:
            copy_tree(folder / "main", files)
            made_lines, made_seconds = trace(folder / "main", chosen)
        for file, made in made_lines.items():
            known = lines.setdefault(file, {})
            for number, names in made.items():
                known[number] = sorted({*known.get(number, ()), *names})
        seconds |= made_seconds
        old |= {name: hashes[name] for name in chosen}
        KEPT.parent.mkdir(exist_ok=True)
        kept = {"hashes": old, "sources": sources, "lines": lines, "seconds": seconds}
        KEPT.write_text(json.dumps(kept), "utf-8")
    return LineMap(lines, seconds)


def find_missing(hashes: Mapping[str, str], old: Mapping[str, str]) -> list[str]:
    """The test files of `ROOMS` that must be traced, from the hashes of all files below ``tests`` now and
    when the map was stored.
    """
    changed = {name for name in hashes.keys() | old.keys() if hashes.get(name) != old.get(name)}
    helpers = {name for name in changed if not _is_test(name)}
    if any(not name.startswith(TESTS) for name in helpers):
        helpers |= set(TESTS)
    rooms = tuple(room for room in TESTS if any(name.startswith(room) for name in helpers))
    near = [name for name in hashes if name.startswith(TESTS) and _is_test(name)]
    return sorted(name for name in near if name in changed or (rooms and name.startswith(rooms)))


def move_lines(known: Mapping[str, list[str]], before: str, now: str) -> dict[str, list[str]]:
    """The tests of each line of a module's new source, from those of its old one."""
    moved: dict[str, list[str]] = {}
    match = SequenceMatcher(None, before.splitlines(), now.splitlines(), autojunk=False)
    for kind, old_start, old_end, new_start, new_end in match.get_opcodes():
        around = sorted({test for line in range(old_start, old_end + 2) for test in known.get(str(line), ())})
        for offset in range(new_end - new_start):
            tests = known.get(str(old_start + offset + 1), []) if kind == "equal" else around
            if tests:
                moved[str(new_start + offset + 1)] = tests
    return moved


def _is_test(name: str) -> bool:
    return Path(name).name.startswith("test_")
