"""Defaults, file, environment and secret files merged into plain tables, not validated yet."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor.channels.kinds import KINDS
from monitor.errors import describe_os_error

ENVIRONMENT_PREFIX = "MONITOR_"
DEFAULT_PREFIX = "MONITOR_DEFAULT__"
"""Prefix of variables of an image or a unit file: the operator's file overrides them."""


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = (
            _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
        )
    return result


def merge_layers(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge one configuration over another. A source's address replaces the one below it, whether it is a url
    or a page with its link.
    """
    merged = _merged(below, above)
    for name, source in tables(above.get("sources")):
        if "url" in source:
            replaced = {"page", "link"} - source.keys()
        else:
            replaced = {"url"} if source.keys() & {"page", "link"} else set()
        for key in replaced:
            merged["sources"][name].pop(key, None)
    return merged


def read_environment(
    environment: Mapping[str, str],
    known: Mapping[str, Any],
    problems: list[str],
    *,
    prefix: str = ENVIRONMENT_PREFIX,
) -> dict[str, Any]:
    """``MONITOR_EMAIL__HOST=x`` as ``{"email": {"host": "x"}}``. A dash in a source's name is written as an
    underscore.
    """
    result: dict[str, Any] = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(prefix) or (
            prefix == ENVIRONMENT_PREFIX and variable.startswith(DEFAULT_PREFIX)
        ):
            continue
        path = [part.lower() for part in variable.removeprefix(prefix).split("__")]
        if len(path) == 1:
            if path[0] not in _ENVIRONMENT_APART:
                problems.append(f"{variable}: unknown; a key is written as MONITOR_SECTION__KEY")
            continue
        if path[0] == "sources":
            names = {name.replace("-", "_").lower(): name for name in known.get("sources", {})}
            path[1] = names.get(path[1], path[1])
        if path[:2] == ["telegram", "channels"] and len(path) == 3:
            path[2] = path[2].upper()
        target = result
        for part in path[:-1]:
            target = target.setdefault(part, {})
        target[path[-1]] = _value(text, path)
    return result


# variables with the prefix that are not keys: the path of the file, and those that control the test suite
_ENVIRONMENT_APART = {"torture", "ci", "test_postgres", "config"}


def _value(text: str, path: list[str]) -> Any:
    """Parse an environment variable; a list or table is JSON, a list of strings may also be separated by
    commas.
    """
    if text[:1] in "[{":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return (
        [word.strip() for word in text.split(",") if word.strip()]
        if path[-1] in {"silent", "attributes", "hosts", "trusted_proxies"}
        else text
    )


_URLS = (("database", "url"), ("database", "web_url"), ("fetch", "proxy"))
_OTHER_SECRETS = (
    *_URLS,
    ("bounces", "secret"),
    ("bounces", "imap_password"),
)


def secret_paths() -> tuple[tuple[str, ...], ...]:
    """Path of every secret, "*" for any name: each may be given as KEY_file instead."""
    channels = ((name, *key.split(".")) for name, kind in KINDS.items() for key in kind.section.secrets)
    return (*channels, *_OTHER_SECRETS)


def read_secret_files(merged: Mapping[str, Any], problems: list[str], base: Path) -> dict[str, Any]:
    """Replace ``password_file = "..."`` by ``password`` with the file's first line, for every key that may
    hold a secret. A relative path starts at ``base``, the folder of the configuration file.
    """
    result = copy.deepcopy(dict(merged))
    for (*names, key), table in list(_find_secrets(result)):
        if f"{key}_file" not in table:
            continue
        file = base / str(table.pop(f"{key}_file"))
        try:
            table[key] = file.read_text("utf-8-sig").splitlines()[0].strip()
        except (OSError, UnicodeDecodeError, IndexError) as error:
            problems.append(f"{'.'.join(names)}.{key}_file: {file} cannot be used: {_explain(error, file)}")
            # so that keys that depend on it are not reported too
            if len(names) > 1:
                _, entries = next(_find_tables(result, names[:-1]))
                entries.pop(names[-1], None)
            elif (*names, key) not in _URLS:
                table[key] = "secret-not-readable"
    return result


def find_readable_secrets(merged: Mapping[str, Any], base: Path) -> list[tuple[str, Path]]:
    """Find the secrets whose files every user of this machine may read: key and file."""
    files = (
        (f"{'.'.join(path)}_file", base / str(name))
        for path, table in _find_secrets(merged)
        if (name := table.get(f"{path[-1]}_file"))
    )
    return [(key, path) for key, path in files if path.is_file() and path.stat().st_mode & 0o007]


def find_written_secrets(given: Mapping[str, Any]) -> list[str]:
    """Find the secrets that are written in the configuration itself rather than in files of their own: their
    keys.
    """
    return [
        ".".join(path)
        for path, table in _find_secrets(given)
        if (value := str(table.get(path[-1], "")))
        # the address of a database or a proxy is a secret if it contains a password
        and (path not in _URLS or re.search(r"//[^/@]*:[^/@]+@", value))
    ]


_GUARDS = (("guard",), ("sources", "*", "guard"))
_REMOVED = {"stale_differences": "a list that was published before always waits for stale_after"}
"""Keys of ``[guard]`` in version 0.1.0 that mean nothing any more, each with what holds in their place."""


def find_removed(merged: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Find the keys of an earlier version that mean nothing any more, so that its configuration is still
    accepted: path, what holds in their place, and the table.
    """
    return [
        (".".join((*names, key)), instead, table)
        for path in _GUARDS
        for names, table in _find_tables(merged, path)
        for key, instead in _REMOVED.items()
        if key in table
    ]


def _find_secrets(tree: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path of each secret that a configuration may have, and the table that may hold it."""
    for *path, key in secret_paths():
        for names, table in _find_tables(tree, path):
            yield (*names, key), table


def _find_tables(
    tree: Any, path: Sequence[str], names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the tables at a path, in which "*" is any name, each with its names."""
    if not isinstance(tree, Mapping):
        return
    if not path:
        yield names, tree
        return
    for name in tree if path[0] == "*" else path[:1]:
        yield from _find_tables(tree.get(name), path[1:], (*names, str(name)))


def tables(value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the tables within a table, by name; yields nothing if it is not a table."""
    if isinstance(value, Mapping):
        for name, table in value.items():
            if isinstance(table, Mapping):
                yield str(name), table


def _explain(error: Exception, file: Path) -> str:
    """Describe why a secret's file cannot be used, and what to do."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file: write it, with the secret on its first line"
    if isinstance(error, OSError):
        return explain_unreadable(error, file)
    return "it holds no line of text"


def explain_unreadable(error: OSError, file: Path) -> str:
    """Describe why a file cannot be read: if it is not permitted, to whom, and what to do."""
    if not isinstance(error, PermissionError):
        return describe_os_error(error)
    who = f"this program runs as user {os.geteuid()}, who may not"
    if not os.access(file.parent, os.X_OK, effective_ids=True):
        return f"{who} enter the folder {file.parent}: chmod 755 it, or chown it to that user"
    return f"{who} read it: chown it to that user, chmod 400"
