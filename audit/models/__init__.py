"""Models of the audit log, and the base class of models with a state."""

from audit.models.altered_rows import AlteredRow
from audit.models.authenticated import (
    AuthenticatedModel,
    AuthenticatedQuerySet,
    RowAltered,
    list_authenticated_models,
    list_rows,
)
from audit.models.entries import (
    GENESIS_DIGEST,
    Checkpoint,
    Entry,
    EntryCount,
    EntryLimit,
    escape_invisible,
    from_timestamp,
)
from audit.models.objects import EntryObject
from audit.models.stateful import (
    StatefulModel,
    StatefulQuerySet,
)
from audit.models.syslog import SyslogServer
from audit.models.witnesses import CheckpointMismatch, LossAcceptance

__all__ = [
    "GENESIS_DIGEST",
    "AlteredRow",
    "AuthenticatedModel",
    "AuthenticatedQuerySet",
    "Checkpoint",
    "CheckpointMismatch",
    "Entry",
    "EntryCount",
    "EntryLimit",
    "EntryObject",
    "LossAcceptance",
    "RowAltered",
    "StatefulModel",
    "StatefulQuerySet",
    "SyslogServer",
    "escape_invisible",
    "from_timestamp",
    "list_authenticated_models",
    "list_rows",
]
