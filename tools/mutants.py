"""Change one token at a time and see whether the tests that run its line notice: `make mutants`.

Works in copies of the tree, never in the checkout, with at most two processes. Which test runs which line
is traced once and kept in `.mutants/`; later runs trace only test files that have changed, unless a traced
module did. The sample is drawn with a seed made of the mutated files' contents: the same tree gives the
same mutants. Changes that no test can notice are listed with the reason in `tools/mutants_equivalent.toml`.
Exit status 1: more than 10 of 100 survived.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tokenize
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import coverage

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("monitor/core", "monitor/outbox", "monitor/subscribers")
KEPT = ROOT / ".mutants" / "lines.json"
EQUIVALENT = ROOT / "tools" / "mutants_equivalent.toml"
ALLOWED = 0.10
"""The share of mutants that may survive."""
PROCESSES = 2
FIRST = 60
"""So many of the fastest tests run first, without PostgreSQL; the rest only if they all pass."""
START = 60.0
"""Seconds that a pytest process may take to start, on a busy machine."""
SLOWER = 5.0
"""How many times longer than when they were traced the tests of a mutant may take."""

SWAPS = {
    "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    "+": "-", "-": "+", "*": "/", "/": "*", "//": "*", "%": "*", "|": "&", "&": "|",
    "+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=",
    "and": "or", "or": "and", "in": "not in", "not in": "in", "is": "is not", "is not": "is",
    "min": "max", "max": "min", "any": "all", "all": "any",
    "True": "False", "False": "True", "break": "continue", "continue": "break", "not": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One token replaced by another; ``start`` and ``end`` are offsets of characters in the file.

    ``column`` counts from 1, as editors do.
    """

    file: str
    line: int
    column: int
    start: int
    end: int
    old: str
    new: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: `{self.old}` -> `{self.new}` in: {self.text}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said: ``by`` is the test that noticed, or the time limit; None: it survived."""

    mutant: Mutant
    by: str | None
    tests: int
    seconds: float


# --- mutants of a file


class _Finder(ast.NodeVisitor):
    """Collects the mutants of one module; annotations, decorators and docstrings are left alone."""

    def __init__(self, file: str, source: str) -> None:
        self.file, self.source, self.found = file, source, list[Mutant]()
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        skipped = {tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT}
        self._tokens = [
            (self._starts[t.start[0] - 1] + t.start[1], self._starts[t.end[0] - 1] + t.end[1], t.string)
            for t in tokenize.generate_tokens(io.StringIO(source).readline)
            if t.type not in skipped and t.string not in {"(", ")"}
        ]
        self.visit(ast.parse(source))

    def _offset(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._offset(node.lineno, node.col_offset)

    def _end(self, node: ast.expr | ast.stmt) -> int:
        return self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def _add(self, start: int, end: int, new: str | None = None) -> None:
        old = " ".join(self.source[start:end].split())
        new = SWAPS.get(old) if new is None else new
        if new is None:
            return
        line = self.source.count("\n", 0, start) + 1
        column = start - self._starts[line - 1] + 1
        self.found.append(
            Mutant(self.file, line, column, start, end, old, new, self._lines[line - 1].strip())
        )

    def _between(self, left: ast.expr, right: ast.expr) -> None:
        low, high = self._end(left), self._start(right)
        inside = [token for token in self._tokens if token[0] >= low and token[1] <= high]
        if inside:
            self._add(inside[0][0], inside[-1][1])

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, right in zip([node.left, *node.comparators], node.comparators, strict=False):
            self._between(left, right)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between(left, right)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._between(node.left, node.right)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._between(node.target, node.value)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._add(self._start(node), self._start(node) + len("not"))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._add(self._start(node), self._end(node))
        elif isinstance(node.value, int):
            self._add(self._start(node), self._end(node), str(node.value + 1))

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in {"min", "max", "any", "all"}:
            self._add(self._start(node.func), self._end(node.func))
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Offsets inside an f-string are unreliable before Python 3.12."""

    def visit_Break(self, node: ast.Break) -> None:
        self._add(self._start(node), self._end(node))

    def visit_Continue(self, node: ast.Continue) -> None:
        self._add(self._start(node), self._end(node))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef


