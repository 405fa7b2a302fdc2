"""REST API of ACME account keys.

See: D-300, D-313
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from certificates.acme.account_keys import keys
from certificates.acme.policy import MAX_PATTERNS
from certificates.acme.protocol.server_names import build_directory_url, build_url
from certificates.est.urls import PATH as EST_PATH
from certificates.models import AcmeAccountKey
from console.rest.api import (
    Page,
    Paging,
    RequestBody,
    Text,
    Timestamp,
    get_by_number,
    paginate,
    require,
)

router = Router(tags=["acme"])
CAN_READ = require(keys.RIGHT)
CAN_CHANGE = require(keys.RIGHT, reauthenticated=True)


class AcmeAccountKeyOut(Schema):
    """An ACME account key. Its HMAC key cannot be read again."""

    id: int
    key_id: str
    label: str
    names: list[str]
    accounts: int = Field(validation_alias="account_count")
    allows_est: bool
    expires_at: datetime | None
    disabled_at: datetime | None
    created_at: datetime


class NewAcmeAccountKeyOut(Schema):
    """An ACME account key that has just been created. The HMAC key is returned only once."""

    id: int
    key_id: str
    hmac_key: str
    directory: str = Field(description="address of the ACME directory")
    est: str | None = Field(description="address of the EST server, null if EST is not allowed")


class AcmeAccountKeyIn(RequestBody):
    """The ACME account key to create."""

    label: Text = Field(min_length=1, max_length=keys.MAX_LABEL)
    names: list[Text] = Field(
        min_length=1,
        max_length=MAX_PATTERNS,
        description="permitted names: host.example.com, or *.example.com for all names below it",
    )
    expires_at: Timestamp | None = Field(
        default=None,
        description="until when hosts can register with the key. If the field is omitted: "
        f"{keys.DEFAULT_DAYS} days. null: never expires",
    )
    allows_est: bool = Field(
        default=False,
        description="allow EST clients to use the key: their names are not validated",
    )

    def get_expires_at(self, now: datetime) -> datetime | None:
        """Return the requested end, or the default one if the field is omitted."""
        if "expires_at" not in self.model_fields_set:
            return now + timedelta(days=keys.DEFAULT_DAYS)
        return self.expires_at


def _list() -> Any:
    return AcmeAccountKey.objects.annotate(account_count=Count("accounts"))


@router.get("/acme-account-keys", response=Page[AcmeAccountKeyOut], auth=CAN_READ)
def list_acme_account_keys(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List ACME account keys, newest first."""
    return paginate(_list().order_by("-pk"), paging)


@router.post("/acme-account-keys", response={201: NewAcmeAccountKeyOut}, auth=CAN_CHANGE)
def create_acme_account_key(request: HttpRequest, body: AcmeAccountKeyIn) -> Any:
    """Create an ACME account key. The HMAC key is returned only once."""
    now = timezone.now()
    made = keys.create(
        body.label,
        body.names,
        expires_at=body.get_expires_at(now),
        allows_est=body.allows_est,
        now=now,
    )
    found = {
        "id": made.row.pk,
        "key_id": made.row.key_id,
        "hmac_key": made.hmac_key,
        "directory": build_directory_url(request),
        "est": build_url(request, EST_PATH) if made.row.allows_est else None,
    }
    return Status(201, found)


@router.post(
    "/acme-account-keys/{account_key_id}/disable", response=AcmeAccountKeyOut, auth=CAN_CHANGE
)
def disable_acme_account_key(request: HttpRequest, account_key_id: str) -> Any:
    """Disable an ACME account key permanently. Its accounts get no further certificates."""
    key = get_by_number(AcmeAccountKey.objects.all(), account_key_id)
    keys.disable(key.pk, now=timezone.now())
    return _list().get(pk=key.pk)
