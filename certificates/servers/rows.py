"""The rows of the table of server certificates: what is shown of each server.

See: manual 1.3.1
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.issuance.names import find_name_faults
from certificates.models import FutureCertificate, Revocation, ServerCertificate
from certificates.operations.states import READY, FutureState, OperationState
from devices.models import Device
from systemupdates.models import Assignment
from systemupdates.updates.states import ERRORS, AssignmentState

FAILED_STATES = (FutureState.CREATE_FAILED, FutureState.CSR_FAILED)
HINTS = {
    FutureState.AWAITED: gettext_lazy("when the server receives the update"),
    FutureState.CSR_GENERATED: gettext_lazy("have the CSR signed, then import the certificate"),
    FutureState.CSR_FAILED: gettext_lazy("fix the problem, then try again"),
    FutureState.CREATE_FAILED: gettext_lazy("fix the problem, then try again"),
}
# The update of these operations has no assignments yet.
NOT_ASSIGNED = (OperationState.PROPOSED, OperationState.PREPARING, OperationState.REPLICATING)


@dataclass
class ServerRow:
    """A server in the table."""

    device: Device
    now: datetime
    certificate: ServerCertificate | None = None
    future: FutureCertificate | None = None
    assignment: Assignment | None = None
    name_fault: str = ""
    """Why a certificate with the recorded names cannot be issued, or ""."""
    is_revoked: bool = False

    @property
    def status(self) -> tuple[str, str]:
        """Return the tone and text of Certificate Status."""
        if self.future is not None:
            if self.has_rejected:
                return "bad", _("New certificate failed on the server")
            state = self.future.state
            tone = "bad" if state in FAILED_STATES else "good" if state in READY else "wait"
            return tone, self.future.state_label
        if self.certificate is None:
            return "warn", _("No certificate yet")
        if self.certificate.has_expired(self.now):
            return "bad", _("Expired")
        if self.is_revoked:
            return "bad", _("Revoked")
        return "ok", _("Active")

    @property
    def hint(self) -> str:
        """Return what the status is waiting for or what to do next, or "" if nothing."""
        if self.future is None:
            return ""
        if self.has_rejected:
            return _("see Failure Details, then replace the certificate or redeploy the update")
        if self.future.manual_csr and self.future.state == FutureState.AWAITED:
            text = _("waiting for files in the remint repository")
            return f"{text} {self.device.remint_repository}".rstrip()
        return str(HINTS.get(FutureState(self.future.state), ""))

    @property
    def update_status(self) -> tuple[str, str]:
        """Return the tone and text of Update Status."""
        if self.assignment is None:
            operation = self.future.operation if self.future is not None else None
            if operation is not None and operation.state in NOT_ASSIGNED:
                return "wait", operation.get_state_display()
            return "", ""
        tones = {
            AssignmentState.APPLIED: "ok",
            AssignmentState.ACTIVATED: "ok",
            **dict.fromkeys(ERRORS, "bad"),
            AssignmentState.DOWNLOADING: "busy",
            AssignmentState.APPLYING: "busy",
            AssignmentState.ACTIVATING: "busy",
        }
        state = AssignmentState(self.assignment.state)
        return tones.get(state, ""), self.assignment.get_state_display()

    @property
    def has_rejected(self) -> bool:
        """Return True if the server could not use the new certificate, for example a test failed.

        The console has the certificate, but the server has reported that its update failed.
        """
        future, assignment = self.future, self.assignment
        return (
            future is not None
            and future.operation is not None
            and assignment is not None
            and future.state in READY
            and assignment.state == AssignmentState.FAILED
            and assignment.update_id == future.operation.update_id
        )

    @property
    def has_failed(self) -> bool:
        """Return True if there are failure details to show."""
        future = self.future is not None and self.future.state in FAILED_STATES
        return future or (self.assignment is not None and self.assignment.state in ERRORS)

    @property
    def has_future(self) -> bool:
        """Return True if the new certificate can be viewed."""
        return self.future is not None and self.future.state in READY

    @property
    def has_csr(self) -> bool:
        """Return True if there is a CSR to download."""
        future = self.future
        return future is not None and future.state == FutureState.CSR_GENERATED


def get_rows(keys: list[UUID], updates: list[UUID], now: datetime) -> list[ServerRow]:
    """Return the rows of servers in the given order. Uses at most five queries."""
    found = {device.pk: ServerRow(device, now) for device in Device.objects.filter(pk__in=keys)}
    named = [row.device for row in found.values() if row.device.dns_names]
    for key, fault in find_name_faults(named).items():
        found[key].name_fault = fault
    revoked = Exists(Revocation.objects.filter(digest=OuterRef("digest")))
    current = ServerCertificate.objects.current().filter(device__in=keys)
    for certificate in current.annotate(is_revoked=revoked):
        found[certificate.device_id].certificate = certificate
        found[certificate.device_id].is_revoked = bool(vars(certificate)["is_revoked"])
    open_rows = FutureCertificate.objects.open().filter(device__in=keys)
    related = open_rows.one_per_device().select_related("operation", "authority")
    for future in related.defer("authority__root_pem", "authority__intermediates_pem"):
        found[future.device_id].future = future
    assigned = Assignment.objects.filter(device__in=keys, update__in=updates)
    for assignment in assigned.order_by("update__created_at"):
        found[assignment.device_id].assignment = assignment
    return [found[key] for key in keys if key in found]


def format_cell(row: ServerRow, column: str) -> str:
    """Return a cell as plain text for the export."""
    certificate = row.certificate
    plain = {
        "issued_to": row.device.name,
        "subject": row.device.fqdn,
        "status": row.status[1],
        "update_status": row.update_status[1],
        "version": row.device.version,
    }
    if column in plain or certificate is None:
        return str(plain.get(column, ""))
    return {
        "issuer": certificate.issuer,
        "valid_from": timezone.localtime(certificate.not_before).isoformat(),
        "expires": timezone.localtime(certificate.not_after).isoformat(),
        "sha256": certificate.sha256,
        "sha1": certificate.sha1,
        "md5": certificate.md5,
    }[column]
