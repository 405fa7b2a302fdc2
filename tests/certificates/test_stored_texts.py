"""What is stored, logged, or sent is in English, whatever the language of the user (D-237)."""

import json
import logging
from uuid import uuid4

import pytest
from django.apps import apps
from django.core import serializers

from audit.models import Entry
from certificates.models import Authority, Draft, HealthAcceptance, Operation, VaultJob
from devices.models import Device, RegistrationKey
from notifications.models import Delivery, Target
from tests.certificates.clients import PAGE, local
from tests.support import clients, factories, pseudo_locale, walkthrough

PHRASE = "seven quiet lakes"
DEPLOY = "systemupdates.deploy_update"
SUCCESS = (200, 201, 204, 302)


@pytest.fixture(autouse=True)
def translated(tmp_path, settings):
    pseudo_locale.install(tmp_path / "locale", settings)


@pytest.fixture(autouse=True)
def _no_other_language_is_logged(translated, caplog):
    caplog.set_level(logging.INFO)
    yield
    assert [line for line in caplog.text.splitlines() if pseudo_locale.OPEN in line] == []


@pytest.fixture
def person(zone):
    """A Super Administrator whose browser prefers the language of tests."""
    return enter(factories.admin())


def enter(user):
    client = clients.log_in(user)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = pseudo_locale.CODE
    return client


def send(client, path, data=None):
    response = client.post(path, data or {})
    assert response.status_code in SUCCESS, (path, response.content.decode()[-2000:])
    return response


def list_stored():
    """Return the rows with a text in the language of tests. Sessions have messages to the user."""
    found = []
    for model in apps.get_models():
        if model._meta.app_label == "sessions":
            continue
        for row in json.loads(serializers.serialize("json", model._default_manager.all())):
            text = json.dumps(row["fields"], ensure_ascii=False)
            if pseudo_locale.OPEN in text:
                found.append(f"{row['model']}: {text}")
    return found


def test_operations(person, zone):
    form = {
        "confirm": "on",
        "common_name": "TEST-ZONE",
        "key_length": "256",
        "years": "10",
        "activates_at": local(days=2),
        "key": str(uuid4()),
    }
    send(person, f"{PAGE}remint-ca/", form)
    operation = Operation.objects.get()
    assert operation.name.startswith("Remint CA ")
    walkthrough.prepare(zone, operation)
    page = person.get(f"{PAGE}operations/{operation.pk}/").content.decode()
    assert pseudo_locale.OPEN in page
    assert operation.name in page
    send(person, f"{PAGE}operations/{operation.pk}/cancel/")
    walkthrough.step(operation)
    assert list_stored() == []


def test_the_suggested_name_of_a_server_remint(person):
    ids = [str(Device.objects.primaries().first().pk)]
    send(person, f"{PAGE}servers/selected/", {"do": "remint-certificate", "ids": ids})
    page = person.get(f"{PAGE}remint-certificate/{Draft.objects.get().pk}/servers/")
    assert page.context["form"].initial["name"].startswith("Remint Certificate ")
    assert list_stored() == []


def test_a_rejected_job(two):
    first, second = map(enter, two)
    send(first, f"{PAGE}backup-ca/", {"passphrase": PHRASE, "confirm": PHRASE})
    job = VaultJob.objects.get()
    send(second, f"{PAGE}jobs/{job.pk}/confirm/", {"do": "refuse", "reason": "Not today."})
    job.refresh_from_db()
    assert job.reason == "second rejected the request. Nothing was changed. Reason: Not today."
    page = first.get(PAGE).content.decode()
    assert "Not today." in page
    assert job.reason not in page, "it is shown in the language of the reader"
    assert list_stored() == []


def test_accounts_tokens_keys_and_stages(person):
    new = {"name": "eve", "roles": ["viewer"]}
    send(person, "/configuration/administrators/create/", new)
    send(person, "/preferences/tokens/", {"name": "report", "rights": [DEPLOY], "days": 30})
    key = {"label": "lyon", "role": "managed", "uses": "5", "days": "7"}
    send(person, "/configuration/registration-keys/", key)
    send(person, "/system-updates/stages/new/", {"name": "Pilot", "timeout_seconds": "1 h"})
    assert RegistrationKey.objects.filter(label="lyon").exists()
    assert list_stored() == []


def test_an_accepted_finding(person):
    ca = Authority.objects.current()
    url = f"/health-checks/ca-backup/accept/?subject={ca.sha256}"
    send(person, url, {"reason": "It is in the safe."})
    assert HealthAcceptance.objects.get().reason == "It is in the safe."
    note = Entry.objects.get(action="accept-finding").note
    assert note == "Backup of the zone CA: It is in the safe."
    assert list_stored() == []


def test_a_notification_about_events(person):
    events = ["operation.blocked", "operation.failed"]
    hook = Target.objects.create(
        name="pager", kind=Target.Kind.WEBHOOK, host="hooks.example", events=events
    )
    send(person, f"/configuration/notifications/targets/{hook.pk}/test/")
    assert "Operation blocked; Operation or cancellation failed" in Delivery.objects.get().text
    assert list_stored() == []


def test_a_denied_request(zone):
    reader = enter(factories.user("reader"))
    response = reader.post(f"{PAGE}remint-ca/")
    assert response.status_code == 403
    assert pseudo_locale.OPEN in response.content.decode()
    assert Entry.objects.filter(action="denied").exists()
    assert list_stored() == []


def test_a_device_that_leaves(person):
    device = factories.device("pc-1")
    send(person, f"/devices/{device.pk}/unregister/", {"confirm": "on"})
    assert Device.objects.get(name="pc-1").state == "unregistered"
    assert list_stored() == []
