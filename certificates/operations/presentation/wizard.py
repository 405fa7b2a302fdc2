"""Functions shared by multi-page dialogs: drafts, steps, and starting the operation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from audit.rows import alarms
from certificates.models import Draft, Operation
from certificates.progress import counts as operation_counts
from certificates.progress.headline import build_headline
from console.pages.responses import close_dialog, render_dialog
from devices.middleware import ZoneRequest
from faults import NotFound


@dataclass(frozen=True)
class Step:
    """A page of a wizard. `only` is the choice that the page is for, "" for every choice."""

    key: str
    title: str | Promise
    template: str
    only: str = ""


def build_headings(steps: tuple[Step, ...], key: str) -> list[dict[str, Any]]:
    """Return the steps with their states done, now, or "", for the header of the dialog."""
    current = next(number for number, step in enumerate(steps) if step.key == key)
    return [
        {"step": step, "state": "done" if number < current else "now" if number == current else ""}
        for number, step in enumerate(steps)
    ]


def get_previous_key(steps: tuple[Step, ...], key: str) -> str:
    """Return the key of the previous step, "" for the first step."""
    keys = ["", *(step.key for step in steps)]
    return keys[keys.index(key) - 1]


def get_next_key(steps: tuple[Step, ...], key: str) -> str:
    """Return the key of the next step, "" for the last step."""
    keys = [*(step.key for step in steps), ""]
    return keys[keys.index(key) + 1]


def render_step(
    request: ZoneRequest, step: Step, context: dict[str, Any], *, form: BaseForm
) -> HttpResponse:
    """Render a page of a wizard."""
    return render_dialog(request, step.template, {"step": step, **context}, form=form)


def get_draft(request: ZoneRequest, kind: str, pk: UUID, now: datetime) -> Draft | None:
    """Return a draft of the current user, or None if it has expired or does not exist.

    Raises RowAltered, after an alarm, if the draft was changed in the database.
    """
    draft = Draft.objects.alive(request.user, kind, now).filter(pk=pk).first()
    if draft is not None and not alarms.is_authentic(draft):
        draft.check_row_mac()
    return draft


def respond_without_draft(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Close the dialog if the operation of the draft was already started, or raise NotFound."""
    existing = Operation.objects.filter(idempotency_key=pk, requested_by=request.user).first()
    if existing is None:
        raise NotFound(
            _("This dialog has expired. Nothing was changed."),
            action=_("Close the dialog and start again."),
        )
    message = _("The %s operation has already been submitted.") % existing.get_kind_display()
    messages.info(request, message)
    return close_dialog(request, reverse("certificates:page"), message=message)


def close_after_start(request: ZoneRequest, operation: Operation, note: str) -> HttpResponse:
    """Close the dialog with a message about the started operation and an optional warning."""
    message = f"{build_headline(operation, operation_counts.Counts())} {note}"
    return close_dialog(request, reverse("certificates:page"), message=message.strip())
