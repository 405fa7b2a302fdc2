"""Chains: rebuilt from sets, checked before they are imported (docs/decisions.md D-12 to D-15)."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki import keys
from pki.chains import chains as chains_chain
from pki.errors import BadCertificate, BadChain, PkiFault, WeakKey, WrongKey, WrongName
from pki.names import Names
from tests.pki import factories
from tests.pki.factories import FQDN, NAMES, NOW

FAMILY = factories.family()
SPKI = keys.get_public_key(FAMILY.leaf_key)
LEAF_KEY = factories.private(FAMILY.leaf_key)
DAY = timedelta(days=1)
# A certificate in a message: its number in the file, and its serial number.
WHICH = r" \((certificate \d, )?serial number [0-9a-f]+\)"


def middle(subject: str = "Ext Sub", issuer: str = "Ext Root", **changes: Any) -> str:
    """Return an intermediate, with the keys of the family unless told otherwise."""
    own, signer = changes.pop("own", FAMILY.middle_key), changes.pop("signer", FAMILY.root_key)
    extensions = changes.pop("extensions", None) or factories.ca_extensions(
        own, signer, path_length=changes.pop("path_length", None)
    )
    return factories.certificate(subject, own, issuer, signer, extensions, **changes)


def test_joining_and_splitting_are_reverse() -> None:
    text = chains_chain.join(FAMILY.leaf, FAMILY.middle)
    assert chains_chain.split(text) == [FAMILY.leaf, FAMILY.middle]
    assert chains_chain.split("text" + text.replace("\n", "\r\n")) == [FAMILY.leaf, FAMILY.middle]
    assert chains_chain.split("") == []


def test_it_tells_roots_and_issuers() -> None:
    assert chains_chain.is_root(FAMILY.root)
    assert not chains_chain.is_root(FAMILY.middle)
    assert chains_chain.is_signed_by(FAMILY.leaf, FAMILY.middle)
    assert not chains_chain.is_signed_by(FAMILY.leaf, FAMILY.root)
    own = factories.private(factories.key())
    self_signed_server = factories.certificate(
        "a", own, "a", own, factories.server_extensions(own, own)
    )
    assert not chains_chain.is_root(self_signed_server)


@pytest.mark.manual("R061")
def test_an_uploaded_chain_is_split_whatever_its_order() -> None:
    lower_key = factories.private(factories.key(256, 60))
    lower = middle("Lower", "Ext Sub", own=lower_key, signer=FAMILY.middle_key)
    certs = [FAMILY.root, FAMILY.middle, lower]
    for _ in range(6):
        random.shuffle(certs)
        assert chains_chain.split_root(certs) == (FAMILY.root, [lower, FAMILY.middle])
    assert chains_chain.split_root([FAMILY.root]) == (FAMILY.root, [])


OTHER_ROOT = factories.ca("Other", which=9)
FORGED = factories.certificate(
    "Ext Root",
    FAMILY.root_key,
    "Ext Root",
    FAMILY.middle_key,
    factories.ca_extensions(FAMILY.root_key, FAMILY.middle_key),
)
NO_SIGN = [
    (x509.BasicConstraints(ca=True, path_length=None), True),
    (factories.usage("crl_sign"), True),
    *factories.identifiers(FAMILY.middle_key, FAMILY.root_key),
]
TIGHT = factories.family(path_length=0)


@pytest.mark.parametrize(
    ("certs", "message"),
    [
        (
            [FAMILY.root, OTHER_ROOT.pem],
            f'more than one root.*"CN=Ext Root"{WHICH} and "CN=Other"{WHICH}',
        ),
        ([FAMILY.middle], f'"CN=Ext Sub"{WHICH}, "CN=Ext Root", is missing'),
        (
            [FORGED],
            f'"CN=Ext Root"{WHICH} appears to be a root certificate, but its self-sig',
        ),
        ([FAMILY.root, middle("Lower", "Gone")], f'"CN=Lower"{WHICH}, "CN=Gone", is missing'),
        ([FAMILY.root, FAMILY.middle, FAMILY.leaf], f'"CN={FQDN}"{WHICH} is not a CA certificate'),
        ([FAMILY.root, middle(extensions=NO_SIGN)], f'"CN=Ext Sub"{WHICH} is not a CA certificate'),
        ([TIGHT.root, TIGHT.middle], f'path length constraint of "CN=Ext Root"{WHICH} allows 0'),
        ([], "[Nn]o certificate|not contain a certificate"),
    ],
)
def test_an_unfit_chain_is_refused_naming_what_is_wrong(certs: list[str], message: str) -> None:
    with pytest.raises(BadChain, match=message):
        chains_chain.split_root(certs)


def test_a_path_length_that_suffices_is_accepted() -> None:
    family = factories.family(path_length=1, middle_length=0)
    assert chains_chain.split_root([family.middle, family.root]) == (family.root, [family.middle])
    chain = chains_chain.build_chain(
        [family.middle, family.leaf],
        root_pem=family.root,
        public_key=keys.get_public_key(family.leaf_key),
    )
    assert len(chain) == 2


def test_a_path_length_counts_all_that_stand_below() -> None:
    family = factories.family(path_length=1)
    lower_key = factories.private(factories.key(256, 60))
    lower = middle("Lower", "Ext Sub", own=lower_key, signer=family.middle_key)
    with pytest.raises(
        BadChain, match="allows 1 CA certificates below it, but the chain contains 2"
    ):
        chains_chain.split_root([lower, family.middle, family.root])


def test_a_self_issued_bridge_does_not_count_for_the_path_length() -> None:
    """RFC 5280, 6.1.4 (l): a certificate of the issuer's own name does not count."""
    tight = factories.private(factories.key(256, 61))
    root = factories.certificate(
        "Ext Root", tight, "Ext Root", tight, factories.ca_extensions(tight, tight, path_length=1)
    )
    over = middle("Ext Root", own=FAMILY.root_key, signer=tight)
    chains_chain.check_links([FAMILY.leaf, FAMILY.middle, over], root_pem=root)


