"""What a device tells of the dress rehearsal (B-1)."""

from __future__ import annotations

from typing import List

from wire.values import Value


class RehearsalResult(Value):
    """One handshake of a device with one server's future certificate (B-1).

    `code`: "ok", "refused" (certificate not accepted), "unreachable".
    """

    server: str
    code: str
    detail: str = ""


class RehearsalReport(Value):
    """POST /zac/v1/updates/<id>/rehearsal."""

    results: List[RehearsalResult]
    at: float
