"""The tables of what the operator adds to lists: notes, places and documents about agencies."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from monitor.storage.columns import Json, TableRow, UtcDateTime


class AgencyNoteRow(TableRow, table=True):
    """The operator's note on an agency of a list. ``texts`` are by language and hold "en"."""

    __tablename__ = "agency_note"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    agency: str
    at: datetime = Field(sa_type=UtcDateTime)
    texts: dict[str, str] = Field(sa_type=Json)

    __table_args__ = (
        sa.Index("ix_agency_note_source_agency", "source", "agency"),
        sa.Index("ix_agency_note_at", "at"),
    )


class PlaceOverrideRow(TableRow, table=True):
    """The places that the operator gave an agency: ZIPs or one state, separated by spaces. ``key`` is its
    listing's, ``note`` the words for the places, such as "Lake County, IN".
    """

    __tablename__ = "place_override"
    source: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    name: str
    state: str
    places: str
    note: str
    at: datetime = Field(sa_type=UtcDateTime)


class DocumentRow(TableRow, table=True):
    """A document about an agency, from the operator's file. ``name_key`` is the normalized name; ``day`` the
    day of ``date`` (ISO 8601), where it has one.
    """

    __tablename__ = "document"
    id: int | None = Field(default=None, primary_key=True)
    uid: str
    source: str
    agency: str
    name: str
    name_key: str
    state: str
    kind: str
    title: str
    url: str
    date: str
    day: str | None = None
    publisher: str
    archived_url: str
    note: str
    first_at: datetime = Field(sa_type=UtcDateTime)

    __table_args__ = (
        sa.UniqueConstraint("uid"),
        sa.Index("ix_document_agency", "agency"),
        sa.Index("ix_document_name_key", "name_key"),
        sa.Index("ix_document_kind_day", "kind", "day"),
    )
