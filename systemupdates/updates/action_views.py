"""Acts on an update and on its devices, each asked for in a dialog that says what it means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from console.pages import formatting
from console.pages.responses import close_dialog, dialog, needs
from devices.middleware import ZoneRequest
from systemupdates.assignments import assignment as single
from systemupdates.assignments import rollout
from systemupdates.content import replication
from systemupdates.models import Assignment, Replica
from systemupdates.updates import lifecycle
from systemupdates.updates.states import AssignmentState
from systemupdates.updates.views import RIGHT, RIGHT_LABEL, find

may_deploy = needs(RIGHT, str(RIGHT_LABEL))
NAMED_AT_MOST = 50


def _assignment(pk: int) -> Assignment:
    return get_object_or_404(Assignment.objects.select_related("device", "update"), pk=pk)


def _back(request: ZoneRequest, usual: str) -> str:
    """Return the list the act came from, with its filter and page."""
    there = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(there, {request.get_host()}, request.is_secure()):
        return there
    return usual


def _done(request: ZoneRequest, assignment: Assignment, said: str) -> HttpResponse:
    usual = reverse("systemupdates:devices", args=[assignment.update_id])
    return close_dialog(request, _back(request, usual), said=said)


def _act(request: ZoneRequest, pk: int, act: Callable[..., object], said: str) -> HttpResponse:
    """Do an act on one device of an update, and say so with the device's name in place of %s."""
    assignment = _assignment(pk)
    act(assignment, now=timezone.now())
    return _done(request, assignment, said % assignment.device.name)


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def ignore(request: ZoneRequest, pk: int) -> HttpResponse:
    """Ignore Device: leave a device out of an update, after telling what that means (R097)."""
    if request.method == "POST":
        return _act(request, pk, single.ignore_device, _("%s is left out of this update."))
    meaning = _meaning(request, _assignment(pk))
    return dialog(request, "systemupdates/dialogs/ignore.html", meaning)


def _meaning(request: ZoneRequest, assignment: Assignment) -> dict[str, Any]:
    """Return what Ignore Device does to this device as things stand.

    The operation and its bridges are known a storey higher: they are reached by relations alone.
    """
    now = timezone.now()
    update = assignment.update
    operation: Any = getattr(update, "operation", None)
    moment = update.activates_at
    locks_at = moment - request.zone.lockout if moment is not None else None
    old: Any = operation.authority if operation is not None else None
    bridged = False
    if operation is not None and operation.changes_ca and old is not None:
        bridged = old.bridges_signed.filter(subject=operation.future_authority).exists()
    return {
        "assignment": assignment,
        "device": assignment.device,
        "operation": operation,
        "applied": assignment.state in rollout.APPLIED,
        "locked_since": locks_at if locks_at is not None and now >= locks_at else None,
        "activates_at": moment,
        "is_past": moment is not None and now >= moment,
        "bridged_until": old.not_after if bridged and old.not_after > now else None,
        "next": request.GET.get("next", ""),
    }


@require_POST
@may_deploy
def redeploy(request: ZoneRequest, pk: int) -> HttpResponse:
    """Redeploy an update on a failed device (R053)."""
    return _act(request, pk, single.redeploy, _("The update is offered to %s again."))


@require_POST
@may_deploy
def clear(request: ZoneRequest, pk: int) -> HttpResponse:
    """Clear Error: take the message off; the device is not asked to try again."""
    return _act(request, pk, lifecycle.clear_error, _("The error of %s is cleared."))


@require_POST
@may_deploy
def refresh(request: ZoneRequest, pk: int) -> HttpResponse:
    """Refresh Device: let it try again as soon as it is heard (R216)."""
    assignment = _assignment(pk)
    device = assignment.device
    if lifecycle.refresh_device(assignment):
        return _done(request, assignment, _("%s refreshes within seconds.") % device.name)
    text = _(
        "%(name)s tries again at its next refresh (%(when)s). "
        "To have it now, run “zac refresh” on it."
    )
    due = lifecycle.heard_by(device, request.zone)
    overdue = due is None or due < timezone.now()
    when = _("overdue") if overdue else _("by %s") % formatting.stamp(due or timezone.now())
    return _done(request, assignment, text % {"name": device.name, "when": when})


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def redeploy_failed(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Redeploy the update on every device on which it failed, after naming them (R053)."""
    update = find(pk)
    usual = reverse("systemupdates:devices", args=[pk])
    if request.method == "POST":
        n = lifecycle.redeploy_failed(update, now=timezone.now())
        said = ngettext(
            "The update is offered to %d device again.",
            "The update is offered to %d devices again.",
            n,
        )
        return close_dialog(request, usual, said=said % n)
    failed = Assignment.objects.filter(update=update, state=AssignmentState.FAILED)
    context = {
        "update": update,
        "count": failed.count(),
        "failed": failed.select_related("device").order_by("device__name")[:NAMED_AT_MOST],
    }
    return dialog(request, "systemupdates/dialogs/redeploy.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def baseline(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Baseline a completed update, after telling what that means (R212)."""
    update = find(pk)
    if request.method == "POST":
        lifecycle.baseline(update)
        there = reverse("systemupdates:details", args=[pk])
        return _leave(request, there, _("%s is baselined.") % update.name)
    return dialog(request, "systemupdates/dialogs/baseline.html", {"update": update})


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def delete(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Delete a baselined or cancelled update: its tool is withdrawn (D-39)."""
    update = find(pk)
    if request.method == "POST":
        lifecycle.delete(update, now=timezone.now())
        return _leave(request, reverse("systemupdates:list"), _("%s is deleted.") % update.name)
    context = {"update": update, "kept": lifecycle.needed_for_recovery(update)}
    return dialog(request, "systemupdates/dialogs/delete.html", context)


def _leave(request: ZoneRequest, there: str, said: str) -> HttpResponse:
    """End a dialog whose page is another one afterwards."""
    response = close_dialog(request, there, said=said)
    if request.htmx:
        response.headers["HX-Redirect"] = there
    return response


def _on_replica(request: ZoneRequest, pk: int, act: Callable[..., None], said: str) -> HttpResponse:
    replica = get_object_or_404(Replica.objects.select_related("server", "update"), pk=pk)
    act(replica, now=timezone.now())
    there = reverse("systemupdates:content", args=[replica.update_id])
    return close_dialog(request, _back(request, there), said=said % replica.server.name)


@require_POST
@may_deploy
def exclude(request: ZoneRequest, pk: int) -> HttpResponse:
    """Exclude a content server from this update (D-35)."""
    said = _("%s is excluded from this update.")
    return _on_replica(request, pk, replication.exclude, said)


@require_POST
@may_deploy
def include(request: ZoneRequest, pk: int) -> HttpResponse:
    """Include a content server in this update again."""
    said = _("%s gets the content of this update.")
    return _on_replica(request, pk, replication.include, said)


@require_POST
@may_deploy
def replicate_now(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Ask every content server that lacks the content to fetch it at once."""
    update = find(pk)
    replication.replicate_now(update, now=timezone.now())
    there = reverse("systemupdates:content", args=[pk])
    said = _("Every content server is asked to fetch the content.")
    return close_dialog(request, _back(request, there), said=said)
