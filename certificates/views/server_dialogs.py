"""The dialogs of the server pane: a server's certificate, its future one, why it failed."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from certificates import table
from certificates.models import FutureCertificate
from certificates.views.ca_dialogs import VIEW, certificate_context
from console.http import dialog
from devices.http import ZoneRequest
from devices.models import Device
from faults import NotFound
from systemupdates.models import Assignment


def _server(pk: UUID) -> Device:
    return get_object_or_404(Device.objects.certified(), pk=pk)


def _future(device: Device) -> FutureCertificate | None:
    open_ones = FutureCertificate.objects.filter(device=device).exclude(state__in=table.CLOSED)
    return open_ones.first()


@require_safe
def server(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """View Certificate of a server: the one it shows now (R150)."""
    device = _server(pk)
    certificate = device.certificates.filter(superseded_at=None).first()
    if certificate is None:
        raise NotFound(
            _("%s has no certificate yet.") % device.name,
            action=_("It gets one after its next refresh."),
        )
    context = certificate_context(certificate.chain_pem, timezone.now())
    context |= {
        "title": _("Certificate of %s") % device.name,
        "pem_url": reverse("certificates:server_pem", args=[pk]),
        "device": device,
    }
    return dialog(request, VIEW, context)


@require_safe
def future(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """View the future certificate of a server (R057, R158)."""
    device = _server(pk)
    coming = _future(device)
    if coming is None or not coming.chain_pem:
        raise NotFound(_("%s has no new certificate.") % device.name)
    context = certificate_context(coming.chain_pem, timezone.now())
    context |= {
        "title": _("New certificate of %s") % device.name,
        "pem_url": reverse("certificates:future_pem", args=[pk]),
        "device": device,
        "future": coming,
        "activates_at": coming.operation.activates_at if coming.operation else None,
    }
    return dialog(request, VIEW, context)


@require_safe
def why(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Why it failed: reason, what to do, and the way to try again."""
    device = _server(pk)
    coming = _future(device)
    updates = [operation.update_id for operation in table.running()]
    assignment = (
        Assignment.objects.filter(device=device, update__in=[u for u in updates if u])
        .filter(state__in=table.UPDATE_FAILED)
        .select_related("update")
        .order_by("-update__created_at")
        .first()
    )
    failed = coming if coming is not None and coming.state in table.FAILED else None
    if failed is None and assignment is None:
        raise Http404
    context = {
        "device": device,
        "future": failed,
        "assignment": assignment,
        "may_deploy": request.user.has_perm("systemupdates.deploy_update"),
    }
    return dialog(request, "certificates/dialogs/why.html", context)
