"""The revocations in the audit log, from which deleted and altered rows are restored.

An entry contains the values of its row and the row MAC, so it is as authentic as the row. Who can
write to the database can delete a row, but an entry only together with the rest of the hash
chain, which devices and servers notice (D-135).

See: D-282
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models, transaction

from audit.models import Entry, list_rows
from audit.rows import alarms
from certificates.models import Authority, Revocation
from devices.models import Device
from pki.certificates.revocation import RevokedSerial

ACTION = "revoke-certificate"
DEVICE = "devices.Device:"
HOST = "certificates.AcmeCertificate:"
LABEL = Revocation._meta.label
CHUNK_SIZE = 500


def record(revocation: Revocation, subject: str, name: str) -> None:
    """Append the audit entry of a new revocation, in the transaction that has stored its row.

    `subject` is the server or the certificate of a host without an agent, and `name` its name.
    """
    values = revocation.get_authenticated_values()
    detail = {
        "serial": revocation.serial,
        "sha256": revocation.digest,
        "reason": revocation.reason,
        "authority": str(values["authority"]),
        "signed_part": revocation.signed_part,
        "not_after": revocation.not_after.astimezone(UTC).isoformat(),
        "revoked_at": revocation.revoked_at.isoformat(),
        "revoked_by": revocation.revoked_by,
        "subject": revocation.subject,
        "row": revocation.pk,
        "row_mac": revocation.row_mac,
    }
    Entry.objects.record(ACTION, subject, note=name, detail=detail)


def list_effective(at: datetime, authority: Authority | None = None) -> list[Revocation]:
    """Return the revocations of certificates that have not expired, sorted by time.

    Rows that were deleted or changed with SQL are replaced by what the audit log contains about
    them. `authority` selects those of one CA. What has expired is not read.
    """
    stored = Revocation.objects.effective(at)
    found = {row.digest: row for row in stored if alarms.is_authentic(row)}
    # The audit log prevails: an administrator might have accepted a row that was altered.
    found.update(list_recorded(at))
    rows = (row for row in found.values() if row.not_after > at)
    if authority is not None:
        rows = (row for row in rows if row.authority_id == authority.pk)
    return sorted(rows, key=lambda row: (row.revoked_at, row.digest))


def build_entry(row: Revocation) -> RevokedSerial:
    """Return the entry of a CRL, or the status in an OCSP response, about a revocation."""
    at = row.revoked_at.replace(microsecond=0)
    return RevokedSerial(int(row.serial, 16), at, row.reason)


def list_recorded(at: datetime | None = None) -> dict[str, Revocation]:
    """Return the revocations of the audit log as rows that are not stored, by digest.

    Those of certificates that had expired at `at` are not read. An entry that was inserted with
    SQL has no valid MAC, and revokes nothing.
    """
    found: dict[str, Revocation] = {}
    entries = Entry.objects.filter(action=ACTION)
    if at is not None:
        # The texts have whole seconds and the same time zone, so they are in the order of time.
        since = at.astimezone(UTC).replace(microsecond=0)
        entries = entries.filter(detail__not_after__gte=since.isoformat())
    for subject, detail in entries.order_by("seq").values_list("subject", "detail"):
        row = _build(subject, detail)
        if row is not None:
            found.setdefault(row.digest, row)
    return found


def _build(subject: str, detail: dict[str, Any]) -> Revocation | None:
    """Return the row that an audit entry describes, or None if its MAC is not valid."""
    try:
        row = Revocation(
            pk=int(detail["row"]),
            authority_id=Revocation._meta.get_field("authority").to_python(detail["authority"]),
            serial=detail["serial"],
            digest=detail["sha256"],
            signed_part=detail["signed_part"],
            not_after=datetime.fromisoformat(detail["not_after"]),
            reason=detail["reason"],
            revoked_at=datetime.fromisoformat(detail["revoked_at"]),
            revoked_by=str(detail["revoked_by"])[:150],
            subject=str(detail["subject"])[:253],
            row_mac=str(detail["row_mac"]),
        )
        if not subject.startswith(HOST):
            row.device_id = UUID(subject.removeprefix(DEVICE))
        return row if row.has_mac() else None
    except (KeyError, TypeError, ValueError, ValidationError):
        return None


def is_recorded(row: models.Model | None) -> bool:
    """Return True if a row is a revocation that the audit log contains."""
    return isinstance(row, Revocation) and row.digest in list_recorded()


def restore_rows(at: datetime | None = None) -> int:
    """Restore the rows that were deleted or altered with SQL, and return their number.

    Each raises an alarm, which an administrator ends (D-170). Revocations of certificates that had
    expired at `at` are not read.
    """
    # The log is read first. A revocation of this moment stores row and entry together.
    recorded = list_recorded(at)
    stored = _load_stored(list(recorded))
    missing = [
        (row, stored.get(digest))
        for digest, row in recorded.items()
        if digest not in stored or not stored[digest].is_authentic()
    ]
    for row, altered in missing:
        _restore(row, altered)
    return len(missing)


def _load_stored(digests: Sequence[str]) -> dict[str, Revocation]:
    found: dict[str, Revocation] = {}
    for start in range(0, len(digests), CHUNK_SIZE):
        chunk = digests[start : start + CHUNK_SIZE]
        found |= list_rows(Revocation).in_bulk(chunk, field_name="digest")
    return found


@transaction.atomic
def _restore(recorded: Revocation, altered: Revocation | None) -> None:
    """Raise the alarm about a row, and store it as the audit log has recorded it."""
    alarms.record(LABEL, recorded.pk if altered is None else altered.pk, str(recorded))
    rows = list_rows(Revocation)
    if altered is not None:
        recorded.pk = altered.pk
        rows.filter(pk=altered.pk).delete()
    elif rows.filter(pk=recorded.pk).exists():
        recorded.pk = None
    device = recorded.device_id
    if device is not None and not Device.objects.filter(pk=device).exists():
        recorded.device_id = None
    # The worker of another Primary Server might restore it at the same time.
    rows.bulk_create([recorded], ignore_conflicts=True)
