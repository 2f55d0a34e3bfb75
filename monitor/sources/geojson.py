"""GeoJSON (RFC 7946), whole or a feature to a line (RFC 8142): one feature is one listing, its properties are
the columns, a Point is its place.
"""

from __future__ import annotations

import re

from monitor.domain import Problem, Publication
from monitor.errors import ParseError
from monitor.sources.cells import clean
from monitor.sources.column_choice import choose_columns
from monitor.sources.column_map import ColumnMap, ParseLimits, ParseOptions, describe_headers
from monitor.sources.format import Format, Proposal, TotalOptions
from monitor.sources.json_body import flatten, is_json, load_json, read_position
from monitor.sources.listing import ListingReader
from monitor.sources.samples import SAMPLE, sample_records


def parse(body: bytes, options: ParseOptions) -> Publication:
    """Parse features, in a FeatureCollection or alone, into a publication; raises ParseError if they are
    missing or incomplete, or name no agency.
    """
    problems: list[Problem] = []
    document, features = _find_features(load_json(body, options.limits, problems))
    _refuse_part(document, len(features))
    if not features:
        raise ParseError("The GeoJSON has no feature: the layer is empty or gone.")
    columns = options.columns or ColumnMap()
    reader = ListingReader.of_columns(options)
    reader.problems.found += problems
    other = _find_other_system(document)
    if other:
        reader.report("other points", f"the points are in {other} and not in WGS 84; they are not read")
    stated = any(isinstance(document.get(key), int) for key in _TOTALS)
    if not (stated or TotalOptions.model_validate(options.settings).ignore_total):
        reader.report_round_number(len(features), "features")
    titles: set[str] = set()
    for number, feature in enumerate(features, start=1):
        properties = feature.get("properties") if isinstance(feature, dict) else None
        if not isinstance(feature, dict) or not isinstance(properties, dict):
            reader.report("bad feature", "the feature has no properties", number)
            continue
        row = dict(flatten({"id": feature.get("id")} | properties))
        titles.update(row)
        point = None if other else _read_point(feature.get("geometry"))
        reader.read(number, tuple(row), list(row.values()), point=point)
    if not reader.meanings.has_name(titles):
        raise ParseError(describe_headers("property", columns, titles))
    if not reader.listings:
        raise ParseError(f"None of the {len(features):,} features has a name that can be read.")
    return reader.separate(rows="features")


_TOTALS = ("numberMatched", "totalFeatures")
_MOST_LEVELS = 5  # of collections in collections
_GEOMETRIES = frozenset(
    ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")
)


def _find_features(document: object, level: int = 0) -> tuple[dict[str, object], list[object]]:
    """Find a document's own members and its features: of a collection, one alone, one per line, or those of
    several collections.
    """
    if isinstance(document, list) and document:
        if all(map(_is_collection, document)):
            return {}, [feature for each in document for feature in _find_nested(each, level)]
        kinds = {str(each.get("type") if isinstance(each, dict) else None) for each in document}
        if others := sorted(kinds - {"Feature"}):
            raise ParseError(f"The JSON has no GeoJSON feature on each line: there is a {others[0][:40]}.")
        return {}, document
    kind = document.get("type") if isinstance(document, dict) else None
    if not isinstance(document, dict) or kind not in ("FeatureCollection", "Feature"):
        inside = document.get("features") if isinstance(document, dict) else None
        if isinstance(inside, list) and inside and isinstance(inside[0], dict) and "attributes" in inside[0]:
            raise ParseError('The JSON is an answer of ArcGIS and not GeoJSON: use format = "arcgis".')
        if isinstance(kind, str) and kind in _GEOMETRIES:
            raise ParseError(f"The GeoJSON is a {kind} alone: no agency is named beside it.")
        raise ParseError(f"The JSON is not a GeoJSON FeatureCollection: its type is {str(kind)[:40]}.")
    if kind == "Feature":
        return {}, [document]
    inside = document.get("features")
    if not isinstance(inside, list):
        raise ParseError("The GeoJSON FeatureCollection has no features.")
    if any(map(_is_collection, inside)):
        nested = [_find_nested(each, level) if _is_collection(each) else [each] for each in inside]
        inside = [feature for features in nested for feature in features]
    return document, inside


def _find_nested(collection: object, level: int) -> list[object]:
    """The features of a collection beside or within others; ParseError if it is not whole."""
    if level >= _MOST_LEVELS:
        raise ParseError("The GeoJSON has collections that are nested too deeply.")
    document, features = _find_features(collection, level + 1)
    _refuse_part(document, len(features))
    return features


def _is_collection(value: object) -> bool:
    return isinstance(value, dict) and value.get("type") == "FeatureCollection"


def _refuse_part(document: dict[str, object], features: int) -> None:
    """Raise ParseError if the server says that there are more features than it sent."""
    properties = document.get("properties")
    more = document.get("exceededTransferLimit") is True or (
        isinstance(properties, dict) and properties.get("exceededTransferLimit") is True
    )
    links = document.get("links")
    more |= isinstance(links, list) and any(isinstance(x, dict) and x.get("rel") == "next" for x in links)
    matched = [document.get(key) for key in _TOTALS]
    if more or any(isinstance(count, int) and count > features for count in matched):
        raise ParseError(f"The GeoJSON holds {features:,} features, and the server says that there are more.")


_WGS_84 = re.compile(r"(?:CRS84|EPSG:(?:.*:)?(?:4326|4979)|WGS ?84)$", re.IGNORECASE)


def _find_other_system(document: dict[str, object]) -> str:
    """Find the coordinate reference system of an older GeoJSON if it is not WGS 84; otherwise ""."""
    system = document.get("crs")
    properties = system.get("properties") if isinstance(system, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return clean(name)[:80] if isinstance(name, str) and not _WGS_84.search(name) else ""


def _read_point(geometry: object) -> tuple[float, float] | None:
    """Latitude and longitude of a Point, or of the first of a MultiPoint; None for every other or invalid
    geometry.
    """
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Point", "MultiPoint"):
        return None
    position = geometry.get("coordinates")
    if geometry["type"] == "MultiPoint":
        position = position[0] if isinstance(position, list) and position else None
    if not isinstance(position, list) or len(position) < 2:
        return None
    longitude, latitude = position[:2]
    return read_position(latitude, longitude)


_FEATURE = re.compile(rb'"type"\s*:\s*"Feature(?:Collection)?"')


def propose(body: bytes, limits: ParseLimits) -> Proposal:
    """Propose which properties are read; raises ParseError if there is no feature."""
    _, features = _find_features(load_json(body, limits))
    if not features:
        raise ParseError("The GeoJSON has no feature: the layer is empty or gone.")
    properties = [each.get("properties") for each in features[:SAMPLE] if isinstance(each, dict)]
    choice = choose_columns(sample_records(properties, len(features)))
    return Proposal("geojson", choice.columns, {}, choice.notes)


FORMAT = Format(
    "geojson",
    parse,
    recognizes=lambda body: is_json(body) and _FEATURE.search(body) is not None,
    propose=propose,
    endings=(".geojson", ".geojsonl"),
    required_columns=("name",),
    options=TotalOptions,
)
