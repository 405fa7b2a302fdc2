"""The CSR of a subordinate zone CA as a download, and the dialog that imports its certificate."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from certificates import tasks
from certificates.authority.api import build_pem_response
from certificates.future_ca import subordinate
from certificates.future_ca.forms import ImportCAForm
from certificates.operations.presentation.actions import get_operation, get_page_url, may_change
from console.pages.responses import close_dialog, render_dialog, show_faults_on
from devices.middleware import ZoneRequest

DIALOG = "certificates/dialogs/import_ca.html"
PKCS10 = "application/pkcs10"


@require_safe
@may_change
def ca_csr(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Return the CSR of the new CA of an operation."""
    operation = get_operation(pk)
    pem = subordinate.get_csr(operation)
    name = operation.future_authority.common_name if operation.future_authority else ""
    return build_pem_response(pem, f"{slugify(name) or 'zone-ca'}.csr", PKCS10)


@require_http_methods(["GET", "HEAD", "POST"])
@may_change
def import_ca(request: ZoneRequest, pk: UUID) -> HttpResponse:
    """Import CA Certificate: the chain that another CA has issued for the CSR of the new CA."""
    operation = get_operation(pk)
    if request.method != "POST":
        subordinate.get_csr(operation)
        form = ImportCAForm(request)
    else:
        form = ImportCAForm(request, data=request.POST, files=request.FILES)
        if form.is_valid():
            with show_faults_on(form), transaction.atomic():
                data = form.cleaned_data["file"]
                subordinate.import_file(operation, data, now=timezone.now())
                tasks.enqueue_step_on_commit(operation)
            if not form.errors:
                message = _("The certificate of the new zone CA has been imported.")
                return close_dialog(request, get_page_url(operation), message=message)
    context = {
        "operation": operation,
        "title": _("Import CA Certificate"),
        "here": reverse("certificates:import_ca", args=[operation.pk]),
        "submit": _("Import"),
    }
    return render_dialog(request, DIALOG, context, form=form)
