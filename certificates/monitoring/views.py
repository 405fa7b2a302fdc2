"""What monitoring asks: /healthz for everybody, in bare words; /metrics for who may (B-23)."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from certificates.monitoring import health, metrics
from console.access.api_tokens import RIGHTS, VIEW_METRICS, allowed, refusal
from console.pages.errors import problem
from console.pages.responses import missing

FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Tell which part works: 200 while the console can serve, 503 without its database."""
    found = health.parts(timezone.now())
    status = health.overall(found)
    body = {"status": status, "parts": found}
    response = JsonResponse(body, status=503 if status == health.FAILED else 200)
    response.headers["Cache-Control"] = "no-store"
    return response


@login_not_required
@require_safe
def show_metrics(request: Any) -> HttpResponse:
    """Give the numbers to a caller with the right, or to one on this host."""
    if not _is_local(request):
        if not request.user.is_authenticated:
            return refusal()
        if not allowed(request, VIEW_METRICS):
            fault = missing(str(RIGHTS[VIEW_METRICS]))
            return problem(403, fault.explanation, fault.action)
    body, kind = metrics.text(timezone.now(), request.headers.get("Accept", ""))
    return HttpResponse(body, content_type=kind)


def _is_local(request: HttpRequest) -> bool:
    """Tell whether the caller is on this host; behind a proxy everybody would seem to be."""
    proxied = settings.SECURE_PROXY_SSL_HEADER or any(name in request.META for name in FORWARDED)
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return address.is_loopback and not proxied
