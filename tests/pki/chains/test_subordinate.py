"""The chain of a subordinate zone CA: what is imported, and what is rejected with which reason."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki.certificates import lint
from pki.certificates.issuance import generate_serial
from pki.certificates.subordinate import build_trusted_root
from pki.chains import chains, subordinate
from pki.errors import BadCertificate, BadChain, NotIssued, PkiFault, WeakKey, WrongKey
from pki.formats import csr
from pki.names import Subject
from tests.pki import factories, linters
from tests.pki.factories import CA, FQDN, NOW

DAY = timedelta(days=1)
ROOT_KEY, MIDDLE_KEY = (factories.private(factories.key(256, 160 + which)) for which in range(2))
OWN_PEM = factories.key(256, 162)
OWN_KEY = factories.private(OWN_PEM)
CSR = csr.build_ca_csr(OWN_PEM, Subject.parse("CN=Zone CA,O=Acme"))
NAME = x509.load_pem_x509_csr(CSR.encode()).subject
SUBTREE = x509.DNSName("zone.example")


def ca(subject: Any, own: Any, issuer: str, signer: Any, *more: Any, **given: Any) -> str:
    extensions = factories.ca_extensions(own, signer, path_length=given.pop("path_length", None))
    return factories.certificate(subject, own, issuer, signer, [*extensions, *more], **given)


ROOT = ca("Corp Root", ROOT_KEY, "Corp Root", ROOT_KEY, path_length=2, ends=NOW + 3000 * DAY)
MIDDLE = ca("Corp Sub", MIDDLE_KEY, "Corp Root", ROOT_KEY, path_length=1, ends=NOW + 2000 * DAY)


def issue(*more: Any, name: Any = NAME, own: Any = OWN_KEY, **given: Any) -> str:
    """Return the zone CA's certificate as the corporate CA issues it."""
    given = {"path_length": 0, "ends": NOW + 1000 * DAY, **given}
    return ca(name, own, "Corp Sub", MIDDLE_KEY, *more, **given)


def choose(certs: list[str], *, at: Any = NOW + DAY, hosts: Any = (FQDN, "10.0.0.1")) -> list[str]:
    return subordinate.choose_chain(certs, csr_pem=CSR, hosts=hosts, now=NOW, active_at=at)


def test_a_chain_is_ordered_whatever_the_order_of_the_file() -> None:
    own = issue()
    for given in itertools.permutations([own, MIDDLE, ROOT]):
        assert choose(list(given)) == [own, MIDDLE, ROOT]


def test_certificates_that_are_not_needed_are_left_out() -> None:
    own, other = issue(), ca("Other", factories.private(factories.key()), "Corp Root", ROOT_KEY)
    assert choose([other, own, MIDDLE, ROOT]) == [own, MIDDLE, ROOT]


def test_the_newest_certificate_for_the_key_is_taken() -> None:
    old, new = issue(begins=NOW - 30 * DAY), issue()
    assert choose([old, new, MIDDLE, ROOT])[0] == new
    assert choose([issue(ends=NOW + DAY / 2), old, MIDDLE, ROOT])[0] == old, "it expires too early"


def test_an_issuer_that_changes_the_subject_is_accepted() -> None:
    name = x509.Name([*factories.name("Zone CA"), x509.NameAttribute(NameOID.COUNTRY_NAME, "US")])
    assert choose([issue(name=name), MIDDLE, ROOT])


def test_allowed_names_are_accepted() -> None:
    constraint = (x509.NameConstraints([SUBTREE], None), True)
    assert choose([issue(constraint), MIDDLE, ROOT], hosts=("a.zone.example", FQDN))


def usage(*purposes: str, **given: Any) -> str:
    extensions = [
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (factories.usage(*purposes), True),
        *factories.identifiers(OWN_KEY, MIDDLE_KEY),
    ]
    return factories.certificate(NAME, OWN_KEY, "Corp Sub", MIDDLE_KEY, extensions, **given)


def leaf() -> str:
    extensions = factories.server_extensions(OWN_KEY, MIDDLE_KEY)
    return factories.certificate(NAME, OWN_KEY, "Corp Sub", MIDDLE_KEY, extensions)


