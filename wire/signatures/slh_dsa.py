"""SLH-DSA-SHA2-128s verification in pure Python (FIPS 205), for devices without `cryptography`.

Its security depends on SHA-256 only, not on a problem that a quantum computer solves. It handles
public data only, so it does not need to run in constant time.

See: FIPS 205, 10.3 (pure signatures), 11.2.1 (SHA2, category 1), table 2 (parameters)
"""

from __future__ import annotations

import hashlib
import struct
from typing import Callable, List

_N = 16
_LAYERS = 7
_HEIGHT = 9
_FORS_TREES = 14
_FORS_HEIGHT = 12
_CHAINS = 35
_DIGITS = 32
_LAST_STEP = 15
_MAX_CONTEXT = 255

PUBLIC_LENGTH = 2 * _N
_FORS_LENGTH = _FORS_TREES * (1 + _FORS_HEIGHT) * _N
_XMSS_LENGTH = (_CHAINS + _HEIGHT) * _N
SIGNATURE_LENGTH = _N + _FORS_LENGTH + _LAYERS * _XMSS_LENGTH

# Types of addresses (FIPS 205, table 1).
_WOTS_HASH, _WOTS_PUBLIC, _TREE, _FORS_TREE, _FORS_ROOTS = range(5)
_TREE_BITS = _HEIGHT * (_LAYERS - 1)

# The hash function of a public key: of an address, and of the data.
_Hash = Callable[[bytes, bytes], bytes]


def verify(public: bytes, message: bytes, signature: bytes, context: bytes = b"") -> bool:
    """Return True if the signature (7856 bytes) is valid for the public key (32 bytes)."""
    if (len(public), len(signature)) != (PUBLIC_LENGTH, SIGNATURE_LENGTH):
        return False
    if len(context) > _MAX_CONTEXT:
        return False
    message = b"\0%c%s%s" % (len(context), context, message)
    seed, root, randomizer = public[:_N], public[_N:], signature[:_N]
    digest = _hash_message(randomizer, seed, root, message)
    indices = int.from_bytes(digest[:21], "big")
    tree = int.from_bytes(digest[21:28], "big") % (1 << _TREE_BITS)
    leaf = int.from_bytes(digest[28:30], "big") % (1 << _HEIGHT)
    hashed = _make_hash(seed)
    node = _fors_public(hashed, signature[_N : _N + _FORS_LENGTH], indices, tree, leaf)
    for layer in range(_LAYERS):
        start = _N + _FORS_LENGTH + layer * _XMSS_LENGTH
        node = _xmss_root(hashed, signature[start : start + _XMSS_LENGTH], node, layer, tree, leaf)
        tree, leaf = tree >> _HEIGHT, tree % (1 << _HEIGHT)
    return node == root


def _hash_message(randomizer: bytes, seed: bytes, root: bytes, message: bytes) -> bytes:
    """Return the 30 bytes that select the trees and leaves of a message (MGF1, one block)."""
    inner = hashlib.sha256(randomizer + seed + root + message).digest()
    return hashlib.sha256(randomizer + seed + inner + bytes(4)).digest()[:30]


def _make_hash(seed: bytes) -> _Hash:
    """Return the function F, H, and T of a public key. The first block is hashed only once."""
    first_block = hashlib.sha256(seed + bytes(64 - _N))

    def hashed(address: bytes, data: bytes) -> bytes:
        state = first_block.copy()
        state.update(address + data)
        return state.digest()[:_N]

    return hashed


def _address(layer: int, tree: int, kind: int, *words: int) -> bytes:
    """Return a compressed address: 22 bytes. `words` are its last three numbers."""
    return struct.pack(">BQB3I", layer, tree, kind, *words)


def _split(data: bytes) -> List[bytes]:
    return [data[start : start + _N] for start in range(0, len(data), _N)]


def _fors_public(hashed: _Hash, signature: bytes, indices: int, tree: int, leaf: int) -> bytes:
    """Return the public key of FORS that a signature leads to (algorithm 17)."""
    parts, roots = _split(signature), []
    for number in range(_FORS_TREES):
        secret, *path = parts[number * (1 + _FORS_HEIGHT) : (number + 1) * (1 + _FORS_HEIGHT)]
        shift = _FORS_HEIGHT * (_FORS_TREES - 1 - number)
        index = indices >> shift & ((1 << _FORS_HEIGHT) - 1)
        # The leaves of all trees are numbered together.
        position = (number << _FORS_HEIGHT) + index
        node = hashed(_address(0, tree, _FORS_TREE, leaf, 0, position), secret)
        prefix = _address(0, tree, _FORS_TREE, leaf, 0, 0)[:14]
        roots.append(_climb(hashed, prefix, node, path, position))
    return hashed(_address(0, tree, _FORS_ROOTS, leaf, 0, 0), b"".join(roots))


def _xmss_root(
    hashed: _Hash, signature: bytes, message: bytes, layer: int, tree: int, leaf: int
) -> bytes:
    """Return the root of an XMSS tree that a signature leads to (algorithm 11)."""
    parts = _split(signature)
    ends = []
    for chain, (digit, node) in enumerate(zip(_digits(message), parts)):
        prefix = _address(layer, tree, _WOTS_HASH, leaf, chain, 0)[:18]
        for step in range(digit, _LAST_STEP):
            node = hashed(prefix + step.to_bytes(4, "big"), node)  # noqa: PLW2901 - a hash chain
        ends.append(node)
    node = hashed(_address(layer, tree, _WOTS_PUBLIC, leaf, 0, 0), b"".join(ends))
    prefix = _address(layer, tree, _TREE, 0, 0, 0)[:14]
    return _climb(hashed, prefix, node, parts[_CHAINS:], leaf)


def _digits(message: bytes) -> List[int]:
    """Return the message in base 16, followed by the three digits of its checksum."""
    number = int.from_bytes(message, "big")
    digits = [number >> shift & _LAST_STEP for shift in range(4 * (_DIGITS - 1), -1, -4)]
    checksum = _DIGITS * _LAST_STEP - sum(digits)
    return [*digits, checksum >> 8, checksum >> 4 & _LAST_STEP, checksum & _LAST_STEP]


def _climb(hashed: _Hash, prefix: bytes, node: bytes, path: List[bytes], position: int) -> bytes:
    """Return the root of a tree from a leaf, its number, and the siblings on the way up."""
    for height, sibling in enumerate(path, 1):
        pair = sibling + node if position & 1 else node + sibling
        position >>= 1
        node = hashed(prefix + struct.pack(">2I", height, position), pair)
    return node
