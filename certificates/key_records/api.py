"""REST API for the records of CA keys."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router

from audit.entries.api import RIGHT
from certificates.key_records import record
from certificates.models import Authority
from certificates.operations.api.actions import SignedOut
from console.rest.api import get_by_guid, require

router = Router(tags=["authority"])


@router.post("/authorities/{authority_id}/key-record", response=SignedOut, auth=require(RIGHT))
def signed_key_record(request: HttpRequest, authority_id: str) -> Any:
    """Create the record of a CA key, signed with the zone key.

    It lists who generated, backed up, moved, restored, and destroyed the key, and who approved it.
    This is recorded in the audit log.
    """
    found = get_by_guid(Authority.objects.all(), authority_id)
    return vars(record.sign_record(record.build_record(found, now=timezone.now())))
