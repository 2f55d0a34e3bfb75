"""Reads the contents of an evidence bundle from the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.engine import Connection

from monitor.core.wording import normalize
from monitor.domain import Kind, SourceInfo
from monitor.errors import RecordError, UsageError
from monitor.formatting import format_count, format_minute
from monitor.record import log
from monitor.record.bundle import BundleBody, BundleContents, BundleEntry, Quote
from monitor.record.checkpoint import read_checkpoint
from monitor.record.leaf import LeafValue, decode_leaf
from monitor.record.quotes import detect_suffix, find_quote, prove_absence
from monitor.record.tree import Nodes, prove_inclusion
from monitor.storage.lists import bodies, changes, history, log_rows, record_rows
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.history import PollEntry

MOST_POLLS = 3000
"""Polls in one bundle: four months of hourly ones."""
_SAW = {history.GOOD, history.UNCHANGED, history.REJECTED}
_SENTENCES = {
    Kind.ADDED: (
        "{name} was added to {title}: not in it at the poll of {before}, in it at the poll of {after}.",
        "{name} fue añadida a {title}: no figuraba en la consulta del {before}, figuraba en la del {after}.",
    ),
    Kind.REMOVED: (
        "{name} is no longer in {title}: in it at the poll of {before}, not in it at the poll of {after}.",
        "{name} ya no figura en {title}: figuraba en la consulta del {before}, no en la del {after}.",
    ),
    Kind.CHANGED: (
        "The entry of {name} in {title} was changed between the polls of {before} and {after}.",
        "La entrada de {name} en {title} cambió entre las consultas del {before} y del {after}.",
    ),
}


_RETRACTED = (
    " The operator retracted this announcement on {at}: {reason}",
    " El operador retiró este anuncio el {at}: {reason}",
)
_AROUND = (
    "from the last poll before {day} (UTC) to the first one after it: {polls}, {within} of them on that day, "
    "and {bodies}.",
    "desde la última consulta antes del {day} (UTC) hasta la primera después: {polls}, {within} ese día, y "
    "{bodies}.",
)
_DAY = ("What {title} said " + _AROUND[0], "Lo que decía {title} " + _AROUND[1])
_DAY_WITHOUT = (
    "The text {text} is in no publication of {title} " + _AROUND[0],
    "El texto {text} no figura en ninguna publicación de {title} " + _AROUND[1],
)


def collect_change(conn: Connection, change_id: int, source: SourceInfo, operator: str) -> BundleContents:
    """Collect the evidence of a published change, up to the latest checkpoint.

    Raises UsageError for a change that is not published or older than the record, RecordError if database and
    record do not agree.
    """
    row, changeset = _load_published(conn, change_id)
    assert row.not_before is not None
    found = history.load_polls(conn, row.source, row.not_before, changeset.at, MOST_POLLS + 1)
    polls = sorted(found, key=lambda poll: poll.leaf or 0)  # one that was overtaken stands after later ones
    while polls and polls[-1].outcome not in _SAW:
        polls = polls[:-1]
    if len(polls) > MOST_POLLS:
        raise UsageError(
            f"change {change_id} lies between more than {MOST_POLLS} polls, too many for a bundle"
        )
    if not polls or any(poll.leaf is None for poll in polls) or changeset.leaf is None:
        raise UsageError(f"change {change_id} was published before the record began: there is no proof of it")
    note = log_rows.load_checkpoint(conn)
    size = 0 if note is None else read_checkpoint(note).size
    nodes = log.read_nodes(conn)
    described = log.describe_change(row)
    entries = _load_entries(conn, polls, size, nodes)
    published = _find_changes_entry(conn, changeset.leaf, described, size, nodes)
    before, after = (str(entries[at].entry["body"]) for at in (0, -1))
    kept = [load_bundle_body(conn, sha256) for sha256 in dict.fromkeys((before, after))]
    sentences = _SENTENCES[row.change.kind]
    retractions = _find_retractions(conn, row, changeset.leaf, size, nodes)
    taken_back = (
        tuple(
            text.format(at=format_minute(row.retraction.at), reason=row.retraction.reason(language))
            for text, language in zip(_RETRACTED, ("en", "es"), strict=True)
        )
        if row.retraction
        else ("", "")
    )
    values = {
        "name": _name(row),
        "title": f"{source.title()!r}",
        "before": format_minute(row.not_before),
        "after": format_minute(row.first_seen_at),
    }
    assert note is not None
    return BundleContents(
        title=f"{_name(row)}: {source.title()}",
        sentence=sentences[0].format(**values) + taken_back[0],
        sentence_es=sentences[1].format(**values) + taken_back[1],
        source=row.source,
        publisher=source.official_url or source.publisher,
        operator=operator,
        polls=entries,
        changes=[published],
        retractions=retractions,
        bodies=kept,
        before=before,
        after=after,
        change=described,
        present=[quote for body in kept if (quote := _quote(row, body, before, after, present=True))],
        absent=[quote for body in kept if (quote := _quote(row, body, before, after, present=False))],
        checkpoint=note,
    )


def collect_day(
    conn: Connection, source: SourceInfo, day: date, operator: str, without: str | None = None
) -> BundleContents:
    """Collect the evidence of a day (UTC) of a list, from the last poll before it to the first one after it.

    ``without`` is a text, such as an agency's name, that none of its publications contains. Raises UsageError
    if one contains it or cannot be searched, or if the day has no polls around it, and RecordError as
    `collect_change` does.
    """
    start = datetime.combine(day, time(), UTC)
    first = history.poll_before(conn, source.name, start)
    last = history.poll_after(conn, source.name, start + timedelta(days=1))
    if first is None or last is None:
        raise UsageError(
            f"{day} cannot be proved as a whole: there must be a poll before it and one after it"
        )
    polls = history.load_polls(conn, source.name, first, last, MOST_POLLS + 1)
    if len(polls) > MOST_POLLS:
        raise UsageError(f"{day} has more than {MOST_POLLS} polls around it, too many for a bundle")
    if any(poll.leaf is None for poll in polls):
        raise UsageError(f"{day} lies before the record began: there is no proof of it")
    note = log_rows.load_checkpoint(conn)
    size = 0 if note is None else read_checkpoint(note).size
    entries = _load_entries(conn, polls, size, log.read_nodes(conn))
    seen = dict.fromkeys(str(poll.entry["body"]) for poll in entries if "body" in poll.entry)
    kept = [load_bundle_body(conn, sha256) for sha256 in seen]
    absent = [prove_absence(body, without) for body in kept] if without else []
    if without:
        _check_readings(conn, source.name, without, first, last)
    assert note is not None
    sentences = _DAY if without is None else _DAY_WITHOUT
    values = {
        "title": repr(source.title()),
        "day": day,
        "within": sum(str(poll.entry["at"]).startswith(str(day)) for poll in entries),
        "text": repr(without),
    }
    counted = (
        (format_count(len(entries), "poll"), format_count(len(kept), "publication")),
        (format_count(len(entries), "consulta"), format_count(len(kept), "publicación", "publicaciones")),
    )
    english, spanish = (
        sentence.format(polls=polls_of, bodies=bodies_of, **values)
        for sentence, (polls_of, bodies_of) in zip(sentences, counted, strict=True)
    )
    return BundleContents(
        title=f"{source.title()}: {day}",
        sentence=english,
        sentence_es=spanish,
        source=source.name,
        publisher=source.official_url or source.publisher,
        operator=operator,
        polls=entries,
        bodies=kept,
        day=day,
        absent=absent,
        checkpoint=note,
    )


def _check_readings(conn: Connection, source: str, text: str, first: datetime, last: datetime) -> None:
    """Check that no agency that the publications between two polls list has the text in its name: they may
    write it in another way. Raises UsageError.
    """
    wanted = normalize(text)
    names = [
        each.listing.name
        for each in record_rows.load_versions_between(conn, source, first, last)
        if each.seen_to is None or each.seen_to > first
    ]
    unbelieved = changes.load_unbelieved_additions(conn, source, first, last)
    for name in [*names, *(row.change.subject.name for row in unbelieved)]:
        if wanted in normalize(name):
            raise UsageError(f"the list had {name!r} then, in which the text {text!r} occurs")


def _load_published(conn: Connection, change_id: int) -> tuple[StoredChange, changes.ChangesetInfo]:
    rows = changes.load_by_ids(conn, [change_id])
    if not rows or rows[0].changeset is None:
        raise UsageError(f"there is no published change {change_id}; see `monitor changes`")
    if rows[0].origin != changes.OWN:
        raise UsageError(
            f"change {change_id} was imported: {rows[0].captured_by} captured what it rests on, and this "
            "service did not see it. Its captures are entries of the record"
        )
    if rows[0].not_before is None:
        raise UsageError(f"change {change_id} has no poll before it: nothing is known of when it happened")
    return rows[0], changes.load_changeset(conn, rows[0].changeset)


def _load_entries(
    conn: Connection, polls: Sequence[PollEntry], size: int, nodes: Nodes
) -> tuple[BundleEntry, ...]:
    numbers = [poll.leaf for poll in polls if poll.leaf is not None]
    leaves = log_rows.load_leaves(conn, numbers)
    if len(leaves) != len(polls):
        raise RecordError("polls are missing in the log: restore the database from a backup")
    entries = []
    for leaf, poll in zip(leaves, sorted(polls, key=lambda poll: poll.leaf or 0), strict=True):
        entries.append(prove_entry(leaf, size, nodes, list_details(poll.headers, poll.request)))
    return tuple(entries)


def _find_changes_entry(
    conn: Connection, first: int, described: dict[str, LeafValue], size: int, nodes: Nodes
) -> BundleEntry:
    """Find the log entry with a change: many changes of one publication take several consecutive entries."""
    start = first
    while leaves := log_rows.load_leaf_range(conn, start, start + 16):
        for leaf in leaves:
            content = decode_leaf(leaf.content)
            if content["type"] != "changes":
                raise RecordError("the change is not in the log as it is in the database")
            listed = content["changes"]
            if isinstance(listed, list) and described in listed:
                return prove_entry(leaf, size, nodes, {})
        start += len(leaves)
    raise RecordError("the change is not in the log as it is in the database")


def _find_retractions(
    conn: Connection, row: StoredChange, published: int, size: int, nodes: Nodes
) -> tuple[BundleEntry, ...]:
    """Find the entry by which the operator retracted a change; empty if it is not retracted."""
    if row.retraction is None:
        return ()
    found = [
        leaf
        for leaf in log_rows.load_leaves_of(conn, row.retraction.at, published)
        if (content := decode_leaf(leaf.content))["type"] == "retraction" and content["change"] == row.id
    ]
    if not found:
        raise RecordError("the retraction of the change is not in the log as it is in the database")
    return tuple(prove_entry(leaf, size, nodes, {}) for leaf in found)


def prove_entry(
    leaf: log_rows.LogLeaf, size: int, nodes: Nodes, details: dict[str, LeafValue]
) -> BundleEntry:
    """Build an entry with the proof that the signed log of this size contains it. Raises RecordError if it is
    not signed yet.
    """
    if leaf.number >= size:
        raise RecordError("the record has not been signed since: try again when `monitor run` has signed it")
    proof = prove_inclusion(leaf.number, size, nodes)
    return BundleEntry(leaf.number, decode_leaf(leaf.content), proof, details)


def list_details(
    headers: list[list[str]] | None, request: dict[str, LeafValue] | None
) -> dict[str, LeafValue]:
    """The stored values of which a poll's entry contains only the hashes."""
    details: dict[str, LeafValue] = {"headers": headers} if headers else {}
    return details | ({"request": request} if request else {})


