"""The record of a CA key: what was done with it, who requested it, and who approved it.

It is built from the audit log and signed with the zone key, so that an auditor can keep it. It
does not show where backup files are.

See: D-263
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from audit.models import Entry
from certificates.backup.status import BACKED_UP
from certificates.models import Authority, Operation, VaultJob
from certificates.operations.states import AuthorityState, JobState, OperationState
from certificates.progress.documents import describe_entry, format_utc
from devices.identity import zone_keys
from devices.models import Zone
from pki.certificates import details
from wire import metadata
from wire.envelope import Envelope
from wire.records import Record

VERSION = 2
FOUNDED, CREATED, DESTROYED = "found", "future-ca", "destroy-ca-key"
CERTIFIED, SELF_SIGNED = "import-ca", "trusted-root"
JOB = "certificates.VaultJob:"
REQUESTS = {
    f"ask-{kind}": kind
    for kind in (VaultJob.Kind.BACKUP, VaultJob.Kind.MOVE, VaultJob.Kind.RESTORE)
}
ENDED = (AuthorityState.RETIRED, AuthorityState.DISCARDED)
JOB_ENDS = (JobState.DONE, JobState.FAILED, JobState.EXPIRED)


class KeyRecord(Record):
    """The signed content. `id` is the ID of the CA. Times are in UTC (RFC 3339).

    `actions` has one item for each thing that was done with the key: `action`, `requested_by`,
    `requested_at`, `approved_by` (the second administrator), `confirmed_by` and `confirmed_at` (on
    the certificate server), `result`, `ended_at`, `note`, and `entries` (numbers in the audit log).
    What is unknown or was not required is "". `entries` are these entries with their digests.

    The backups of a server are one action with its first and its last one. Those of the certificate
    server contain the key.
    """

    id: str
    zone: str
    zone_name: str
    made_at: str
    ca: dict[str, str]
    actions: list[dict[str, Any]]
    entries: list[dict[str, Any]]
    remarks: list[str]
    version: int = VERSION


def build_record(authority: Authority, *, now: datetime) -> KeyRecord:
    """Return the record of the key of a CA until now. For an external CA, it has no actions."""
    zone = Zone.objects.get_zone()
    found = list(_list_actions(authority)) if authority.is_internal else []
    actions = sorted([*found, *_list_zone_backups(found)], key=lambda action: action["entries"])
    numbers = {number for action in actions for number in action["entries"]}
    return KeyRecord(
        id=str(authority.pk),
        zone=str(zone.guid),
        zone_name=zone.name,
        made_at=format_utc(now),
        ca=_describe_ca(authority),
        actions=actions,
        entries=[_describe_entry(one) for one in _entries(Q(seq__in=numbers))],
        remarks=list(_list_remarks(authority)),
    )


def sign_record(record: KeyRecord) -> Envelope:
    """Sign a record with the zone key. The signature is recorded in the audit log."""
    return zone_keys.get_keyring().sign(metadata.KEY_RECORD, record)


def _describe_ca(authority: Authority) -> dict[str, str]:
    server = authority.certificate_server
    return {
        "kind": authority.kind,
        "subject": authority.subject,
        "sha256": authority.sha256,
        "key": details.get_details(authority.root_pem).key_label,
        "state": authority.state,
        "location": _get_location(authority),
        "certificate_server": server.name if server is not None else "",
        "not_before": format_utc(authority.not_before),
        "not_after": format_utc(authority.not_after),
    }


def _get_location(authority: Authority) -> str:
    """Return where the key is now: "token", "vault", "destroyed", or "external"."""
    if not authority.is_internal:
        return "external"
    if not authority.sealed_key:
        return "destroyed"
    return "token" if authority.has_token_key else "vault"


def _list_remarks(authority: Authority) -> Iterator[str]:
    if not authority.is_internal:
        yield "The key of an external CA is not stored in this zone, so nothing is known about it."
        return
    yield "A backup of the CA or of the zone that was created earlier still contains the key."
    yield "manage.py verify_audit proves that the entries of the audit log are complete."


def _entries(condition: Q) -> QuerySet[Entry]:
    return Entry.objects.filter(condition).order_by("seq")


def _list_actions(authority: Authority) -> Iterator[dict[str, Any]]:
    subject = f"certificates.Authority:{authority.pk}"
    yield from _list_creations(authority, subject)
    for entry in _entries(Q(subject=subject, action__in=(CERTIFIED, SELF_SIGNED))):
        action = "certified" if entry.action == CERTIFIED else "trusted-root"
        yield _build_action(
            action, [entry], result="done", ended_at=format_utc(entry.at), note=entry.note
        )
    for request in _entries(Q(subject=subject, action__in=REQUESTS)):
        yield _build_job_action(request)
    ends = Q(action="move", there__in=ENDED)
    if authority.has_token_key or _entries(Q(subject=subject, action=DESTROYED)).exists():
        ends = Q(action=DESTROYED)
    for entry in _entries(Q(subject=subject) & ends):
        yield _build_action("destroyed", [entry], result="done", ended_at=format_utc(entry.at))


def _list_zone_backups(actions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the backups of each server since the key was created, until it was destroyed."""
    numbers = [number for action in actions for number in action["entries"]]
    if not numbers:
        return
    ends = [action["entries"][0] for action in actions if action["action"] == "destroyed"]
    rows = Q(action=BACKED_UP, seq__gt=min(numbers))
    if ends:
        rows &= Q(seq__lt=min(ends))
    servers: dict[str, list[Entry]] = {}
    for entry in _entries(rows):
        servers.setdefault(entry.there, []).append(entry)
    for server, found in servers.items():
        first, last = found[0], found[-1]
        yield _build_action(
            "zone-backup",
            [first] if first == last else [first, last],
            result="done",
            ended_at=format_utc(last.at),
            note=f"{server}: {len(found)}",
        )


