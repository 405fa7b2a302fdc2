"""Bearer tokens of the REST API: find the token of a request, and check rights."""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.models import ApiToken
from console.pages.errors import problem
from faults import Unauthenticated, Unavailable

log = logging.getLogger(__name__)
PREFIX = "zcct_"
TOKEN_BYTES = 32
# The last use is stored at most this often, so that reading does not always write.
LAST_USED_INTERVAL = timedelta(minutes=1)
# A token is valid only for these paths, never for a page.
PATHS = ("/api/", "/metrics")
# Calendar programs send a user name and a password. Here only, because a browser would repeat them
# for requests that other sites cause.
BASIC_PATH = "/api/v1/expirations.ics"
VIEW_METRICS = "console.view_metrics"
RIGHTS: dict[str, str | Promise] = {
    "certificates.certificate_authority": gettext_lazy(
        "Certificate Authority: change, remint, move, back up, and restore the CA"
    ),
    "systemupdates.deploy_update": gettext_lazy(
        "Deploy Update: assign, ignore, and redeploy updates"
    ),
    "devices.change_device": gettext_lazy(
        "Change Device: change settings, unregister, and retire devices"
    ),
    "devices.change_zone": gettext_lazy(
        "Change Zone Settings: change intervals, grace period, and freeze period"
    ),
    "devices.approve_device": gettext_lazy(
        "Approve Device: approve servers and create registration keys"
    ),
    "ledger.view_entry": gettext_lazy("View Audit Log: view and export entries"),
    VIEW_METRICS: gettext_lazy("View Metrics: read the metrics of the zone"),
    "notifications.manage": gettext_lazy("Notifications: manage targets and view history"),
    "people.administer": gettext_lazy(
        "Administrators: create, deactivate, and reset accounts, and assign roles"
    ),
}


def new_secret() -> tuple[str, str]:
    """Return the text of a new token (256 random bits) and the digest to store."""
    text = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    return text, token_digest(text)


def token_digest(text: str) -> str:
    """Return the SHA-256 of a token, which is sufficient for a random secret.

    See: OWASP ASVS 5.0, 6.5.2
    """
    return hashlib.sha256(text.encode()).hexdigest()


_checks: list[Callable[[ApiToken], bool]] = []


def set_token_check(check: Callable[[ApiToken], bool]) -> None:
    """Set the function that returns True if a token and its user were not altered."""
    _checks[:] = [check]


def find_token(text: str, now: datetime) -> ApiToken | None:
    """Return the usable token with this text and store its last use; None if there is none."""
    if not text.startswith(PREFIX):
        return None
    usable = ApiToken.objects.usable(now).select_related(
        "user__administrator", "user__account_mac", "user__second_factor"
    )
    token = usable.filter(digest=token_digest(text)).first()
    if token is not None and not all(check(token) for check in _checks):
        return None
    if token is not None and (
        not token.last_used_at or now - token.last_used_at >= LAST_USED_INTERVAL
    ):
        is_older = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_INTERVAL)
        ApiToken.objects.filter(is_older, pk=token.pk).update(last_used_at=now)
    return token


def has_right(request: Any, right: str) -> bool:
    """Return True if the user has a right and the API token, if there is one, has it too."""
    token: ApiToken | None = getattr(request, "token", None)
    return (token is None or right in token.rights) and bool(request.user.has_perm(right))


class ApiTokenMiddleware:
    """Authenticate requests with a bearer token under PATHS; reject an invalid token."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        header = request.headers.get("Authorization", "")
        if not header or not request.path.startswith(PATHS):
            return _offer_basic(request, self.get_response(request))
        try:
            token = find_token(_read_token(request, header), timezone.now())
        except Unavailable as fault:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, fault.explanation, fault.action)
        if token is None:
            log.warning("Rejected an invalid API token from %s", request.META.get("REMOTE_ADDR"))
            return _offer_basic(request, unauthenticated_response())
        request.user, request.token = token.user, token
        return self.get_response(request)


def _read_token(request: HttpRequest, header: str) -> str:
    """Return the text of the token in an Authorization header, "" without one."""
    scheme, _space, text = header.partition(" ")
    if scheme.lower() == "basic" and request.path == BASIC_PATH:
        try:
            return base64.b64decode(text.strip(), validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return text.strip() if scheme.lower() == "bearer" else ""


def _offer_basic(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Let a calendar program ask its user for the token."""
    if request.path == BASIC_PATH and response.status_code == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Basic realm="ZCC", charset="UTF-8"'
    return response


def unauthenticated_response() -> HttpResponse:
    """Return the response to an unauthenticated caller, without the exact reason."""
    fault = Unauthenticated(
        _("Authentication failed. The API token is missing, invalid, expired, or revoked."),
        action=_("Send the header “Authorization: Bearer zcct_…” with a valid token, or log in."),
    )
    response = problem(401, fault.explanation, fault.action)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
