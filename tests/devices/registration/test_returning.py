"""Devices that return after they were unregistered, or with a new installation (D-51, D-179)."""

import json
from base64 import b64decode
from datetime import timedelta

import pytest
from django.utils import timezone

from certificates.models import Authority, Operation
from devices.registration import registration
from systemupdates.models import Assignment
from tests.support import walkthrough
from wire import messages

pytestmark = pytest.mark.django_db


def come_back(host, **forge):
    return host.send("POST", "/zac/v1/register", host.registration(), forge=forge or None)


def test_an_unregistered_device_returns_without_a_key(zone):
    host = zone.join("pc-01")
    assert host.send("POST", "/zac/v1/unregister", {}).status_code == 204
    assert host.send("POST", "/zac/v1/unregister", {}).status_code == 401
    response = come_back(host)
    assert response.status_code == 201, response.content
    answer = json.loads(response.content)
    assert (answer["id"], answer["approved"]) == (host.id, True)
    host.secret = answer["secret"]
    host.refresh()


def test_a_server_that_returns_needs_approval(zone):
    host = zone.join("as-01", messages.AUTHENTICATION_SATELLITE, "127.0.0.21")
    host.send("POST", "/zac/v1/unregister", {})
    assert json.loads(come_back(host).content)["approved"] is False
    assert zone.device(host).state == "waiting"


def test_the_old_secret_opens_nothing_else_and_only_once(zone):
    host = zone.join("pc-01")
    host.send("POST", "/zac/v1/unregister", {})
    assert host.send("POST", "/zac/v1/refresh", {}).status_code == 401
    assert come_back(host, counter=1).status_code == 401, "a replay"
    assert come_back(host, secret="ab" * 32).status_code == 401
    assert come_back(host).status_code == 201
    assert come_back(host).status_code == 401, "the device has a new secret now"


def test_a_retired_device_does_not_return(zone):
    host = zone.join("pc-01")
    registration.retire(zone.device(host))
    assert come_back(host).status_code == 401


def remint_ca(zone):
    """Run one Remint CA operation to its completion, and return its update."""
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, walkthrough.fresh(operation).future_authority)
    assert walkthrough.cut_over(zone, operation).state == "completed"
    return walkthrough.fresh(operation).update_id


def list_states(update):
    return sorted(Assignment.objects.filter(update=update).values_list("state", flat=True))


@pytest.mark.parametrize("name", ["pc-01", "ps-01"])
def test_a_re_imaged_device_is_offered_only_the_update_in_force(zone, name):
    """Older completed updates keep their counts, and are not offered: they could only fail."""
    walkthrough.sign(zone, Authority.objects.current())
    zone.join("pc-01")
    older, newer = remint_ca(zone), remint_ca(zone)
    Operation.objects.update(ended_at=timezone.now() - timedelta(hours=1))
    before = list_states(older)
    host = zone.hosts.get(name, zone.first)
    returned = come_back(host)
    assert returned.status_code == 201, returned.content
    states = dict(Assignment.objects.filter(device=host.id).values_list("update_id", "state"))
    assert states == {older: "activated", newer: "assigned"}
    assert list_states(older) == before
    host.secret = json.loads(returned.content)["secret"]
    # Also if it had not activated the older one.
    Assignment.objects.filter(device=host.id, update=older).update(state="failed")
    offered = [json.loads(b64decode(each["payload"]))["id"] for each in host.refresh()["updates"]]
    assert offered == [str(newer)]
