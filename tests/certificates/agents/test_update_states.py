"""A database that is older than the hosts: restored from a backup, or a replica that took over.

A savepoint is the backup. The hosts go on, then the database returns to it.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from audit.models import AlteredRow
from certificates.agents import responses, update_states
from certificates.issuance import integrity
from certificates.models import Authority, FutureCertificate, Operation, ServerCertificate
from certificates.operations import cancellation, intervention, publication
from certificates.operations.states import OperationState
from devices.models import Device
from systemupdates.models import Assignment, SystemUpdate, TrustNotice
from systemupdates.updates.states import AssignmentState
from tests.support import walkthrough
from tests.support.public_ca import PublicCA
from tests.zcc.rows import sql
from wire import messages, metadata, update_messages
from wire.records import replace
from wire.update_messages import UpdateStatus

STAGES = ["replicating", "assigned", "applied", "certified", "activating", "activated"]


@pytest.fixture
def zone(zone):
    zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.9.0.3")
    zone.join("pc-01")
    walkthrough.sign(zone, Authority.objects.current())
    for future in FutureCertificate.objects.filter(operation=None):
        host = next(h for h in zone.hosts.values() if h.id == str(future.device_id))
        host.refresh(server_certificate_sha256=future.digest)
    return zone


class Backup:
    """A copy of the database. `restore` returns to it, however far the hosts have gone on."""

    def __init__(self):
        self._savepoint = transaction.savepoint()

    def restore(self):
        transaction.savepoint_rollback(self._savepoint)
        responses.clear_cache()


def run(zone, operation, backup_at, public=None):
    """Run an operation to its end; return the backup of one stage, and the servers' chains."""
    walkthrough.prepare(zone, operation)
    backups = {"replicating": Backup()} if backup_at == "replicating" else {}

    def reached(stage):
        if stage == backup_at:
            backups[stage] = Backup()

    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    reached("assigned")
    walkthrough.apply(zone, operation)
    reached("applied")
    if public is not None:
        walkthrough.import_all(operation, public)
    else:
        walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    reached("certified")
    walkthrough.step(operation, minutes=9, seconds=45)
    reached("activating")
    assert walkthrough.step(operation, minutes=11).state == "activated"
    reached("activated")
    walkthrough.activated(zone, walkthrough.fresh(operation))
    assert walkthrough.step(operation, minutes=11).state == "completed"
    rows = ServerCertificate.objects.current()
    return backups[backup_at], {str(row.device_id): (row.digest, row.chain_pem) for row in rows}


def status(operation, state, **more):
    given = {"revision": 1, "attempt": 1, "generation": 1, **more}
    return UpdateStatus(id=str(operation.update_id), state=state, **given)


def report_all(zone, operation, chains, state=messages.ACTIVATED):
    """Let every host refresh as its agent does, and send the certificates that are requested."""
    operation = walkthrough.fresh(operation)
    for host in zone.hosts.values():
        digest, chain = chains.get(host.id, ("", ""))
        is_in_use = state == messages.ACTIVATED
        said = host.refresh(
            server_certificate_sha256=digest if is_in_use else "",
            updates=[status(operation, state, certificate_sha256="" if is_in_use else digest)],
            stored_content=operation.update.digests(),
        )
        for name in said.get("send_certificates", []):
            path = f"/zac/v1/updates/{name}/csr" if name != "first" else "/zac/v1/certificate"
            response = host.send("POST", path, update_messages.CsrRequest(chain=chain))
            assert response.status_code in (202, 204), response.content


@pytest.mark.parametrize("stage", STAGES)
def test_an_operation_that_the_hosts_have_completed_completes_after_a_restore(zone, stage):
    operation = walkthrough.remint_ca()
    backup, chains = run(zone, operation, stage)
    backup.restore()
    assert walkthrough.fresh(operation).state != "completed"
    for _ in range(6):
        report_all(zone, operation, chains)
        walkthrough.step(operation, minutes=12)
    assert walkthrough.fresh(operation).state == "completed"
    rows = Assignment.objects.filter(update=walkthrough.fresh(operation).update)
    assert set(rows.values_list("state", flat=True)) == {"activated"}
    now_in_use = ServerCertificate.objects.current().values_list("device_id", "digest")
    assert {str(key): digest for key, digest in now_in_use} == {
        key: digest for key, (digest, _chain) in chains.items()
    }
    found = [str(one) for one in integrity.list_findings(timezone.now() + timedelta(hours=2))]
    assert found == []
    again = walkthrough.remint_ca(activates_at=walkthrough.soon(hours=1))
    walkthrough.prepare(zone, again)
    assert walkthrough.fresh(again).state == "replicating"


