"""The tables of fetches, listings and changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field

from monitor.storage.columns import BigId, Json, TableRow, UtcDateTime, partial_index

WITHDRAWN = "state = 'withdrawn' AND was_held"
"""Which changes were shown as held and then went away."""
RETRACTED = "retracted_at IS NOT NULL"
"""Which published changes the operator has retracted."""
SEEN_EARLIER, GONE_EARLIER = "seen_at IS NOT NULL", "gone_at IS NOT NULL"
"""Which versions a poll saw, or missed, before that was believed."""


class SourceRow(TableRow, table=True):
    """The moving state of one source. ``number`` counts moves of the baseline and is what pollers compare and
    swap.

    ``polls`` counts the polls in the log of the record: their numbers have no gap.

    ``fingerprint`` is the parser version and configuration under which the baseline was read; ``columns`` and
    ``folders`` those of the last good snapshot.
    """

    __tablename__ = "source"
    name: str = Field(primary_key=True)
    number: int = 0
    fingerprint: str = ""
    columns: list[str] = Field(default_factory=list, sa_type=Json)
    folders: list[str] = Field(default_factory=list, sa_type=Json)
    last_good_fetch: int | None = None
    last_good_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_good_hash: str | None = None
    last_fetch_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_poll_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    blind_notified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    polls: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class ValidatorRow(TableRow, table=True):
    """The validators of the last good body of one URL, for the next conditional request."""

    __tablename__ = "validator"
    source: str = Field(primary_key=True)
    url: str = Field(primary_key=True)
    etag: str | None = None
    last_modified: str | None = None
    hash: str | None = None


class BodyRow(TableRow, table=True):
    """A raw body, once per SHA-256 of its decoded bytes; see `storage.lists.bodies`. ``size`` counts the
    decoded bytes.

    ``encoding`` is ``raw``, ``zstd``, ``gzip`` or ``difference``; ``base`` is the body that a difference
    starts from, ``position`` its place in the chain (0: whole). ``wire_hash`` is the SHA-256 of the gzip form
    in which the server first sent it, and ``wire_parameters`` what rebuilds that form where ``content`` is
    not it.
    """

    __tablename__ = "body"
    hash: str = Field(primary_key=True)
    size: int
    encoding: str
    content: bytes
    at: datetime = Field(sa_type=UtcDateTime)
    base: str | None = None
    position: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    wire_hash: str | None = None
    wire_parameters: list[Any] | None = Field(default=None, sa_type=Json)

    # the bodies that take one as their base: none of them may lose it
    __table_args__ = (sa.Index("ix_body_base", "base"),)


class FetchRow(TableRow, table=True):
    """One attempt to get a source's bytes.

    ``outcome``: good, unchanged, failed, rejected. Headers are evidence and kept verbatim. ``request_id`` is
    that of a `SentRequestRow`, None where nothing was sent and before requests were kept; ``validators`` are
    the headers that made it conditional.
    """

    __tablename__ = "fetch"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    at: datetime = Field(sa_type=UtcDateTime)
    outcome: str
    status: int | None = None
    reason: str = ""
    url: str | None = None
    redirects: list[str] | None = Field(default=None, sa_type=Json)
    headers: list[list[str]] | None = Field(default=None, sa_type=Json)
    wire_bytes: int | None = None
    bytes: int | None = None
    hash: str | None = None
    duration_ms: int | None = None
    # its entry in the log of the record; None before there was a log
    leaf: int | None = Field(default=None, sa_type=BigId)
    request_id: int | None = None
    validators: list[list[str]] | None = Field(default=None, sa_type=Json)

    __table_args__ = (sa.Index("ix_fetch_source_at", "source", "at"),)


class SentRequestRow(TableRow, table=True):
    """A request as it was sent, without the headers that made it conditional: once for all equal ones.

    ``content`` has ``method``, ``headers`` (pairs, in their order), ``withheld`` (names of headers whose
    values are secrets), ``remote`` (IP address) and ``certificate`` (its SHA-256), as far as they are known;
    ``hash`` is the SHA-256 of it as canonical JSON.
    """

    __tablename__ = "sent_request"
    id: int | None = Field(default=None, primary_key=True)
    hash: str = Field(unique=True)
    content: dict[str, Any] = Field(sa_type=Json)


class SnapshotRow(TableRow, table=True):
    """A parsed state of a source as it was published. Written when a body was parsed; a poll without new
    bytes writes none.

    ``verdict``: accepted or rejected; ``digest`` is a hash over the set of its listings (order and folders
    apart). ``release_at``: when a rejected one is judged change by change, if nothing else is published; None
    if a person rejected it.
    """

    __tablename__ = "snapshot"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    fetch_id: int = Field(foreign_key="fetch.id")
    at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)
    hash: str
    digest: str
    fingerprint: str
    listings: int
    verdict: str
    reason: str = ""
    problems: list[list[Any]] | None = Field(default=None, sa_type=Json)
    release_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    __table_args__ = (sa.Index("ix_snapshot_source_id", "source", "id"),)


class ApprovalRow(TableRow, table=True):
    """A person believed this content of a source (by body hash) although the guard rejected it, or rejected
    it for good.
    """

    __tablename__ = "approval"
    source: str = Field(primary_key=True)
    hash: str = Field(primary_key=True)
    approved: bool
    at: datetime = Field(sa_type=UtcDateTime)


class ListingVersionRow(TableRow, table=True):
    """One accepted listing while it read like this: [from_at, to_at), ``to_at`` None while it is in the
    baseline.

    ``agency`` is the key under which the agency was first accepted: it survives renames. ``content`` holds
    the other fields of `domain.Listing` as JSON. ``from_number``/``to_number`` are baseline numbers: of own
    polls from 1 on, of an imported past from -1 down, so that both are in one order. ``seen_at`` is the first
    poll with it and ``gone_at`` the first without it, where that was before ``from_at`` and ``to_at``, which
    are when it was believed; see `storage.lists.past_lists`.
    """

    __tablename__ = "listing"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    key: str
    agency: str
    name: str
    state: str | None = None
    content: dict[str, Any] = Field(sa_type=Json)
    from_number: int
    to_number: int | None = None
    from_at: datetime = Field(sa_type=UtcDateTime)
    to_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    seen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    gone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # see `storage.lists.past_lists`; None while it is in the baseline
    span: int | None = None

    __table_args__ = (
        # with the number, so that no planner sorts one agency by the index of all numbers
        sa.Index("ix_listing_source_agency_number", "source", "agency", "from_number"),
        sa.Index("ix_listing_source_from_at", "source", "from_at"),
        sa.Index("ix_listing_source_to_at", "source", "to_at"),
        sa.Index("ix_listing_source_span", "source", "span", "from_number"),
        # the steps of a list, in the order in which a copy takes them
        sa.Index("ix_listing_source_from_number", "source", "from_number", "agency"),
        sa.Index("ix_listing_source_to_number", "source", "to_number", "agency"),
        # the few that were seen before they were believed
        partial_index(
            "ix_listing_source_seen_at",
            "source",
            "seen_at",
            "from_at",
            where=SEEN_EARLIER,
        ),
        partial_index(
            "ix_listing_source_gone_at",
            "source",
            "gone_at",
            where=GONE_EARLIER,
        ),
        # one current version per key, whatever two pollers do; also how the baseline is read
        partial_index(
            "uq_listing_source_key_current",
            "source",
            "key",
            unique=True,
            where="to_number IS NULL",
        ),
    )


class PlacementRow(TableRow, table=True):
    """The places of an accepted listing, kept with its version. ``places`` are separated by spaces,
    ``reason`` is as in `ChangeRow`; ``gazetteer`` is the `places.gazetteer.Gazetteer.version` that said so.
    """

    __tablename__ = "placement"
    listing_id: int = Field(primary_key=True, foreign_key="listing.id")
    gazetteer: str
    places: str
    how: str
    confidence: str
    statewide: bool = False
    reason: str


class HistoryImportRow(TableRow, table=True):
    """The past of a source that others captured; at most one for each source.

    ``first_at`` and ``last_at`` are the moments of its captures. ``joined_number`` and ``joined_at`` are
    those of the first own reading that follows it, None before that.
    """

    __tablename__ = "history_import"
    id: int | None = Field(default=None, primary_key=True)
    source: str = Field(unique=True)
    at: datetime = Field(sa_type=UtcDateTime)
    first_at: datetime = Field(sa_type=UtcDateTime)
    last_at: datetime = Field(sa_type=UtcDateTime)
    joined_number: int | None = None
    joined_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class CaptureRow(TableRow, table=True):
    """A publication that somebody else captured at a moment, and who: where a version, a change or a list of
    that moment comes from.

    ``outcome``: good, unchanged, failed, rejected. ``name`` is the file's.
    """

    __tablename__ = "capture"
    id: int | None = Field(default=None, primary_key=True)
    import_id: int = Field(foreign_key="history_import.id")
    source: str
    at: datetime = Field(sa_type=UtcDateTime)
    name: str
    hash: str
    bytes: int
    outcome: str
    reason: str = ""
    captured_by: str
    url: str = ""
    licence: str = ""
    note: str = ""
    leaf: int | None = Field(default=None, sa_type=BigId)

    __table_args__ = (sa.UniqueConstraint("source", "at"),)


class ChangesetRow(TableRow, table=True):
    """The changes that one poll published together.

    ``fanned_out_at`` None: its deliveries are still to be written.
    """

    __tablename__ = "changeset"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    number: int
    at: datetime = Field(sa_type=UtcDateTime)
    fetch_id: int | None = Field(default=None, foreign_key="fetch.id")
    fanned_out_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # the first entry of its changes in the log of the record
    leaf: int | None = Field(default=None, sa_type=BigId)
    # the import that it came with: nobody is told of it
    import_id: int | None = Field(default=None, foreign_key="history_import.id")

    __table_args__ = (
        sa.UniqueConstraint("source", "number"),
        sa.Index("ix_changeset_fanned_out_at", "fanned_out_at"),
        sa.Index("ix_changeset_at", "at"),
    )


class ChangeRow(TableRow, table=True):
    """A difference between the baseline and what was published, with a state and a clock of its own.

    ``not_before`` is the last good poll without it, ``first_seen_at`` the first with it (together: the
    interval in which it happened), ``ended_at`` when it was published, withdrawn or went away after a
    rejection. ``before``, ``after`` and ``previous`` are listings as JSON without what the row says already,
    see `storage.lists.codec`. ``gone_at``: of a listing that is back, when it was first missing.
    ``retraction`` is the reason of a retraction, by language.
    """

    __tablename__ = "change"
    id: int | None = Field(default=None, primary_key=True)
    source: str
    kind: str
    agency: str
    state: str
    reason: str = ""
    fields: list[str] = Field(default_factory=list, sa_type=Json)
    before: dict[str, Any] | None = Field(default=None, sa_type=Json)
    after: dict[str, Any] | None = Field(default=None, sa_type=Json)
    previous: dict[str, Any] | None = Field(default=None, sa_type=Json)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)
    first_seen_at: datetime = Field(sa_type=UtcDateTime)
    release_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    was_held: bool = False
    approved: bool = False
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    changeset_id: int | None = Field(default=None, foreign_key="changeset.id")
    # set when the change is located, at fan-out
    how: str | None = None
    confidence: str | None = None
    placement: str | None = None
    # of a change that came with an import: see `storage.lists.changes.StoredChange`
    origin: str | None = None
    captured_by: str | None = None
    gone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    retracted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    retraction: dict[str, str] | None = Field(default=None, sa_type=Json)

    __table_args__ = (
        sa.Index("ix_change_source_state", "source", "state"),
        sa.Index("ix_change_changeset_id", "changeset_id"),
        sa.Index("ix_change_source_agency", "source", "agency"),
        # the newest of a state, whatever came before
        sa.Index("ix_change_state_ended_at", "state", "ended_at", "id"),
        # holds that went away; a query finds it by these very words
        partial_index(
            "ix_change_withdrawn_ended_at",
            "ended_at",
            where=WITHDRAWN,
        ),
        partial_index(
            "ix_change_retracted_at",
            "retracted_at",
            where=RETRACTED,
        ),
    )


class ChangePlaceRow(TableRow, table=True):
    """A place that a published change concerns: its ZIPs, its state, and "US".

    ``everyone``: on a state's row, the agency serves the whole state, so followers of any ZIP there hear of
    it too. ``published_at``: on a state's row, when the change was published, so that the newest of a state
    are found without the others; None on a ZIP's, which has few.
    """

    __tablename__ = "change_place"
    change_id: int = Field(primary_key=True, foreign_key="change.id")
    place: str = Field(primary_key=True)
    everyone: bool = False
    published_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    __table_args__ = (
        sa.Index("ix_change_place_place", "place", "everyone", "change_id"),
        partial_index(
            "ix_change_place_newest",
            "place",
            "published_at",
            "change_id",
            where="published_at IS NOT NULL",
        ),
    )
