"""Log in: the password, then the code of the authenticator where there is one (S-81, S-82)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME, authenticate
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from administrators.accounts import setup_links
from administrators.accounts.forms import ChoosePassword, CodeForm
from administrators.login import login as administrators_login
from administrators.login import second_factor
from administrators.models import Administrator
from console.pages.responses import Request, faults_on, inside

# A session that proved the password and not yet the code; it may do nothing.
HALFWAY = "halfway"
CODE_WITHIN = timedelta(minutes=5)


@sensitive_post_parameters("password")
@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: Request) -> HttpResponse:
    """Ask for name and password."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(_next(request))
    data = request.POST if request.method == "POST" else None
    form = AuthenticationForm(request, data)
    if form.is_valid():
        user: Any = form.get_user()
        kept = getattr(user, "administrator", None)
        if kept is not None and kept.signs_in != Administrator.SignsIn.PASSWORD:
            form.add_error(None, _("You log in with OpenID Connect."))
        elif second_factor.is_on(user):
            return _halfway(request, user)
        else:
            administrators_login.enter(request, user, how="password")
            return HttpResponseRedirect(_next(request))
    context = {"form": form, "next": _asked(request), "oidc": settings.OIDC_NAME}
    return render(request, "administrators/login.html", context)


def _halfway(request: Request, user: User) -> HttpResponse:
    """Remember who proved the password, in a session of a new key, and ask for the code."""
    request.session.cycle_key()
    request.session[HALFWAY] = {"user": user.pk, "at": timezone.now().timestamp()}
    there = reverse("administrators:code")
    asked = _asked(request)
    return HttpResponseRedirect(f"{there}?{REDIRECT_FIELD_NAME}={asked}" if asked else there)


@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def code(request: Request) -> HttpResponse:
    """Ask for the code of the authenticator."""
    user = _known_halfway(request, timezone.now())
    if user is None:
        return HttpResponseRedirect(reverse("administrators:login"))
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        given = form.cleaned_data["code"]
        if authenticate(request, username=user.username, code=given) is not None:
            del request.session[HALFWAY]
            administrators_login.enter(request, user, how="password and code")
            return HttpResponseRedirect(_next(request))
        form.add_error("code", _("This is not the code shown now, or it was used already."))
    context = {"form": form, "next": _asked(request)}
    return render(request, "administrators/code.html", context, status=422 if form.errors else 200)


def _known_halfway(request: Request, now: datetime) -> User | None:
    kept = request.session.get(HALFWAY)
    if kept is None or now.timestamp() - kept["at"] > CODE_WITHIN.total_seconds():
        return None
    users = User.objects.select_related("administrator", "second_factor")
    return users.filter(pk=kept["user"], is_active=True).first()


@require_POST
@login_not_required
def logout(request: Request) -> HttpResponse:
    """Log out."""
    if request.user.is_authenticated:
        administrators_login.leave(request)
    return HttpResponseRedirect(str(settings.LOGOUT_REDIRECT_URL))


@sensitive_post_parameters("new_password", "again")
@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: Request, text: str) -> HttpResponse:
    """Let the holder of a set-up link choose a password, and log them in (S-83)."""
    now = timezone.now()
    link = setup_links.find(text, now=now)
    form = ChoosePassword(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with faults_on(form):
            user = setup_links.use(text, form.cleaned_data["new_password"], now=now)
        if not form.errors:
            if second_factor.is_on(user):
                return HttpResponseRedirect(reverse("administrators:login"))
            administrators_login.enter(request, user, how="set-up link")
            return HttpResponseRedirect(str(settings.LOGIN_REDIRECT_URL))
    context = {"form": form, "name": link.user.username}
    return render(
        request, "administrators/set_up.html", context, status=422 if form.errors else 200
    )


def _asked(request: Request) -> str:
    given = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME, "")
    return inside(request, given) if given else ""


def _next(request: Request) -> str:
    return _asked(request) or str(settings.LOGIN_REDIRECT_URL)
