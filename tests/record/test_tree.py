"""The Merkle tree against RFC 9162's own definition, written out naively, and every proof against every
change of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.record.tree import (
    EMPTY_ROOT,
    Frontier,
    compute_root,
    hash_leaf,
    prove_consistency,
    prove_inclusion,
    verify_consistency,
    verify_inclusion,
)

# The test vectors that certificate transparency implementations share.
LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
sizes = st.integers(1, 70)


def naive_root(hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\x01" + naive_root(hashes[:split]) + naive_root(hashes[split:])).digest()


def leaf(number: int) -> bytes:
    return hash_leaf(b"leaf %d" % number)


def tree(size: int) -> tuple[Frontier, Callable[[int, int], bytes]]:
    """A tree that was appended to leaf by leaf, and the nodes that this completed, each once."""
    frontier, nodes = Frontier(), {}
    for number in range(size):
        frontier, completed = frontier.append(leaf(number))
        for level, index, node in completed:
            assert (level, index) not in nodes
            nodes[level, index] = node
    return frontier, lambda level, index: nodes[level, index]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_shared_vectors(size: int) -> None:
    frontier = Frontier()
    for content in LEAVES[:size]:
        frontier, _ = frontier.append(hash_leaf(content))
    assert frontier.root.hex() == ROOTS[size - 1]


def test_an_empty_tree_has_the_hash_of_nothing() -> None:
    assert Frontier().root == EMPTY_ROOT == compute_root(0, tree(0)[1]) == naive_root([])


@given(size=sizes)
def test_the_root_is_the_definitions(size: int) -> None:
    frontier, nodes = tree(size)
    assert frontier.root == naive_root([leaf(number) for number in range(size)]) == compute_root(size, nodes)
    assert frontier.size == size


@given(size=sizes, data=st.data())
def test_every_leaf_is_proved_and_no_other(size: int, data: st.DataObject) -> None:
    _, nodes = tree(size)
    index, root = data.draw(st.integers(0, size - 1)), compute_root(size, nodes)
    proof = prove_inclusion(index, size, nodes)
    assert len(proof) <= (size - 1).bit_length()
    assert verify_inclusion(leaf(index), index, size, proof, root)

    other = data.draw(st.integers(0, size + 2).filter(lambda number: number != index))
    assert not verify_inclusion(leaf(other), index, size, proof, root)
    assert not verify_inclusion(leaf(index), other, size, proof, root)
    assert not verify_inclusion(leaf(index), index, size, (*proof, root), root)
    assert not verify_inclusion(leaf(index), index, size, proof, leaf(0) if size > 1 else leaf(1))
    for step in range(len(proof)):
        assert not verify_inclusion(leaf(index), index, size, proof[:step] + proof[step + 1 :], root)


@given(size=sizes, data=st.data())
def test_a_flipped_byte_fails_an_inclusion(size: int, data: st.DataObject) -> None:
    _, nodes = tree(size)
    index = data.draw(st.integers(0, size - 1))
    parts = [leaf(index), compute_root(size, nodes), *prove_inclusion(index, size, nodes)]
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], data)
    assert not verify_inclusion(parts[0], index, size, parts[2:], parts[1])


@given(size=sizes)
def test_all_successive_roots_are_consistent(size: int) -> None:
    _, nodes = tree(size)
    new_root = compute_root(size, nodes)
    for old in range(size + 1):
        proof = prove_consistency(old, size, nodes)
        assert verify_consistency(old, size, proof, compute_root(old, nodes), new_root)


@given(size=st.integers(2, 70), data=st.data())
def test_a_flipped_byte_fails_a_consistency(size: int, data: st.DataObject) -> None:
    _, nodes = tree(size)
    old = data.draw(st.integers(1, size - 1))
    parts = [compute_root(old, nodes), compute_root(size, nodes), *prove_consistency(old, size, nodes)]
    which = data.draw(st.integers(0, len(parts) - 1))
    parts[which] = flipped(parts[which], data)
    assert not verify_consistency(old, size, parts[2:], parts[0], parts[1])


@given(size=st.integers(2, 70), data=st.data())
def test_a_history_that_was_changed_is_not_consistent(size: int, data: st.DataObject) -> None:
    """A fork: one leaf before the old size is another one in the new tree."""
    _, nodes = tree(size)
    old = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old - 1))
    forked, others = Frontier(), {}
    for number in range(size):
        forked, completed = forked.append(leaf(number if number != changed else 999))
        others |= {(level, index): node for level, index, node in completed}
    proof = prove_consistency(old, size, lambda level, index: others[level, index])
    assert not verify_consistency(old, size, proof, compute_root(old, nodes), forked.root)


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3)])
def test_impossible_sizes_are_no_proof(old: int, new: int) -> None:
    _, nodes = tree(5)
    assert not verify_consistency(old, new, (), leaf(1), leaf(1))
    with pytest.raises(ValueError, match="not the beginning"):
        prove_consistency(old, new, nodes)
    with pytest.raises(ValueError, match="no leaf"):
        prove_inclusion(5, 5, nodes)
    with pytest.raises(ValueError, match="peaks"):
        Frontier(3, (leaf(1),))


def flipped(content: bytes, data: st.DataObject) -> bytes:
    at, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
