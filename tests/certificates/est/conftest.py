"""A zone with an account key that allows EST, and a client that sends CSRs."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from certificates.acme import issuers, signing
from certificates.acme.account_keys import keys
from certificates.est import views
from pki import keys as pki_keys
from pki import names
from pki.formats import bundles, csr

NAMES = ("*.hosts.example", "www.outside.example")
NAME, OTHER = "web.hosts.example", "db.hosts.example"
BASE = "/.well-known/est"
CSR = "application/pkcs10"
KEY = pki_keys.generate_key(256)


def build(*dns: str, common_name: str = "", key: str = KEY, addresses: tuple[str, ...] = ()) -> str:
    """Return a CSR as PEM. Its common name is the first name."""
    subject = names.Subject(common_name or dns[0])
    return csr.build_csr(key, subject, names.Names(dns, addresses))


def encode(pem: str) -> bytes:
    """Return a CSR as EST clients send it."""
    return base64.encodebytes(bundles.to_der(pem))


def parse(response: Any) -> list[str]:
    """Return the certificates of a response."""
    assert response.headers["Content-Transfer-Encoding"] == "base64"
    return bundles.parse_certificates(base64.b64decode(response.content))


@dataclass
class EstClient:
    """An EST client with the credentials of an account key."""

    key_id: str
    hmac_key: str
    client: Client = field(default_factory=Client)

    def get_authorization(self) -> str:
        text = f"{self.key_id}:{self.hmac_key}"
        return "Basic " + base64.b64encode(text.encode()).decode()

    def post(self, operation: str, body: bytes, **headers: str) -> Any:
        """Send a body. `headers` replace the usual ones, and an empty one is not sent."""
        sent = {"authorization": self.get_authorization(), "content_type": CSR, **headers}
        kind = sent.pop("content_type")
        sent = {name: value for name, value in sent.items() if value}
        return self.client.post(f"{BASE}/{operation}", body, content_type=kind, headers=sent)

    def enroll(self, *dns: str, **values: Any) -> Any:
        """Send a new CSR to simpleenroll."""
        return self.post("simpleenroll", encode(build(*dns, **values)))

    def get_certificate(self, body: bytes, operation: str = "simpleenroll") -> str:
        """Send a CSR, let the worker sign it, and return the certificate."""
        assert self.post(operation, body).status_code == 202
        sign()
        response = self.post(operation, body)
        assert response.status_code == 200, response.content
        (found,) = parse(response)
        return found


def sign() -> int:
    """Sign the orders, as the worker does."""
    now = timezone.now()
    return signing.sign_batch(issuers.get_issuing_authority(now), now=now)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: Any) -> None:
    """Respond immediately, because no worker runs."""
    monkeypatch.setattr(views, "WAIT_SECONDS", 0)


@pytest.fixture
def account_key(zone: Any) -> keys.NewKey:
    """Return an account key that allows EST."""
    return keys.create("appliances", NAMES, expires_at=None, allows_est=True, now=timezone.now())


@pytest.fixture
def client(account_key: keys.NewKey) -> EstClient:
    """Return a client with the account key."""
    return EstClient(account_key.row.key_id, account_key.hmac_key)
