"""Revoked server certificates: which ones this device rejects (D-264).

The signed trust list contains them, so a device rejects them also without a connection to the
console, and after the list has expired.
"""

from __future__ import annotations

from zac.host.home import Home
from zac.trust import pem
from zac.trust.signed_part import get_signed_part_digest
from zac.trust.store import TrustStore


def is_revoked(home: Home, trust_store: TrustStore, certificate: bytes) -> bool:
    """Return True if a device must reject the server with this certificate (DER).

    A Primary Server accepts its own certificate. Its agent gets the new certificate from its own
    console, and the responses of the console have a MAC that the key of the certificate is not
    enough for.
    """
    accepted = home.zone_cache().trust_list
    if accepted is None or not accepted.revoked:
        return False
    digest = get_signed_part_digest(certificate)
    return digest in accepted.revoked and digest != _get_own_digest(trust_store)


def _get_own_digest(trust_store: TrustStore) -> str:
    server = trust_store.current().server if trust_store.exists() else ""
    return get_signed_part_digest(pem.der(server)) if server else ""
