"""Activation times that are too early are rejected, those before the suggestion show a warning.

In these zones, the suggestion is one hour for replication and two refresh intervals of one minute.

See: D-22
"""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from certificates.models import Draft, Operation
from certificates.operations.activation_time import (
    TooEarly,
    format_time,
    get_limits,
)
from certificates.operations.states import OperationState
from devices.inventory.tables import count_devices_missing
from devices.models import Device, Zone
from tests.certificates.clients import PAGE, entered, events, local
from tests.support import factories

pytestmark = pytest.mark.django_db
REMINT = f"{PAGE}remint-ca/"
EARLY = "This time is earlier than suggested"


@pytest.fixture(autouse=True)
def no_tasks(monkeypatch):
    """Do not enqueue tasks."""
    monkeypatch.setattr("certificates.tasks.operations.enqueue_operation", lambda _operation: None)


@pytest.fixture
def client():
    factories.zone()
    holder = factories.server("ps-01")
    factories.certificate(holder, factories.authority(holder))
    return entered(factories.admin())


def form_data(moment, **more):
    values = {"confirm": "on", "common_name": "TEST-ZONE", "key_length": "256", "years": "10"}
    return {**values, "activates_at": moment, "key": str(uuid4()), **more}


def hidden(response):
    """Return True if the warning at the field is hidden."""
    page = response.content.decode()
    note = page[page.index('id="early-activation"') :]
    return " hidden" in note[: note.index(">")]


def test_a_time_before_the_minimum_shows_only_the_error(client):
    response = client.post(REMINT, form_data(local(hours=-1)))
    assert response.status_code == 422
    assert "The activation time must be later than" in response.content.decode()
    assert hidden(response)


def test_the_suggested_time_shows_no_warning(client):
    assert hidden(client.get(REMINT))
    response = client.post(REMINT, form_data(local(hours=2)))
    assert EARLY not in events(response)["zcc:announce"]["text"]


@pytest.mark.parametrize(
    ("minutes", "changed", "status"),
    [(1, False, 204), (10, False, 204), (16, False, 422), (1, True, 422)],
)
def test_the_suggested_time_is_accepted_while_the_dialog_is_open(
    client, monkeypatch, minutes, changed, status
):
    # A device that does not get the update until then.
    factories.device("pc-1", last_contact=timezone.now() - timedelta(days=1))
    page = client.get(REMINT).text
    suggested = re.findall(r'name="suggested" value="([^"]+)"', page)[0]
    assert f'name="activates_at" value="{suggested}"' in page
    opened = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: opened + timedelta(minutes=minutes))
    posted = local(minutes=30) if changed else suggested
    response = client.post(
        REMINT, form_data(posted, suggested=suggested, password=factories.PASSWORD)
    )
    assert response.status_code == status
    if status == 422:
        assert f'name="suggested" value="{suggested}"' in response.text
        assert "would miss the update" in response.text


def test_a_time_before_the_suggested_one_is_accepted_with_a_warning(client):
    response = client.post(REMINT, form_data(local(minutes=30)))
    assert response.status_code == 204
    text = events(response)["zcc:announce"]["text"]
    assert text.startswith("The Remint CA operation has been initiated.")
    assert EARLY in text
    assert "The suggested time is" in text
    assert Operation.objects.count() == 1


def test_the_warning_is_kept_when_another_field_has_an_error(client):
    response = client.post(REMINT, form_data(local(minutes=30), years="99"))
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["years"]
    assert not hidden(response)
    assert hidden(client.post(REMINT, form_data(local(hours=2), years="99")))


def test_a_time_that_is_too_early_is_rejected_with_an_action(client):
    response = client.post(REMINT, form_data(local(seconds=-60)))
    assert response.status_code == 422
    message = str(response.context["form"].errors["activates_at"])
    suggested = format_time(response.context["limits"].suggestion)
    assert "The activation time must be later than" in message
    assert f"Enter the suggested time, {suggested}, or a later time." in message
    assert not Operation.objects.exists()


def test_the_limits_reject_and_warn_like_the_form(client):
    found = get_limits(Operation.Kind.REMINT_CA, now=timezone.now())
    with pytest.raises(TooEarly, match="Enter the suggested time"):
        found.check(found.earliest - timedelta(seconds=1))
    found.check(found.earliest)
    assert found.is_early(found.suggestion - timedelta(seconds=1))
    assert not found.is_early(found.suggestion)


def test_changing_the_activation_time_shows_the_same_warning(client, monkeypatch):
    # The action signs the new time, which requires the zone key.
    monkeypatch.setattr(
        "certificates.operations.intervention.change_activation_time",
        lambda *_, now, **_values: now,
    )
    server = Device.objects.get()
    operation = factories.operation(
        server.certificates.get().authority, state=OperationState.ASSIGNED
    )
    factories.future(operation, server)
    there = f"{PAGE}operations/{operation.pk}/activation/"
    response = client.post(there, {"activates_at": local(minutes=30)})
    assert response.status_code == 204
    assert EARLY in events(response)["zcc:announce"]["text"]


def test_a_server_remint_counts_only_its_own_servers(client):
    quiet = timezone.now() - timedelta(days=1)
    factories.device("pc-1", last_contact=quiet)
    ids = [str(Device.objects.get(name="ps-01").pk)]
    client.post(f"{PAGE}servers/selected/", {"do": "remint-certificate", "ids": ids})
    draft = Draft.objects.get()
    given = {
        "confirm": "on",
        "common_name": "ps-01.acme.example",
        "key_length": "256",
        "activates_at": local(minutes=30),
        "name": "Early",
    }
    response = client.post(f"{PAGE}remint-certificate/{draft.pk}/servers/", given)
    assert response.status_code == 204, response.context["form"].errors
    assert EARLY in events(response)["zcc:announce"]["text"]


@pytest.mark.manual("R042")
def test_devices_that_would_miss_the_update_are_counted_among_the_servers(client):
    now, zone = timezone.now(), Zone.objects.get_zone()
    silent = factories.device("pc-1", last_contact=now - timedelta(days=1))
    moment, shown = now + timedelta(minutes=30), Device.objects.get(name="ps-01").pk
    assert count_devices_missing(zone, moment, now) == 1
    assert count_devices_missing(zone, moment, now, [shown]) == 0
    assert count_devices_missing(zone, moment, now, [silent.pk]) == 1


def test_a_ca_change_affects_every_device(client):
    servers = [Device.objects.get(name="ps-01")]
    now = timezone.now()
    assert get_limits(Operation.Kind.REMINT_CA, servers=servers, now=now).servers is None
    assert get_limits(Operation.Kind.CHANGE_CA, servers=servers, now=now).servers is None
    found = get_limits(Operation.Kind.REMINT_SERVER, servers=servers, now=now)
    assert found.servers == [servers[0].pk]
