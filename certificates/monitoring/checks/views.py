"""The page of the health checks, and the dialogs that accept a finding or withdraw this."""

from __future__ import annotations

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from certificates.models import HealthAcceptance
from certificates.monitoring.checks import acceptance, registry
from certificates.monitoring.checks.findings import Check, Finding
from console.pages.forms import ReauthenticationForm
from console.pages.responses import close_dialog, render_dialog, require_right, show_faults_on
from devices.middleware import ZoneRequest

may_accept = require_right(acceptance.RIGHT, gettext_lazy("Change Zone Settings"))


class AcceptanceForm(ReauthenticationForm):
    """The reason for accepting a finding."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=acceptance.MAX_REASON,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("The reason is shown on the page and recorded in the audit log."),
        error_messages={"required": gettext_lazy("Enter a reason.")},
    )
    field_order = ("reason", "password")


@require_safe
def show_checks(request: ZoneRequest) -> HttpResponse:
    """List all health checks with their results."""
    results = registry.run_checks(request.zone, timezone.now())
    context = {
        "nav": "health-checks",
        "results": results,
        "open": sum(len(result.findings) for result in results),
        "may_accept": request.user.has_perm(acceptance.RIGHT),
    }
    return render(request, "certificates/checks.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_accept
def accept_finding(request: ZoneRequest, key: str) -> HttpResponse:
    """Accept an open finding of a check with a reason. `subject` in the query names it."""
    check, finding = _get_open_finding(request, key)
    form = AcceptanceForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            reason = form.cleaned_data["reason"]
            acceptance.accept(check.key, finding.subject, reason, by=str(request.user))
        if not form.errors:
            message = _("The finding has been accepted.")
            return close_dialog(request, reverse("certificates:checks"), message=message)
    context = {
        "title": _("Accept: %s") % check.label,
        "label": _("Accept"),
        "finding": finding,
        "here": request.get_full_path(),
        "back": reverse("certificates:checks"),
    }
    return render_dialog(request, "certificates/dialogs/accept_finding.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_accept
def withdraw_acceptance(request: ZoneRequest, pk: int) -> HttpResponse:
    """Withdraw an acceptance, so that the finding is open again."""
    found = get_object_or_404(HealthAcceptance, pk=pk)
    form = ReauthenticationForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            acceptance.withdraw(found)
        if not form.errors:
            message = _("The acceptance has been withdrawn.")
            return close_dialog(request, reverse("certificates:checks"), message=message)
    context = {
        "title": _("Withdraw Acceptance"),
        "label": _("Withdraw"),
        "text": _("The finding is shown as open again. Its reason was: %s") % found.reason,
        "back": reverse("certificates:checks"),
    }
    return render_dialog(request, "console/confirm.html", context, form=form)


def _get_open_finding(request: ZoneRequest, key: str) -> tuple[Check, Finding]:
    """Return the check and its finding about the subject, or raise Http404."""
    subject = request.GET.get("subject", "")
    check = registry.get_check(key)
    for finding in check.run(request.zone, timezone.now()):
        if finding.subject == subject and check.acceptable:
            return check, finding
    raise Http404
