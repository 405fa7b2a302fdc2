"""Enroll and renew with a CSR: check it, create an order, and find the finished certificate.

Orders and certificates are those of the ACME server, so the worker checks and signs them in the
same way. The names are not validated: the account key is the authorization for them.

See: RFC 7030 4.2; D-313, D-315
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from audit.models import RowAltered
from audit.rows import alarms
from certificates.acme import issuers, orders, policy
from certificates.est import authentication
from certificates.est.problems import (
    ContentTooLarge,
    EstProblem,
    KeyRejected,
    NothingToRenew,
    OrderFailed,
)
from certificates.models import (
    AcmeAccount,
    AcmeAuthorization,
    AcmeCertificate,
    AcmeOrder,
    Revocation,
)
from certificates.revocation.host_certificates import get_leaf, get_names
from pki.chains import chains
from pki.errors import PkiFault
from pki.formats import csr
from pki.names import check_fqdn

MAX_BODY_BYTES = 64 * 1024
METHOD = "est"


@dataclass(frozen=True)
class Enrollment:
    """A CSR that was checked: its PEM, its public key, and its names, the common name first."""

    pem: str
    public_key: str
    names: list[str]


def parse(body: bytes) -> Enrollment:
    """Return the CSR in the Base64 text of a request, or raise a problem."""
    if len(body) > MAX_BODY_BYTES:
        raise ContentTooLarge(
            _("The request exceeds the %d KiB limit. No certificate was issued.")
            % (MAX_BODY_BYTES // 1024)
        )
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise EstProblem(
            _("The request is not valid Base64. No certificate was issued."),
            action=_("Send the CSR as Base64 of its DER encoding, without PEM lines."),
        ) from error
    try:
        request = csr.parse_csr(der)
        return Enrollment(request.pem, request.public_key, _get_names(request))
    except PkiFault as fault:
        raise EstProblem(fault.explanation, action=fault.action) from fault


def _get_names(request: csr.CertificateRequest) -> list[str]:
    """Return the DNS names of a CSR. The common name is the first one, if there is one."""
    if request.has_other_names or request.names.addresses or not request.names.dns:
        raise EstProblem(
            _(
                "The CSR must have DNS names as alternative names, and no others. No certificate "
                "was issued."
            ),
            action=_("Create the CSR with a subject alternative name for each name of the host."),
        )
    names = orders.parse_names([{"type": "dns", "value": name} for name in request.names.dns])
    if not request.common_name:
        return names
    first = check_fqdn(request.common_name)
    if first not in names:
        raise EstProblem(
            _(
                "The common name of the CSR is not one of its alternative names. No certificate "
                "was issued."
            ),
            action=_("Add the common name to the alternative names, or remove it."),
        )
    return [first, *(name for name in names if name != first)]


def enroll(account: AcmeAccount, enrollment: Enrollment, now: datetime) -> AcmeOrder:
    """Return the order of a new certificate. Raises a problem if the account key has expired."""
    authentication.check_usable(account.account_key)
    if authentication.is_expired(account.account_key, now):
        raise KeyRejected(
            _("The account key has expired. No certificate was issued."),
            action=_("Ask an administrator for another account key."),
        )
    return _get_order(account, enrollment, None, now)


def reenroll(account: AcmeAccount, enrollment: Enrollment, now: datetime) -> AcmeOrder:
    """Return the order of a certificate that replaces one with the same names, or raise a problem.

    With an expired account key, a host can renew with the key of its certificate. So renewals do
    not stop, and the account key alone is not enough.
    """
    authentication.check_usable(account.account_key)
    current = _find_current(account, enrollment.names, now)
    if current is None:
        raise NothingToRenew(
            _(
                "The account key has no valid certificate with this subject and these names. No "
                "certificate was issued."
            ),
            action=_("Send the CSR to simpleenroll."),
        )
    leaf = get_leaf(current)
    is_same_key = chains.get_public_key(leaf) == enrollment.public_key
    if authentication.is_expired(account.account_key, now) and not is_same_key:
        raise KeyRejected(
            _(
                "The account key has expired, and the CSR is not for the key of the certificate. "
                "No certificate was issued."
            ),
            action=_("Renew with the key of the certificate, or use another account key."),
        )
    return _get_order(account, enrollment, current, now)


def _find_current(account: AcmeAccount, names: list[str], now: datetime) -> AcmeCertificate | None:
    """Return the newest certificate in use with these names. The subject is the first of them.

    Raises RowAltered if its record does not say what the CA has signed.
    """
    rows = AcmeCertificate.objects.in_use(now).filter(account=account, names=names)
    found = rows.order_by("-not_before", "-pk").first()
    if found is not None and set(get_names(alarms.check(found)).dns) != set(names):
        raise RowAltered(
            _(
                "The names of the certificate were changed in the database. No certificate was "
                "issued."
            )
        )
    return found


def _lock(account: AcmeAccount) -> None:
    AcmeAccount.objects.select_for_update(of=("self",)).get(pk=account.pk)


@transaction.atomic
def _get_order(
    account: AcmeAccount, enrollment: Enrollment, current: AcmeCertificate | None, now: datetime
) -> AcmeOrder:
    """Return the order of a repeated request, or a new one.

    The account is locked, so that two equal requests at the same time get one certificate. If the
    response to a renewal is lost, `current` is the new certificate when the client repeats it.
    """
    _lock(account)
    is_same = Q(replaces=current)
    if current is not None:
        is_same |= Q(certificate=current, replaces__isnull=False)
    rows = AcmeOrder.objects.filter(
        is_same,
        account=account,
        created_at__gt=now - orders.LIFETIME,
        expires_at__gt=now,
        problem__isnull=True,
        csr_pem=enrollment.pem,
    )
    for order in rows.order_by("-created_at")[:1]:
        certificate = AcmeCertificate.objects.filter(order=order).first()
        if certificate is None or _is_current(certificate, now):
            return order.check_row_mac()
    return _create_order(account, enrollment, current, now)


def _is_current(certificate: AcmeCertificate, now: datetime) -> bool:
    """Return True if a certificate is of the CA that signs now, and not revoked."""
    is_revoked = Revocation.objects.filter(digest=certificate.digest).exists()
    return certificate.authority_id == issuers.get_issuing_authority(now).pk and not is_revoked


def _create_order(
    account: AcmeAccount, enrollment: Enrollment, current: AcmeCertificate | None, now: datetime
) -> AcmeOrder:
    orders.check_rate(account, now)
    names = enrollment.names
    policy.check_names(names, account.account_key.names, issuers.get_issuing_authority(now))
    with transaction.atomic():
        order = AcmeOrder.objects.create(
            account=account,
            names=names,
            csr_pem=enrollment.pem,
            replaces=current,
            expires_at=now + orders.LIFETIME,
        )
        orders.check_csr(order.csr_pem, order)
        for name in names:
            AcmeAuthorization.objects.create(
                order=order,
                name=name,
                token=secrets.token_urlsafe(orders.TOKEN_BYTES),
                method=METHOD,
                validated_at=now,
            )
    return order


def find_certificate(order: AcmeOrder) -> AcmeCertificate | None:
    """Return the certificate of an order, None until it is signed. Raises the worker's problem."""
    found = AcmeCertificate.objects.filter(order=order).select_related("order").first()
    if found is not None:
        return alarms.check(found)
    stored = AcmeOrder.objects.filter(pk=order.pk).values_list("problem", flat=True).first()
    if stored is not None:
        raise OrderFailed(str(stored.get("detail", "")), int(stored.get("status", 500)))
    return None