def test_a_weak_intermediate_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    weak = rsa.generate_private_key(65537, 1024)
    with pytest.raises(WeakKey, match="Ext Sub"):
        chains_chain.split_root([FAMILY.root, middle(own=weak)])


def test_the_chain_of_a_server_is_built_from_any_order() -> None:
    certs = [FAMILY.root, FAMILY.middle, FAMILY.leaf, factories.server(factories.ca())]
    for _ in range(6):
        random.shuffle(certs)
        chain = chains_chain.build_chain(certs, root_pem=FAMILY.root, public_key=SPKI)
        assert chain == [FAMILY.leaf, FAMILY.middle]
        chains_chain.check_links(chain, root_pem=FAMILY.root)


def test_of_two_certificates_with_the_key_the_newer_is_taken() -> None:
    newer = factories.certificate(
        FQDN,
        LEAF_KEY,
        "Ext Sub",
        FAMILY.middle_key,
        factories.server_extensions(LEAF_KEY, FAMILY.middle_key),
        begins=NOW - timedelta(hours=1),
    )
    certs = [newer, FAMILY.leaf, FAMILY.middle]
    assert chains_chain.build_chain(certs, root_pem=FAMILY.root, public_key=SPKI)[0] == newer


def test_a_chain_may_lead_over_a_bridge() -> None:
    old, new = factories.ca("Old"), factories.ca("New", which=1)
    bridge = factories.cross_certificate(old, new)
    leaf = factories.server(new)
    spki = keys.get_public_key(factories.key())
    assert chains_chain.build_chain([bridge, leaf], root_pem=old.pem, public_key=spki) == [
        leaf,
        bridge,
    ]
    assert chains_chain.build_chain([bridge, leaf], root_pem=new.pem, public_key=spki) == [leaf]


@pytest.mark.parametrize(
    ("certs", "fault", "message"),
    [
        ([FAMILY.middle], WrongKey, "key of the CSR"),
        ([FAMILY.leaf], BadChain, '"CN=Ext Sub", is missing'),
        (
            [FAMILY.leaf, FAMILY.middle, OTHER_ROOT.pem],
            BadChain,
            f'"CN=Other"{WHICH} is not the expected root',
        ),
        ([], BadChain, "[Nn]o certificate|not contain a certificate"),
    ],
)
def test_a_set_without_a_chain_is_refused(
    certs: list[str], fault: type[PkiFault], message: str
) -> None:
    with pytest.raises(fault, match=message):
        chains_chain.build_chain(certs, root_pem=FAMILY.root, public_key=SPKI)


def test_links_are_checked_in_their_order() -> None:
    with pytest.raises(BadChain, match="is not signed by"):
        chains_chain.check_links([FAMILY.leaf], root_pem=FAMILY.root)
    with pytest.raises(BadChain, match="is not signed by"):
        chains_chain.check_links([FAMILY.middle, FAMILY.leaf], root_pem=FAMILY.root)


def leaf(*names: str, **changes: Any) -> str:
    extensions = changes.pop(
        "extensions", factories.server_extensions(LEAF_KEY, FAMILY.middle_key, *names)
    )
    subject = changes.pop("subject", FQDN)
    return factories.certificate(
        subject, LEAF_KEY, "Ext Sub", FAMILY.middle_key, extensions, **changes
    )


def check(server: str, **changes: Any) -> list[str]:
    chain = changes.pop("chain", [server, FAMILY.middle])
    root = changes.pop("root_pem", FAMILY.root)
    values: dict[str, Any] = {
        "names": NAMES,
        "now": NOW,
        "active_at": NOW + 2 * DAY,
        "fqdn": FQDN,
    }
    expected = chains_chain.Requirements(**values | changes)
    return chains_chain.choose_chain(chain, [], root_pem=root, public_key=SPKI, expected=expected)[
        1
    ]


def swapped(value: x509.ExtensionType | None, kind: type[x509.ExtensionType]) -> Any:
    good = factories.server_extensions(LEAF_KEY, FAMILY.middle_key)
    changed = [(value if isinstance(old, kind) else old, critical) for old, critical in good]
    return [(one, critical) for one, critical in changed if one is not None]


