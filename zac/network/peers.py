"""Who is at the other end of a TLS connection, and which root vouched for it."""

from __future__ import annotations

import hashlib
import ssl
from typing import Dict, List, Sequence, Tuple

from wire.values import Value
from zac.trust import pem


class Peer(Value):
    """Who answered: which store and which root verified it (digests), and its certificate's."""

    store: str = ""
    anchored: str = ""
    certificate_sha256: str = ""


def digest(roots: Sequence[str]) -> str:
    """Return the name of a trust store: the digest of its roots."""
    return hashlib.sha256("".join(roots).encode()).hexdigest()


def peer_of(sock: ssl.SSLSocket, roots: Sequence[str]) -> Peer:
    """Return who answered on an open connection."""
    leaf = sock.getpeercert(binary_form=True) or b""
    chain = _verified_chain(sock)
    anchored = ""
    if chain and roots:
        anchored = hashlib.sha256(chain[-1].public_bytes(2)).hexdigest()
    elif len(roots) == 1:
        anchored = pem.fingerprint(roots[0])
    return Peer(digest(roots)[:16], anchored, hashlib.sha256(leaf).hexdigest())


def _verified_chain(sock: ssl.SSLSocket) -> Sequence["_Certificate"]:
    # Python offers the verified chain from 3.10 on; older ones report the store alone.
    inner = getattr(sock, "_sslobj", None)
    chain = getattr(inner, "get_verified_chain", None)
    return (chain() or []) if chain else []


class _Certificate:
    """The part of ssl's certificate object that is used."""

    def public_bytes(self, encoding: int) -> bytes:
        raise NotImplementedError

    def get_info(self) -> Dict[str, str]:
        raise NotImplementedError


def validities(sock: ssl.SSLSocket) -> List[Tuple[float, float]]:
    """Return from when to when each certificate of the verified chain is valid."""
    chain = [certificate.get_info() for certificate in _verified_chain(sock)]
    leaf = sock.getpeercert() or {}
    if not chain and "notAfter" in leaf:
        chain = [{"notBefore": str(leaf["notBefore"]), "notAfter": str(leaf["notAfter"])}]
    seconds = ssl.cert_time_to_seconds
    return [(seconds(one["notBefore"]), seconds(one["notAfter"])) for one in chain]
