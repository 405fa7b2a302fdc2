"""A zone with one of each resource, and clients of the REST API with their API tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from administrators.api_tokens import tokens
from audit.models import Entry
from certificates.models import (
    AcmeAccountKey,
    ChangeFreeze,
    HealthAcceptance,
    MaintenanceWindow,
    VaultJob,
)
from certificates.operations.states import FutureState, JobState, OperationState
from console.models import ApiToken
from devices.models import RegistrationKey, Zone
from notifications.delivery import delivery
from notifications.delivery.events import BLOCKED, Event
from notifications.models import MailServer, Target
from systemupdates.models import Stage
from systemupdates.updates.states import AssignmentState, ReplicaState
from tests.support import factories
from wire.envelope import Envelope

BASE = "/api/v1"
CA = "certificates.certificate_authority"
DEPLOY = "systemupdates.deploy_update"
CHANGE = "devices.change_device"
APPROVE = "devices.approve_device"
AUDIT = "ledger.view_entry"
METRICS = "console.view_metrics"
ZONE = "devices.change_zone"
ADMINISTER = "people.administer"
NOTIFY = "notifications.manage"
EVERY_RIGHT = (CA, DEPLOY, CHANGE, APPROVE, AUDIT, ZONE, ADMINISTER, NOTIFY)


@dataclass
class Caller:
    """A client of the REST API with an API token."""

    user: Any
    text: str = ""
    client: Client = field(default_factory=lambda: Client(enforce_csrf_checks=True))

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request. The body is sent as JSON."""
        extra: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {self.text}"} if self.text else {}
        for name, value in headers.items():
            extra[f"HTTP_{name.upper()}"] = value
        data = json.dumps(body) if body is not None else ""
        content_type = "application/json" if body is not None else "application/octet-stream"
        url = path if path.startswith("/") else f"{BASE}/{path}"
        return self.client.generic(method, url, data, content_type=content_type, **extra)

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("PUT", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.call("DELETE", path, **headers)

    def upload(self, path: str, data: dict[str, Any]) -> Any:
        """Send a form with a file."""
        return self.client.post(f"{BASE}/{path}", data, HTTP_AUTHORIZATION=f"Bearer {self.text}")


def caller(name: str, *rights: str, narrowed: list[str] | None = None) -> Caller:
    """Return a client of a new user whose token has all rights of the user, or only `narrowed`."""
    user = factories.user(name, *rights)
    granted = list(rights) if narrowed is None else narrowed
    _token, text = tokens.create_token(user, "test", rights=granted, expires_at=None)
    return Caller(user, text)


def problem(response: HttpResponse, status: int) -> dict[str, Any]:
    """Check that a call failed with a problem document, and return the document."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(response.content)
    assert body["status"] == status
    assert body["detail"]
    return body


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect the arguments of tasks instead of enqueuing the tasks."""
    tasks: list[Any] = []
    monkeypatch.setattr(
        "certificates.tasks.publisher.enqueue", lambda task, *args, **_: tasks.append(args)
    )
    return tasks


@pytest.fixture
def resources(
    db: None, enqueued: list[Any], tmp_path: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Create one of each resource and return their IDs. The zone has no key to sign with."""
    monkeypatch.setattr(
        "certificates.progress.report.sign_report", lambda _: Envelope("type", "", "")
    )
    monkeypatch.setattr(
        "certificates.key_records.record.sign_record", lambda _: Envelope("type", "", "")
    )
    monkeypatch.setattr("notifications.channels.webhook.encrypt_target", lambda *_, **__: "sealed")
    monkeypatch.setattr(
        "notifications.channels.webhook.decrypt_target", lambda _: ("https://hooks.example", "")
    )
    monkeypatch.setattr("notifications.mail_server.settings._encrypt", lambda *_: "sealed")
    monkeypatch.setattr("notifications.mail_server.settings._decrypt", lambda _: "")
    monkeypatch.setattr("certificates.acme.accounts.derive_secret", lambda _: b"secret")
    settings.SERVER_HOME = tmp_path
    zone = factories.zone()
    Zone.objects.filter(pk=zone.pk).update(public_key="A" * 43 + "=")
    server = factories.server("ps-01", vault_key="v", ca_vault_key="c")
    ca = factories.authority(server)
    certificate = factories.certificate(server, ca)
    pem = certificate.chain_pem
    operation = factories.operation(ca, state=OperationState.REPLICATING)
    factories.future(operation, server, FutureState.CREATED, chain_pem=pem, csr_pem="csr")
    replica = factories.replica(operation.update, server, ReplicaState.FAILED)
    assignment = factories.assignment(operation.update, server, AssignmentState.FAILED)
    key = RegistrationKey.objects.create(label="key", digest="d" * 64)
    job = VaultJob.objects.create(
        kind="backup", server=server, authority=ca, state=JobState.DONE, result=b"PK"
    )
    entry = Entry.objects.record("test", "test:1", note="a note")
    hook = Target.objects.create(name="pager", kind=Target.Kind.WEBHOOK, host="hooks.example")
    delivery.enqueue(Event(BLOCKED, "1", "blocked", "blocked"), now=factories.now(), to=[hook])
    MailServer.objects.create(
        pk=1, host="mail.example", port=587, security="starttls", sender="zcc@example.com"
    )
    stage = Stage.objects.create(name="first", position=0, timeout_seconds=60)
    window = MaintenanceWindow.objects.create(name="Night", rule=factories.EVERY_DAY)
    later = factories.now() + timedelta(days=300)
    freeze = ChangeFreeze.objects.create(begins_at=later, ends_at=later, reason="Holidays")
    upgrade = factories.agent_upgrade(server)
    acceptance = HealthAcceptance.objects.create(check_key="ca-backup", reason="not here")
    account_key = AcmeAccountKey.objects.create(label="web", key_id="k", names=["a.example.com"])
    token = ApiToken.objects.create(user=factories.user("owner"), name="token", digest="d" * 64)
    return {
        "operation_id": operation.pk,
        "replica_id": replica.pk,
        "device_id": server.pk,
        "server_id": server.pk,
        "certificate_id": certificate.pk,
        "update_id": operation.update_id,
        "assignment_id": assignment.pk,
        "authority_id": ca.pk,
        "key_id": key.pk,
        "account_key_id": account_key.pk,
        "host_certificate_id": factories.acme_certificate("web.hosts.example", ca).pk,
        "job_id": job.pk,
        "act_name": "roll-back",
        "seq": entry.seq,
        "check_key": "ca-backup",
        "acceptance_id": acceptance.pk,
        "stage_id": stage.pk,
        "upgrade_id": upgrade.pk,
        "window_id": window.pk,
        "freeze_id": freeze.pk,
        "token_id": token.pk,
        "administrator_id": token.user.pk,
        "target_id": hook.pk,
        "notification_id": hook.deliveries.get().pk,
    }


COVERED: dict[str, set[str]] = {}


def covers(what: str, *operations: str) -> Any:
    """Record for which operations of the OpenAPI document a test covers success or rejection."""
    COVERED.setdefault(what, set()).update(operations)
    return lambda test: test


succeeds = partial(covers, "success")
refuses = partial(covers, "rejection")


@pytest.fixture
def everybody(zone: Any) -> Caller:
    """Return a client with all rights, in a zone with keys."""
    return caller("everybody", *EVERY_RIGHT)
