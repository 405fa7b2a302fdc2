"""Workers that sign at the same time sign different orders, each once (D-306)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from certificates.acme import signing
from certificates.models import AcmeCertificate, AcmeOrder, Authority, IssuedCertificate
from tests.certificates.acme.conftest import sign
from tests.support.acme_client import AcmeClient

NAMES = ("a.hosts.example", "b.hosts.example")


@pytest.fixture
def finalized(client: AcmeClient) -> None:
    """Two orders have a CSR."""
    for name in NAMES:
        order = client.order(name).json()
        client.choose(order)
        assert client.finalize(order, name).status_code == 200


@pytest.mark.usefixtures("finalized")
def test_two_workers_do_not_sign_the_same_orders(monkeypatch: Any) -> None:
    checked, by_others = signing._check, []

    def check(*arguments: Any) -> Any:
        # Another worker starts before this one has stored a certificate.
        monkeypatch.setattr(signing, "_check", checked)
        by_others.append(sign())
        return checked(*arguments)

    before = IssuedCertificate.objects.count()
    monkeypatch.setattr(signing, "_check", check)
    assert sign() == 2
    assert by_others == [0]
    assert AcmeCertificate.objects.count() == 2
    assert IssuedCertificate.objects.count() == before + 2


@pytest.mark.usefixtures("finalized")
def test_the_orders_of_a_worker_that_was_killed_are_signed_later() -> None:
    now = timezone.now()
    assert len(signing._claim(now)) == 2
    authority = Authority.objects.current()
    assert signing.sign_batch(authority, now=now + timedelta(seconds=1)) == 0
    assert signing.sign_batch(authority, now=now + signing.CLAIM + timedelta(seconds=1)) == 2


@pytest.mark.usefixtures("finalized")
def test_orders_are_released_when_the_ca_key_cannot_be_used(monkeypatch: Any) -> None:
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr("certificates.authority.key_store.open_issuer", fail)
        with pytest.raises(RuntimeError):
            sign()
    assert not AcmeOrder.objects.exclude(claimed_until=None).exists()
    assert sign() == 2
