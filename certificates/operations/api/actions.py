"""REST API for the readiness policy, devices at risk, and what unblocks or reverts an operation."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query, Router, Schema
from pydantic import Field

from certificates import tasks
from certificates.approvals import approvals
from certificates.authority import gates
from certificates.authority.api import build_pem_response
from certificates.future_ca import subordinate
from certificates.operations import intervention, preparation
from certificates.operations.api.creation import CertificateText, decode_file
from certificates.operations.api.operations import (
    MAY_CHANGE,
    MAY_DEPLOY,
    ProgressOut,
    build_progress,
    get_operation,
    run_action,
)
from certificates.progress import report
from certificates.trust import devices_at_risk, readiness
from console.rest.api import (
    Page,
    Paging,
    RequestBody,
    Text,
    file_response,
    get_by_number,
    paginate,
    require,
)
from devices.models import Zone
from faults import Conflict
from systemupdates.content import replication
from systemupdates.models import Replica

router = Router(tags=["operations"])

PERCENT = 100
PKCS10 = "application/pkcs10"
DAYS = 365


class PolicyOut(Schema):
    """The conditions for an activation. If they are not met, it is postponed.

    `servers`: all Primary Servers must have applied the update. `percent`: the share of the devices
    seen in the last `days` days that must pass the preflight check, 0 to turn this check off.
    """

    servers: bool
    percent: int
    days: int


class PolicyIn(RequestBody):
    """The conditions to set. See PolicyOut."""

    servers: bool
    percent: int = Field(ge=0, le=PERCENT)
    days: int = Field(ge=1, le=DAYS)


class DeviceStatusOut(Schema):
    """A device of an operation. `why` is the reason it would lose contact, "" if it would not."""

    id: UUID = Field(validation_alias="guid")
    name: str
    role: str
    why: str = Field(validation_alias="status")
    last_contact: datetime | None


class RolloutOut(Page[DeviceStatusOut]):
    """The devices of an operation, their numbers by `why`, and the unmet policy conditions."""

    counts: dict[str, int]
    shortfalls: list[str]


class RolloutFilter(Schema):
    """Filters for devices. `why` can be a reason, or `at-risk` for devices that lose contact."""

    why: Text = ""
    q: Text = ""


class SignedOut(Schema):
    """A report as Base64-encoded JSON with the signature of the zone key."""

    payload_type: str
    payload: str
    signature: str


@router.get("/readiness-policy", response=PolicyOut)
def show_readiness_policy(request: HttpRequest) -> Any:
    """Get the readiness policy."""
    return readiness.get_policy(Zone.objects.get_zone())


@router.put(
    "/readiness-policy", response=PolicyOut, auth=require(gates.CA_RIGHT, reauthenticated=True)
)
def set_readiness_policy(request: HttpRequest, policy: PolicyIn) -> Any:
    """Set the readiness policy."""
    readiness.save_policy(**policy.dict())
    return readiness.get_policy(Zone.objects.get_zone())


@router.get("/operations/{operation_id}/rollout", response=RolloutOut)
def show_rollout(
    request: HttpRequest, operation_id: str, paging: Query[Paging], wanted: Query[RolloutFilter]
) -> Any:
    """List the devices that would lose contact if the certificates were activated now, and why."""
    operation, zone, now = get_operation(operation_id), Zone.objects.get_zone(), timezone.now()
    every: Any = devices_at_risk.get_devices_by_risk(operation, zone, now)
    found = every.filter(name__icontains=wanted.q) if wanted.q else every
    if wanted.why == "at-risk":
        found = found.exclude(status="")
    elif wanted.why:
        found = found.filter(status=wanted.why)
    return {
        **paginate(found.order_by("name", "pk"), paging),
        "counts": devices_at_risk.count_by_status(every),
        "shortfalls": readiness.list_shortfalls(operation, zone, now),
    }


@router.post("/operations/{operation_id}/force", response=ProgressOut, auth=MAY_CHANGE)
def force(request: Any, operation_id: str) -> Any:
    """Force activation of a blocked operation even though some servers are not ready.

    If two-administrator approval is on, this only creates an approval request. See
    `requested_action`.
    """
    now = timezone.now()
    return run_action(
        operation_id,
        partial(
            approvals.run_or_request,
            action=approvals.FORCE,
            by=request.user,
            now=now,
        ),
    )


@router.post(
    "/operations/{operation_id}/without-bridge",
    response=ProgressOut,
    auth=MAY_CHANGE,
    deprecated=True,
)
def continue_without_cross_certificate_alias(request: HttpRequest, operation_id: str) -> Any:
    """Use continue-without-cross-certificate instead."""
    return continue_without_cross_certificate(request, operation_id)


@router.post(
    "/operations/{operation_id}/continue-without-cross-certificate",
    response=ProgressOut,
    auth=MAY_CHANGE,
)
def continue_without_cross_certificate(request: HttpRequest, operation_id: str) -> Any:
    """Continue without the cross-certificate if the certificate server is lost."""
    return run_action(operation_id, intervention.continue_without_cross_certificate)


@router.post("/operations/{operation_id}/replicate-now", response=ProgressOut, auth=MAY_DEPLOY)
def replicate_now(request: HttpRequest, operation_id: str) -> Any:
    """Start replication immediately on all content servers that do not have the content."""
    operation = get_operation(operation_id)
    if operation.update is None:
        raise Conflict(
            _("The update does not have any content to replicate yet. Nothing was changed.")
        )
    replication.replicate_now(operation.update, now=timezone.now())
    return build_progress(operation)


@router.post(
    "/operations/{operation_id}/replicas/{replica_id}/exclude",
    response=ProgressOut,
    auth=MAY_DEPLOY,
)
def exclude_replica(request: HttpRequest, operation_id: str, replica_id: str) -> Any:
    """Exclude a content server so that it does not block assignment."""
    update = get_operation(operation_id).update_id
    replica = get_by_number(
        Replica.objects.filter(update=update).select_related("server"), replica_id
    )
    return run_action(
        operation_id, lambda _operation: replication.exclude(replica, now=timezone.now())
    )


@router.post(
    "/operations/{operation_id}/roll-back",
    response=ProgressOut,
    auth=require(gates.CA_RIGHT, reauthenticated=True),
)
def roll_back(request: Any, operation_id: str) -> Any:
    """Roll back to the previous CA and certificates.

    If two-administrator approval is on, this only creates an approval request. See
    `requested_action`.
    """
    action = partial(
        approvals.run_or_request, action=approvals.ROLL_BACK, by=request.user, now=timezone.now()
    )
    result = run_action(operation_id, action)
    tasks.notify_agents()
    return result


@router.post("/operations/{operation_id}/try-again", response=ProgressOut, auth=MAY_CHANGE)
def try_again(request: HttpRequest, operation_id: str) -> Any:
    """Retry a failed preparation from the step that failed."""
    result = run_action(operation_id, preparation.retry)
    tasks.notify_agents()
    return result


@router.post("/operations/{operation_id}/report", response=SignedOut)
def signed_report(request: HttpRequest, operation_id: str) -> Any:
    """Create a report of an operation, signed with the zone key.

    This is recorded in the audit log.
    """
    built = report.build_report(get_operation(operation_id), now=timezone.now())
    return vars(report.sign_report(built))


class CACertificateIn(RequestBody):
    """The certificate of a subordinate CA with its chain, up to and including the root."""

    certificates: CertificateText


@router.get(
    "/operations/{operation_id}/ca-csr", openapi_extra=file_response(PKCS10), auth=MAY_CHANGE
)
def download_ca_csr(request: HttpRequest, operation_id: str) -> HttpResponse:
    """Download the CSR of the new subordinate CA of an operation."""
    operation = get_operation(operation_id)
    return build_pem_response(subordinate.get_csr(operation), "zone-ca.csr", PKCS10)


@router.post("/operations/{operation_id}/ca-certificate", response=ProgressOut, auth=MAY_CHANGE)
def import_ca_certificate(request: HttpRequest, operation_id: str, body: CACertificateIn) -> Any:
    """Import the certificate of the new subordinate CA of an operation, with its chain."""
    data = decode_file(body.certificates, "certificates")
    return run_action(operation_id, partial(subordinate.import_file, data=data, now=timezone.now()))
