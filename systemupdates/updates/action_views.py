"""Actions on an update, its devices, and its replicas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from console.pages import formatting
from console.pages.responses import close_dialog, render_dialog, require_right
from devices.middleware import ZoneRequest
from systemupdates.assignments import assignment as assignments
from systemupdates.content import replication
from systemupdates.models import Assignment, Replica
from systemupdates.updates import lifecycle
from systemupdates.updates.list_views import RIGHT
from systemupdates.updates.states import APPLIED, AssignmentState
from systemupdates.updates.views import RIGHT_LABEL, find_update

may_deploy = require_right(RIGHT, RIGHT_LABEL)
MAX_NAMED = 50


def _get_assignment(pk: int) -> Assignment:
    return get_object_or_404(Assignment.objects.select_related("device", "update"), pk=pk)


def _get_return_url(request: ZoneRequest, default: str) -> str:
    """Return the URL of the list on which the action was selected, or the default."""
    url = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(url, {request.get_host()}, request.is_secure()):
        return url
    return default


def _close_dialog(request: ZoneRequest, assignment: Assignment, message: str) -> HttpResponse:
    default = reverse("systemupdates:devices", args=[assignment.update_id])
    return close_dialog(request, _get_return_url(request, default), message=message)


def _change_assignment(
    request: ZoneRequest, pk: int, change: Callable[..., object], message: str
) -> HttpResponse:
    """Change an assignment and show the message, with the name of the device for %s."""
    assignment = _get_assignment(pk)
    change(assignment, now=timezone.now())
    return _close_dialog(request, assignment, message % assignment.device.name)


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def ignore(request: ZoneRequest, pk: int) -> HttpResponse:
    """Show what Ignore Device means for a device, or ignore the device for the update."""
    if request.method == "POST":
        return _change_assignment(
            request, pk, assignments.ignore_device, _("%s is ignored for this update.")
        )
    context = _get_ignore_context(request, _get_assignment(pk))
    return render_dialog(request, "systemupdates/dialogs/ignore.html", context)


def _get_ignore_context(request: ZoneRequest, assignment: Assignment) -> dict[str, Any]:
    """Return the effects of Ignore Device at this time.

    The operation and its cross-certificates are found through relations, because this app must not
    import the models of certificates.
    """
    now = timezone.now()
    update = assignment.update
    operation: Any = getattr(update, "operation", None)
    activates_at = update.activates_at
    freezes_at = activates_at - request.zone.freeze_period if activates_at else None
    old: Any = operation.authority if operation is not None else None
    has_cross_certificate = False
    if operation is not None and operation.changes_ca and old is not None:
        issued = old.cross_certificates_signed
        has_cross_certificate = issued.filter(subject=operation.future_authority).exists()
    return {
        "device": assignment.device,
        "operation": operation,
        "applied": assignment.state in APPLIED,
        "is_frozen": freezes_at is not None and now >= freezes_at,
        "is_past": activates_at is not None and now >= activates_at,
        "cross_certificate_until": (
            old.not_after if has_cross_certificate and old.not_after > now else None
        ),
        "next": request.GET.get("next", ""),
    }


@require_POST
@may_deploy
def redeploy(request: ZoneRequest, pk: int) -> HttpResponse:
    """Redeploy an update to a device."""
    return _change_assignment(
        request, pk, assignments.redeploy, _("The update has been redeployed to %s.")
    )


@require_POST
@may_deploy
def clear(request: ZoneRequest, pk: int) -> HttpResponse:
    """Clear the error of a device. The device does not retry the update."""
    return _change_assignment(
        request, pk, lifecycle.clear_error, _("The error on %s has been cleared.")
    )


@require_POST
@may_deploy
def refresh(request: ZoneRequest, pk: int) -> HttpResponse:
    """Retry the update at the next contact of the device."""
    assignment = _get_assignment(pk)
    device = assignment.device
    if lifecycle.refresh_device(assignment):
        return _close_dialog(
            request, assignment, _("%s will refresh within a few seconds.") % device.name
        )
    text = _(
        "%(name)s tries again at its next refresh (%(when)s). To retry "
        "immediately, run “zac refresh” on the device."
    )
    due = lifecycle.get_next_contact(device, request.zone)
    overdue = due is None or due < timezone.now()
    when = _("overdue") if overdue else _("by %s") % formatting.stamp(due or timezone.now())
    return _close_dialog(request, assignment, text % {"name": device.name, "when": when})


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def redeploy_failed(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show the devices on which the update failed, or redeploy the update to them."""
    update = find_update(pk)
    url = reverse("systemupdates:devices", args=[pk])
    if request.method == "POST":
        n = lifecycle.redeploy_failed(update, now=timezone.now())
        message = ngettext(
            "The update has been redeployed to %s device.",
            "The update has been redeployed to %s devices.",
            n,
        )
        return close_dialog(request, url, message=message % intcomma(n))
    failed = Assignment.objects.filter(update=update, state=AssignmentState.FAILED)
    context = {
        "count": failed.count(),
        "failed": failed.select_related("device").order_by("device__name")[:MAX_NAMED],
    }
    return render_dialog(request, "systemupdates/dialogs/redeploy.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def baseline(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Baseline a completed update after a confirmation."""
    update = find_update(pk)
    if request.method == "POST":
        lifecycle.baseline(update)
        url = reverse("systemupdates:details", args=[pk])
        message = _("%s has been baselined.") % update.name
        return close_dialog(request, url, message=message, is_left=True)
    return render_dialog(request, "systemupdates/dialogs/baseline.html", {"update": update})


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def delete(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Delete a baselined or canceled update after a confirmation."""
    update = find_update(pk)
    if request.method == "POST":
        lifecycle.delete(update, now=timezone.now())
        message = _("%s has been deleted.") % update.name
        return close_dialog(request, reverse("systemupdates:list"), message=message, is_left=True)
    context = {"update": update, "is_needed_for_recovery": lifecycle.is_needed_for_recovery(update)}
    return render_dialog(request, "systemupdates/dialogs/delete.html", context)


def _change_replica(
    request: ZoneRequest, pk: int, change: Callable[..., None], message: str
) -> HttpResponse:
    """Change a replica and show the message, with the name of the server for %s."""
    replica = get_object_or_404(Replica.objects.select_related("server", "update"), pk=pk)
    change(replica, now=timezone.now())
    url = _get_return_url(request, reverse("systemupdates:content", args=[replica.update_id]))
    return close_dialog(request, url, message=message % replica.server.name)


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def exclude(request: ZoneRequest, pk: int) -> HttpResponse:
    """Exclude a content server from an update after a confirmation."""
    if request.method != "POST":
        replica = get_object_or_404(Replica.objects.select_related("server", "update"), pk=pk)
        return show_exclude_dialog(request, replica)
    message = _("%s has been excluded from this update.")
    return _change_replica(request, pk, replication.exclude, message)


def show_exclude_dialog(request: ZoneRequest, replica: Replica) -> HttpResponse:
    """Ask whether to exclude a content server."""
    context = {"replica": replica, "back": request.GET.get("next", "")}
    return render_dialog(request, "systemupdates/dialogs/exclude.html", context)


@require_POST
@may_deploy
def include(request: ZoneRequest, pk: int) -> HttpResponse:
    """Include a content server in an update again."""
    message = _("%s has been included and will receive the content of this update.")
    return _change_replica(request, pk, replication.include, message)


@require_POST
@may_deploy
def replicate_now(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Request that every content server without the content replicates it immediately."""
    update = find_update(pk)
    replication.replicate_now(update, now=timezone.now())
    url = _get_return_url(request, reverse("systemupdates:content", args=[pk]))
    message = _("Replication has been started on all content servers.")
    return close_dialog(request, url, message=message)
