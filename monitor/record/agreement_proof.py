"""Reads the evidence that an agreement was published, or replaced by another document, from the database."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from monitor.domain import SourceInfo
from monitor.errors import RecordError, UsageError
from monitor.formatting import format_minute
from monitor.record import log
from monitor.record.bundle import BundleContents
from monitor.record.checkpoint import read_checkpoint
from monitor.record.collect import MOST_POLLS, list_details, load_bundle_body, prove_entry
from monitor.record.leaf import decode_leaf
from monitor.storage.lists import agreements, log_rows

_KEPT = (
    "The document that {title} linked at {url} was this one at the check of {after}.",
    "El documento que {title} enlazaba en {url} era este en la consulta del {after}.",
)
_REPLACED = (
    "The document that {title} linked at {url} was replaced between the checks of {before} and {after}.",
    "El documento que {title} enlazaba en {url} fue sustituido entre las consultas del {before} y del "
    "{after}.",
)


def collect_agreement(conn: Connection, number: int, source: SourceInfo, operator: str) -> BundleContents:
    """Collect the evidence of a copy of an agreement (`storage.lists.agreements.AgreementCopy`): every check
    from the last one that saw the earlier document until the one that confirmed this one, and both documents.

    Raises UsageError for an unknown number, RecordError if database and record do not agree, or the record is
    not signed yet.
    """
    copy = agreements.load_copy(conn, number)
    if copy is None or copy.source != source.name:
        raise UsageError(f"there is no copy {number} of an agreement; see `monitor agreements`")
    first = copy.to_look if copy.from_look is None else copy.from_look
    looks = agreements.load_looks(conn, copy.agreement, first, copy.to_look)
    if len(looks) > MOST_POLLS:
        raise UsageError(f"the copy {number} lies between more than {MOST_POLLS} looks")
    note = log_rows.load_checkpoint(conn)
    size = 0 if note is None else read_checkpoint(note).size
    nodes = log.read_nodes(conn)
    leaves = log_rows.load_leaves(conn, [look.leaf for look in looks] + [copy.leaf])
    if len(leaves) != len(looks) + 1:
        raise RecordError("looks are missing in the log: restore the database from a backup")
    entries = []
    for leaf, look in zip(leaves[:-1], looks, strict=True):
        entries.append(prove_entry(leaf, size, nodes, list_details(look.headers, look.request)))
    changed = prove_entry(leaves[-1], size, nodes, {})
    described = decode_leaf(leaves[-1].content)["changes"]
    assert isinstance(described, list)
    assert isinstance(described[0], dict)
    assert note is not None
    sentences = _KEPT if copy.before is None else _REPLACED
    values = {
        "title": f"{source.title()!r}",
        "url": copy.url,
        "before": "" if copy.not_before is None else format_minute(copy.not_before),
        "after": format_minute(copy.first_seen_at),
    }
    hashes = [sha256 for sha256 in (copy.before, copy.after) if sha256 is not None]
    return BundleContents(
        title=f"{copy.url}: {source.title()}",
        sentence=sentences[0].format(**values),
        sentence_es=sentences[1].format(**values),
        source=agreements.name_agreement(source.name, copy.agreement),
        publisher=copy.url,
        operator=operator,
        polls=entries,
        changes=[changed],
        bodies=[load_bundle_body(conn, sha256) for sha256 in dict.fromkeys(hashes)],
        before=copy.before,
        after=copy.after,
        change=described[0],
        checkpoint=note,
    )
