"""Request new certificates for servers that use a revoked one (D-265).

The server creates a new key and sends a CSR at its next refresh, as for its initial certificate, so
no activation time is necessary. It applies whenever a server uses a revoked certificate: after the
revocation, and also when a rollback has brought the certificate back.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Max, QuerySet

from certificates.issuance.names import build_csr_parameters, select_with_names
from certificates.models import Authority, FutureCertificate, Revocation, ServerCertificate
from certificates.operations.states import FutureState
from devices.models import Device, Zone
from pki import keys


def list_servers(now: datetime) -> QuerySet[Device]:
    """Return the servers that use a revoked certificate, but have no request for another one."""
    revoked = Revocation.objects.effective(now).values("digest")
    used = ServerCertificate.objects.current().filter(digest__in=revoked)
    waiting = FutureCertificate.objects.open().filter(operation=None)
    servers = Device.objects.certified().filter(pk__in=used.values("device"))
    return servers.exclude(pk__in=waiting.values("device"))


def request_replacements(*, now: datetime, only: Device | None = None) -> None:
    """Request a new certificate for each server that uses a revoked one.

    Servers whose names cannot be in a certificate are ignored. A health check reports them.
    """
    authority = Authority.objects.filter(state="current").first()
    if authority is None or authority.has_expired(now) or not list_servers(now).exists():
        return
    with transaction.atomic():
        Zone.objects.lock()
        for device in select_with_names(list_servers(now)):
            if only is None or device.pk == only.pk:
                _request(device, authority)


def _request(device: Device, authority: Authority) -> None:
    current = ServerCertificate.objects.current().get(device=device)
    is_known = current.key_length in keys.KEY_LABELS
    length = current.key_length if is_known else keys.DEFAULT_KEY_LENGTH
    previous = FutureCertificate.objects.filter(device=device, operation=None)
    # The server creates a new key only for a higher generation than that of its last CSR.
    last = previous.aggregate(last=Max("generation"))["last"] or 0
    FutureCertificate.objects.create(
        device=device,
        authority=authority,
        csr_parameters=build_csr_parameters(device, key_length=length, include_dns=True),
        state=FutureState.AWAITED,
        generation=last + 1,
    )
    Device.objects.filter(pk=device.pk).update(has_pending_work=True, refresh_requested=True)
