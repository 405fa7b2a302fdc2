"""The requests that are waiting for approval by a second administrator, as listed on Home."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from administrators.accounts import policies
from administrators.approvals import role_requests
from certificates.agent_upgrades.status import find_request
from certificates.models import Operation, VaultJob
from certificates.operations.states import OperationState


@dataclass(frozen=True)
class PendingRequest:
    """A request in words, with the page on which it is decided."""

    text: str
    url: str


def list_requests(
    operations: Iterable[Operation],
    jobs: Iterable[VaultJob],
    with_action: Iterable[Operation],
    now: datetime,
) -> list[PendingRequest]:
    """Return all requests: of the given operations and CA key jobs, for roles and policies."""
    return [
        *_list_ca_requests(operations, jobs, with_action),
        *_list_administrator_requests(now),
        *_list_agent_requests(now),
    ]


def _list_ca_requests(
    operations: Iterable[Operation], jobs: Iterable[VaultJob], with_action: Iterable[Operation]
) -> Iterator[PendingRequest]:
    page = reverse("certificates:page")
    for operation in operations:
        if operation.state == OperationState.PROPOSED:
            yield _build_request(_("The %s operation") % operation.get_kind_display(), page)
    for job in jobs:
        yield _build_request(job.get_kind_display(), page)
    for operation in with_action:
        what = f"{operation.name}: {operation.requested_action_label}"
        yield _build_request(what, reverse("certificates:operation", args=[operation.pk]))


def _list_administrator_requests(now: datetime) -> Iterator[PendingRequest]:
    for asked in role_requests.list_requests(now):
        url = reverse("administrators:administrator", args=[asked.user_id])
        yield _build_request(_("Roles of %s") % asked.user.username, url)
    if policies.get_turn_off_request(now) is not None:
        text = _("A request to turn off two-administrator approval is waiting for your decision.")
        yield PendingRequest(text, reverse("administrators:approve_turn_off"))


def _list_agent_requests(now: datetime) -> Iterator[PendingRequest]:
    upgrade = find_request(now)
    if upgrade is not None:
        url = reverse("certificates:agent_upgrade", args=[upgrade.pk])
        yield _build_request(_("The upgrade of agents to %s") % upgrade.version, url)


def _build_request(what: str, url: str) -> PendingRequest:
    return PendingRequest(_("%s is waiting for approval by a second administrator.") % what, url)
