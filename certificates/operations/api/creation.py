"""REST API to start Remint CA, Change CA, and Remint Certificate.

Repeated calls with the same Idempotency-Key header return the same operation.
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
from pydantic import AliasChoices, Field

from certificates import tasks
from certificates.authority import gates
from certificates.future_ca import external
from certificates.issuance import imports
from certificates.models import Operation
from certificates.name_constraints import proposal
from certificates.name_constraints.api import NameConstraintsIn
from certificates.operations import creation, requests
from certificates.operations.api.operations import (
    WINDOW_OVERRIDE,
    ProgressOut,
    build_progress,
    get_override,
)
from certificates.windows.waiting import OVERRIDE
from console.rest.api import RequestBody, Text, Timestamp, require
from faults import Conflict, Invalid
from pki.certificates.constraints import NameConstraints
from pki.chains import chains
from pki.formats import bundles
from pki.keys import DEFAULT_KEY_LENGTH

router = Router(tags=["operations"], auth=require(gates.CA_RIGHT, reauthenticated=True))
Key = Annotated[UUID | None, Header(alias="Idempotency-Key")]
PEM_START = "-----BEGIN"
MAX_TEXT_LENGTH = imports.MAX_FILE_SIZE * 3 // 2
CertificateText = Annotated[
    str,
    Field(max_length=MAX_TEXT_LENGTH, description="PEM, or base64 of a DER, PKCS #7 or PEM file"),
]
MAX_SERVERS = 10_000
MANUAL_CSR: Any = Field(
    default=False,
    # The second name is deprecated.
    validation_alias=AliasChoices("manual_csr", "by_hand"),
    description="whether the administrator generates the CSRs manually",
)
Start = Callable[..., Operation]


class SubjectIn(RequestBody):
    """The subject of a server certificate without its common name."""

    organization: Text = ""
    organizational_unit: Text = ""
    locality: Text = ""
    state: Text = ""
    country: Text = ""

    def fields(self) -> requests.SubjectFields:
        """Return the subject as SubjectFields."""
        return requests.SubjectFields(**self.dict())


class OperationIn(RequestBody):
    """Fields of every operation. Without `activates_at`, the activation is immediate."""

    activates_at: Timestamp | None = None
    window_override: Text = WINDOW_OVERRIDE
    include_dns: bool = False
    key_length: int = DEFAULT_KEY_LENGTH

    def get_values(self, request: Any) -> dict[str, Any]:
        """Return the values of these fields for an OperationRequest."""
        return {
            "activates_at": self.activates_at,
            "window_override": get_override(request, self.window_override),
            "include_dns": self.include_dns,
            "key_length": self.key_length,
        }


class ConstrainedIn(OperationIn):
    """Fields of operations that create a CA key."""

    name_constraints: NameConstraintsIn | None = Field(
        default=None,
        description="null: none. If the field is omitted, the new CA has those of the current one",
    )

    def get_values(self, request: Any) -> dict[str, Any]:
        """Return the values of these fields for an OperationRequest."""
        return {
            **super().get_values(request),
            "name_constraints": self._get_name_constraints(),
        }

    def _get_name_constraints(self) -> NameConstraints | None:
        """Return the requested constraints, or those of the zone CA if the field is omitted."""
        if "name_constraints" not in self.model_fields_set:
            return proposal.get_current()
        return self.name_constraints.parse() if self.name_constraints else None


class RemintCAIn(ConstrainedIn):
    """Remint CA (manual, 1.2.9)."""

    years: int = requests.DEFAULT_YEARS
    common_name: Text


class SubordinateIn(ConstrainedIn):
    """Change CA to a subordinate CA: its key is in the zone, and another CA certifies it."""

    certificate_server_id: UUID
    subject: Text

    def get_values(self, request: Any) -> dict[str, Any]:
        """Return the values of these fields for an OperationRequest."""
        return {
            **super().get_values(request),
            "certificate_server": self.certificate_server_id,
            "subject": self.subject.strip(),
        }


class InternalIn(SubordinateIn):
    """Change CA to an internal CA (manual, 1.2.4)."""

    years: int = requests.DEFAULT_YEARS


class ExternalIn(OperationIn):
    """Change CA to an external CA: its root and intermediate CAs (manual, 1.2.4)."""

    certificates: CertificateText
    manual_csr: bool = MANUAL_CSR
    subject: SubjectIn = Field(default_factory=SubjectIn)


class ServersIn(OperationIn):
    """Remint Certificate for one or more servers (manual, 1.3.2)."""

    server_ids: list[UUID] = Field(max_length=MAX_SERVERS)
    name: Text = Field(description="name of the system update")
    common_name: Text = ""
    manual_csr: bool = MANUAL_CSR
    subject: SubjectIn = Field(default_factory=SubjectIn)


def decode_file(text: str, field: str) -> bytes:
    """Return the content of a file that was sent as text: PEM, or any format in Base64."""
    if text.lstrip().startswith(PEM_START):
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(
            _("The value is neither PEM nor Base64. Nothing was changed."), field=field
        ) from error


@router.post("/operations/remint-ca", response={201: ProgressOut})
def remint_ca(request: Any, body: RemintCAIn, key: Key = None) -> Any:
    """Replace the zone CA with a new CA on the same server (Remint CA)."""
    spec = requests.RemintCARequest(
        common_name=body.common_name.strip(), years=body.years, **body.get_values(request)
    )
    return _start(request, creation.remint_ca, spec, key, Operation.Kind.REMINT_CA)


@router.post("/operations/change-ca/internal", response={201: ProgressOut})
def change_ca_to_internal(request: Any, body: InternalIn, key: Key = None) -> Any:
    """Change to an internal CA (Change CA)."""
    spec = requests.ChangeToInternalRequest(years=body.years, **body.get_values(request))
    return _start(request, creation.change_to_internal, spec, key, Operation.Kind.CHANGE_CA)


@router.post("/operations/change-ca/subordinate", response={201: ProgressOut})
def change_ca_to_subordinate(request: Any, body: SubordinateIn, key: Key = None) -> Any:
    """Change to a subordinate CA (Change CA). The operation waits until its chain is imported."""
    spec = requests.ChangeToSubordinateRequest(**body.get_values(request))
    return _start(request, creation.change_to_internal, spec, key, Operation.Kind.CHANGE_CA)


@router.post("/operations/change-ca/external", response={201: ProgressOut})
def change_ca_to_external(request: Any, body: ExternalIn, key: Key = None) -> Any:
    """Change to an external CA (Change CA). The root of the chain becomes the zone CA."""
    read = bundles.parse_certificates(decode_file(body.certificates, "certificates"))
    root, others = chains.split_root(read, hosts=external.list_server_names())
    spec = requests.ChangeToExternalRequest(
        root_pem=root,
        intermediates_pem=chains.join(*others),
        manual_csr=body.manual_csr,
        subject=body.subject.fields(),
        **body.get_values(request),
    )
    return _start(request, creation.change_to_external, spec, key, Operation.Kind.CHANGE_CA)


@router.post("/operations/remint-servers", response={201: ProgressOut})
def remint_servers(request: Any, body: ServersIn, key: Key = None) -> Any:
    """Replace the certificates of one or more servers (Remint Certificate)."""
    spec = requests.RemintServersRequest(
        servers=tuple(body.server_ids),
        common_name=body.common_name.strip(),
        name=body.name,
        manual_csr=body.manual_csr,
        subject=body.subject.fields(),
        **body.get_values(request),
    )
    return _start(request, creation.remint_servers, spec, key, Operation.Kind.REMINT_SERVER)


def _start(
    request: Any,
    start: Start,
    spec: requests.OperationRequest,
    key: UUID | None,
    kind: str,
) -> Any:
    with transaction.atomic():
        now = timezone.now()
        operation = start(spec, by=request.user, key=key or uuid4(), now=now)
        _check_idempotency_key(operation, spec, request.user.pk, kind)
        tasks.enqueue_step_on_commit(operation)
    return Status(201, build_progress(operation))


def _check_idempotency_key(
    operation: Operation, request: requests.OperationRequest, user: int, kind: str
) -> None:
    """Raise Conflict if another request or another user has used the same key."""
    parameters = json.loads(json.dumps(requests.serialize_request(request)))
    # It is not stored if the activation time is in a maintenance window.
    parameters.pop(OVERRIDE, None)
    same = all(operation.parameters.get(name) == value for name, value in parameters.items())
    if operation.kind != kind or operation.requested_by_id != user or not same:
        raise Conflict(
            _(
                "This Idempotency-Key has already been used for a different "
                "operation. Nothing was started."
            ),
            action=_("Use a new UUID for each operation."),
        )
