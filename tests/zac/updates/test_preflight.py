"""A server tests its new certificate with the handshake of a device, and says what is wrong."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki.certificates.constraints import NameConstraints
from pki.names import Names
from tests.pki import factories
from tests.pki.certificates.test_constraints import forged
from tests.pki.factories import FQDN, NOW
from zac.updates import preflight

FAMILY = factories.family()
OWN = factories.private(FAMILY.leaf_key)
DAY = timedelta(days=1)


def leaf(*names, **changes):
    extensions = changes.pop(
        "extensions", factories.server_extensions(OWN, FAMILY.middle_key, *names)
    )
    return factories.certificate(FQDN, OWN, "Ext Sub", FAMILY.middle_key, extensions, **changes)


def verify(tmp_path, *chain, name=FQDN, dateless=False):
    path = tmp_path / "new.pem"
    path.write_text("".join([FAMILY.leaf_key, *chain]))
    preflight.verify_certificate(str(path), FAMILY.root, [name], dateless=dateless)


def test_a_good_certificate_passes(tmp_path):
    for name in (FQDN, "10.0.0.1"):
        verify(tmp_path, FAMILY.leaf, FAMILY.middle, name=name)


UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\5\0")


@pytest.mark.parametrize(
    ("chain", "name", "reason"),
    [
        ([FAMILY.leaf], FQDN, "its chain does not lead to the new root"),
        ([leaf(ends=NOW - DAY / 2), FAMILY.middle], FQDN, "has expired"),
        ([leaf(begins=NOW + DAY), FAMILY.middle], FQDN, "not yet valid"),
        ([FAMILY.leaf, FAMILY.middle], "other.example", "does not cover this name"),
        ([FAMILY.leaf, FAMILY.middle], "10.0.0.9", "does not cover this address"),
        ([leaf(extensions=[(UNKNOWN, True)]), FAMILY.middle], FQDN, "unknown critical extension"),
        (
            [leaf(extensions=[(x509.SubjectAlternativeName([x509.DNSName(FQDN)]), False),
                              (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)]),
             FAMILY.middle],
            FQDN,
            r"OpenSSL verification error \d+",
        ),
    ],
)  # fmt: skip
def test_a_rejection_is_explained_in_plain_words(tmp_path, chain, name, reason):
    with pytest.raises(preflight.UnusableCertificate, match=reason) as caught:
        verify(tmp_path, *chain, name=name)
    assert name in str(caught.value)


def test_a_name_outside_the_limits_of_the_new_root_is_explained(tmp_path):
    limits = NameConstraints.parse(["zone.example"], ["10.0.0.0/8"])
    ca = factories.ca(name_constraints=limits)
    path, outside = tmp_path / "new.pem", "a.other.example"
    path.write_text(factories.key() + factories.server(ca))
    preflight.verify_certificate(str(path), ca.pem, [FQDN, "10.0.0.1"])
    path.write_text(factories.key() + forged(ca, Names((outside,))))
    reason = f"{outside} would reject the certificate: the name constraints of a CA do not allow"
    with pytest.raises(preflight.UnusableCertificate, match=reason):
        preflight.verify_certificate(str(path), ca.pem, [outside])


def test_dates_can_be_ignored(tmp_path):
    verify(tmp_path, leaf(ends=NOW - DAY / 2), FAMILY.middle, dateless=True)
