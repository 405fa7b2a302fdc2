"""A satellite of the tests' zone, its orders and its go."""

from __future__ import annotations

import socket

from tests.zac.support.certificates import Root
from tests.zac.support.zone import ADDRESS, Zone
from wire.metadata import ActivationOrder, Manifest
from wire.update_messages import CertificateResponse, CsrParameters
from zac.host.host import Host
from zac.updates import activation, refresh

CSR_PARAMETERS = CsrParameters(common_name="sat.zone1.test", key_length=256, addresses=[ADDRESS])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def certify(zone: Zone, future: Root, host: Host, *names: str) -> None:
    """Order a request, sign it with the future root, let the server collect it."""
    zone.answers["update-1"] = CertificateResponse(
        "ordered", csr_parameters=CSR_PARAMETERS, generation=1
    )
    refresh.refresh(host)
    csr = zone.requests[-1][1].csr
    chain = future.sign_csr(csr, *(names or (ADDRESS,))) + zone.root.bridge(future)
    zone.answers["update-1"] = CertificateResponse("created", chain, generation=1)
    refresh.refresh(host)


def served(host: Host, *roots: Root) -> str:
    """Return the fingerprint of the certificate that the satellite shows."""
    with host.transport.verified(activation.own_url(host), [root.pem for root in roots]) as line:
        return line.peer.certificate_sha256


def go(zone: Zone, update: Manifest, activate_at: int | None = None) -> None:
    when = update.activate_at if activate_at is None else activate_at
    zone.notify(ActivationOrder(update.id, zone.id, update.revision, when))
