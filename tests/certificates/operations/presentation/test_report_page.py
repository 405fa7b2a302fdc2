"""The report of an operation as a page: times, roles, and states as on other pages."""

from __future__ import annotations

import json
import re

from django.test import Client

from certificates.models import Authority, Operation
from certificates.operations.states import OperationState
from systemupdates.updates.states import AssignmentState
from tests.support import factories


def get_report(client: Client, operation: Operation, form: str) -> str:
    url = f"/configuration/certificates/operations/{operation.pk}/report/"
    return client.post(url, {"as": form}, secure=True).content.decode()


def test_the_page_shows_labels_and_times_as_other_pages_do(zone):
    host = zone.join("pc-1")
    operation = factories.operation(Authority.objects.current(), state=OperationState.ASSIGNED)
    factories.assignment(operation.update, zone.device(host), AssignmentState.APPLIED)
    Operation.objects.transition(operation, OperationState.ACTIVATING)
    client = Client()
    client.force_login(factories.admin())
    page = get_report(client, operation, "page")
    assert "Managed device" in page
    assert "Update Applied" in page
    assert "Assigned → Activating" in page
    text = re.sub(r"<[^>]*>", "", page)
    assert not re.search(r"\d{4}-\d\d-\d\dT", text), "no ISO times"
    assert re.search(r"Created \d+ \w{3} \d{4}, \d\d:\d\d UTC", text)
    signed = json.loads(get_report(client, operation, "json"))
    assert signed["signature"], "the signed content is unchanged"
