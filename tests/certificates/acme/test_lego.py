"""Another real ACME client: lego requests, renews, and revokes a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from certificates.acme.account_keys import keys
from certificates.acme.validation import challenges
from certificates.models import AcmeAuthorization, AcmeCertificate, Authority, Revocation
from pki.chains import chains
from tests.pki import linters
from tests.support.dns_server import DnsServer, dns_server
from tests.support.lego import Lego

NAMES = ("web.hosts.example", "web2.hosts.example")


@pytest.fixture
def records(tmp_path: Path, monkeypatch: Any) -> Iterator[DnsServer]:
    """The DNS server that the console asks."""
    with dns_server(tmp_path / "dns") as server:
        monkeypatch.setattr(challenges, "build_resolver", server.build_resolver)
        yield server


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", challenges.METHODS)
def test_lego_requests_renews_and_revokes_a_certificate(
    console: str, records: DnsServer, settings: Any, tmp_path: Path, method: str
) -> None:
    ports = {"http-01": settings.ACME_HTTP_PORT, "tls-alpn-01": settings.ACME_TLS_PORT}
    key = keys.create("hosts", ["*.hosts.example"], expires_at=None, now=timezone.now())
    lego = Lego(tmp_path / "lego", console)
    if method == challenges.DNS:
        lego.use_dns(records)
    else:
        lego.listen(method, ports[method])
    chain = lego.request(key.row.key_id, key.hmac_key, *NAMES)
    root = Authority.objects.current().root_pem
    for name in NAMES:
        assert chains.verify_chain(chain, roots=[root], host=name, now=timezone.now())
    assert linters.pkilint(chains.split(chain)[0]) == []
    first = AcmeCertificate.objects.get()
    assert first.fetched_at is not None
    assert set(AcmeAuthorization.objects.values_list("method", flat=True)) == {method}
    # The version in Debian 12 does not ask for renewal information.
    assert lego.renew(*NAMES) != chain
    second = AcmeCertificate.objects.exclude(pk=first.pk).get()
    first.refresh_from_db()
    assert first.replaced_at is not None
    assert second.replaced_at is None
    actions = records.actions.read_text().split()
    expected = 2 * len(NAMES) if method == challenges.DNS else 0
    assert (actions.count("present"), actions.count("cleanup")) == (expected, expected)
    assert list(records.records.iterdir()) == [], "all records were removed"
    lego.revoke(NAMES[0])
    revoked = Revocation.objects.get()
    assert (revoked.digest, revoked.reason) == (second.digest, "superseded")


@pytest.mark.django_db(transaction=True)
def test_lego_gets_no_certificate_without_control_of_the_dns_records(
    console: str, records: DnsServer, tmp_path: Path
) -> None:
    """The records that the client adds are not those that the console reads."""
    key = keys.create("hosts", ["*.hosts.example"], expires_at=None, now=timezone.now())
    lego = Lego(tmp_path / "lego", console)
    with dns_server(tmp_path / "other") as other:
        lego.use_dns(other)
        with pytest.raises(AssertionError, match="was not found by the DNS servers"):
            lego.request(key.row.key_id, key.hmac_key, NAMES[0])
        assert "present" in other.actions.read_text()
    assert not AcmeCertificate.objects.exists()
