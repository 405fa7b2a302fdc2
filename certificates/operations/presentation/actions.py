"""The acts on what holds an operation up, or undoes it (D-26; B-3, B-5)."""

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
from certificates.operations.activation import lacking
from certificates.operations.activation_time import limits, stamp
from certificates.operations.presentation.ca_forms import ActivationStep
from certificates.operations.presentation.forms import ReadinessForm, RollBackForm
from certificates.operations.presentation.remint_ca import limit_words
from certificates.trust import devices_at_risk, readiness
from console.pages.forms import PasswordAgain
from console.pages.responses import close_dialog, dialog, faults_on, needs
from devices.middleware import ZoneRequest
from devices.models import Device
from faults import Conflict

FOLDER = "certificates/dialogs/"
may_change = needs(gates.CA_RIGHT, str(gates.CA_RIGHT_LABEL))


def operation_of(pk: UUID) -> Operation:
    """Return an operation with what its pages tell of it."""
    found = Operation.objects.select_related(
        "update", "authority", "future_authority", "signing_server", "requested_by", "asked_by"
    )
    return get_object_or_404(found, pk=pk)


def page_of(operation: Operation) -> str:
    """Return the address of an operation's page."""
    return reverse("certificates:operation", args=[operation.pk])


def nudge(operation: Operation) -> None:
    """Ring for the next step of an operation, and wake the hosts, once the act is stored."""
    transaction.on_commit(partial(tasks.nudge, str(operation.pk)), robust=True)
    transaction.on_commit(tasks.wake_all, robust=True)


def _take(
    request: ZoneRequest,
    operation: Operation,
    form: PasswordAgain,
    act: Callable[[], None],
    said: Callable[[], str],
) -> HttpResponse | None:
    """Do an act whose form is right; None where the dialog is to be shown (again)."""
    if not form.is_bound or not form.is_valid():
        return None
    with faults_on(form), transaction.atomic():
        act()
        nudge(operation)
    return None if form.errors else close_dialog(request, page_of(operation), said=said())


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def change_activation(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Change activation time, before the lock-out or while blocked (D-26)."""
    operation, now = operation_of(pk), timezone.now()
    gate = gates.activation_gate(operation, request.zone, now)
    _refuse_shut(gate, request)
    servers = list(Device.objects.filter(futures__operation=operation).distinct())
    found = limits(operation.kind, servers=servers, now=now)
    data = request.POST if request.method == "POST" else None
    form = ActivationStep(request, found, data=data, initial=_present(operation))

    def act() -> None:
        moment = form.cleaned_data["activates_at"]
        intervention.change_activation(operation, moment, now=now)

    def said() -> str:
        moment = form.cleaned_data["activates_at"]
        told = _("The activation time is %s now.") % stamp(moment)
        return f"{told} {form.early_note()}".strip()

    done = _take(request, operation, form, act, said)
    context = {
        "operation": operation,
        "title": _("Change activation time"),
        "here": request.path,
        **limit_words(found, now),
    }
    return done or dialog(request, f"{FOLDER}change_activation.html", context, form=form)


def _present(operation: Operation) -> dict[str, Any]:
    """Return the time that holds now; one that has passed gives way to the suggestion."""
    moment = operation.activates_at
    return {"activates_at": moment} if moment and moment > timezone.now() else {}


def _refuse_shut(gate: gates.Gate | None, request: ZoneRequest) -> None:
    """Refuse to open a dialog whose button is shut or gone; what it does is checked again."""
    if request.method == "POST" or (gate is not None and gate.is_open):
        return
    reason = str(gate.reason) if gate is not None else _("The operation has moved on since.")
    raise Conflict(f"{reason} {_('Nothing was changed.')}")


def _asked(operation: Operation) -> str:
    """Return what is said where the act only waits for a second administrator (B-29)."""
    return _("A second administrator has to confirm it.") if operation.asked_act else ""


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def force(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Force activation although servers or devices are not ready (D-26, B-3)."""
    operation, now = operation_of(pk), timezone.now()
    _refuse_shut(gates.force_gate(operation), request)
    form = PasswordAgain(request, data=request.POST if request.method == "POST" else None)
    act = partial(approvals.do_or_ask, operation, approvals.FORCE, by=request.user, now=now)
    said = _("The activation is forced.")
    done = _take(request, operation, form, act, lambda: _asked(operation) or said)
    numbers = devices_at_risk.count(devices_at_risk.by_why(operation, request.zone, now))
    context = {
        "operation": operation,
        "title": _("Force activation"),
        "lacking": lacking(operation),
        "why": readiness.shortfalls(operation, request.zone, now),
        "at_risk": sum(n for why, n in numbers.items() if why),
        "here": request.path,
    }
    return done or dialog(request, f"{FOLDER}force.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def without_bridge(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Go on without the bridge of a certificate server that is lost."""
    operation = operation_of(pk)
    form = PasswordAgain(request, data=request.POST if request.method == "POST" else None)
    act = partial(intervention.go_on_without_bridge, operation)
    said = _("The operation goes on without the bridge.")
    done = _take(request, operation, form, act, lambda: said)
    context = {
        "operation": operation,
        "title": _("Go on without the bridge"),
        "here": request.path,
    }
    return done or dialog(request, f"{FOLDER}without_bridge.html", context, form=form)


@require_POST
@may_change
def try_again(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Try a failed preparation again, from the step that failed."""
    operation = operation_of(pk)
    preparation.try_again(operation)
    nudge(operation)
    return close_dialog(request, page_of(operation), said=_("The step is tried again."))


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def roll_back(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Roll back to the CA and the certificates from before (B-5)."""
    operation, now = operation_of(pk), timezone.now()
    gate = gates.rollback_gate(operation, rollback.why_not(operation, now=now))
    _refuse_shut(gate, request)
    form = RollBackForm(request, data=request.POST if request.method == "POST" else None)
    act = partial(approvals.do_or_ask, operation, approvals.ROLL_BACK, by=request.user, now=now)
    said = _("The %s operation is being rolled back.") % operation.get_kind_display()
    done = _take(request, operation, form, act, lambda: _asked(operation) or said)
    context = {"operation": operation, "title": _("Roll back"), "here": request.path}
    return done or dialog(request, f"{FOLDER}roll_back.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def readiness_policy(request: ZoneRequest) -> HttpResponse:
    """Readiness policy: what must be ready, else the activation is put off (B-3)."""
    form = ReadinessForm(
        request,
        data=request.POST if request.method == "POST" else None,
        initial=readiness.policy_of(request.zone),
    )
    if form.is_bound and form.is_valid():
        with faults_on(form):
            given = form.cleaned_data
            readiness.set_policy(
                servers=given["servers"], percent=given["percent"], days=given["days"]
            )
        if not form.errors:
            there = reverse("certificates:page")
            return close_dialog(request, there, said=_("The readiness policy is set."))
    context = {"title": _("Readiness policy"), "here": request.path}
    return dialog(request, f"{FOLDER}readiness.html", context, form=form)
