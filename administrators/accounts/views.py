"""The pages and dialogs of Configuration > Administrators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from administrators.accounts import accounts, limits, setup_links
from administrators.accounts import tables as accounts_tables
from administrators.accounts.forms import ConfirmForm, NewAdministratorForm, RolesForm
from administrators.accounts.roles import ADMINISTER, RIGHTS, ROLES
from administrators.approvals import role_requests
from administrators.login import lockout, second_factor, sessions
from administrators.models import Administrator, Policies, roles_of
from console.access.reauthentication import has_authenticator
from console.pages import listing, paging
from console.pages import tables as pages_tables
from console.pages.responses import (
    Request,
    close_dialog,
    render_dialog,
    require_right,
    show_faults_on,
)

FOLDER = "administrators/dialogs/"
can_administer = require_right(ADMINISTER, RIGHTS[ADMINISTER])


@listing.require_safe_or_export
@can_administer
def list_administrators(request: Request) -> HttpResponseBase:
    """List the administrators, or return them as CSV."""
    query = pages_tables.TableQuery.parse(request.GET)
    table = accounts_tables.ADMINISTRATORS.get_view(request, query)
    found = accounts_tables.list_administrators(query.q, query.state)
    order = table.get_order("username")
    if accounts_tables.ADMINISTRATORS.is_exported(request):
        selected = listing.select_rows(request, found)
        return accounts_tables.ADMINISTRATORS.export(paging.sort_rows(selected, order))
    page = paging.get_page(found, query, order)
    context = {
        "nav": "administrators",
        "query": query,
        "chips": accounts_tables.list_chips(query),
        "table": table,
        "columns": table.columns,
        "page": page,
        "rows": accounts_tables.build_rows(page),
        "sizes": pages_tables.PAGE_SIZES,
        "roles": ROLES,
        "rights": accounts_tables.build_rights_matrix(),
        "policies": Policies.objects.get_current(),
    }
    return render(request, "administrators/list.html", context)


@require_safe
@can_administer
def show_administrator(request: Request, pk: int) -> HttpResponse:
    """Show one administrator with roles, login method, sessions, and API tokens."""
    users = User.objects.select_related("administrator", "account_mac", "second_factor")
    shown = get_object_or_404(users, pk=pk)
    now = timezone.now()
    context = {
        "nav": "administrators",
        "shown": shown,
        "roles": roles_of(shown),
        "rights": [label for right, label in RIGHTS.items() if shown.has_perm(right)],
        "account": getattr(shown, "administrator", None),
        "has_factor": second_factor.is_on(shown),
        "has_authenticator": has_authenticator(shown),
        "passkeys": shown.passkeys.order_by("pk"),
        "sessions": len(sessions.list_sessions(shown)),
        "tokens": shown.api_tokens.usable(now).order_by("name"),
        "link": shown.setup_links.usable(now).first(),
        "is_self": shown == request.user,
        "pending": role_requests.find_request(shown, now),
        "failures": lockout.count_failures(shown.username, now),
        "is_locked": lockout.is_locked(shown.username, now),
    }
    return render(request, "administrators/administrator.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@can_administer
def create_administrator(request: Request) -> HttpResponse:
    """Create an administrator; the setup link is shown only in this response."""
    data = request.POST if request.method == "POST" else None
    form = NewAdministratorForm(request, data=data, oidc=bool(settings.OIDC_NAME))
    context = {"title": _("Create Administrator"), "roles": ROLES}
    if form.is_valid():
        values = form.cleaned_data
        new = accounts.NewAdministrator(
            name=values["name"],
            email=values["email"],
            roles=values["roles"],
            login_method=values.get("login_method") or Administrator.LoginMethod.PASSWORD,
        )
        with show_faults_on(form):
            limits.check_may_grant(request, new.roles)
            user, text = accounts.create_administrator(
                new, by=request.user.username, now=timezone.now(), requested_by=request.user
            )
        if not form.errors:
            return _show_credentials(request, user, link=text)
    return render_dialog(request, f"{FOLDER}create.html", context, form=form)


def _show_credentials(
    request: Request, user: User, *, link: str = "", password: str = ""
) -> HttpResponse:
    """Show a setup link or password, which must be passed on; it is shown only once."""
    context = {
        "title": user.username,
        "shown": user,
        "url": request.build_absolute_uri(setup_links.build_path(link)) if link else "",
        "password": password,
        "oidc": settings.OIDC_NAME,
    }
    response = render_dialog(request, f"{FOLDER}credentials.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@dataclass(frozen=True)
class Action:
    """An action on an administrator: its texts and its function."""

    label: str | Promise
    text: str | Promise
    run: Callable[..., Any]
    message: str | Promise


ACTIONS = {
    "deactivate": Action(
        gettext_lazy("Deactivate"),
        gettext_lazy(
            "All sessions end immediately and API tokens stop "
            "working. You can reactivate the account later."
        ),
        accounts.deactivate,
        gettext_lazy("%s has been deactivated."),
    ),
    "activate": Action(
        gettext_lazy("Activate"),
        gettext_lazy(
            "The administrator can log in again with the same password, second factor, and roles."
        ),
        accounts.activate,
        gettext_lazy("%s has been reactivated."),
    ),
    "end-sessions": Action(
        gettext_lazy("End Sessions"),
        gettext_lazy(
            "All sessions end immediately. The administrator can log in again at any time."
        ),
        accounts.end_sessions,
        gettext_lazy("The sessions of %s have been ended."),
    ),
    "revoke-tokens": Action(
        gettext_lazy("Revoke API Tokens"),
        gettext_lazy("Programs that use these tokens lose access immediately."),
        lambda pk, by: accounts.revoke_tokens(pk, by=by, now=timezone.now()),
        gettext_lazy("The API tokens of %s have been revoked."),
    ),
    "unlock": Action(
        gettext_lazy("Unlock"),
        gettext_lazy(
            "The failed login count is reset, and the administrator can log in immediately."
        ),
        lambda pk, by: accounts.unlock(pk, by=by, now=timezone.now()),
        gettext_lazy("%s can log in again."),
    ),
    "reset-second-factor": Action(
        gettext_lazy("Reset Second Factor"),
        gettext_lazy(
            "Use this if an administrator has lost the authenticator or the passkeys, and "
            "the recovery codes. All of them are removed. Verify the administrator's identity "
            "through another channel first."
        ),
        lambda pk, by: accounts.reset_second_factor(pk, by=by, now=timezone.now()),
        gettext_lazy("The second factor of %s has been removed."),
    ),
}


@require_http_methods(["GET", "HEAD", "POST"])
@can_administer
def run_action(request: Request, pk: int, name: str) -> HttpResponse:
    """Ask for confirmation, then run an action."""
    action = ACTIONS.get(name)
    shown = get_object_or_404(User, pk=pk)
    if action is None:
        raise Http404
    form = ConfirmForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            if name in limits.GIVING_ACTIONS:
                limits.check_may_manage(request, shown)
            action.run(pk, by=request.user)
        if not form.errors:
            return close_dialog(request, get_page(pk), message=str(action.message) % shown.username)
    return confirm(request, form, shown, action.label, action.text)


def confirm(request: Request, form: Any, shown: User, label: Any, text: Any) -> HttpResponse:
    """Show the dialog that confirms an action on an administrator."""
    context = {
        "title": f"{label}: {shown.username}",
        "label": label,
        "text": text,
        "here": request.path,
        "back": get_page(shown.pk),
    }
    return render_dialog(request, "console/confirm.html", context, form=form)


def get_page(pk: int) -> str:
    """Return the path of the page of an administrator."""
    return reverse("administrators:administrator", args=[pk])


@require_http_methods(["GET", "HEAD", "POST"])
@can_administer
def edit_roles(request: Request, pk: int) -> HttpResponse:
    """Change an administrator's roles."""
    shown = get_object_or_404(User.objects.select_related("administrator"), pk=pk)
    initial = {"roles": [role.key for role in roles_of(shown)]}
    data = request.POST if request.method == "POST" else None
    form = RolesForm(request, data=data, initial=initial)
    if form.is_valid():
        with show_faults_on(form):
            limits.check_may_manage(request, shown)
            limits.check_may_grant(request, form.cleaned_data["roles"])
            accounts.set_roles(pk, form.cleaned_data["roles"], by=request.user, now=timezone.now())
        if not form.errors:
            message = _("The roles of %s have been changed.") % shown.username
            if role_requests.find_request(shown, timezone.now()) is not None:
                message = _("Roles of %s are waiting for a second administrator.") % shown.username
            return close_dialog(request, get_page(pk), message=message)
    context = {
        "title": _("Roles of %s") % shown.username,
        "here": request.path,
        "roles": ROLES,
        "back": get_page(pk),
    }
    return render_dialog(request, f"{FOLDER}roles.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@can_administer
def create_setup_link(request: Request, pk: int) -> HttpResponse:
    """Create a new setup link."""
    text = _(
        "The current password stops working. The link can be used once and expires after 24 hours."
    )
    return _create_credentials(request, pk, _("New Setup Link"), text)


@require_http_methods(["GET", "HEAD", "POST"])
@can_administer
def create_temporary_password(request: Request, pk: int) -> HttpResponse:
    """Create a password that must be changed at the next login."""
    text = _("The current password stops working. A new password must be chosen at the next login.")
    return _create_credentials(request, pk, _("Temporary Password"), text)


def _create_credentials(request: Request, pk: int, label: str, text: str) -> HttpResponse:
    shown = get_object_or_404(User, pk=pk)
    form = ConfirmForm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        credentials = {}
        with show_faults_on(form):
            limits.check_may_manage(request, shown)
            if request.resolver_match and request.resolver_match.url_name == "setup_link":
                credentials["link"] = accounts.create_setup_link(
                    pk, by=request.user, now=timezone.now()
                )
            else:
                credentials["password"] = accounts.create_temporary_password(
                    pk, by=request.user, now=timezone.now()
                )
        if not form.errors:
            return _show_credentials(request, shown, **credentials)
    return confirm(request, form, shown, label, text)
