"""One word per thing: no name twice, no private words as names, plain American English."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

PROGRAM = ROOT / "monitor"

MODULES_TWICE: dict[str, str] = {
    "__init__": "the public face of every room",
    "composition": "`create` of each face",
    "context": "what a request or an update carries through each face",
    "digests": "the verb in outbox, its rows in storage/deliveries",
    "fanout": "the verb in outbox, its rows in storage/deliveries",
    "notices": "the verb in outbox, its rows in storage/deliveries",
    "places": "the same questions on each face: bot, cli",
    "preferences": "the verb in subscribers, its page in web",
    "retention": "the verb in subscribers, its rows in storage/deliveries",
    "section": "the configuration section of each channel",
    "signup": "the verb in subscribers, its page in web",
    "tables": "the tables of each part of storage",
    "timeline": "the query in storage/lists, its page in web",
    "replies": "what comes back: answers to commands, answers of a relay",
    "limits": "what a room may use at most",
    "transport": "the connections of each channel",
}
"""Names of modules that occur more than once, because they are the same role in parallel rooms."""

PRIVATE = frozenset(
    [
        "asked",
        "says",
        "parcels",
        "rights",
        "condition",
        "flood",
        "heed",
        "marks",
        "drafts",
        "trail",
        "doubts",
        "words",
        "sheet",
        "writing",
        "joining",
        "waiting",
        "guarded",
        "sentences",
        "bury",
        "risen",
        "owe",
        "fate",
        "line",
        "letter",
        "whoever",
        "anew",
        "thereof",
    ]
)
"""Words that meant something in this program only; each has a standard term (ARCHITECTURE.md has the
table).
"""

ALLOWED: dict[str, str] = {
    "bot": "words",
    "channels": "line",
    "cli": "letter line words",
    "config": "words",
    "core": "doubts marks words",
    "demo": "line waiting",
    "fetch": "words",
    "history": "waiting",
    "keys": "line",
    "messages": "line sentences",
    "ops": "waiting",
    "parser": "waiting",
    "pictures": "line",
    "places": "line words",
    "record": "line sentences words",
    "sources": "sheet words",
    "storage": "waiting writing",
    "subscribers": "asked line waiting words",
    "web": "asked line sentences waiting words",
}
"""Names that hold such a word in its ordinary sense, or are not renamed yet, by room; none is added."""

ARCHAIC = re.compile(r"\b(?:whoever|anew|thereof|of what is none)\b", re.IGNORECASE)


def modules() -> list[Path]:
    return sorted(path for path in PROGRAM.rglob("*.py") if "__pycache__" not in path.parts)


def definitions(path: Path) -> Iterator[str]:
    """Every name that a module defines: functions, classes, parameters, attributes and variables."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr


def of_room(path: Path) -> str:
    return path.relative_to(PROGRAM).parts[0]


def test_no_class_name_occurs_twice() -> None:
    where: dict[str, set[str]] = defaultdict(set)
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                where[node.name].add(str(path.relative_to(ROOT)))
    assert {name: sorted(paths) for name, paths in where.items() if len(paths) > 1} == {}


def test_no_module_name_occurs_twice_except_in_parallel_roles() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for path in modules():
        where[path.stem].append(str(path.relative_to(ROOT)))
    twice = {name: paths for name, paths in where.items() if len(paths) > 1}
    assert {name: paths for name, paths in twice.items() if name not in MODULES_TWICE} == {}
    assert sorted(MODULES_TWICE.keys() - twice.keys()) == [], "take these out of the list"


def test_no_private_word_is_a_name() -> None:
    found = defaultdict(set)
    for path in modules():
        for name in {path.stem, *definitions(path)}:
            if name.strip("_").lower() in PRIVATE:
                found[of_room(path)].add(name.strip("_").lower())
    allowed = {room: set(names.split()) for room, names in ALLOWED.items()}
    new = {room: sorted(names - allowed.get(room, set())) for room, names in found.items()}
    assert {room: names for room, names in new.items() if names} == {}, (
        "names that once meant something in this program only: use the standard term, or add the word "
        "to ALLOWED for a room where it is the standard term"
    )
    gone = {room: sorted(names - found[room]) for room, names in allowed.items()}
    assert {room: names for room, names in gone.items() if names} == {}, "take these out of the list"


def test_the_language_is_of_today() -> None:
    files = [*ROOT.glob("*.md"), *ROOT.glob("Makefile")]
    for folder in (PROGRAM, *(ROOT / name for name in ("alembic", "benchmarks", "docs", "tests", "tools"))):
        files += [
            path for path in folder.rglob("*") if path.suffix in {".py", ".html", ".md", ".txt", ".toml"}
        ]
    files.remove(Path(__file__))
    found = []
    for path in sorted(files):
        for number, text in enumerate(path.read_text("utf-8").splitlines(), start=1):
            if ARCHAIC.search(text):
                found.append(f"{path.relative_to(ROOT)}:{number}: {text.strip()[:80]}")
    assert found == []
