"""OCSP responses that are signed in advance, and the responder (RFC 5019; D-268)."""

from __future__ import annotations

import base64
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as library
from django.test import Client
from django.utils import timezone

from audit.models import Entry, list_rows
from certificates import tasks
from certificates.authority import key_store
from certificates.models import (
    Authority,
    OcspResponse,
    Operation,
    Revocation,
    ServerCertificate,
)
from certificates.revocation import ocsp, ocsp_views, records, revocations
from certificates.trust import roots
from pki.chains import chains
from tests.pki import linters
from tests.support import factories, walkthrough
from tests.zcc.rows import sql

DAY = timedelta(days=1)
GOOD, REVOKED = library.OCSPCertStatus.GOOD, library.OCSPCertStatus.REVOKED
Status = library.OCSPResponseStatus


def current(host: Any) -> ServerCertificate:
    return ServerCertificate.objects.current().get(device=host.id)


def revoke(host: Any) -> Revocation:
    by = factories.admin()
    return revocations.revoke(current(host), "key-compromise", by=by, now=timezone.now())


def sign(now: datetime | None = None) -> int:
    """Sign all responses that are due, and return their number."""
    now = now or timezone.now()
    count = 0
    for authority in ocsp.list_due(now):
        while done := ocsp.sign_batch(authority, now=now):
            count += done
    return count


def load(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(chains.split(pem)[0].encode())


def build(used: ServerCertificate, algorithm: Any = None) -> bytes:
    builder = library.OCSPRequestBuilder()
    issuer = load(used.authority.root_pem)
    request = builder.add_certificate(load(used.chain_pem), issuer, algorithm or hashes.SHA1())
    return request.build().public_bytes(Encoding.DER)


def send(request: bytes, **options: Any) -> Any:
    given = {"content_type": ocsp_views.REQUEST, "secure": True, **options}
    return Client(enforce_csrf_checks=True).post("/ocsp", request, **given)


def read(response: Any) -> library.OCSPResponse:
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/ocsp-response"
    return library.load_der_ocsp_response(response.content)


def ask(used: ServerCertificate, algorithm: Any = None) -> library.OCSPResponse:
    """Return a verified response about a certificate."""
    response = send(build(used, algorithm))
    found = read(response)
    assert found.response_status is Status.SUCCESSFUL
    assert linters.pkilint_ocsp(response.content) == []
    assert found.serial_number == load(used.chain_pem).serial_number
    key: Any = load(used.authority.root_pem).public_key()
    used_hash: Any = found.signature_hash_algorithm
    key.verify(found.signature, found.tbs_response_bytes, ec.ECDSA(used_hash))
    return found


def get_error(response: Any) -> library.OCSPResponseStatus:
    found = read(response)
    assert response.headers["Cache-Control"] == "no-store"
    return found.response_status


def test_each_certificate_has_a_response_that_is_renewed_each_day(satellite: Any) -> None:
    assert sign() == 2
    assert ask(current(satellite)).certificate_status is GOOD
    assert sign() == 0
    assert sign(timezone.now() + DAY / 2) == 0
    tomorrow = timezone.now() + DAY
    assert sign(tomorrow) == 2
    found = ask(current(satellite))
    assert found.this_update_utc == tomorrow.replace(microsecond=0)
    assert found.next_update_utc == found.this_update_utc + ocsp.VALIDITY


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()])
def test_a_revocation_is_signed_immediately(satellite: Any, algorithm: Any) -> None:
    sign()
    row = revoke(satellite)
    assert sign() == 1
    found = ask(current(satellite), algorithm)
    assert found.certificate_status is REVOKED
    assert found.revocation_reason is x509.ReasonFlags.key_compromise
    assert found.revocation_time_utc == row.revoked_at.replace(microsecond=0)
    assert sign() == 0


