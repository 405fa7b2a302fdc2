"""A server that joins while the zone CA is being replaced takes part in that, too."""

from __future__ import annotations

from certificates.issuance.names import order_for
from certificates.models import FutureCertificate, Operation
from certificates.operations.states import OperationState
from devices.models import Device

State = OperationState
# Until the activation; from then on its first certificate is of the new CA.
UNDER_WAY = (State.PREPARING, State.REPLICATING, State.ASSIGNED, State.BLOCKED, State.ACTIVATING)


def join(device: Device) -> None:
    """Expect the future certificate of a server that none is expected for yet.

    Without it the server would stay with a certificate of the old CA, whose trust ends.
    """
    for operation in Operation.objects.of_ca().filter(state__in=UNDER_WAY):
        if operation.futures.open().filter(device=device).exists():
            continue
        order = operation.order
        wanted = order_for(
            device, key_length=order["key_length"], include_dns=order.get("include_dns", False)
        )
        subject = order.get("subject")
        # The subject of an internal CA is a text, that of servers a set of fields.
        extra = subject if isinstance(subject, dict) else {}
        FutureCertificate.objects.create(
            device=device,
            operation=operation,
            authority=operation.future_authority,
            order={**wanted, **{name: value for name, value in extra.items() if value}},
            by_hand=order.get("by_hand", False),
        )
