"""CA keys at rest: the only reader of CA private keys.

A CA key is sealed (HPKE) to the CA vault key of its certificate server, which that server's
worker alone can read: only there can be signed (D-30).
"""

from __future__ import annotations

from datetime import datetime

from certificates.models import Authority, Bridge
from devices import keyring
from devices.models import Device
from faults import Unavailable
from pki import chains, sealing
from pki.issuing import Issuer


class NotHere(Unavailable):
    """The CA key lives on another server."""

    action = "Only the certificate server signs; its worker must be running."


def binding(authority_id: object, server_id: object) -> str:
    """Return what binds a sealed CA key to its authority and its server (S-33)."""
    return f"ca-key|{authority_id}|{server_id}"


def seal(key_pem: str, *, authority_id: object, server: Device) -> str:
    """Seal a CA key to one server's CA vault key."""
    return sealing.seal(
        key_pem.encode(), to=server.ca_vault_key, binding=binding(authority_id, server.pk)
    )


def open_key(authority: Authority) -> str:
    """Return the CA key of an authority whose certificate server is this one."""
    ring = keyring.here()
    if not authority.sealed_key or authority.certificate_server_id != ring.server_id:
        raise NotHere("The key of this CA is not on this server.")
    opened = ring.open_for_ca(authority.sealed_key, binding=binding(authority.pk, ring.server_id))
    return opened.decode()


def open_issuer(authority: Authority, *, now: datetime) -> Issuer:
    """Return the issuer of an authority, its key in memory, after its self-check (S-11)."""
    return Issuer.open(authority.root_pem, open_key(authority), now)


def bridges_above(authority: Authority) -> list[str]:
    """Return the cross-certificates that lead from a root to older ones still trusted (D-29, D-53).

    A server sends them behind its certificate, so that a device which knows only an older root
    still finds a path.
    """
    found: list[str] = []
    seen = {authority.pk}
    subjects = [authority.pk]
    while subjects:
        rows = (
            Bridge.objects.filter(subject_id__in=subjects, issuer__state__in=("current", "grace"))
            .exclude(issuer_id__in=seen)
            .order_by("pk")
        )
        found += [row.pem for row in rows]
        subjects = [row.issuer_id for row in rows]
        seen.update(subjects)
    return found


def served_chain(leaf_chain: str, authority: Authority) -> str:
    """Return what a server sends: its chain, then the bridges; never a self-signed root."""
    return chains.join(leaf_chain, *bridges_above(authority))
