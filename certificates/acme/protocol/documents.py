"""The resources of the ACME protocol as JSON: accounts, orders, authorizations, challenges.

See: RFC 8555 7.1
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest

from certificates.acme import authorizations, orders
from certificates.acme.protocol.endpoints import build_url
from certificates.models import AcmeAccount, AcmeAuthorization, AcmeOrder


def format_time(moment: datetime) -> str:
    """Return a time in the format of RFC 3339."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe_account(account: AcmeAccount, request: HttpRequest) -> dict[str, Any]:
    """Return an account."""
    return {
        "status": "valid" if account.deactivated_at is None else "deactivated",
        "contact": account.contacts,
        "termsOfServiceAgreed": True,
        "orders": build_url(request, "acme:orders", guid=account.pk),
    }


def describe_order(order: AcmeOrder, request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Return an order."""
    status = orders.get_status(order, now)
    found: dict[str, Any] = {
        "status": status,
        "expires": format_time(order.expires_at),
        "identifiers": [{"type": "dns", "value": name} for name in order.names],
        "authorizations": [
            build_url(request, "acme:authorization", guid=one.pk)
            for one in order.authorizations.all()
        ],
        "finalize": build_url(request, "acme:finalize", guid=order.pk),
    }
    if order.problem is not None:
        found["error"] = order.problem
    if status == orders.VALID:
        found["certificate"] = build_url(request, "acme:certificate", guid=order.certificate.pk)
    return found


def describe_authorization(
    authorization: AcmeAuthorization, request: HttpRequest, now: datetime
) -> dict[str, Any]:
    """Return an authorization with its challenges."""
    return {
        "status": authorizations.get_status(authorization, now),
        "identifier": {"type": "dns", "value": authorization.name},
        "expires": format_time(authorization.order.expires_at),
        "challenges": [
            describe_challenge(authorization, method, request)
            for method in authorizations.list_methods(authorization)
        ],
    }


def describe_challenge(
    authorization: AcmeAuthorization, method: str, request: HttpRequest
) -> dict[str, Any]:
    """Return a challenge."""
    found: dict[str, Any] = {
        "type": method,
        "url": build_url(request, "acme:challenge", guid=authorization.pk, method=method),
        "status": authorizations.get_challenge_status(authorization, method),
        "token": authorization.token,
    }
    if authorization.method == method and authorization.validated_at is not None:
        found["validated"] = format_time(authorization.validated_at)
    if authorization.method == method and authorization.problem is not None:
        found["error"] = authorization.problem
    return found
