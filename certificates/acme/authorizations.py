"""Authorizations: request the validation of a name, perform it in the worker, and its status.

A worker claims a batch: until it ends, the time of the request is in the future. So only one worker
of the zone is waiting for hosts, and the others have time for operations.

See: RFC 8555 7.5, 8; D-330
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext as _

from audit.rows import alarms
from certificates.acme.problems import Malformed, ValidationFailed
from certificates.acme.validation import challenges
from certificates.acme.validation.challenges import METHODS
from certificates.models import AcmeAuthorization
from devices.models import Zone
from faults import Fault

log = logging.getLogger(__name__)
PENDING, VALID, INVALID, EXPIRED = "pending", "valid", "invalid", "expired"
PROCESSING = "processing"
BATCH = 20
# A batch takes `limits.TOTAL_SECONDS`. After this time, the worker that claimed it has ended.
CLAIM = timedelta(seconds=60)
# The clocks of Primary Servers can differ by this time.
CLOCK_DIFFERENCE = timedelta(seconds=15)


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
    the worker does nothing else. 0 if another worker is validating.
    """
    claimed = _claim(now)
    if not claimed:
        return 0
    try:
        rows = AcmeAuthorization.objects.filter(pk__in=claimed).select_related("order__account")
        found = [one for one in rows if _is_authentic(one)]
        with ThreadPoolExecutor(BATCH) as pool:
            problems = list(pool.map(_check, found))
        for authorization, problem in zip(found, problems, strict=True):
            _store(authorization, problem, now)
    finally:
        _release(claimed, now)
    return len(found)


@transaction.atomic
def _claim(now: datetime) -> list[UUID]:
    """Claim the next names and return their keys, none while another worker validates.

    Each account has its turn before another one has its second, so that the hosts of one account
    do not delay those of all others. Within an account, the name of the oldest attempt is first.
    """
    Zone.objects.lock()
    waiting = list_waiting(now)
    if waiting.filter(requested_at__gt=now + CLOCK_DIFFERENCE).exists():
        return []
    oldest_first = (F("requested_at").asc(), F("pk").asc())
    turn = Window(RowNumber(), partition_by=F("order__account"), order_by=oldest_first)
    ranked = waiting.annotate(turn=turn).order_by("turn", "requested_at", "pk")
    claimed = list(ranked.values_list("pk", flat=True)[:BATCH])
    AcmeAuthorization.objects.filter(pk__in=claimed).update(requested_at=now + CLAIM)
    return claimed


def _release(claimed: list[UUID], now: datetime) -> None:
    """Let names without a result be validated again, after all others of their account."""
    list_waiting(now).filter(pk__in=claimed).update(requested_at=now)


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
    except Exception:
        # One host must not prevent that the results of the others are stored.
        log.exception("ACME validation of %s failed", authorization.name)
        return ValidationFailed(_("The validation failed. Try again later."), kind="serverInternal")
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
