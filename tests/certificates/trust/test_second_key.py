"""The second zone key on the console (D-175 to D-177): introduction, signatures, trust lists."""

import base64
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Entry
from certificates import tasks
from certificates.authority import vault_keys
from certificates.trust import second_key, trust_list
from devices.identity import zone_keys
from devices.models import Device, SignedTrustList, Zone, ZoneKey
from pki.protection import second_key as key_functions
from systemupdates.downloads import publication
from systemupdates.models import SystemUpdate, TrustNotice
from systemupdates.remint_tool import build
from tests.certificates.operations.test_remint_ca import prepared
from tests.certificates.trust.test_roots import activated
from wire import json_codec, messages, metadata
from wire.envelope import Envelope, NotSigned, PublicKeys
from wire.metadata import ActivationNotice, TrustList, verify_document

pytestmark = pytest.mark.django_db


def introduce(runs=2):
    for _ in range(runs):
        second_key.introduce(now=timezone.now())
    return Zone.objects.get_zone()


def both_keys():
    return zone_keys.get_public_keys(Zone.objects.get_zone())


def read_list(answer):
    envelope = json_codec.build(Envelope, answer["trust_list"], "trust_list")
    return verify_document(TrustList, metadata.TRUST_LIST, envelope, both_keys())


def test_a_new_zone_gets_its_key_from_the_worker(zone):
    assert zone.zone.second_public_key == ""
    introduced = introduce()
    private = zone_keys.get_keyring().second_key
    assert introduced.second_public_key == key_functions.get_public_key(private)
    assert [entry.note for entry in Entry.objects.filter(action="second-key")] == [zone.zone.name]
    for blob in ZoneKey.objects.values_list("blob", flat=True):
        assert private not in blob
    before = introduced.revision
    assert introduce().revision == before, "it is done once"
    assert zone_keys.get_keyring().second_key == private


def test_the_scheduler_finds_what_is_to_do(zone, monkeypatch):
    found = []
    monkeypatch.setattr(
        "certificates.tasks.publisher.enqueue", lambda task, *_, **__: found.append(task.name)
    )
    Device.objects.primaries().update(features=[messages.FEATURE_SECOND_KEY])
    tasks.schedule_work()
    assert tasks.introduce_second_key.name in found
    tasks.introduce_second_key()
    tasks.introduce_second_key()
    found.clear()
    tasks.schedule_work()
    assert not {tasks.introduce_second_key.name, tasks.sign_trust_list.name} & set(found)
    Zone.objects.advance_revision()
    tasks.schedule_work()
    assert tasks.sign_trust_list.name in found
    tasks.sign_trust_list()
    assert SignedTrustList.objects.get().version == zone.zone.revision


def test_the_key_waits_until_all_primary_servers_are_upgraded(zone, monkeypatch):
    """Devices that know the key reject what a console of the previous version signs."""
    found = []
    monkeypatch.setattr(
        "certificates.tasks.publisher.enqueue", lambda task, *_, **__: found.append(task.name)
    )
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    for server in (zone.first, second):
        tasks.schedule_work()
        assert tasks.introduce_second_key.name not in found
        Device.objects.filter(pk=server.id).update(features=[messages.FEATURE_SECOND_KEY])
    tasks.schedule_work()
    assert tasks.introduce_second_key.name in found


def test_every_primary_server_receives_the_key(zone):
    second = zone.join("ps-02", messages.PRIMARY, "127.9.0.2")
    introduce()
    third = zone.join("ps-03", messages.PRIMARY, "127.9.0.3")
    private = zone_keys.get_keyring().second_key
    for host in (second, third):
        with zone.on(host):
            assert zone_keys.get_keyring().second_key == private
    assert not tasks.authority.get_servers_without_zone_keys().exists()
    ZoneKey.objects.filter(server=second.id, kind=ZoneKey.Kind.SECOND).delete()
    assert [s.name for s in tasks.authority.get_servers_without_zone_keys()] == ["ps-02"]
    tasks.distribute_zone_keys()
    with zone.on(second):
        assert zone_keys.get_keyring().second_key == private


def test_a_server_without_the_key_does_not_sign_with_one_key_only(zone):
    introduce()
    ZoneKey.objects.filter(kind=ZoneKey.Kind.SECOND).delete()
    zone_keys.clear_cache()
    with pytest.raises(zone_keys.ZoneKeysUnavailable):
        zone_keys.get_keyring().sign(metadata.CANCELLATION, metadata.Cancellation("u", "z", 1))


def test_documents_of_earlier_versions_get_the_second_signature(zone):
    """Otherwise, a device that requires both would reject the documents that are in force."""
    device, *_ = activated(zone)
    assert not TrustNotice.objects.first().get_envelope().second_signature
    introduce()
    keys = both_keys()
    assert keys.second_pub
    rows = [*SystemUpdate.objects.all(), *TrustNotice.objects.all()]
    assert {row.get_envelope().payload_type for row in rows} >= {
        *(metadata.MANIFEST, metadata.ACTIVATION_ORDER, metadata.ACTIVATION_NOTICE)
    }
    for row in rows:
        row.get_envelope().verify(keys, row.get_envelope().payload_type)
    answer = device.refresh()
    for part in (*answer["updates"], *answer["notices"]):
        envelope = json_codec.build(Envelope, part, "envelope")
        envelope.verify(keys, envelope.payload_type)
    row = TrustNotice.objects.get(kind=TrustNotice.Kind.ACTIVATED)
    notice = verify_document(ActivationNotice, metadata.ACTIVATION_NOTICE, row.get_envelope(), keys)
    notice.manifest.verify(keys, metadata.MANIFEST)


