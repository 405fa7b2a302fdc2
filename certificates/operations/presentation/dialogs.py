"""The acts on a running operation: replication status, Assign Now, Cancel (manual, 1.2.5)."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates import tasks
from certificates.authority import gates
from certificates.issuance import renewal
from certificates.models import Operation
from certificates.operations import cancellation, distribution
from certificates.operations.states import OperationState
from console.pages.responses import close_dialog, dialog, needs
from devices.middleware import ZoneRequest
from faults import Conflict
from systemupdates.content import replica_status, replication
from systemupdates.models import Replica

may_change = needs(gates.CA_RIGHT, str(gates.CA_RIGHT_LABEL))
may_deploy = needs(gates.DEPLOY_RIGHT, str(gates.DEPLOY_RIGHT_LABEL))


def _operation(pk: UUID) -> Operation:
    return get_object_or_404(Operation.objects.select_related("update", "authority"), pk=pk)


def _page() -> str:
    return reverse("certificates:page")


def _nudge(operation: Operation) -> None:
    transaction.on_commit(partial(tasks.nudge, str(operation.pk)), robust=True)


@require_safe
def replication_status(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """List the content servers with their content replication statuses (R049)."""
    operation = _operation(pk)
    update, now = operation.update, timezone.now()
    context = {
        "operation": operation,
        "rows": replica_status.standing(update, request.zone, now) if update is not None else [],
        "now": now,
        "may_deploy": request.user.has_perm(gates.DEPLOY_RIGHT),
        "waiting": update is not None and update.replicas.missing().exists(),
        "is_open": operation.state == OperationState.REPLICATING,
    }
    return dialog(request, "certificates/dialogs/replication.html", context)


@require_POST
@may_deploy
def exclude(request: ZoneRequest, pk: UUID, replica: int) -> HttpResponse:
    """Exclude a content server, so that a dead one does not block for ever (D-35)."""
    operation = _operation(pk)
    found = get_object_or_404(
        Replica.objects.select_related("server"), pk=replica, update=operation.update_id
    )
    replication.exclude(found, now=timezone.now())
    _nudge(operation)
    said = _("%s is excluded from this update.") % found.server.name
    return close_dialog(request, _page(), said=said)


@require_POST
@may_deploy
def replicate_now(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Ask every content server that lacks the content to fetch it at once."""
    operation = _operation(pk)
    if operation.update is None:
        raise Conflict(_("There is no content to replicate yet. Nothing was changed."))
    replication.replicate_now(operation.update, now=timezone.now())
    said = _("Every content server is asked to fetch the content.")
    return close_dialog(request, _page(), said=said)


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def assign(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Assign Now, after a warning that tells which servers lack the content (R051, R052, R180)."""
    operation = _operation(pk)
    if request.method == "POST":
        distribution.assign_now(operation, now=timezone.now())
        _nudge(operation)
        return close_dialog(request, _page(), said=_("The update is assigned."))
    replicas = Replica.objects.filter(update=operation.update_id)
    context = {
        "operation": operation,
        "missing": replicas.missing().select_related("server").order_by("server__name"),
        "gate": gates.assign_gate(operation),
        "servers": [] if operation.changes_ca else _selected(operation),
    }
    return dialog(request, "certificates/dialogs/assign.html", context)


def _selected(operation: Operation) -> list[str]:
    """Return the names of the servers of a server remint (R180)."""
    return list(operation.futures.order_by("device__name").values_list("device__name", flat=True))


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def cancel(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Cancel, after a confirmation (R091)."""
    operation = _operation(pk)
    now = timezone.now()
    if request.method == "POST":
        cancellation.cancel(operation, now=now)
        _nudge(operation)
        said = _("The %s operation is being cancelled.") % operation.get_kind_display()
        return close_dialog(request, _page(), said=said)
    context = {
        "operation": operation,
        "gate": gates.cancel_gate(operation, request.zone, now),
        "until": gates.cancel_until(operation, request.zone, now),
        "is_renewal": renewal.is_renewal(operation),
    }
    return dialog(request, "certificates/dialogs/cancel.html", context)


@require_POST
@may_change
def clear(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Clear the message of a failed cancel; Cancel can be tried again (R094)."""
    cancellation.clear_failure(_operation(pk))
    return close_dialog(request, _page(), said=_("The message is cleared."))
