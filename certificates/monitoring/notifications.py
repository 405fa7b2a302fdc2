"""What has to be told: read from the ledger and from what expires, put into the queue (B-25, D-46).

The ledger has no gaps, and each look goes on where the last one ended, in one transaction with the
rows it makes: nothing is forgotten and nothing is told twice, whoever dies in between.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from audit.models import Entry, Head
from certificates.approvals import approvals
from certificates.issuance import expiry
from certificates.models import Operation, VaultJob
from certificates.operations.states import JobState, OperationState
from devices.models import Device
from notifications.channels import mail
from notifications.delivery import delivery, events
from notifications.delivery.events import Event
from notifications.models import Cursor, Target
from notifications.targets import targets
from systemupdates.models import Assignment
from systemupdates.updates.states import AssignmentState

AT_ONCE = 5000
NAMED_AT_MOST = 20
DAILY = timedelta(hours=24)
OPERATION, ASSIGNMENT = "certificates.Operation:", "systemupdates.Assignment:"
P = OperationState
TOLD = {
    P.BLOCKED: events.BLOCKED,
    P.FAILED: events.FAILED,
    P.CANCEL_FAILED: events.FAILED,
    P.ACTIVATED: events.ACTIVATED,
    P.COMPLETED: events.COMPLETED,
    P.CANCELLED: events.CANCELLED,
    P.ROLLED_BACK: events.CANCELLED,
}
WORDS = {
    P.BLOCKED: "is blocked",
    P.FAILED: "failed",
    P.CANCEL_FAILED: "could not be cancelled",
    P.ACTIVATED: "is active on the servers",
    P.COMPLETED: "is completed",
    P.CANCELLED: "was cancelled",
    P.ROLLED_BACK: "was rolled back",
}

# What may be asked for that waits for a second administrator: of an operation, of the CA key.
ASKED = {f"ask-{act}": label for act, label in approvals.LABELS.items()}
JOBS = {f"ask-{kind.value}": kind.label for kind in VaultJob.Kind}
LOOKED_AT = ("start", "move", *ASKED, *JOBS)


def is_due(now: datetime) -> bool:
    """Tell whether there is anything to look at."""
    cursor, head = Cursor.objects.first(), Head.objects.first()
    if cursor is None or (head is not None and head.seq > cursor.seq):
        return True
    return cursor.expiry_told_at is None or now - cursor.expiry_told_at >= DAILY


@transaction.atomic
def tell(now: datetime) -> None:
    """Put what happened since the last look into the queue, and once a day what expires."""
    cursor = _cursor()
    if mail.is_on() and not cursor.mail_offered:
        cursor.mail_offered = True
        _offer_mail()
    last = Head.objects.values_list("seq", flat=True).first() or 0
    upto = min(last, cursor.seq + AT_ONCE)
    lines = Entry.objects.filter(seq__gt=cursor.seq, seq__lte=upto, action__in=LOOKED_AT)
    found = list(lines.order_by("seq"))
    for event in (*_of_operations(found), *_of_jobs(found), *_of_devices(found)):
        delivery.queue(event, now=now)
    cursor.seq = upto
    if cursor.expiry_told_at is None or now - cursor.expiry_told_at >= DAILY:
        cursor.expiry_told_at = now
        for event in _of_expiry(now):
            delivery.queue(event, now=now)
    cursor.save()


def _cursor() -> Cursor:
    """Return the place up to which was looked, locked; a new one begins at the end."""
    last = Head.objects.values_list("seq", flat=True).first() or 0
    Cursor.objects.get_or_create(pk=1, defaults={"seq": last})
    return Cursor.objects.select_for_update().get(pk=1)


def _offer_mail() -> None:
    """With the first mail server there is a target: the administrators who may act on the CA."""
    if not Target.objects.filter(kind=Target.Kind.MAIL).exists():
        targets.create(Target.Kind.MAIL, targets.Order("Administrators", list(events.USUAL)))


def _of_operations(lines: Iterable[Entry]) -> Iterable[Event]:
    mine = [line for line in lines if line.subject.startswith(OPERATION)]
    keys = {line.subject.removeprefix(OPERATION) for line in mine}
    known = {
        str(operation.pk): operation
        for operation in Operation.objects.filter(pk__in=keys).select_related("requested_by")
    }
    for line in mine:
        operation = known.get(line.subject.removeprefix(OPERATION))
        if operation is not None and (event := _of_operation(line, operation)) is not None:
            yield event


def _of_operation(line: Entry, operation: Operation) -> Event | None:
    if line.action in ASKED:
        kind, words = events.WAITS, f"waits for a second administrator: {ASKED[line.action]}"
    elif line.action == "start" and line.there == P.PROPOSED:
        kind, words = events.WAITS, "waits for a second administrator"
    elif line.action == "start":
        kind, words = events.STARTED, "has started"
    elif line.there in TOLD:
        kind, words = TOLD[P(line.there)], WORDS[P(line.there)]
    else:
        return None
    by = operation.requested_by.username if operation.requested_by is not None else "the console"
    by = line.actor if line.action in ASKED else by
    facts: dict[str, Any] = {
        "operation": str(operation.pk),
        "kind": operation.kind,
        "name": operation.name,
        "state": line.there or operation.state,
        "requested_by": by,
        "activates_at": _iso(operation.activates_at),
        "at": _iso(line.at),
    }
    parts = [f"{operation.name} {words}.", f"Requested by {by}."]
    if operation.activates_at is not None:
        parts.append(f"Activation: {operation.activates_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC.")
    reason = line.note or (operation.reason if operation.state == line.there else "")
    if reason and line.action == "move":
        facts["reason"] = reason
        parts += [f"Reason: {reason}", operation.action]
    parts.append(_link("/configuration/certificates/"))
    text = "\n\n".join(part for part in parts if part)
    return Event(kind, f"line:{line.seq}", f"{operation.name} {words}", text, facts)


def _of_jobs(lines: Iterable[Entry]) -> Iterable[Event]:
    """Return one event for each act on the CA key that waits for a second administrator."""
    for line in lines:
        if line.action not in JOBS or line.there != JobState.PROPOSED:
            continue
        title = f"{JOBS[line.action]} waits for a second administrator"
        parts = [f"{title}.", f"Requested by {line.actor}.", _link("/configuration/certificates/")]
        facts = {"act": line.action.removeprefix("ask-"), "requested_by": line.actor}
        facts["at"] = _iso(line.at)
        yield Event(events.WAITS, f"line:{line.seq}", title, "\n\n".join(parts), facts)


def _of_devices(lines: Iterable[Entry]) -> Iterable[Event]:
    """Return one event for each update in which devices failed since the last look."""
    failed = [
        line
        for line in lines
        if line.subject.startswith(ASSIGNMENT) and line.there == AssignmentState.FAILED
    ]
    keys = [int(line.subject.removeprefix(ASSIGNMENT)) for line in failed]
    rows = Assignment.objects.filter(pk__in=keys).select_related("device", "update")
    by_update: dict[Any, list[Assignment]] = {}
    for row in rows.order_by("device__name"):
        by_update.setdefault(row.update, []).append(row)
    for update, group in by_update.items():
        told = [f"{row.device.name}: {row.reason or 'no reason given'}" for row in group]
        more = len(told) - NAMED_AT_MOST
        title = f"{len(told)} failed in {update.name}: {group[0].device.name}"
        text = "\n".join(told[:NAMED_AT_MOST]) + (f"\nand {more} more" if more > 0 else "")
        facts = {
            "update": str(update.pk),
            "name": update.name,
            "failed": len(told),
            "devices": [row.device.name for row in group[:NAMED_AT_MOST]],
        }
        link = _link(f"/system-updates/{update.pk}/devices/")
        key = f"failed:{update.pk}:{failed[-1].seq}"
        yield Event(events.DEVICE_FAILED, key, title, f"{text}\n\n{link}".strip(), facts)


def _of_expiry(now: datetime) -> Iterable[Event]:
    """Return one event for all that expires within 90 days, or has expired."""
    found = expiry.warnings(now)
    if not found:
        return
    texts = [warning.text for warning in found]
    facts = {
        "warnings": [
            {"about": w.about, "text": w.text, "expires_at": _iso(w.expires_at)} for w in found
        ]
    }
    title = texts[0] if len(texts) == 1 else f"{texts[0]} (and {len(texts) - 1} more)"
    link = _link("/configuration/certificates/")
    text = "\n".join([*texts, "", link]).strip()
    yield Event(events.EXPIRY, f"expiry:{now:%Y-%m-%dT%H:%M}", title, text, facts)


def _link(path: str) -> str:
    """Return where to look, as an address of the console."""
    if settings.CONSOLE_URL:
        return f"{settings.CONSOLE_URL.rstrip('/')}{path}"
    server = Device.objects.primaries().order_by("registered_at").first()
    return f"{server.address(server.port, 'https')}{path}" if server is not None else ""


def _iso(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat() if moment is not None else ""