def find_mutants(file: str, source: str) -> list[Mutant]:
    """Every change of one token in a module that still compiles."""
    return [m for m in _Finder(file, source).found if _compiles(mutate(source, m))]


def mutate(source: str, mutant: Mutant) -> str:
    """The module's source with the change made."""
    return source[: mutant.start] + mutant.new + source[mutant.end :]


def _compiles(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def without_equivalents(mutants: Sequence[Mutant], listed: Sequence[Mapping[str, str]]) -> list[Mutant]:
    """The mutants that a test can notice.

    Raises SystemExit for an entry without a reason or without a mutant.
    """
    left = list(mutants)
    for entry in listed:
        key = (entry["file"], entry["text"], entry["change"])
        fits = [m for m in left if (m.file, m.text, f"{m.old} -> {m.new}") == key]
        if not fits or not entry["reason"].strip():
            raise SystemExit(f"{EQUIVALENT.name}: no such mutant, or no reason: {key}")
        left = [m for m in left if m not in fits]
    return left


# --- which tests run which line


def read_tree() -> list[str]:
    """The files of the checkout that are not ignored, relative to it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return sorted(name for name in set(listed.stdout.split("\0")) if name and (ROOT / name).is_file())


def copy_tree(target: Path, files: Sequence[str]) -> None:
    """Copy the checkout; ``../shared`` is linked beside it.

    Byte code is checked by content, so that a mutant never meets stale code.
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


def _environment(tree: Path) -> dict[str, str]:
    scratch = tree.parent / "tmp"
    scratch.mkdir(exist_ok=True)
    return {
        **os.environ,
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(scratch),
    }


def trace(tree: Path, tests: Sequence[str]) -> dict[str, object]:
    """Run these test files (none: all) under the tracer, see `read_traces`."""
    target = tree.parent / "traced"
    target.mkdir()
    environment = _environment(tree) | {
        "LINE_MAP_TARGET": str(target),
        "LINE_MAP_FOLDERS": ",".join(str(tree / folder) for folder in FOLDERS),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(PROCESSES), "-p", "tools.line_map"]
    subprocess.run([*command, "-p", "no:cacheprovider", *tests], cwd=tree, env=environment, check=False)
    return read_traces(target, tree)


def read_traces(folder: Path, tree: Path) -> dict[str, object]:
    """Join what the processes of one run wrote: {file: {line: tests}} and {passed test: seconds}."""
    seconds: dict[str, float] = {}
    for file in folder.glob("*.json"):
        seconds |= json.loads(file.read_text("utf-8"))
    if not seconds:
        raise SystemExit("no test passed under the tracer")
    lines: dict[str, dict[str, list[str]]] = {}
    for path in folder.glob("*.lines"):
        data = coverage.CoverageData(str(path))
        data.read()
        for measured in data.measured_files():
            known = lines.setdefault(str(Path(measured).relative_to(tree)), {})
            for line, tests in data.contexts_by_lineno(measured).items():
                passed = [test for test in tests if test in seconds]
                known[str(line)] = sorted({*known.get(str(line), ()), *passed})
    return {"lines": lines, "seconds": seconds}


class LineMap:
    """Which tests run a line, and how long each took when it was traced."""

    def __init__(self, lines: dict[str, dict[str, list[str]]], seconds: dict[str, float]) -> None:
        self.lines, self.seconds = lines, seconds

    def tests_of(self, mutant: Mutant, source: str) -> list[str]:
        """The tests that run the mutant's statement, fastest first.

        What runs at import belongs to the functions it is for: a constant to the lines that name it, a
        default to its function; anything else to the whole module.
        """
        span = _statement(source, mutant.line)
        tests = self._in(mutant.file, span)
        if not tests:
            tests = self._of_import(mutant, source)
        return sorted(tests, key=lambda test: ("postgres" in test, self.seconds.get(test, 0.0), test))

    def _in(self, file: str, lines: range) -> set[str]:
        known = self.lines.get(file, {})
        return {test for line in lines for test in known.get(str(line), ())}

    def _of_import(self, mutant: Mutant, source: str) -> set[str]:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if node.lineno <= mutant.line < node.body[0].lineno:
                    return self._in(mutant.file, _lines_of(node))
            elif isinstance(node, ast.Assign | ast.AnnAssign) and mutant.line in _lines_of(node):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if tests := self._naming([target.id for target in targets if isinstance(target, ast.Name)]):
                    return tests
        return self._in(mutant.file, range(1, source.count("\n") + 2))

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
        return tests


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


def load_map(files: Sequence[str], *, fresh: bool) -> LineMap:
    """The stored map, renewed for changed test files; made again if a mutated module or fixture changed."""
    hashes = {
        name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
        for name in files
        if name.endswith(".py") and name.startswith((*(f"{folder}/" for folder in FOLDERS), "tests/"))
    }
    stored = json.loads(KEPT.read_text("utf-8")) if KEPT.is_file() and not fresh else None
    old = stored["hashes"] if stored else {}
    changed = {name for name in hashes.keys() | old.keys() if hashes.get(name) != old.get(name)}
    of_tests = {name for name in changed if Path(name).name.startswith("test_")}
    if stored and not changed:
        return LineMap(stored["lines"], stored["seconds"])
    partly = bool(stored) and changed == of_tests
    tests = sorted(name for name in of_tests if name in hashes) if partly else []
    print(f"tracing {f'{len(of_tests)} changed test files' if partly else 'the whole suite'}", flush=True)
    made: dict[str, object] = {"lines": {}, "seconds": {}}
    if tests or not partly:
        with _folder() as folder:
            copy_tree(folder / "main", files)
            made = trace(folder / "main", tests)
    lines: dict[str, dict[str, list[str]]] = made["lines"]  # type: ignore[assignment]
    seconds: dict[str, float] = made["seconds"]  # type: ignore[assignment]
    if stored and partly:
        for file, known in stored["lines"].items():
            for line, names in known.items():
                kept = [test for test in names if test.partition("::")[0] not in of_tests]
                new = lines.setdefault(file, {}).get(line, [])
                lines[file][line] = sorted({*kept, *new})
        seconds = {
            t: s for t, s in stored["seconds"].items() if t.partition("::")[0] not in of_tests
        } | seconds
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps({"hashes": hashes, "lines": lines, "seconds": seconds}), "utf-8")
    return LineMap(lines, seconds)


