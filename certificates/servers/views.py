"""Dialogs of the server pane: current, new, and previous certificates, failure details."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from certificates import tasks
from certificates.authority import gates
from certificates.issuance import comparison, requests
from certificates.models import ServerCertificate
from certificates.operations.presentation.remint_ca import VIEW, build_certificate_context
from certificates.servers import rows, table
from certificates.servers.selection import get_current, get_future
from console.pages.responses import close_dialog, render_dialog, require_right
from devices.middleware import ZoneRequest
from devices.models import Device
from faults import NotFound
from pki.certificates.details import get_details
from systemupdates.models import Assignment
from systemupdates.updates.states import ERRORS


def _server(pk: UUID) -> Device:
    return get_object_or_404(Device.objects.certified(), pk=pk)


@require_safe
def server(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """View Certificate of a server."""
    device = _server(pk)
    certificate = get_current(device)
    if certificate is None:
        raise NotFound(
            _("%s does not have a certificate yet.") % device.name,
            action=_("The server receives a certificate after its next refresh."),
        )
    context = build_certificate_context(certificate.chain_pem, timezone.now())
    context |= {
        "title": _("Certificate of %s") % device.name,
        "pem_url": reverse("certificates:server_pem", args=[pk]),
        "has_chain": True,
        "device": device,
        "uncovered": comparison.list_uncovered_names(device, context["details"]),
        **_build_revocation_context(request, certificate),
    }
    return render_dialog(request, VIEW, context)


def _build_revocation_context(
    request: ZoneRequest, certificate: ServerCertificate
) -> dict[str, Any]:
    """Return the revocation of a certificate, or the URL of the dialog that revokes it."""
    revocation = certificate.revocation
    may_revoke = request.user.has_perm(gates.CA_RIGHT)
    can_revoke = revocation is None and not certificate.has_expired(timezone.now())
    url = reverse("certificates:revoke", args=[certificate.device_id, certificate.pk])
    return {"revocation": revocation, "revoke_url": url if may_revoke and can_revoke else ""}


@require_safe
def previous(request: ZoneRequest, pk: UUID, certificate: int) -> HttpResponse:
    """View a previous certificate of a server."""
    device = _server(pk)
    found = get_object_or_404(device.certificates, pk=certificate)
    context = build_certificate_context(found.chain_pem, timezone.now())
    context |= {
        "title": _("Previous certificate of %s") % device.name,
        "pem_url": reverse("certificates:previous_certificate_pem", args=[pk, certificate]),
        "has_chain": True,
        "device": device,
        **_build_revocation_context(request, found),
    }
    return render_dialog(request, VIEW, context)


@require_safe
def future(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """View the new certificate of a server beside its current one."""
    device = _server(pk)
    pending = get_future(device)
    if pending is None or not pending.chain_pem:
        raise NotFound(_("%s does not have a new certificate.") % device.name)
    current = get_current(device)
    new = get_details(pending.chain_pem)
    context = {
        "title": _("New certificate of %s") % device.name,
        "device": device,
        "has_current": current is not None,
        "rows": comparison.compare(get_details(current.chain_pem) if current else None, new),
        "uncovered": comparison.list_uncovered_names(device, new),
        "activates_at": pending.operation.activates_at if pending.operation else None,
    }
    return render_dialog(request, "certificates/dialogs/future.html", context)


@require_POST
@require_right(gates.CA_RIGHT, gates.CA_RIGHT_LABEL)
def retry(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Retry a failed certificate request of a server."""
    device = _server(pk)
    pending = get_future(device)
    if pending is None:
        raise NotFound(_("%s is not waiting for a certificate.") % device.name)
    requests.retry(pending)
    transaction.on_commit(tasks.notify_agents, robust=True)
    message = _("A new request has been sent to %s.") % device.name
    return close_dialog(request, reverse("certificates:page"), message=message)


@require_safe
def failure_details(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Show the reason of a failure, the recommended action, and how to retry."""
    device = _server(pk)
    pending = get_future(device)
    updates = [operation.update_id for operation in table.list_running_operations()]
    assignment = (
        Assignment.objects.filter(device=device, update__in=[u for u in updates if u])
        .filter(state__in=ERRORS)
        .select_related("update")
        .order_by("-update__created_at")
        .first()
    )
    failed = pending if pending is not None and pending.state in rows.FAILED_STATES else None
    if failed is None and assignment is None:
        raise Http404
    context = {
        "device": device,
        "future": failed,
        "assignment": assignment,
        "can_retry": request.user.has_perm(gates.CA_RIGHT),
        "can_redeploy": request.user.has_perm("systemupdates.deploy_update"),
    }
    return render_dialog(request, "certificates/dialogs/failure_details.html", context)
