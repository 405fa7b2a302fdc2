"""REST API for revocations of server certificates."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from certificates import tasks
from certificates.authority import gates
from certificates.models import Revocation
from certificates.revocation import revocations
from certificates.servers.api import get_server
from console.rest.api import Page, Paging, RequestBody, get_by_number, paginate, require

router = Router(tags=["servers"], auth=require())


class RevocationIn(RequestBody):
    """Why a certificate is revoked."""

    reason: Revocation.Reason


class RevocationOut(Schema):
    """A revoked certificate. `revoked_by` is empty if the console has revoked it."""

    server_id: UUID | None = Field(validation_alias="device_id")
    subject: str
    serial: str
    sha256: str = Field(validation_alias="digest")
    issuer_id: UUID = Field(validation_alias="authority_id", description="the CA")
    not_after: datetime
    reason: str
    revoked_at: datetime
    revoked_by: str


@router.get("/revocations", response=Page[RevocationOut])
def list_revocations(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List the revoked certificates, newest first."""
    return paginate(Revocation.objects.all(), paging)


@router.post(
    "/servers/{server_id}/certificates/{certificate_id}/revoke",
    response=RevocationOut,
    auth=require(gates.CA_RIGHT, reauthenticated=True),
)
def revoke_certificate(
    request: Any, server_id: str, certificate_id: str, data: RevocationIn
) -> Any:
    """Revoke a current or previous certificate of a server. This cannot be undone.

    Devices reject it at their next contact. If the server uses it, a new certificate with a new
    key is requested.
    """
    found = get_by_number(get_server(server_id).certificates.all(), certificate_id)
    with transaction.atomic():
        revocation = revocations.revoke(found, data.reason, by=request.user, now=timezone.now())
        transaction.on_commit(tasks.notify_agents, robust=True)
    return revocation
