"""The dialogs View Certificate and Remint CA (manual, 1.2.3 and 1.2.9)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from certificates import tasks
from certificates.authority import gates
from certificates.issuance import name_changes
from certificates.models import Authority, Operation
from certificates.operations import creation
from certificates.operations.activation_time import ActivationLimits, get_limits
from certificates.operations.presentation import wizard
from certificates.operations.presentation.forms import RemintCAForm
from certificates.pilot.settings import get_pilot_time
from console.pages.forms import format_utc, format_zone
from console.pages.responses import render_dialog, require_right, show_faults_on
from devices.middleware import ZoneRequest
from devices.models import Device
from faults import Conflict
from pki.certificates.details import get_details

VIEW = "certificates/dialogs/certificate.html"


@require_safe
def view_certificate(request: ZoneRequest) -> HttpResponse:
    """View Certificate of the zone CA."""
    authority = Authority.objects.current()
    context = build_certificate_context(authority.root_pem, timezone.now())
    context |= {"title": _("View Certificate"), "pem_url": reverse("certificates:ca_pem")}
    return render_dialog(request, VIEW, context)


def build_certificate_context(pem: str, now: datetime) -> dict[str, Any]:
    """Return what View Certificate shows of a certificate (R020 to R027)."""
    details = get_details(pem)
    return {
        "details": details,
        "expired": now > details.not_after,
        "not_yet": now < details.not_before,
        "now": now,
        "names": [*details.dns_names, *details.addresses],
    }


@require_http_methods(["GET", "HEAD", "POST"])
@require_right(gates.CA_RIGHT, gates.CA_RIGHT_LABEL)
def remint_ca(request: ZoneRequest) -> HttpResponse:
    """Remint CA."""
    now = timezone.now()
    found = get_limits(Operation.Kind.REMINT_CA, now=now, pilot=get_pilot_time())
    data = request.POST if request.method == "POST" else None
    form = RemintCAForm(request, found, request.zone.name, data=data)
    is_subordinate = Authority.objects.current().is_subordinate
    if is_subordinate:
        form.leave_out_years()
    if data is None:
        check_button(gates.Button.REMINT)
    elif form.is_valid():
        with show_faults_on(form), transaction.atomic():
            key = form.cleaned_data["key"]
            operation = creation.remint_ca(form.build_request(), by=request.user, key=key, now=now)
            tasks.enqueue_step_on_commit(operation)
        if not form.errors:
            return wizard.close_after_start(request, operation, form.early_note())
    context = build_limits_context(found, now)
    context |= name_changes.build_context(Device.objects.certified())
    context["is_subordinate"] = is_subordinate
    return render_dialog(request, "certificates/dialogs/remint_ca.html", context, form=form)


def check_button(button: gates.Button) -> None:
    """Raise Conflict with the reason if a button of the CA pane is disabled."""
    authority = Authority.objects.current()
    pending = Operation.objects.blocking().first()
    reason = gates.get_reason(button, authority, pending)
    if reason:
        raise Conflict(reason)


def build_limits_context(found: ActivationLimits, now: datetime) -> dict[str, Any]:
    """Return the limits of the activation time as template context."""
    weeks = [(n, now + timedelta(weeks=n)) for n in (1, 2, 4)]
    return {
        "limits": found,
        "zone_words": format_zone(found.suggestion),
        # In UTC, it is the same text.
        "utc_words": format_utc(found.suggestion) if timezone.localtime(now).utcoffset() else "",
        "weeks": [
            (n, moment)
            for n, moment in weeks
            if moment < found.latest and found.schedule.is_open(moment)
        ],
    }