def unnamed() -> str:
    return issue(name=x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme")]))


def client_only() -> str:
    return issue((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False))


def constrained() -> str:
    return issue((x509.NameConstraints([x509.DNSName("other.example")], None), True))


WITHOUT_CA = ca("Corp Sub", MIDDLE_KEY, "Corp Root", ROOT_KEY, path_length=0)
EXPIRING = ca("Corp Sub", MIDDLE_KEY, "Corp Root", ROOT_KEY, ends=NOW + DAY / 2)
SHA_224 = issue(algorithm=hashes.SHA224())
WEAK = factories.private(factories.key(2048, 163))
REJECTED: dict[str, tuple[list[str], type[PkiFault], str]] = {
    "another key": (
        [issue(own=WEAK), MIDDLE, ROOT],
        WrongKey,
        "None of the certificates in the file match the key of the new zone CA",
    ),
    "no root": ([issue(), MIDDLE], BadChain, "issuer of .*Corp Sub.*Corp Root.* is missing"),
    "no intermediate": ([issue(), ROOT], BadChain, "issuer of .*Zone CA.*Corp Sub.* is missing"),
    "a server certificate": ([leaf(), MIDDLE, ROOT], BadChain, "is not a CA certificate"),
    "no keyCertSign": ([usage("crl_sign"), MIDDLE, ROOT], BadChain, "is not a CA certificate"),
    "no cRLSign": ([usage("key_cert_sign"), MIDDLE, ROOT], BadCertificate, "include cRLSign"),
    "no common name": ([unnamed(), MIDDLE, ROOT], BadCertificate, "exactly one common name"),
    "a path length": (
        [issue(), WITHOUT_CA, ROOT],
        BadChain,
        "path length constraint",
    ),
    "other purposes": ([client_only(), MIDDLE, ROOT], BadChain, "does not include serverAuth"),
    "name constraints": ([constrained(), MIDDLE, ROOT], BadChain, "do not allow one.zone.example"),
    "expired": ([issue(ends=NOW - DAY / 2), MIDDLE, ROOT], BadCertificate, "Zone CA.* expired on"),
    "expires early": ([issue(ends=NOW + DAY / 2), MIDDLE, ROOT], BadCertificate, "before the act"),
    "an issuer expires early": ([issue(), EXPIRING, ROOT], BadCertificate, "Corp Sub.* expires on"),
    "not valid yet": (
        [issue(begins=NOW + DAY / 2), MIDDLE, ROOT],
        BadCertificate,
        "Zone CA.* is not valid until",
    ),
    "a weak hash": ([SHA_224, MIDDLE, ROOT], BadCertificate, "weak or unsupported algorithm"),
}


@pytest.mark.parametrize("case", REJECTED)
def test_what_is_rejected_and_why(case: str) -> None:
    certs, fault, reason = REJECTED[case]
    with pytest.raises(fault, match=reason):
        choose(certs)


def test_an_issuer_with_a_weak_key_is_rejected() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    root = ca("Weak Root", weak, "Weak Root", weak)
    own = ca(NAME, OWN_KEY, "Weak Root", weak)
    with pytest.raises(WeakKey, match="Weak Root"):
        choose([own, root])


def build_root(own: str, chain: list[str]) -> str:
    return build_trusted_root(
        key_pem=OWN_PEM,
        issued_pem=own,
        not_after=subordinate.get_end(chain),
        serial=generate_serial(),
    )


@pytest.mark.parametrize("length", [256, 384, 2048])
def test_all_accept_a_server_certificate_under_both_roots(tmp_path: Path, length: int) -> None:
    key = factories.key(length, 164)
    own = ca(NAME, factories.private(key), "Corp Root", ROOT_KEY, path_length=0)
    root = build_trusted_root(
        key_pem=key, issued_pem=own, not_after=NOW + 1000 * DAY, serial=generate_serial()
    )
    assert lint.lint_certificate(root, kind="root", issuer_pem=root) == []
    assert linters.pkilint(root) == []
    served = [factories.server(CA(key, root)), own]
    for trusted in (root, ROOT):
        question: dict[str, Any] = {"roots": [trusted], "chain": served, "host": FQDN, "at": NOW}
        assert linters.everybody(tmp_path, **question) == {True}


def test_openssl_accepts_a_server_certificate_below_an_intermediate(tmp_path: Path) -> None:
    own = issue()
    root = build_root(own, [own, MIDDLE, ROOT])
    served = [factories.server(CA(OWN_PEM, root)), own, MIDDLE]
    for trusted in (root, ROOT):
        question: dict[str, Any] = {"roots": [trusted], "chain": served, "host": FQDN, "at": NOW}
        assert linters.openssl_accepts(tmp_path, **question)
        assert linters.library_accepts(**question)
    del question["at"]
    assert linters.certtool_accepts(tmp_path, **question)
    # GnuTLS follows the served chain to its end. It needs the root of the issuer (D-295).
    assert not linters.certtool_accepts(tmp_path, **{**question, "roots": [root]})


def test_the_root_of_the_issuer_opens_no_door_to_devices(tmp_path: Path) -> None:
    """Another CA below the same corporate root, with the same name, is not trusted."""
    stranger = factories.key(256, 165)
    fake = issue(own=factories.private(stranger))
    served = [factories.server(CA(stranger, fake)), fake, MIDDLE]
    own = issue()
    trusted = build_root(own, [own, MIDDLE, ROOT])
    assert linters.everybody(tmp_path, roots=[ROOT], chain=served, host=FQDN, at=NOW) == {True}
    assert linters.everybody(tmp_path, roots=[trusted], chain=served, host=FQDN, at=NOW) == {False}


def test_the_root_takes_over_the_subject_and_key_identifier_of_the_issued_certificate() -> None:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(
                NameOID.COMMON_NAME, "Renamed", _type=x509.name._ASN1Type.PrintableString
            ),
        ]
    )
    extensions = [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (factories.CA_USAGE, True),
        (x509.SubjectKeyIdentifier(b"assigned by the issuer"), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(MIDDLE_KEY.public_key()), False),
    ]
    own = factories.certificate(name, OWN_KEY, "Corp Sub", MIDDLE_KEY, extensions)
    root = factories.loaded(build_root(own, [own, MIDDLE, ROOT]))
    assert root.subject.public_bytes() == name.public_bytes()
    identifier = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert identifier.digest == b"assigned by the issuer"
    assert chains.is_root(factories.pem(root))


def test_the_root_expires_with_the_certificate_of_the_chain_that_expires_first() -> None:
    own = issue(ends=NOW + 2500 * DAY)
    root = factories.loaded(build_root(own, [own, MIDDLE, ROOT]))
    assert root.not_valid_after_utc == NOW + 2000 * DAY
    early = issue(ends=NOW + 10 * DAY)
    root = factories.loaded(build_root(early, [early, MIDDLE, ROOT]))
    assert root.not_valid_after_utc == NOW + 10 * DAY


def test_a_root_is_not_built_with_another_key() -> None:
    with pytest.raises(WrongKey):
        build_trusted_root(
            key_pem=factories.key(), issued_pem=issue(), not_after=NOW + DAY, serial=1 << 100
        )


def test_a_root_without_a_common_name_is_not_built() -> None:
    with pytest.raises(NotIssued, match="common name"):
        build_root(unnamed(), [unnamed(), MIDDLE, ROOT])
