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
from audit.models.witnesses import CheckpointMismatch, LossAcceptance

__all__ = [
    "GENESIS_DIGEST",
    "Checkpoint",
    "CheckpointMismatch",
    "Entry",
    "EntryCount",
    "EntryLimit",
    "LossAcceptance",
    "StatefulModel",
    "StatefulQuerySet",
    "escape_invisible",
    "from_timestamp",
]
