"""The line about running operations that every page shows, and the revision by which it is polled.

One request of each visible page every few seconds drives all live panes: they are only asked when
the revision changes.

See: D-225, D-321
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from administrators.login.login import REQUIRED_STEP
from audit.models import Checkpoint
from certificates.authority import gates
from certificates.models import Operation, VaultJob
from certificates.operations.states import BLOCKING, JobState, OperationState
from certificates.progress.progress import digest
from devices.models import Zone

State = OperationState
SHOWN = BLOCKING
WATCHED = (*BLOCKING, State.ACTIVATED)
OPEN_JOBS = (JobState.PROPOSED, JobState.WAITING, JobState.CONFIRMING)
BAD = (State.BLOCKED, State.FAILED, State.CANCEL_FAILED)
MAX_ENDED = 3
KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Line:
    """A running operation. `freezes_at` is the begin of its freeze period, None without one."""

    operation: Operation
    freezes_at: datetime | None


@dataclass(frozen=True)
class Banner:
    """The operations that a page shows. `watched` are those whose end is reported.

    `changes` are the open CA key jobs and the position of the audit log, as text.
    """

    lines: list[Line]
    watched: list[Operation]
    changes: list[tuple[str, str]]

    @property
    def operations(self) -> list[Operation]:
        """Return the operations that are shown."""
        return [line.operation for line in self.lines]

    @property
    def tone(self) -> str:
        """Return the style of the line: bad, or busy."""
        return "bad" if any(one.state in BAD for one in self.operations) else "busy"

    @property
    def revision(self) -> str:
        """Return a text that changes with everything that is recorded, and names the operations."""
        facts = [
            (one.pk, one.state, one.activates_at, one.requested_action, one.reason)
            for one in self.watched
        ]
        return ".".join([digest(facts, self.changes), *(one.pk.hex for one in self.watched)])


def get_banner(zone: Zone | None = None, now: datetime | None = None) -> Banner:
    """Return the running operations, with two queries. `zone` and `now` give the freeze periods."""
    fields = ("guid", "kind", "name", "state", "activates_at", "immediate")
    found = Operation.objects.filter(state__in=WATCHED)
    watched = list(found.only(*fields, "requested_action", "reason").order_by("-created_at"))
    lines = [Line(one, _get_freeze(one, zone, now)) for one in watched if one.state in SHOWN]
    return Banner(lines, watched, _list_changes())


def _get_freeze(operation: Operation, zone: Zone | None, now: datetime | None) -> datetime | None:
    # `zone` is read when it is used. Before the setup, there is none.
    if zone is None or now is None:
        return None
    return gates.get_cancel_deadline(operation, zone, now)


def _list_changes() -> list[tuple[str, str]]:
    """Return the open CA key jobs, and the number of the last audit entry, with one query.

    Each change of a state is in the audit log, so its position changes whenever a page does.
    """
    jobs: QuerySet[Any, Any] = VaultJob.objects.filter(state__in=OPEN_JOBS).order_by()
    jobs = jobs.annotate(key=Cast("pk", TextField()), value=Cast("state", TextField()))
    log: QuerySet[Any, Any] = Checkpoint.objects.order_by()
    log = log.annotate(key=Value("", TextField()), value=Cast("seq", TextField()))
    return sorted(jobs.values_list("key", "value").union(log.values_list("key", "value"), all=True))


def list_ended(revision: str) -> list[Operation]:
    """Return the operations of an earlier revision that have ended, newest first."""
    keys = [UUID(part) for part in revision.split(".")[1:] if KEY.fullmatch(part)]
    if not keys:
        return []
    found = Operation.objects.filter(pk__in=keys[:MAX_ENDED]).exclude(state__in=WATCHED)
    return list(found.order_by("-created_at"))


def describe_end(operation: Operation) -> str:
    """Return how an operation has ended, in a sentence."""
    texts = {
        State.CANCELED: _(
            "The %(kind)s operation is canceled successfully. The certificates that were in use "
            "stay in use. (%(name)s)"
        ),
        State.COMPLETED: _("The %(kind)s operation is complete. (%(name)s)"),
        State.ROLLED_BACK: _("The %(kind)s operation has been rolled back. (%(name)s)"),
    }
    text = texts.get(State(operation.state), _("The %(kind)s operation has ended. (%(name)s)"))
    return text % {"kind": operation.get_kind_display(), "name": operation.name}


def banner_context(request: HttpRequest) -> dict[str, Any]:
    """Return the running operations for the frame of a page. They are read only if it shows them.

    A session with a required step sees only the page of that step, so its pages do not poll.
    """
    has_step = hasattr(request, "session") and REQUIRED_STEP in request.session
    if has_step:
        return {}
    zone = getattr(request, "zone", None)
    return {"banner": SimpleLazyObject(partial(get_banner, zone, timezone.now()))}
