"""A cut-over in four stages, each derived from what devices reported: never from passed time."""

from __future__ import annotations

from django.utils.translation import gettext as _

from certificates.models import Operation
from certificates.operations.states import AuthorityState, OperationState
from certificates.progress.progress import Stage
from certificates.trust.devices_at_risk import Trusting
from console.pages import formatting

State = OperationState
BEFORE = (State.PREPARING, State.REPLICATING, State.FAILED)
OVER = (State.ACTIVATED, State.COMPLETED)
UNDONE = (State.CANCELLING, State.CANCELLED, State.CANCEL_FAILED)
BACK = (State.ROLLING_BACK, State.ROLLED_BACK)
ACTIVATE = 3


def cut_over(operation: Operation, how_far: Trusting) -> list[Stage]:
    """Return Trust, Rehearse, Activate, Retire with how many devices are through each."""
    old = operation.authority
    is_retired = old is not None and old.state == AuthorityState.RETIRED
    of = how_far.of
    over = operation.state in OVER
    drafts = (
        (_("Trust"), how_far.trusting, _("%d of %d devices trust both CAs"), True),
        (_("Rehearse"), how_far.rehearsed, _("rehearsed %d of %d"), True),
        (_("Activate"), how_far.using_new, _("%d of %d use the new CA"), over),
        (_("Retire"), how_far.dropped_old, _("%d of %d dropped the old CA"), is_retired),
    )
    found = []
    earlier_done = operation.state not in BEFORE
    for number, (name, done, words, begun) in enumerate(drafts, start=1):
        whole = of > 0 and done >= of
        mark = _mark(operation, whole=whole, begun=begun and earlier_done)
        note = words % (done, of) if begun else _to_come(operation, number)
        found.append(Stage(number, name, note, mark, (done, of) if begun else None))
    return found


def _mark(operation: Operation, *, whole: bool, begun: bool) -> str:
    if operation.state in (*UNDONE, *BACK):
        return ""
    if not begun:
        return ""
    return "done" if whole else "now"


def _to_come(operation: Operation, number: int) -> str:
    """Return what the last two stages wait for."""
    if number == ACTIVATE:
        moment = operation.activates_at
        return formatting.stamp(moment) if moment else _("Immediate")
    old = operation.authority
    if old is not None and old.grace_until is not None and operation.state in OVER:
        return _("from %s on, once every device uses the new CA") % formatting.stamp(
            old.grace_until
        )
    return _("after the grace time")
