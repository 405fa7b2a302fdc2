"""Two equal requests at the same time get one certificate (D-315)."""

from __future__ import annotations

from typing import Any

from certificates.est import enrollment
from certificates.models import AcmeCertificate, AcmeOrder
from tests.certificates.est.conftest import NAME, EstClient, build, encode, parse, sign


def test_two_equal_requests_at_the_same_time_create_one_order(
    client: EstClient, monkeypatch: Any
) -> None:
    body, lock = encode(build(NAME)), enrollment._lock

    def wait_for_another(account: Any) -> None:
        # While this request is waiting for the account, the other one creates its order.
        monkeypatch.setattr(enrollment, "_lock", lock)
        assert client.post("simpleenroll", body).status_code == 202
        lock(account)

    monkeypatch.setattr(enrollment, "_lock", wait_for_another)
    assert client.post("simpleenroll", body).status_code == 202
    assert AcmeOrder.objects.count() == 1
    assert sign() == 1
    first, second = (client.post("simpleenroll", body) for _number in range(2))
    assert parse(first) == parse(second)
    assert AcmeCertificate.objects.count() == 1
