"""Confirm, as the second of two administrators, what another one asked for (B-29, S-46)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from certificates import tasks
from certificates.approvals import approvals
from certificates.approvals import approvals as certificates_approvals
from certificates.authority import gates
from certificates.models import Operation, VaultJob
from certificates.operations.activation import lacking
from certificates.operations.presentation.actions import nudge, operation_of, page_of
from certificates.trust import readiness
from console.pages import formatting
from console.pages.forms import PasswordAgain
from console.pages.responses import close_dialog, dialog, faults_on, needs
from devices.middleware import ZoneRequest
from devices.models import Zone

may_change = needs(gates.CA_RIGHT, str(gates.CA_RIGHT_LABEL))


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def confirm(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Confirm an operation on the zone CA."""
    operations = Operation.objects.select_related("requested_by", "signing_server")
    operation = get_object_or_404(operations, pk=pk)
    form = PasswordAgain(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with faults_on(form), transaction.atomic():
            approvals.approve_operation(operation, by=request.user, now=timezone.now())
            transaction.on_commit(partial(tasks.nudge, str(operation.pk)), robust=True)
        if not form.errors:
            return _done(request, operation.get_kind_display())
    when = operation.activates_at
    facts = [
        (_("Operation"), operation.get_kind_display()),
        (_("Requested by"), operation.requested_by or "—"),
        (_("Requested"), formatting.stamp(operation.created_at)),
        (_("Server"), operation.signing_server.name),
        (_("Activation"), formatting.stamp(when) if when is not None else _("Immediate")),
        *((name.replace("_", " "), value) for name, value in _told(operation.order)),
    ]
    # What has not begun is refused by Cancel.
    return _show(request, form, operation.get_kind_display(), facts, may_refuse=False)


def _told(order: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the parts of an order that are worth a line; a certificate is none."""
    return [
        (name, value)
        for name, value in order.items()
        if value not in ("", None, [], {}) and not name.endswith("_pem") and name != "key"
    ]


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def confirm_job(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Confirm or refuse a move, backup or restore of the CA; whoever asked may withdraw it."""
    jobs = VaultJob.objects.select_related("requested_by", "server", "target")
    job = get_object_or_404(jobs.defer("payload", "result"), pk=pk)
    is_own = job.requested_by == request.user
    form = PasswordAgain(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        now = timezone.now()
        with faults_on(form), transaction.atomic():
            if is_own or request.POST.get("do") == "refuse":
                approvals.reject_job(job, by=request.user, now=now)
            else:
                approvals.approve_job(job, by=request.user, now=now)
                transaction.on_commit(partial(tasks.nudge_job, job), robust=True)
        if not form.errors:
            return _done(request, job.get_kind_display())
    facts = [
        (_("Act"), job.get_kind_display()),
        (_("Requested by"), job.requested_by or "—"),
        (_("Requested"), formatting.stamp(job.created_at)),
        (_("Server"), job.server.name),
        *([(_("New holder of the CA role"), job.target.name)] if job.target else []),
    ]
    return _show(request, form, job.get_kind_display(), facts, withdraw=is_own)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def confirm_act(request: ZoneRequest, pk: UUID, act: str) -> HttpResponse:
    """Confirm or refuse Force or Roll back; whoever asked for it may withdraw it."""
    operation, now = operation_of(pk), timezone.now()
    if act not in certificates_approvals.ACTS:
        raise Http404
    label = gettext(certificates_approvals.LABELS[act])
    is_own = operation.asked_by == request.user
    form = PasswordAgain(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        refused = is_own or request.POST.get("do") == "refuse"
        decide = (
            certificates_approvals.reject_action
            if refused
            else certificates_approvals.approve_action
        )
        with faults_on(form), transaction.atomic():
            decide(operation, act, by=request.user, now=now)
            nudge(operation)
        if not form.errors:
            said = _("You decided on %s.") % label
            return close_dialog(request, page_of(operation), said=said)
    facts = [
        (_("Act"), label),
        (_("Operation"), operation.name),
        (_("Requested by"), operation.asked_by or "—"),
        *([(_("Requested"), formatting.stamp(operation.asked_at))] if operation.asked_at else []),
        *_what_it_means(operation, act, request.zone, now),
    ]
    return _show(request, form, label, facts, withdraw=is_own)


def _what_it_means(
    operation: Operation, act: str, zone: Zone, now: datetime
) -> Iterator[tuple[str, str]]:
    """Yield what the dialog of whoever asked for an act has shown: both decide on the same."""
    if act == certificates_approvals.ROLL_BACK and operation.authority is not None:
        yield _("Zone CA again"), operation.authority.subject
        return
    servers = [server.name for server in lacking(operation)]
    if servers:
        yield _("Keep their old certificate"), readiness.few(servers)
    missing = readiness.shortfalls(operation, zone, now)
    if missing:
        yield _("Not met of the readiness policy"), "; ".join(missing)


def _show(
    request: ZoneRequest,
    form: PasswordAgain,
    kind: str,
    facts: list[tuple[Any, Any]],
    *,
    withdraw: bool = False,
    may_refuse: bool = True,
) -> HttpResponse:
    context = {
        "title": (_("Withdraw %s") if withdraw else _("Confirm %s")) % kind,
        "label": _("Withdraw") if withdraw else _("Confirm"),
        "may_refuse": may_refuse and not withdraw,
        "facts": facts,
        "here": request.path,
    }
    return dialog(request, "certificates/dialogs/confirm.html", context, form=form)


def _done(request: ZoneRequest, kind: str) -> HttpResponse:
    said = _("You decided on %s.") % kind
    return close_dialog(request, reverse("certificates:page"), said=said)
