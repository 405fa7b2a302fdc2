"""Another real ACME client: lego requests, renews, and revokes a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from certificates.acme.account_keys import keys
from certificates.models import AcmeAuthorization, AcmeCertificate, Authority, Revocation
from pki.chains import chains
from tests.pki import linters
from tests.support.lego import Lego

NAMES = ("web.hosts.example", "web2.hosts.example")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["http-01", "tls-alpn-01"])
def test_lego_requests_renews_and_revokes_a_certificate(
    console: str, settings: Any, tmp_path: Path, method: str
) -> None:
    ports = {"http-01": settings.ACME_HTTP_PORT, "tls-alpn-01": settings.ACME_TLS_PORT}
    key = keys.create("hosts", ["*.hosts.example"], expires_at=None, now=timezone.now())
    lego = Lego(tmp_path / "lego", console, method, ports[method])
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
    lego.revoke(NAMES[0])
    revoked = Revocation.objects.get()
    assert (revoked.digest, revoked.reason) == (second.digest, "superseded")
