"""What waits for a second administrator, in the REST API and with zman (B-29)."""

import pytest
from django.utils import timezone

from administrators.accounts import policies
from administrators.models import Rules
from certificates.approvals import approvals
from certificates.models import Operation
from certificates.operations.states import OperationState
from tests.api.conftest import CA, caller, problem, refuses, succeeds
from tests.support import walkthrough

P = OperationState
PHRASE = "seven quiet lakes"


@pytest.fixture
def second(everybody):
    """Another administrator of the CA, with the rule on."""
    other = caller("second", CA)
    policies.change(
        requires_second_factor=False, two_administrators=True, by=other.user, now=timezone.now()
    )
    return other


@pytest.fixture
def held(everybody, zone):
    """A Remint CA that something holds back."""
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
def test_force_is_asked_for_listed_refused_and_confirmed(everybody, held, second, zone):
    there = f"operations/{held.pk}"
    told = everybody.post(f"{there}/force").json()
    assert (told["state"], told["asked_act"], told["asked_by"]) == ("blocked", "force", "everybody")
    listed = second.get("confirmations").json()
    assert [(one["kind"], one["own"]) for one in listed] == [("act", False)]
    assert everybody.get("confirmations").json()[0]["own"] is True
    problem(everybody.post(listed[0]["confirm"]), 409)
    problem(second.post(f"{there}/acts/roll-back/confirm"), 409)
    problem(second.post(f"{there}/acts/dance/confirm"), 404)
    assert second.post(listed[0]["refuse"]).json()["asked_act"] == ""
    problem(second.post(listed[0]["refuse"]), 409)
    everybody.post(f"{there}/force")
    done = second.post(listed[0]["confirm"]).json()
    assert (done["state"], done["forced"], done["asked_act"]) == ("assigned", True, "")
    assert second.get("confirmations").json() == []


@succeeds("POST /jobs/{job_id}/refuse")
@refuses("POST /jobs/{job_id}/refuse")
def test_every_kind_that_waits_is_listed_with_the_calls_that_decide(everybody, second, zone):
    job = everybody.post("authority/backup", {"passphrase": PHRASE}).json()
    operation = walkthrough.remint_ca()
    Rules.objects.update(end_asked_by=everybody.user, end_asked_at=timezone.now())
    listed = {one["kind"]: one for one in second.get("confirmations").json()}
    assert listed.keys() == {"operation", "job", "rules"}
    assert second.post(listed["job"]["refuse"]).json()["state"] == "expired"
    told = problem(second.post(listed["job"]["refuse"]), 409)
    assert "does not wait" in told["detail"]
    assert everybody.get(f"jobs/{job['id']}").json()["reason"].startswith("second refused")
    assert second.post(listed["operation"]["refuse"]).json()["state"] == "cancelling"
    assert second.post(listed["rules"]["confirm"]).json()["two_administrators"] is False
    assert Operation.objects.get().pk == operation.pk


def test_roll_back_is_only_asked_for(everybody, second, zone):
    operation = walkthrough.remint_ca()
    Operation.objects.update(state=P.PREPARING)
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, operation.future_authority)
    operation = walkthrough.cut_over(zone, operation)
    told = everybody.post(f"operations/{operation.pk}/roll-back").json()
    assert (told["state"], told["asked_act"]) == (operation.state, approvals.ROLL_BACK)
