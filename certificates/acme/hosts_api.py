"""REST API of hosts without an agent that are not ready for a new CA.

See: D-302
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from certificates.acme import hosts
from certificates.operations.api.operations import get_operation
from console.rest.api import Page, Paging, paginate

router = Router(tags=["acme"])


class HostOut(Schema):
    """A host whose certificate is not of the new CA of an operation."""

    name: str = Field(validation_alias="subject")
    names: list[str]
    account_key: str = Field(validation_alias="account.account_key.label")
    not_after: datetime
    fetched_at: datetime | None


@router.get("/operations/{operation_id}/hosts-at-risk", response=Page[HostOut])
def list_hosts_at_risk(request: HttpRequest, operation_id: str, paging: Query[Paging]) -> Any:
    """List the hosts without an agent that do not have a certificate of the new CA yet.

    After a cancellation or a rollback, these are the hosts that have one and must renew.
    """
    operation = get_operation(operation_id)
    return paginate(hosts.list_at_risk(operation, timezone.now()), paging)
