"""An activation time: too early is refused, before the suggested one is warned about (D-22).

The suggestion of these zones is an hour of replication and two refresh intervals of a minute.
"""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from certificates.models import Draft, Operation
from certificates.operations.activation_time import TooEarly, limits, stamp, would_miss
from certificates.operations.states import OperationState
from devices.models import Device, Zone
from tests.certificates.clients import PAGE, entered, events, local
from tests.support import factories

pytestmark = pytest.mark.django_db
REMINT = f"{PAGE}remint-ca/"
EARLY = "This is earlier than suggested"


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    """The queue is not rung."""
    monkeypatch.setattr("certificates.tasks.nudge", lambda _operation: None)


@pytest.fixture
def client():
    factories.zone()
    holder = factories.server("ps-01")
    factories.certificate(holder, factories.authority(holder))
    return entered(factories.admin())


def order(moment, **more):
    given = {"confirm": "on", "common_name": "TEST-ZONE", "key_length": "256", "years": "10"}
    return {**given, "activates_at": moment, "key": str(uuid4()), **more}


def hidden(response):
    """Tell whether the warning beside the field is hidden."""
    page = response.content.decode()
    note = page[page.index('id="early-activation"') :]
    return " hidden" in note[: note.index(">")]


def test_the_suggested_time_is_not_warned_about(client):
    assert hidden(client.get(REMINT))
    said = client.post(REMINT, order(local(hours=2)))
    assert EARLY not in events(said)["zcc:announce"]["text"]


def test_between_the_earliest_and_the_suggested_time_it_warns_and_goes_on(client):
    response = client.post(REMINT, order(local(minutes=30)))
    assert response.status_code == 204
    text = events(response)["zcc:announce"]["text"]
    assert text.startswith("The Remint CA operation has been initiated.")
    assert EARLY in text
    assert "Suggested was" in text
    assert Operation.objects.count() == 1


def test_shown_again_for_another_error_it_warns_beside_the_field(client):
    response = client.post(REMINT, order(local(minutes=30), years="99"))
    assert response.status_code == 422
    assert list(response.context["form"].errors) == ["years"]
    assert not hidden(response)
    assert hidden(client.post(REMINT, order(local(hours=2), years="99")))


def test_too_early_is_refused_with_what_to_do(client):
    response = client.post(REMINT, order(local(seconds=-60)))
    assert response.status_code == 422
    told = str(response.context["form"].errors["activates_at"])
    suggested = stamp(response.context["limits"].suggestion)
    assert "The activation must be later than" in told
    assert f"Take the suggested time, {suggested}, or a later one." in told
    assert not Operation.objects.exists()


def test_the_domain_says_the_same(client):
    found = limits(Operation.Kind.REMINT_CA, now=timezone.now())
    with pytest.raises(TooEarly, match="Take the suggested time"):
        found.check(found.earliest - timedelta(seconds=1))
    found.check(found.earliest)
    assert found.is_early(found.suggestion - timedelta(seconds=1))
    assert not found.is_early(found.suggestion)


def test_a_changed_time_is_warned_about_as_well(client, monkeypatch):
    # The act itself signs the new time, which takes the zone's keys.
    monkeypatch.setattr(
        "certificates.operations.intervention.change_activation", lambda *_, now: now
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


def test_a_server_remint_warns_and_asks_about_its_own_servers_alone(client):
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


def test_who_would_miss_it_is_counted_of_the_servers_concerned(client):
    now, zone = timezone.now(), Zone.objects.the()
    silent = factories.device("pc-1", last_contact=now - timedelta(days=1))
    moment, shown = now + timedelta(minutes=30), Device.objects.get(name="ps-01").pk
    assert would_miss(zone, moment, now) == 1
    assert would_miss(zone, moment, now, [shown]) == 0
    assert would_miss(zone, moment, now, [silent.pk]) == 1


def test_a_change_of_the_ca_is_about_every_device_whoever_asks(client):
    servers = [Device.objects.get(name="ps-01")]
    now = timezone.now()
    assert limits(Operation.Kind.REMINT_CA, servers=servers, now=now).servers is None
    assert limits(Operation.Kind.CHANGE_CA, servers=servers, now=now).servers is None
    found = limits(Operation.Kind.REMINT_SERVER, servers=servers, now=now)
    assert found.servers == [servers[0].pk]
