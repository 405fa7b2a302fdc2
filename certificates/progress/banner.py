"""The line about running operations that every page shows, and the revision by which it is polled.

One request of each visible page every few seconds drives all live panes: they are only asked when
the revision changes.

See: D-225
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _

from administrators.login.login import REQUIRED_STEP
from certificates.models import Operation, VaultJob
from certificates.operations.states import BLOCKING, JobState, OperationState
from certificates.progress.progress import digest

State = OperationState
SHOWN = BLOCKING
WATCHED = (*BLOCKING, State.ACTIVATED)
OPEN_JOBS = (JobState.PROPOSED, JobState.WAITING, JobState.CONFIRMING)
BAD = (State.BLOCKED, State.FAILED, State.CANCEL_FAILED)
MAX_ENDED = 3
KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Banner:
    """The operations that a page shows. `watched` are those whose end is reported."""

    operations: list[Operation]
    watched: list[Operation]
    jobs: list[tuple[UUID, str]]

    @property
    def tone(self) -> str:
        """Return the style of the line: bad, or busy."""
        return "bad" if any(one.state in BAD for one in self.operations) else "busy"

    @property
    def revision(self) -> str:
        """Return a text that changes with the operations and CA key jobs, and names the former."""
        facts = [
            (one.pk, one.state, one.activates_at, one.requested_action, one.reason)
            for one in self.watched
        ]
        return ".".join([digest(facts, self.jobs), *(one.pk.hex for one in self.watched)])


def get_banner() -> Banner:
    """Return the running operations, with two queries."""
    fields = ("guid", "kind", "name", "state", "activates_at", "requested_action", "reason")
    found = Operation.objects.filter(state__in=WATCHED).only(*fields)
    watched = list(found.order_by("-created_at"))
    jobs = VaultJob.objects.filter(state__in=OPEN_JOBS).order_by("pk").values_list("pk", "state")
    shown = [one for one in watched if one.state in SHOWN]
    return Banner(shown, watched, list(jobs))


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
    return {} if has_step else {"banner": SimpleLazyObject(get_banner)}