def test_many_documents_are_signed_in_several_runs(zone, monkeypatch):
    monkeypatch.setattr(second_key, "MAX_DOCUMENTS", 2)
    activated(zone)
    assert introduce(2).second_public_key == ""
    assert introduce(2).second_public_key


def test_a_document_that_the_zone_key_did_not_sign_gets_no_signature(zone):
    update = prepared().update
    update.envelope["signature"] = base64.b64encode(bytes(64)).decode()
    update.save()
    assert introduce().second_public_key
    update.refresh_from_db()
    assert update.get_envelope().second_signature == ""


def test_new_documents_have_both_signatures(zone):
    introduce()
    update = prepared().update
    envelope = update.get_envelope()
    envelope.verify(both_keys(), metadata.MANIFEST)
    with pytest.raises(NotSigned):
        envelope.verify(
            PublicKeys(zone.zone.public_key, base64.b64encode(bytes(32)).decode()),
            metadata.MANIFEST,
        )


def test_the_list_announces_the_key(zone):
    device = zone.join("pc-01")
    introduce()
    listed = read_list(device.refresh(trust_version=0))
    assert listed.second_key == zone.zone.second_public_key
    assert read_list(zone.join("pc-02").answer).second_key == listed.second_key


def test_a_changed_row_does_not_change_the_announced_key(zone):
    introduce()
    Zone.objects.update(second_public_key=base64.b64encode(bytes(32)).decode())
    Zone.objects.advance_revision()
    trust_list.sign_and_store(now=timezone.now())
    envelope = SignedTrustList.objects.get().envelope
    listed = json.loads(base64.b64decode(envelope["payload"]))
    private = zone_keys.get_keyring().second_key
    assert listed["second_key"] == key_functions.get_public_key(private)


def test_requests_never_sign_with_the_second_key(zone, monkeypatch):
    """Until the worker has signed the newest list, devices receive the list before it."""
    device = zone.join("pc-01")
    introduce()
    version = read_list(device.refresh(trust_version=0)).version

    def sign(*_):
        raise AssertionError("signed in a request")

    with monkeypatch.context() as patch:
        patch.setattr(key_functions, "sign", sign)
        Zone.objects.advance_revision()
        assert zone.zone.revision > version
        answer = device.refresh(trust_version=version)
        assert answer["trust_list"] is None
        assert answer["refresh_s"] == 10, "the device returns soon"
        later = timezone.now() + timedelta(minutes=2)
        assert trust_list.get_unsigned_interval(zone.zone, later) == 600, "the worker has stopped"
        # After a restore of the database, a device can have a list between the two.
        assert device.refresh(trust_version=version + 1)["trust_list"] is None
        assert read_list(device.refresh(trust_version=0)).version == version
        assert read_list(zone.join("pc-02").answer).version == version
    trust_list.sign_and_store(now=timezone.now())
    answer = device.refresh(trust_version=version)
    assert read_list(answer).version == zone.zone.revision
    assert answer["refresh_s"] == zone.zone.refresh_seconds


def test_a_registration_accepts_the_list_before_the_newest_one(zone):
    """The version in the identity statement is that of the list that the device receives."""
    introduce()
    before = SignedTrustList.objects.get().version
    Zone.objects.advance_revision()
    response = zone.first.client.post(
        "/zac/v1/hello",
        json_codec.dump(messages.HelloRequest(nonce="00" * 32, host="127.9.0.1")),
        content_type="application/json",
        secure=True,
    )
    signed = json_codec.load(messages.HelloResponse, response.content).statement
    statement = json.loads(base64.b64decode(signed.payload))
    assert statement["trust_version"] == before
    assert signed.second_signature == "", "strangers cannot cause expensive signatures"


def test_a_list_is_signed_again_each_day_and_does_not_wait_for_a_stopped_worker(zone):
    introduce()
    now, stored = timezone.now(), SignedTrustList.objects.get()
    tomorrow = now + timedelta(days=1)
    assert trust_list.needs_signature(zone.zone, now=tomorrow)
    listed = trust_list.get_trust_list(zone.zone, now=tomorrow)
    assert listed.envelope.payload == stored.envelope["payload"]
    much_later = now + timedelta(days=3)
    listed = trust_list.get_trust_list(zone.zone, now=much_later)
    assert listed.envelope.payload != stored.envelope["payload"]
    listed.envelope.verify(both_keys(), metadata.TRUST_LIST)
    trust_list.sign_and_store(now=tomorrow)
    assert SignedTrustList.objects.get().period == stored.period + 1


def test_the_tool_has_two_signature_files(zone):
    prepared()
    build.publish_tools(zone.device(zone.first).pk)
    assert not [name for name in build.list_file_names() if name.endswith(".sig2")]
    introduce()
    build.publish_tools(zone.device(zone.first).pk)
    data = (publication.get_folder() / build.NAME).read_bytes()
    signatures = [
        (publication.get_folder() / f"{build.NAME}{suffix}").read_text().strip()
        for suffix in (".sig", ".sig2")
    ]
    envelope = Envelope(metadata.REMINT_TOOL, base64.b64encode(data).decode(), *signatures)
    envelope.verify(both_keys(), metadata.REMINT_TOOL)


def test_the_key_survives_a_rotation_of_the_vault_keys(zone):
    introduce()
    private = zone_keys.get_keyring().second_key
    vault_keys.rotate(now=timezone.now())
    zone_keys.clear_cache()
    assert zone_keys.get_keyring().second_key == private
