"""The answers of the API, version 1. Their fields are frozen: one may be added, none renamed or removed."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from monitor.record.data.models import (
    AgencyRecord,
    ChangeRecord,
    ListingFields,
    PollRecord,
    VersionRecord,
)

_NEXT = "Address of the next page; null at the end."


class ListRecord(BaseModel):
    """A watched list."""

    source: str = Field(description="The name of the list in addresses.")
    title: str = Field(description="Its title in English.")
    publisher: str = Field(description="Who publishes it.")
    url: str = Field(description="The publisher's page.")
    number: int = Field(description="The baseline number that last changed the list; 0 before it was read.")
    at: datetime | None = Field(description="When that was, UTC.")
    agencies: int = Field(description="How many agencies it has now.")
    last_poll_at: datetime | None = Field(description="The last attempt to read it, UTC.")
    last_good_at: datetime | None = Field(description="The last good one, UTC.")


class ListsAnswer(BaseModel):
    """All watched lists."""

    lists: list[ListRecord]


class AgenciesAnswer(BaseModel):
    """Agencies on a list at one baseline number."""

    source: str
    number: int = Field(description="The baseline number of all pages of this answer.")
    at: datetime = Field(description="Since when the list reads like this, UTC.")
    agencies: list[AgencyRecord]
    next: str | None = Field(description=_NEXT)


class NoteRecord(BaseModel):
    """A note by the operator of this site on an agency. It is not part of the list."""

    id: int
    at: datetime = Field(description="When it was written, UTC.")
    en: str
    es: str | None


class AgreementRecord(BaseModel):
    """A document that stood at an address which the list links for an agency: the first one that was had, or
    one that replaced another.
    """

    id: int
    url: str
    not_before: datetime | None = Field(description="The last look that saw the document before, UTC.")
    first_seen_at: datetime = Field(description="The first look that saw this one, UTC.")
    replaced: str | None = Field(description="SHA-256 of the document that it replaced.")
    sha256: str
    bytes: int
    kept: bool = Field(description="Whether /evidence/document/{sha256}.pdf has it.")
    leaf: int = Field(description="Its entry in the log.")


class AgencyAnswer(BaseModel):
    """One agency: as it is listed now (null: no longer), how its listing read, and what was published."""

    source: str
    agency: AgencyRecord | None
    versions: list[VersionRecord]
    changes: list[ChangeRecord]
    notes: list[NoteRecord] = Field(description="Notes by the operator of this site, newest first.")
    agreements: list[AgreementRecord] = Field(
        description="Documents that its listings link, where they are kept, oldest first."
    )


class StepRecord(BaseModel):
    """What a baseline number did to one agency. Applied in order to nothing, steps give the list."""

    number: int
    at: datetime
    kind: Literal["added", "removed", "changed"]
    agency: str
    before: ListingFields | None
    after: ListingFields | None
    change: ChangeRecord | None = Field(
        description="The published change; null for what nobody was told: the first reading of the list, and "
        "differences such as letter case."
    )


class ChangesAnswer(BaseModel):
    """Steps of a list, oldest first. A page may be short or empty and still have a next one."""

    source: str
    number: int = Field(description="The list's baseline number now.")
    changes: list[StepRecord]
    next: str | None = Field(description=_NEXT)
    resume: str = Field(description="Ask this address later for what happened after this page.")


class PollsAnswer(BaseModel):
    """Polls of a list, oldest first."""

    source: str
    polls: list[PollRecord]
    next: str | None = Field(description=_NEXT)


class ServingAgency(AgencyRecord):
    """An agency that serves a ZIP, and why we think so."""

    why: str = Field(description="Where the agency is and serves, in English.")


class ZipAnswer(BaseModel):
    """Which listed agencies serve a ZIP today."""

    zip: str
    state: str | None
    towns: list[str]
    agencies: list[ServingAgency] = Field(description="Those with the ZIP in their area, or its whole state.")
    not_placed: list[ServingAgency] = Field(description="Those of its state that could not be placed in it.")


class LogAnswer(BaseModel):
    """The log of the record (https://c2sp.org/tlog-tiles), as last signed."""

    head: str | None = Field(description="The signed head: record NUMBER ROOT.")
    size: int = Field(description="Entries in the log now.")
    checkpoint: str
    key: str
    tiles: str


class ApiChange(BaseModel):
    """An entry of the API's changelog."""

    day: str
    text: str
    address: str | None = Field(description="The address that it is about, if it is only one.")
    sunset: str | None = Field(description="The day on which it is switched off.")


class ChangelogAnswer(BaseModel):
    """What changed in the API, newest first."""

    version: str
    changes: list[ApiChange]


class ProblemAnswer(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
