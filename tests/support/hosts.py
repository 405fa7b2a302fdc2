"""Hosts without an agent, with certificates that a CA of the zone has signed."""

from __future__ import annotations

import base64
from datetime import datetime

from django.utils import timezone

from certificates.acme import issuers, revoking, signing
from certificates.acme.account_keys import keys
from certificates.est import authentication, enrollment
from certificates.models import AcmeAccountKey, AcmeCertificate
from pki import keys as pki_keys
from pki import names
from pki.formats import bundles, csr


def issue(
    *dns: str,
    key_pem: str = "",
    now: datetime | None = None,
    account_key: AcmeAccountKey | None = None,
) -> AcmeCertificate:
    """Issue a certificate as to an EST client that uses it. The default is a new account key."""
    now = now or timezone.now()
    if account_key is None:
        account_key = keys.create(dns[0], dns, expires_at=None, allows_est=True, now=now).row
    account = authentication.get_account(account_key)
    subject = names.Subject(csr.choose_common_name(dns[0], names.Names(dns, ())))
    pem = csr.build_csr(key_pem or pki_keys.generate_key(256), subject, names.Names(dns, ()))
    request = enrollment.parse(base64.b64encode(bundles.to_der(pem)))
    order = enrollment.enroll(account, request, now)
    signing.sign_batch(issuers.get_issuing_authority(now), now=now)
    found = AcmeCertificate.objects.get(order=order)
    revoking.record_download(found, account, now)
    found.refresh_from_db()
    return found
