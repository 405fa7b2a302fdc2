"""REST API of registration keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from console.access.api_tokens import has_right
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
from devices.identity import zone_keys
from devices.inventory.api import APPROVE
from devices.models import RegistrationKey, Role, Zone
from devices.registration import key_limits, keys
from devices.registration.certificate_names import ADD_NAMES
from faults import Invalid

router = Router()
MAX_USES = 1_000_000


class RegistrationKeyOut(Schema):
    """A registration key. The key itself cannot be read again."""

    id: int
    label: str
    role: str
    approves: bool
    domains: list[str]
    networks: list[str]
    device: str
    uses_left: int
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


class NewRegistrationKeyOut(Schema):
    """A registration key that has just been created. The key is returned only once."""

    key: str
    command: str = Field(description="command that registers a device with this key")
    line: str = Field(validation_alias="command", description="use `command`", deprecated=True)


class RegistrationKeyIn(RequestBody):
    """The registration key to create."""

    label: Text = Field(min_length=1, max_length=64)
    role: Role = Role.MANAGED
    uses: int = Field(1, ge=1, le=MAX_USES)
    approves: bool = Field(
        default=False,
        description=(
            "whether servers with approved names and addresses that use this key are approved "
            "automatically. Requires domains and networks"
        ),
    )
    domains: list[Text] = Field(
        default_factory=list,
        max_length=key_limits.MAX_ENTRIES,
        description="domains whose servers are approved, including all names below them",
    )
    networks: list[Text] = Field(
        default_factory=list,
        max_length=key_limits.MAX_ENTRIES,
        description="networks in CIDR notation. All addresses of the device must be in them",
    )
    device: Text = Field(
        "",
        max_length=64,
        description=(
            "name of the only device that can use this key. The key can take over this device, "
            "even if it is in contact"
        ),
    )
    expires_at: Timestamp | None = None


@router.get(
    "/registration-keys", response=Page[RegistrationKeyOut], auth=require(APPROVE), tags=["devices"]
)
def list_registration_keys(request: HttpRequest, paging: Query[Paging]) -> Any:
    """List registration keys, newest first."""
    return paginate(RegistrationKey.objects.order_by("-pk"), paging)


@router.post(
    "/registration-keys",
    response={201: NewRegistrationKeyOut},
    auth=require(APPROVE),
    tags=["devices"],
)
def create_registration_key(request: HttpRequest, body: RegistrationKeyIn) -> Any:
    """Create a registration key. The key is returned only once.

    A key that approves servers with a certificate requires the right Certificate Authority, too.
    """
    if body.expires_at is not None and body.expires_at <= timezone.now():
        raise Invalid(_("The expiration date is in the past."), field="expires_at")
    keys.check_may_create(
        body.role, approves=body.approves, may_add_names=has_right(request, ADD_NAMES)
    )
    created = keys.create_registration_key(
        zone_keys.get_public_key(Zone.objects.get_zone()),
        label=body.label,
        role=body.role,
        uses=body.uses,
        approves=body.approves,
        expires_at=body.expires_at,
        limits=key_limits.KeyLimits(tuple(body.domains), tuple(body.networks), body.device),
    )
    return Status(
        201,
        {"key": str(created), "command": keys.build_registration_command(str(created), body.role)},
    )


@router.post(
    "/registration-keys/{key_id}/revoke",
    response=RegistrationKeyOut,
    auth=require(APPROVE),
    tags=["devices"],
)
def revoke_registration_key(request: HttpRequest, key_id: str) -> Any:
    """Revoke a registration key. Devices that are already registered are not affected."""
    key = get_by_number(RegistrationKey.objects.all(), key_id)
    return keys.revoke_registration_key(key.pk, now=timezone.now())
