"""Bearer tokens of the REST API: which there are, whose they are, what the caller may do."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.models import ApiToken
from console.pages.errors import problem
from faults import Unauthenticated

log = logging.getLogger(__name__)
PREFIX = "zcct_"
BYTES = 32
# A use is noted once in this time, so that reading does not write at every call.
NOTED_EVERY = timedelta(minutes=1)
# A token opens these paths and nothing else: never a page.
PATHS = ("/api/", "/metrics")
VIEW_METRICS = "console.view_metrics"
RIGHTS: dict[str, str | Promise] = {
    "certificates.certificate_authority": gettext_lazy(
        "Certificate Authority: change, remint, move, back up and restore the CA"
    ),
    "systemupdates.deploy_update": gettext_lazy("Deploy Update: assign, ignore, redeploy"),
    "devices.change_device": gettext_lazy("Change Device: settings, unregister, retire"),
    "devices.change_zone": gettext_lazy("Change Zone Settings: intervals, grace, lock-out"),
    "devices.approve_device": gettext_lazy(
        "Approve Device: let servers in, make registration keys"
    ),
    "ledger.view_entry": gettext_lazy("Read the audit log"),
    VIEW_METRICS: gettext_lazy("Read the metrics"),
    "notifications.manage": gettext_lazy("Notifications: targets and what was sent"),
    "people.administer": gettext_lazy("Administrators: create, roles, deactivate, reset"),
}


def new_secret() -> tuple[str, str]:
    """Return the text of a new token (256 random bits) and the digest that is kept of it."""
    text = PREFIX + secrets.token_urlsafe(BYTES)
    return text, digest_of(text)


def digest_of(text: str) -> str:
    """Return the SHA-256 of a token; enough for a random secret (OWASP ASVS 5.0, 6.5.2)."""
    return hashlib.sha256(text.encode()).hexdigest()


def find(text: str, now: datetime) -> ApiToken | None:
    """Return the usable token of this text and note its use; None for anything else."""
    if not text.startswith(PREFIX):
        return None
    usable = ApiToken.objects.usable(now).select_related("user")
    token = usable.filter(digest=digest_of(text)).first()
    if token is not None and (not token.last_used_at or now - token.last_used_at >= NOTED_EVERY):
        seldom = Q(last_used_at=None) | Q(last_used_at__lte=now - NOTED_EVERY)
        ApiToken.objects.filter(seldom, pk=token.pk).update(last_used_at=now)
    return token


def allowed(request: Any, right: str) -> bool:
    """Tell whether the caller may do something: the user may, and the token is not narrower."""
    token: ApiToken | None = getattr(request, "token", None)
    return (token is None or right in token.rights) and bool(request.user.has_perm(right))


class Tokens:
    """Let a bearer token stand for its user under `PATHS`; a wrong one is refused at once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        header = request.headers.get("Authorization", "")
        if not header or not request.path.startswith(PATHS):
            return self.get_response(request)
        scheme, _space, text = header.partition(" ")
        token = find(text.strip(), timezone.now()) if scheme.lower() == "bearer" else None
        if token is None:
            log.warning(
                "A wrong token was refused; it came from %s", request.META.get("REMOTE_ADDR")
            )
            return refusal()
        request.user, request.token = token.user, token
        return self.get_response(request)


def refusal() -> HttpResponse:
    """Answer a caller that proved nothing; which part is wrong is not told."""
    fault = Unauthenticated(
        _("The caller is not known: the token is wrong, expired or revoked, or there is none."),
        action=_("Send “Authorization: Bearer zcct_…” with a valid token, or log in."),
    )
    response = problem(401, fault.explanation, fault.action)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
