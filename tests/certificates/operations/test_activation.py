"""An operation completes only after all reports of devices have been processed (D-27)."""

import pytest

from certificates.models import Operation
from certificates.operations import activation, scheduler
from certificates.operations.states import FutureState, OperationState
from systemupdates.updates.states import AssignmentState, UpdateState
from tests.support import factories

pytestmark = pytest.mark.django_db


def test_a_server_that_reports_during_completion_gets_its_certificate_recorded(monkeypatch):
    factories.zone()
    holder = factories.server("ps-01")
    ca = factories.authority(holder)
    operation = factories.operation(
        ca, kind=Operation.Kind.REMINT_SERVER, state=OperationState.ACTIVATED
    )
    update = operation.update
    type(update).objects.filter(pk=update.pk).update(state=UpdateState.IN_PROGRESS)
    future = factories.future(
        operation,
        holder,
        FutureState.CREATED,
        authority=ca,
        chain_pem=factories.leaf_pem(holder, ca),
    )
    last = factories.assignment(update, holder, AssignmentState.ACTIVATING)
    activate_certificates = activation.activate_certificates

    def activate_and_report(operation, *, now):
        activate_certificates(operation, now=now)
        type(last).objects.filter(pk=last.pk).update(state=AssignmentState.ACTIVATED)

    monkeypatch.setattr(scheduler, "activate_certificates", activate_and_report)
    for _run in range(2):
        operation = Operation.objects.get()
        scheduler.advance(operation, now=factories.now())
    future.refresh_from_db()
    assert operation.state == OperationState.COMPLETED
    assert future.state == FutureState.ACTIVE
    assert holder.certificates.get(superseded_at=None).digest
