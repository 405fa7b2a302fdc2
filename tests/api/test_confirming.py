"""REST API: approval requests for a second administrator."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from administrators.accounts import policies
from administrators.models import Policies, roles_of
from audit.models import Entry
from certificates.approvals import approvals
from certificates.models import Operation
from certificates.operations.states import OperationState
from tests.api.conftest import CA, EVERY_RIGHT, caller, problem, refuses, succeeds
from tests.support import factories, walkthrough

P = OperationState
PHRASE = "seven quiet lakes"


@pytest.fixture
def second(everybody):
    """A second CA administrator, with two-administrator approval on."""
    other = caller("second", CA)
    policies.update_policies(
        requires_second_factor=False, two_administrators=True, by=other.user, now=timezone.now()
    )
    return other


@pytest.fixture
def blocked(everybody, zone):
    """A blocked Remint CA operation."""
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    Operation.objects.filter(pk=operation.pk).update(state=P.BLOCKED)
    operation.futures.update(state="created")
    return operation


@succeeds(
    "GET /confirmations",
    "POST /operations/{operation_id}/acts/{act_name}/confirm",
    "POST /operations/{operation_id}/acts/{act_name}/refuse",
)
@refuses(
    "POST /operations/{operation_id}/acts/{act_name}/confirm",
    "POST /operations/{operation_id}/acts/{act_name}/refuse",
)
def test_a_force_request_is_listed_rejected_and_approved(everybody, blocked, second, zone):
    there = f"operations/{blocked.pk}"
    result = everybody.post(f"{there}/force").json()
    assert (result["state"], result["requested_action"], result["action_requested_by"]) == (
        "blocked",
        "force",
        "everybody",
    )
    listed = second.get("confirmations").json()
    assert [(one["kind"], one["own"]) for one in listed] == [("act", False)]
    assert everybody.get("confirmations").json()[0]["own"] is True
    problem(everybody.post(listed[0]["confirm"]), 409)
    problem(second.post(f"{there}/acts/roll-back/confirm"), 409)
    problem(second.post(f"{there}/acts/dance/confirm"), 404)
    assert second.post(listed[0]["refuse"]).json()["requested_action"] == ""
    problem(second.post(listed[0]["refuse"]), 409)
    everybody.post(f"{there}/force")
    assert problem(second.post(listed[0]["refuse"], {"reason": "x" * 501}), 422)
    second.post(listed[0]["refuse"], {"reason": "Not yet."})
    assert Entry.objects.filter(action="refuse-force").latest("seq").note == "Not yet."
    everybody.post(f"{there}/force")
    done = second.post(listed[0]["confirm"]).json()
    assert (done["state"], done["forced"], done["requested_action"]) == ("assigned", True, "")
    assert second.get("confirmations").json() == []


@succeeds("POST /jobs/{job_id}/refuse")
@refuses("POST /jobs/{job_id}/refuse")
def test_every_kind_of_approval_request_is_listed_with_its_links(everybody, second, zone):
    job = everybody.post("authority/backup", {"passphrase": PHRASE}).json()
    operation = walkthrough.remint_ca()
    Policies.objects.update(
        turn_off_requested_by=everybody.user, turn_off_requested_at=timezone.now()
    )
    listed = {one["kind"]: one for one in second.get("confirmations").json()}
    assert listed.keys() == {"operation", "job", "rules"}
    body = {"reason": "Not yet."}
    assert second.post(listed["job"]["refuse"], body).json()["state"] == "expired"
    result = problem(second.post(listed["job"]["refuse"]), 409)
    assert "is not waiting for approval" in result["detail"]
    reason = everybody.get(f"jobs/{job['id']}").json()["reason"]
    assert reason == "second rejected the request. Nothing was changed. Reason: Not yet."
    refuse = f"{listed['operation']['refuse']}?reason=Not+yet."
    assert second.post(refuse).json()["state"] == "canceling"
    assert Entry.objects.get(action="move", there="canceling").note == "Not yet."
    assert second.post(listed["rules"]["confirm"]).json()["two_administrators"] is False
    assert Operation.objects.get().pk == operation.pk


def test_roll_back_creates_an_approval_request(everybody, second, zone):
    operation = walkthrough.remint_ca()
    Operation.objects.update(state=P.PREPARING)
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, operation.future_authority)
    operation = walkthrough.cut_over(zone, operation)
    result = everybody.post(f"operations/{operation.pk}/roll-back").json()
    assert (result["state"], result["requested_action"]) == (operation.state, approvals.ROLL_BACK)


@succeeds(
    "POST /administrators/{administrator_id}/roles/confirm",
    "POST /administrators/{administrator_id}/roles/refuse",
)
@refuses(
    "POST /administrators/{administrator_id}/roles/confirm",
    "POST /administrators/{administrator_id}/roles/refuse",
)
def test_roles_with_a_right_on_the_ca_are_listed_rejected_and_approved(second, zone):
    rights = (*EVERY_RIGHT, "console.view_metrics")
    chief = caller("chief", *rights)
    person = factories.user("person")
    roles = {"roles": ["certificate-administrator", "auditor"]}
    for decision in ("refuse", "confirm"):
        shown = chief.put(f"administrators/{person.pk}/roles", roles).json()
        assert shown["roles"] == ["auditor"]
        (listed,) = second.get("confirmations").json()
        assert (listed["kind"], listed["id"]) == ("roles", str(person.pk))
        problem(chief.post(listed["confirm"]), 409)
        problem(second.post(listed[decision]), 403)
        third = caller(f"third-{decision}", *rights)
        body = {"reason": "Not yet."} if decision == "refuse" else None
        assert third.post(listed[decision], body).status_code == 200
        problem(third.post(listed[decision]), 409)
    assert Entry.objects.get(action="refuse-roles").note == "person, Not yet."
    assert [role.key for role in roles_of(User.objects.get(pk=person.pk))] == [
        "certificate-administrator",
        "auditor",
    ]
