"""Dialogs of an operation in progress: replication status, Assign Now, Cancel (manual, 1.2.5)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates import tasks
from certificates.authority import gates
from certificates.issuance import renewal
from certificates.models import Operation
from certificates.operations import cancellation, distribution
from certificates.operations.states import OperationState
from console.pages import bulk
from console.pages.responses import close_dialog, render_dialog, require_right
from devices.middleware import ZoneRequest
from faults import Conflict
from systemupdates.content import replica_status, replication
from systemupdates.models import Replica
from systemupdates.updates.action_views import show_exclude_dialog

may_change = require_right(gates.CA_RIGHT, gates.CA_RIGHT_LABEL)
may_deploy = require_right(gates.DEPLOY_RIGHT, gates.DEPLOY_RIGHT_LABEL)


def _operation(pk: UUID) -> Operation:
    return get_object_or_404(Operation.objects.select_related("update", "authority"), pk=pk)


def _page_url() -> str:
    return reverse("certificates:page")


@require_safe
def replication_status(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show the content replication status of each content server."""
    operation = _operation(pk)
    update, now = operation.update, timezone.now()
    context = {
        "operation": operation,
        "rows": replica_status.get_replica_rows(update, request.zone, now)
        if update is not None
        else [],
        "now": now,
        "may_deploy": request.user.has_perm(gates.DEPLOY_RIGHT),
        "waiting": update is not None and update.replicas.missing().exists(),
        "is_open": operation.state == OperationState.REPLICATING,
    }
    return render_dialog(request, "certificates/dialogs/replication.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def exclude(request: ZoneRequest, pk: UUID, replica: int) -> HttpResponse:
    """Exclude a content server, so that it does not block the assignment (D-35), if confirmed."""
    operation = _operation(pk)
    found = get_object_or_404(
        Replica.objects.select_related("server", "update"), pk=replica, update=operation.update_id
    )
    if request.method != "POST":
        return show_exclude_dialog(request, found)
    replication.exclude(found, now=timezone.now())
    tasks.enqueue_step_on_commit(operation)
    message = _("%s has been excluded from this update.") % found.server.name
    return close_dialog(request, _page_url(), message=message)


@require_POST
@may_deploy
def replicate_now(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Start replication immediately on all content servers that do not have the content."""
    operation = _operation(pk)
    if operation.update is None:
        raise Conflict(
            _("The update does not have any content to replicate yet. Nothing was changed.")
        )
    replication.replicate_now(operation.update, now=timezone.now())
    message = _("Replication has been started on all content servers.")
    return close_dialog(request, _page_url(), message=message)


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def assign(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Assign Now, after a warning that lists the servers without the content."""
    operation = _operation(pk)
    if request.method == "POST":
        distribution.assign_now(operation, now=timezone.now())
        tasks.enqueue_step_on_commit(operation)
        return close_dialog(request, _page_url(), message=_("The update has been assigned."))
    replicas = Replica.objects.filter(update=operation.update_id)
    context = {
        "operation": operation,
        "missing": replicas.missing().select_related("server").order_by("server__name"),
        "gate": gates.build_assign_gate(operation),
        "servers": [] if operation.changes_ca else _selected(operation),
    }
    return render_dialog(request, "certificates/dialogs/assign.html", context)


def _selected(operation: Operation) -> list[str]:
    """Return the names of the servers of a server remint."""
    return list(operation.futures.order_by("device__name").values_list("device__name", flat=True))


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def cancel(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Cancel an operation after a confirmation."""
    operation = _operation(pk)
    now = timezone.now()
    if request.method == "POST":
        cancellation.cancel(operation, now=now)
        tasks.enqueue_step_on_commit(operation)
        message = _("The %s operation is being canceled.") % operation.get_kind_display()
        return close_dialog(request, _page_url(), message=message)
    context = {
        "operation": operation,
        "gate": gates.build_cancel_gate(operation, request.zone, now),
        "until": gates.format_cancel_deadline(operation, request.zone, now),
        "is_renewal": renewal.is_renewal(operation),
    }
    return render_dialog(request, "certificates/dialogs/cancel.html", context)


@require_POST
@may_change
def clear_failure(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Clear the message of a failed cancellation. Cancel can be tried again."""
    cancellation.clear_failure(_operation(pk))
    return close_dialog(request, _page_url(), message=_("The message has been cleared."))


def _cancel(operation: Operation) -> None:
    with transaction.atomic():
        cancellation.cancel(operation, now=timezone.now())
        tasks.enqueue_step_on_commit(operation)


BULK_ACTIONS = {
    "cancel": bulk.BulkAction(
        gettext_lazy("Cancel Operations"),
        gettext_lazy(
            "The new certificates are not activated, and servers and devices keep what they use "
            "now. You cannot undo this."
        ),
        _cancel,
        is_dangerous=True,
        keep_label=gettext_lazy("Keep Operations"),
    ),
}


@require_POST
@may_change
def run_bulk_action(request: ZoneRequest) -> HttpResponse:
    """Show the confirmation dialog for the selected operations, or cancel them."""
    return bulk.run_action(
        request,
        BULK_ACTIONS,
        _find_operations,
        back=reverse("certificates:operations"),
        name=lambda operation: operation.name,
    )


def _find_operations(ids: Sequence[str]) -> list[Operation]:
    found = Operation.objects.filter(pk__in=bulk.parse_uuids(ids))
    return list(found.select_related("update").order_by("-created_at"))
