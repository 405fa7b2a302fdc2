"""Content that the database or Python does not accept is rejected, and never a server error."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from joserfc.jwk import ECKey
from limits import RateLimitItemPerMinute

from certificates.acme import accounts
from certificates.acme.account_keys import keys
from certificates.acme.protocol import endpoints
from certificates.models import AcmeAccount, AcmeCertificate, AcmeNonce, Revocation
from devices.registration import throttle
from pki.chains import chains
from pki.formats import bundles
from tests.certificates.acme.conftest import issue
from tests.support.acme_client import HOST, AcmeClient, encode, sign

NAME = "web.hosts.example"
STRANGE = ["a\x00b", "\x00", "\ud800", "k\u00e9y"]


def get_type(response: Any) -> str:
    return str(response.json()["type"].rpartition(":")[2])


@pytest.mark.parametrize("reason", [[], {}, "1", 1.5, True, 2, 10**40])
def test_a_reason_of_another_type_revokes_nothing(client: AcmeClient, reason: Any) -> None:
    issue(client, NAME)
    leaf = chains.split(AcmeCertificate.objects.get().chain_pem)[0]
    values = {"certificate": encode(bundles.to_der(leaf)), "reason": reason}
    response = client.post("/acme/revoke-cert", values)
    assert (response.status_code, get_type(response)) == (400, "badRevocationReason")
    assert not Revocation.objects.exists()


@pytest.mark.parametrize("key_id", STRANGE)
def test_a_key_id_that_no_key_can_have_registers_no_account(account_key: Any, key_id: str) -> None:
    response = AcmeClient().register(key_id, account_key.hmac_key)
    assert (response.status_code, get_type(response)) == (403, "externalAccountRequired")
    assert not AcmeAccount.objects.exists()


@pytest.mark.parametrize("contact", STRANGE[:3])
def test_a_contact_with_control_characters_is_not_stored(client: AcmeClient, contact: str) -> None:
    response = client.post(client.kid, {"contact": [f"mailto:{contact}"]})
    assert (response.status_code, get_type(response)) == (400, "malformed")
    assert AcmeAccount.objects.get().contacts == []


@pytest.mark.parametrize("user", STRANGE[:2])
def test_a_user_name_of_est_with_a_nul_character_is_rejected(zone: Any, user: str) -> None:
    keys.create("est", ["*.hosts.example"], expires_at=None, allows_est=True, now=timezone.now())
    header = "Basic " + base64.b64encode(f"{user}:secret".encode()).decode()
    response = Client().post(
        "/.well-known/est/simpleenroll",
        b"AAAA",
        content_type="application/pkcs10",
        headers={"Authorization": header},
    )
    assert response.status_code == 401


def test_requests_of_unknown_keys_are_limited_and_store_no_more_nonces(
    client: AcmeClient, account_key: Any, monkeypatch: Any
) -> None:
    throttle.reset()
    limit = RateLimitItemPerMinute(3, namespace="acme-unknown-key")
    monkeypatch.setattr(endpoints, "UNKNOWN_KEYS", limit)
    before = AcmeNonce.objects.count()
    statuses = [AcmeClient().post("/acme/new-account", {}).status_code for _ in range(5)]
    assert statuses == [403, 403, 403, 429, 429]
    assert AcmeNonce.objects.count() == before + 3
    # Known accounts are not limited.
    assert client.order(NAME).status_code == 201
    assert client.post("/acme/new-account", {}, jwk=client.jwk).status_code == 200


def test_a_key_that_another_account_gets_at_the_same_time_is_rejected(
    client: AcmeClient, account_key: Any, monkeypatch: Any
) -> None:
    other = AcmeClient(key=ECKey.generate_key("P-256"))
    other.register(account_key.row.key_id, account_key.hmac_key)
    # The other account does not have the key yet when this one looks.
    monkeypatch.setattr(accounts, "find_by_thumbprint", lambda _: None)
    header = {"url": f"{HOST}/acme/key-change", "jwk": other.jwk}
    inner = sign(other.key, header, {"account": client.kid, "oldKey": client.jwk})
    response = client.post("/acme/key-change", inner)
    assert (response.status_code, get_type(response)) == (409, "malformed")
    assert client.post(client.kid).status_code == 200


@pytest.mark.parametrize("member", ["protected", "payload", "signature"])
@pytest.mark.parametrize("text", ["\ud800", "\u00e9"])
def test_a_jws_with_other_characters_than_base64url_is_malformed(
    client: AcmeClient, member: str, text: str
) -> None:
    url = HOST + "/acme/new-order"
    body = sign(client.key, {"nonce": client.get_nonce(), "url": url, "kid": client.kid}, {})
    response = client.send(url, {**body, member: text})
    assert (response.status_code, get_type(response)) == (400, "malformed")
