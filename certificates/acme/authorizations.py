"""Authorizations: request the validation of a name, perform it in the worker, and its status.

See: RFC 8555 7.5, 8
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from audit.rows import alarms
from certificates.acme.problems import Malformed, ValidationFailed
from certificates.acme.validation import challenges
from certificates.acme.validation.challenges import METHODS
from certificates.models import AcmeAuthorization
from faults import Fault

log = logging.getLogger(__name__)
PENDING, VALID, INVALID, EXPIRED = "pending", "valid", "invalid", "expired"
PROCESSING = "processing"
BATCH = 20


def get_status(authorization: AcmeAuthorization, now: datetime) -> str:
    """Return the status of an authorization (RFC 8555 7.1.6)."""
    if authorization.problem is not None:
        return INVALID
    if authorization.validated_at is not None:
        return VALID
    return EXPIRED if authorization.order.expires_at <= now else PENDING


def get_challenge_status(authorization: AcmeAuthorization, method: str) -> str:
    """Return the status of a challenge: only the selected one leaves the status `pending`."""
    if authorization.method != method:
        return PENDING
    if authorization.problem is not None:
        return INVALID
    return VALID if authorization.validated_at is not None else PROCESSING


def list_methods(authorization: AcmeAuthorization) -> tuple[str, ...]:
    """Return the methods that a client can still select: all, or the selected one."""
    return (authorization.method,) if authorization.method else METHODS


def request_validation(authorization: AcmeAuthorization, method: str, now: datetime) -> bool:
    """Select a method, and return True if the worker must validate the name now.

    A client can repeat the request without an effect.
    """
    if method not in METHODS:
        raise Malformed(_("The challenge was not found. Nothing was changed."))
    if authorization.method or get_status(authorization, now) != PENDING:
        return False
    authorization.method, authorization.requested_at = method, now
    authorization.save(update_fields=["method", "requested_at"])
    return True


def list_waiting(now: datetime) -> QuerySet[AcmeAuthorization]:
    """Return the authorizations whose validation was requested and has no result."""
    return AcmeAuthorization.objects.filter(
        requested_at__isnull=False,
        validated_at=None,
        problem__isnull=True,
        order__expires_at__gt=now,
    ).order_by("requested_at")


def validate_batch(now: datetime) -> int:
    """Validate names that clients have requested, store the results, and return their number.

    They are validated at the same time, because a host that does not respond costs seconds in which
    the worker does nothing else.
    """
    waiting = list_waiting(now).select_related("order__account")[:BATCH]
    found = [one for one in waiting if _is_authentic(one)]
    if not found:
        return 0
    with ThreadPoolExecutor(len(found)) as pool:
        problems = list(pool.map(_check, found))
    for authorization, problem in zip(found, problems, strict=True):
        _store(authorization, problem, now)
    return len(found)


def _is_authentic(authorization: AcmeAuthorization) -> bool:
    order = authorization.order
    return all(alarms.is_authentic(row) for row in (authorization, order, order.account))


def _check(authorization: AcmeAuthorization) -> ValidationFailed | None:
    """Return why the client does not control the name, None if it does. Uses no database."""
    token = authorization.token
    response = f"{token}.{authorization.order.account.thumbprint}"
    try:
        challenges.check(authorization.method, authorization.name, token, response)
    except ValidationFailed as fault:
        return fault
    except Fault as fault:
        return ValidationFailed(fault.explanation, kind="connection")
    return None


def _store(
    authorization: AcmeAuthorization, problem: ValidationFailed | None, now: datetime
) -> None:
    if problem is not None:
        log.info("ACME validation of %s failed: %s", authorization.name, problem)
        authorization.problem = problem.describe()
        authorization.save(update_fields=["problem"])
        return
    authorization.validated_at = now
    authorization.save(update_fields=["validated_at"])
