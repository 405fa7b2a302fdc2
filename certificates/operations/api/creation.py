"""Start an operation: Remint CA, Change CA, Remint Certificate.

The header Idempotency-Key makes a repeated call the same operation.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Header, Router
from ninja.responses import Status
from pydantic import Field

from certificates.authority import gates
from certificates.issuance import imports
from certificates.models import Operation
from certificates.operations import creation, requests
from certificates.operations.api.operations import ProgressOut, nudge, shown
from console.rest.api import Moment, Order, Text, having
from faults import Conflict, Invalid
from pki.chains import chains
from pki.formats import bundles
from pki.keys import DEFAULT_KEY_LENGTH

router = Router(tags=["operations"], auth=having(gates.CA_RIGHT, proved=True))
Key = Annotated[UUID | None, Header(alias="Idempotency-Key")]
PEM_START = "-----BEGIN"
TEXT_AT_MOST = imports.FILE_AT_MOST * 3 // 2
CertificateText = Annotated[
    str,
    Field(max_length=TEXT_AT_MOST, description="PEM, or base64 of a DER, PKCS #7 or PEM file"),
]
SERVERS_AT_MOST = 10_000
Start = Callable[..., Operation]


class SubjectIn(Order):
    """The parts of a server's subject besides its common name."""

    organization: Text = ""
    organizational_unit: Text = ""
    locality: Text = ""
    state: Text = ""
    country: Text = ""

    def fields(self) -> requests.SubjectFields:
        """Return them in the words of the domain."""
        return requests.SubjectFields(**self.dict())


class Activated(Order):
    """What every operation needs: its activation time, none for Immediate."""

    activates_at: Moment | None = None
    include_dns: bool = False
    key_length: int = DEFAULT_KEY_LENGTH


class RemintCAIn(Activated):
    """Remint CA (manual, 1.2.9)."""

    common_name: Text
    years: int = 10


class InternalIn(Activated):
    """Change CA to an internal authority (manual, 1.2.4)."""

    certificate_server_id: UUID
    subject: Text
    years: int = 10


class ExternalIn(Activated):
    """Change CA to an external authority: its root, with its intermediates (manual, 1.2.4)."""

    certificates: CertificateText
    by_hand: bool = Field(default=False, description="the administrator makes the requests")
    subject: SubjectIn = Field(default_factory=SubjectIn)


class ServersIn(Activated):
    """Remint Certificate of some servers (manual, 1.3.2)."""

    server_ids: list[UUID] = Field(max_length=SERVERS_AT_MOST)
    name: Text = Field(description="name of the system update")
    common_name: Text = ""
    by_hand: bool = False
    subject: SubjectIn = Field(default_factory=SubjectIn)


def file_of(text: str, field: str) -> bytes:
    """Return the file that a text stands for: PEM as it is, anything else from base64."""
    if text.lstrip().startswith(PEM_START):
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(
            _("The text is neither PEM nor base64. Nothing was changed."), field=field
        ) from error


@router.post("/operations/remint-ca", response={201: ProgressOut})
def remint_ca(request: Any, order: RemintCAIn, key: Key = None) -> Any:
    """Remint CA: replace the zone CA by a new one of the same server."""
    wanted = requests.RemintCA(
        common_name=order.common_name.strip(),
        key_length=order.key_length,
        years=order.years,
        include_dns=order.include_dns,
        activates_at=order.activates_at,
    )
    return _start(request, creation.remint_ca, wanted, key, Operation.Kind.REMINT_CA)


@router.post("/operations/change-ca/internal", response={201: ProgressOut})
def change_ca_to_internal(request: Any, order: InternalIn, key: Key = None) -> Any:
    """Change CA to an internal authority."""
    wanted = requests.ChangeToInternal(
        certificate_server=order.certificate_server_id,
        subject=order.subject.strip(),
        key_length=order.key_length,
        years=order.years,
        include_dns=order.include_dns,
        activates_at=order.activates_at,
    )
    return _start(request, creation.change_to_internal, wanted, key, Operation.Kind.CHANGE_CA)


@router.post("/operations/change-ca/external", response={201: ProgressOut})
def change_ca_to_external(request: Any, order: ExternalIn, key: Key = None) -> Any:
    """Change CA to an external authority; its root becomes the zone CA."""
    read = bundles.read_certificates(file_of(order.certificates, "certificates"))
    root, others = chains.split_root(read)
    wanted = requests.ChangeToExternal(
        root_pem=root,
        intermediates_pem=chains.join(*others),
        by_hand=order.by_hand,
        key_length=order.key_length,
        include_dns=order.include_dns,
        activates_at=order.activates_at,
        subject=order.subject.fields(),
    )
    return _start(request, creation.change_to_external, wanted, key, Operation.Kind.CHANGE_CA)


@router.post("/operations/remint-servers", response={201: ProgressOut})
def remint_servers(request: Any, order: ServersIn, key: Key = None) -> Any:
    """Remint Certificate: replace the certificates of some servers."""
    wanted = requests.RemintServers(
        servers=tuple(order.server_ids),
        common_name=order.common_name.strip(),
        key_length=order.key_length,
        include_dns=order.include_dns,
        activates_at=order.activates_at,
        name=order.name,
        by_hand=order.by_hand,
        subject=order.subject.fields(),
    )
    return _start(request, creation.remint_servers, wanted, key, Operation.Kind.REMINT_SERVER)


def _start(request: Any, start: Start, order: requests.Order, key: UUID | None, kind: str) -> Any:
    with transaction.atomic():
        now = timezone.now()
        operation = start(order, by=request.user, key=key or uuid4(), now=now)
        _refuse_other(operation, order, request.user.pk, kind)
        nudge(operation)
    return Status(201, shown(operation))


def _refuse_other(operation: Operation, order: requests.Order, user: int, kind: str) -> None:
    """Refuse a key that was used for something else, or by somebody else."""
    plain = json.loads(json.dumps(creation.plain_order(order)))
    same = all(operation.order.get(name) == value for name, value in plain.items())
    if operation.kind != kind or operation.requested_by_id != user or not same:
        raise Conflict(
            _("This Idempotency-Key was used for another operation. Nothing was started."),
            action=_("Use a fresh UUID for each operation."),
        )
