"""The pilot group of an operation in the REST API."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema


class PilotOut(Schema):
    """What the pilot group has reported while the other devices wait for it.

    `needed` is the number of devices that must pass, and `waiting` that of devices without result.
    The lists contain the names of the first 20 devices.
    """

    total: int
    passed: int
    failed: int
    waiting: int
    needed: int
    until: datetime
    failed_devices: list[str]
    waiting_devices: list[str]
