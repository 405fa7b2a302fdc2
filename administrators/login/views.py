"""Login with a password and, if it is on, a second factor."""

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
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from administrators.accounts.forms import SecondFactorForm
from administrators.login import login as administrators_login
from administrators.login import second_factor
from administrators.models import Administrator
from administrators.protection import account_macs
from console.access import reauthentication
from console.middleware import ENDED_PARAMETER
from console.pages.responses import Request, safe_redirect_url

# Session key of a user who entered the password but not yet the code; not logged in.
PENDING_CODE = "halfway"
CODE_PERIOD = timedelta(minutes=5)


class LoginForm(AuthenticationForm):
    """The form of the login page."""

    error_messages = {  # noqa: RUF012 - as in Django
        **AuthenticationForm.error_messages,
        "invalid_login": gettext_lazy("The user name or password is incorrect."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = gettext_lazy("User name")


@sensitive_post_parameters("password")
@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def log_in(request: Request) -> HttpResponse:
    """Log in with a user name and password."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(_get_next_or_home(request))
    account_macs.check_available()
    data = request.POST if request.method == "POST" else None
    form = LoginForm(request, data)
    if form.is_valid():
        user: Any = form.get_user()
        account = getattr(user, "administrator", None)
        if account is not None and account.login_method != Administrator.LoginMethod.PASSWORD:
            form.add_error(None, _("You log in with OpenID Connect."))
        elif second_factor.is_on(user):
            return _ask_for_code(request, user)
        else:
            administrators_login.log_in(request, user, method="password")
            return HttpResponseRedirect(_get_next_or_home(request))
    context = {"form": form, "next": _get_next(request), "oidc": settings.OIDC_NAME}
    if data is None:
        context["ended"] = request.GET.get(ENDED_PARAMETER)
    return render(request, "administrators/login.html", context)


def _ask_for_code(request: Request, user: User) -> HttpResponse:
    """Store the user in a session with a new key, and redirect to the page of the code."""
    request.session.cycle_key()
    request.session[PENDING_CODE] = {"user": user.pk, "at": timezone.now().timestamp()}
    url, next_url = reverse("administrators:code"), _get_next(request)
    return HttpResponseRedirect(f"{url}?{REDIRECT_FIELD_NAME}={next_url}" if next_url else url)


@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def enter_code(request: Request) -> HttpResponse:
    """Log in with a passkey, an authenticator code, or a recovery code after the password."""
    user = get_pending_user(request, timezone.now())
    if user is None:
        return HttpResponseRedirect(reverse("administrators:login"))
    form = SecondFactorForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        factor = form.get_factor()
        if authenticate(request, username=user.username, **factor) is not None:
            del request.session[PENDING_CODE]
            method = "password and passkey" if "passkey" in factor else "password and code"
            administrators_login.log_in(request, user, method=method)
            return HttpResponseRedirect(_get_next_or_home(request))
        form.add_error("code", _describe_failure(user, factor))
    context = {
        "form": form,
        "next": _get_next(request),
        "has_authenticator": reauthentication.has_authenticator(user),
        "has_passkey": reauthentication.has_passkey_here(request, user),
        "hosts": reauthentication.list_passkey_hosts(user),
    }
    return render(request, "administrators/code.html", context, status=422 if form.errors else 200)


def _describe_failure(user: User, factor: dict[str, str]) -> str:
    if "passkey" in factor:
        return _("The passkey was not accepted. Try again, or enter a code.")
    if second_factor.are_codes_blocked(user, now=timezone.now()):
        return _(
            "Too many incorrect codes were entered for your account. Codes are not accepted for "
            "up to an hour. Log in with a recovery code, or ask an administrator to reset your "
            "second factor. If you did not enter these codes, change your password."
        )
    return _("The code is incorrect, expired, or already used.")


def get_pending_user(request: Request, now: datetime) -> User | None:
    """Return the user of this session who has entered the password, but no second factor yet."""
    pending = request.session.get(PENDING_CODE)
    if pending is None or now.timestamp() - pending["at"] > CODE_PERIOD.total_seconds():
        return None
    users = User.objects.select_related("administrator", "account_mac", "second_factor")
    return users.filter(pk=pending["user"], is_active=True).first()


@require_POST
@login_not_required
def log_out(request: Request) -> HttpResponse:
    """Log out."""
    if request.user.is_authenticated:
        administrators_login.log_out(request)
    return HttpResponseRedirect(str(settings.LOGOUT_REDIRECT_URL))


def _get_next(request: Request) -> str:
    url = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME, "")
    return safe_redirect_url(request, url) if url else ""


def _get_next_or_home(request: Request) -> str:
    return _get_next(request) or str(settings.LOGIN_REDIRECT_URL)
