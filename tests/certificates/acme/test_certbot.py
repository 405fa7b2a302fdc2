"""A real ACME client: certbot requests, renews, and revokes a certificate."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from certificates.acme.account_keys import keys
from certificates.models import AcmeCertificate, Authority, Revocation
from pki.chains import chains
from tests.pki import linters
from tests.support.certbot import Certbot

NAME, OTHER = "web.hosts.example", "web2.hosts.example"


@pytest.mark.django_db(transaction=True)
def test_certbot_requests_renews_and_revokes_a_certificate(
    console: str, settings: Any, tmp_path: Path
) -> None:
    now = timezone.now()
    key = keys.create("hosts", ["*.hosts.example"], expires_at=None, now=now)
    certbot = Certbot(tmp_path / "certbot", console, settings.ACME_HTTP_PORT)
    certbot.request(key.row.key_id, key.hmac_key, NAME, OTHER)
    root = Authority.objects.current().root_pem
    chain = certbot.get_chain()
    for name in (NAME, OTHER):
        assert chains.verify_chain(chain, roots=[root], host=name, now=timezone.now())
    assert linters.pkilint(chains.split(chain)[0]) == []
    first = AcmeCertificate.objects.get()
    assert first.fetched_at is not None
    # A new certificate is renewed only when the renewal information says so.
    certbot.renew()
    assert AcmeCertificate.objects.count() == 1
    AcmeCertificate.objects.update(
        not_before=now - timedelta(days=90), not_after=now + timedelta(days=10)
    )
    # The client keeps the renewal information for an hour.
    assert certbot.has_renewal_info()
    certbot.forget_renewal_info()
    certbot.renew()
    second = AcmeCertificate.objects.exclude(pk=first.pk).get()
    assert AcmeCertificate.objects.get(pk=first.pk).replaced_at is not None
    assert certbot.get_chain() != chain
    certbot.run(
        *("revoke", "--cert-name", "web", "--reason", "superseded", "--no-delete-after-revoke"),
        *certbot.server,
    )
    revoked = Revocation.objects.get()
    assert (revoked.digest, revoked.reason) == (second.digest, "superseded")
