"""Describes the problems of a configuration for the operator, one line for each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from monitor.channels.kinds import KINDS
from monitor.config.layers import secret_paths, tables
from monitor.config.settings import settings_model
from monitor.config.source_section import MeaningEntry, SourceSection, ValueEntry
from monitor.config.value_errors import describe_value_error
from monitor.settings_types import nearest_key
from monitor.sources.formats import FORMATS


def find_contradictions(merged: Mapping[str, Any]) -> Iterator[str]:
    """Yield problems of keys that do not go together. Reads the raw tables, so it also works when single keys
    are invalid.
    """
    for name, source in tables(merged.get("sources")):
        where = f"sources.{name}"
        # at most 32, so that it fits into a bot button's data (64 bytes) beside a channel's number
        if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?", name):
            yield f"{where}: a source's name is made of a-z, 0-9 and dashes, 32 at most"
        has_url, has_page, has_link = (bool(source.get(key)) for key in ("url", "page", "link"))
        if has_url == (has_page or has_link) or has_page != has_link:
            yield f"{where}: give either url, or page together with link"
        columns = source.get("columns")
        chosen = FORMATS.get(str(source.get("format")))
        if chosen and chosen.collect and has_page:
            yield (
                f"{where}: the format {chosen.name} follows its pages by itself; give url, not page and link"
            )
        for field in chosen.required_columns if chosen else ():
            if not (isinstance(columns, Mapping) and columns.get(field)):
                yield (
                    f"{where}.columns.{field}: this format needs the header of the column"
                    f" with the agency's {field}"
                )
    site = merged.get("site")
    for channel, table in tables({name: merged.get(name) for name in KINDS}):
        problems = KINDS[channel].section.contradictions(table, site if isinstance(site, Mapping) else {})
        yield from (f"{channel}.{key}: {problem}" for key, problem in problems)
    yield from _find_unknown_addresses(merged.get("operator"))
    bounces = merged.get("bounces")
    if isinstance(bounces, Mapping) and bounces.get("imap_host"):
        for key in ("imap_user", "imap_password"):
            if not bounces.get(key):
                yield f"bounces.{key}: a mailbox needs a user name and a password"


def _find_unknown_addresses(operator: object) -> Iterator[str]:
    """Yield the operator's own addresses that no channel recognizes."""
    if not isinstance(operator, Mapping):
        return
    notify = operator.get("notify")
    given = {f"notify.{at}": each for at, each in enumerate(notify if isinstance(notify, list) else ())}
    for key, address in (given | {"canary": operator.get("canary")}).items():
        if isinstance(address, str) and not any(kind.recognizes(address) for kind in KINDS.values()):
            yield f"operator.{key}: write an email address, or the name or number of a Telegram chat"


def describe_error(detail: Any) -> str:
    """Format one of pydantic's errors as a line for the operator. Never shows the value: it may be a
    secret.
    """
    path = [str(part) for part in detail["loc"]]
    where = ".".join(path)
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown key{nearest_key(path[-1], _known_keys(path[:-1]), '.'.join(path[:-1]))}"
    if detail["type"] == "missing":
        return f"{where}: is missing"
    return f"{where}: {describe_value_error(detail)}"


_ENTRIES = {"meaning": MeaningEntry, "value": ValueEntry}


def _known_keys(path: list[str]) -> list[str]:
    """The keys that a table may have: walks the models along the path."""
    model: Any = settings_model()
    for index, part in enumerate(path):
        if not index and part == "sources":
            model = SourceSection
            continue
        if index and path[index - 1] == "sources":
            continue
        if part.isdigit():
            continue
        if get_origin(model) is dict:
            model = get_args(model)[1]  # of any name
            continue
        model = _ENTRIES.get(part) or model.model_fields[part].annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    names = [field.alias or name for name, field in model.model_fields.items()]
    return names + [
        f"{key}_file"
        for *known, key in secret_paths()
        if len(known) == len(path)
        and all(name in ("*", part) for name, part in zip(known, path, strict=True))
    ]
