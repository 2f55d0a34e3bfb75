"""The public record: an append-only log of every poll, and the proofs with which anybody can verify it
offline.

The log is a Merkle tree (RFC 9162). Its checkpoint, the number of entries and the root of the tree, is signed
with Ed25519 as a C2SP signed note. An earlier checkpoint proves that nothing before it
was changed or removed since; an entry can be proved to be in the tree, with one hash per
doubling of its size.
"""
