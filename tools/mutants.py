"""Change one token at a time and see whether the tests that run its line notice: `make mutants`.

Works in a copy of the tree, never in the checkout. Each mutant runs those tests of `tests/core`,
`tests/outbox` and `tests/subscribers` that run its line, until the first fails; that one must pass again
without the change. Which test runs which line is traced and kept in `.mutants/`; later runs trace only test
files that have changed, unless a traced module did. The sample is drawn with a seed made of the mutated
files' contents: the same tree gives the same mutants. Changes that no test can notice are listed with the
reason in `tools/mutants_equivalent.toml`. Verdicts are also written into `.mutants/SEED.txt`, and the next
run of the same sample judges again only what survived there. `--fresh` forgets all of it.
Exit status 1: more than 10 of 100 survived.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import io
import random
import shutil
import sys
import time
import tokenize
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.mutant_runs import ROOT, Runner, copy_tree, read_tree, temporary_folder
from tools.mutant_tests import FOLDERS, KEPT, load_map

EQUIVALENT = ROOT / "tools" / "mutants_equivalent.toml"
ALLOWED = 0.10
"""The share of mutants that may survive."""

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


class Report:
    """Verdicts on standard output and in a file, from which a later run of the same sample goes on."""

    def __init__(self, file: Path, count: int) -> None:
        self._file, self._count = file, count
        before = file.read_text("utf-8").splitlines() if file.is_file() else []
        self.lines = [line for line in before if line.startswith("noticed")]
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in self.lines), "utf-8")

    def knows(self, mutant: Mutant) -> bool:
        """Whether a test noticed it in an earlier run."""
        return any(f" {mutant} [" in line for line in self.lines)

    def list_survivors(self) -> list[str]:
        """The lines of those that no test noticed."""
        return [line for line in self.lines if line.startswith("survived")]

    def add(self, mutant: Mutant, tests: int, seconds: float, noticed: str | None) -> None:
        """Print a verdict and write it down; ``noticed`` is the test that noticed, None: it survived."""
        line = f"{'noticed ' if noticed else 'survived'} {mutant} [{tests} tests, {seconds:.0f} s]"
        self.lines.append(f"{line} by {noticed}" if noticed else line)
        with self._file.open("a", encoding="utf-8") as file:
            print(self.lines[-1], file=file)
        print(f"\r{self.lines[-1]}", flush=True)
        if sys.stderr.isatty():
            done, survived = len(self.lines), len(self.list_survivors())
            bar = f"\r[{'#' * (40 * done // self._count):<40}] {done}/{self._count}, {survived} survived "
            print(bar, end="", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=100, help="how many mutants (100)")
    parser.add_argument("--seed", help="draw another sample than that of the tree's hash")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--only", default="", help="only mutants whose description holds this text")
    parser.add_argument("--list", action="store_true", help="print the sample and run nothing")
    arguments = parser.parse_args()
    files = read_tree()
    targets = [f for f in files if f.endswith(".py") and f.startswith(tuple(f"{x}/" for x in FOLDERS))]
    sources = {file: (ROOT / file).read_text("utf-8") for file in targets}
    tree_hash = hashlib.sha256("".join(f"{file}\0{sources[file]}\0" for file in targets).encode()).hexdigest()
    listed = tomllib.loads(EQUIVALENT.read_text("utf-8")).get("equivalent", [])
    mutants = without_equivalents([m for f in targets for m in find_mutants(f, sources[f])], listed)
    seed = arguments.seed or tree_hash[:16]
    chosen = [mutant for mutant in mutants if arguments.only in str(mutant)]
    sample = random.Random(seed).sample(chosen, min(arguments.count, len(chosen)))
    about = f"{len(sample)} of {len(mutants)} mutants; {len(listed)} kinds listed as equivalent"
    print(f"seed {seed}: {about}", flush=True)
    if arguments.list or not sample:
        print(*sample, sep="\n")
        return 0
    if arguments.fresh:
        shutil.rmtree(KEPT.parent, ignore_errors=True)
    report = Report(KEPT.parent / f"{seed}.txt", len(sample))
    lines = load_map(files)
    with temporary_folder() as folder:
        copy_tree(folder / "main", files)
        runner = Runner(folder / "main")
        try:
            for mutant in sample:
                if not report.knows(mutant):
                    source, began = sources[mutant.file], time.monotonic()
                    tests = lines.tests_of(mutant.file, mutant.line, source)
                    noticed = runner.judge(mutant.file, mutate(source, mutant), tests, lines.seconds)
                    report.add(mutant, len(tests), time.monotonic() - began, noticed)
        finally:
            runner.close()
    survivors = report.list_survivors()
    print(f"\n{len(survivors)} of {len(sample)} survived, {ALLOWED:.0%} may", *survivors, sep="\n  ")
    return int(len(survivors) > ALLOWED * len(sample))


if __name__ == "__main__":
    raise SystemExit(main())
