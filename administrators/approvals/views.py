"""The dialogs that approve or reject the requested roles of an administrator."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from administrators.accounts import limits
from administrators.accounts.forms import ConfirmForm
from administrators.accounts.roles import BY_KEY
from administrators.accounts.views import can_administer, confirm, get_page
from administrators.approvals import role_requests
from administrators.approvals.forms import DecisionForm
from console.pages.responses import Request, close_dialog, show_faults_on


@require_http_methods(["GET", "HEAD", "POST"])
@can_administer
def decide_roles(request: Request, pk: int, *, approves: bool) -> HttpResponse:
    """Approve or reject the requested roles of an administrator."""
    shown = get_object_or_404(User, pk=pk)
    now = timezone.now()
    pending = role_requests.find_request(shown, now)
    if pending is None:
        raise role_requests.NotPending(_("No roles are waiting for approval."))
    takes_reason = not approves and pending.requested_by != request.user
    form_class = DecisionForm if takes_reason else ConfirmForm
    form = form_class(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            if approves:
                limits.check_may_grant(request, pending.roles)
                role_requests.approve(pk, by=request.user, now=now)
            else:
                reason = form.cleaned_data.get("reason", "")
                role_requests.reject(pk, by=request.user, now=now, reason=reason)
        if not form.errors:
            done = _("The roles of %s have been approved.")
            message = done if approves else _("The roles of %s have been rejected.")
            return close_dialog(request, get_page(pk), message=message % shown.username)
    roles = ", ".join(str(BY_KEY[key].label) for key in pending.roles if key in BY_KEY)
    text = _("%(requester)s has requested these roles for %(name)s: %(roles)s.") % {
        "requester": pending.requested_by.username,
        "name": shown.username,
        "roles": roles,
    }
    label = _("Approve Roles") if approves else _("Reject Roles")
    return confirm(request, form, shown, label, text)
