"""Orders: create one with its authorizations, determine its status, and accept its CSR.

See: RFC 8555 7.4; RFC 9773 5; D-300
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from certificates.acme import issuers, policy
from certificates.acme.problems import (
    AlreadyReplaced,
    BadCsr,
    Malformed,
    OrderNotReady,
    RateLimited,
    UnsupportedIdentifier,
    unexpected_content,
)
from certificates.acme.protocol import jws
from certificates.models import AcmeAccount, AcmeAuthorization, AcmeCertificate, AcmeOrder
from pki.errors import PkiFault
from pki.formats import csr
from pki.names import check_fqdn

HOUR = timedelta(hours=1)
LIFETIME = timedelta(hours=12)
KEPT = timedelta(days=7)
"""How long an order with its CSR and authorizations is kept after it has expired."""
MAX_NAMES = 25
MAX_ORDERS_PER_HOUR, MAX_OPEN_ORDERS = 100, 30
# All EST clients of an account key share one account.
MAX_EST_ORDERS_PER_HOUR, MAX_OPEN_EST_ORDERS = 1000, 300
MAX_OPEN_ORDERS_OF_KEY = 1000
TOKEN_BYTES = 32
PENDING, READY, PROCESSING, VALID, INVALID = "pending", "ready", "processing", "valid", "invalid"


def create(
    account: AcmeAccount, names: list[str], *, replaces: AcmeCertificate | None, now: datetime
) -> AcmeOrder:
    """Create an order and an authorization for each name, or raise a problem."""
    check_rate(account, now)
    policy.check_names(names, account.account_key.names, issuers.get_issuing_authority(now))
    if replaces is not None and replaces.replacements.filter(certificate__isnull=False).exists():
        raise AlreadyReplaced(_("The certificate has already been replaced. Nothing was changed."))
    with transaction.atomic():
        order = AcmeOrder.objects.create(
            account=account, names=names, replaces=replaces, expires_at=now + LIFETIME
        )
        for name in names:
            token = secrets.token_urlsafe(TOKEN_BYTES)
            AcmeAuthorization.objects.create(order=order, name=name, token=token)
    return order


def check_rate(account: AcmeAccount, now: datetime) -> None:
    """Raise RateLimited if an account, or all accounts of its key together, has too many orders.

    Each account gets one open order, so that others cannot keep a host from renewing. The account
    of the EST clients of a key has only limits of its own, because all of them share it.
    """
    most, most_open = MAX_ORDERS_PER_HOUR, MAX_OPEN_ORDERS
    if account.is_of_est:
        most, most_open = MAX_EST_ORDERS_PER_HOUR, MAX_OPEN_EST_ORDERS
    if account.orders.filter(created_at__gt=now - HOUR).count() >= most:
        raise RateLimited(
            _("The account has created the maximum of %d orders an hour. No order was created.")
            % most,
            action=_("Try again in an hour."),
        )
    in_key = list_open(now).filter(account__account_key=account.account_key_id)
    count = in_key.filter(account=account).count()
    if count >= most_open:
        raise _too_many_open(
            _("The account has the maximum of %d open orders. No order was created.") % most_open
        )
    if count and not account.is_of_est and in_key.count() >= MAX_OPEN_ORDERS_OF_KEY:
        raise _too_many_open(
            _(
                "The accounts of the account key have the maximum of %d open orders together. "
                "No order was created."
            )
            % MAX_OPEN_ORDERS_OF_KEY
        )


def _too_many_open(explanation: str) -> RateLimited:
    action = _("Complete the open orders of this account. Others end 12 hours after their request.")
    return RateLimited(explanation, action=action)


def list_open(now: datetime) -> QuerySet[AcmeOrder]:
    """Return the orders that can still lead to a certificate, and have none."""
    failed = AcmeAuthorization.objects.filter(order=OuterRef("pk"), problem__isnull=False)
    return AcmeOrder.objects.filter(
        ~Exists(failed), certificate=None, problem__isnull=True, expires_at__gt=now
    )


def parse_names(value: Any) -> list[str]:
    """Return the sorted DNS names in the identifiers of a request, or raise a problem."""
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_NAMES:
        raise Malformed(_("An order must contain 1 to %d names.") % MAX_NAMES)
    return sorted({_parse_name(one) for one in value})


def _parse_name(identifier: Any) -> str:
    if not isinstance(identifier, dict) or not isinstance(identifier.get("value"), str):
        raise unexpected_content()
    if identifier.get("type") != "dns":
        raise UnsupportedIdentifier(_("Only DNS names are supported. Nothing was changed."))
    name: str = identifier["value"]
    if name.startswith("*"):
        raise UnsupportedIdentifier(
            _("Certificates with a wildcard are not issued. Nothing was changed."),
            action=_("Request a certificate with the name of each host."),
        )
    try:
        return check_fqdn(name)
    except PkiFault as fault:
        raise Malformed(fault.explanation) from fault


def get_status(order: AcmeOrder, now: datetime) -> str:
    """Return the status of an order (RFC 8555 7.1.6)."""
    if AcmeCertificate.objects.filter(order=order).exists():
        return VALID
    if order.problem is not None or order.expires_at <= now:
        return INVALID
    if order.csr_pem:
        return PROCESSING
    found = list(order.authorizations.all())
    if any(one.problem is not None for one in found):
        return INVALID
    return READY if all(one.validated_at is not None for one in found) else PENDING


def accept_csr(order: AcmeOrder, der: bytes, now: datetime) -> None:
    """Store the CSR of an order, or raise a problem. The worker signs the certificate."""
    status = get_status(order, now)
    if status != READY:
        raise OrderNotReady(
            _("The status of the order is “%s”, not “ready”. Nothing was changed.") % status
        )
    order.csr_pem = check_csr(der, order).pem
    order.save(update_fields=["csr_pem"])


def check_csr(data: str | bytes, order: AcmeOrder) -> csr.CertificateRequest:
    """Return a CSR with exactly the names of its order, or raise BadCsr."""
    try:
        request = csr.parse_csr(data)
        names = {check_fqdn(name) for name in request.names.dns}
        common_name = request.common_name
        names |= {check_fqdn(common_name)} if common_name else set()
    except PkiFault as fault:
        raise BadCsr(fault.explanation, action=fault.action) from fault
    if names != set(order.names) or request.names.addresses or request.has_other_names:
        raise BadCsr(_("The names in the CSR are not those of the order. Nothing was changed."))
    if jws.get_thumbprint_of_pem(request.public_key) == order.account.thumbprint:
        raise BadCsr(_("The CSR contains the key of the account. Nothing was changed."))
    return request


def delete_old(now: datetime) -> None:
    """Delete orders that have expired long ago. Their certificates stay."""
    AcmeOrder.objects.filter(expires_at__lt=now - KEPT).delete()
