"""The peer of a TLS connection, and the root that verified it."""

from __future__ import annotations

import hashlib
import ssl
from typing import Dict, List, Optional, Sequence, Tuple

from wire.records import Record
from zac.trust import pem


class Peer(Record):
    """Digests of the trust store and root that verified a server, and of its certificate."""

    store: str = ""
    anchored: str = ""
    certificate_sha256: str = ""


def trust_store_id(roots: Sequence[str]) -> str:
    """Return the ID of a trust store: the digest of its roots."""
    return hashlib.sha256("".join(roots).encode()).hexdigest()


def get_peer(sock: ssl.SSLSocket, roots: Sequence[str]) -> Peer:
    """Return the peer of an open connection."""
    leaf = sock.getpeercert(binary_form=True) or b""
    chain = _verified_chain(sock)
    anchored = ""
    if chain and roots:
        anchored = hashlib.sha256(chain[-1].public_bytes(2)).hexdigest()
    elif len(roots) == 1:
        anchored = pem.fingerprint(roots[0])
    return Peer(trust_store_id(roots)[:16], anchored, hashlib.sha256(leaf).hexdigest())


def get_verified_certificate(sock: Optional[ssl.SSLSocket]) -> bytes:
    """Return the certificate (DER) of a server that was verified, b"" if it was not."""
    if sock is None or sock.context.verify_mode == ssl.CERT_NONE:
        return b""
    return sock.getpeercert(binary_form=True) or b""


def _verified_chain(sock: ssl.SSLSocket) -> Sequence["_Certificate"]:
    # The verified chain is available in Python 3.10 and later.
    inner = getattr(sock, "_sslobj", None)
    chain = getattr(inner, "get_verified_chain", None)
    return (chain() or []) if chain else []


class _Certificate:
    """The methods that are used of certificate objects of `ssl`."""

    def public_bytes(self, encoding: int) -> bytes:
        raise NotImplementedError

    def get_info(self) -> Dict[str, str]:
        raise NotImplementedError


def validity_periods(sock: ssl.SSLSocket) -> List[Tuple[float, float]]:
    """Return the validity (begin, end) of each certificate in the verified chain, in seconds."""
    chain = [certificate.get_info() for certificate in _verified_chain(sock)]
    leaf = sock.getpeercert() or {}
    if not chain and "notAfter" in leaf:
        chain = [{"notBefore": str(leaf["notBefore"]), "notAfter": str(leaf["notAfter"])}]
    seconds = ssl.cert_time_to_seconds
    return [(seconds(info["notBefore"]), seconds(info["notAfter"])) for info in chain]
