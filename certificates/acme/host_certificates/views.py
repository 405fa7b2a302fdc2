"""The page Host Certificates, and the dialog that revokes one.

See: D-331
"""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from certificates.acme import revoking
from certificates.acme.account_keys import keys
from certificates.acme.host_certificates import tables
from certificates.acme.host_certificates.forms import RevokeHostForm
from certificates.acme.host_certificates.tables import CHIPS, HOSTS, REVOKED, VALID
from certificates.authority import gates
from certificates.models import AcmeCertificate
from console.pages.paging import sort_rows
from console.pages.responses import close_dialog, render_dialog, require_right, show_faults_on
from console.pages.tables import TableQuery
from devices.middleware import ZoneRequest
from faults import Conflict

PAGE = "certificates/host_certificates.html"
DIALOG = "certificates/dialogs/revoke_host.html"
may_manage = require_right(gates.CA_RIGHT, gates.CA_RIGHT_LABEL)


@require_safe
@may_manage
def show_certificates(request: ZoneRequest) -> HttpResponseBase:
    """Show the certificates of hosts without an agent, or return them as CSV."""
    now = timezone.now()
    matching = tables.list_certificates(TableQuery.parse(request.GET).q)
    by_state = {
        "": matching,
        VALID: matching.filter(not_after__gt=now, is_revoked=False),
        REVOKED: matching.filter(is_revoked=True),
    }
    found = HOSTS.filter_rows(request, by_state, CHIPS, *tables.ORDER)
    if HOSTS.is_exported(request):
        return HOSTS.export(sort_rows(found.rows, found.order))
    return render(request, PAGE, {"nav": "host-certificates", "now": now, **found.build_context()})


@require_http_methods(["GET", "HEAD", "POST"])
@may_manage
def revoke_certificate(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Revoke the certificate of a host."""
    now = timezone.now()
    rows = AcmeCertificate.objects.select_related("account__account_key", "authority")
    found = get_object_or_404(rows, pk=pk)
    form = RevokeHostForm(request, data=request.POST if request.method == "POST" else None)
    back = reverse("certificates:host_certificates")
    if not form.is_bound:
        obstacle = revoking.get_obstacle(found, now=now)
        if obstacle:
            raise Conflict(obstacle)
    elif form.is_valid():
        with show_faults_on(form):
            reason = form.cleaned_data["reason"]
            revoking.revoke(found, reason, by=request.user, now=now)
        if not form.errors:
            message = _("The certificate of %s has been revoked.") % found.subject
            return close_dialog(request, back, message=message)
    others = keys.count_hosts(found.account.account_key, now, but=found)
    context = {
        "title": _("Revoke Host Certificate"),
        "certificate": found,
        "others": others,
    }
    return render_dialog(request, DIALOG, context, form=form)
