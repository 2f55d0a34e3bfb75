"""The golden files: each input in `FOLDER` with a JSON of the same name: its options and its publication.

``python -m tests.sources.golden`` writes the publications again; read the difference before it is kept.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from monitor.domain import Listing, Publication
from monitor.sources import ColumnMap, ParseOptions, parse

FOLDER = Path(__file__).parents[1] / "data" / "sources"
GOLDEN = {path.name: path.with_suffix(".json") for path in sorted(FOLDER.iterdir()) if path.suffix != ".json"}

TABLE = ParseOptions(
    "agencies",
    "table",
    ColumnMap(
        name="Agency Name",
        state="STATE",
        county="County",
        since="SIGNED",
        url="MOA",
        attributes=("Kind",),
    ),
)
MAP = ParseOptions("ring", "mymaps")


def read_golden(name: str) -> tuple[ParseOptions, dict[str, Any]]:
    """The options and the publication of a golden file."""
    golden = json.loads(GOLDEN[name].read_text(encoding="utf-8"))
    return msgspec.convert(golden["options"], ParseOptions), golden["publication"]


def as_json(publication: Publication) -> dict[str, Any]:
    """The publication as plain JSON, without what is empty and without the keys, which are `identity`'s."""
    return {
        "columns": sorted(publication.columns),
        "folders": list(publication.folders),
        "listings": [_listing(listing) for listing in publication.listings],
        "damaged": [_listing(listing) for listing in publication.damaged],
        "problems": [[problem.row, problem.kind, problem.message] for problem in publication.problems],
    }


def _listing(listing: Listing) -> dict[str, Any]:
    values = structs.asdict(listing) | {
        "dates": [day.isoformat() for day in listing.dates],
        "documents": list(listing.documents),
        "attributes": dict(listing.attributes),
        "point": list(listing.point or ()),
    }
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in values.items()
        if value and name != "key"
    }


if __name__ == "__main__":
    for name, path in GOLDEN.items():
        golden = json.loads(path.read_text(encoding="utf-8"))
        options = msgspec.convert(golden["options"], ParseOptions)
        golden["publication"] = as_json(parse((FOLDER / name).read_bytes(), options))
        path.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