def _list_creations(authority: Authority, subject: str) -> Iterator[dict[str, Any]]:
    """Yield how the key came into the zone: with the zone, for an operation, or from a backup."""
    for entry in _entries(Q(subject=subject, action=CREATED)):
        operation = Operation.objects.filter(future_authority=authority).first()
        yield _build_creation(entry, operation)
        return
    zone = f"devices.Zone:{Zone.objects.get_zone().guid}"
    for entry in _entries(Q(subject=zone, action=FOUNDED))[:1]:
        yield _build_action("created", [entry], result="done", ended_at=format_utc(entry.at))


def _build_creation(entry: Entry, operation: Operation | None) -> dict[str, Any]:
    if operation is None:
        return _build_action("created", [entry], result="done", ended_at=format_utc(entry.at))
    subject = f"certificates.Operation:{operation.pk}"
    start = _entries(Q(subject=subject, action="start")).first()
    approval = _entries(Q(subject=subject, here=OperationState.PROPOSED)).first()
    return _build_action(
        "imported" if "sealed_key" in operation.parameters else "created",
        [one for one in (start, approval, entry) if one is not None],
        approved_by=approval.actor if approval is not None else "",
        result="done",
        ended_at=format_utc(entry.at),
        note=operation.name,
    )


def _build_job_action(request: Entry) -> dict[str, Any]:
    """Return a backup, a move, or a restore with what happened to its request."""
    job = next((name for name in request.names or () if name.startswith(JOB)), "")
    moves = list(_entries(Q(subject=job, action="move"))) if job else []
    approval = next((one for one in moves if one.here == JobState.PROPOSED), None)
    if approval is not None and approval.there != JobState.WAITING:
        approval = None
    confirmation = next((one for one in moves if one.here == JobState.CONFIRMING), None)
    end = next((one for one in moves if one.there in JOB_ENDS), None)
    is_confirmed = confirmation is not None and confirmation.there == JobState.WAITING
    return _build_action(
        REQUESTS[request.action],
        [request, *moves],
        approved_by=approval.actor if approval is not None else "",
        confirmed_by=confirmation.actor if is_confirmed and confirmation else "",
        confirmed_at=format_utc(confirmation.at) if is_confirmed and confirmation else "",
        result=end.there if end is not None else "",
        ended_at=format_utc(end.at) if end is not None else "",
        note=request.note,
    )


def _build_action(action: str, entries: list[Entry], **values: str) -> dict[str, Any]:
    return {
        "action": str(action),
        "requested_by": entries[0].actor,
        "requested_at": format_utc(entries[0].at),
        "approved_by": "",
        "confirmed_by": "",
        "confirmed_at": "",
        "result": "",
        "ended_at": "",
        "note": "",
        **values,
        "entries": [entry.seq for entry in entries],
    }


def _describe_entry(entry: Entry) -> dict[str, Any]:
    return {**describe_entry(entry), "address": entry.address, "subject": entry.subject}
