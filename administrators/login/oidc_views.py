"""Login and reauthentication with an OpenID provider."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from administrators.login import login
from administrators.login import oidc as login_oidc
from console.access.reauthentication import record_authentication, uses_oidc
from console.pages.responses import Request, safe_redirect_url
from faults import Fault, Forbidden

NEXT, REAUTHENTICATION = "oidc_next", "oidc_again"
# Tolerated difference between the clocks of the provider and the console.
SKEW = timedelta(seconds=60)


@never_cache
@login_not_required
@require_GET
def log_in_with_oidc(request: Request) -> HttpResponse:
    """Redirect to the provider for login."""
    _check_provider()
    request.session[NEXT] = safe_redirect_url(request, request.GET.get("next", ""))
    request.session.pop(REAUTHENTICATION, None)
    return _redirect_to_provider(request)


@never_cache
@require_GET
def reauthenticate(request: Request) -> HttpResponse:
    """Redirect to the provider for reauthentication, then back to the page."""
    _check_provider()
    if not uses_oidc(request.user):
        raise Http404
    request.session[NEXT] = safe_redirect_url(request, request.GET.get("next", ""))
    request.session[REAUTHENTICATION] = timezone.now().timestamp()
    return _redirect_to_provider(request, prompt="login", max_age="0")


def _redirect_to_provider(request: Request, **more: str) -> HttpResponse:
    url = request.build_absolute_uri(reverse("administrators:oidc_callback"))
    response: HttpResponse = login_oidc.start_login(request, url, **more)
    return response


@never_cache
@login_not_required
@require_GET
def callback(request: Request) -> HttpResponse:
    """Complete login or reauthentication with the response of the provider."""
    _check_provider()
    next_url = request.session.pop(NEXT, settings.LOGIN_REDIRECT_URL)
    requested_at = request.session.pop(REAUTHENTICATION, None)
    try:
        identity = login_oidc.finish_login(request)
        if requested_at is not None:
            _verify_reauthentication(request, identity, requested_at)
        else:
            user = login_oidc.get_or_create_administrator(identity, now=timezone.now())
            login.log_in(request, user, method="OpenID Connect")
            # The session at the provider can be old, so the login is not a recent authentication.
            request.session["authenticated_at"] = (
                identity.authenticated_at.timestamp()
                if identity.authenticated_at is not None
                else 0
            )
    except Fault as fault:
        login.record_rejection(request, login_oidc.describe_fault(fault))
        raise
    return HttpResponseRedirect(next_url)


def _verify_reauthentication(
    request: Request, identity: login_oidc.Identity, requested_at: float
) -> None:
    account = getattr(request.user, "administrator", None)
    if account is None or account.subject != identity.subject:
        text = gettext_noop("This is not the account you are logged in with.")
        raise login_oidc.build_fault(Forbidden, text)
    authenticated_at = identity.authenticated_at
    if (
        authenticated_at is None
        or authenticated_at.timestamp() < requested_at - SKEW.total_seconds()
    ):
        text = gettext_noop("%(provider)s did not ask you to log in again. Nothing was changed.")
        action = _("Log out of both, then log in again.")
        raise login_oidc.build_fault(Forbidden, text, action=action, provider=settings.OIDC_NAME)
    record_authentication(request)


def _check_provider() -> None:
    if not settings.OIDC_NAME:
        raise Http404
