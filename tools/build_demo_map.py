"""Build the demo's map exports from the list of agencies that newspapers named in 2019.

    python tools/build_demo_map.py ../shared/data/ring/ring_2019_news_lists.csv monitor/demo/files

The CSV has the columns ``as_of, municipality, agency, place, state, source, note``. 15 of its 46 rows name
the agency; for the other 31 only the municipality was printed, and the agency is completed as "X Police
Department" and marked so in its ``Note`` column. The export has the shape of Ring's own: two layers,
``<address>`` and no ``<Point>``, text and CDATA mixed, one full state name. Each date of the CSV becomes one
export with everything known by then. The output is the same byte for byte for the same input.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

COMPLETED = "Agency name completed from the municipality, which is all that the newspaper printed."
STATE_IN_FULL = {"Lansdale": "Pennsylvania"}
LAYERS = (
    ("New Jersey", lambda state: state == "NJ"),
    ("Michigan and Pennsylvania", lambda state: state != "NJ"),
)


def text(value: str, cdata: bool) -> str:
    """Element content, as plain text or as CDATA: real exports mix both."""
    return f"<![CDATA[{value}]]>" if cdata else escape(value)


def placemark(row: Mapping[str, str], index: int) -> str:
    """One agency, as My Maps exports a row of an imported spreadsheet."""
    place = row["place"]
    name = row["agency"] or f"{row['municipality']} Police Department"
    state = STATE_IN_FULL.get(place, row["state"])
    columns = {"Named on": row["as_of"], "Note": "" if row["agency"] else COMPLETED}
    described = "<br>".join(f"{column}: {value}" for column, value in columns.items())
    extended = "".join(
        f'\n          <Data name="{column}">\n            '
        + (f"<value>{text(value, index % 3 == 0)}</value>" if value else "<value/>")
        + "\n          </Data>"
        for column, value in columns.items()
    )
    return f"""      <Placemark>
        <name>{text(name, index % 2 == 0)}</name>
        <address>{escape(place)}, {escape(state)}</address>
        <description><![CDATA[{described}]]></description>
        <styleUrl>#icon-1899-0288D1</styleUrl>
        <ExtendedData>{extended}
        </ExtendedData>
      </Placemark>
"""


def document(rows: Iterable[Mapping[str, str]]) -> str:
    """A whole export."""
    numbered = list(enumerate(rows))
    layers = "".join(
        f"    <Folder>\n      <name>{layer}</name>\n"
        + "".join(placemark(row, index) for index, row in numbered if belongs(row["state"]))
        + "    </Folder>\n"
        for layer, belongs in LAYERS
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2">
  <Document>
    <name>Agencies on Ring's map that newspapers named in 2019</name>
    <description/>
    <Style id="icon-1899-0288D1">
      <IconStyle>
        <scale>1</scale>
      </IconStyle>
    </Style>
{layers}  </Document>
</kml>
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", type=Path, help="ring_2019_news_lists.csv")
    parser.add_argument("folder", type=Path, help="where the exports go")
    arguments = parser.parse_args()
    with arguments.csv.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    for date in sorted({row["as_of"] for row in rows}):
        known = [row for row in rows if row["as_of"] <= date]
        path = arguments.folder / f"ring-{date}.kml"
        path.write_text(document(known), "utf-8")
        print(f"{path}: {len(known)} agencies")


if __name__ == "__main__":
    main()
