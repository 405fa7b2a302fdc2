"""The dialogs of the server pane: a server's certificate, its future one, why it failed."""

from __future__ import annotations

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
from certificates.models import FutureCertificate, ServerCertificate
from certificates.operations.presentation.remint_ca import VIEW, certificate_context
from certificates.servers import table
from console.pages.responses import close_dialog, dialog, needs
from devices.middleware import ZoneRequest
from devices.models import Device
from faults import NotFound
from pki.certificates.details import describe
from systemupdates.models import Assignment


def _server(pk: UUID) -> Device:
    return get_object_or_404(Device.objects.certified(), pk=pk)


def _future(device: Device) -> FutureCertificate | None:
    coming = FutureCertificate.objects.open().filter(device=device).foremost()
    return coming.select_related("operation", "authority").first()


def _current(device: Device) -> ServerCertificate | None:
    return device.certificates.filter(superseded_at=None).first()


@require_safe
def server(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """View Certificate of a server: the one it shows now (R150)."""
    device = _server(pk)
    certificate = _current(device)
    if certificate is None:
        raise NotFound(
            _("%s has no certificate yet.") % device.name,
            action=_("It gets one after its next refresh."),
        )
    context = certificate_context(certificate.chain_pem, timezone.now())
    context |= {
        "title": _("Certificate of %s") % device.name,
        "pem_url": reverse("certificates:server_pem", args=[pk]),
        "has_chain": True,
        "device": device,
        "uncovered": comparison.uncovered(device, context["details"]),
    }
    return dialog(request, VIEW, context)


@require_safe
def past(request: ZoneRequest, pk: UUID, certificate: int) -> HttpResponse:
    """View a certificate that a server has shown before."""
    device = _server(pk)
    found = get_object_or_404(device.certificates, pk=certificate)
    context = certificate_context(found.chain_pem, timezone.now())
    context |= {
        "title": _("Former certificate of %s") % device.name,
        "pem_url": reverse("certificates:past_pem", args=[pk, certificate]),
        "has_chain": True,
        "device": device,
    }
    return dialog(request, VIEW, context)


@require_safe
def future(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """View the future certificate of a server beside its current one (R057, R158)."""
    device = _server(pk)
    coming = _future(device)
    if coming is None or not coming.chain_pem:
        raise NotFound(_("%s has no new certificate.") % device.name)
    shown = _current(device)
    new = describe(coming.chain_pem)
    context = {
        "title": _("New certificate of %s") % device.name,
        "device": device,
        "future": coming,
        "has_current": shown is not None,
        "rows": comparison.rows(describe(shown.chain_pem) if shown else None, new),
        "uncovered": comparison.uncovered(device, new),
        "activates_at": coming.operation.activates_at if coming.operation else None,
        "now": timezone.now(),
    }
    return dialog(request, "certificates/dialogs/future.html", context)


@require_POST
@needs(gates.CA_RIGHT, str(gates.CA_RIGHT_LABEL))
def try_again(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Let a server ask anew for the certificate that it could not get (R163, R165)."""
    device = _server(pk)
    coming = _future(device)
    if coming is None:
        raise NotFound(_("No certificate is awaited for %s.") % device.name)
    requests.try_again(coming)
    transaction.on_commit(tasks.wake_all, robust=True)
    said = _("%s is asked again.") % device.name
    return close_dialog(request, reverse("certificates:page"), said=said)


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
        "may_try": request.user.has_perm(gates.CA_RIGHT),
        "may_deploy": request.user.has_perm("systemupdates.deploy_update"),
    }
    return dialog(request, "certificates/dialogs/why.html", context)
