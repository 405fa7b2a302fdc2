"""The status of an operation in one sentence, which pages show first."""

from __future__ import annotations

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from certificates.models import Operation
from certificates.operations.states import OperationState
from certificates.progress.counts import Counts

State = OperationState


def build_headline(operation: Operation, counts: Counts, blocking: int = 0) -> str:
    """Return the status of an operation in one sentence.

    `blocking` is the number of servers that block the activation.

    See: manual 1.2.10 for "... has been initiated."
    """
    kind = operation.get_kind_display()
    done, total = counts.activated()
    outstanding = total - done
    blocked = ngettext(
        "Blocked: %(n)s server does not have a new certificate.",
        "Blocked: %(n)s servers do not have a new certificate.",
        blocking,
    ) % {"n": intcomma(blocking)}
    if operation.is_held_by_pilot:
        blocked = _("Paused: the pilot group did not pass the preflight check.")
    elif not blocking:
        blocked = _("Blocked: the %s operation cannot be activated.") % kind
    texts = {
        State.PROPOSED: _("The %s operation is waiting for approval by a second administrator.")
        % kind,
        State.BLOCKED: blocked,
        State.FAILED: _("The %s operation failed.") % kind,
        State.CANCELING: _("The %s operation is being canceled.") % kind,
        State.CANCEL_FAILED: _("The %s operation could not be canceled.") % kind,
        State.CANCELED: _("The %s operation has been canceled.") % kind,
        State.ROLLING_BACK: _("The %s operation is being rolled back.") % kind,
        State.ROLLED_BACK: _("The %s operation has been rolled back.") % kind,
        State.COMPLETED: _("The %s operation is complete.") % kind,
        State.ACTIVATED: ngettext(
            "Activated. %(n)s device outstanding.",
            "Activated. %(n)s devices outstanding.",
            outstanding,
        )
        % {"n": intcomma(outstanding)},
    }
    initiated = _("The %s operation has been initiated.") % kind
    return str(texts.get(OperationState(operation.state), initiated))
