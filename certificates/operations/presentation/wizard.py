"""What dialogs of several pages share: their draft, their steps, Back, and a second Finish."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from certificates import tasks
from certificates.models import Draft, Operation
from certificates.progress import counts as operation_counts
from certificates.progress import progress
from console.pages.responses import close_dialog, dialog
from devices.middleware import ZoneRequest
from faults import NotFound


@dataclass(frozen=True)
class Step:
    """One page of a wizard. `only` names the choice that it belongs to, "" for every one."""

    key: str
    title: str | Promise
    template: str
    only: str = ""


def heading(steps: tuple[Step, ...], here: str) -> list[dict[str, Any]]:
    """Return the steps for the head of the dialog; those that are done are marked."""
    at = next(number for number, step in enumerate(steps) if step.key == here)
    return [
        {"step": step, "state": "done" if number < at else "now" if number == at else ""}
        for number, step in enumerate(steps)
    ]


def before(steps: tuple[Step, ...], here: str) -> str:
    """Return the key of the step before, "" for the first."""
    keys = ["", *(step.key for step in steps)]
    return keys[keys.index(here) - 1]


def after(steps: tuple[Step, ...], here: str) -> str:
    """Return the key of the step after, "" for the last."""
    keys = [*(step.key for step in steps), ""]
    return keys[keys.index(here) + 1]


def show(  # what a page of a wizard is made of
    request: ZoneRequest, step: Step, context: dict[str, Any], *, form: BaseForm
) -> HttpResponse:
    """Show one page of a wizard."""
    return dialog(request, step.template, {"step": step, **context}, form=form)


def draft_of(request: ZoneRequest, kind: str, pk: UUID, now: datetime) -> Draft | None:
    """Return a user's own draft; None where it ended or never was."""
    return Draft.objects.alive(request.user, kind, now).filter(pk=pk).first()


def ended(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Answer for a draft that is gone: its operation runs already, or it has expired."""
    known = Operation.objects.filter(idempotency_key=pk, requested_by=request.user).first()
    if known is None:
        raise NotFound(
            _("This dialog has expired. Nothing was changed."),
            action=_("Close it and start again."),
        )
    said = _("The %s operation was already submitted.") % known.get_kind_display()
    messages.info(request, said)
    return close_dialog(request, reverse("certificates:page"), said=said)


def started(request: ZoneRequest, operation: Operation, note: str) -> HttpResponse:
    """Close the dialog onto the operation that it started; `note` warns, or is ""."""
    said = f"{progress.headline(operation, operation_counts.Counts())} {note}"
    return close_dialog(request, reverse("certificates:page"), said=said.strip())


def nudge(operation: Operation) -> None:
    """Ask for the operation's next step once its rows are there."""
    transaction.on_commit(partial(tasks.nudge, str(operation.pk)), robust=True)
