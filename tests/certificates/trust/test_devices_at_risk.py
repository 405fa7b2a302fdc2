"""Who would be cut off, by facts that devices reported; stages and first contacts (B-1 to B-7)."""

from datetime import timedelta
from typing import Any

import pytest

from certificates.models import Authority, Bridge, Operation
from certificates.operations.states import AuthorityState, FutureState, OperationState
from certificates.progress import stages
from certificates.trust import devices_at_risk
from certificates.trust.devices_at_risk import Contact, Why
from devices.models import Device, Role, Zone
from systemupdates.updates.states import AssignmentState
from tests.support import factories

pytestmark = pytest.mark.django_db
S, A, F = OperationState, AssignmentState, FutureState
OK = [{"server": "s", "code": "ok", "detail": ""}]
REFUSED = [*OK, {"server": "t", "code": "refused", "detail": "IP address mismatch"}]


@pytest.fixture
def ca():
    factories.zone()
    return factories.authority(factories.server("ps-1"))


@pytest.fixture
def operation(ca):
    made = factories.operation(ca, state=S.ASSIGNED)
    made.future_authority = factories.authority(
        ca.certificate_server, name="NEW", state=AuthorityState.FUTURE
    )
    made.save()
    factories.future(made, ca.certificate_server, F.CREATED)
    factories.assignment(made.update, ca.certificate_server, A.APPLIED)
    return made


def whys(operation):
    found: Any = devices_at_risk.by_why(operation, Zone.objects.the(), factories.now())
    return dict(found.values_list("name", "standing"))


def known(*roots):
    return {"trusted_sha256": [root.sha256 for root in roots]}


def test_each_reason_is_told_apart(ca, operation):
    new = operation.future_authority
    cases: dict[str, tuple[Any, Any, str]] = {
        "no-row": ({}, None, Why.NOT_APPLIED),
        "assigned": ({}, {"state": A.ASSIGNED}, Why.NOT_APPLIED),
        "failed": ({}, {"state": A.FAILED}, Why.FAILED),
        "crt": ({}, {"state": A.NEEDS_CRT}, Why.NEEDS_CRT),
        "ignored": ({}, {"state": A.IGNORED}, Why.LEFT_OUT),
        "silent": ({"last_contact": factories.now() - timedelta(days=3)}, None, Why.SILENT),
        "never": ({"last_contact": None}, None, Why.SILENT),
        "old": ({"features": ["recovery"]}, {"state": A.ASSIGNED}, Why.OLD_AGENT),
        "applied": ({}, {"state": A.APPLIED}, ""),
        "rehearsed": ({}, {"state": A.APPLIED, "rehearsal": OK}, ""),
        "refused": ({}, {"state": A.APPLIED, "rehearsal": REFUSED}, Why.REFUSED),
        # A device that registers meanwhile gets the new root at once, without an update.
        "re-imaged": (known(ca, new), {"state": A.ASSIGNED}, ""),
    }
    for name, (values, row, _) in cases.items():
        device = factories.device(name, **values)
        if row is not None:
            factories.assignment(operation.update, device, **row)
    found = whys(operation)
    assert {name: found[name] for name in cases} == {n: why for n, (_, _, why) in cases.items()}


def test_a_server_without_its_certificate_is_named_whatever_it_trusts(ca, operation):
    server = factories.server("as-1", Role.AUTHENTICATION_SATELLITE)
    factories.future(operation, server, F.DISCARDED)
    future = factories.future(operation, server, F.CSR_FAILED)
    row = factories.assignment(operation.update, server, A.APPLIED)
    assert whys(operation)["as-1"] == Why.NO_CERTIFICATE
    row.state = A.IGNORED
    row.save()
    assert whys(operation)["as-1"] == Why.LEFT_OUT
    row.state, future.state = A.APPLIED, F.UPLOADED
    row.save()
    future.save()
    assert whys(operation)["as-1"] == ""


def test_a_device_that_left_the_zone_is_not_counted(ca, operation):
    factories.device("gone", state="retired")
    assert "gone" not in whys(operation)


def test_a_server_remint_is_about_its_servers_alone(ca):
    operation = factories.operation(ca, state=S.ASSIGNED, kind=Operation.Kind.REMINT_SERVER)
    factories.future(operation, ca.certificate_server, F.AWAITED)
    factories.device("pc")
    assert whys(operation) == {"ps-1": Why.NO_CERTIFICATE}
    assert devices_at_risk.trusting(operation) == devices_at_risk.Trusting()


def test_the_count_of_each_stage_is_what_devices_reported(ca, operation):
    new = operation.future_authority
    for number in range(4):
        device = factories.device(f"pc-{number}", **(known(ca, new) if number < 3 else known(ca)))
        if number < 2:
            factories.assignment(operation.update, device, A.APPLIED, rehearsal=OK)
    found = devices_at_risk.trusting(operation)
    assert (found.of, found.trusting, found.rehearsed, found.using_new) == (5, 4, 2, 0)


def marks(operation):
    found = stages.cut_over(operation, devices_at_risk.trusting(operation))
    return [(str(stage.name), stage.mark) for stage in found]


def test_no_stage_is_done_before_its_last_device(ca, operation):
    new, device = operation.future_authority, factories.device("pc")
    names = ("Trust", "Rehearse", "Activate", "Retire")
    assert marks(operation) == list(zip(names, ("now", "now", "", ""), strict=True))
    Device.objects.update(trusted_sha256=[ca.sha256, new.sha256])
    assert marks(operation)[:2] == [("Trust", "done"), ("Rehearse", "now")]
    row = factories.assignment(operation.update, device, A.APPLIED, rehearsal=OK)
    operation.update.assignments.update(rehearsal=OK)
    assert marks(operation)[1] == ("Rehearse", "done")
    operation.state, operation.activated_at = S.ACTIVATED, factories.now()
    assert marks(operation)[2] == ("Activate", "now")
    Device.objects.update(root_sha256=new.sha256)
    assert marks(operation)[2:] == [("Activate", "done"), ("Retire", "")]
    # The time has passed: that alone is no retirement.
    ca.state = AuthorityState.RETIRED
    operation.authority = ca
    assert marks(operation)[3] == ("Retire", "now")
    Device.objects.update(trusted_sha256=[new.sha256])
    assert marks(operation)[3] == ("Retire", "done")
    assert row.pk


def test_after_the_activation_every_registered_device_counts_the_silent_apart(ca, operation):
    operation.activated_at = factories.now() - timedelta(hours=1)
    operation.save()
    seen, late = factories.device("seen"), factories.device("late")
    factories.device("away", last_contact=factories.now() - timedelta(hours=2))
    factories.assignment(operation.update, seen, A.ACTIVATED, confirmed_at=factories.now())
    factories.assignment(operation.update, late, A.FAILED)
    rows: Any = devices_at_risk.by_contact(operation)
    found = dict(rows.values_list("name", "standing"))
    assert found == {
        "ps-1": Contact.OLD_TRUST,
        "seen": Contact.ACTIVATED,
        "late": Contact.OLD_TRUST,
        "away": Contact.SILENT,
    }


def test_a_bridge_is_told(ca, operation):
    assert not devices_at_risk.is_bridged(operation)
    new = Authority.objects.get(state=AuthorityState.FUTURE)
    Bridge.objects.create(issuer=ca, subject=new, pem="x", not_after=new.not_after)
    assert devices_at_risk.is_bridged(operation)
