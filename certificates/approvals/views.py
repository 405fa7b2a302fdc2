"""The dialogs in which a second administrator approves or rejects a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from administrators.approvals.forms import DecisionForm
from audit.models import Entry
from certificates import tasks
from certificates.approvals import approvals, descriptions
from certificates.authority import gates
from certificates.models import Operation, VaultJob
from certificates.operations.activation import get_blocking_servers
from certificates.operations.presentation.actions import (
    enqueue_next_step,
    get_operation,
    get_page_url,
)
from certificates.trust import readiness
from console.pages.responses import close_dialog, render_dialog, require_right, show_faults_on
from devices.middleware import ZoneRequest
from devices.models import Zone

may_change = require_right(gates.CA_RIGHT, gates.CA_RIGHT_LABEL)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def approve_operation(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Approve or reject an operation on the zone CA."""
    operations = Operation.objects.select_related("requested_by", "signing_server", "authority")
    operation = get_object_or_404(operations, pk=pk)
    form = DecisionForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        by, now = request.user, timezone.now()
        with show_faults_on(form), transaction.atomic():
            if request.POST.get("do") == "refuse":
                reason = form.cleaned_data["reason"]
                approvals.reject_operation(operation, by=by, now=now, reason=reason)
            else:
                approvals.approve_operation(operation, by=by, now=now)
            tasks.enqueue_step_on_commit(operation)
        if not form.errors:
            return _close(request, operation.get_kind_display())
    facts = list(descriptions.describe_operation(operation))
    # The requester withdraws it with Cancel.
    may_refuse = operation.requested_by != request.user
    return _show(request, form, operation.get_kind_display(), facts, may_refuse=may_refuse)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def decide_job(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Approve, reject, or withdraw a request to move, back up, or restore the CA."""
    jobs = VaultJob.objects.select_related("requested_by", "server", "target", "authority")
    job = get_object_or_404(jobs.defer("payload", "result"), pk=pk)
    is_own = job.requested_by == request.user
    form = DecisionForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        now = timezone.now()
        with show_faults_on(form), transaction.atomic():
            if is_own or request.POST.get("do") == "refuse":
                reason = form.cleaned_data["reason"]
                approvals.reject_job(job, by=request.user, now=now, reason=reason)
            else:
                approvals.approve_job(job, by=request.user, now=now)
                transaction.on_commit(partial(tasks.enqueue_key_job, job), robust=True)
        if not form.errors:
            return _close(request, job.get_kind_display())
    facts = list(descriptions.describe_job(job))
    return _show(request, form, job.get_kind_display(), facts, withdraw=is_own)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def decide_action(request: ZoneRequest, pk: UUID, action: str) -> HttpResponse:
    """Approve, reject, or withdraw a request for Force Activation or Roll Back."""
    operation, now = get_operation(pk), timezone.now()
    if action not in approvals.ACTIONS:
        raise Http404
    label = str(approvals.LABELS[action])
    is_own = operation.action_requested_by == request.user
    form = DecisionForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        rejected = is_own or request.POST.get("do") == "refuse"
        decide: Callable[..., None] = approvals.approve_action
        if rejected:
            decide = partial(approvals.reject_action, reason=form.cleaned_data["reason"])
        with show_faults_on(form), transaction.atomic():
            decide(operation, action, by=request.user, now=now)
            enqueue_next_step(operation)
        if not form.errors:
            message = _("Your decision on %s has been recorded.") % label
            return close_dialog(request, get_page_url(operation), message=message)
    facts = [
        (_("Action"), label),
        (_("Operation"), operation.name),
        *descriptions.describe_request(
            operation.action_requested_by,
            operation.action_requested_at,
            Entry.objects.filter(
                action=f"ask-{action}", subject=f"certificates.Operation:{operation.pk}"
            ).last(),
        ),
        *_list_consequences(operation, action, request.zone, now),
    ]
    return _show(request, form, label, facts, withdraw=is_own)


def _list_consequences(
    operation: Operation, action: str, zone: Zone, now: datetime
) -> Iterator[tuple[str, str]]:
    """Yield the consequences of an action, as shown to its requester."""
    if action == approvals.ROLL_BACK and operation.authority is not None:
        yield _("Zone CA after rollback"), operation.authority.subject
        return
    servers = [server.name for server in get_blocking_servers(operation)]
    if servers:
        yield _("Servers that keep their current certificate"), readiness.format_names(servers)
    missing = readiness.list_shortfalls(operation, zone, now)
    if missing:
        yield _("Readiness policy requirements not met"), "; ".join(missing)


def _show(
    request: ZoneRequest,
    form: DecisionForm,
    kind: str,
    facts: list[tuple[Any, Any]],
    *,
    withdraw: bool = False,
    may_refuse: bool = True,
) -> HttpResponse:
    context = {
        "title": (_("Withdraw %s") if withdraw else _("Approve %s")) % kind,
        "label": _("Withdraw") if withdraw else _("Approve"),
        "may_refuse": may_refuse and not withdraw,
        "facts": facts,
    }
    return render_dialog(request, "certificates/dialogs/confirm.html", context, form=form)


def _close(request: ZoneRequest, kind: str) -> HttpResponse:
    message = _("Your decision on %s has been recorded.") % kind
    return close_dialog(request, reverse("certificates:page"), message=message)