class _folder:
    """A temporary folder, in memory where there is some; open to the user under whom PostgreSQL runs."""

    def __enter__(self) -> Path:
        memory = Path("/dev/shm")
        self.path = Path(tempfile.mkdtemp(prefix="mutants-", dir=memory if memory.is_dir() else None))
        self.path.chmod(0o755)
        return self.path

    def __exit__(self, *_: object) -> None:
        _stop_servers(self.path)
        shutil.rmtree(self.path, ignore_errors=True)


def _stop_servers(folder: Path) -> None:
    """Stop the PostgreSQL servers that a killed pytest has left in this folder."""
    for file in folder.rglob("postmaster.pid"):
        try:
            os.kill(int(file.read_text().split()[0]), signal.SIGQUIT)
        except (OSError, ValueError, IndexError):
            continue


# --- the runs


def judge(mutant: Mutant, tree: Path, tests: Sequence[str], seconds: Mapping[str, float]) -> Verdict:
    """Run a mutant's tests in a copy of the tree, which is as before afterwards."""
    began = time.monotonic()
    path = tree / mutant.file
    source = (ROOT / mutant.file).read_text("utf-8")
    by: str | None = None
    path.write_text(mutate(source, mutant), "utf-8")
    try:
        plain = [test for test in tests if "postgres" not in test]
        rounds = [plain[:FIRST], plain[FIRST:] + [test for test in tests if "postgres" in test]]
        for chosen in filter(None, rounds):
            by = _noticed(tree, chosen, START + SLOWER * sum(seconds.get(test, 0.0) for test in chosen))
            if by is not None:
                break
    finally:
        path.write_text(source, "utf-8")
    return Verdict(mutant, by, len(tests), time.monotonic() - began)


