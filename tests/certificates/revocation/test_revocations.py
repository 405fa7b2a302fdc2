"""Revocation of server certificates: the rule and the trust list (D-264, D-265)."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates.models import (
    Authority,
    FutureCertificate,
    Operation,
    Revocation,
    ServerCertificate,
)
from certificates.operations import rollback
from certificates.operations.states import FutureState
from certificates.revocation import records, replacement, revocations
from certificates.trust import trust_list
from devices.models import Zone
from devices.registration import registration
from faults import Conflict
from pki import keys, names
from pki.certificates import details
from pki.chains import chains
from pki.formats import bundles, csr
from tests.support import factories, walkthrough
from tests.zcc.rows import sql
from wire import json_codec, update_messages
from wire.metadata import TrustList
from zac.trust.signed_part import get_signed_part_digest

Reason = Revocation.Reason


def current(host: Any) -> ServerCertificate:
    return ServerCertificate.objects.current().get(device=host.id)


def revoke(host: Any, reason: str = Reason.KEY_COMPROMISE) -> Revocation:
    by = factories.admin()
    return revocations.revoke(current(host), reason, by=by, now=timezone.now())


def get_listed(days: int = 0) -> list[str]:
    """Return the revoked certificates of the trust list that the zone signs on a day."""
    later = timezone.now() + timedelta(days=days)
    envelope = trust_list.get_trust_list(Zone.objects.get_zone(), now=later).envelope
    return json_codec.load(TrustList, base64.b64decode(envelope.payload)).revoked


def get_id(certificate: ServerCertificate) -> str:
    return get_signed_part_digest(bundles.to_der(chains.split(certificate.chain_pem)[0]))


def send_new_key(host: Any) -> None:
    """Send the CSR of a new key, as the agent does for its initial certificate."""
    content = host.send("GET", "/zac/v1/certificate").content
    said = json_codec.load(update_messages.CertificateResponse, content)
    assert said.csr_parameters is not None
    host.key_pem = keys.generate_key(256)
    own = names.Names((host.fqdn,), (host.address,))
    pem = csr.build_csr(host.key_pem, names.Subject(host.fqdn), own)
    request = update_messages.CsrRequest(csr=pem, generation=said.generation)
    assert host.send("POST", "/zac/v1/certificate", request).status_code == 202


def test_a_revoked_certificate_is_on_the_trust_list_until_it_expires(satellite: Any) -> None:
    used = current(satellite)
    version = Zone.objects.get_zone().revision
    assert get_listed() == []
    revocation = revoke(satellite)
    assert Zone.objects.get_zone().revision > version
    assert get_listed() == [get_id(used)]
    facts = details.get_details(used.chain_pem)
    assert (revocation.serial, revocation.digest) == (facts.serial_hex, used.digest)
    left = (used.not_after - timezone.now()).days
    assert get_listed(left - 1) == [get_id(used)]
    assert get_listed(left + 2) == []


def test_it_is_recorded_who_revoked_which_certificate_and_why(satellite: Any) -> None:
    revocation = revoke(satellite)
    entry = Entry.objects.get(action=records.ACTION)
    assert entry.note == "as-01"
    expected = {"serial": revocation.serial, "sha256": revocation.digest}
    expected["reason"] = "key-compromise"
    assert {name: entry.detail[name] for name in expected} == expected
    assert revocation.revoked_by == "admin"


def test_a_certificate_is_revoked_once_and_not_after_its_end(satellite: Any) -> None:
    used = current(satellite)
    by = factories.admin()
    later = used.not_after + timedelta(seconds=1)
    with pytest.raises(Conflict, match="has expired"):
        revocations.revoke(used, Reason.SUPERSEDED, by=by, now=later)
    revocations.revoke(used, Reason.SUPERSEDED, by=by, now=timezone.now())
    with pytest.raises(Conflict, match="already been revoked"):
        revocations.revoke(used, Reason.KEY_COMPROMISE, by=by, now=timezone.now())
    assert Revocation.objects.get().reason == Reason.SUPERSEDED


def test_a_server_that_uses_it_gets_a_certificate_with_a_new_key(zone: Any, satellite: Any) -> None:
    old = current(satellite)
    revoke(satellite)
    assert satellite.refresh(server_certificate_sha256=old.digest)["certificate"] is True
    send_new_key(satellite)
    walkthrough.sign(zone, Authority.objects.current())
    future = FutureCertificate.objects.get(device=satellite.id, state=FutureState.CREATED)
    satellite.refresh(server_certificate_sha256=future.digest)
    new = current(satellite)
    assert chains.get_public_key(new.chain_pem) != chains.get_public_key(old.chain_pem)
    assert get_listed() == [get_id(old)]
    replacement.request_replacements(now=timezone.now())
    assert not FutureCertificate.objects.open().filter(device=satellite.id).exists()


def test_each_request_has_a_higher_generation_than_the_one_before(satellite: Any) -> None:
    """Otherwise the server would use the key of its last CSR."""
    before = FutureCertificate.objects.get(device=satellite.id)
    FutureCertificate.objects.filter(pk=before.pk).update(generation=5)
    revoke(satellite)
    assert FutureCertificate.objects.open().get(device=satellite.id).generation == 6


def test_a_previous_certificate_leads_to_no_request(satellite: Any) -> None:
    used = current(satellite)
    ServerCertificate.objects.filter(pk=used.pk).update(superseded_at=timezone.now())
    used.refresh_from_db()
    revocations.revoke(used, Reason.SUPERSEDED, by=factories.admin(), now=timezone.now())
    assert get_listed() == [get_id(used)]
    assert not FutureCertificate.objects.open().exists()


def test_a_certificate_that_a_rollback_brings_back_is_replaced(zone: Any, satellite: Any) -> None:
    operation = walkthrough.remint_ca()
    before = current(satellite)
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    operation = walkthrough.cut_over(zone, Operation.objects.get())
    before.refresh_from_db()
    revocations.revoke(before, Reason.KEY_COMPROMISE, by=factories.admin(), now=timezone.now())
    rollback.roll_back(operation, now=timezone.now())
    satellite.refresh(server_certificate_sha256=before.digest)
    assert current(satellite).digest == before.digest
    replacement.request_replacements(now=timezone.now())
    future = FutureCertificate.objects.open().get(device=satellite.id, operation=None)
    assert (future.authority, future.csr_pem) == (Authority.objects.current(), "")


def test_with_an_expired_ca_nothing_is_requested(satellite: Any) -> None:
    revoke(satellite)
    FutureCertificate.objects.all().delete()
    after = Authority.objects.current().not_after + timedelta(seconds=1)
    Revocation.objects.update(not_after=after + timedelta(days=1))
    replacement.request_replacements(now=after)
    assert not FutureCertificate.objects.exists()


def test_the_certificates_of_a_retired_server_are_revoked(zone: Any, satellite: Any) -> None:
    used = current(satellite)
    assert revocations.revoke_of_retired_devices(now=timezone.now()) == 0
    registration.retire(zone.device(satellite))
    assert revocations.revoke_of_retired_devices(now=timezone.now()) == 1
    assert revocations.revoke_of_retired_devices(now=timezone.now()) == 0
    revocation = Revocation.objects.get()
    assert (revocation.reason, revocation.revoked_by) == (Reason.CESSATION, "")
    assert get_listed() == [get_id(used)]
    assert not FutureCertificate.objects.open().filter(device=satellite.id).exists()


def test_the_certificate_of_an_unregistered_server_stays_valid(zone: Any, satellite: Any) -> None:
    registration.unregister(zone.device(satellite))
    assert revocations.revoke_of_retired_devices(now=timezone.now()) == 0


def test_a_row_that_was_inserted_with_sql_revokes_nothing(satellite: Any) -> None:
    used = current(satellite)
    sql.insert(revoke(satellite), id=99, digest="0" * 64, signed_part="0" * 64)
    trust_list.clear_cache()
    assert get_listed() == [get_id(used)]
    assert Entry.objects.filter(action="row-altered").exists()
