"""Checks the log in the database against a head that was published before: every entry is hashed again, so
the check does not rely on the stored tree.
"""

from __future__ import annotations

from sqlalchemy.engine import Connection

from monitor.errors import RecordError
from monitor.record.checkpoint import Verifier, open_checkpoint, parse_head
from monitor.record.tiles import HEIGHT
from monitor.record.tree import EMPTY_ROOT, Frontier, hash_leaf
from monitor.storage.lists import log_rows
from monitor.storage.lists.record_rows import iterate_leaves

_HASHES = 4096  # the number of entries that are compared with the stored hashes at a time


def check_log(conn: Connection, head: str) -> tuple[tuple[str, bool, str], ...]:
    """Run every check of the log against a published ``head``: name, success and explanation.

    Raises RecordError for a line that is not a head.
    """
    size, root = parse_head(head)
    stands = log_rows.load_head(conn)
    if size > stands.size:
        older = f"the record has {stands.size} entries and had {size}: it is an older copy"
        return (("Head", False, older),)
    note = log_rows.load_checkpoint(conn)
    signed, problem = None, "the record was never signed"
    if note is not None and stands.key is not None:
        try:
            signed = open_checkpoint(note, Verifier.parse(stands.key))
        except RecordError as error:
            problem = f"{error}"
    roots: dict[int, bytes] = {0: EMPTY_ROOT}
    wanted = {size, stands.size, *([signed.size] if signed else [])}
    frontier, damaged = Frontier(), _Damage(conn)
    for number, content in enumerate(iterate_leaves(conn, stands.size)):
        hashed = hash_leaf(content.encode())
        frontier, completed = frontier.append(hashed)
        damaged.compare(number, [node for node in completed if node[0] % HEIGHT == 0])
        if frontier.size in wanted:
            roots[frontier.size] = frontier.root
    whole = frontier.size == stands.size and b"".join(frontier.peaks) == stands.peaks
    where = damaged.finish()
    if roots.get(size) == root:
        first = f"the record of {stands.size} entries continues the one of {size} that was published"
    else:
        first = f"the first {size} entries are not those that were published: it is another history"
        for fork in log_rows.load_forks(conn):
            first += f"; entry {fork.entry} says that it goes on from an older copy than {fork.published!r}"
    entries = "every entry has the hash that is stored for it"
    if not whole:
        entries = (
            f"there are {frontier.size} entries, and they do not lead to the stored state of {stands.size}"
        )
    if where is not None:
        entries = f"entry {where} was changed: the hash that is stored belongs to another one"
    if signed is not None and roots.get(signed.size) != signed.root:
        problem = f"the signed state of {signed.size} entries is of another history"
        signed = None
    return (
        ("Head", roots.get(size) == root, first),
        ("Entries", whole and where is None, entries),
        ("Signature", signed is not None, f"{signed.size} entries are signed" if signed else problem),
    )


class _Damage:
    """Finds the first entry whose hash, or the hash of a subtree that ends with it, differs from the stored
    one.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._hashes: list[tuple[int, int, int, bytes]] = []
        self._first: int | None = None

    def compare(self, number: int, nodes: list[tuple[int, int, bytes]]) -> None:
        """Compare the nodes that an entry completes with the stored ones."""
        self._hashes += [(level, index, number, hashed) for level, index, hashed in nodes]
        if len(self._hashes) >= _HASHES:
            self.finish()

    def finish(self) -> int | None:
        """Compare the collected nodes; returns the first damaged entry, None if there is none."""
        for level in sorted({each[0] for each in self._hashes}):
            given = [each for each in self._hashes if each[0] == level]
            stored = log_rows.load_hashes(self._conn, level, given[0][1], given[-1][1] + 1)
            padded = (*stored, *[b""] * (len(given) - len(stored)))
            wrong = [each[2] for each, known in zip(given, padded, strict=True) if known != each[3]]
            self._first = min([*wrong, *([] if self._first is None else [self._first])], default=None)
        self._hashes.clear()
        return self._first
