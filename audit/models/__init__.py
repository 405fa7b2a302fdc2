"""Models of the audit log, and the base class of models with a state."""

from audit.models.entries import (
    GENESIS_DIGEST,
    Checkpoint,
    Entry,
    EntryCount,
    EntryLimit,
    escape_invisible,
    from_timestamp,
)
from audit.models.stateful import StatefulModel, StatefulQuerySet

__all__ = [
    "GENESIS_DIGEST",
    "Checkpoint",
    "Entry",
    "EntryCount",
    "EntryLimit",
    "StatefulModel",
    "StatefulQuerySet",
    "escape_invisible",
    "from_timestamp",
]
