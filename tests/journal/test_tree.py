"""The tree against the published vectors of RFC 6962 trees, and its proofs against the definition."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.journal.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    extends,
    includes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
)

# The inputs and roots that implementations of Certificate Transparency test against.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
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
LEAVES = [leaf_hash(bytes.fromhex(each)) for each in INPUTS]
INCLUSIONS = [
    (0, 8, "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7 "
           "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e "
           "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"),
    (5, 8, "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b "
           "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0 "
           "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    (2, 3, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    (1, 5, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d "
           "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e "
           "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"),
]  # fmt: skip
CONSISTENCIES = [
    (1, 8, INCLUSIONS[0][2]),
    (6, 8, "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a "
           "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0 "
           "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    (2, 5, "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e "
           "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"),
]  # fmt: skip


def defined(leaves: list[bytes]) -> bytes:
    """The root as RFC 6962 section 2.1 defines it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(defined(leaves[:split]), defined(leaves[split:]))


def test_the_empty_tree() -> None:
    assert root_of([]) == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_roots(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size", "path"), INCLUSIONS)
def test_inclusion(index: int, size: int, path: str) -> None:
    proof = inclusion_proof(index, LEAVES[:size])
    assert [each.hex() for each in proof] == path.split()
    assert includes(bytes.fromhex(ROOTS[size - 1]), size, index, LEAVES[index], proof)


@pytest.mark.parametrize(("old", "new", "path"), CONSISTENCIES)
def test_consistency(old: int, new: int, path: str) -> None:
    proof = consistency_proof(old, LEAVES[:new])
    assert [each.hex() for each in proof] == path.split()
    assert extends(bytes.fromhex(ROOTS[old - 1]), old, bytes.fromhex(ROOTS[new - 1]), new, proof)


def test_every_proof_holds_and_none_for_another_place() -> None:
    """Every pair of sizes up to 33: the right proof holds; a changed, a shortened and a lengthened one do not, nor one
    for another leaf or another root."""
    leaves = [leaf_hash(bytes([n])) for n in range(33)]
    roots = [root_of(leaves[:size]) for size in range(34)]
    for size in range(1, 34):
        for index in range(size):
            proof = inclusion_proof(index, leaves[:size])
            assert includes(roots[size], size, index, leaves[index], proof)
            assert not includes(roots[size], size, (index + 1) % size, leaves[index], proof) or size == 1
            assert not includes(roots[size], size, index, leaves[index], [*proof, roots[1]])
            assert not includes(roots[size - 1], size, index, leaves[index], proof)
            assert not proof or not includes(roots[size], size, index, leaves[index], proof[:-1])
            proof = consistency_proof(index + 1, leaves[:size])
            assert extends(roots[index + 1], index + 1, roots[size], size, proof)
            assert not extends(roots[index], index + 1, roots[size], size, proof)
            assert not extends(roots[index + 1], index + 1, roots[size], size, [*proof, roots[1]])
            assert not proof or not extends(roots[index + 1], index + 1, roots[size], size, proof[:-1])
            for place in range(len(proof)):
                changed = [*proof[:place], leaf_hash(proof[place]), *proof[place + 1 :]]
                assert not extends(roots[index + 1], index + 1, roots[size], size, changed)


@pytest.mark.parametrize("index", [-1, 8])
def test_no_proof_of_what_is_not_there(index: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(index, LEAVES)
    with pytest.raises(ValueError, match="no tree"):
        consistency_proof(index + 1 if index > 0 else 0, LEAVES)
    assert not includes(root_of(LEAVES), 8, index, LEAVES[0], [])
    assert not extends(EMPTY_ROOT, 0, root_of(LEAVES), 8, [])


@given(st.lists(st.binary(max_size=3), max_size=200), st.integers(0, 200))
def test_the_growing_tree_is_the_tree(entries: list[bytes], start: int) -> None:
    """Grown leaf by leaf or from a beginning, the root is the defined one."""
    leaves = [leaf_hash(each) for each in entries]
    frontier = Frontier(leaves[:start])
    frontier.extend(leaves[start:])
    assert frontier.root() == defined(leaves)
    assert frontier.size == len(leaves)


def test_an_entry_cannot_pose_as_a_node() -> None:
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])
