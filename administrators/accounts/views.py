"""Configuration > Administrators: who may work here, and in which roles (D-32, B-21)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from administrators.accounts import accounts
from administrators.accounts import tables as accounts_tables
from administrators.accounts.forms import Confirm, NewAdministratorForm, RolesForm
from administrators.accounts.roles import ADMINISTER, RIGHTS, ROLES
from administrators.login import lockout, second_factor
from administrators.models import Administrator, Rules, roles_of
from console.pages import tables as pages_tables
from console.pages.responses import Request, close_dialog, dialog, faults_on, needs

FOLDER = "administrators/dialogs/"
may_administer = needs(ADMINISTER, str(RIGHTS[ADMINISTER]))


@require_safe
@may_administer
def administrators(request: Request) -> HttpResponse:
    """List the administrators."""
    asked = pages_tables.Asked.read(request.GET)
    columns, field, descending = pages_tables.sorted_by(accounts_tables.COLUMNS, asked.sort)
    found = accounts_tables.administrators(asked.q, asked.state)
    order = [f"-{field}" if descending else field] if field else []
    page = pages_tables.page_of(found.order_by(*order, "username"), asked)
    context = {
        "nav": "administrators",
        "asked": asked,
        "chips": accounts_tables.chips(asked),
        "columns": columns,
        "page": page,
        "rows": [{"shown": shown, "roles": roles_of(shown)} for shown in page],
        "sizes": pages_tables.PAGE_SIZES,
        "roles": ROLES,
        "rights": accounts_tables.matrix(),
        "rules": Rules.objects.the(),
    }
    return render(request, "administrators/list.html", context)


@require_safe
@may_administer
def administrator(request: Request, pk: int) -> HttpResponse:
    """Show one administrator: roles, how they log in, sessions, tokens."""
    users = User.objects.select_related("administrator", "second_factor")
    shown = get_object_or_404(users, pk=pk)
    now = timezone.now()
    context = {
        "nav": "administrators",
        "shown": shown,
        "roles": roles_of(shown),
        "rights": [label for right, label in RIGHTS.items() if shown.has_perm(right)],
        "kept": getattr(shown, "administrator", None),
        "has_factor": second_factor.is_on(shown),
        "sessions": len(accounts.sessions_of(shown)),
        "tokens": shown.api_tokens.usable(now).order_by("name"),
        "link": shown.setup_links.usable(now).first(),
        "is_self": shown == request.user,
        "failures": lockout.failures(shown.username, now),
        "is_locked": lockout.is_locked(shown.username, now),
    }
    return render(request, "administrators/administrator.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_administer
def create(request: Request) -> HttpResponse:
    """Create an administrator; the set-up link is shown in the answer alone."""
    data = request.POST if request.method == "POST" else None
    form = NewAdministratorForm(request, data=data, oidc=bool(settings.OIDC_NAME))
    context = {"title": _("Create administrator"), "roles": ROLES}
    if form.is_valid():
        given = form.cleaned_data
        order = accounts.NewAdministrator(
            name=given["name"],
            email=given["email"],
            roles=given["roles"],
            signs_in=given.get("signs_in") or Administrator.SignsIn.PASSWORD,
        )
        with faults_on(form):
            user, text = accounts.create(order, by=request.user.username, now=timezone.now())
        if not form.errors:
            return _made(request, user, link=text)
    return dialog(request, f"{FOLDER}create.html", context, form=form)


def _made(request: Request, user: User, *, link: str = "", password: str = "") -> HttpResponse:
    """Show what has to be handed to the administrator; it is shown this once."""
    address = (
        request.build_absolute_uri(reverse("administrators:set_up", args=[link])) if link else ""
    )
    context = {
        "title": user.username,
        "shown": user,
        "address": address,
        "password": password,
        "oidc": settings.OIDC_NAME,
    }
    response = dialog(request, f"{FOLDER}made.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@dataclass(frozen=True)
class Act:
    """One act on an administrator: its words, and what does it."""

    label: str | Promise
    text: str | Promise
    do: Callable[..., Any]
    done: str | Promise


ACTS = {
    "deactivate": Act(
        gettext_lazy("Deactivate"),
        gettext_lazy("Sessions end now, API tokens open nothing. It can be activated again."),
        accounts.deactivate,
        gettext_lazy("%s is deactivated."),
    ),
    "activate": Act(
        gettext_lazy("Activate"),
        gettext_lazy("May log in again, with the password, second factor and roles from before."),
        accounts.activate,
        gettext_lazy("%s is active again."),
    ),
    "end-sessions": Act(
        gettext_lazy("End sessions"),
        gettext_lazy("Every session ends now. Logging in again is possible at once."),
        accounts.end_sessions,
        gettext_lazy("The sessions of %s were ended."),
    ),
    "revoke-tokens": Act(
        gettext_lazy("Revoke API tokens"),
        gettext_lazy("Every program that uses one of them is refused from now on."),
        lambda pk, by: accounts.revoke_tokens(pk, by=by, now=timezone.now()),
        gettext_lazy("The API tokens of %s are revoked."),
    ),
    "unlock": Act(
        gettext_lazy("Unlock"),
        gettext_lazy("Failed logins are counted from the beginning: logging in works at once."),
        lambda pk, by: accounts.unlock(pk, by=by, now=timezone.now()),
        gettext_lazy("%s may log in again."),
    ),
    "reset-second-factor": Act(
        gettext_lazy("Reset second factor"),
        gettext_lazy(
            "For somebody who lost the authenticator and the recovery codes. Make sure on another "
            "way that it is really they who ask."
        ),
        accounts.reset_second_factor,
        gettext_lazy("The second factor of %s is removed."),
    ),
}


@require_http_methods(["GET", "HEAD", "POST"])
@may_administer
def act(request: Request, pk: int, name: str) -> HttpResponse:
    """Ask once more, then do one of the acts."""
    chosen = ACTS.get(name)
    shown = get_object_or_404(User, pk=pk)
    if chosen is None:
        raise Http404
    form = Confirm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with faults_on(form):
            chosen.do(pk, by=request.user)
        if not form.errors:
            return close_dialog(request, _page(pk), said=str(chosen.done) % shown.username)
    return _confirm(request, form, shown, chosen.label, chosen.text)


def _confirm(request: Request, form: Any, shown: User, label: Any, text: Any) -> HttpResponse:
    context = {
        "title": f"{label}: {shown.username}",
        "label": label,
        "text": text,
        "here": request.path,
        "back": _page(shown.pk),
    }
    return dialog(request, "console/confirm.html", context, form=form)


def _page(pk: int) -> str:
    return reverse("administrators:administrator", args=[pk])


@require_http_methods(["GET", "HEAD", "POST"])
@may_administer
def roles(request: Request, pk: int) -> HttpResponse:
    """Change an administrator's roles."""
    shown = get_object_or_404(User.objects.select_related("administrator"), pk=pk)
    initial = {"roles": [role.key for role in roles_of(shown)]}
    data = request.POST if request.method == "POST" else None
    form = RolesForm(request, data=data, initial=initial)
    if form.is_valid():
        with faults_on(form):
            accounts.set_roles(pk, form.cleaned_data["roles"], by=request.user)
        if not form.errors:
            said = _("The roles of %s are changed.") % shown.username
            return close_dialog(request, _page(pk), said=said)
    context = {
        "title": _("Roles of %s") % shown.username,
        "here": request.path,
        "roles": ROLES,
        "back": _page(pk),
    }
    return dialog(request, f"{FOLDER}roles.html", context, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@may_administer
def setup_link(request: Request, pk: int) -> HttpResponse:
    """Make another set-up link."""
    text = _("The password of now stops working. The link is good for one use within 24 hours.")
    return _hand_over(request, pk, _("New set-up link"), text)


@require_http_methods(["GET", "HEAD", "POST"])
@may_administer
def temporary_password(request: Request, pk: int) -> HttpResponse:
    """Give a password for one login."""
    text = _("The password of now stops working. After logging in another one must be chosen.")
    return _hand_over(request, pk, _("Temporary password"), text)


def _hand_over(request: Request, pk: int, label: str, text: str) -> HttpResponse:
    shown = get_object_or_404(User, pk=pk)
    form = Confirm(request, data=request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        made = {}
        with faults_on(form):
            if request.resolver_match and request.resolver_match.url_name == "setup_link":
                made["link"] = accounts.new_setup_link(pk, by=request.user, now=timezone.now())
            else:
                made["password"] = accounts.temporary_password(pk, by=request.user)
        if not form.errors:
            return _made(request, shown, **made)
    return _confirm(request, form, shown, label, text)