def test_a_revoked_certificate_whose_record_was_deleted_stays_revoked(satellite: Any) -> None:
    used = current(satellite)
    sign()
    revoke(satellite)
    request = build(used)
    ServerCertificate.objects.filter(pk=used.pk).delete()
    sign()
    assert read(send(request)).certificate_status is REVOKED
    sign(timezone.now() + DAY)
    assert read(send(request)).certificate_status is REVOKED
    after = used.not_after + timedelta(seconds=1)
    assert ocsp.sign_batch(Authority.objects.current(), now=after) == 0
    assert get_error(send(request)) is Status.UNAUTHORIZED


@pytest.mark.parametrize("attack", ["delete", "change"])
def test_a_revocation_that_was_deleted_or_changed_with_sql_stays_revoked(
    satellite: Any, attack: str
) -> None:
    sign()
    revoke(satellite)
    sign()
    rows = list_rows(Revocation)
    rows.all().delete() if attack == "delete" else rows.update(serial="1234", digest="0" * 64)
    for days in (0, 1, 2):
        sign(timezone.now() + days * DAY)
        assert ask(current(satellite)).certificate_status is REVOKED


def test_a_row_of_a_response_that_was_changed_with_sql_makes_nothing_good(satellite: Any) -> None:
    """Serial numbers are read from certificates, and not from this table."""
    sign()
    revoke(satellite)
    sign()
    revoked = OcspResponse.objects.get(digest=current(satellite).digest)
    serial = revoked.serial
    revoked.delete()
    other = OcspResponse.objects.get()
    sql.change(other, serial=serial)
    sign(timezone.now() + DAY)
    other.refresh_from_db()
    assert other.serial != serial
    assert ask(current(satellite)).certificate_status is REVOKED


def test_a_certificate_that_the_ca_has_not_signed_gets_no_response(satellite: Any) -> None:
    stranger = factories.authority(name="Stranger", state="discarded")
    used = current(satellite)
    leaf = factories.leaf_pem(used.device, stranger)
    sql.insert(used, id=99, chain_pem=leaf, digest="0" * 64, superseded_at=timezone.now())
    sql.insert(
        used, id=98, chain_pem="no certificate", digest="1" * 64, superseded_at=used.not_after
    )
    assert sign() == 4
    assert sign() == 0
    assert OcspResponse.objects.exclude(serial="").count() == 2


def test_revocations_are_read_once_for_all_batches(satellite: Any, monkeypatch: Any) -> None:
    calls = []
    original = records.list_effective

    def list_effective(*arguments: Any) -> list[Revocation]:
        calls.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(records, "list_effective", list_effective)
    monkeypatch.setattr(ocsp, "BATCH", 1)
    revoke(satellite)
    tasks.sign_ocsp_responses(str(Authority.objects.current().pk))
    assert OcspResponse.objects.count() == 2
    assert ask(current(satellite)).certificate_status is REVOKED
    assert len(calls) == 1


def test_a_revocation_between_two_batches_is_signed(satellite: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(ocsp, "BATCH", 1)
    authority = Authority.objects.current()
    revoked = ocsp.RevokedCertificates(authority, timezone.now())
    assert ocsp.sign_batch(authority, now=timezone.now(), revoked=revoked) == 1
    revoke(satellite)
    rest = 0
    while ocsp.sign_batch(authority, now=timezone.now(), revoked=revoked):
        rest += 1
        assert rest <= 2
    assert ask(current(satellite)).certificate_status is REVOKED
    assert sign() == 0


def test_a_revocation_that_was_inserted_with_sql_revokes_nothing(zone: Any, satellite: Any) -> None:
    sign()
    row = revoke(satellite)
    used = current(zone.first)
    serial = f"{load(used.chain_pem).serial_number:x}"
    sql.insert(row, id=99, digest=used.digest, serial=serial)
    sign()
    assert ask(used).certificate_status is GOOD
    assert sign() == 0


def test_an_unknown_certificate_or_ca_is_unauthorized(satellite: Any) -> None:
    used = current(satellite)
    assert get_error(send(build(used))) is Status.UNAUTHORIZED
    sign()
    certificate, issuer = load(used.chain_pem), load(used.authority.root_pem)
    good = library.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())
    request = good.build()
    for name, serial in ((request.issuer_name_hash, 7), (b"0" * 20, request.serial_number)):
        other = library.OCSPRequestBuilder().add_certificate_by_hash(
            name,
            request.issuer_key_hash,
            serial,
            hashes.SHA1(),
        )
        data = other.build().public_bytes(Encoding.DER)
        assert get_error(send(data)) is Status.UNAUTHORIZED


