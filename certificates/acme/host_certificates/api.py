"""REST API of the certificates of hosts without an agent.

See: D-331
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from certificates.acme import revoking
from certificates.acme.host_certificates import tables
from certificates.authority import gates
from certificates.models import AcmeCertificate
from certificates.revocation.api import RevocationIn, RevocationOut
from console.rest.api import Page, Paging, Text, get_by_guid, paginate, require

router = Router(tags=["acme"])
CAN_READ = require(gates.CA_RIGHT)
CAN_CHANGE = require(gates.CA_RIGHT, reauthenticated=True)


class HostCertificateOut(Schema):
    """A certificate of a host without an agent."""

    id: UUID = Field(validation_alias="guid")
    name: str = Field(validation_alias="subject")
    names: list[str]
    account_key: str = Field(validation_alias="account.account_key.label")
    issuer_id: UUID = Field(validation_alias="authority_id", description="the CA")
    sha256: str = Field(validation_alias="digest")
    not_before: datetime
    not_after: datetime
    fetched_at: datetime | None = Field(description="when the client has downloaded it")
    replaced_at: datetime | None
    is_revoked: bool


class HostCertificateFilter(Schema):
    """Text that the names or the account key contain."""

    q: Text = ""


@router.get("/host-certificates", response=Page[HostCertificateOut], auth=CAN_READ)
def list_host_certificates(
    request: HttpRequest, paging: Query[Paging], wanted: Query[HostCertificateFilter]
) -> Any:
    """List the certificates of hosts without an agent, newest first."""
    rows = tables.list_certificates(wanted.q.strip()).order_by(*tables.ORDER)
    return paginate(rows, paging)


@router.post(
    "/host-certificates/{host_certificate_id}/revoke", response=RevocationOut, auth=CAN_CHANGE
)
def revoke_host_certificate(request: Any, host_certificate_id: str, data: RevocationIn) -> Any:
    """Revoke the certificate of a host without an agent. This cannot be undone.

    Programs that read the CRL or OCSP responses reject it. The host can request another one unless
    its account key is disabled.
    """
    rows = AcmeCertificate.objects.select_related("account__account_key", "authority")
    found = get_by_guid(rows, host_certificate_id)
    return revoking.revoke(found, data.reason, by=request.user, now=timezone.now())
