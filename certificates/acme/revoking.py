"""Revoke certificates of hosts, and record that a client has downloaded one.

See: RFC 8555 7.4.2, 7.6; D-331
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from audit.rows import alarms
from certificates.acme.problems import (
    AccountUnauthorized,
    AlreadyRevoked,
    BadRevocationReason,
)
from certificates.models import AcmeAccount, AcmeCertificate, Revocation
from certificates.revocation import revocations
from certificates.revocation.host_certificates import get_leaf
from certificates.revocation.revocations import IssuedLeaf
from faults import Conflict
from pki.formats import bundles

Reason = Revocation.Reason
# The codes of RFC 5280 5.3.1 that a client can give.
REASONS = {
    0: Reason.UNSPECIFIED,
    1: Reason.KEY_COMPROMISE,
    3: Reason.AFFILIATION_CHANGED,
    4: Reason.SUPERSEDED,
    5: Reason.CESSATION,
}


def parse_reason(code: Any) -> str:
    """Return the reason of a revocation request, or raise BadRevocationReason."""
    number = 0 if code is None else code
    is_number = isinstance(number, int) and not isinstance(number, bool)
    found = REASONS.get(number) if is_number else None
    if found is None:
        raise BadRevocationReason(
            _("The reason of the revocation is not supported. Nothing was changed.")
        )
    return found.value


def find(digest: str, der: bytes) -> AcmeCertificate:
    """Return the certificate of a host with these bytes, or raise a problem."""
    found = AcmeCertificate.objects.select_related("account", "authority").filter(digest=digest)
    certificate = found.first()
    if certificate is None or bundles.to_der(get_leaf(certificate)) != der:
        raise AccountUnauthorized(
            _("The certificate was not issued to an ACME client of this zone.")
        )
    return alarms.check(certificate)


def is_revoked(certificate: AcmeCertificate) -> bool:
    """Return True if a certificate has been revoked."""
    return Revocation.objects.filter(digest=certificate.digest).exists()


def get_obstacle(certificate: AcmeCertificate, *, now: datetime) -> str:
    """Return why an administrator cannot revoke a certificate, "" if it is possible."""
    if is_revoked(certificate):
        return _("This certificate has already been revoked.")
    if certificate.not_after <= now:
        return _("This certificate has expired. Programs do not accept it.")
    return ""


def revoke(
    certificate: AcmeCertificate, reason: str, *, now: datetime, by: User | None = None
) -> Revocation:
    """Revoke a certificate that was just loaded. Raises Conflict if it is not possible.

    `by` is the administrator, None if the client requests it.
    """
    obstacle = get_obstacle(certificate, now=now) if by is not None else ""
    if obstacle:
        raise Conflict(_("%(reason)s Nothing was changed.") % {"reason": obstacle})
    leaf = get_leaf(alarms.check(certificate))
    issued = IssuedLeaf(None, certificate.authority, leaf)
    host = (f"{certificate.pk}", certificate.subject)
    return revocations.revoke_of_host(issued, reason, host=host, by=by, now=now)


def revoke_for_client(certificate: AcmeCertificate, reason: str, *, now: datetime) -> None:
    """Revoke a certificate at the request of its ACME client, or raise AlreadyRevoked."""
    if is_revoked(certificate):
        raise AlreadyRevoked(_("The certificate has already been revoked. Nothing was changed."))
    revoke(certificate, reason, by=None, now=now)


@transaction.atomic
def record_download(certificate: AcmeCertificate, account: AcmeAccount, now: datetime) -> None:
    """Record that the client has the chain, and that it replaces earlier certificates."""
    if certificate.fetched_at is not None:
        return
    AcmeCertificate.objects.filter(pk=certificate.pk).update(fetched_at=now)
    before = AcmeCertificate.objects.filter(account=account, replaced_at=None)
    order = certificate.order
    same = Q(names=certificate.names)
    if order is not None and order.replaces_id is not None:
        same |= Q(pk=order.replaces_id)
    earlier = before.filter(same, not_before__lte=certificate.not_before)
    earlier.exclude(pk=certificate.pk).update(replaced_at=now)
