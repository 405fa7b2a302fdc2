"""One of each thing that an address of the console may name."""

from uuid import uuid4

import pytest

from administrators.accounts import setup_links
from audit.models import Entry
from certificates.models import (
    AcmeAccountKey,
    ChangeFreeze,
    HealthAcceptance,
    MaintenanceWindow,
)
from certificates.operations.states import FutureState, OperationState
from notifications.delivery import delivery, events
from notifications.delivery.events import Event
from notifications.models import Target
from systemupdates.models import Stage
from systemupdates.updates.states import AssignmentState, ReplicaState
from tests.support import factories


@pytest.fixture
def things(monkeypatch):
    """One of each thing that an address may name."""
    monkeypatch.setattr("certificates.tasks.operations.enqueue_operation", lambda _key: None)
    factories.zone()
    server = factories.server("ps-01")
    ca = factories.authority(server)
    certificate = factories.certificate(server, ca)
    pem = certificate.chain_pem
    operation = factories.operation(ca, state=OperationState.REPLICATING)
    factories.future(operation, server, FutureState.CREATED, chain_pem=pem, csr_pem="csr")
    replica = factories.replica(operation.update, server, ReplicaState.FAILED)
    assignment = factories.assignment(operation.update, server, AssignmentState.FAILED)
    hook = Target.objects.create(name="pager", kind=Target.Kind.WEBHOOK, host="hooks.example")
    event = Event(events.BLOCKED, "1", "blocked", "blocked")
    delivery.enqueue(event, now=factories.now(), to=[hook])
    return {
        "entry": Entry.objects.record("login", "test:1").pk,
        "token": 10**6,
        "stage": Stage.objects.create(name="first", position=0, timeout_seconds=60).pk,
        "operation": operation.pk,
        "agents": factories.agent_upgrade(server).pk,
        "replica": replica.pk,
        "server": server.pk,
        "certificate": certificate.pk,
        "authority": ca.pk,
        "update": operation.update_id,
        "assignment": assignment.pk,
        "draft": uuid4(),
        "job": uuid4(),
        "check": "ca-backup",
        "acceptance": HealthAcceptance.objects.create(check_key="ca-backup", reason="not here").pk,
        "account_key": AcmeAccountKey.objects.create(label="web", key_id="k").pk,
        "host": factories.acme_certificate("web.hosts.example", ca).pk,
        "window": MaintenanceWindow.objects.create(name="Night", rule=factories.EVERY_DAY).pk,
        "freeze": ChangeFreeze.objects.create(
            reason="Holidays", begins_at=factories.now(), ends_at=factories.now()
        ).pk,
        "ticket": "ticket",
        "step": "authority",
        "table": "servers",
        "kind": "mail",
        "target": hook.pk,
        "delivery": hook.deliveries.get().pk,
        "person": factories.user("somebody").pk,
        "own_passkey": 10**6,
        "act": "end-sessions",
        "ca_act": "roll-back",
        "link": setup_links.create_link(factories.user("newcomer"), now=factories.now()),
    }
