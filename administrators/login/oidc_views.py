"""Log in with an OpenID provider, and prove there once more who one is (B-21, S-45)."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from administrators.login import login
from administrators.login import oidc as login_oidc
from console.access.reauthentication import is_known_elsewhere, remember_proof
from console.pages.responses import Request, inside
from faults import Fault, Forbidden

NEXT, AGAIN = "oidc_next", "oidc_again"
# How far the clock of the provider may be off.
SKEW = timedelta(seconds=60)


@never_cache
@login_not_required
@require_GET
def oidc(request: Request) -> HttpResponse:
    """Go to the provider to log in."""
    _refuse_without_provider()
    request.session[NEXT] = inside(request, request.GET.get("next", ""))
    request.session.pop(AGAIN, None)
    return _go(request)


@never_cache
@require_GET
def again(request: Request) -> HttpResponse:
    """Go to the provider to prove once more who one is, and come back to the page."""
    _refuse_without_provider()
    if not is_known_elsewhere(request.user):
        raise Http404
    request.session[NEXT] = inside(request, request.GET.get("next", ""))
    request.session[AGAIN] = timezone.now().timestamp()
    return _go(request, prompt="login", max_age="0")


def _go(request: Request, **more: str) -> HttpResponse:
    there = request.build_absolute_uri(reverse("administrators:oidc_callback"))
    response: HttpResponse = login_oidc.begin(request, there, **more)
    return response


@never_cache
@login_not_required
@require_GET
def callback(request: Request) -> HttpResponse:
    """Take the answer of the provider."""
    _refuse_without_provider()
    there = request.session.pop(NEXT, settings.LOGIN_REDIRECT_URL)
    asked_again = request.session.pop(AGAIN, None)
    try:
        who = login_oidc.finish(request)
        if asked_again is not None:
            _prove_again(request, who, asked_again)
        else:
            user = login_oidc.administrator_of(who, now=timezone.now())
            login.enter(request, user, how="OpenID Connect")
            # The provider may have let them in by a session of this morning: no proof of now.
            request.session["authenticated_at"] = (
                who.proved_at.timestamp() if who.proved_at is not None else 0
            )
    except Fault as fault:
        login.note_refusal(request, login_oidc.explain(fault))
        raise
    return HttpResponseRedirect(there)


def _prove_again(request: Request, who: login_oidc.Identity, asked_at: float) -> None:
    kept = getattr(request.user, "administrator", None)
    if kept is None or kept.subject != who.subject:
        raise Forbidden("This is another account than the one you are logged in with.")
    proved = who.proved_at
    if proved is None or proved.timestamp() < asked_at - SKEW.total_seconds():
        raise Forbidden(
            f"{settings.OIDC_NAME} did not ask you again who you are. Nothing was changed.",
            action="Log out there and here, then log in again.",
        )
    remember_proof(request)


def _refuse_without_provider() -> None:
    if not settings.OIDC_NAME:
        raise Http404