def test_an_operation_that_was_blocked_after_the_restore_continues(zone):
    """Its activation time has passed, and no server has reported yet."""
    operation = walkthrough.remint_ca()
    backup, chains = run(zone, operation, "assigned")
    backup.restore()
    assert walkthrough.step(operation, minutes=12).state == "blocked"
    report_all(zone, operation, chains, state=messages.APPLIED)
    assert walkthrough.step(operation, minutes=12).state == "blocked", "an administrator decides"
    for _ in range(3):
        report_all(zone, operation, chains)
        walkthrough.step(operation, minutes=12)
    assert walkthrough.fresh(operation).state == "completed"


@pytest.mark.parametrize("stage", ["assigned", "applied", "certified", "activated"])
def test_imported_certificates_are_sent_again_after_a_restore(zone, stage):
    public = PublicCA()
    operation = walkthrough.to_external(public)
    backup, chains = run(zone, operation, stage, public)
    backup.restore()
    for _ in range(5):
        report_all(zone, operation, chains)
        walkthrough.step(operation, minutes=12)
    assert walkthrough.fresh(operation).state == "completed"


def test_a_certificate_that_is_not_in_use_yet_is_sent_again(zone):
    """A replica that took over lacks the last seconds: the server has its certificate already."""
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation, csr=False)
    backup = Backup()
    host = zone.hosts["as-01"]
    host.request_certificate(str(walkthrough.fresh(operation).update_id))
    walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    row = FutureCertificate.objects.get(device=host.id, state="created")
    digest, chain = row.digest, row.chain_pem
    backup.restore()
    update = walkthrough.fresh(operation)
    reported = status(update, messages.APPLIED, certificate_sha256=digest)
    said = host.refresh(updates=[reported])
    assert said["send_certificates"] == [str(update.update_id)]
    path = f"/zac/v1/updates/{update.update_id}/csr"
    assert host.send("POST", path, update_messages.CsrRequest(chain=chain)).status_code == 202
    row.refresh_from_db()
    assert (row.state, row.digest) == ("created", digest)
    assert host.refresh(updates=[reported])["send_certificates"] == []


def test_a_new_key_that_was_requested_is_not_replaced_by_the_certificate_of_the_old_one(zone):
    operation = walkthrough.remint_ca()
    run(zone, operation, "activated")
    row = FutureCertificate.objects.filter(operation=operation).first()
    FutureCertificate.objects.filter(pk=row.pk).update(
        state="awaited", digest="", chain_pem="", generation=2
    )
    host = next(h for h in zone.hosts.values() if h.id == str(row.device_id))
    operation = walkthrough.fresh(operation)
    reported = [status(operation, messages.APPLIED, certificate_sha256="a" * 64)]
    assert host.refresh(updates=reported)["send_certificates"] == []


def test_a_server_that_has_a_certificate_is_told_that_another_csr_was_requested(zone):
    operation = walkthrough.remint_ca()
    run(zone, operation, "activated")
    row = FutureCertificate.objects.filter(operation=operation).first()
    host = next(h for h in zone.hosts.values() if h.id == str(row.device_id))
    operation = walkthrough.fresh(operation)
    reported = [
        replace(status(operation, messages.APPLIED, certificate_sha256=row.digest), generation=1)
    ]
    change = {"state": "awaited", "digest": "", "chain_pem": "", "generation": 2}
    FutureCertificate.objects.filter(pk=row.pk).update(**change)
    Device.objects.filter(pk=row.device_id).update(has_pending_work=True)
    for _ in range(2):
        said = host.refresh(updates=reported)
        assert said["new_csrs"] == [str(operation.update_id)], "until the server has sent it"
    assert host.refresh(updates=[replace(reported[0], generation=2)])["new_csrs"] == []
    FutureCertificate.objects.filter(pk=row.pk).update(generation=1)
    assert host.refresh(updates=reported)["new_csrs"] == [], "its own certificate is requested"


def test_a_host_that_reports_what_the_console_knows_changes_nothing(
    zone, django_assert_max_num_queries
):
    operation = walkthrough.remint_ca()
    run(zone, operation, "activated")
    host = zone.hosts["pc-01"]
    reported = [status(walkthrough.fresh(operation), messages.ACTIVATED)]
    host.refresh(updates=reported, features=["rehearsal"])
    before = list(Assignment.objects.values())
    with django_assert_max_num_queries(4) as with_updates:
        host.refresh(updates=reported, features=["rehearsal"])
    with django_assert_max_num_queries(4) as without:
        host.refresh(features=["rehearsal"])
    assert len(with_updates) == len(without)
    assert list(Assignment.objects.values()) == before


def test_a_report_never_moves_an_assignment_back(zone):
    operation = walkthrough.remint_ca()
    run(zone, operation, "activated")
    host, row = zone.hosts["as-01"], Assignment.objects.get(device=zone.hosts["as-01"].id)
    for state in (messages.DOWNLOADING, messages.APPLIED, "nonsense"):
        host.refresh(updates=[status(walkthrough.fresh(operation), state)])
        row.refresh_from_db()
        assert row.state == AssignmentState.ACTIVATED, state


