"""The page Host Certificates, and the dialog that revokes one."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import Entry
from certificates.acme import renewal_info
from certificates.acme.account_keys import keys
from certificates.models import AcmeCertificate, Authority, Revocation
from certificates.revocation import lists, ocsp, records
from tests.certificates.conftest import CA
from tests.support import clients, factories, hosts
from tests.zcc.rows import sql

NAME = "web.hosts.example"
REVOKE = {"reason": "key-compromise", "confirm": "on"}


@pytest.fixture
def client(zone: Any) -> Client:
    """Return a CA administrator who has just entered the password."""
    return clients.log_in(factories.user("ca-admin", CA), reauthenticated=True, htmx=False)


@pytest.fixture
def certificate(client: Client) -> AcmeCertificate:
    return hosts.issue(NAME, "www.hosts.example")


def get_page() -> str:
    return reverse("certificates:host_certificates")


def get_dialog(certificate: AcmeCertificate) -> str:
    return reverse("certificates:revoke_host", args=[certificate.pk])


def test_an_administrator_revokes_the_certificate_of_a_host(
    client: Client, certificate: AcmeCertificate
) -> None:
    url = get_dialog(certificate)
    assert url in client.get(get_page()).text
    assert "www.hosts.example" in client.get(url).text
    assert client.post(url, {"reason": "key-compromise"}).status_code == 422
    assert client.post(url, {"confirm": "on"}).status_code == 422
    assert not Revocation.objects.exists()
    assert client.post(url, REVOKE).status_code == 302
    row = Revocation.objects.get()
    assert (row.digest, row.reason) == (certificate.digest, "key-compromise")
    assert (row.device, row.revoked_by) == (None, "ca-admin")
    entry = Entry.objects.get(action=records.ACTION)
    assert entry.subject == f"certificates.AcmeCertificate:{certificate.pk}"
    assert entry.actor == "ca-admin"
    shown = client.get(get_page()).text
    assert "Revoked" in shown
    assert url not in shown
    assert client.get(url).status_code == 409
    assert client.post(url, REVOKE).status_code == 409


def test_it_is_on_the_crl_and_in_the_ocsp_response_and_the_host_is_to_renew(
    client: Client, certificate: AcmeCertificate
) -> None:
    client.post(get_dialog(certificate), REVOKE)
    authority, now = Authority.objects.current(), timezone.now()
    lists.issue(authority, now=now)
    while ocsp.sign_batch(authority, now=now):
        pass
    assert [one.digest for one in records.list_effective(now, authority)] == [certificate.digest]
    assert lists.list_due(now) == []
    assert renewal_info.get_window(certificate, now).end < now


def test_an_expired_certificate_cannot_be_revoked(
    client: Client, certificate: AcmeCertificate
) -> None:
    AcmeCertificate.objects.update(not_after=timezone.now())
    assert get_dialog(certificate) not in client.get(get_page()).text
    assert client.get(get_dialog(certificate)).status_code == 409
    assert client.post(get_dialog(certificate), REVOKE).status_code == 409
    assert not Revocation.objects.exists()


def test_without_the_right_it_is_neither_shown_nor_possible(
    client: Client, certificate: AcmeCertificate
) -> None:
    client.force_login(factories.user("reader"))
    assert client.get(get_page()).status_code == 403
    assert client.post(get_dialog(certificate), REVOKE).status_code == 403
    assert not Revocation.objects.exists()


def test_the_password_is_required_again(certificate: AcmeCertificate) -> None:
    user = factories.user("another", CA)
    client = clients.log_in(user, reauthenticated=False, htmx=False)
    assert "Your password" in client.get(get_dialog(certificate)).text
    assert client.post(get_dialog(certificate), REVOKE).status_code == 422
    assert not Revocation.objects.exists()


def test_the_dialog_says_that_the_host_can_request_another_certificate(
    client: Client, certificate: AcmeCertificate
) -> None:
    assert "disable its account key first" in client.get(get_dialog(certificate)).text
    keys.disable(certificate.account.account_key_id, now=timezone.now())
    assert "disable its account key first" not in client.get(get_dialog(certificate)).text


def test_the_dialog_names_the_other_hosts_that_cannot_renew_with_a_disabled_key(
    client: Client,
) -> None:
    now = timezone.now()
    fleet = keys.create("fleet", ["*.hosts.example"], expires_at=None, allows_est=True, now=now).row
    first = hosts.issue(NAME, account_key=fleet)
    # Neither a later certificate of the same host nor a host of another key is counted.
    hosts.issue(NAME, account_key=fleet)
    hosts.issue("www.outside.example")
    assert "disable its account key first" in client.get(get_dialog(first)).text
    hosts.issue("db.hosts.example", account_key=fleet)
    shown = client.get(get_dialog(first)).text
    assert "disable its account key first" not in shown
    assert "1 other host has a certificate of this key, and cannot renew" in shown
    other = hosts.issue("mail.hosts.example", account_key=fleet)
    shown = client.get(get_dialog(first)).text
    assert "2 other hosts have certificates of this key, and cannot renew" in shown
    client.post(get_dialog(other), REVOKE)
    assert "1 other host has" in client.get(get_dialog(first)).text
    german = client.get(get_dialog(first), headers={"Accept-Language": "de"}).text
    assert "1 weiterer Host hat ein Zertifikat dieses Schlüssels" in german


def test_certificates_are_found_by_each_of_their_names_and_exported(
    client: Client, certificate: AcmeCertificate
) -> None:
    other = hosts.issue("db.hosts.example")
    for search in ("www.hosts", "WEB.hosts"):
        shown = client.get(get_page(), {"q": search}).text
        assert get_dialog(certificate) in shown
        assert get_dialog(other) not in shown
    client.post(get_dialog(other), REVOKE)
    shown = client.get(get_page(), {"state": "revoked"}).text
    assert "db.hosts.example" in shown
    assert NAME not in shown
    assert "db.hosts.example" not in client.get(get_page(), {"state": "valid"}).text
    export = client.get(get_page(), {"export": "host-certificates"})
    content = b"".join(export) if export.streaming else export.content
    assert certificate.digest.encode() in content


def test_a_certificate_that_was_exchanged_with_sql_is_not_revoked_in_its_place(
    client: Client, certificate: AcmeCertificate
) -> None:
    other = hosts.issue("db.hosts.example")
    sql.change(certificate, chain_pem=other.chain_pem)
    shown = client.post(get_dialog(certificate), REVOKE)
    assert shown.status_code == 422
    assert "was changed in the database" in shown.text
    assert not Revocation.objects.exists()
