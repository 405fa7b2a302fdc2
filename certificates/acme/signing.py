"""Sign the certificates of hosts, on the certificate server.

The worker that has the CA key checks everything again: the rows, the permitted names, the result
of each validation, and the CSR. It claims a batch, so that no other worker signs the same orders.

See: D-300, D-306
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from audit.models import Entry, RowAltered
from audit.rows import alarms
from certificates.acme import accounts, authorizations, issuers, orders, policy
from certificates.acme.problems import OrderNotReady, describe_fault
from certificates.authority import key_store
from certificates.models import AcmeCertificate, AcmeOrder, Authority, IssuedCertificate
from devices.models import Zone
from faults import Fault
from pki.certificates import details, issuance
from pki.certificates.issuance import Issuer
from pki.formats import csr
from pki.names import Names, Subject

log = logging.getLogger(__name__)
BATCH = 50
# A batch takes less than a minute. After this time, the worker that claimed it has ended.
CLAIM = timedelta(minutes=5)
PURPOSE = "server"


def list_waiting(now: datetime) -> QuerySet[AcmeOrder]:
    """Return the orders whose certificate must be signed."""
    rows = AcmeOrder.objects.exclude(csr_pem="")
    return rows.filter(certificate=None, problem__isnull=True, expires_at__gt=now).order_by(
        "created_at"
    )


def sign_batch(authority: Authority, *, now: datetime) -> int:
    """Sign the certificates of a batch of orders, and return the number of orders."""
    found = issuers.find_issuing_authority(now)
    if found is None or found.pk != authority.pk:
        return 0
    claimed = _claim(now)
    try:
        _sign_claimed(claimed, authority, now)
    finally:
        AcmeOrder.objects.filter(pk__in=claimed).update(claimed_until=None)
    return len(claimed)


@transaction.atomic
def _claim(now: datetime) -> list[UUID]:
    """Claim the next orders that no other worker signs, and return their keys."""
    Zone.objects.lock()
    is_free = Q(claimed_until=None) | Q(claimed_until__lt=now)
    claimed = list(list_waiting(now).filter(is_free).values_list("pk", flat=True)[:BATCH])
    AcmeOrder.objects.filter(pk__in=claimed).update(claimed_until=now + CLAIM)
    return claimed


def _sign_claimed(claimed: list[UUID], authority: Authority, now: datetime) -> None:
    rows = AcmeOrder.objects.filter(pk__in=claimed).select_related("account__account_key")
    waiting = list(rows.order_by("created_at"))
    if not waiting:
        return
    issuer = key_store.open_issuer(authority, now=now)
    # Clients such as certbot require a second certificate, so without cross-certificates the root
    # follows.
    rest = "".join(key_store.get_cross_certificates(authority)) or authority.root_pem
    for order in waiting:
        try:
            _sign(order, authority, issuer, rest, now)
        except Fault as fault:
            log.warning("No certificate for the ACME order %s: %s", order.pk, fault)
            AcmeOrder.objects.filter(pk=order.pk).update(problem=describe_fault(fault))


def _sign(order: AcmeOrder, authority: Authority, issuer: Issuer, rest: str, now: datetime) -> None:
    request = _check(order, authority, now)
    serial = issuance.generate_serial()
    names = Names(tuple(order.names), ())
    subject = Subject(csr.choose_common_name(order.names[0], names))
    issued = IssuedCertificate.objects.create(
        authority=authority,
        serial=f"{serial:x}",
        purpose=PURPOSE,
        subject=subject.common_name,
    )
    days = Zone.objects.get_zone().server_certificate_days
    prepared = issuer.prepare(
        public_key=request,
        subject=subject,
        names=names,
        validity=issuance.get_server_validity(now, days, authority.root_pem),
        serial=serial,
    )
    _store(order, authority, issued, issuer.issue(prepared), rest)


def _check(order: AcmeOrder, authority: Authority, now: datetime) -> csr.CertificateRequest:
    """Return the CSR of an order, or raise a fault if it must not be signed."""
    account, found = order.account, list(order.authorizations.all())
    rows = (order, account, account.account_key, *found)
    if not all(alarms.is_authentic(row) for row in rows):
        raise RowAltered(
            _("A record of this order was changed in the database. No certificate was issued.")
        )
    accounts.check_can_order(account)
    valid = {
        one.name for one in found if authorizations.get_status(one, now) == authorizations.VALID
    }
    if account.deactivated_at is not None or valid != set(order.names):
        raise OrderNotReady(_("Not every name was validated. No certificate was issued."))
    policy.check_names(order.names, account.account_key.names, authority)
    return orders.check_csr(order.csr_pem, order)


@transaction.atomic
def _store(
    order: AcmeOrder, authority: Authority, issued: IssuedCertificate, pem: str, rest: str
) -> None:
    # A server that got one of the names in the meantime has it. From now on, none can get it.
    Zone.objects.lock()
    policy.check_servers(order.names)
    checkpoint = Entry.objects.lock_checkpoint()
    AcmeOrder.objects.select_for_update().get(pk=order.pk)
    if AcmeCertificate.objects.filter(order=order).exists():
        return  # another task was faster
    facts = details.get_details(pem)
    issued.sha256 = facts.digest
    issued.save(update_fields=["sha256"])
    certificate = AcmeCertificate.objects.create(
        order=order,
        account=order.account,
        authority=authority,
        subject=order.names[0],
        names=order.names,
        chain_pem=pem + rest,
        serial=facts.serial_hex,
        digest=facts.digest,
        not_before=facts.not_before,
        not_after=facts.not_after,
    )
    key = order.account.account_key
    Entry.objects.append(
        checkpoint,
        "issue",
        f"certificates.Authority:{authority.pk}",
        note=f"certificate of {certificate.subject}",
        about=[f"certificates.AcmeAccountKey:{key.pk}"],
        detail={"serials": [facts.serial_hex], "names": order.names, "account_key": key.label},
    )