def _noticed(tree: Path, tests: Sequence[str], limit: float) -> str | None:
    """The first test that fails, or the time limit; None: all pass."""
    names = tree.parent / "tests.txt"  # a command line has a limit of its own
    names.write_text("\n".join(tests), "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=no", "-p", "no:cacheprovider", f"@{names}"]
    with (tree.parent / "output.txt").open("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            cwd=tree,
            env=_environment(tree),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            _stop_servers(tree.parent)
            return f"the time limit of {limit:.0f} s"
        output.seek(0)
        text = output.read()
    if status == 0:
        return None
    if status in {4, 5} and "not found" in text:
        raise SystemExit(f"the map does not fit the tests, run with --fresh:\n{text[-2000:]}")
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    return failed[1] if failed else f"pytest's exit status {status}"


def run(sample: Sequence[Mutant], lines: LineMap, files: Sequence[str]) -> Iterator[Verdict]:
    """Judge the mutants, each in a free copy of the tree, as they are done."""
    sources = {file: (ROOT / file).read_text("utf-8") for file in {mutant.file for mutant in sample}}
    with _folder() as folder, ThreadPoolExecutor(PROCESSES) as pool:
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(PROCESSES):
            tree = folder / str(number) / "main"
            copy_tree(tree, files)
            free.put(tree)

        def judged(mutant: Mutant) -> Verdict:
            tests = lines.tests_of(mutant, sources[mutant.file])
            if not tests:
                return Verdict(mutant, None, 0, 0.0)
            tree = free.get()
            try:
                return judge(mutant, tree, tests, lines.seconds)
            finally:
                free.put(tree)

        for future in as_completed([pool.submit(judged, mutant) for mutant in sample]):
            yield future.result()


def _show(done: int, count: int, survived: int, verdict: Verdict) -> None:
    word = "survived" if verdict.by is None else "noticed "
    print(f"\r{word} {verdict.mutant}", f"[{verdict.tests} tests, {verdict.seconds:.0f} s]", end="")
    print(f" by {verdict.by}" if verdict.by else "", flush=True)
    if sys.stderr.isatty():
        filled = 40 * done // count
        print(
            f"\r[{'#' * filled:<40}] {done}/{count}, {survived} survived ",
            end="",
            file=sys.stderr,
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=100, help="how many mutants (100)")
    parser.add_argument("--seed", help="draw another sample than that of the tree's hash")
    parser.add_argument("--fresh", action="store_true", help="trace the whole suite again")
    parser.add_argument("--only", default="", help="only mutants whose description holds this text")
    parser.add_argument("--list", action="store_true", help="print the sample and run nothing")
    arguments = parser.parse_args()
    files = read_tree()
    targets = [
        f for f in files if f.endswith(".py") and f.startswith(tuple(f"{folder}/" for folder in FOLDERS))
    ]
    sources = {file: (ROOT / file).read_text("utf-8") for file in targets}
    tree_hash = hashlib.sha256("".join(f"{file}\0{sources[file]}\0" for file in targets).encode()).hexdigest()
    listed = tomllib.loads(EQUIVALENT.read_text("utf-8")).get("equivalent", [])
    mutants = without_equivalents([m for f in targets for m in find_mutants(f, sources[f])], listed)
    seed = arguments.seed or tree_hash[:16]
    chosen = [mutant for mutant in mutants if arguments.only in str(mutant)]
    sample = random.Random(seed).sample(chosen, min(arguments.count, len(chosen)))
    print(
        f"seed {seed}: {len(sample)} of {len(mutants)} mutants; {len(listed)} kinds listed as equivalent",
        flush=True,
    )
    if arguments.list or not sample:
        print(*sample, sep="\n")
        return 0
    lines = load_map(files, fresh=arguments.fresh)
    survivors: list[Mutant] = []
    for done, verdict in enumerate(run(sample, lines, files), start=1):
        if verdict.by is None:
            survivors.append(verdict.mutant)
        _show(done, len(sample), len(survivors), verdict)
    print(f"\n{len(survivors)} of {len(sample)} survived, {ALLOWED:.0%} may", *survivors, sep="\n  ")
    return int(len(survivors) > ALLOWED * len(sample))


if __name__ == "__main__":
    raise SystemExit(main())