@pytest.mark.parametrize("state", [AssignmentState.FAILED, AssignmentState.ASSIGNED])
def test_a_failure_stays_until_the_next_attempt(zone, state):
    """The state in a refresh has no failures. It neither hides one nor undoes Redeploy."""
    operation = assigned(zone)
    host = zone.hosts["pc-01"]
    host.report(str(operation.update_id), messages.APPLIED)
    rows = Assignment.objects.filter(device=host.id)
    rows.update(state=state, attempt=1, redeploy=state == AssignmentState.ASSIGNED)
    host.refresh(updates=[status(operation, messages.DOWNLOADING)])
    expected = {"failed": "failed", "assigned": "downloading"}[state]
    assert rows.get().state == expected


def assigned(zone):
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    return walkthrough.fresh(operation)


def payloads(said, kind):
    found = [one for one in said.get("notices", []) if one["payload_type"] == kind]
    return [json.loads(base64.b64decode(one["payload"])) for one in found]


def test_an_open_update_that_the_database_does_not_contain_is_canceled(zone):
    backup = Backup()
    operation = assigned(zone)
    backup.restore()
    assert not SystemUpdate.objects.exists()
    for host in (zone.hosts["pc-01"], zone.hosts["as-01"]):
        said = host.refresh(updates=[status(operation, messages.APPLIED, revision=7)])
        (notice,) = payloads(said, metadata.CANCELLATION)
        assert notice["id"] == str(operation.update_id)
        assert notice["revision"] > 7
        said = host.refresh(updates=[status(operation, messages.CANCELED, revision=7)])
        assert payloads(said, metadata.CANCELLATION) == []


def test_a_device_that_invents_updates_gets_few_signatures(zone, monkeypatch):
    """Each takes 0.4 seconds with the second zone key, in which the process does nothing else."""
    monkeypatch.setattr(update_states, "get_next_version", lambda *_: 1_000_000)
    signed = []
    sign = update_states._sign_cancellation

    def count(update, revision):
        signed.append(update)
        return sign(update, revision)

    monkeypatch.setattr(update_states, "_sign_cancellation", count)
    for _refresh in range(3):
        invented = [UpdateStatus(str(uuid4()), messages.APPLIED) for _ in range(64)]
        said = zone.hosts["pc-01"].refresh(updates=[vars(one) for one in invented])
    assert len(signed) == update_states.SIGNATURES_PER_DEVICE
    assert payloads(said, metadata.CANCELLATION) == []
    known = [vars(UpdateStatus(signed[0], messages.APPLIED))]
    again = zone.hosts["pc-01"].refresh(updates=known)
    assert [notice["id"] for notice in payloads(again, metadata.CANCELLATION)] == signed[:1]
    own = [vars(UpdateStatus(str(uuid4()), messages.APPLIED))]
    said = zone.hosts["as-01"].refresh(updates=own)
    assert payloads(said, metadata.CANCELLATION), "other devices are not affected"


def test_an_update_that_is_activated_is_not_canceled(zone):
    """Otherwise a backup from the time of an expired CA would take the zone back to it."""
    backup = Backup()
    operation = assigned(zone)
    backup.restore()
    for state in (messages.ACTIVATING, messages.ACTIVATED):
        said = zone.hosts["pc-01"].refresh(updates=[status(operation, state)])
        assert payloads(said, metadata.CANCELLATION) == []


def test_a_ca_that_is_created_after_a_restore_has_a_later_epoch_than_the_lost_one(zone):
    lost = walkthrough.remint_ca()
    backup = Backup()
    walkthrough.prepare(zone, lost)
    epoch = walkthrough.fresh(lost).future_authority.epoch
    assert epoch >= publication.get_next_version(0, timezone.now() - timedelta(minutes=1))
    backup.restore()
    later = timezone.now() + timedelta(seconds=2)
    walkthrough.prepare(zone, walkthrough.fresh(lost), now=later)
    assert walkthrough.fresh(lost).future_authority.epoch > epoch


def test_a_restored_operation_with_another_ca_waits_for_another_activation_time(zone):
    """The backup does not contain its CA, and its activation time has passed."""
    operation = walkthrough.remint_ca()
    backup = Backup()
    run(zone, operation, "assigned")
    lost = walkthrough.fresh(operation).future_authority.sha256
    backup.restore()
    assert walkthrough.fresh(operation).state == "preparing"
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    future = walkthrough.fresh(operation).future_authority
    assert future.sha256 != lost
    assert walkthrough.step(operation, minutes=12).state == "blocked"
    intervention.change_activation_time(
        walkthrough.fresh(operation),
        walkthrough.soon(hours=2),
        now=timezone.now() + timedelta(minutes=12),
    )
    walkthrough.sign(zone, future)
    assert walkthrough.step(operation, minutes=119, seconds=45).state == "activating"
    assert walkthrough.step(operation, minutes=121).state == "activated"
    walkthrough.activated(zone, walkthrough.fresh(operation))
    assert walkthrough.step(operation, minutes=121).state == "completed"