def load_bundle_body(conn: Connection, sha256: str) -> BundleBody:
    """Load a body for a bundle; without content, and with the reason, if it is not stored."""
    content = bodies.load_body(conn, sha256)
    body = BundleBody(sha256, detect_suffix(content or b""), content)
    removed = log_rows.find_redaction(conn, sha256) if content is None else None
    if removed is None:
        return body
    entry = decode_leaf(removed.content)
    said = (
        f"removed by the operator on {entry['at']}, entry {removed.number} of the record: {entry['reason']}"
    )
    return replace(body, missing=said)


def _quote(row: StoredChange, body: BundleBody, before: str, after: str, *, present: bool) -> Quote | None:
    """Quote the agency's name in the publication that contains it, or as absent from the other one."""
    listing = row.change.after or row.change.before
    if row.change.kind is Kind.CHANGED or before == after or listing is None:
        return None
    has_it = body.sha256 == (after if row.change.kind is Kind.ADDED else before)
    if has_it != present:
        return None
    if present:
        return find_quote(body, listing.name)
    if body.content is None or body.content.startswith(b"PK"):
        return None  # a workbook's strings are shared by all its cells
    try:
        return prove_absence(body, listing.name)
    except UsageError:
        return None


def _name(row: StoredChange) -> str:
    listing = row.change.after or row.change.before
    assert listing is not None
    return f"{listing.name} ({listing.state})" if listing.state else listing.name
