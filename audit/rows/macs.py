"""Compute and verify the MAC of a row.

The key is derived from the zone master key, which the database contains only encrypted. So a row
that was written with SQL alone has no valid MAC (D-170).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

PURPOSE = "zcc-row-mac"


@dataclass(frozen=True)
class RowKey:
    """The key of the MACs. If they are not `required`, rows without a valid one are accepted.

    That is the case only during an upgrade, until all rows have a MAC. The same applies to second
    factors and recovery codes, which have MACs since a later version (D-210).
    """

    key: bytes
    required: bool
    requires_second_factors: bool = False


KeySource = Callable[[], RowKey | None]
_sources: list[KeySource] = []


def set_key_source(source: KeySource) -> None:
    """Set the function that returns the key, or None on a host without a zone."""
    _sources[:] = [source]


def get_key() -> RowKey | None:
    """Return the key. Before a zone exists, it is None, and rows have no MAC."""
    return _sources[0]() if _sources else None


def derive_key(master: bytes) -> bytes:
    """Return the key of the MACs of a zone."""
    return hmac.new(master, PURPOSE.encode(), "sha256").digest()


def compute(key: bytes, label: str, values: Mapping[str, Any]) -> str:
    """Return the MAC (64 hexadecimal digits) of the values of a row. `label` names its model."""
    text = json.dumps(
        [label, dict(values)], sort_keys=True, separators=(",", ":"), default=_serialize
    )
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _serialize(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return hashlib.sha256(value).hexdigest()
    return str(value)


def is_valid(mac: str, label: str, values: Mapping[str, Any]) -> bool:
    """Return True if the MAC of a row matches its values, or if MACs are not required yet.

    Until then, consoles of the previous version change rows without their MACs.
    """
    held = get_key()
    return held is None or not held.required or is_made_with(held.key, mac, label, values)


def is_second_factor_valid(mac: str, label: str, values: Mapping[str, Any]) -> bool:
    """Return True if a MAC of a second factor matches, or if these are not required yet."""
    held = get_key()
    is_required = held is not None and held.requires_second_factors
    return not is_required or is_valid(mac, label, values)


def is_made_with(key: bytes, mac: str, label: str, values: Mapping[str, Any]) -> bool:
    """Return True if the MAC of a row was made with this key and matches the values."""
    return hmac.compare_digest(mac, compute(key, label, values))
