"""Which roots the zone trusts now: first distributed, then used, then retired (D-28)."""

from __future__ import annotations

from certificates.models import Authority, Operation
from certificates.operations.states import AuthorityState, OperationState
from wire import messages

# From the assignment on, a future root is announced to every device that registers or refreshes.
ANNOUNCED = (OperationState.ASSIGNED, OperationState.BLOCKED, OperationState.ACTIVATING)


def trust() -> messages.Trust:
    """Return current, older and announced roots as PEM."""
    found = Authority.objects.filter(state__in=(AuthorityState.CURRENT, AuthorityState.GRACE))
    roots = {authority.state: authority for authority in found if authority.state == "current"}
    announced = (
        Operation.objects.of_ca()
        .filter(state__in=ANNOUNCED, future_authority__state=AuthorityState.FUTURE)
        .values_list("future_authority__root_pem", flat=True)
    )
    return messages.Trust(
        current=roots[AuthorityState.CURRENT].root_pem,
        in_grace=[a.root_pem for a in found if a.state == AuthorityState.GRACE],
        pending=list(announced),
    )
