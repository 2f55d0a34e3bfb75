"""The records of the public data: their fields, in order, with their types and descriptions.

They define the columns of the files, the schema of the API (version 1), and `datapackage.json`. A field of
version 1 is never renamed or removed.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

_SERVES = (
    "What the agency serves: zips (the ZIP codes in `zips`), state (its whole state), or unknown (no more "
    "than its state, or not even that, is known)."
)

_ATTRIBUTES_TEXT = "`attributes` as plain text, such as the type of an agreement: NAME: VALUE; NAME: VALUE."

_CAPTURED = (
    "Who captured the publication with which this began, where it was imported and not seen by this service; "
    "empty where an own poll saw it. Baseline numbers of imported history are negative."
)


class ListingFields(BaseModel):
    """What a publisher says of an agency."""

    name: str = Field(description="The agency's name as published.")
    state: str | None = Field(description="USPS code of the state; empty if it could not be read.")
    state_text: str | None = Field(description="What stood in the place of the state, if it is not a state.")
    county: str | None = Field(description="The county as published.")
    city: str | None = Field(description="The city as published.")
    since: date | None = Field(
        description="The publisher's own date (on the pages: Publisher's date): since when, by the list "
        "itself, the agency has been in it. Not when we saw it."
    )
    url: str | None = Field(description="The first document or page that the list gives for the agency.")
    documents: list[str] = Field(description="All of them; separated by spaces in CSV.")
    attributes: dict[str, str] = Field(
        description="Further columns as published; a JSON object in CSV, and plain in `attributes_text`."
    )
    source_id: str | None = Field(description="The publisher's own number of the agency.")
    latitude: float | None = Field(description="Degrees north, WGS 84, as published.")
    longitude: float | None = Field(description="Degrees east, WGS 84, as published.")


class AgencyRecord(ListingFields):
    """An agency on a list, and the places that it serves.

    A list has the agencies that are on it at a moment. Those that were on it before and left again are in it
    only where they are asked for (``left=1``), with ``gone_at``; every version of every agency is in the
    versions.
    """

    source: str = Field(description="The list.")
    agency: str = Field(description="The agency's key in the list; it survives renames.")
    version_number: int = Field(description="The baseline number from which the listing reads like this.")
    version_at: datetime = Field(description="The first poll that saw it like this, UTC.")
    serves: Literal["zips", "state", "unknown"] = Field(description=_SERVES)
    confidence: Literal["exact", "approximate", "conflict", "state_only"] = Field(
        description="How sure the places are; worked out by us, not published."
    )
    zips: list[str] = Field(description="ZIP codes that the agency serves; separated by spaces in CSV.")
    captured_by: str | None = Field(description=_CAPTURED)
    first_seen_at: datetime = Field(
        description="The first poll that saw the agency on the list, UTC (on the pages: First seen). Not the "
        "publisher's date, which is `since`."
    )
    gone_at: datetime | None = Field(
        description="The first poll that did not see it any more, UTC; empty where it is on the list."
    )
    attributes_text: str = Field(description=_ATTRIBUTES_TEXT)


class VersionRecord(ListingFields):
    """A listing while it read like this: from one moment up to, not including, another."""

    source: str = Field(description="The list.")
    agency: str = Field(description="The agency's key in the list; it survives renames.")
    from_number: int = Field(description="The baseline number with which it began.")
    to_number: int | None = Field(description="The baseline number with which it ended; empty if it stands.")
    from_at: datetime = Field(description="When it began, UTC: the poll that made us believe it.")
    to_at: datetime | None = Field(
        description="When it ended, UTC: the poll that made us believe that; empty if it stands."
    )
    captured_by: str | None = Field(description=_CAPTURED)
    seen_from: datetime = Field(
        description="The first poll that saw it, UTC: before `from_at` where we waited before we believed it."
    )
    seen_to: datetime | None = Field(
        description="The first poll that did not see it any more, UTC; empty if it stands."
    )
    attributes_text: str = Field(description=_ATTRIBUTES_TEXT)


class ChangeRecord(BaseModel):
    """A published change. It happened between the last poll without it and the first poll with it."""

    source: str = Field(description="The list.")
    id: int = Field(description="The number of the change; /evidence/change/ID.zip proves it.")
    number: int = Field(description="The baseline number with which it was published.")
    kind: Literal["added", "removed", "changed"] = Field(description="A rename or a move is changed.")
    agency: str = Field(description="The agency's key in the list.")
    name: str = Field(description="The agency's name: after the change, or before it if it is gone.")
    state: str | None = Field(description="USPS code of the state.")
    fields: list[str] = Field(description="What differs, for changed; separated by spaces in CSV.")
    not_before: datetime | None = Field(description="The last good poll without the change, UTC.")
    first_seen_at: datetime = Field(description="The first poll with the change, UTC.")
    published_at: datetime = Field(description="When we published it, UTC.")
    was_held: bool = Field(description="We waited before we believed it.")
    before: ListingFields | None = Field(description="The listing before; a JSON object in CSV.")
    after: ListingFields | None = Field(description="The listing after; a JSON object in CSV.")
    origin: Literal["own", "imported", "joined"] = Field(
        description="own: seen by this service; imported: found in two captures of others, and not seen by "
        "this service; joined: between the last capture and our first poll."
    )
    captured_by: str | None = Field(description="Who captured what an imported or joined change rests on.")
    retracted_at: datetime | None = Field(
        description="When the operator retracted the change, UTC; empty where it stands. The numbers do not "
        "count a retracted change."
    )
    retraction: str | None = Field(description="Why it was retracted, in English.")
    differences: str = Field(
        description="What differs, for changed, as plain text: FIELD: BEFORE -> AFTER; FIELD: ..."
    )
    since: date | None = Field(
        description="The publisher's own date: after the change, or before it if gone."
    )
    attributes_text: str = Field(
        description="Further columns as plain text, after the change or before it if the agency is gone."
    )


class PollRecord(BaseModel):
    """One attempt to read a list, whatever came of it."""

    source: str = Field(description="The list.")
    id: int = Field(description="The number of the poll in the database.")
    at: datetime = Field(description="When it was made, UTC.")
    outcome: Literal["good", "unchanged", "failed", "rejected"] = Field(description="What came of it.")
    status: int | None = Field(description="The status of the HTTP answer.")
    reason: str | None = Field(description="Why it failed or was not believed.")
    url: str | None = Field(description="The address that answered.")
    bytes: int | None = Field(description="Size of the decoded body, if one was sent.")
    sha256: str | None = Field(description="SHA-256 of the decoded body: /api/v1/bodies/SHA256 has it.")
    leaf: int | None = Field(description="The entry in the log of the record.")


TABLES: dict[str, type[BaseModel]] = {
    "agencies": AgencyRecord,
    "versions": VersionRecord,
    "changes": ChangeRecord,
    "polls": PollRecord,
}
"""The tables of the data by name."""
