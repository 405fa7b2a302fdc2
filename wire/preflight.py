"""Results of preflight checks: TLS handshakes with the new certificates before activation."""

from __future__ import annotations

from typing import List

from wire.records import Record

PASSED, REJECTED, UNREACHABLE = "ok", "refused", "unreachable"


class PreflightResult(Record):
    """Result of one device's handshake with the new certificate of one server.

    `code` is PASSED, REJECTED (the certificate was not accepted) or UNREACHABLE.
    """

    server: str
    code: str
    detail: str = ""


class PreflightReport(Record):
    """POST /zac/v1/updates/<id>/preflight."""

    results: List[PreflightResult]
    at: float
