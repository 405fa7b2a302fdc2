"""Name constraints of a CA (RFC 5280 4.2.1.10; docs/decisions.md D-280, D-281)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from pki.certificates import constraints, lint
from pki.certificates.constraints import NameConstraints
from pki.certificates.details import get_details
from pki.chains import handshake
from pki.errors import BadName, NotPermitted
from pki.formats import bundles
from pki.names import Names
from tests.pki import factories, linters
from tests.pki.factories import CA, NOW

DOMAIN = "zone.example"
PLAIN = NameConstraints.parse([DOMAIN], ["10.0.0.0/8"])
BOTH = NameConstraints.parse([DOMAIN], ["10.0.0.0/8", "2001:db8::/32"])
NO_ADDRESSES = NameConstraints.parse([DOMAIN])
EXCLUDING = NameConstraints.parse([DOMAIN], ["10.0.0.0/8"], ["guest.zone.example", "10.5.0.0/16"])


def forged(ca: CA, names: Names, others: Iterable[x509.GeneralName] = ()) -> str:
    """Return a certificate that a thief of the CA key signs without the checks of `pki`."""
    own, issuer = factories.private(factories.key()), factories.private(ca.key)
    extensions = factories.server_extensions(own, issuer)
    found = [*factories.alternatives(*names.dns, *names.addresses), *others]
    extensions[3] = (x509.SubjectAlternativeName(found), False)
    return factories.certificate(names.dns[0], own, "Zone", issuer, extensions, begins=NOW)


INSIDE = [
    (PLAIN, Names(("one.zone.example",), ("10.0.0.1",))),
    (PLAIN, Names((DOMAIN,))),
    (BOTH, Names(("one.zone.example",), ("10.0.0.1", "2001:db8::1"))),
    (NO_ADDRESSES, Names(("one.zone.example",))),
    (EXCLUDING, Names(("one.zone.example",), ("10.4.0.1",))),
]
OUTSIDE = [
    (PLAIN, Names(("one.other.example",)), "domains"),
    (PLAIN, Names(("one.zone.example", "evilzone.example")), "domains"),
    (PLAIN, Names(("one.zone.example",), ("192.0.2.1",)), "networks"),
    (PLAIN, Names(("one.zone.example",), ("2001:db8::1",)), "networks"),
    (BOTH, Names(("one.zone.example",), ("2001:db9::1",)), "networks"),
    (NO_ADDRESSES, Names(("one.zone.example",), ("10.0.0.1",)), "networks"),
    (EXCLUDING, Names(("one.guest.zone.example",)), "domains"),
    (EXCLUDING, Names(("one.zone.example",), ("10.5.0.1",)), "networks"),
]


@pytest.mark.parametrize(("limits", "names"), INSIDE)
def test_everybody_accepts_names_inside(
    tmp_path: Path, limits: NameConstraints, names: Names
) -> None:
    ca, old = factories.ca(name_constraints=limits), factories.ca("Old", which=1)
    leaf, over = factories.server(ca, names=names), factories.cross_certificate(old, ca)
    assert linters.pkilint(ca.pem) == linters.pkilint(over) == linters.pkilint(leaf) == []
    assert lint.lint_certificate(ca.pem, kind="root", issuer_pem=ca.pem) == []
    assert lint.lint_certificate(leaf, kind="server", issuer_pem=ca.pem) == []
    assert lint.lint_certificate(over, kind="cross-certificate", issuer_pem=old.pem) == []
    for root, chain in ((ca, [leaf]), (old, [leaf, over])):
        question: dict[str, Any] = {"roots": [root.pem], "chain": chain, "at": NOW}
        for host in (*names.dns, *names.addresses):
            assert linters.everybody(tmp_path, host=host, **question) == {True}


@pytest.mark.parametrize(("limits", "names", "field"), OUTSIDE)
def test_names_outside_are_not_issued_and_everybody_rejects_them(
    tmp_path: Path, limits: NameConstraints, names: Names, field: str
) -> None:
    """Of the root itself, too, although RFC 5280 leaves this to the verifier."""
    ca, old = factories.ca(name_constraints=limits), factories.ca("Old", which=1)
    with pytest.raises(NotPermitted, match=r"do not permit .*\.") as caught:
        factories.server(ca, names=names)
    assert caught.value.field == field
    assert "Remint CA" in caught.value.action
    leaf, over = forged(ca, names), factories.cross_certificate(old, ca)
    assert any(
        "do not permit" in text
        for text in lint.lint_certificate(leaf, kind="server", issuer_pem=ca.pem)
    )
    for root, chain in ((ca, [leaf]), (old, [leaf, over])):
        question: dict[str, Any] = {"roots": [root.pem], "chain": chain, "at": NOW}
        assert linters.everybody(tmp_path, host=names.dns[0], **question) == {False}


@pytest.mark.parametrize(
    "other",
    [x509.RFC822Name("anna@zone.example"), x509.UniformResourceIdentifier("https://zone.example")],
)
def test_devices_reject_email_addresses_and_uris(other: x509.GeneralName) -> None:
    ca = factories.ca(name_constraints=PLAIN)
    names = Names(("one.zone.example",))
    assert _verify(forged(ca, names), ca) == handshake.ACCEPTED
    assert _verify(forged(ca, names, [other]), ca) == 47


def _verify(leaf: str, root: CA) -> int:
    chain = [bundles.to_der(leaf)]
    return handshake.verify(chain, root=root.pem, host="one.zone.example", is_rsa=False)


def test_a_cross_certificate_has_the_constraints_of_its_subject() -> None:
    plain, limited = factories.ca("Old", which=1), factories.ca(name_constraints=PLAIN)
    over = get_details(factories.cross_certificate(plain, limited))
    assert over.permitted == get_details(limited.pem).permitted
    assert get_details(factories.cross_certificate(limited, plain)).permitted == ()


def test_the_old_constraints_apply_to_a_path_over_a_cross_certificate(tmp_path: Path) -> None:
    """A device without the new root accepts only the names that both CAs permit (D-281)."""
    old = factories.ca("Old", which=1, name_constraints=PLAIN)
    new = factories.ca(name_constraints=NameConstraints.parse([DOMAIN, "new.example"]))
    over = factories.cross_certificate(old, new)
    for host, accepted in (("one.zone.example", True), ("one.new.example", False)):
        leaf = factories.server(new, names=Names((host,)))
        question: dict[str, Any] = {"chain": [leaf, over], "host": host, "at": NOW}
        assert linters.everybody(tmp_path, roots=[old.pem], **question) == {accepted}
        both = {"roots": [old.pem, new.pem], **question}
        assert linters.openssl_accepts(tmp_path, **both)
        assert linters.library_accepts(**both)
        # GnuTLS uses the path that the server sends, also if it trusts the new root.
        both.pop("at")
        assert linters.certtool_accepts(tmp_path, **both) == accepted


def test_details_show_the_constraints() -> None:
    details = get_details(factories.ca(name_constraints=EXCLUDING).pem)
    assert details.permitted == (
        *("DNS zone.example", "IP 10.0.0.0/8"),
        *("IPv6 (none)", "Email (none)", "URI (none)"),
    )
    assert details.excluded == ("DNS guest.zone.example", "IP 10.5.0.0/16")
    assert get_details(factories.ca().pem).permitted == ()


@pytest.mark.parametrize("limits", [PLAIN, BOTH, NO_ADDRESSES, EXCLUDING])
def test_the_constraints_of_a_root_can_be_read_and_stored(limits: NameConstraints) -> None:
    root = factories.ca(name_constraints=limits).pem
    found = constraints.read_constraints(root)
    assert found == limits == NameConstraints.of(limits.serialize())
    extension = factories.loaded(root).extensions.get_extension_for_class(x509.NameConstraints)
    assert extension.critical


def test_a_root_without_constraints_permits_everything() -> None:
    root = factories.ca().pem
    assert constraints.read_constraints(root) is None
    assert constraints.read_rules(root) is None
    assert NameConstraints.of(None) is NameConstraints.of({}) is None


def test_a_form_that_is_not_created_is_found_by_the_lint() -> None:
    other = x509.NameConstraints([x509.DNSName(DOMAIN)], None)
    assert list(constraints.lint_extension(other))
    assert list(constraints.lint_extension(PLAIN.to_extension())) == []


def test_rules_of_external_cas_follow_the_rfc() -> None:
    rules = constraints.Rules.of(x509.NameConstraints(None, [x509.DNSName("bad.example")]))
    wanted = Names(("one.zone.example", "one.bad.example"), ("192.0.2.1",))
    assert rules.find_outside(wanted) == ("one.bad.example",)
    dotted = constraints.Rules.of(x509.NameConstraints([x509.DNSName(".zone.example")], None))
    assert dotted.find_outside(Names(("one.zone.example", DOMAIN))) == (DOMAIN,)


def test_input_is_normalized() -> None:
    found = NameConstraints.parse(
        [" .Zone.Example ", "zone.example", ""],
        ["2001:DB8::/32"],
        ["10.1.2.3", "Guest.zone.example"],
    )
    assert found == NameConstraints(
        ("zone.example",), ("2001:db8::/32",), ("10.1.2.3/32", "guest.zone.example")
    )


@pytest.mark.parametrize(
    ("field", "values", "reason"),
    [
        ("domains", [], "at least one domain"),
        ("domains", ["example"], "top-level domain"),
        ("domains", ["a_b.example"], "underscore"),
        ("domains", [f"d{n}.example" for n in range(51)], "up to 50"),
        ("networks", ["10.0.0.1/8"], "not a network"),
        ("networks", ["0.0.0.0/0"], "not a network"),
        ("networks", ["zone.example"], "not a network"),
        ("excluded", ["10.0.0.1/8"], "not a network"),
        ("excluded", ["com"], "top-level domain"),
    ],
)
def test_invalid_input_is_named(field: str, values: list[str], reason: str) -> None:
    given = {"domains": [DOMAIN], field: values}
    with pytest.raises(BadName, match=reason) as caught:
        NameConstraints.parse(**given)
    assert caught.value.field == field
