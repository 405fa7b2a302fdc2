"""Dialogs that unblock, force, or roll back an operation, and the readiness policy (D-26)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from certificates import tasks
from certificates.approvals import approvals
from certificates.authority import gates
from certificates.models import Operation
from certificates.operations import intervention, preparation, rollback
from certificates.operations.activation import get_blocking_servers
from certificates.operations.activation_time import format_time, get_limits
from certificates.operations.presentation.ca_forms import ActivationStep
from certificates.operations.presentation.forms import ForceForm, ReadinessForm, RollBackForm
from certificates.operations.presentation.remint_ca import build_limits_context
from certificates.pilot.settings import get_remaining_pilot_time
from certificates.trust import devices_at_risk, readiness
from console.pages.forms import ReauthenticationForm
from console.pages.responses import close_dialog, render_dialog, require_right, show_faults_on
from devices.middleware import ZoneRequest
from devices.models import Device
from faults import Conflict

FOLDER = "certificates/dialogs/"
may_change = require_right(gates.CA_RIGHT, gates.CA_RIGHT_LABEL)


def get_operation(pk: UUID) -> Operation:
    """Return an operation with the related rows that its page shows, or raise Http404."""
    found = Operation.objects.select_related(
        "update",
        "authority",
        "future_authority",
        "signing_server",
        "requested_by",
        "action_requested_by",
    )
    return get_object_or_404(found, pk=pk)


def get_page_url(operation: Operation) -> str:
    """Return the URL of the page of an operation."""
    return reverse("certificates:operation", args=[operation.pk])


def enqueue_next_step(operation: Operation) -> None:
    """Enqueue the next step of an operation and notify the agents when the transaction commits."""
    tasks.enqueue_step_on_commit(operation)
    transaction.on_commit(tasks.notify_agents, robust=True)


def _submit(
    request: ZoneRequest,
    operation: Operation,
    form: ReauthenticationForm,
    action: Callable[[], None],
    get_message: Callable[[], str],
) -> HttpResponse | None:
    """Run an action if its form is valid. Return None if the dialog must be shown (again)."""
    if not form.is_bound or not form.is_valid():
        return None
    with show_faults_on(form), transaction.atomic():
        action()
        enqueue_next_step(operation)
    if form.errors:
        return None
    return close_dialog(request, get_page_url(operation), message=get_message())


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def change_activation_time(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Change Activation Time, before the freeze period or while blocked (D-26)."""
    operation, now = get_operation(pk), timezone.now()
    gate = gates.build_activation_gate(operation, request.zone, now)
    _check_gate(gate, request)
    servers = None
    if not operation.changes_ca:
        servers = list(Device.objects.filter(futures__operation=operation).distinct())
    pilot = get_remaining_pilot_time(operation, now)
    found = get_limits(operation.kind, servers=servers, now=now, pilot=pilot)
    data = request.POST if request.method == "POST" else None
    form = ActivationStep(request, found, data=data, initial=_initial_time(operation))

    def action() -> None:
        moment = form.cleaned_data["activates_at"]
        override = form.cleaned_data["window_override"]
        intervention.change_activation_time(operation, moment, now=now, override=override)

    def get_message() -> str:
        moment = form.cleaned_data["activates_at"]
        changed = _("The activation time has been changed to %s.") % format_time(moment)
        return f"{changed} {form.early_note()}".strip()

    done = _submit(request, operation, form, action, get_message)
    context = {
        "operation": operation,
        "title": _("Change Activation Time"),
        **build_limits_context(found, now),
    }
    return done or render_dialog(request, f"{FOLDER}change_activation.html", context, form=form)


def _initial_time(operation: Operation) -> dict[str, Any]:
    """Return the current activation time as initial data, unless it has passed."""
    moment = operation.activates_at
    return {"activates_at": moment} if moment and moment > timezone.now() else {}


def _check_gate(gate: gates.Gate | None, request: ZoneRequest) -> None:
    """Raise Conflict if a dialog cannot be opened. The action itself checks this again."""
    if request.method == "POST" or (gate is not None and gate.is_open):
        return
    reason = (
        str(gate.reason) if gate is not None else _("The operation has changed in the meantime.")
    )
    raise Conflict(f"{reason} {_('Nothing was changed.')}")


def _approval_message(operation: Operation) -> str:
    """Return the message for an action that needs a second administrator, "" otherwise."""
    return (
        _("Your request is waiting for approval by a second administrator.")
        if operation.requested_action
        else ""
    )


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def force_activation(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Force Activation even though servers or devices are not ready (D-26)."""
    operation, now = get_operation(pk), timezone.now()
    _check_gate(gates.build_force_gate(operation), request)
    form = ForceForm(request, data=request.POST if request.method == "POST" else None)
    action = partial(approvals.run_or_request, operation, approvals.FORCE, by=request.user, now=now)
    message = _("The activation has been forced.")
    done = _submit(
        request, operation, form, action, lambda: _approval_message(operation) or message
    )
    numbers = devices_at_risk.count_by_status(
        devices_at_risk.get_devices_by_risk(operation, request.zone, now)
    )
    context = {
        "operation": operation,
        "title": _("Force Activation"),
        "blocking_servers": get_blocking_servers(operation),
        "why": readiness.list_shortfalls(operation, request.zone, now),
        "at_risk": sum(n for why, n in numbers.items() if why),
    }
    return done or render_dialog(request, f"{FOLDER}force.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def continue_without_cross_certificate(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Continue without the cross-certificate of a lost certificate server."""
    operation = get_operation(pk)
    form = ReauthenticationForm(request, data=request.POST if request.method == "POST" else None)
    action = partial(intervention.continue_without_cross_certificate, operation)
    message = _("The operation continues without the cross-certificate.")
    done = _submit(request, operation, form, action, lambda: message)
    context = {"operation": operation, "title": _("Continue Without Cross-Certificate")}
    return done or render_dialog(
        request, f"{FOLDER}without_cross_certificate.html", context, form=form
    )


@require_POST
@may_change
def try_again(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Retry a failed preparation from the step that failed."""
    operation = get_operation(pk)
    preparation.retry(operation)
    enqueue_next_step(operation)
    return close_dialog(request, get_page_url(operation), message=_("The step is being retried."))


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def roll_back(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Roll back to the previous CA and certificates."""
    operation, now = get_operation(pk), timezone.now()
    gate = gates.build_rollback_gate(operation, rollback.get_obstacle(operation, now=now))
    _check_gate(gate, request)
    form = RollBackForm(request, data=request.POST if request.method == "POST" else None)
    action = partial(
        approvals.run_or_request, operation, approvals.ROLL_BACK, by=request.user, now=now
    )
    message = _("The %s operation is being rolled back.") % operation.get_kind_display()
    done = _submit(
        request, operation, form, action, lambda: _approval_message(operation) or message
    )
    context = {"operation": operation, "title": _("Roll Back")}
    return done or render_dialog(request, f"{FOLDER}roll_back.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def readiness_policy(request: ZoneRequest) -> HttpResponse:
    """Show and set the readiness policy, which postpones activations that are not ready."""
    form = ReadinessForm(
        request,
        data=request.POST if request.method == "POST" else None,
        initial=readiness.get_policy(request.zone),
    )
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            values = form.cleaned_data
            readiness.save_policy(
                servers=values["servers"], percent=values["percent"], days=values["days"]
            )
        if not form.errors:
            message = _("The readiness policy has been saved.")
            return close_dialog(request, reverse("certificates:page"), message=message)
    context = {"title": _("Readiness Policy")}
    return render_dialog(request, f"{FOLDER}readiness.html", context, form=form)
