"""Devices at risk by their reports, cutover stages, and contact after the activation."""

from datetime import timedelta
from typing import Any

import pytest

from certificates.models import Authority, CrossCertificate, Operation
from certificates.operations.states import AuthorityState, FutureState, OperationState
from certificates.progress import counts as operation_counts
from certificates.progress import progress, stages
from certificates.trust import devices_at_risk
from certificates.trust.devices_at_risk import Contact, Risk
from devices.models import Device, Role, Zone
from systemupdates.updates.states import AssignmentState
from tests.support import factories

pytestmark = pytest.mark.django_db
S, A, F = OperationState, AssignmentState, FutureState
OK = [{"server": "s", "code": "ok", "detail": ""}]
FAILED = [*OK, {"server": "t", "code": "refused", "detail": "IP address mismatch"}]


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


def risks(operation):
    found: Any = devices_at_risk.get_devices_by_risk(
        operation, Zone.objects.get_zone(), factories.now()
    )
    return dict(found.values_list("name", "status"))


def trusting(*roots):
    return {"trusted_sha256": [root.sha256 for root in roots]}


def test_each_risk_is_distinguished(ca, operation):
    new = operation.future_authority
    cases: dict[str, tuple[Any, Any, str]] = {
        "no-row": ({}, None, Risk.NOT_APPLIED),
        "assigned": ({}, {"state": A.ASSIGNED}, Risk.NOT_APPLIED),
        "failed": ({}, {"state": A.FAILED}, Risk.FAILED),
        "crt": ({}, {"state": A.NEEDS_CRT}, Risk.NEEDS_CRT),
        "ignored": ({}, {"state": A.IGNORED}, Risk.IGNORED),
        "silent": ({"last_contact": factories.now() - timedelta(days=3)}, None, Risk.NO_CONTACT),
        "never": ({"last_contact": None}, None, Risk.NO_CONTACT),
        "old": ({"features": ["recovery"]}, {"state": A.ASSIGNED}, Risk.OLD_AGENT),
        "applied": ({}, {"state": A.APPLIED}, ""),
        "passed": ({}, {"state": A.APPLIED, "preflight_results": OK}, ""),
        "refused": ({}, {"state": A.APPLIED, "preflight_results": FAILED}, Risk.PREFLIGHT_FAILED),
        # A device that registers during the operation receives the new root without an update.
        "re-imaged": (trusting(ca, new), {"state": A.ASSIGNED}, ""),
    }
    for name, (values, row, _) in cases.items():
        device = factories.device(name, **values)
        if row is not None:
            factories.assignment(operation.update, device, **row)
    found = risks(operation)
    assert {name: found[name] for name in cases} == {n: why for n, (_, _, why) in cases.items()}


def test_a_server_without_a_new_certificate_is_at_risk_regardless_of_trust(ca, operation):
    server = factories.server("as-1", Role.AUTHENTICATION_SATELLITE)
    factories.future(operation, server, F.DISCARDED)
    future = factories.future(operation, server, F.CSR_FAILED)
    row = factories.assignment(operation.update, server, A.APPLIED)
    assert risks(operation)["as-1"] == Risk.NO_CERTIFICATE
    row.state = A.IGNORED
    row.save()
    assert risks(operation)["as-1"] == Risk.IGNORED
    row.state, future.state = A.APPLIED, F.UPLOADED
    row.save()
    future.save()
    assert risks(operation)["as-1"] == ""


def test_retired_devices_are_not_counted(ca, operation):
    factories.device("gone", state="retired")
    assert "gone" not in risks(operation)


def test_a_server_remint_includes_only_its_servers(ca):
    operation = factories.operation(ca, state=S.ASSIGNED, kind=Operation.Kind.REMINT_SERVER)
    factories.future(operation, ca.certificate_server, F.AWAITED)
    factories.device("pc")
    assert risks(operation) == {"ps-1": Risk.NO_CERTIFICATE}
    assert devices_at_risk.count_trust(operation) == devices_at_risk.TrustCounts()


def test_a_replaced_ca_keeps_the_count_of_its_activation(ca, operation):
    for row in Device.objects.all():
        operation.update.assignments.filter(device=row).delete()
        factories.assignment(operation.update, row, A.ACTIVATED)
    operation.state, operation.activated_at = S.COMPLETED, factories.now()
    operation.future_authority.state = AuthorityState.GRACE
    stage = stages.get_cutover_stages(operation, devices_at_risk.count_trust(operation))[2]
    total = Device.objects.count()
    assert (stage.mark, stage.note) == ("done", f"{total} of {total} devices activated the new CA")


