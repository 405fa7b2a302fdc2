"""The four stages of a cutover, derived from the reports of devices, never from elapsed time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _

from certificates.models import Operation
from certificates.operations.states import AuthorityState, OperationState
from certificates.progress.progress import Stage
from certificates.trust.devices_at_risk import TrustCounts
from console.pages import formatting

State = OperationState
NOT_ASSIGNED = (State.PREPARING, State.REPLICATING, State.FAILED)
ACTIVATED = (State.ACTIVATED, State.COMPLETED)
CANCELED = (State.CANCELING, State.CANCELED, State.CANCEL_FAILED)
ROLLED_BACK = (State.ROLLING_BACK, State.ROLLED_BACK)
PREFLIGHT, ACTIVATE = 2, 3
APPLY = 4
"""The number of the stage Apply to devices of an operation."""
# The stage of the cutover to which each of the five stages of the operation belongs.
STAGE_OF_STEP = {1: 1, 2: 1, 3: 1, 4: 1, 5: ACTIVATE}
REPLACED = (AuthorityState.GRACE, AuthorityState.RETIRED)


def get_cutover_stages(
    operation: Operation, trust: TrustCounts, steps: Sequence[Stage] = ()
) -> list[Stage]:
    """Return the stages Trust, Preflight, Activate, and Retire with their device counts.

    `steps` are the five stages of the operation. Each cutover stage contains those that belong to
    it, so that a page shows one list of stages.
    """
    old = operation.authority
    is_retired = old is not None and old.state == AuthorityState.RETIRED
    total = trust.of
    is_activated = operation.state in ACTIVATED
    using_new, using_text = trust.using_new, _("%s of %s devices use the new CA")
    if operation.future_authority is not None and operation.future_authority.state in REPLACED:
        # After a later change, devices use its CA. The activation of this one is complete.
        using_new, using_text = trust.activated, _("%s of %s devices activated the new CA")
    drafts = (
        (_("Trust"), trust.trusting, _("%s of %s devices trust both CAs"), True),
        (
            _("Preflight"),
            trust.passed_preflight,
            _("%s of %s devices passed the preflight check"),
            True,
        ),
        (_("Activate"), using_new, using_text, is_activated),
        (
            _("Retire"),
            trust.dropped_old,
            _("%s of %s devices no longer trust the old CA"),
            is_retired,
        ),
    )
    found = []
    is_assigned = operation.state not in NOT_ASSIGNED
    for number, (name, done, text, has_begun) in enumerate(drafts, start=1):
        is_complete = total > 0 and done >= total
        mark = _mark(operation, is_complete=is_complete, has_begun=has_begun and is_assigned)
        if number == PREFLIGHT and is_activated and not is_complete:
            # Nothing is left to check after the activation.
            mark = ""
        note = (
            text % (intcomma(done), intcomma(total))
            if has_begun
            else _pending_note(operation, number)
        )
        share = (done, total) if has_begun else None
        stage = Stage(number, name, note, mark, share)
        inside = (step for step in steps if STAGE_OF_STEP[step.number] == number)
        found.append(replace(stage, steps=tuple(_follow(step, stage) for step in inside)))
    return found


def _follow(step: Stage, stage: Stage) -> Stage:
    """Return a step as a part of its stage: without a second count of the same devices (D-323).

    A device that was reinstalled trusts both CAs, but has to apply the update once more.
    """
    if step.number != APPLY or step.share is None or stage.share is None or not stage.share[1]:
        return step
    mark = stage.mark if stage.mark and step.mark in ("now", "done") else step.mark
    return replace(step, note="", share=None, mark=mark)


def _mark(operation: Operation, *, is_complete: bool, has_begun: bool) -> str:
    if operation.state in (*CANCELED, *ROLLED_BACK) or not has_begun:
        return ""
    return "done" if is_complete else "now"


def _pending_note(operation: Operation, number: int) -> str:
    """Return when the Activate or Retire stage begins."""
    if number == ACTIVATE:
        moment = operation.activates_at
        return formatting.stamp(moment) if moment else _("Immediate")
    old = operation.authority
    if old is not None and old.grace_until is not None and operation.state in ACTIVATED:
        return _("from %s, when all devices use the new CA") % formatting.stamp(old.grace_until)
    return _("after the grace period")
