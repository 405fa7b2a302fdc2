"""check_certs finds stored certificates that do not match their row, issuer, or profile."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from certificates.issuance import integrity, signing
from certificates.models import (
    Authority,
    CrossCertificate,
    FutureCertificate,
    IssuedCertificate,
    ServerCertificate,
)
from pki import keys, names
from pki.certificates import ca_certificates, issuance
from pki.validity import Validity
from tests.support import walkthrough

pytestmark = pytest.mark.django_db


@pytest.fixture
def full(zone):
    """A zone with a remint in progress: two CAs, cross-certificates, and a future certificate."""
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    zone.first.request_certificate(str(operation.update_id))
    signing.sign_batch(operation.future_authority, now=timezone.now())
    return zone


def found():
    return [f"{one.row}: {one.why}" for one in integrity.list_findings(timezone.now())]


def test_an_unmodified_zone_has_no_findings(full, capsys):
    assert Authority.objects.count() == 2
    assert CrossCertificate.objects.count() == 2
    assert FutureCertificate.objects.exclude(chain_pem="").count() == 1
    assert found() == []
    call_command("check_certs")
    assert "match their database records" in capsys.readouterr().out


def changed(kind, **values):
    row = kind.objects.order_by("pk").first()
    kind.objects.filter(pk=row.pk).update(**values)


YEAR = timedelta(days=365)
NOW = timezone.now().replace(microsecond=0)


def another_root():
    key = keys.generate_key(256)
    return ca_certificates.build_root(
        key_pem=key,
        subject=names.Subject("Somebody"),
        validity=Validity(NOW, NOW + YEAR),
        serial=issuance.generate_serial(),
    )


CHANGES = {
    "its dates": (lambda: changed(ServerCertificate, not_after=NOW + YEAR * 5), "end time"),
    "its fingerprint": (lambda: changed(ServerCertificate, digest="0" * 64), "fingerprint"),
    "its issuer": (lambda: changed(ServerCertificate, issuer="Somebody"), "issuer"),
    "the ca's subject": (lambda: changed(Authority, subject="CN=Somebody"), "subject"),
    "the ca itself": (lambda: changed(Authority, root_pem=another_root()), "fingerprint"),
    "a cross-certificate": (
        lambda: changed(CrossCertificate, pem=another_root()),
        "signature does not verify",
    ),
    "no serial": (
        lambda: IssuedCertificate.objects.all().delete(),
        "has no matching issuance record",
    ),
    "another serial": (
        lambda: changed(IssuedCertificate, sha256="1" * 64),
        "belongs to a different certificate",
    ),
    "rubbish": (lambda: changed(ServerCertificate, chain_pem="rubbish"), "cannot be parsed"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_stored_certificate_is_found(full, change):
    apply, why = CHANGES[change]
    apply()
    assert [line for line in found() if why in line], found()


def test_a_serial_without_a_certificate_is_found_after_the_batch_timeout(full):
    ca = Authority.objects.current()
    row = IssuedCertificate.objects.create(
        authority=ca, serial="abc", purpose="server", subject="x.example"
    )
    assert found() == []
    IssuedCertificate.objects.filter(pk=row.pk).update(
        created_at=timezone.now() - timedelta(hours=2)
    )
    assert found() == [
        "serial abc for x.example: A serial number was allocated but no certificate is stored. "
        "A certificate might have been signed."
    ]


def test_the_command_prints_findings_and_exits_with_1(full, capsys):
    changed(ServerCertificate, digest="0" * 64)
    with pytest.raises(SystemExit, match="1"):
        call_command("check_certs")
    assert "The fingerprint is" in capsys.readouterr().out
