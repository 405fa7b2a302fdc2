"""Endpoints for monitoring. All are public except /metrics.

/metrics requires a right or a caller on this host.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from certificates.monitoring import health, metrics
from certificates.trust.roots import build_roots_pem
from console.access.api_tokens import RIGHTS, VIEW_METRICS, has_right, unauthenticated_response
from console.pages.errors import problem
from console.pages.responses import missing_right

PEM = "application/x-pem-file"
FORWARDED_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")


@login_not_required
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Return 200 while the web server responds, whatever the state of other components.

    For the health check of a container or service: restarting the web server does not repair the
    database.
    """
    return _build_text_response("ok\n")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Return 200 if this server can serve pages and agents, else 503. For load balancers."""
    components = health.get_component_states(timezone.now())
    if health.get_overall_state(components) == health.FAILED:
        is_available = components["database"] == health.OK
        reason = "the clock is wrong" if is_available else "the database is not available"
        return _build_text_response(f"{reason}\n", status=503)
    return _build_text_response("ok\n")


@login_not_required
@require_safe
def download_roots(request: HttpRequest) -> HttpResponse:
    """Return all root certificates that the zone trusts now, in PEM format, current root first.

    For proxies and scripts that verify the servers of the zone. Verify this connection with the
    roots that you have, because the response is not signed.
    """
    roots = build_roots_pem()
    if not roots:
        raise Http404
    return _build_text_response(roots, kind=PEM)


def _build_text_response(text: str, *, status: int = 200, kind: str = "text/plain") -> HttpResponse:
    response = HttpResponse(text, content_type=kind, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Return the state of each component: 200, or 503 if this server cannot work."""
    components = health.get_component_states(timezone.now())
    status = health.get_overall_state(components)
    body = {"status": status, "parts": components}
    response = JsonResponse(body, status=503 if status == health.FAILED else 200)
    response.headers["Cache-Control"] = "no-store"
    return response


@login_not_required
@require_safe
def show_metrics(request: Any) -> HttpResponse:
    """Return the metrics to a caller with the right to view them, or on this host."""
    if not _is_local(request):
        if not request.user.is_authenticated:
            return unauthenticated_response()
        if not has_right(request, VIEW_METRICS):
            fault = missing_right(str(RIGHTS[VIEW_METRICS]))
            return problem(403, fault.explanation, fault.action)
    body, kind = metrics.render_metrics(timezone.now(), request.headers.get("Accept", ""))
    return HttpResponse(body, content_type=kind)


def _is_local(request: HttpRequest) -> bool:
    """Return True if the caller is on this host and no proxy is in between."""
    proxied = settings.SECURE_PROXY_SSL_HEADER or any(
        name in request.META for name in FORWARDED_HEADERS
    )
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return address.is_loopback and not proxied
