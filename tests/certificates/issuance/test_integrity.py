"""check_certs finds every stored certificate that does not fit its row, issuer or rules (S-8)."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from certificates.issuance import integrity, signing
from certificates.models import Authority, Bridge, FutureCertificate, Issued, ServerCertificate
from pki import keys, names
from pki.certificates import issuance
from pki.validity import Validity
from tests.support import walkthrough

pytestmark = pytest.mark.django_db


@pytest.fixture
def full(zone):
    """A zone with a remint under way: both CAs, both bridges, a future certificate."""
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    zone.first.request_certificate(str(operation.update_id))
    signing.sign_waiting(operation.future_authority, now=timezone.now())
    return zone


def found():
    return [f"{one.row}: {one.why}" for one in integrity.findings(timezone.now())]


def test_a_zone_that_nobody_touched_fits(full, capsys):
    assert Authority.objects.count() == 2
    assert Bridge.objects.count() == 2
    assert FutureCertificate.objects.exclude(chain_pem="").count() == 1
    assert found() == []
    call_command("check_certs")
    assert "fits its row" in capsys.readouterr().out


def moved(kind, **values):
    row = kind.objects.order_by("pk").first()
    kind.objects.filter(pk=row.pk).update(**values)


YEAR = timedelta(days=365)
NOW = timezone.now().replace(microsecond=0)


def another_root():
    key = keys.make_key(256)
    return issuance.make_root(
        key_pem=key,
        subject=names.Subject("Somebody"),
        validity=Validity(NOW, NOW + YEAR),
        serial=issuance.make_serial(),
    )


HARM = {
    "its dates": (lambda: moved(ServerCertificate, not_after=NOW + YEAR * 5), "last second"),
    "its fingerprint": (lambda: moved(ServerCertificate, digest="0" * 64), "fingerprint"),
    "its issuer": (lambda: moved(ServerCertificate, issuer="Somebody"), "issuer"),
    "the ca's subject": (lambda: moved(Authority, subject="CN=Somebody"), "subject"),
    "the ca itself": (lambda: moved(Authority, root_pem=another_root()), "fingerprint"),
    "a bridge": (lambda: moved(Bridge, pem=another_root()), "signature is not the issuer's"),
    "no serial": (lambda: Issued.objects.all().delete(), "No row gave out its serial"),
    "another serial": (lambda: moved(Issued, sha256="1" * 64), "names another certificate"),
    "rubbish": (lambda: moved(ServerCertificate, chain_pem="rubbish"), "cannot be read"),
}


@pytest.mark.parametrize("harm", HARM)
def test_it_finds_what_was_changed(full, harm):
    act, why = HARM[harm]
    act()
    assert [line for line in found() if why in line], found()


def test_it_finds_a_serial_without_a_certificate_once_the_batch_must_be_over(full):
    ca = Authority.objects.current()
    row = Issued.objects.create(authority=ca, serial="abc", purpose="server", subject="x.example")
    assert found() == []
    Issued.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(hours=2))
    assert found() == [
        "serial abc for x.example: It was given out and no certificate was stored;"
        " one may have been signed."
    ]


def test_the_command_ends_with_1_and_says_what(full, capsys):
    moved(ServerCertificate, digest="0" * 64)
    with pytest.raises(SystemExit, match="1"):
        call_command("check_certs")
    assert "Its fingerprint is" in capsys.readouterr().out
