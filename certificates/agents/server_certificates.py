"""Certificates that servers have and that the database does not contain: requested and stored.

They were issued after the backup from which the database was restored. A certificate is stored
only if a CA of this zone issued it for the names of this server, so a server cannot invent one, or
present that of another server.

See: D-165, D-242
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from audit.models import Entry
from certificates.authority.key_store import get_cross_certificates
from certificates.issuance import imports
from certificates.issuance.requests import INITIAL, update_future_certificate
from certificates.models import (
    Authority,
    FutureCertificate,
    IssuedCertificate,
    ServerCertificate,
)
from certificates.operations.activation import record_current_certificate
from certificates.operations.states import READY, AuthorityState, FutureState
from devices.models import Device, Zone
from faults import Fault, Invalid
from pki.certificates import details
from pki.chains import chains
from pki.names import Names, covers
from wire import messages

USED = (AuthorityState.CURRENT, AuthorityState.GRACE)
AFTER_SWITCH = (messages.ACTIVATING, messages.ACTIVATED)


def list_missing(device: Device, report: messages.RefreshRequest) -> list[str]:
    """Return the updates whose new certificate a server must send, and `INITIAL` for its current.

    A certificate of an older key is not requested if a new key was requested.
    """
    if not device.is_certified or device.state != "registered":
        return []
    served = report.server_certificate_sha256
    statuses = {status.id: status for status in report.updates}
    rows = FutureCertificate.objects.open().filter(device=device).select_related("operation")
    wanted, digests = [], set()
    for future in rows:
        digests.add(future.digest)
        operation = future.operation
        status = statuses.get(str(operation.update_id)) if operation else None
        if status is None or future.is_activation_ordered:
            continue
        has = served if status.state in AFTER_SWITCH else status.certificate_sha256
        is_latest = future.manual_csr or status.generation >= future.generation
        if has and is_latest and has != future.digest:
            digests.add(has)
            wanted.append(status.id)
    if served and served not in digests and not _is_stored(device, served):
        wanted.append(INITIAL)
    return wanted


def list_replaced(device: Device, report: messages.RefreshRequest) -> list[str]:
    """Return the updates for which a server has a certificate although another CSR was requested.

    Such a server does not check for a new certificate.
    """
    statuses = {status.id: status for status in report.updates if status.certificate_sha256}
    rows = FutureCertificate.objects.open().filter(
        device=device, operation__isnull=False, state=FutureState.AWAITED, manual_csr=False
    )
    found = []
    for update, generation in rows.values_list("operation__update", "generation"):
        status = statuses.get(str(update))
        if status is not None and status.generation < generation:
            found.append(status.id)
    return found


def _is_stored(device: Device, digest: str) -> bool:
    return ServerCertificate.objects.filter(device=device, digest=digest).exists()


def store_new_certificate(future: FutureCertificate, chain_pem: str, *, now: datetime) -> None:
    """Store the certificate of a server for an operation, or raise a Fault."""
    authority = future.authority
    if authority is None or not authority.is_internal:
        own = chains.join(*_without_cross_certificates(chain_pem))
        imports.import_from_repository(future, own, now=now)
        return
    leaf, chain = _verify(authority, chain_pem)
    _check_owner(future.device, authority, leaf)
    facts = details.get_details(leaf)
    if future.state in READY and future.digest == facts.digest:
        return
    with transaction.atomic():
        Entry.objects.lock_checkpoint()
        update_future_certificate(
            future,
            FutureState.CREATED,
            reported_by=future.device_id,
            csr_pem="",
            chain_pem=chain,
            digest=facts.digest,
            not_after=facts.not_after,
            available_at=now,
        )
        _record_recovered(authority, future.device, leaf)


def store_current_certificate(device: Device, chain_pem: str, *, now: datetime) -> None:
    """Store the certificate that a server uses, or raise a Fault."""
    if not device.is_certified:
        raise Invalid(_("This device does not use a server certificate. Nothing was changed."))
    for authority in Authority.objects.filter(state__in=USED):
        try:
            leaf, chain = _verify(authority, chain_pem)
        except Fault:
            continue
        _check_owner(device, authority, leaf)
        with transaction.atomic():
            Zone.objects.lock()
            Entry.objects.lock_checkpoint()
            if not _is_stored(device, details.get_digest(leaf)):
                record_current_certificate(device, authority, chain, now=now)
                _record_recovered(authority, device, leaf)
        return
    raise Invalid(_("The certificate was not issued by a CA of this zone that is in use."))


def _verify(authority: Authority, chain_pem: str) -> tuple[str, str]:
    """Return the leaf and the chain with its cross-certificates if the CA issued it, or raise."""
    certificates = _without_cross_certificates(chain_pem)
    leaves = [pem for pem in certificates if not details.get_details(pem).is_ca]
    if len(leaves) != 1:
        raise Invalid(_("The chain must contain exactly one server certificate."))
    if authority.is_internal and not chains.is_signed_by(leaves[0], authority.root_pem):
        # A cross-certificate of a CA that is not in the database would make the chain valid.
        raise Invalid(_("The certificate was not issued by a CA of this zone that is in use."))
    others = [] if authority.is_internal else chains.split(authority.intermediates_pem)
    known = [*certificates, *others]
    public_key = chains.get_public_key(leaves[0])
    chain = chains.build_chain(known, root_pem=authority.root_pem, public_key=public_key)
    return leaves[0], chains.join(*chain, *get_cross_certificates(authority))


def _check_owner(device: Device, authority: Authority, leaf: str) -> None:
    """Raise Invalid if a certificate is that of another server.

    Certificates are public, so the CA alone does not prove whose it is. An external CA can add
    names, as in an import (D-12).
    """
    facts = details.get_details(leaf)
    given = Names(dns=facts.dns_names, addresses=facts.addresses)
    own = Names(dns=(device.fqdn, *device.dns_names), addresses=tuple(device.addresses))
    names = (*given.dns, *given.addresses)
    has_own_names = bool(names) and all(covers(own, name) for name in names)
    if not (has_own_names if authority.is_internal else covers(given, device.fqdn)):
        raise Invalid(
            _("The names of the certificate are not those of this server. Nothing was changed."),
            action=_(
                "Compare them with the Settings tab of the device. To get a new certificate, use "
                "Remint Certificate."
            ),
        )
    issued = IssuedCertificate.objects.filter(sha256=facts.digest).exclude(device=device)
    used = ServerCertificate.objects.filter(digest=facts.digest).exclude(device=device)
    if issued.exists() or used.exists():
        raise Invalid(_("The certificate was issued to another server. Nothing was changed."))


def _without_cross_certificates(chain_pem: str) -> list[str]:
    """Return the certificates of a chain without those of a CA of the zone by another CA."""
    roots = {
        chains.get_public_key(root) for root in Authority.objects.values_list("root_pem", flat=True)
    }
    return [pem for pem in chains.split(chain_pem) if chains.get_public_key(pem) not in roots]


def _record_recovered(authority: Authority, device: Device, leaf: str) -> None:
    """Record the certificate in the audit log, and its serial number if the zone issued it."""
    facts = details.get_details(leaf)
    if authority.is_internal:
        IssuedCertificate.objects.get_or_create(
            authority=authority,
            serial=facts.serial_hex,
            defaults={
                "purpose": "server",
                "device": device,
                "subject": facts.common_name[:500],
                "sha256": facts.digest,
            },
        )
    Entry.objects.record(
        "recover-certificate",
        f"devices.Device:{device.pk}",
        note=device.name,
        detail={"sha256": facts.digest},
    )
