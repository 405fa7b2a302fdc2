"""Chains are judged as devices judge them, and a CA that is accepted can sign for every server.

The judge of the console has no private keys. These tests have them, so the result is compared with
the TLS handshake that the agent makes before it uses a certificate.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from pki import keys
from pki.chains import chains
from pki.errors import BadChain, PkiFault
from pki.formats import bundles, csr
from pki.names import Names
from tests.pki import factories
from tests.pki.factories import NOW
from zac.trust import pem
from zac.updates import preflight

FILES = Path(__file__).parent / "files"
DAY = timedelta(days=1)
HOST = "srv1.acme.example"
LEAF = factories.key(256, 80)
KEYS = [factories.private(factories.key(256, 81 + level)) for level in range(6)]
NOT_CRITICAL, CRITICAL = False, True
Extensions = list[tuple[x509.ExtensionType, bool]]
POLICY = x509.PolicyInformation(ObjectIdentifier("1.3.6.1.4.1.99999.1"), None)
# Extensions that CAs have beside the basic constraints and the key identifiers.
CA_EXTRAS: dict[str, tuple[x509.ExtensionType, bool]] = {
    "usage": (factories.CA_USAGE, CRITICAL),
    "usage-not-critical": (factories.CA_USAGE, NOT_CRITICAL),
    "server-auth": (factories.SERVER_AUTH, CRITICAL),
    "client-auth": (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), NOT_CRITICAL),
    "any-purpose": (
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
        NOT_CRITICAL,
    ),
    "leading-dot": (x509.NameConstraints([x509.DNSName(".acme.example")], None), CRITICAL),
    "domain": (x509.NameConstraints([x509.DNSName("acme.example")], None), NOT_CRITICAL),
    "elsewhere": (x509.NameConstraints([x509.DNSName("other.example")], None), CRITICAL),
    "excluded": (x509.NameConstraints(None, [x509.DNSName("srv1.acme.example")]), CRITICAL),
    "directory": (
        x509.NameConstraints([x509.DirectoryName(factories.name("Acme"))], None),
        CRITICAL,
    ),
    "mail": (x509.NameConstraints([x509.RFC822Name("acme.example")], None), CRITICAL),
    "policies": (x509.CertificatePolicies([POLICY]), CRITICAL),
    "policy-constraints": (x509.PolicyConstraints(0, None), CRITICAL),
    "inhibit-any-policy": (x509.InhibitAnyPolicy(0), CRITICAL),
    "unknown": (
        x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.2"), b"\5\0"),
        NOT_CRITICAL,
    ),
    "unknown-critical": (
        x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.99999.2"), b"\5\0"),
        CRITICAL,
    ),
}
IDENTIFIERS = ("right", "none", "wrong", "issuer-and-serial", "wrong-serial")


@dataclass(frozen=True)
class Profile:
    """How a certificate is made."""

    extras: tuple[str, ...] = ("usage",)
    constraints_critical: bool = True
    identifier: str = "right"
    has_subject_identifier: bool = True
    path_length: int | None = None


def identifier(kind: str, issuer: Any, issuer_pem: str) -> Extensions:
    """Return the authority key identifier of this kind."""
    if kind == "none":
        return []
    right = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    values = {"right": right, "wrong": x509.AuthorityKeyIdentifier(b"\1" * 20, None, None)}
    if kind in values:
        return [(values[kind], NOT_CRITICAL)]
    if not issuer_pem:
        return [(right, NOT_CRITICAL)]
    above = factories.loaded(issuer_pem)
    serial = above.serial_number + (kind == "wrong-serial")
    value = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(above.issuer)], serial)
    return [(value, NOT_CRITICAL)]


def authority(level: int, profile: Profile, issuer_pem: str) -> str:
    """Return the CA certificate of a level, 0 is the root."""
    own, signer = KEYS[level], KEYS[max(0, level - 1)]
    extensions: Extensions = [
        (
            x509.BasicConstraints(ca=True, path_length=profile.path_length),
            profile.constraints_critical,
        ),
        *(CA_EXTRAS[extra] for extra in profile.extras),
        *identifier(profile.identifier, signer, issuer_pem),
    ]
    if profile.has_subject_identifier:
        extensions.append(factories.identifiers(own, signer)[0])
    names = f"Acme {level}", f"Acme {max(0, level - 1)}"
    return factories.certificate(names[0], own, names[1], signer, extensions)


def make_chain(profiles: list[Profile]) -> list[str]:
    """Return the CA certificates, the root first."""
    made: list[str] = []
    for level, profile in enumerate(profiles):
        made.append(authority(level, profile, made[-1] if made else ""))
    return made


def make_leaf(
    authorities: list[str],
    kind: str = "right",
    *,
    critical: bool = False,
    subject: x509.Name | str = HOST,
) -> str:
    level, own = len(authorities) - 1, factories.private(LEAF)
    extensions: Extensions = [
        (factories.SERVER_AUTH, critical),
        (factories.alternatives(HOST), critical),
        *identifier(kind, KEYS[level], authorities[-1]),
    ]
    return factories.certificate(subject, own, f"Acme {level}", KEYS[level], extensions)


def is_accepted_by_devices(leaf: str, authorities: list[str]) -> bool:
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write("".join([LEAF, leaf, *reversed(authorities[1:])]))
        file.flush()
        try:
            preflight.verify_certificate(file.name, authorities[0], [HOST])
        except preflight.UnusableCertificate:
            return False
    return True


def choose(leaf: str, authorities: list[str], known: list[str] | None = None) -> list[str]:
    """Import a server certificate: return its chain."""
    expected = chains.Requirements(names=Names(dns=(HOST,)), fqdn=HOST, now=NOW, active_at=NOW)
    return chains.choose_chain(
        [leaf, *authorities[1:]],
        known or [],
        root_pem=authorities[0],
        public_key=keys.get_public_key(LEAF),
        expected=expected,
    )[0]


def upload(authorities: list[str]) -> tuple[str, list[str]]:
    return chains.split_root(authorities, at=NOW, hosts=[HOST])


def is_accepted(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except PkiFault:
        return False
    return True


profiles = st.builds(
    Profile,
    extras=st.lists(st.sampled_from([*CA_EXTRAS]), max_size=2, unique=True)
    .map(tuple)
    .filter(lambda kinds: len({type(CA_EXTRAS[kind][0]) for kind in kinds}) == len(kinds)),
    constraints_critical=st.booleans(),
    identifier=st.sampled_from(IDENTIFIERS),
    has_subject_identifier=st.booleans(),
    path_length=st.sampled_from([None, None, 0, 1, 3]),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(profiles, min_size=1, max_size=4),
    st.sampled_from(IDENTIFIERS),
    st.booleans(),
)
def test_import_and_devices_agree(given_profiles: list[Profile], kind: str, critical: Any) -> None:
    authorities = make_chain(given_profiles)
    leaf = make_leaf(authorities, kind, critical=critical)
    assert is_accepted(lambda: choose(leaf, authorities)) == is_accepted_by_devices(
        leaf, authorities
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(profiles, min_size=1, max_size=4))
def test_a_ca_is_accepted_exactly_if_it_can_sign_for_the_server(
    given_profiles: list[Profile],
) -> None:
    authorities = make_chain(given_profiles)
    # The CA chooses the subject. Without one, constraints of directory names do not apply to it.
    leaf = make_leaf(authorities, "none", subject=x509.Name([]))
    accepted = is_accepted(lambda: upload(authorities))
    assert accepted == is_accepted_by_devices(leaf, authorities)
    if accepted:
        assert pem.describe(authorities[0])["subject"]


@pytest.mark.parametrize("extra", CA_EXTRAS)
@pytest.mark.parametrize("level", [0, 1])
def test_each_extension_is_judged_at_each_level(extra: str, level: int) -> None:
    profile = Profile(extras=(extra,))
    authorities = make_chain([profile if level == at else Profile() for at in range(3)])
    leaf = make_leaf(authorities, subject=x509.Name([]))
    good = is_accepted_by_devices(leaf, authorities)
    assert is_accepted(lambda: upload(authorities)) == good
    assert is_accepted(lambda: choose(leaf, authorities)) == good


@pytest.mark.parametrize(
    ("profiles_of_cas", "message"),
    [
        ([Profile(extras=("unknown-critical",))], '"CN=Acme 0" .* critical extension'),
        ([Profile(), Profile(extras=("client-auth",))], '"CN=Acme 1" .*include serverAuth'),
        ([Profile(), Profile(extras=("elsewhere",)), Profile()], "Acme 1.*do not allow srv1.acme"),
        ([Profile(identifier="wrong")], 'identifier of "CN=Acme 0" .*does not match its issuer'),
        ([Profile(), Profile(identifier="wrong")], 'identifier of "CN=Acme 1" .*does not match'),
        ([Profile(path_length=0), Profile()], 'path length constraint of "CN=Acme 0"'),
    ],
)
def test_a_fault_names_the_certificate_and_not_the_library(
    profiles_of_cas: list[Profile], message: str
) -> None:
    authorities = make_chain(profiles_of_cas)
    with pytest.raises(BadChain, match=message) as caught:
        upload(authorities)
    assert caught.value.action
    assert "2.5.29" not in str(caught.value)
    with pytest.raises(BadChain, match=message):
        choose(make_leaf(authorities), authorities)


def test_a_chain_with_many_intermediates_is_accepted() -> None:
    key = KEYS[1]
    root = make_chain([Profile()])[0]
    authorities, above = [root], ("Acme 0", KEYS[0])
    for level in range(1, 16):
        own = factories.private(factories.key(256, 100 + level))
        authorities.append(
            factories.certificate(
                f"Acme {level}", own, *above, factories.ca_extensions(own, above[1])
            )
        )
        above, key = (f"Acme {level}", own), own
    leaf = factories.certificate(
        HOST,
        factories.private(LEAF),
        *above,
        [(factories.alternatives(HOST), CRITICAL)],
    )
    assert upload(authorities)[0] == root
    assert choose(leaf, authorities) == [leaf, *reversed(authorities[1:])]
    assert is_accepted_by_devices(leaf, authorities)
    assert key is above[1]


@pytest.mark.parametrize("length", [2048, 3072])
def test_rsa_certificates_are_judged(length: int) -> None:
    own = rsa.generate_private_key(65537, length)
    root = factories.certificate(
        "RSA", own, "RSA", own, factories.ca_extensions(own, own), algorithm=hashes.SHA384()
    )
    signed = factories.certificate(
        HOST, own, "RSA", own, factories.server_extensions(own, own, HOST)
    )
    expected = chains.Requirements(names=Names(), fqdn=HOST, now=NOW, active_at=NOW)
    public_key = own.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    chain, _ = chains.choose_chain(
        [signed], [], root_pem=root, public_key=public_key.decode(), expected=expected
    )
    assert chain == [signed]


def test_names_that_were_encoded_again_are_equal() -> None:
    def encoded(kind: Any, text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, kind)])

    own = KEYS[0]
    printable = encoded(_ASN1Type.PrintableString, "Acme  Root")
    root = factories.certificate(printable, own, printable, own, factories.ca_extensions(own, own))
    leaf = factories.certificate(
        HOST,
        factories.private(LEAF),
        encoded(_ASN1Type.UTF8String, "acme root"),
        own,
        [(factories.alternatives(HOST), NOT_CRITICAL)],
    )
    assert choose(leaf, [root]) == [leaf]
    assert is_accepted_by_devices(leaf, [root])


def read(name: str) -> list[str]:
    return bundles.parse_certificates((FILES / name).read_bytes())


def begin_of(pem: str) -> Any:
    return factories.loaded(pem).not_valid_before_utc + timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "intermediates"),
    [
        ("ca-chain.pem", 1),
        ("root-sha1-self-signed.pem", 0),
        ("root-serial-zero.pem", 0),
        ("root-openssl-default-no-keyusage.pem", 0),
        ("ca-chain-name-constraint-leading-dot.pem", 1),
        ("ca-chain-with-cross-certificate.pem", 1),
    ],
)
def test_cas_that_are_in_use_are_accepted(name: str, intermediates: int) -> None:
    found = read(name)
    root, others = chains.split_root(found, at=begin_of(found[0]), hosts=[HOST])
    assert len(others) == intermediates
    assert chains.is_root(root)
    assert pem.describe(root)["subject"]


@pytest.mark.parametrize(
    ("server", "ca", "message"),
    [
        ("server-good.pem", "ca-chain.pem", ""),
        (
            "server-under-name-constraint-leading-dot.pem",
            "ca-chain-name-constraint-leading-dot.pem",
            "",
        ),
        (
            "server-wrong-authority-key-identifier.pem",
            "ca-chain.pem",
            r'identifier of "CN=srv1.acme.example" \(certificate 1, serial number [0-9a-f]+\) does',
        ),
    ],
)
def test_server_certificates_are_judged_as_by_devices(server: str, ca: str, message: str) -> None:
    root, others = chains.split_root(read(ca))
    now = begin_of(read(server)[0])
    expected = chains.Requirements(names=Names(), fqdn=HOST, now=now, active_at=now)
    request = csr.parse_csr((FILES / "server.csr").read_text())
    values: dict[str, Any] = {
        "root_pem": root,
        "public_key": request.public_key,
        "expected": expected,
    }
    if not message:
        chain, warnings = chains.choose_chain(read(server), others, **values)
        assert chain == [read(server)[0], *others]
        assert warnings == []
        return
    with pytest.raises(BadChain, match=message):
        chains.choose_chain(read(server), others, **values)
