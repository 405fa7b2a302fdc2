"""Claims of pending CSRs, so that several workers of a certificate server sign different ones.

A claim is one statement, and needs no transaction that stays open while CSRs are signed. It ends
with the batch. If the worker ends before, others sign the CSRs after a few minutes.

See: D-306
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from certificates.models import Authority

# A batch takes less than a minute. After this time, the worker that claimed it has ended.
CLAIM = timedelta(minutes=5)
# A server that is not approved, or that has left the zone, gets no certificate. The condition is
# repeated, because PostgreSQL verifies only that of the outer statement again for a changed row. A
# subquery that is not materialized can be run for each row, and would claim more than the batch.
_CLAIM = """
WITH found AS MATERIALIZED (
  SELECT future.id FROM certificates_futurecertificate AS future
  JOIN devices_device AS device ON device.guid = future.device_id
  WHERE authority_id = %s AND future.state = 'awaited' AND csr_pem <> ''
    AND (claimed_until IS NULL OR claimed_until < %s) AND device.state = 'registered'
  ORDER BY future.id LIMIT %s {lock}
)
UPDATE certificates_futurecertificate SET claimed_until = %s
WHERE state = 'awaited' AND (claimed_until IS NULL OR claimed_until < %s)
  AND id IN (SELECT id FROM found) RETURNING id
"""
# Only placeholders and constants are formatted into the statements. All values are parameters.
_RELEASE = """
UPDATE certificates_futurecertificate SET claimed_until = NULL
WHERE claimed_until = %s AND id IN ({keys})
"""


@contextmanager
def claim(authority: Authority, count: int, *, now: datetime) -> Iterator[list[int]]:
    """Claim pending CSRs of a CA that no other worker signs, and yield their keys.

    Those that were not signed can be signed again at the end: they failed, or the server has to
    generate another CSR.
    """
    until = connection.ops.adapt_datetimefield_value(now + CLAIM)
    claimed = _claim(authority, count, until, now)
    try:
        yield claimed
    finally:
        if claimed:
            _release(claimed, until)


def _claim(authority: Authority, count: int, until: Any, now: datetime) -> list[int]:
    # SQLite has one writer at a time.
    lock = "FOR UPDATE OF future SKIP LOCKED" if connection.vendor == "postgresql" else ""
    at = connection.ops.adapt_datetimefield_value(now)
    ca = Authority._meta.pk.get_db_prep_value(authority.pk, connection)
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(lock=lock), [ca, at, count, until, at])
        return [key for (key,) in cursor.fetchall()]


def _release(claimed: list[int], until: Any) -> None:
    statement = _RELEASE.format(keys=", ".join(["%s"] * len(claimed)))
    with connection.cursor() as cursor:
        cursor.execute(statement, [until, *claimed])