@pytest.mark.parametrize("data", [b"0", b"\x30\x80", b"\xff" * ocsp_views.MAX_BYTES])
def test_a_malformed_request_is_refused(satellite: Any, data: bytes) -> None:
    assert get_error(send(data)) is Status.MALFORMED_REQUEST
    for path in ("/ocsp", "/ocsp/", "/ocsp/%FF", "/ocsp/%C3%A9", "/ocsp/" + "A" * len(data)):
        assert get_error(Client().get(path, secure=True)) is Status.MALFORMED_REQUEST


def test_a_huge_request_is_not_parsed(satellite: Any, monkeypatch: Any) -> None:
    sign()
    request = build(current(satellite))
    monkeypatch.setattr(ocsp, "find_response", None)
    for size in (ocsp_views.MAX_BYTES + 1, 200_000):
        assert get_error(send(request + b"\x00" * size)) is Status.MALFORMED_REQUEST
        path = "/ocsp/" + "A" * size
        assert get_error(Client().get(path, secure=True)) is Status.MALFORMED_REQUEST


def test_a_form_and_other_methods_are_refused(satellite: Any) -> None:
    assert send(b"a=b", content_type="application/x-www-form-urlencoded").status_code == 415
    assert Client().put("/ocsp", b"", secure=True).status_code == 405


def test_the_response_to_a_request_in_the_address_is_cached(satellite: Any) -> None:
    sign()
    encoded = base64.b64encode(build(current(satellite))).decode()
    for path in (quote(encoded, safe=""), quote(encoded, safe="/")):
        response = Client().get(f"/ocsp/{path}", secure=True)
        assert read(response).certificate_status is GOOD
        cached = response.headers["Cache-Control"]
        assert cached == "max-age=3600, public, no-transform, must-revalidate"
        for header in ("Last-Modified", "Expires", "ETag"):
            assert response.headers[header]
    again = Client().get(
        f"/ocsp/{path}", secure=True, headers={"If-None-Match": response.headers["ETag"]}
    )
    assert again.status_code == 304
    revoke(satellite)
    sign()
    changed = Client().get(
        f"/ocsp/{path}", secure=True, headers={"If-None-Match": response.headers["ETag"]}
    )
    assert read(changed).certificate_status is REVOKED


def test_a_response_that_has_expired_is_not_used(satellite: Any) -> None:
    sign(timezone.now() - ocsp.VALIDITY)
    assert get_error(send(build(current(satellite)))) is Status.TRY_LATER


def test_caches_keep_no_response_longer_than_it_is_valid(satellite: Any) -> None:
    sign(timezone.now() - ocsp.VALIDITY + timedelta(minutes=10))
    response = send(build(current(satellite)))
    age = int(response.headers["Cache-Control"].split(",")[0].removeprefix("max-age="))
    assert 500 < age <= 600


def test_many_requests_cost_one_query_each_and_leave_nothing_behind(
    satellite: Any, django_assert_num_queries: Any
) -> None:
    sign()
    request = build(current(satellite))
    before = Entry.objects.count()
    client = Client()
    with django_assert_num_queries(100):
        for _ in range(100):
            response = client.post("/ocsp", request, content_type=ocsp_views.REQUEST, secure=True)
            assert response.status_code == 200
    assert Entry.objects.count() == before
    assert not response.cookies


