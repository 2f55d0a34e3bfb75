"""Descriptions of the data for other programs: Data Package, schema.org Dataset, DCAT catalog."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Literal, Union, get_args, get_origin

from monitor.domain import SourceInfo
from monitor.record.data.models import TABLES

LICENCES: dict[str, tuple[str, str]] = {
    "CC-BY-4.0": (
        "Creative Commons Attribution 4.0 International",
        "https://creativecommons.org/licenses/by/4.0/",
    ),
    "CC-BY-SA-4.0": (
        "Creative Commons Attribution-ShareAlike 4.0 International",
        "https://creativecommons.org/licenses/by-sa/4.0/",
    ),
    "CC0-1.0": ("CC0 1.0 Universal", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "ODbL-1.0": (
        "Open Data Commons Open Database License 1.0",
        "https://opendatacommons.org/licenses/odbl/1-0/",
    ),
    "PDDL-1.0": (
        "Open Data Commons Public Domain Dedication and License 1.0",
        "https://opendatacommons.org/licenses/pddl/1-0/",
    ),
}
"""Licenses that the operator can choose for the compilation: SPDX identifier, title, URL."""

FORMULA_NOTE = (
    "Text that begins with = + - @ has an apostrophe before it in CSV, so that no spreadsheet runs it."
)
_HAS = {
    "agencies": "The agencies on the list. Those that joined and left again are not in it: ask for "
    "agencies.csv?left=1, or take versions.csv. `since` is the publisher's own date (on the pages: "
    "Publisher's date), `first_seen_at` the first check that saw the agency (on the pages: First seen).",
    "versions": "How the entry of each agency read, from when to when, also of those that left.",
    "changes": "What was announced.",
    "polls": "Every check of the list, failed ones too.",
}
_PRIMARY = {"changes": "id", "polls": "id"}


def describe_package(
    source: SourceInfo, publisher: str, licence: str, files: Iterable[tuple[str, str, str, int, str]]
) -> bytes:
    """``datapackage.json`` (Data Package 2.0) of a list; ``files`` are (name, table, media type, bytes,
    SHA-256).
    """
    return _pretty(
        {
            "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
            "name": source.name.lower().replace("_", "-"),
            "title": source.title(),
            "description": f"{source.title()}, as recorded by {publisher}. {FORMULA_NOTE}",
            "licenses": [describe_licence(licence)],
            "sources": [_without_empty({"title": source.publisher, "path": source.official_url})],
            "contributors": [{"title": publisher, "roles": ["creator"]}],
            "resources": [describe_file(*file) for file in files],
        }
    )


def describe_licence(licence: str) -> dict[str, str]:
    """Describe a license for a Data Package."""
    title, path = LICENCES[licence]
    return {"name": licence, "title": title, "path": path}


def describe_file(name: str, table: str, media_type: str, size: int, sha256: str) -> dict[str, Any]:
    """Describe a resource of the package; a CSV file with its Table Schema."""
    stem, _, suffix = name.rpartition(".")
    media, _, _ = media_type.partition(";")
    described = {
        "name": stem if suffix == "csv" else f"{stem}-{suffix}",
        "path": name,
        "description": _HAS[table],
        "format": suffix,
        "mediatype": media,
        "encoding": "utf-8",
        "bytes": size,
        "hash": f"sha256:{sha256}",
    }
    return described | ({"type": "table", "schema": describe_schema(table)} if suffix == "csv" else {})


def describe_schema(table: str) -> dict[str, Any]:
    """The Table Schema of a CSV file."""
    fields = [
        {"name": name, **_describe_type(info.annotation), "description": info.description or ""}
        for name, info in TABLES[table].model_fields.items()
    ]
    primary = {"primaryKey": [_PRIMARY[table]]} if table in _PRIMARY else {}
    return {"fields": fields, "missingValues": [""], **primary}


def describe_dataset(
    source: SourceInfo,
    publisher: str,
    licence: str,
    address: str,
    files: Iterable[tuple[str, str, int, str]],
    since: datetime | None,
    modified: datetime | None,
) -> dict[str, Any]:
    """A list as a schema.org Dataset; ``address`` is the folder's URL, ``files`` are (name, media type,
    bytes, SHA-256). ``since`` is when the list was first read, ``modified`` when it changed last.
    """
    times = {} if since is None else {"temporalCoverage": f"{since:%Y-%m-%d}/.."}
    times |= {} if modified is None else {"dateModified": modified.isoformat(timespec="seconds")}
    return {
        "@type": "Dataset",
        "@id": f"{address}/{source.name}",
        "name": source.title(),
        "description": f"Every state of {source.title()} since it was first read, with every change.",
        "url": f"{address}/{source.name}/datapackage.json",
        "license": LICENCES[licence][1],
        "isBasedOn": source.official_url or source.publisher,
        "creator": {"@type": "Organization", "name": publisher},
        "isAccessibleForFree": True,
        **times,
        "distribution": [
            {
                "@type": "DataDownload",
                "name": name,
                "contentUrl": f"{address}/{source.name}/{name}",
                "encodingFormat": media_type.partition(";")[0],
                "contentSize": f"{size} B",
                "sha256": sha256,
            }
            for name, media_type, size, sha256 in files
        ],
    }


def describe_catalog(
    sources: Mapping[str, SourceInfo], publisher: str, licence: str, address: str, files: Mapping[str, str]
) -> bytes:
    """All lists as a DCAT catalog in JSON-LD; ``files`` are the media types of the files of each list."""
    return _pretty(
        {
            "@context": {
                "dcat": "http://www.w3.org/ns/dcat#",
                "dct": "http://purl.org/dc/terms/",
                "foaf": "http://xmlns.com/foaf/0.1/",
            },
            "@id": address,
            "@type": "dcat:Catalog",
            "dct:title": publisher,
            "dct:publisher": {"@type": "foaf:Agent", "foaf:name": publisher},
            "dct:license": {"@id": LICENCES[licence][1]},
            "dcat:dataset": [
                {
                    "@id": f"{address}/{source.name}",
                    "@type": "dcat:Dataset",
                    "dct:title": source.title(),
                    "dct:source": source.official_url or source.publisher,
                    "dct:license": {"@id": LICENCES[licence][1]},
                    "dcat:distribution": [
                        {
                            "@type": "dcat:Distribution",
                            "dct:title": name,
                            "dcat:downloadURL": {"@id": f"{address}/{source.name}/{name}"},
                            "dcat:mediaType": media_type.partition(";")[0],
                        }
                        for name, media_type in files.items()
                    ],
                }
                for source in sources.values()
            ],
        }
    )


def _describe_type(annotation: Any) -> dict[str, Any]:
    """Describe the type of a model's field in terms of Table Schema."""
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) in (Union, types.UnionType):
        return _describe_type(parts[0])
    if get_origin(annotation) is Literal:
        return {"type": "string", "constraints": {"enum": list(get_args(annotation))}}
    names: dict[Any, dict[str, Any]] = {
        int: {"type": "integer"},
        float: {"type": "number"},
        bool: {"type": "boolean", "trueValues": ["true"], "falseValues": ["false"]},
        date: {"type": "date"},
        datetime: {"type": "datetime", "format": "any"},
    }
    if annotation in names:
        return names[annotation]
    is_object = get_origin(annotation) is dict or (isinstance(annotation, type) and annotation is not str)
    return {"type": "object"} if is_object and get_origin(annotation) is not list else {"type": "string"}


def _without_empty(values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _pretty(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"