def test_stages_count_what_devices_reported(ca, operation):
    new = operation.future_authority
    for number in range(4):
        device = factories.device(
            f"pc-{number}", **(trusting(ca, new) if number < 3 else trusting(ca))
        )
        if number < 2:
            factories.assignment(operation.update, device, A.APPLIED, preflight_results=OK)
    found = devices_at_risk.count_trust(operation)
    assert (found.of, found.trusting, found.passed_preflight, found.using_new) == (5, 4, 2, 0)


def test_counts_and_risks_agree_about_a_device_that_was_installed_anew(ca, operation):
    both = trusting(ca, operation.future_authority)
    for name, values, row in (
        ("pc-1", {}, {"state": A.APPLIED, "preflight_results": OK}),
        ("again", both, {"state": A.ASSIGNED}),
        ("late", trusting(ca), {"state": A.ASSIGNED}),
    ):
        factories.assignment(operation.update, factories.device(name, **values), **row)
    ready = [name for name, why in risks(operation).items() if not why]
    found = devices_at_risk.count_trust(operation)
    assert (sorted(ready), found.trusting) == (["again", "pc-1", "ps-1"], 3)
    assert (found.passed_preflight, found.of) == (1, 4)


def marks(operation):
    found = stages.get_cutover_stages(operation, devices_at_risk.count_trust(operation))
    return [(str(stage.name), stage.mark) for stage in found]


def test_a_stage_is_done_when_all_devices_are_done(ca, operation):
    new, device = operation.future_authority, factories.device("pc")
    names = ("Trust", "Preflight", "Activate", "Retire")
    assert marks(operation) == list(zip(names, ("now", "now", "", ""), strict=True))
    Device.objects.update(trusted_sha256=[ca.sha256, new.sha256])
    assert marks(operation)[:2] == [("Trust", "done"), ("Preflight", "now")]
    row = factories.assignment(operation.update, device, A.APPLIED, preflight_results=OK)
    operation.update.assignments.update(preflight_results=OK)
    assert marks(operation)[1] == ("Preflight", "done")
    operation.state, operation.activated_at = S.ACTIVATED, factories.now()
    assert marks(operation)[2] == ("Activate", "now")
    Device.objects.update(root_sha256=new.sha256)
    assert marks(operation)[2:] == [("Activate", "done"), ("Retire", "")]
    # The end of the grace period alone does not complete the stage.
    ca.state = AuthorityState.RETIRED
    operation.authority = ca
    assert marks(operation)[3] == ("Retire", "now")
    Device.objects.update(trusted_sha256=[new.sha256])
    assert marks(operation)[3] == ("Retire", "done")
    assert row.pk


def test_after_the_activation_devices_are_classified_by_contact(ca, operation):
    operation.activated_at = factories.now() - timedelta(hours=1)
    operation.save()
    seen, late = factories.device("seen"), factories.device("late")
    factories.device("away", last_contact=factories.now() - timedelta(hours=2))
    factories.assignment(operation.update, seen, A.ACTIVATED, confirmed_at=factories.now())
    factories.assignment(operation.update, late, A.FAILED)
    rows: Any = devices_at_risk.get_devices_by_contact(operation)
    found = dict(rows.values_list("name", "status"))
    assert found == {
        "ps-1": Contact.OLD_TRUST,
        "seen": Contact.ACTIVATED,
        "late": Contact.OLD_TRUST,
        "away": Contact.NO_CONTACT,
    }


def test_a_cross_certificate_from_the_old_root_is_detected(ca, operation):
    assert not devices_at_risk.has_cross_certificate(operation)
    new = Authority.objects.get(state=AuthorityState.FUTURE)
    CrossCertificate.objects.create(issuer=ca, subject=new, pem="x", not_after=new.not_after)
    assert devices_at_risk.has_cross_certificate(operation)


def test_the_stages_of_the_operation_are_part_of_the_cutover(ca, operation):
    factories.device("pc")
    counts = operation_counts.get_counts([operation], now=factories.now())[operation.pk]
    steps = progress.get_stages(operation, counts)
    trust = devices_at_risk.count_trust(operation)
    found = stages.get_cutover_stages(operation, trust, steps)
    assert [[step.number for step in stage.steps] for stage in found] == [[1, 2, 3, 4], [], [5], []]


def test_the_preflight_check_is_not_in_progress_after_the_activation(ca, operation):
    factories.device("pc")
    operation.state, operation.activated_at = S.ACTIVATED, factories.now()
    assert marks(operation)[1] == ("Preflight", "")
