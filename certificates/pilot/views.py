"""The dialogs of the pilot group: its settings, and Continue on a paused operation."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from certificates.authority import gates
from certificates.operations.presentation.actions import (
    enqueue_next_step,
    get_operation,
    get_page_url,
)
from certificates.operations.presentation.actions import may_change as may_change_ca
from certificates.pilot import settings
from certificates.pilot.forms import ContinueForm, PilotForm, get_group_values
from certificates.pilot.status import get_status
from certificates.pilot.waiting import NotHeld, continue_after_pilot
from certificates.windows.views import may_change as may_change_zone
from console.pages.responses import close_dialog, render_dialog, show_faults_on
from devices.middleware import ZoneRequest


@require_http_methods(["GET", "HEAD", "POST"])
@may_change_zone
def edit_group(request: ZoneRequest) -> HttpResponse:
    """Show and change the settings of the pilot group."""
    form = PilotForm(
        request,
        data=request.POST if request.method == "POST" else None,
        initial=get_group_values(settings.get_group()),
    )
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            settings.save_group(form.to_group())
            message = _("The pilot group has been saved.")
            return close_dialog(request, reverse("certificates:windows"), message=message)
    context = {
        "title": _("Pilot Group"),
        "label": _("OK"),
        "text": _(
            "Servers always receive the update first, because devices check their new "
            "certificates. Changes apply to operations whose update is assigned later."
        ),
        "back": reverse("certificates:windows"),
    }
    return render_dialog(request, "certificates/dialogs/window.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change_ca
def continue_operation(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Continue: let all devices receive the update although the pilot group has not passed."""
    operation = get_operation(pk)
    gate = gates.build_pilot_gate(operation)
    if gate is None and request.method != "POST":
        raise NotHeld(_("The operation does not wait for the pilot group. Nothing was changed."))
    form = ContinueForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with show_faults_on(form), transaction.atomic():
            continue_after_pilot(operation, now=timezone.now())
            enqueue_next_step(operation)
        if not form.errors:
            message = _("All devices receive the update.")
            return close_dialog(request, get_page_url(operation), message=message)
    context = {
        "operation": operation,
        "title": _("Continue"),
        "pilot": get_status(operation) if gate is not None else None,
    }
    return render_dialog(request, "certificates/dialogs/pilot_continue.html", context, form=form)
