"""The input of an operation as plain values, and its validation."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.utils.translation import gettext as _

from certificates.operations.activation_time import ActivationLimits
from faults import Fault, Invalid
from pki import keys, names
from pki.certificates.constraints import NameConstraints

YEARS, DEFAULT_YEARS = range(1, 11), 10
MAX_NAME_LENGTH = 100


@dataclass(frozen=True)
class SubjectFields:
    """The subject of a server certificate without its common name."""

    organization: str = ""
    organizational_unit: str = ""
    locality: str = ""
    state: str = ""
    country: str = ""

    def check(self) -> None:
        """Raise Invalid with the name of the field if X.520 does not allow a value."""
        for field, value in vars(self).items():
            try:
                names.Subject("probe", **{field: value})
            except Fault as fault:
                raise Invalid(fault.explanation, action=fault.action, field=field) from fault


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What every operation needs.

    `activates_at` None means Immediate. Remint CA allows it only if the CA has expired.
    """

    key_length: int
    include_dns: bool
    activates_at: datetime | None
    window_override: str = ""

    def check(self) -> None:
        """Raise Invalid with the name of the field if a value is out of range."""
        check_key_length(self.key_length)


@dataclass(frozen=True, kw_only=True)
class RemintCARequest(_Request):
    """Replace the zone CA with a new one on the same server.

    See: manual 1.2.9; D-23
    """

    common_name: str
    years: int
    name_constraints: NameConstraints | None = None

    def check(self) -> None:
        """Raise Invalid with the name of the field if a value is out of range."""
        check_subject(self.common_name, field="common_name")
        super().check()
        check_years(self.years)


@dataclass(frozen=True, kw_only=True)
class _NewCARequest(_Request):
    """Replace the zone CA with one whose key is on a Primary Server that is online."""

    certificate_server: UUID
    subject: str
    name_constraints: NameConstraints | None = None

    def check(self) -> None:
        """Raise Invalid with the name of the field if a value is out of range."""
        check_subject(self.subject, field="subject")
        super().check()


@dataclass(frozen=True, kw_only=True)
class ChangeToSubordinateRequest(_NewCARequest):
    """Replace the zone CA with one that another CA certifies, and decides about its validity.

    See: D-295
    """


@dataclass(frozen=True, kw_only=True)
class ChangeToInternalRequest(_NewCARequest):
    """Replace the zone CA with an internal one.

    See: manual 1.2.4
    """

    years: int

    def check(self) -> None:
        """Raise Invalid with the name of the field if a value is out of range."""
        super().check()
        check_years(self.years)


@dataclass(frozen=True, kw_only=True)
class TakeOverCARequest(_Request):
    """Replace the zone CA with one from a backup whose key is on a Primary Server (D-31)."""

    certificate_server: UUID
    root_pem: str
    intermediates_pem: str
    authority: UUID


@dataclass(frozen=True, kw_only=True)
class ChangeToExternalRequest(_Request):
    """Replace the zone CA with an external one. Its root becomes the zone CA.

    `manual_csr`: the administrator generates the CSR of each server. Otherwise, the server does.

    See: manual 1.2.4
    """

    root_pem: str
    intermediates_pem: str
    manual_csr: bool
    subject: SubjectFields = SubjectFields()

    def check(self) -> None:
        """Raise Invalid with the name of the field if a value is out of range."""
        super().check()
        self.subject.check()


@dataclass(frozen=True, kw_only=True)
class RemintServersRequest(_Request):
    """Replace the certificates of one or more servers.

    `common_name` applies to a single server. Otherwise, the FQDN of each server is used.

    See: manual 1.3.2
    """

    servers: tuple[UUID, ...]
    common_name: str
    name: str
    manual_csr: bool = False
    subject: SubjectFields = SubjectFields()

    def check(self) -> None:
        """Raise Invalid with the name of the field if a value is out of range."""
        super().check()
        self.subject.check()
        if not self.servers:
            raise Invalid(_("Select at least one server."), field="servers")
        if not self.name.strip() or len(self.name) > MAX_NAME_LENGTH:
            raise Invalid(
                _("Enter a system update name of 1 to %(most)s characters.")
                % {"most": MAX_NAME_LENGTH},
                field="name",
            )


CAOperationRequest = (
    RemintCARequest
    | ChangeToInternalRequest
    | ChangeToSubordinateRequest
    | TakeOverCARequest
    | ChangeToExternalRequest
)
OperationRequest = CAOperationRequest | RemintServersRequest
R = TypeVar("R", bound=OperationRequest)


def check_activation(request: R, limits: ActivationLimits) -> R:
    """Raise a fault if a request cannot be activated at its time. Return the request.

    Without the reason for a time outside the maintenance windows, if the time is in one of them.
    """
    at = request.activates_at
    limits.check(at)
    limits.check_window(at, override=request.window_override)
    if request.window_override and (at is None or limits.schedule.is_open(at)):
        return replace(request, window_override="")
    return request


def serialize_request(request: OperationRequest) -> dict[str, Any]:
    """Return a request as JSON values, including whether the new CA is external."""
    plain = asdict(request)
    plain.pop("activates_at")
    plain.pop("servers", None)
    if not request.window_override:
        plain.pop("window_override")
    constraints = getattr(request, "name_constraints", None)
    if "name_constraints" in plain:
        plain["name_constraints"] = constraints.serialize() if constraints else None
    for name in ("certificate_server", "authority"):
        if name in plain:
            plain[name] = str(plain[name])
    plain["external"] = isinstance(request, ChangeToExternalRequest)
    if isinstance(request, ChangeToSubordinateRequest):
        plain["subordinate"] = True
    return plain


def check_subject(text: str, *, field: str) -> names.Subject:
    """Return the parsed subject; a single word is its common name (D-1, D-3)."""
    try:
        return names.Subject.parse(text)
    except Fault as fault:
        raise Invalid(fault.explanation, action=fault.action, field=field) from fault


def check_key_length(length: int) -> None:
    """Raise Invalid for an unsupported key length (D-9)."""
    if length not in keys.KEY_LENGTHS:
        offered = ", ".join(str(known) for known in keys.KEY_LENGTHS)
        raise Invalid(
            _("The key length must be one of: %(offered)s.") % {"offered": offered},
            field="key_length",
        )


def check_years(years: int) -> None:
    """Raise Invalid for a validity period outside 1 to 10 years."""
    if years not in YEARS:
        raise Invalid(_("The validity period must be 1 to 10 years."), field="years")