def test_it_responds_without_tls_for_any_host_name_and_without_a_session(
    satellite: Any, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["console.example.com"]
    sign()
    response = send(build(current(satellite)), secure=False, HTTP_HOST="pki.example.com")
    assert read(response).certificate_status is GOOD


def test_the_future_and_the_previous_ca_have_responses_until_its_root_is_retired(
    zone: Any, satellite: Any
) -> None:
    old = current(satellite)
    walkthrough.prepare(zone, walkthrough.remint_ca())
    operation = walkthrough.step(Operation.objects.get())
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    assert sign() == 4
    walkthrough.cut_over(zone, operation)
    satellite.refresh()
    assert sign() == 0
    assert ask(old).certificate_status is GOOD
    roots.retire_root(Authority.objects.get(state="grace"), now=timezone.now())
    assert get_error(send(build(old))) is Status.UNAUTHORIZED
    assert sign(timezone.now() + DAY) == 2


def test_an_external_ca_has_no_responses(satellite: Any) -> None:
    list_rows(Authority).update(kind=Authority.Kind.EXTERNAL)
    assert sign() == 0


def test_a_large_zone_is_signed_in_batches(satellite: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(ocsp, "BATCH", 1)
    authority = Authority.objects.current()
    assert ocsp.sign_batch(authority, now=timezone.now()) == 1
    tasks.sign_ocsp_responses(str(authority.pk))
    assert OcspResponse.objects.count() == 2


def test_the_task_shows_why_no_response_can_be_signed(satellite: Any) -> None:
    authority = Authority.objects.current()
    list_rows(Authority).update(sealed_key="not a key", row_mac="")
    tasks.sign_ocsp_responses(str(authority.pk))
    authority.refresh_from_db()
    assert authority.fault
    assert not OcspResponse.objects.exists()


@pytest.mark.usefixtures("zone")
def test_new_certificates_contain_the_address_if_there_is_one(settings: Any) -> None:
    authority = Authority.objects.current()
    assert key_store.open_issuer(authority, now=timezone.now()).ocsp_url == ""
    settings.OCSP_URL = "http://pki.example.com/ocsp"
    issuer = key_store.open_issuer(authority, now=timezone.now())
    assert issuer.ocsp_url == "http://pki.example.com/ocsp"


def ask_with_programs(used: ServerCertificate, issuer: str, url: str, folder: Path) -> list[str]:
    """Return what OpenSSL and GnuTLS say about a certificate, after they have asked a server."""
    (folder / "issuer.pem").write_text(issuer)
    (folder / "leaf.pem").write_text(chains.split(used.chain_pem)[0])
    openssl = ["openssl", "ocsp", "-url", url, "-issuer", "issuer.pem", "-cert", "leaf.pem"]
    openssl += ["-CAfile", "issuer.pem"]
    gnutls = ["ocsptool", f"--ask={url}", "--load-issuer", "issuer.pem", "--load-cert", "leaf.pem"]
    gnutls += ["--load-signer", "issuer.pem", "--no-nonce"]

    def run(command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=30, check=False
        )
        return done.stdout + done.stderr

    return [run(openssl), run(gnutls)]


def test_openssl_and_gnutls_ask_a_server(satellite: Any, live_server: Any, tmp_path: Path) -> None:
    used, url = current(satellite), f"{live_server.url}/ocsp"
    sign()
    openssl, gnutls = ask_with_programs(used, used.authority.root_pem, url, tmp_path)
    assert "leaf.pem: good" in openssl
    assert "Certificate Status: good" in gnutls
    revoke(satellite)
    sign()
    openssl, gnutls = ask_with_programs(used, used.authority.root_pem, url, tmp_path)
    assert "leaf.pem: revoked" in openssl
    assert "Response verify OK" in openssl
    assert "Certificate Status: revoked" in gnutls
