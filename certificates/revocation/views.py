"""The dialog Revoke Certificate, and the download of revocation lists (CRLs)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from certificates import tasks
from certificates.authority import gates
from certificates.models import Authority, ServerCertificate
from certificates.revocation import lists, revocations
from certificates.revocation.forms import RevokeForm
from console.pages.responses import close_dialog, render_dialog, require_right, show_faults_on
from devices.middleware import ZoneRequest
from devices.models import Device
from faults import Conflict
from wire import messages

TEMPLATE = "certificates/dialogs/revoke.html"
PKIX_CRL = "application/pkix-crl"


@require_http_methods(["GET", "HEAD", "POST"])
@require_right(gates.CA_RIGHT, gates.CA_RIGHT_LABEL)
def revoke_certificate(request: ZoneRequest, pk: UUID, certificate: int) -> HttpResponse:
    """Revoke a current or previous certificate of a server."""
    now = timezone.now()
    found = get_object_or_404(
        ServerCertificate.objects.select_related("device", "authority"),
        device__in=Device.objects.certified().filter(pk=pk),
        pk=certificate,
    )
    form = RevokeForm(request, data=request.POST if request.method == "POST" else None)
    if not form.is_bound:
        obstacle = revocations.get_obstacle(found, now=now)
        if obstacle:
            raise Conflict(obstacle)
    elif form.is_valid():
        with show_faults_on(form), transaction.atomic():
            revocations.revoke(found, form.cleaned_data["reason"], by=request.user, now=now)
            transaction.on_commit(tasks.notify_agents, robust=True)
        if not form.errors:
            message = _("The certificate of %s has been revoked.") % found.device.name
            return close_dialog(request, reverse("devices:device", args=[pk]), message=message)
    return render_dialog(request, TEMPLATE, _build_context(found), form=form)


def _build_context(found: ServerCertificate) -> dict[str, Any]:
    """Return what the dialog shows: the certificate, and what the revocation leads to."""
    others = Device.objects.primaries().exclude(pk=found.device_id)
    is_primary = found.device.role == messages.PRIMARY
    return {
        "title": _("Revoke Certificate"),
        "certificate": found,
        "is_current": found.superseded_at is None,
        "is_only_primary": is_primary and not others.exists(),
        "has_external_ca": not Authority.objects.current().is_internal,
    }


@login_not_required
@require_safe
def download_crl(request: HttpRequest, key_id: str) -> HttpResponse:
    """Return the CRL of the CA with this key identifier (DER, RFC 2585). It is signed by the CA."""
    der = lists.get_crl(key_id)
    if der is None:
        raise Http404
    response = HttpResponse(der, content_type=PKIX_CRL)
    response.headers["Cache-Control"] = "no-store"
    return response
