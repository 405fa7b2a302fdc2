"""The revocation lists (CRLs) of the zone's CAs (RFC 5280 5; D-266)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone

from audit.models import list_rows
from certificates import tasks
from certificates.authority import key_store
from certificates.models import Authority, Operation, Revocation, RevocationList, ServerCertificate
from certificates.revocation import lists, revocations
from certificates.trust import roots
from pki.certificates import revocation
from tests.pki import linters
from tests.support import factories, walkthrough
from zcc.runtime import environment

DAY = timedelta(days=1)


def revoke(host: Any, *, now: datetime | None = None) -> Revocation:
    used = ServerCertificate.objects.current().get(device=host.id)
    by = factories.admin()
    return revocations.revoke(used, "key-compromise", by=by, now=now or timezone.now())


def issue(now: datetime | None = None) -> list[str]:
    """Issue all lists that are due, and return the states of their CAs."""
    now = now or timezone.now()
    due = lists.list_due(now)
    for authority in due:
        lists.issue(authority, now=now)
    return [authority.state for authority in due]


def read(authority: Authority) -> x509.CertificateRevocationList:
    key_id = revocation.get_key_id(authority.root_pem)
    response = Client().get(f"/crl/{key_id}.crl", secure=True)
    assert response.headers["Content-Type"] == "application/pkix-crl"
    crl = x509.load_der_x509_crl(response.content)
    root = x509.load_pem_x509_certificate(authority.root_pem.encode())
    key: Any = root.public_key()
    assert crl.is_signature_valid(key)
    assert linters.pkilint_crl(response.content) == []
    return crl


def get_serials(crl: x509.CertificateRevocationList) -> set[int]:
    return {one.serial_number for one in crl}


def get_number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_a_list_is_issued_at_each_revocation_and_each_day(satellite: Any) -> None:
    authority = Authority.objects.current()
    assert issue() == ["current"]
    first = read(authority)
    assert get_serials(first) == set()
    assert issue() == []
    revoked = revoke(satellite)
    assert issue() == ["current"]
    second = read(authority)
    assert get_serials(second) == {int(revoked.serial, 16)}
    assert issue(timezone.now() + DAY / 2) == []
    tomorrow = timezone.now() + DAY
    assert issue(tomorrow) == ["current"]
    third = read(authority)
    assert get_number(first) < get_number(second) < get_number(third)
    assert third.next_update_utc == tomorrow.replace(microsecond=0) + lists.VALIDITY


def test_the_number_increases_after_a_restore(satellite: Any) -> None:
    authority = Authority.objects.current()
    issue()
    before = read(authority)
    RevocationList.objects.all().delete()
    issue(timezone.now() + timedelta(seconds=2))
    assert get_number(read(authority)) > get_number(before)


def test_an_expired_certificate_stays_on_the_list_after_its_end(satellite: Any) -> None:
    authority = Authority.objects.current()
    revoked = revoke(satellite)
    end = revoked.not_after
    for at, expected in ((end + DAY, {int(revoked.serial, 16)}), (end + 8 * DAY, set())):
        issue(at)
        assert get_serials(read(authority)) == expected


def test_the_previous_ca_issues_lists_until_its_root_is_retired(zone: Any, satellite: Any) -> None:
    revoked = revoke(satellite)
    walkthrough.prepare(zone, walkthrough.remint_ca())
    operation = walkthrough.step(Operation.objects.get())
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    walkthrough.cut_over(zone, operation)
    assert sorted(issue()) == ["current", "grace"]
    old = Authority.objects.get(state="grace")
    assert get_serials(read(old)) == {int(revoked.serial, 16)}
    assert get_serials(read(Authority.objects.current())) == set()
    roots.retire_root(old, now=timezone.now())
    assert issue(timezone.now() + DAY) == ["current"]


def test_an_external_ca_and_one_that_may_not_sign_lists_are_left_out(
    satellite: Any, monkeypatch: Any
) -> None:
    revoke(satellite)
    with monkeypatch.context() as patch:
        patch.setattr(lists, "_can_sign", lambda _root: False)
        assert issue() == []
    list_rows(Authority).update(kind=Authority.Kind.EXTERNAL)
    assert issue() == []


@pytest.mark.parametrize("attack", ["delete", "change", "end"])
def test_a_row_that_was_deleted_or_changed_with_sql_stays_listed(
    satellite: Any, attack: str
) -> None:
    serial = int(revoke(satellite).serial, 16)
    rows = list_rows(Revocation)
    if attack == "delete":
        rows.all().delete()
    elif attack == "change":
        rows.update(serial="1234")
    else:
        rows.update(not_after=timezone.now() - 30 * DAY)
    issue()
    assert get_serials(read(Authority.objects.current())) == {serial}


def test_a_list_is_served_without_tls_and_for_any_host_name(satellite: Any, settings: Any) -> None:
    """It is signed, and whoever checks a certificate with it has no connection yet (RFC 5280 8)."""
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["console.example.com"]
    issue()
    key_id = RevocationList.objects.get().key_id
    response = Client().get(f"/crl/{key_id}.crl", HTTP_HOST="pki.example.com")
    assert response.status_code == 200
    assert x509.load_der_x509_crl(response.content).next_update_utc


def test_a_ca_without_a_list_has_none_to_download(satellite: Any) -> None:
    assert Client().get("/crl/00ff.crl", secure=True).status_code == 404


@pytest.mark.usefixtures("zone")
def test_the_task_shows_why_no_list_can_be_issued() -> None:
    authority = Authority.objects.current()
    tasks.issue_crl(str(authority.pk))
    assert get_serials(read(authority)) == set()
    RevocationList.objects.all().delete()
    list_rows(Authority).update(sealed_key="not a key", row_mac="")
    tasks.issue_crl(str(authority.pk))
    authority.refresh_from_db()
    assert authority.fault
    assert not RevocationList.objects.exists()


@pytest.mark.usefixtures("zone")
def test_new_certificates_contain_the_address_if_there_is_one(settings: Any) -> None:
    authority = Authority.objects.current()
    assert key_store.open_issuer(authority, now=timezone.now()).crl_url == ""
    settings.CRL_URL = "http://pki.example.com/crl"
    issue()
    key_id = RevocationList.objects.get().key_id
    issuer = key_store.open_issuer(authority, now=timezone.now())
    assert issuer.crl_url == f"http://pki.example.com/crl/{key_id}.crl"


@pytest.mark.parametrize("value", ["https://pki.example.com/crl", "pki.example.com", "http://"])
def test_the_address_must_be_one_of_http(monkeypatch: Any, value: str) -> None:
    monkeypatch.setenv("ZCC_CRL_URL", value)
    with pytest.raises(ImproperlyConfigured, match="http://"):
        environment.http_address("ZCC_CRL_URL")
    monkeypatch.setenv("ZCC_CRL_URL", "http://pki.example.com/crl/")
    assert environment.http_address("ZCC_CRL_URL") == "http://pki.example.com/crl"
