"""The CA that signs the certificates of hosts: the zone CA, or the new one before its activation.

When the new CA of an operation is assigned and the old CA has signed it across, the new CA signs
already: everyone who trusts the old root can verify such a chain. So hosts can get it in time.
While only the pilot group has the new root, the old CA signs.

See: D-276, D-302
"""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from certificates.acme.problems import ServerInternal
from certificates.models import Authority, CrossCertificate, Operation
from certificates.operations.states import OperationState

# States in which devices have received the new root, and the activation is to come.
EARLY = (OperationState.ASSIGNED, OperationState.ACTIVATING, OperationState.BLOCKED)


def find_issuing_authority(now: datetime) -> Authority | None:
    """Return the CA that signs certificates of hosts now, None if it is external or expired."""
    operation = find_early_operation()
    found = operation.future_authority if operation is not None else None
    if found is None:
        found = Authority.objects.filter(state="current").first()
    if found is None or not found.is_internal or found.has_expired(now):
        return None
    return found


def find_early_operation() -> Operation | None:
    """Return the operation whose new internal CA signs certificates of hosts before it is used."""
    rows = Operation.objects.blocking().of_ca().filter(state__in=EARLY)
    operation = rows.select_related("future_authority").first()
    if operation is None or operation.future_authority is None or operation.is_held_by_pilot:
        return None
    crossed = CrossCertificate.objects.filter(
        issuer=operation.authority_id, subject=operation.future_authority_id
    )
    is_internal = operation.future_authority.is_internal
    return operation if is_internal and crossed.exists() else None


def get_issuing_authority(now: datetime) -> Authority:
    """Return the CA that signs certificates of hosts now, or raise a problem."""
    found = find_issuing_authority(now)
    if found is None:
        raise ServerInternal(
            _("The zone CA is external or has expired, so no certificate can be issued."),
            action=_("Request a certificate from the external CA."),
        )
    return found
