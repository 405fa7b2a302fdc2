"""Signed requests: signatures, nonces, URLs, and keys. What is wrong changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from joserfc.jwk import ECKey, OKPKey, RSAKey

from certificates.acme.account_keys import keys
from certificates.acme.problems import BadNonce
from certificates.acme.protocol import nonces
from certificates.models import AcmeAccount, AcmeNonce, AcmeOrder
from tests.certificates.acme.conftest import NAMES
from tests.support.acme_client import HOST, AcmeClient, sign

ORDER = {"identifiers": [{"type": "dns", "value": "a.hosts.example"}]}
URL = f"{HOST}/acme/new-order"


def get_type(response: Any) -> str:
    return str(response.json()["type"].rpartition(":")[2])


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (RSAKey.generate_key(2048), "RS256"),
        (ECKey.generate_key("P-256"), "ES256"),
        (OKPKey.generate_key("Ed25519"), "EdDSA"),
    ],
)
def test_accounts_have_rsa_ec_or_ed25519_keys(account_key: Any, key: Any, alg: str) -> None:
    client = AcmeClient(key=key, alg=alg)
    response = client.register(account_key.row.key_id, account_key.hmac_key)
    assert response.status_code == 201
    assert response.json()["status"] == "valid"
    assert response.headers["Replay-Nonce"]
    assert 'rel="index"' in response.headers["Link"]
    again = client.post("/acme/new-account", {"onlyReturnExisting": True}, jwk=client.jwk)
    assert (again.status_code, again.headers["Location"]) == (200, client.kid)
    assert client.post(client.kid).json()["status"] == "valid"


def test_a_request_cannot_be_repeated(client: AcmeClient) -> None:
    header = {"nonce": client.get_nonce(), "url": URL, "kid": client.kid}
    body = sign(client.key, header, ORDER)
    assert client.send(URL, body).status_code == 201
    response = client.send(URL, body)
    assert (response.status_code, get_type(response)) == (400, "badNonce")
    assert response.headers["Replay-Nonce"]
    assert AcmeOrder.objects.count() == 1


@pytest.mark.parametrize("nonce", [None, "", "x", "A" * 44, 5])
def test_a_nonce_of_another_server_is_rejected(client: AcmeClient, nonce: Any) -> None:
    assert get_type(client.post("/acme/new-order", ORDER, nonce=nonce)) == "badNonce"


def test_a_nonce_expires_and_is_deleted(zone: Any) -> None:
    now = timezone.now()
    nonce = nonces.create(now)
    nonces.use(nonce, now)
    with pytest.raises(BadNonce):
        nonces.use(nonces.create(now), now + timedelta(hours=2))
    nonces.delete_expired(now + timedelta(hours=1))
    with pytest.raises(BadNonce):
        nonces.use(nonce, now)
    nonces.delete_expired(now + timedelta(days=1))
    assert not AcmeNonce.objects.exists()


def test_a_signature_of_another_key_is_rejected(client: AcmeClient) -> None:
    header = {"nonce": client.get_nonce(), "url": URL, "kid": client.kid}
    body = sign(ECKey.generate_key("P-256"), header, ORDER)
    assert get_type(client.send(URL, body)) == "unauthorized"
    body = sign(client.key, header, ORDER)
    assert get_type(client.send(URL, {**body, "payload": "e30"})) == "unauthorized"
    # The nonce was not used by requests without a valid signature.
    assert client.send(URL, body).status_code == 201


@pytest.mark.parametrize(
    ("forge", "kind"),
    [
        ({"url": f"{HOST}/acme/revoke-cert"}, "unauthorized"),
        ({"kid": f"{HOST}/acme/account/0"}, "accountDoesNotExist"),
        ({"kid": "https://other.example/acme/account/0"}, "accountDoesNotExist"),
        ({"kid": 5}, "badPublicKey"),
        ({"crit": ["exp"], "exp": 5}, "malformed"),
    ],
)
def test_a_wrong_header_is_rejected(client: AcmeClient, forge: Any, kind: str) -> None:
    header = {"nonce": client.get_nonce(), "url": URL, "kid": client.kid, **forge}
    body = sign(client.key, header, ORDER)
    assert get_type(client.send(URL, body)) == kind
    assert not AcmeOrder.objects.exists()


def test_a_header_with_key_and_account_is_rejected(client: AcmeClient) -> None:
    header = {"nonce": client.get_nonce(), "url": URL, "kid": client.kid, "jwk": client.jwk}
    assert get_type(client.send(URL, sign(client.key, header, ORDER))) == "malformed"


@pytest.mark.parametrize(
    "body", [[], {}, {"protected": "e30"}, {"protected": "!", "payload": "", "signature": ""}]
)
def test_what_is_not_a_jws_is_rejected(client: AcmeClient, body: Any) -> None:
    assert get_type(client.send(URL, body)) == "malformed"


def test_other_requests_are_rejected(client: AcmeClient) -> None:
    plain = client.client
    assert plain.get("/acme/new-order").status_code == 405
    response = plain.post("/acme/new-order", "{}", content_type="application/json")
    assert get_type(response) == "malformed"
    response = plain.post("/acme/new-order", "x" * 140_000, content_type="application/jose+json")
    assert get_type(response) == "malformed"


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": "AAAA"},
        {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        "x",
    ],
)
def test_weak_and_symmetric_keys_are_rejected(account_key: Any, jwk: Any) -> None:
    client = AcmeClient()
    response = client.post("/acme/new-account", {}, jwk=jwk)
    assert get_type(response) == "badPublicKey"


def test_an_account_requires_a_valid_account_key(account_key: Any) -> None:
    client = AcmeClient()
    key_id, secret = account_key.row.key_id, account_key.hmac_key
    assert get_type(client.post("/acme/new-account", {})) == "externalAccountRequired"
    wrong = client.bind(key_id, "A" * 43)
    found = client.post("/acme/new-account", {"externalAccountBinding": wrong})
    assert get_type(found) == "unauthorized"
    other = AcmeClient().bind(key_id, secret)
    found = client.post("/acme/new-account", {"externalAccountBinding": other})
    assert get_type(found) == "malformed"
    elsewhere = client.bind(key_id, secret, url=URL)
    found = client.post("/acme/new-account", {"externalAccountBinding": elsewhere})
    assert get_type(found) == "malformed"
    assert get_type(client.register("unknown", secret)) == "externalAccountRequired"
    assert not AcmeAccount.objects.exists()


def test_an_expired_or_disabled_account_key_registers_no_account(zone: Any) -> None:
    now = timezone.now()
    keys.create("other", NAMES, expires_at=None, now=now)
    made = keys.create("a", NAMES, expires_at=now + timedelta(seconds=1), now=now - timedelta(1))
    type(made.row).objects.filter(pk=made.row.pk).update(expires_at=now)
    response = AcmeClient().register(made.row.key_id, made.hmac_key)
    assert get_type(response) == "externalAccountRequired"
    made = keys.create("b", NAMES, expires_at=None, now=now)
    keys.disable(made.row.pk, now=now)
    response = AcmeClient().register(made.row.key_id, made.hmac_key)
    assert get_type(response) == "externalAccountRequired"


def test_an_account_changes_its_key(client: AcmeClient) -> None:
    url = f"{HOST}/acme/key-change"
    new = ECKey.generate_key("P-256")
    inner_header = {"url": url, "jwk": new.as_dict(private=False)}
    payload = {"account": client.kid, "oldKey": client.jwk}
    wrong = sign(new, inner_header, {**payload, "account": "x"})
    assert get_type(client.post("/acme/key-change", wrong)) == "malformed"
    assert client.post("/acme/key-change", sign(new, inner_header, payload)).status_code == 200
    assert get_type(client.post(client.kid)) == "unauthorized"
    client.key = new
    assert client.post(client.kid).status_code == 200
    again = sign(new, inner_header, {**payload, "oldKey": client.jwk})
    assert client.post("/acme/key-change", again).status_code == 409


def test_an_account_is_changed_and_deactivated(client: AcmeClient) -> None:
    found = client.post(client.kid, {"contact": ["mailto:a@example.com"]})
    assert found.json()["contact"] == ["mailto:a@example.com"]
    assert get_type(client.post(client.kid, {"contact": "x"})) == "malformed"
    assert client.post(client.kid, {"status": "deactivated"}).json()["status"] == "deactivated"
    assert get_type(client.order("a.hosts.example")) == "unauthorized"
    assert get_type(client.post("/acme/new-account", {}, jwk=client.jwk)) == "unauthorized"


def test_orders_of_an_account_are_listed(client: AcmeClient) -> None:
    location = client.order("a.hosts.example").headers["Location"]
    assert client.post(f"{client.kid}/orders").json() == {"orders": [location]}
