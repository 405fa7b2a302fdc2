"""The syslog server that receives the audit log, and the last entry that it has received."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.db import models

from audit.models.entries import GENESIS_DIGEST


class SyslogServerQuerySet(models.QuerySet["SyslogServer"]):
    """Queries of the only row."""

    def get_server(self) -> SyslogServer | None:
        """Return the syslog server, or None if the audit log is not forwarded."""
        return self.filter(pk=1).first()

    def due(self, now: datetime) -> Self:
        """Return the server if the next batch can be sent now."""
        return self.filter(pk=1, due_at__lte=now)


class SyslogServer(models.Model):
    """A syslog server (RFC 5424 over TLS, RFC 5425). There is at most one row.

    A worker postpones `due_at` before it sends, so that no other worker sends the same batch.
    """

    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=6514)
    roots_pem = models.TextField(blank=True)
    """The roots that the certificate of the server must lead to. "" means those of the system."""
    revision = models.PositiveIntegerField(default=1)
    """Increases with each change, so that a batch for the previous server does not count."""
    seq = models.BigIntegerField(default=0)
    """The last entry that the server has received, and its digest."""
    digest = models.CharField(max_length=64, default=GENESIS_DIGEST)
    due_at = models.DateTimeField()
    failures = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)
    failed_since = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    objects = SyslogServerQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
