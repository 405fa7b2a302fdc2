"""Revoked certificates of hosts without an agent are not on the trust list of devices (D-332)."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import ocsp as library
from django.utils import timezone

from certificates.acme import revoking
from certificates.models import (
    AcmeCertificate,
    Authority,
    OcspResponse,
    Revocation,
    RevocationList,
    ServerCertificate,
)
from certificates.revocation import host_certificates, lists, ocsp
from devices.models import Device, Zone
from pki.names import Names
from tests.certificates.revocation.test_revocations import current, get_id, get_listed, revoke
from tests.support import hosts
from tests.zcc.rows import sql

NAME = "web.hosts.example"


@pytest.fixture
def host(zone: Any) -> AcmeCertificate:
    return hosts.issue(NAME)


def revoke_host(certificate: AcmeCertificate) -> Revocation:
    return revoking.revoke(certificate, "key-compromise", by=None, now=timezone.now())


def list_on_crl() -> set[int]:
    """Return the serial numbers on the CRL of the zone CA, which is issued now."""
    authority = Authority.objects.current()
    lists.issue(authority, now=timezone.now())
    crl = x509.load_der_x509_crl(bytes(RevocationList.objects.get(authority=authority).der))
    return {one.serial_number for one in crl}


def get_ocsp_status(digest: str) -> library.OCSPCertStatus:
    """Return the status in the OCSP response about a certificate, which is signed now."""
    while ocsp.sign_batch(Authority.objects.current(), now=timezone.now()):
        pass
    found = OcspResponse.objects.get(digest=digest)
    return library.load_der_ocsp_response(bytes(found.sha256)).certificate_status


def test_the_revocation_of_a_host_is_on_the_crl_and_in_ocsp_and_not_on_the_trust_list(
    host: AcmeCertificate, satellite: Any
) -> None:
    version = Zone.objects.get_zone().revision
    revoked = revoke_host(host)
    # Devices do not download another list for it.
    assert Zone.objects.get_zone().revision == version
    of_server = current(satellite)
    also_revoked = revoke(satellite)
    assert get_listed() == [get_id(of_server)]
    assert list_on_crl() == {int(revoked.serial, 16), int(also_revoked.serial, 16)}
    revoked_status = library.OCSPCertStatus.REVOKED
    assert get_ocsp_status(host.digest) == revoked_status
    assert get_ocsp_status(of_server.digest) == revoked_status


def test_a_host_with_the_name_of_a_server_is_on_the_trust_list(
    host: AcmeCertificate, satellite: Any
) -> None:
    Device.objects.filter(pk=satellite.id).update(fqdn=NAME)
    version = Zone.objects.get_zone().revision
    revoked = revoke_host(host)
    assert Zone.objects.get_zone().revision > version
    assert get_listed() == [revoked.signed_part]


def test_a_host_is_on_the_trust_list_when_a_server_gets_its_name_later(
    host: AcmeCertificate, satellite: Any
) -> None:
    revoked = revoke_host(host)
    assert get_listed() == []
    Device.objects.filter(pk=satellite.id).update(dns_names=["other.example", NAME])
    Zone.objects.advance_revision()
    assert get_listed() == [revoked.signed_part]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("web.example.com",), True),
        (("*.example.com",), True),
        (("other.example.com", "web.example.com"), True),
        (("other.example.com",), False),
        (("*.web.example.com",), False),
        (("*.sub.example.com",), False),
    ],
)
def test_a_wildcard_is_compared_with_the_names_of_servers(
    monkeypatch: Any, names: tuple[str, ...], expected: bool
) -> None:
    row = Revocation(digest="d" * 64)
    taken = frozenset({"web.example.com"})
    monkeypatch.setattr(host_certificates, "_load", lambda _: {row.digest: Names(names, ())})
    monkeypatch.setattr(host_certificates, "_list_server_names", lambda: taken)
    assert host_certificates.select_for_devices([row]) == ([row] if expected else [])


def test_sql_does_not_make_the_certificate_of_a_server_one_of_a_host(
    host: AcmeCertificate, satellite: Any
) -> None:
    used: ServerCertificate = current(satellite)
    revoke(satellite)
    sql.change(Revocation.objects.get(), device_id=None)
    sql.change(host, digest=used.digest, chain_pem=used.chain_pem)
    Zone.objects.advance_revision()
    assert get_listed() == [get_id(used)]


def test_a_host_whose_certificate_was_exchanged_with_sql_is_on_the_trust_list(
    host: AcmeCertificate,
) -> None:
    revoked = revoke_host(host)
    sql.change(host, chain_pem=hosts.issue("db.hosts.example").chain_pem)
    Zone.objects.advance_revision()
    assert get_listed() == [revoked.signed_part]
