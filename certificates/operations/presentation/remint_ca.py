"""The dialogs of the CA pane: View Certificate and Remint CA (manual, 1.2.3 and 1.2.9)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from certificates import tasks
from certificates.authority import gates
from certificates.models import Authority, Operation
from certificates.operations import creation
from certificates.operations.activation_time import Limits, limits
from certificates.operations.presentation.forms import RemintCAForm
from certificates.progress import counts as operation_counts
from certificates.progress import progress
from console.pages.forms import utc_words, zone_words
from console.pages.responses import close_dialog, dialog, faults_on, needs
from devices.middleware import ZoneRequest
from faults import Conflict
from pki.certificates.details import describe

VIEW = "certificates/dialogs/certificate.html"


@require_safe
def view_certificate(request: ZoneRequest) -> HttpResponse:
    """View Certificate of the zone CA."""
    authority = Authority.objects.current()
    context = certificate_context(authority.root_pem, timezone.now())
    context |= {"title": _("View Certificate"), "pem_url": reverse("certificates:ca_pem")}
    return dialog(request, VIEW, context)


def certificate_context(pem: str, now: datetime) -> dict[str, Any]:
    """Return what View Certificate shows of a certificate (R020 to R027)."""
    details = describe(pem)
    return {
        "details": details,
        "expired": now > details.not_after,
        "not_yet": now < details.not_before,
        "now": now,
        "names": [*details.dns_names, *details.addresses],
    }


@require_http_methods(["GET", "HEAD", "POST"])
@needs(gates.CA_RIGHT, str(gates.CA_RIGHT_LABEL))
def remint_ca(request: ZoneRequest) -> HttpResponse:
    """Remint CA."""
    now = timezone.now()
    found = limits(Operation.Kind.REMINT_CA, now=now)
    data = request.POST if request.method == "POST" else None
    form = RemintCAForm(request, found, request.zone.name, data=data)
    if data is None:
        refuse_shut(gates.Button.REMINT)
    elif form.is_valid():
        with faults_on(form), transaction.atomic():
            key = form.cleaned_data["key"]
            operation = creation.remint_ca(form.order(), by=request.user, key=key, now=now)
            transaction.on_commit(partial(tasks.nudge, str(operation.pk)), robust=True)
        if not form.errors:
            said = f"{progress.headline(operation, operation_counts.Counts())} {form.early_note()}"
            return close_dialog(request, reverse("certificates:page"), said=said.strip())
    return dialog(
        request, "certificates/dialogs/remint_ca.html", limit_words(found, now), form=form
    )


def refuse_shut(button: gates.Button) -> None:
    """Refuse to open the dialog while its button is shut, with the button's reason."""
    authority = Authority.objects.current()
    pending = Operation.objects.blocking().first()
    reason = gates.reason(button, authority, pending)
    if reason:
        raise Conflict(reason)


def limit_words(found: Limits, now: datetime) -> dict[str, Any]:
    """Return the limits of the activation time as the dialog tells them."""
    weeks = [(n, now + timedelta(weeks=n)) for n in (1, 2, 4)]
    return {
        "limits": found,
        "zone_words": zone_words(found.suggestion),
        "utc_words": utc_words(found.suggestion),
        "weeks": [(n, moment) for n, moment in weeks if moment < found.latest],
    }
