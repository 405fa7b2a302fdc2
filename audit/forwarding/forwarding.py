"""Forward the audit log to a syslog server, from the last entry that the server has received.

Nothing is lost while the server is away: the position advances only when the server has confirmed
a batch. A batch that was not confirmed is sent again, so the server can receive entries twice.

See: D-205
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from audit.entries.subjects import build_rows
from audit.forwarding import transport
from audit.forwarding.messages import build_message, build_test_message
from audit.models import GENESIS_DIGEST, Checkpoint, Entry, SyslogServer
from faults import Fault, Invalid, NotFound

SUBJECT = "ledger.SyslogServer:1"
BATCH_SIZE = 500
# Longer than a batch can take.
LEASE = timedelta(minutes=2)
FIRST_DELAY, MAX_DELAY = timedelta(seconds=5), timedelta(minutes=5)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ForwardingSettings:
    """Where to forward the audit log. `with_existing` sends the entries so far, too."""

    host: str
    port: int
    roots_pem: str = ""
    with_existing: bool = False


@transaction.atomic
def save_settings(values: ForwardingSettings, *, now: datetime) -> SyslogServer:
    """Forward the audit log to a server. Raises Invalid if the settings are not valid."""
    if not values.host or any(c.isspace() or c in "/:@" for c in values.host):
        raise Invalid(
            _("The host is not valid. Nothing was changed."),
            action=_("Enter a host name or an IPv4 address."),
            field="host",
        )
    transport.create_context(values.roots_pem)
    checkpoint = Entry.objects.lock_checkpoint()
    server = SyslogServer.objects.select_for_update().filter(pk=1).first()
    before = _as_dict(server)
    is_new = server is None
    if server is None:
        server = SyslogServer(pk=1)
    if is_new or values.with_existing:
        server.seq = 0 if values.with_existing else checkpoint.seq
        server.digest = GENESIS_DIGEST if values.with_existing else checkpoint.digest
    server.host, server.port = values.host, values.port
    server.roots_pem, server.due_at = values.roots_pem, now
    server.failures, server.problem, server.failed_since = 0, "", None
    server.revision += 1
    server.save()
    detail = {"before": before, "after": _as_dict(server)}
    Entry.objects.append(checkpoint, "change-syslog", SUBJECT, note=str(server), detail=detail)
    return server


@transaction.atomic
def stop() -> None:
    """Stop forwarding the audit log. Raises NotFound if it is not forwarded."""
    checkpoint = Entry.objects.lock_checkpoint()
    server = _get_server()
    detail = {"before": _as_dict(server), "after": {}}
    Entry.objects.append(checkpoint, "remove-syslog", SUBJECT, note=str(server), detail=detail)
    server.delete()


def send_test(*, now: datetime) -> SyslogServer:
    """Send a test message. Raises Unavailable if the server did not confirm it."""
    server = _get_server()
    Entry.objects.record("test-syslog", SUBJECT, note=str(server))
    message = build_test_message("Test message of the audit log.", now.isoformat())
    transport.send(server.host, server.port, server.roots_pem, [message])
    return server


def is_due(now: datetime) -> bool:
    """Return True if there are entries to send, and the next batch can be sent now."""
    server = SyslogServer.objects.due(now).first()
    return server is not None and server.seq != _get_last_seq()


def list_behind(now: datetime) -> QuerySet[SyslogServer]:
    """Return the syslog server if there are entries to send, and they can be sent now."""
    last = Checkpoint.objects.values("seq")
    return SyslogServer.objects.due(now).exclude(seq__in=last)


def count_pending(server: SyslogServer) -> int:
    """Return the number of entries that the server has not received."""
    return max(0, _get_last_seq() - server.seq)


def send_batch(now: datetime) -> int:
    """Send the next entries and return their number, or 0 if the server did not receive them.

    Several workers can call it. One of them sends.
    """
    server = SyslogServer.objects.due(now).first()
    if server is None:
        return 0
    # The time limit of a worker that stops while it sends.
    if not _update(server, now, due_at=now + LEASE):
        return 0
    _restart_if_replaced(server)
    entries = list(Entry.objects.filter(seq__gt=server.seq).order_by("seq")[:BATCH_SIZE])
    mine = SyslogServer.objects.filter(pk=1, revision=server.revision)
    if not entries:
        mine.update(due_at=now)
        return 0
    messages = [build_message(row, version=settings.VERSION) for row in build_rows(entries)]
    try:
        transport.send(server.host, server.port, server.roots_pem, messages)
    except Fault as fault:
        _record_failure(server, fault, now)
        return 0
    last = entries[-1]
    return len(entries) * mine.filter(seq=server.seq).update(
        seq=last.seq,
        digest=last.digest,
        due_at=now,
        failures=0,
        problem="",
        failed_since=None,
        sent_at=now,
    )


def _record_failure(server: SyslogServer, fault: Fault, now: datetime) -> None:
    """Store why a batch was not received, and try again later, after an increasing delay."""
    delay = min(MAX_DELAY, FIRST_DELAY * 2 ** min(server.failures, 10))
    SyslogServer.objects.filter(pk=1, revision=server.revision).update(
        due_at=now + delay,
        failures=F("failures") + 1,
        problem=fault.explanation[:300],
        failed_since=server.failed_since or now,
    )
    if not server.failures:
        log.warning("%s The audit log is sent again later.", fault.explanation)


def _restart_if_replaced(server: SyslogServer) -> None:
    """Send all entries again if the last one that was sent is no longer in the audit log.

    That is the case after a restore of the database: numbers of entries are used again.
    """
    if server.seq == 0:
        return
    stored = Entry.objects.filter(seq=server.seq).values_list("digest", flat=True).first()
    if stored == server.digest:
        return
    log.warning("The audit log was restored. All entries are sent to the syslog server again.")
    SyslogServer.objects.filter(pk=1, revision=server.revision, seq=server.seq).update(
        seq=0, digest=GENESIS_DIGEST
    )
    server.seq = 0


def _update(server: SyslogServer, now: datetime, **changes: Any) -> int:
    return SyslogServer.objects.due(now).filter(revision=server.revision).update(**changes)


def _get_last_seq() -> int:
    return Checkpoint.objects.values_list("seq", flat=True).first() or 0


def _get_server() -> SyslogServer:
    server = SyslogServer.objects.get_server()
    if server is None:
        raise NotFound(_("The audit log is not forwarded. Nothing was changed."))
    return server


def _as_dict(server: SyslogServer | None) -> dict[str, Any]:
    if server is None:
        return {}
    roots = server.roots_pem.count("BEGIN CERTIFICATE")
    return {"host": server.host, "port": server.port, "root certificates": roots}
