"""Reads config.toml, the ``MONITOR_*`` environment over it, and secrets from files into one frozen
`Settings`.

Nothing is used before everything is validated: `load` reports every problem at once, each with its key and,
for an unknown key, the nearest known one. Only `app` and the commands see `Settings`; a component gets what
it needs as arguments.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.config.layers import (
    DEFAULT_PREFIX,
    explain_unreadable,
    find_readable_secrets,
    find_removed,
    find_written_secrets,
    merge_layers,
    read_environment,
    read_secret_files,
)
from monitor.config.problems import describe_error, find_contradictions
from monitor.config.sections import LOOPBACK, DatabaseSection
from monitor.config.settings import Settings, settings_model
from monitor.config.source_section import ColumnsSection, MeaningEntry, SourceSection, ValueEntry
from monitor.errors import ConfigError
from monitor.package_texts import read_text

__all__ = [
    "LOOPBACK",
    "ColumnsSection",
    "DatabaseSection",
    "MeaningEntry",
    "Settings",
    "SourceSection",
    "ValueEntry",
    "default_path",
    "default_sources",
    "example",
    "find_warnings",
    "load",
    "settings_model",
]

_EXAMPLE = "config.example.toml"

PATH_VARIABLE = "MONITOR_CONFIG"
"""The environment variable that names the configuration file if no option does."""

_EVERY_ADDRESS = re.compile(r"(0\.0\.0\.0|\[::\]):")
_OWN_ADDRESS = re.compile(r"(127\.[\d.]+|localhost|\[::1\]):")


def default_path(environment: Mapping[str, str] | None = None) -> Path:
    """The configuration file that is read if no option names one; it need not exist."""
    return Path((os.environ if environment is None else environment).get(PATH_VARIABLE) or "config.toml")


def find_warnings(path: Path | None = None, environment: Mapping[str, str] | None = None) -> list[str]:
    """Warnings about a configuration that `load` accepts, one sentence each: MONITOR_CONFIG names a missing
    file, other users of this machine can read a secret, a container's site listens to itself only, or a key
    of an earlier version means nothing any more.
    """
    environment = os.environ if environment is None else environment
    chosen = path or default_path(environment)
    warnings = []
    if not chosen.is_file():
        if path is None and environment.get(PATH_VARIABLE):
            warnings.append(f"there is no file {chosen}: only defaults and the environment count")
        given = {}
    else:
        given = tomllib.loads(chosen.read_text("utf-8-sig"))
        if chosen.stat().st_mode & 0o077 and (keys := find_written_secrets(given)):
            warnings.append(
                f"other users of this machine can read {', '.join(keys)} in {chosen};"
                f" move secrets into files of their own ({keys[0].rpartition('.')[2]}_file), or run chmod 600"
            )
    merged = _merge_all(given, environment, [])
    image = environment.get(f"{DEFAULT_PREFIX}SITE__LISTEN", "")
    listen = str(merged.get("site", {}).get("listen", image))
    if _EVERY_ADDRESS.match(image) and _OWN_ADDRESS.match(listen):
        warnings.append(
            f"[site] listen is {listen}, which cannot be reached from outside this container: remove it, and "
            f"{image} counts"
        )
    warnings += [f"{key} is ignored: {instead}; remove the key" for key, instead, _ in find_removed(merged)]
    warnings += [
        f"every user of this machine can read {file} ({key}): chmod 400, and give it to the service's user"
        for key, file in find_readable_secrets(merged, chosen.parent)
    ]
    return warnings


@cache
def default_sources() -> dict[str, Any]:
    """The sources that are configured out of the box, as TOML read them."""
    return tomllib.loads(Path(__file__).with_name("sources.toml").read_text("utf-8"))


def example() -> str:
    """The commented configuration: from the checkout's top, or from the package once installed."""
    checkout = Path(__file__).parents[2] / _EXAMPLE
    return checkout.read_text("utf-8") if checkout.is_file() else read_text("config", _EXAMPLE)


def _describe_syntax(error: str) -> str:
    """Describe the error of the TOML parser; usually a table was pasted below that of the example."""
    twice = re.fullmatch(r"Cannot declare \((.+)\) twice \(at line (\d+), .+\)", error)
    if twice is None:
        return f"not valid TOML: {error}"
    table = ".".join(re.findall(r"'([^']*)'", twice[1]))
    return f"line {twice[2]}: [{table}] is already there: write its keys below the first [{table}], only once"


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check the configuration.

    ``path`` None means the file of MONITOR_CONFIG, or ``./config.toml`` if it exists, or defaults only; a
    given path must exist. The file overrides ``MONITOR_DEFAULT__SECTION__KEY``, and ``MONITOR_SECTION__KEY``
    overrides the file. Raises ConfigError with every problem found, one line for each.
    """
    problems: list[str] = []
    given: dict[str, Any] = {}
    environment = os.environ if environment is None else environment
    chosen = path or default_path(environment)
    if chosen.is_file():
        try:
            given = tomllib.loads(chosen.read_text("utf-8-sig"))
        except UnicodeDecodeError:
            raise ConfigError([f"{chosen}: not in UTF-8: save it in that encoding"]) from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError([f"{chosen}: {_describe_syntax(str(error))}"]) from None
        except OSError as error:
            raise ConfigError([f"{chosen}: cannot be read: {explain_unreadable(error, chosen)}"]) from None
    elif chosen.exists():
        raise ConfigError(
            [
                f"{chosen}: is not a file; a container makes a folder of one that is missing: remove it and "
                "write the file"
            ]
        )
    elif path is not None:
        raise ConfigError([f"{path}: there is no such file; `monitor init` writes one"])
    merged = read_secret_files(_merge_all(given, environment, problems), problems, chosen.parent)
    for path_of_key, _, table in find_removed(merged):
        del table[path_of_key.rpartition(".")[2]]
    settings: Settings | None = None
    try:
        settings = settings_model().model_validate(merged)
    except ValidationError as error:
        problems += [describe_error(detail) for detail in error.errors(include_url=False)]
    problems += find_contradictions(merged)
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    assert settings is not None
    return settings.beside(chosen)


def _merge_all(
    given: Mapping[str, Any], environment: Mapping[str, str], problems: list[str]
) -> dict[str, Any]:
    """Merge the environment's defaults, a file's tables and the environment over the packaged defaults."""
    packaged = default_sources()
    defaults = read_environment(environment, packaged, problems, prefix=DEFAULT_PREFIX)
    merged = merge_layers(merge_layers(packaged, defaults), given)
    return merge_layers(merged, read_environment(environment, merged, problems))