def test_a_cancellation_after_a_restore_is_later_than_the_revision_of_the_devices(zone):
    """The activation time was changed after the backup, so devices have a later revision."""
    operation = assigned(zone)
    backup = Backup()
    intervention.change_activation_time(
        operation, walkthrough.soon(hours=3), now=timezone.now() - timedelta(seconds=5)
    )
    devices_have = walkthrough.fresh(operation).update.revision
    backup.restore()
    operation = walkthrough.fresh(operation)
    assert operation.update.revision < devices_have
    cancellation.cancel(operation, now=timezone.now())
    cancellation.finish_cancellation(walkthrough.fresh(operation), now=timezone.now())
    assert TrustNotice.objects.get(kind=metadata.CANCELLATION).revision >= devices_have


def test_an_update_of_which_devices_have_a_later_revision_is_signed_again(zone):
    operation = assigned(zone)
    host, update = zone.hosts["pc-01"], operation.update
    lately = publication.get_next_version(0, timezone.now()) - 5
    host.refresh(updates=[status(operation, messages.APPLIED, revision=lately)])
    update.refresh_from_db()
    signed = update.revision
    assert signed > lately
    host.refresh(updates=[status(operation, messages.APPLIED, revision=signed + 1)])
    update.refresh_from_db()
    assert update.revision == signed, "at most once a minute, and never one from the future"


@pytest.mark.parametrize("target", ["operation", "authority"])
def test_a_report_lets_the_console_sign_nothing_that_was_changed_with_sql(zone, target):
    operation = assigned(zone)
    signed = SystemUpdate.objects.get().envelope
    future = operation.future_authority
    if target == "authority":
        sql.change(future, sha256="ab" * 32)
    else:
        sql.insert(future, guid=sql.guid(5), sha256="ab" * 32, state="retired")
        sql.change(operation, future_authority_id=sql.guid(5))
    lately = publication.get_next_version(0, timezone.now()) - 5
    zone.hosts["pc-01"].refresh(updates=[status(operation, messages.APPLIED, revision=lately)])
    assert SystemUpdate.objects.get().envelope == signed
    label = "Authority" if target == "authority" else "Operation"
    assert AlteredRow.objects.filter(label=f"certificates.{label}").exists()


def test_an_update_that_a_device_has_canceled_is_signed_again(zone):
    """The cancellation came after the backup. The restored operation goes on."""
    operation = assigned(zone)
    host = zone.hosts["pc-01"]
    lately = publication.get_next_version(0, timezone.now()) - 5
    host.refresh(updates=[status(operation, messages.CANCELED, revision=lately)])
    operation.update.refresh_from_db()
    assert operation.update.revision > lately
    assert operation.state == OperationState.ASSIGNED
    row = Assignment.objects.get(device=host.id)
    assert not row.cancellation_acknowledged, "a later cancellation must reach the device"


def test_a_signed_order_is_not_made_void_by_a_report(zone):
    """A device that reports a late revision must not keep the servers from activating."""
    operation = walkthrough.remint_ca()
    run_to_order(zone, operation)
    update = walkthrough.fresh(operation).update
    late = publication.get_next_version(0, timezone.now()) - 1
    zone.hosts["pc-01"].refresh(updates=[status(operation, messages.APPLIED, revision=late)])
    assert walkthrough.fresh(operation).update.revision == update.revision


def run_to_order(zone, operation):
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    assert walkthrough.step(operation, minutes=9, seconds=45).state == "activating"
    operation.refresh_from_db()


def test_a_cancellation_of_which_the_report_was_lost_is_acknowledged_at_a_refresh(zone):
    operation = assigned(zone)
    cancellation.cancel(operation, now=timezone.now())
    cancellation.finish_cancellation(walkthrough.fresh(operation), now=timezone.now())
    host = zone.hosts["pc-01"]
    row = Assignment.objects.get(device=host.id)
    host.refresh(updates=[status(operation, messages.CANCELED)])
    row.refresh_from_db()
    assert row.cancellation_acknowledged
    host.refresh(updates=[status(operation, messages.APPLIED)])
    row.refresh_from_db()
    assert not row.cancellation_acknowledged, "it must be sent again"


def test_the_operation_of_a_forged_id_is_not_touched(zone):
    said = zone.hosts["pc-01"].refresh(
        updates=[UpdateStatus(id="not a GUID", state=messages.APPLIED)]
    )
    assert payloads(said, metadata.CANCELLATION) == []
    assert not Operation.objects.exists()
