"""The first subordinate CA of a new zone.

See: D-299
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import transaction

from certificates.models import Operation
from certificates.operations import creation, requests
from devices.models import Device

# How much time the corporate CA has. An administrator can change it, as in every operation.
SIGNING_PERIOD = timedelta(days=7)


@transaction.atomic
def request_certificate(
    server: Device, *, subject: str, key_length: int, by: User, now: datetime
) -> Operation:
    """Start Change CA to a subordinate CA on the first server, and return the operation.

    The worker of the server creates the key and the CSR when it starts. Raises a fault if a value
    is not valid.
    """
    request = requests.ChangeToSubordinateRequest(
        certificate_server=server.pk,
        subject=subject,
        key_length=key_length,
        include_dns=False,
        activates_at=now + SIGNING_PERIOD,
    )
    request.check()
    kind = Operation.Kind.CHANGE_CA
    return creation.create_ca_operation(kind, request, server, by=by, key=uuid4(), now=now)
