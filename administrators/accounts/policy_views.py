"""Dialogs of the account policies: change them, approve turning off two-administrator approval."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from administrators.accounts import policies
from administrators.accounts.forms import PoliciesForm
from administrators.accounts.views import FOLDER, can_administer
from administrators.approvals.forms import DecisionForm
from administrators.models import Policies
from console.pages.responses import (
    Request,
    close_dialog,
    render_dialog,
    require_right,
    show_faults_on,
)
from faults import Conflict

can_approve = require_right(policies.CA_RIGHT, gettext_lazy("Certificate Authority"))


@require_http_methods(["GET", "HEAD", "POST"])
@can_administer
def edit_policies(request: Request) -> HttpResponse:
    """Change the account policies."""
    current = Policies.objects.get_current()
    initial = {
        "requires_second_factor": current.requires_second_factor,
        "two_administrators": current.two_administrators,
    }
    data = request.POST if request.method == "POST" else None
    form = PoliciesForm(request, data=data, initial=initial)
    if form.is_valid():
        values = {name: form.cleaned_data[name] for name in initial}
        with show_faults_on(form):
            current = policies.update_policies(**values, by=request.user, now=timezone.now())
        if not form.errors:
            message = _("The account rules have been saved.")
            if current.turn_off_requested_by is not None:
                message = _(
                    "Two-administrator approval will be turned off when "
                    "another administrator approves your request."
                )
            return close_dialog(request, reverse("administrators:list"), message=message)
    context = {"title": _("Account Rules"), "here": request.path}
    return render_dialog(request, f"{FOLDER}policies.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@can_approve
def approve_turn_off(request: Request) -> HttpResponse:
    """Approve, reject, or withdraw the request to turn off two-administrator approval."""
    now = timezone.now()
    pending = policies.get_turn_off_request(now)
    if pending is None or pending.turn_off_requested_by is None:
        raise Conflict(_("There is no pending request to turn off this rule."))
    is_own = pending.turn_off_requested_by == request.user
    form = DecisionForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        rejected = is_own or request.POST.get("do") == "refuse"
        with show_faults_on(form):
            if rejected:
                reason = form.cleaned_data["reason"]
                policies.reject_turn_off(by=request.user, now=now, reason=reason)
            else:
                policies.approve_turn_off(by=request.user, now=now)
        if not form.errors:
            kept = _("Two-administrator approval stays on.")
            message = kept if rejected else _("Two-administrator approval has been turned off.")
            return close_dialog(request, "/", message=message)
    text = _("%s has requested to turn off two-administrator approval for CA operations.")
    context = {
        "title": _("Turn Off Two-Administrator Approval"),
        "label": _("Withdraw") if is_own else _("Approve"),
        "may_refuse": not is_own,
        "text": text % pending.turn_off_requested_by.username,
        "here": request.path,
        "back": "/",
    }
    return render_dialog(request, f"{FOLDER}turn_off_approval.html", context, form=form)
