"""A zone with an ACME account key, and a client with an account."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone

from certificates import tasks
from certificates.acme import authorizations, signing
from certificates.acme.account_keys import keys
from certificates.acme.problems import ValidationFailed
from certificates.acme.validation import addresses, challenges
from certificates.models import Authority
from tests.harness.places import free_port
from tests.support.acme_client import AcmeClient

NAMES = ("*.hosts.example", "www.outside.example")


@dataclass
class Validations:
    """The validations that were requested. Names in `failing` are not controlled."""

    failing: set[str] = field(default_factory=set)
    done: list[tuple[str, str, str, str]] = field(default_factory=list)

    def check(self, method: str, name: str, token: str, response: str) -> None:
        self.done.append((method, name, token, response))
        if name in self.failing:
            raise ValidationFailed(f"{name} is not controlled.", kind="unauthorized")


@pytest.fixture
def validations(monkeypatch: Any) -> Validations:
    """Validate at once, without a network."""
    found = Validations()
    monkeypatch.setattr(challenges, "check", found.check)

    def validate() -> None:
        authorizations.validate_batch(timezone.now())

    monkeypatch.setattr(tasks, "enqueue_acme_validation", validate)
    return found


@pytest.fixture
def account_key(zone: Any) -> keys.NewKey:
    """Return an account key."""
    return keys.create("hosts", NAMES, expires_at=None, now=timezone.now())


@pytest.fixture
def client(account_key: keys.NewKey, validations: Validations) -> AcmeClient:
    """Return a client with an account."""
    made = AcmeClient()
    response = made.register(account_key.row.key_id, account_key.hmac_key)
    assert response.status_code == 201, response.content
    return made


@pytest.fixture
def console(live_server: Any, zone: Any, settings: Any, monkeypatch: Any) -> str:
    """Serve the console. Tasks run at once, and all names are on loopback."""
    settings.ACME_HTTP_PORT, settings.ACME_TLS_PORT = free_port(), free_port()

    def resolve(_name: str, port: int, _deadline: Any) -> list[Any]:
        return [(socket.AF_INET, ("127.0.0.1", port))]

    monkeypatch.setattr(addresses, "resolve", resolve)
    monkeypatch.setattr(
        "certificates.tasks.publisher.enqueue", lambda task, *args, **_options: task(*args)
    )
    return str(live_server.url)


def sign() -> int:
    """Sign the orders, as the worker does."""
    return signing.sign_batch(Authority.objects.current(), now=timezone.now())


def issue(client: AcmeClient, *dns: str, key_pem: str = "", **more: Any) -> str:
    """Return the URL of a new certificate."""
    response = client.order(*dns, **more)
    assert response.status_code == 201, response.content
    order, url = response.json(), response.headers["Location"]
    client.choose(order)
    assert client.finalize(order, *dns, key_pem=key_pem).status_code == 200
    sign()
    found = client.post(url).json()
    assert found["status"] == "valid", found
    return str(found["certificate"])
