"""Issuing: serials, dates, tokens, the self-check (docs/decisions.md D-7 to D-12; RFC 5280)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from pki import keys
from pki.certificates import build
from pki.certificates.ca_certificates import build_cross_certificate, build_root
from pki.certificates.details import get_details
from pki.certificates.issuance import (
    Issuer,
    Prepared,
    Validity,
    generate_serial,
    get_root_validity,
    get_server_validity,
)
from pki.errors import BadCertificate, BadName, CannotSign, NotIssued, PkiFault, WeakKey, WrongKey
from pki.formats.csr import build_csr, parse_csr
from pki.names import Names, Subject
from tests.pki import factories
from tests.pki.factories import FQDN, NAMES, NOW

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def prepare(issuer: Issuer, **changes: Any) -> Prepared:
    values: dict[str, Any] = {
        "public_key": keys.get_public_key(factories.key()),
        "subject": Subject(FQDN),
        "names": NAMES,
        "validity": get_server_validity(NOW, 365, factories.ca().pem),
        "serial": generate_serial(),
    }
    return issuer.prepare(**values | changes)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer.open(factories.ca().pem, factories.ca().key, NOW)


def test_serials_are_positive_long_and_all_distinct() -> None:
    drawn = {generate_serial() for _ in range(10_000)}
    assert len(drawn) == 10_000
    assert all(64 <= serial.bit_length() <= 159 for serial in drawn)


def test_a_root_is_valid_for_whole_calendar_years_less_one_second() -> None:
    spring = datetime(2026, 3, 1, 12, tzinfo=UTC)
    validity = get_root_validity(spring, 10)
    assert validity.not_before == datetime(2026, 2, 28, 12, tzinfo=UTC)
    assert validity.not_after == datetime(2036, 3, 1, 11, 59, 59, tzinfo=UTC)


def test_a_root_can_start_on_the_29th_of_february() -> None:
    leap = datetime(2028, 2, 29, 12, tzinfo=UTC)
    assert get_root_validity(leap, 1).not_after == datetime(2029, 2, 28, 11, 59, 59, tzinfo=UTC)
    assert get_root_validity(leap, 4).not_after == datetime(2032, 2, 29, 11, 59, 59, tzinfo=UTC)


@pytest.mark.manual("R037")
@pytest.mark.parametrize("years", [-1, 0, 11])
def test_a_root_is_valid_for_one_to_ten_years(years: int) -> None:
    with pytest.raises(NotIssued, match="1 to 10"):
        get_root_validity(NOW, years)


def test_fractions_of_a_second_are_dropped() -> None:
    assert get_root_validity(NOW.replace(microsecond=7), 1) == get_root_validity(NOW, 1)


def test_a_validity_needs_a_time_zone_and_an_order() -> None:
    with pytest.raises(NotIssued):
        Validity(NOW.replace(tzinfo=None), NOW)
    with pytest.raises(NotIssued):
        Validity(NOW, NOW)


def test_a_server_certificate_ends_with_its_issuer_at_the_latest() -> None:
    ca = factories.ca()
    end = factories.loaded(ca.pem).not_valid_after_utc
    assert get_server_validity(NOW, 365, ca.pem).not_after == NOW + 365 * DAY - SECOND
    assert get_server_validity(NOW, 10_000, ca.pem).not_after == end
    assert get_server_validity(NOW, 365, ca.pem).not_before == NOW - DAY
    with pytest.raises(NotIssued, match="expired"):
        get_server_validity(end, 365, ca.pem)


def test_an_issued_certificate_is_what_was_prepared(issuer: Issuer) -> None:
    prepared = prepare(issuer, serial=2**100)
    details = get_details(issuer.issue(prepared))
    assert details.common_name == FQDN
    assert details.issuer_common_name == "Zone"
    assert (details.dns_names, details.addresses) == (NAMES.dns, NAMES.addresses)
    assert details.serial_hex == f"{2**100:x}"
    assert details.not_after == prepared.validity.not_after


def test_a_token_signs_once(issuer: Issuer) -> None:
    prepared = prepare(issuer)
    issuer.issue(prepared)
    with pytest.raises(NotIssued, match="already been used"):
        issuer.issue(prepared)


def test_a_copy_of_a_token_signs_nothing(issuer: Issuer) -> None:
    prepared = prepare(issuer)
    with pytest.raises(NotIssued):
        issuer.issue(replace(prepared, subject=Subject("evil.example")))
    issuer.issue(prepared)


def test_a_token_of_another_issuer_signs_nothing(issuer: Issuer) -> None:
    other = Issuer.open(factories.ca().pem, factories.ca().key, NOW)
    with pytest.raises(NotIssued):
        issuer.issue(prepare(other))


def test_a_serial_is_used_once(issuer: Issuer) -> None:
    prepare(issuer, serial=2**100)
    with pytest.raises(NotIssued, match="already been used"):
        prepare(issuer, serial=2**100)


def outside(**changes: timedelta) -> Validity:
    root = factories.loaded(factories.ca().pem)
    limits = Validity(root.not_valid_before_utc, root.not_valid_after_utc)
    return replace(limits, **{name: getattr(limits, name) + by for name, by in changes.items()})


@pytest.mark.parametrize(
    ("changes", "fault", "message"),
    [
        ({"serial": 5}, NotIssued, "serial"),
        ({"serial": 2**63 - 1}, NotIssued, "serial"),
        ({"serial": 2**159}, NotIssued, "serial"),
        ({"serial": -(2**100)}, NotIssued, "serial"),
        ({"names": Names()}, NotIssued, "common name"),
        ({"names": Names(dns=("other.example",))}, NotIssued, "common name"),
        ({"names": Names(dns=(FQDN, "a_b.example"))}, BadName, "underscore"),
        ({"names": Names(dns=(FQDN,), addresses=("10.0.0",))}, BadName, "address"),
        ({"names": Names(dns=(FQDN, "*.example"))}, BadName, "wildcard"),
        ({"public_key": "no key"}, WrongKey, "cannot be parsed"),
        ({"validity": outside(not_after=SECOND)}, NotIssued, "expire after its issuer"),
        ({"validity": outside(not_before=-SECOND)}, NotIssued, "start before that of its issuer"),
    ],
)
def test_the_profile_is_checked_before_anything_is_signed(
    issuer: Issuer, changes: dict[str, Any], fault: type[PkiFault], message: str
) -> None:
    with pytest.raises(fault, match=message):
        prepare(issuer, **changes)


def test_a_weak_key_gets_no_certificate(issuer: Issuer) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    weak = rsa.generate_private_key(65537, 1024).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    with pytest.raises(WeakKey):
        prepare(issuer, public_key=weak.public_bytes(serialization.Encoding.PEM, form).decode())


def test_the_names_of_a_request_never_reach_the_certificate(issuer: Issuer) -> None:
    evil = Names(dns=("evil.example",), addresses=("6.6.6.6",))
    request = parse_csr(build_csr(factories.key(), Subject("evil.example"), evil))
    issued = issuer.issue(prepare(issuer, public_key=request.public_key))
    assert "evil" not in str(get_details(issued))
    assert get_details(issued).addresses == NAMES.addresses


@pytest.mark.parametrize(
    ("wrong", "value"),
    [
        ("END_ENTITY", x509.BasicConstraints(ca=True, path_length=None)),
        ("SERVER_AUTH", x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.5.29.37.0")])),
        ("get_server_key_usage", lambda _: factories.CA_USAGE),
        ("names", factories.alternatives("evil.example", FQDN)),
        ("hash", None),
    ],
)
def test_a_certificate_that_fails_the_lint_is_not_issued(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, wrong: str, value: Any
) -> None:
    prepared = prepare(issuer)
    if wrong == "names":
        draft = issuer._drafts[prepared.serial]
        sabotaged = build.build_alternative_names(Names(dns=(FQDN, "evil.example")))
        real = Issuer._server
        monkeypatch.setattr(
            Issuer, "_server", lambda self, _: real(self, draft._replace(alternatives=sabotaged))
        )
    elif wrong == "hash":
        monkeypatch.setattr("pki.certificates.loading.is_strong_hash", lambda _: False)
    else:
        sabotage(monkeypatch, wrong, value)
    with pytest.raises(NotIssued):
        issuer.issue(prepared)


def sabotage(monkeypatch: pytest.MonkeyPatch, name: str, value: Any) -> None:
    """Let issuing build with a wrong piece while the rules keep the right one."""
    right = getattr(build, name)

    class Wrong:
        def __getattr__(self, attribute: str) -> Any:
            return value if attribute == name else getattr(build, attribute)

    monkeypatch.setattr("pki.certificates.issuance.build", Wrong())
    assert getattr(build, name) is right


def test_a_ca_with_another_key_does_not_open() -> None:
    with pytest.raises(CannotSign, match="does not match the CA certificate"):
        Issuer.open(factories.ca().pem, factories.key(256, 7), NOW)


@pytest.mark.parametrize("at", [NOW - 2 * DAY, NOW + 4000 * DAY])
def test_a_ca_out_of_its_dates_does_not_open(at: datetime) -> None:
    with pytest.raises(CannotSign, match="expired"):
        Issuer.open(factories.ca().pem, factories.ca().key, at)


def test_a_server_certificate_is_no_ca() -> None:
    with pytest.raises(CannotSign, match="is not a CA certificate"):
        Issuer.open(factories.server(factories.ca()), factories.key(), NOW)


def test_a_key_that_does_not_work_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pki.certificates.loading.is_key_usable", lambda _: False)
    with pytest.raises(CannotSign, match="cannot be verified"):
        Issuer.open(factories.ca().pem, factories.ca().key, NOW)


@pytest.mark.parametrize("garbage", ["", "no certificate"])
def test_an_issuer_without_a_certificate_is_rejected(garbage: str) -> None:
    with pytest.raises(CannotSign):
        Issuer.open(garbage, factories.ca().key, NOW)
    with pytest.raises(CannotSign):
        Issuer.open(factories.ca().pem, garbage, NOW)


def test_the_root_and_not_the_cross_certificate_of_a_chain_signs() -> None:
    old, new = factories.ca(), factories.ca("New", which=1)
    bridge = factories.cross_certificate(old, new)
    assert Issuer.open(bridge + new.pem, new.key, NOW).pem == new.pem


def test_a_root_is_made_with_a_fit_key_and_serial_only() -> None:
    make_it: Callable[..., str] = build_root
    good = {
        "key_pem": factories.key(),
        "subject": Subject("Zone"),
        "validity": get_root_validity(NOW, 1),
        "serial": generate_serial(),
    }
    with pytest.raises(NotIssued):
        make_it(**good | {"serial": 5})
    with pytest.raises(NotIssued):
        make_it(**good | {"serial": 0})
    with pytest.raises(WrongKey):
        make_it(**good | {"key_pem": "x"})


def test_a_bridge_is_for_roots_and_their_keys_only() -> None:
    old, new = factories.ca(), factories.ca("New", which=1)
    good: dict[str, Any] = {
        "issuer_pem": old.pem,
        "issuer_key_pem": old.key,
        "subject_pem": new.pem,
    }
    rest: dict[str, Any] = {"serial": generate_serial(), "now": NOW}
    with pytest.raises(WrongKey):
        build_cross_certificate(**good | {"issuer_key_pem": new.key}, **rest)
    with pytest.raises(BadCertificate):
        build_cross_certificate(**good | {"subject_pem": factories.server(old)}, **rest)
    with pytest.raises(NotIssued, match="expired"):
        build_cross_certificate(**good, serial=generate_serial(), now=NOW + 4000 * DAY)
    strict = factories.family(path_length=0)
    strict_key = factories.key(256, 50)
    with pytest.raises(NotIssued, match="path length"):
        build_cross_certificate(
            issuer_pem=strict.root, issuer_key_pem=strict_key, subject_pem=new.pem, **rest
        )
