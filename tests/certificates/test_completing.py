"""An operation completes once what every device reported is taken over (D-27)."""

import pytest

from certificates.machine import FutureState, OperationState
from certificates.models import Operation
from certificates.operations import activating, advancing
from systemupdates.machine import AssignmentState, UpdateState
from tests import make

pytestmark = pytest.mark.django_db


def test_a_server_that_reports_while_others_are_promoted_is_promoted_too(monkeypatch):
    make.zone()
    holder = make.server("ps-01")
    ca = make.authority(holder)
    operation = make.operation(
        ca, kind=Operation.Kind.REMINT_SERVER, state=OperationState.ACTIVATED
    )
    update = operation.update
    type(update).objects.filter(pk=update.pk).update(state=UpdateState.IN_PROGRESS)
    future = make.future(
        operation, holder, FutureState.CREATED, authority=ca, chain_pem=make.leaf_pem(holder, ca)
    )
    last = make.assignment(update, holder, AssignmentState.ACTIVATING)
    promote = activating.promote

    def promote_and_hear(operation, *, now):
        promote(operation, now=now)
        type(last).objects.filter(pk=last.pk).update(state=AssignmentState.ACTIVATED)

    monkeypatch.setattr(advancing, "promote", promote_and_hear)
    for _look in range(2):
        operation = Operation.objects.get()
        advancing.advance(operation, now=make.now())
    future.refresh_from_db()
    assert operation.state == OperationState.COMPLETED
    assert future.state == FutureState.ACTIVE
    assert holder.certificates.get(superseded_at=None).digest