def test_a_good_chain_gives_no_warning() -> None:
    assert check(FAMILY.leaf) == []
    assert check(FAMILY.leaf, active_at=NOW + 3 * DAY, now=NOW + 3 * DAY) == []


CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
IS_CA = x509.BasicConstraints(ca=True, path_length=None)


@pytest.mark.parametrize(
    ("server", "changes", "fault", "message"),
    [
        (
            leaf(extensions=swapped(IS_CA, x509.BasicConstraints)),
            {},
            BadCertificate,
            "is a CA certificate",
        ),
        (leaf(extensions=swapped(CLIENT, x509.ExtendedKeyUsage)), {}, BadCertificate, "serverAuth"),
        (
            leaf(extensions=swapped(factories.usage("key_agreement"), x509.KeyUsage)),
            {},
            BadCertificate,
            "digitalSignature",
        ),
        (leaf("other.example"), {}, WrongName, "only in its common name"),
        (leaf("other.example", subject="other.example"), {}, WrongName, "covers other.example"),
        (leaf("*.example"), {"fqdn": "a.example"}, WrongName, "does not cover a.example"),
        (leaf("*.zone.example"), {"fqdn": "a.b.zone.example"}, WrongName, "does not cover"),
        (
            leaf(extensions=swapped(None, x509.SubjectAlternativeName)),
            {},
            WrongName,
            "only in its common name",
        ),
        (leaf(ends=NOW - DAY / 2), {}, BadCertificate, "expired on"),
        (leaf(ends=NOW + DAY), {}, BadCertificate, "before the activation"),
        (leaf(begins=NOW + 3 * DAY), {}, BadCertificate, "after the activation"),
        (FAMILY.leaf, {"chain": [FAMILY.leaf]}, BadChain, "is missing"),
        (FAMILY.leaf, {"chain": []}, BadChain, "[Nn]o certificate|not contain a certificate"),
        (FAMILY.leaf, {"root_pem": OTHER_ROOT.pem}, BadChain, "is missing"),
    ],
)
def test_each_error_of_an_import_has_its_own_message(
    server: str, changes: dict[str, Any], fault: type[PkiFault], message: str
) -> None:
    with pytest.raises(fault, match=message):
        check(server, **changes)


@pytest.mark.parametrize("kind", [x509.ExtendedKeyUsage, x509.AuthorityKeyIdentifier])
def test_a_certificate_without_an_optional_extension_is_accepted(kind: Any) -> None:
    assert check(leaf(extensions=swapped(None, kind))) == []


def test_an_expired_intermediate_is_named() -> None:
    old = middle(ends=NOW + DAY)
    with pytest.raises(BadCertificate, match=f'"CN=Ext Sub"{WHICH} expires'):
        check(FAMILY.leaf, chain=[FAMILY.leaf, old])


@pytest.mark.manual("R009")
@pytest.mark.parametrize(
    ("server", "changes", "warning"),
    [
        (leaf("*.zone.example", "10.0.0.1"), {}, "covered only by a wildcard"),
        (leaf(FQDN), {}, r"will reject the certificate: 10\.0\.0\.1\."),
        (
            leaf(FQDN, "10.0.0.1"),
            {"names": Names(dns=(FQDN, "two.example"), addresses=("10.0.0.1",))},
            r"two\.example",
        ),
        (leaf(ends=NOW + 20 * DAY), {}, "expires soon"),
        (leaf(begins=NOW + DAY * 1.5), {}, "clock is behind"),
    ],
)
def test_what_may_go_wrong_is_a_warning(server: str, changes: dict[str, Any], warning: str) -> None:
    import re

    warnings = check(server, **changes)
    assert len(warnings) == 1
    assert re.search(warning, warnings[0])


def test_a_served_chain_is_verified_as_a_device_does() -> None:
    served = chains_chain.join(FAMILY.leaf, FAMILY.middle)
    question: dict[str, Any] = {"roots": [OTHER_ROOT.pem, FAMILY.root], "now": NOW}
    for host in (FQDN, FQDN.upper(), "10.0.0.1"):
        assert chains_chain.verify_chain(served, host=host, **question) == FAMILY.root
    for host in ("other.example", "10.0.0.2"):
        with pytest.raises(BadChain):
            chains_chain.verify_chain(served, host=host, **question)
    with pytest.raises(BadChain):
        chains_chain.verify_chain(served, roots=[OTHER_ROOT.pem], host=FQDN, now=NOW)
    with pytest.raises(BadChain):
        chains_chain.verify_chain(served, roots=[FAMILY.root], host=FQDN, now=NOW + 4000 * DAY)
    for roots, chain in (([], served), ([FAMILY.root], "")):
        with pytest.raises(BadChain):
            chains_chain.verify_chain(chain, roots=roots, host=FQDN, now=NOW)


def test_a_certificate_valid_only_later_is_refused_now() -> None:
    with pytest.raises(BadChain):
        chains_chain.verify_chain(
            chains_chain.join(leaf(begins=NOW + DAY), FAMILY.middle),
            roots=[FAMILY.root],
            host=FQDN,
            now=NOW,
        )
